"""The Makefile: what is given to `make` is taken, or refused in one line; nothing is ignored."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[2] / "Makefile"
ECHO = '#!/bin/sh\necho delm "$@"\n'


KNOWN = re.findall(r"^([A-Z_0-9]+) +\?=", MAKEFILE.read_text(), re.MULTILINE)
INHERITED = [name for name in KNOWN if name in os.environ]


@pytest.fixture
def make(tmp_path):
    """`make` in a folder where everything is installed, and `delm` only says what it was told."""
    shutil.copy(MAKEFILE, tmp_path)
    for name in ("requirements.lock", "pyproject.toml", ".venv/bin/delm", ".venv/.installed"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(ECHO)
        path.chmod(0o755)

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        # `make test ARGS=…` hands its own words down
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MAKE", "MFLAGS")) and name not in INHERITED
        }
        return subprocess.run(
            ["make", *words], cwd=tmp_path, env=kept, capture_output=True, text=True, check=False
        )

    return call


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("MAXCOST=2", "there is no variable MAXCOST; did you mean MAX_COST?"),
        ("MODLE=openai/gpt-5", "there is no variable MODLE; did you mean MODEL?"),
        ("INSTANCE=a__a-1", "there is no variable INSTANCE; did you mean INSTANCES?"),
        ("max_cost=2", "there is no variable max_cost; did you mean MAX_COST?"),
        ("QQ=2", "there is no variable QQ."),
        ("MAX_COST=$2", "MAX_COST=$2: make takes a $ for a variable of its own"),
        ("MAX_COST=$2.50", "MAX_COST=$2.50: make takes a $"),
        ("MAX_COST=", "MAX_COST= is empty"),
        ("MODEL=$NAME", "MODEL=$NAME: make takes a $"),
        ("RUN= ", "is empty"),
    ],
)
def test_a_variable_that_would_be_ignored_stops_make_before_anything_is_done(make, given, says):
    for target in ("eval", "help"):
        done = make(target, given)
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1
        assert "error: " in done.stderr
        assert says in done.stderr


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("evall", "there is no target evall; did you mean eval?"),
        ("Test", "there is no target Test; did you mean test?"),
        ("zzz", "there is no target zzz; make help lists all"),
        ("--model=x", "unrecognized option"),
    ],
)
def test_a_target_that_there_is_not_is_named_with_the_nearest(make, target, says):
    done = make(target)
    assert done.returncode == 2
    assert done.stdout == ""
    assert says in done.stderr


def test_the_mistake_is_found_without_any_python_too(make):
    done = make("eval", "MODLE=x", "PYTHON=/nonexistent")
    assert done.returncode == 2
    assert "error: there is no variable MODLE." in done.stderr


def test_every_variable_reaches_its_command(make):
    done = make("eval", "MODEL=m", "DATASET=d", "SYSTEMS=s t", "INSTANCES=a b", "N=2", "TRIALS=3",
                "WORKERS=4", "SANDBOX=docker", "RUN=r", "MAX_COST=2.50", "RECORD=f", "YES=1",
                "ARGS=--dry-run", f"PYTHON={sys.executable}")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == (
        "delm eval -m m -d d -s s -s t -i a -i b -n 2 -k 3 -w 4 --sandbox docker --run-id r "
        "--max-cost 2.50 --record f --yes --dry-run"
    )
    done = make("grade", "PREDS=p.jsonl", "DATASET=d")
    assert done.stdout.splitlines()[-1] == "delm grade p.jsonl -d d"
    done = make("show", "RUN=r", "INSTANCES=a b", "ARGS=--full")
    assert done.stdout.splitlines()[-1] == "delm show r a b --full"
    done = make("show", "RUN=r", "INSTANCES=a b", "SYSTEMS=s t")
    assert done.stdout.splitlines()[-1] == "delm show r a b -s s -s t"
    done = make("view", "RUN=r", "ARGS=--port 9000")
    assert done.stdout.splitlines()[-1] == "delm view r --port 9000"
    assert make("view").stdout.splitlines()[-1] == "delm view"
    done = make("compare", "RUN=r", "RUN2=q")
    assert done.stdout.splitlines()[-1] == "delm compare r q"
    done = make("compare", "RUN=r", "SYSTEMS=s t", "ARGS=-o x")
    assert done.stdout.splitlines()[-1] == "delm compare r -s s -s t -o x"
    done = make("cost", "RUN=r", "SYSTEMS=s t", "ARGS=--json")
    assert done.stdout.splitlines()[-1] == "delm cost r -s s -s t --json"


def test_questions_are_a_replay_without_a_model_and_take_the_same_variables(make, tmp_path):
    replay = "delm eval -m replay:configs/recordings/longbench-offline.jsonl"
    assert make("longbench").stdout.splitlines()[-1] == replay
    done = make("longbench", "DATASET=d", "RUN=new", "SYSTEMS=base")
    assert done.stdout.splitlines()[-1] == f"{replay} -d d -s base --run-id new"
    (tmp_path / "results" / "old").mkdir(parents=True)
    (tmp_path / "results" / "old" / "run.db").touch()
    done = make("longbench", "RUN=old")  # goes on with what it was begun with
    assert done.stdout.splitlines()[-1] == "delm eval --run-id old"
    done = make("longbench", "MODEL=m", "SYSTEMS=s t", "MAX_COST=2.50", "YES=1")
    assert done.stdout.splitlines()[-1] == (
        "delm eval -c configs/datasets/longbench-v2.yaml -m m -d longbench-v2 -s s -s t "
        "--max-cost 2.50 --yes"
    )
    done = make("longbench", "MODEL=m", "DATASET=d.jsonl", "TRIALS=2", "WORKERS=3")
    assert done.stdout.splitlines()[-1].endswith("-m m -d d.jsonl -k 2 -w 3")


def test_a_variable_of_the_environment_may_be_anything(make, monkeypatch):
    monkeypatch.setenv("MODLE", "x")
    monkeypatch.setenv("DATASET", "")
    assert make("eval", "ARGS=").stdout.splitlines()[-1] == "delm eval"
    monkeypatch.setenv("MAX_COST", "$2")  # save a limit on money that would be dropped
    assert "MAX_COST=$2: make takes a $" in make("eval").stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("show",), "which run? give RUN=<run id> or RUN=latest; there are: kept"),
        (("report",), "which run? give RUN=<run id> or RUN=latest; there are: kept"),
        (("compare",), "which run? give RUN=<run id> or RUN=latest; there are: kept"),
        (("cost",), "which run? give RUN=<run id> or RUN=latest; there are: kept"),
    ],
)
def test_a_run_that_is_not_named_is_asked_for_with_those_that_there_are(
    make, tmp_path, words, says
):
    (tmp_path / "results/kept").mkdir(parents=True)
    (tmp_path / "results/kept/run.db").touch()
    done = make(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert says in done.stderr


def test_help_names_every_variable_and_every_target(make):
    text = MAKEFILE.read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("VARIABLES := ")]
    (targets,) = [line for line in text.splitlines() if line.startswith("TARGETS ")]
    told = make("help").stdout
    for name in (*line.split()[2:], *targets.split()[2:]):
        assert f"\n  {name} " in told, name


def test_a_run_of_any_name_comes_through_whole_and_latest_is_one(make, tmp_path):
    (tmp_path / "results/Läufe vom Mai").mkdir(parents=True)
    (tmp_path / "results/Läufe vom Mai/run.db").touch()
    for name in ("Läufe vom Mai", "latest"):
        for target in ("view", "show", "report", "compare", "eval"):
            done = make(target, f"RUN={name}")
            assert done.returncode == 0, done.stderr
            said = done.stdout.replace("  ", " ")
            assert f'delm {TAKES[target]} "{name}"' in said
            assert (f'delm report "{name}"' in said) == (target == "report")
        assert "replay:" not in make("longbench", f"RUN={name}").stdout  # it goes on with that run


TAKES = {"view": "view", "show": "show", "report": "score", "compare": "compare",
         "eval": "eval --run-id"}  # fmt: skip
