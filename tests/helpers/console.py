"""The real `delm` console script, run the way a person runs it, and what its sandboxes need."""

import gc
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any
from urllib.parse import quote

import anyio
import pytest
from docker import DockerClient

from harness.benchmarks.rows import load
from harness.cache import cache_dir
from harness.cli import main
from harness.environments.rebuild import prepare
from harness.errors import UserError
from harness.sandbox.docker.client import connected
from harness.types import Item

DELM = str(Path(sys.executable).with_name("delm"))
DATASET = "verified-offline"
FLASK = "pallets__flask-5014"
QUESTIONS = Path(__file__).parents[2] / "configs" / "recordings" / "longbench-offline.jsonl"
SHARED = ("environments", "files", "rows", "wheels")  # of the cache: built or downloaded once
# Where a run ends and what it comes to is looked at, and not whether the tests were forged: the
# guard takes four times as long as the grading, and has its tests in tests/benchmarks.
UNGUARDED = ("-c", "grading.guard=false")
PRIVATE = ("_API_KEY", "_API_BASE", "_BASE_URL", "_AUTH_TOKEN")


MEASURE = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as out:
    out.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""


@dataclass(frozen=True)
class Told:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


def refused(told: Told, *says: str) -> None:
    """It ended with 2 and one line on standard error that holds every one of `says`."""
    assert told.code == 2, told.text
    assert told.err.startswith("error: "), told.err
    assert told.err.endswith("\n")
    assert told.err.count("\n") == 1, told.err
    assert told.err.removesuffix("\n").isprintable()
    assert len(told.err) < 400
    for words in says:
        assert words in told.err


def quickly(words: Sequence[object]) -> list[str]:
    """`words`, and for a run that says nothing of its plots, or its report, that there are none:
    they take 3 s each."""
    said = [str(word) for word in words]
    for each in ("plots", "report"):
        if said[:1] == ["eval"] and not any(f"{each}=" in word for word in said):
            said += ["-c", f"{each}=false"]
    return said


def variables(**more: str) -> dict[str, str]:
    """The environment of a command: nobody's keys, and what a test adds."""
    kept = {name: value for name, value in os.environ.items() if not name.endswith(PRIVATE)}
    return kept | {"DELM_CACHE": str(cache_dir())} | more


