"""What one agent step costs in the harness itself, beside the installed mini-swe-agent.

    python scripts/bench_step.py [--quick] [--image NAME]

Both sides run whole steps in a container of the same image: ask a model that answers at once, run
`true`, record what was said. Ours is the real loop, client, ledger and sandbox, on a replay;
theirs is `DefaultAgent`, `DockerEnvironment` (as their swebench.yaml has it) and
`DeterministicToolcallModel`. Their trajectory file is not written, ours is a database that is.
A step is measured from one question to the next; starting containers is left out on both sides.
The sides take turns in blocks, so that a busy machine slows both.

The last line is the figure. Exit code 1: ours costs more than a tenth of theirs; 2: no Docker.
"""

import argparse
import itertools
import json
import logging
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import anyio.to_thread
import docker
import yaml
from rich.console import Console
from rich.table import Table

from agents import tools
from agents.loop import converse
from harness import event_loop
from harness.benchmarks.swebench.benchmark import SweBench
from harness.benchmarks.swebench.grading import PatchGrader
from harness.benchmarks.swebench.items import IssueItem, IssueReference
from harness.board.sqlite.board import SqliteBoard
from harness.config import GradingConfig, SandboxConfig
from harness.model.backend import CallKey
from harness.model.budget import TrialBudget
from harness.model.call_limit import CallLimit
from harness.model.client import ModelClient, RetryPolicy
from harness.model.prices import Price
from harness.model.replay import Header, RecordedCall, Recording, ReplayBackend
from harness.runner.planning import RunSystem
from harness.runner.progress import Progress
from harness.runner.run import LiveTrial, Run
from harness.sandbox.docker.client import BUILT_PREFIX
from harness.sandbox.docker.image_build import BASE
from harness.sandbox.docker.machine import connect
from harness.sandbox.providers import DockerSandboxes
from harness.store.sqlite.store import SqliteStore
from harness.types import Issue, Limits, Reply, ToolCall, Usage

SHARE = 0.10  # of theirs, at most
WARM_UP = 5  # steps of a block that are not counted
COMMAND = "true"
TINY = f"delm-bench/step:{os.getpid()}"
NAME, INSTANCE, AUTHOR = "bench", "bench__bench-1", "agent-1"
PRICE = Price(
    input=1e-6, cached_input=1e-7, cache_write=1e-6, output=1e-6, context_tokens=0,
    max_output_tokens=0, supports_tools=True, source="none: nothing is billed",
)  # fmt: skip
ONCE = RetryPolicy(attempts=1, base_s=0, cap_s=0)
CALLS: Any = {"retry": ONCE, "timeout_s": 60, "max_output_tokens": 8_192}
LIMITS = Limits(steps=0, cost_usd=0, tokens=0, wall_clock_s=0, command_s=60)
OPENING = [
    {"role": "system", "content": "You are measured. " * 100},
    {"role": "user", "content": "Run a command that does nothing. " * 100},
]


class Timed(ReplayBackend):
    """A replay that notes when it is asked."""

    def __init__(self, recording: Recording) -> None:
        super().__init__(recording, on_mismatch=lambda _: None)
        self.asked: list[float] = []

    async def attempt(self, *args: Any, **kwargs: Any) -> Reply:
        self.asked.append(time.perf_counter())
        return await super().attempt(*args, **kwargs)


class Ours:
    """Blocks of steps of this harness, all in one sandbox."""

    def __init__(
        self, daemon: docker.DockerClient, item: IssueItem, folder: Path, steps: int, blocks: int
    ) -> None:
        self._item = item
        self._store, self._board = SqliteStore(folder / "a.db"), SqliteBoard(folder / "a.db")
        self._backend = Timed(recording(steps, blocks))
        self._sandbox: Any = None
        sandboxes = DockerSandboxes(
            daemon, SandboxConfig(), folder, labels={"delm.run": NAME}, grading_network=False
        )
        client = ModelClient(
            self._backend, NAME, price=PRICE, ledger=self._store,
            limit=CallLimit(16), **CALLS,
        )  # fmt: skip
        one: dict[str, Any] = {"agents": 1, "wanted": 1, "submits": "one", "trials": blocks}
        self._run = Run(
            store=self._store, board=self._board, benchmark=SweBench(), items=[self._item],
            run_systems=[RunSystem(name=NAME, system=self, **one)], client=client,
            sandboxes=sandboxes, grader=PatchGrader(sandboxes, folder, None, GradingConfig()),
            limits=LIMITS, agent_tools=("bash",), workers=1,
            watcher=Progress(Console(quiet=True), total=blocks),
        )  # fmt: skip

    async def start(self) -> None:
        """Plan a trial for each block, and open the one sandbox."""
        await self._run.services.sandboxes.prepare([self._item], print)
        await self._run.plan()
        self._sandbox = await self._run.services.sandboxes.open(self._item, purpose="agents")

    async def block(self) -> list[float]:
        """Seconds of each step of one conversation."""
        row = await self._store.claim_trial()
        assert row is not None
        trial = LiveTrial(self._run.services, row, self._item, TrialBudget(LIMITS))
        self._backend.asked.clear()
        box = tools.Toolbox(tools.bash(self._sandbox, timeout_s=60), tools.finish())
        assert (await converse(trial, AUTHOR, OPENING, box, agent=AUTHOR)).reason == "finished"
        return spans(self._backend.asked)

    async def run(self, trial: Any) -> None:
        """In name only: the blocks are run by hand."""

    async def close(self) -> None:
        """Leave nothing."""
        if self._sandbox is not None:
            await self._sandbox.close()
        self._board.close()
        self._store.close()


