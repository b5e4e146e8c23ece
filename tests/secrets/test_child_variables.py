"""No program that the harness starts gets the variables of the harness, which hold keys."""

import ast
from pathlib import Path

import pytest

from harness.benchmarks.swebench.guard.plain_program import LINE
from harness.environments import programs
from harness.secrets import child_environment

ROOT = Path(__file__).parents[2]
STARTING = {
    "subprocess": {"run", "Popen", "call", "check_call", "check_output"},
    "anyio": {"run_process", "open_process"},
    "asyncio": {"create_subprocess_exec", "create_subprocess_shell"},
    "programs": {"run"},
}
# What starts a process, and cannot be told what it gets, or not by a name that is looked for here.
NEVER = {
    "os": {"system", "popen", "fork", "forkpty", "posix_spawn", "posix_spawnp", "startfile"},
    "subprocess": {"getoutput", "getstatusoutput"},
    "pty": {"spawn", "fork"},
    "anyio": {"to_process"},
}
NEVER_IMPORTED = {"multiprocessing", "pty", "pexpect", "sh"}


def faults(source: str) -> list[str]:
    """The places that start a process with all variables, by line."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None) or ""
            names = {alias.name for alias in node.names}
            of_process = names & (STARTING.get(module, set()) | NEVER.get(module, set()))
            if ({module, *names} & NEVER_IMPORTED) or of_process or "ProcessPoolExecutor" in names:
                found.append(f"{node.lineno}: import")
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner, name = node.value.id, node.attr
            if name in NEVER.get(owner, ()) or (
                owner == "os" and name.startswith(("exec", "spawn"))
            ):
                found.append(f"{node.lineno}: {owner}.{name}")
        if isinstance(node, ast.Call) and _starts(node.func):
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            env = given.get("env")
            everything = env is None or ast.unparse(env) in ("None", "os.environ", "environ")
            if everything or given.get("close_fds") is not None:
                found.append(f"{node.lineno}: no env")
    return found


def _starts(called: ast.expr) -> bool:
    if not (isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name)):
        return False
    return called.attr in STARTING.get(called.value.id, ())


def test_every_process_is_started_with_variables_that_were_chosen():
    paths = [path for top in ("harness", "agents") for path in (ROOT / top).rglob("*.py")]
    assert len(paths) > 200
    found = {
        str(path.relative_to(ROOT)): faults(path.read_text().partition(f"\n{LINE}")[0])
        for path in paths  # what stands below the line runs in sandboxes
    }
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import subprocess\nsubprocess.run(['a'])",
        "import subprocess\nsubprocess.Popen(['a'], env=None)",
        "import subprocess, os\nsubprocess.run(['a'], env=os.environ)",
        "import subprocess\nsubprocess.run(['a'], env={}, close_fds=False)",
        "from subprocess import run\nrun(['a'])",
        "import anyio\nasync def f(): await anyio.open_process(['a'], stdin=None)",
        "import asyncio\nasync def f(): await asyncio.create_subprocess_exec('a')",
        "import os\nos.system('a')",
        "import os\nos.execv('a', ['a'])",
        "import multiprocessing",
        "from concurrent.futures import ProcessPoolExecutor",
    ],
)
def test_a_process_that_gets_all_variables_is_seen(source):
    assert faults(source)


async def test_a_program_gets_what_it_needs_and_no_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
    monkeypatch.setenv("DB_PASS", "planted")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:8")
    given = ((child_environment.plain(), 0), (child_environment.reader(), 0),
             (child_environment.installer(), 2))  # fmt: skip
    for env, has_index in given:
        said = await programs.run(["env"], doing="looking", env=env)
        assert "PATH=" in said
        assert "planted" not in said
        assert said.count("127.0.0.1") == has_index
