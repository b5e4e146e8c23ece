"""Starting must not wait for what is slow to import."""

import re
import subprocess
import sys

import pytest
from console import DELM, bundled, variables

SLOW = {"litellm", "openai", "datasets", "docker", "pandas", "swebench", "git", "torch", "numpy"}
COMMANDS = (
    (), ("eval",), ("grade",), ("score",), ("show",), ("export",), ("doctor",), ("images",),
    ("images", "build"), ("validate",), ("compare",), ("cost",), ("label",), ("critique",),
)  # fmt: skip


def imported(*words: str) -> tuple[set[str], subprocess.CompletedProcess[str]]:
    """The top-level modules that the console script imports, as Python itself reports them."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", DELM, *words],
        env=variables(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}, done


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_imports_nothing_slow(command):
    modules, done = imported(*command, "--help")
    assert done.returncode == 0
    assert "Usage: delm" in done.stdout
    assert "typer" in modules  # the report is read as it should be
    assert not modules & SLOW


def test_a_dry_run_of_the_replay_imports_neither_a_provider_nor_docker(tmp_path):
    bundled()
    modules, done = imported("eval", "--dry-run", "-o", str(tmp_path))
    assert done.returncode == 0
    assert "replay of a recording" in done.stdout
    assert not modules & {"litellm", "openai", "datasets", "docker", "torch"}


def test_help_names_every_command_and_its_flags():
    _, done = imported("--help")
    for command in ("eval", "grade", "score", "show", "export", "doctor", "images"):
        assert f"\n  {command} " in done.stdout
    _, done = imported("eval", "--help")
    for flag in ("-m,", "-s,", "-d,", "-i,", "--filter", "--slice", "--shuffle", "--seed", "-n,",
                 "-k,", "-w,", "-c,", "--sandbox", "--run-id", "-o,", "--cost-limit", "--max-cost",
                 "--record", "--dry-run", "-y,"):  # fmt: skip
        assert flag in done.stdout, flag


@pytest.mark.parametrize(
    "command",
    ["eval", "grade", "dataset check", "images build", "images pull", "validate", "doctor", "show",
     "export", "score", "runs", "label", "critique"],
)  # fmt: skip
def test_every_option_says_what_it_does_and_what_it_is_otherwise(command):
    done = subprocess.run(
        [DELM, *command.split(), "--help"], env=variables(COLUMNS="400", TERMINAL_WIDTH="400"),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    entries = re.split(r"\n  (?=-)", done.stdout.partition("Options:")[2])[1:]
    words = {entry.split()[0].rstrip(","): " ".join(entry.split()) for entry in entries}
    assert len(words) > (20 if command == "eval" else 1)
    for name, entry in words.items():
        assert entry.endswith((".", "]")), entry
        assert len(entry.split()) > 4, entry
        takes_value = "<" in entry
        no_default = {"-c", "--record"} | ({"-m"} if command == "doctor" else set())
        assert not takes_value or "[default: " in entry or name in no_default, entry
    asked = {"-i": "Run" if command == "eval" else "Grade"}
    if command in {"eval", "grade"}:
        assert asked["-i"] in words["-i"]
        assert ("replay" in words["-i"]) == (command == "eval")
