"""What the mechanism of `delm` promises, in one evaluation: real sandboxes, real HTTP.

Agent 1 localizes, publishes its patch, and then a wrong finding that is to end its task. Seats 2
and 3 write the same change. The conversation of seat 4 is too long for the model.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from console import FLASK, bundled, own_cache, query
from scripted_model import ScriptedModel, Status
from team_run import evaluate
from team_script import FAULT, calls, finish, publish, task_of, team, tried

pytestmark = pytest.mark.slow(seconds=38)

SOURCE = "src/flask/blueprints.py"
MARK = '        if "." in name:'
SCRIPT = """\
import flask
try:
    made = flask.Blueprint("", "x")
except ValueError:
    raise SystemExit(0)
assert not made, type(made).__module__
"""
SHOWS = "python /tmp/board/repro.py"
KEEPS = (
    "python -c \"import flask; name = flask.Blueprint('a', 'x').name; assert name == 'a'; "
    "print('named', name)\""
)
FAILS = {"command": SHOWS, "exit_status": 1, "output": "AssertionError: flask.blueprints"}
OVERFLOW = Status(400, "maximum context length", error={"code": "context_length_exceeded"})


def edit(condition: str, *, blank: str = "") -> tuple[str, dict[str, str]]:
    """Refuse names for which a condition holds; what refused them before is taken back."""
    check = (
        f"        if {condition}:\n            raise ValueError({blank}'no such name'{blank})\n\n"
    )
    program = f"""\
import pathlib, subprocess
subprocess.run(["git", "checkout", "-q", "src"], check=True)
path = pathlib.Path({SOURCE!r})
path.write_text(path.read_text().replace({MARK!r}, {check + MARK!r}, 1))
"""
    return "bash", {"command": f"python - <<'END'\n{program}END"}


def said(kind: str, gist: str, **more: object) -> tuple[str, dict[str, object]]:
    return "publish", {"kind": kind, "gist": gist, "summary": gist} | more


def localize(label: str) -> list:
    quoted = {"path": SOURCE, "line": 268, "quote": FAULT}
    return [
        calls(
            ("edit", {"path": "/tmp/board/repro.py", "old": "", "new": SCRIPT}),
            said("FACT", "An empty name is taken.", **FAILS),
            said("CONSTRAINT", "A name of one letter is taken.", command=KEEPS,
                 exit_status=0, output="named a"),
        ),
        calls(edit("name is None"), said("FAIL", "To refuse None is not enough.", on="mine",
                                         **FAILS)),
        calls(edit("name == ''"), said("FAIL", "To compare is not enough.", on="mine", **FAILS)),
        publish("PATCH", "Compared.", command=SHOWS, finish="false"),
        publish("FACT", "It says so.", path=SOURCE, line=1, quote="no such line", finish="true"),
        publish("FACT", "It looks for dots only.", **quoted, finish="true"),
    ]  # fmt: skip


def second(label: str) -> list:
    return [
        calls(("bash", {"command": SHOWS}), edit("len(name) < 2"), ("apply", {"label": "P4"})),
        publish("PATCH", "Short ones.", command=SHOWS),
        calls(edit("not name"), said("PATCH", "Any empty one.", command=SHOWS)),
    ]


def third(label: str) -> list:
    return [calls(edit("not  name", blank=" "),
                  said("PATCH", "What is empty.", command=f"{SHOWS} again"))]  # fmt: skip


def script(request: dict, n: int) -> object:
    if task_of(request) == "patch-4":
        return OVERFLOW
    return PLAYED(request, n)


PLAYED = team(
    {"localize": localize, "patch-1": lambda label: [finish("It is P4.")], "patch-2": second,
     "patch-3": third, "test": tried}
)  # fmt: skip


class Played:
    """The run, and what each task's agent was told."""

    def __init__(self, folder: Path, requests: list[dict]) -> None:
        self.folder = folder
        self.told: dict[str, str] = {}
        for request in requests:  # the last one of a conversation has all that it was told
            seen = [m["content"] for m in request["messages"] if m["role"] == "tool"]
            self.told[task_of(request)] = "\n".join(seen)
        entries = query(folder, "SELECT * FROM board_entry ORDER BY position")
        self.entries = {row["label"]: row for row in entries}
        tasks = query(folder, "SELECT * FROM board_whole_task ORDER BY number")
        self.tasks = {row["label"]: row | {"result": json.loads(row["result"])} for row in tasks}
        self.submissions = {row["author"]: row for row in query(folder, """SELECT * FROM submission
            JOIN grade USING (submission_id)""")}  # fmt: skip

    def patch_of(self, task: str) -> str:
        (label,) = (
            row["label"] for row in self.entries.values()
            if row["kind"] == "PATCH" and row["task"] == task
        )  # fmt: skip
        return str(label)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Iterator[Played]:
    bundled(FLASK)
    folder = tmp_path_factory.mktemp("team")
    with ScriptedModel(script) as server:
        told = evaluate(
            *(server, folder, "real", "-n", "4"),
            cache=own_cache(folder / "cache"),
            system="delm-tests-each",
        )
        assert told.code == 0, told.text
        yield Played(folder / "real", server.requests)


def test_a_refused_publish_does_not_finish(run):
    assert "The task goes on." in run.told["localize-1"]
    assert run.tasks["localize-1"]["result"]["summary"] == "It looks for dots only."


def test_a_constraint_refuses_a_patch(run):
    (label,) = (row["label"] for row in run.entries.values() if row["kind"] == "CONSTRAINT")
    assert f"The patch breaks {label}" in run.told["patch-2"]
    assert all(row["gist"] != "Short ones." for row in run.entries.values())


def test_twins_are_tested_once_and_by_nobody_who_wrote_one(run):
    twins = {run.patch_of("patch-2"), run.patch_of("patch-3")}
    assert len(twins) == 2
    (test,) = (t for t in run.tasks.values() if t["kind"] == "test" and t["subject"] in twins)
    assert test["state"] == "done"
    assert test["holder"] not in {run.tasks[seat]["holder"] for seat in ("patch-2", "patch-3")}
    equal = {seat: run.tasks[seat]["result"].get("equal") for seat in ("patch-2", "patch-3")}
    assert sorted(map(bool, equal.values())) == [False, True]


def test_an_attachment_is_there_in_another_sandbox(run):
    assert run.tasks["patch-2"]["holder"] != run.tasks["localize-1"]["holder"]
    assert "AssertionError: flask.blueprints" in run.told["patch-2"]


def test_a_failed_attempt_is_executed_again(run):
    """With its changes: one that does not fail so is refused."""
    (failure,) = (row for row in run.entries.values() if row["kind"] == "FAIL")
    assert failure["gist"] == "To refuse None is not enough."
    assert "name is None" in json.loads(failure["evidence"])["changes"]
    assert "exit status 1 is claimed" in run.told["localize-1"]


def test_a_merge_conflict_is_told(run):
    assert "P4 contradicts your changes, and your copy is as it was" in run.told["patch-2"]
    assert SOURCE in run.told["patch-2"]
    assert not run.submissions["patch-2"]["built_on"]


def test_an_overflow_ends_one_agent(run):
    assert run.submissions["patch-4"]["reason"] == "context"
    assert run.submissions["patch-4"]["salvaged"]
    others = [run.submissions[f"patch-{n}"] for n in (1, 2, 3)]
    assert [row["outcome"] for row in others] == ["resolved"] * 3
    assert not any(row["salvaged"] for row in others)