def delm(
    *words: str | Path,
    cwd: Path | None = None,
    timeout: float = 300,
    measure: Path | None = None,
    **more: str,
) -> Told:
    """Run `delm` with `words` to its end. The file `measure` gets its largest size in KiB."""
    measured = [sys.executable, "-c", MEASURE, str(measure)] if measure else []
    done = subprocess.run(
        [*measured, DELM, *quickly(words)],
        env=variables(**more),
        cwd=cwd,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return Told(done.returncode, done.stdout, done.stderr)


def delm_here(*words: str | Path, cwd: Path | None = None, **more: str) -> Told:
    """`delm` to its end in this process: what it imports, seconds of it, is imported once."""
    wanted = variables(**more)
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(sys, "argv", ["delm", *quickly(words)])
        for name in os.environ.keys() - wanted.keys():
            patch.delenv(name)
        for name, value in wanted.items():
            patch.setenv(name, value)
        if cwd is not None:
            patch.chdir(cwd)
        out, err = (stack.enter_context(TemporaryFile("w+")) for _ in range(2))
        for each in (_sent(1, out), _sent(2, err), redirect_stdout(out), redirect_stderr(err)):
            stack.enter_context(each)
        with pytest.raises(SystemExit) as ended:
            main()
        told = [file.read() for file in (out, err) if file.seek(0) == 0]
    return Told(ended.value.code or 0, *told)


@contextmanager
def _sent(descriptor: int, file: IO[str]) -> Iterator[None]:
    """What is written to `descriptor`, by programs that are started too, goes into `file`."""
    before = os.dup(descriptor)
    os.dup2(file.fileno(), descriptor)
    try:
        yield
    finally:
        os.dup2(before, descriptor)
        os.close(before)


def start(*words: str | Path, cwd: Path | None = None, **more: str) -> subprocess.Popen[str]:
    """Start `delm` in a process group of its own, as a shell does for Ctrl-C."""
    return subprocess.Popen(
        [DELM, *quickly(words)],
        env=variables(**more),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def end(process: subprocess.Popen[str], timeout: float = 60) -> Told:
    """Wait for a started command."""
    out, err = process.communicate(timeout=timeout)
    return Told(process.returncode, out, err)


def own_cache(folder: Path) -> Path:
    """A cache that shares what is built and downloaded with the user's; the rest is its own."""
    folder.mkdir()
    for name in SHARED:
        (cache_dir() / name).mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(cache_dir() / name)
    return folder


def bundled(*ids: str) -> list[Item]:
    """Bundled instances, ready for bubblewrap; skips, in words, where they cannot be."""
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    tried = subprocess.run(
        ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"], capture_output=True, check=False
    )
    if tried.returncode:
        pytest.skip("bubblewrap may not make namespaces here")
    try:
        items = {item.instance.instance_id: item for item in load(DATASET, cache=cache_dir()).items}
    except UserError as error:
        pytest.skip(f"the rows of {DATASET} cannot be had: {error}")

    async def build(environment: Any) -> None:
        await prepare(environment, cache_dir(), on_progress=print)

    for name in ids:
        anyio.run(build, items[name].environment)
    return [items[name] for name in ids]


def docker_client(stack: ExitStack) -> DockerClient:
    """A client of the Docker engine for as long as `stack` lives; skips where none answers."""
    try:
        return stack.enter_context(connected())
    except UserError:
        pytest.skip("no Docker engine answers")


def forget_sockets() -> None:
    """Let go of those that Docker's SDK leaves when it fails, lest another test is blamed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def tree_of(item: Item) -> Path:
    """The repository of a bundled instance, as its sandboxes begin with it."""

    async def tree() -> Path:
        assert item.environment is not None
        return (await prepare(item.environment, cache_dir(), on_progress=print)).root / "testbed"

    return anyio.run(tree)


def running(word: str) -> list[int]:
    """The processes on this machine, sandboxes included, with `word` as one of their arguments."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it ended
        if word.encode() in words:
            found.append(int(process.name))
    return found


def descendants(process: int) -> list[int]:
    """Every process that this one has started, and they."""
    children = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = status.read_text().split(" ", 1)
        except OSError:
            continue  # it ended
        if int(rest.rpartition(")")[2].split()[1]) == process:
            children += [int(pid), *descendants(int(pid))]
    return children


def wait_for(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Wait until `condition()` holds; fail, naming `what`, when it does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:g} s"
        time.sleep(0.02)


def query(run: Path, statement: str, *parameters: object) -> list[dict[str, Any]]:
    """Rows of a run's database, read without this project's own code."""
    with closing(
        sqlite3.connect(f"file:{quote(str(run / 'run.db'))}?mode=ro", uri=True)
    ) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(statement, parameters)]


def bash(command: str, **more: Any) -> dict[str, Any]:
    """A scripted answer that runs `command`."""
    return {"tool_calls": [{"name": "bash", "arguments": {"command": command}}]} | more


FINISH = {"tool_calls": [{"name": "finish", "arguments": {"summary": "Done."}}]}
SOLVE = bash(
    r"""python - <<'END'
path = 'src/flask/blueprints.py'
text = open(path).read()
check = '        if not name:\n            raise ValueError("\'name\' may not be empty.")\n\n'
mark = '        if "." in name:'
assert mark in text
open(path, 'w').write(text.replace(mark, check + mark, 1))
END
git diff"""
)


def turns(plans: Sequence[Sequence[Any]]) -> Callable[[dict[str, Any], int], Any]:
    """A script for trials that run one after another: `plans[i]` answers the i-th of them in turn.

    The last entry of a plan answers whatever else is asked. A trial is over when a new
    conversation begins after an answer; faults are no answers.
    """
    state = {"trial": 0, "at": 0, "answered": False}

    def script(request: dict[str, Any], n: int) -> Any:
        if len(request["messages"]) == 2 and state["answered"]:
            state.update(trial=state["trial"] + 1, at=0, answered=False)
        plan = plans[state["trial"]]
        action = plan[min(state["at"], len(plan) - 1)]
        state["at"] += 1
        state["answered"] = state["answered"] or isinstance(action, dict)
        return action

    return script


def recording(path: Path, trials: Sequence[Sequence[dict[str, Any]]]) -> None:
    """A recording of `single` on the flask instance: `trials[i]` is what the i-th trial is told."""
    header = {"model": "openai/scripted", "dataset": DATASET, "created": "2026-01-01T00:00:00Z"}
    lines: list[dict[str, Any]] = [header]
    for number, answers in enumerate(trials):
        for position, answer in enumerate(answers):
            calls = [
                {"id": f"call_{position}_{i}", "name": call["name"],
                 "arguments": json.dumps(call["arguments"])}
                for i, call in enumerate(answer.get("tool_calls", ()))
            ]  # fmt: skip
            lines.append(
                {"system": "single", "instance_id": FLASK, "trial": number,
                 "conversation": "agent-1", "position": position, "prompt_sha256": "",
                 "content": answer.get("content", ""), "tool_calls": calls,
                 "usage": {"prompt_tokens": 1000, "completion_tokens": 100}}
            )  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