class Theirs:
    """Blocks of steps of mini-swe-agent, all in one container."""

    def __init__(self, image: str, steps: int) -> None:
        from minisweagent.config import builtin_config_dir
        from minisweagent.environments.docker import DockerEnvironment

        config = yaml.safe_load((builtin_config_dir / "benchmarks" / "swebench.yaml").read_text())
        settings = dict(config["environment"])
        settings.pop("environment_class")
        self._observation = config["model"]["observation_template"]
        self._steps = steps
        self._environment = DockerEnvironment(image=image, **settings)

    def block(self) -> list[float]:
        """Seconds of each step of one conversation."""
        from minisweagent.agents.default import DefaultAgent
        from minisweagent.models.test_models import DeterministicToolcallModel

        asked: list[float] = []

        class TimedModel(DeterministicToolcallModel):  # type: ignore[misc]
            def query(self, messages: list[dict[str, str]], **kwargs: Any) -> dict[str, Any]:
                asked.append(time.perf_counter())
                return dict(super().query(messages, **kwargs))

        outputs = [their_answer(n, COMMAND) for n in range(self._steps)]
        outputs.append(their_answer(self._steps, "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"))
        agent = DefaultAgent(
            TimedModel(outputs=outputs, observation_template=self._observation),
            self._environment,
            system_template=OPENING[0]["content"],
            instance_template=OPENING[1]["content"],
            cost_limit=0,
        )
        assert agent.run("bench")["exit_status"] == "Submitted"
        return spans(asked)

    def close(self) -> None:
        """Leave nothing. Their own way stops the container in the background, 10 s later."""
        container, self._environment.container_id = self._environment.container_id, None
        subprocess.run(["docker", "rm", "-f", str(container)], capture_output=True, check=False)


def their_answer(n: int, command: str) -> dict[str, Any]:
    """One answer in the form that their model takes."""
    from minisweagent.models.test_models import make_toolcall_output

    function = {"name": "bash", "arguments": json.dumps({"command": command})}
    call = {"id": f"call_{n}", "type": "function", "function": function}
    action = {"command": command, "tool_call_id": f"call_{n}"}
    return dict(make_toolcall_output("", [call], [action]))


def recording(steps: int, blocks: int) -> Recording:
    """For each block `steps` answers that run the command, and one that ends it."""
    calls = {}
    for block, position in itertools.product(range(blocks), range(steps + 1)):
        name, arguments = ("finish", {"summary": "measured"})
        if position < steps:
            name, arguments = ("bash", {"command": COMMAND})
        key = CallKey(
            system=NAME, instance_id=INSTANCE, trial=block, conversation=AUTHOR, position=position
        )
        call = ToolCall(id=f"call_{position}", name=name, arguments=json.dumps(arguments))
        reply = Reply(
            content="",
            tool_calls=(call,),
            usage=Usage(prompt_tokens=100, completion_tokens=10),
            finish_reason="tool_calls",
        )
        calls[key] = RecordedCall(key=key, prompt_sha256="", reply=reply)
    return Recording(header=Header(model=NAME, dataset=NAME, created=""), calls=calls)


def spans(asked: Sequence[float]) -> list[float]:
    """Seconds from each question to the next, without the first few."""
    return [later - sooner for sooner, later in itertools.pairwise(asked)][WARM_UP:]


def item_of(image: str, base_commit: str) -> IssueItem:
    """An instance that is nothing but its image."""
    both = {"instance_id": INSTANCE, "repo": "bench/bench", "version": "1", "image": image}
    nothing = {"patch": "", "test_patch": "", "eval_script": "true", "log_parser": "none"}
    return IssueItem(
        instance=Issue(**both, base_commit=base_commit, problem_statement=""),
        reference=IssueReference(
            **both, **nothing, fail_to_pass=(), pass_to_pass=(), eval_type="pass_and_fail"
        ),
    )


@contextmanager
def image_to_use(client: docker.DockerClient, asked: str) -> Iterator[tuple[str, str]]:
    """An image with a repository at /testbed and the commit that is its HEAD.

    The one asked for, an instance's, or a tiny one made here of any image with git, and removed.
    """
    names = sorted(name for image in client.images.list() for name in image.tags)
    built = [name for name in names if name.startswith((BUILT_PREFIX, "swebench/sweb.eval."))]
    for name in [asked] if asked else built:
        head = output_of(client, name, "git -C /testbed rev-parse HEAD")
        if head:
            yield name, head
            return
    bases = [name for name in (BASE, *names) if output_of(client, name, "git --version")]
    if asked or not bases:
        wanted = f"{asked} has no repository at /testbed" if asked else "no image here has git"
        fail(f"{wanted}; run: delm images build -d verified-offline -i pallets__flask-5014")
    script = (
        "mkdir /testbed && cd /testbed && git init -q && echo hello > file && git add file && "
        "git -c user.name=bench -c user.email=bench@localhost commit -qm base"
    )
    container = client.containers.run(bases[0], ["bash", "-c", script], detach=True)
    try:
        container.wait()
        container.commit(*TINY.split(":"))
    finally:
        container.remove(force=True, v=True)
    try:
        yield TINY, output_of(client, TINY, "git -C /testbed rev-parse HEAD")
    finally:
        client.images.remove(TINY, force=True)


def output_of(client: docker.DockerClient, image: str, command: str) -> str:
    """What `command` prints in `image`; empty when it fails or there is no such image."""
    script = f"git config --global --add safe.directory /testbed; {command}"
    try:
        said = client.containers.run(
            image, ["-c", script], entrypoint="bash", remove=True, network_mode="none"
        )
    except docker.errors.DockerException:
        return ""
    return bytes(said).decode().strip()


def table(sides: dict[str, list[float]]) -> Table:
    """One row a side."""
    made = Table(title=f"one step: an instant answer, `{COMMAND}` in Docker", title_justify="left")
    for column in ("side", "steps", "median ms", "p10 ms", "p90 ms"):
        made.add_column(column, justify="left" if column == "side" else "right")
    for side, seconds in sides.items():
        deciles = statistics.quantiles(seconds, n=10)
        numbers = (statistics.median(seconds), deciles[0], deciles[-1])
        made.add_row(side, str(len(seconds)), *(f"{1e3 * number:.2f}" for number in numbers))
    return made


async def measure(
    client: docker.DockerClient, image: str, head: str, blocks: int, steps: int
) -> dict[str, list[float]]:
    """The seconds of every step of both sides, in turns."""
    mini = f"mini-swe-agent {version('mini-swe-agent')}"
    sides: dict[str, list[float]] = {mini: [], "delm-harness": []}
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(client, item_of(image, head), Path(folder), steps, blocks)
        theirs = Theirs(image, steps)
        try:
            await ours.start()
            for _ in range(blocks):
                sides[mini] += await anyio.to_thread.run_sync(theirs.block)
                sides["delm-harness"] += await ours.block()
        finally:
            with anyio.CancelScope(shield=True):
                theirs.close()
                await ours.close()
    return sides


def fail(message: str) -> NoReturn:
    """One line, exit code 2."""
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)


def main() -> None:
    parser = argparse.ArgumentParser(description="A step's cost beside mini-swe-agent's.")
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--image", default="", help="has a repository at /testbed")
    options = parser.parse_args()
    blocks, steps = (4, 45) if options.quick else (10, 105)
    client = connect()
    if isinstance(client, str):
        fail("this needs a Docker engine, and none answers; start it: sudo systemctl start docker")
    if shutil.which("docker") is None:
        fail("mini-swe-agent needs the docker program; run: sudo apt-get install docker.io")
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(MSWEA_SILENT_STARTUP="1", MSWEA_GLOBAL_CONFIG_DIR=folder)
        logging.disable(logging.WARNING)  # theirs tells of every container
        with image_to_use(client, options.image) as (image, head):
            sides = event_loop.run(measure, client, image, head, blocks, steps)
    console = Console(width=None if sys.stdout.isatty() else 100)
    console.print(f"image {image}", table(sides), highlight=False, sep="\n")
    theirs_ms, ours_ms = (1e3 * statistics.median(seconds) for seconds in sides.values())
    ratio = ours_ms / theirs_ms
    print(
        f"ratio {ratio:.3f}: delm {ours_ms:.2f} ms, mini-swe-agent {theirs_ms:.2f} ms a step "
        f"({'within' if ratio <= SHARE else 'MORE THAN'} the {SHARE:.2f} that is allowed)"
    )
    sys.exit(ratio > SHARE)


if __name__ == "__main__":
    main()
