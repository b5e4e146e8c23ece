"""`delm` on a real issue: real sandboxes, a scripted model over real HTTP, agents that die."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import anyio
import pandas as pd
import pytest
from console import FLASK, Told, bundled, own_cache, query
from console import delm_here as delm
from live_team import __file__ as live_team_file
from live_team import live_team
from scripted_model import Hang, ScriptedModel
from team_run import evaluate
from team_script import NEIGHBOURS, PLANS, calls, finish, publish, solve, task_of, team

from agents.delm.system import hand_in
from agents.delm.worker import Worker

pytestmark = pytest.mark.slow(seconds=100)

WORDS = "Blueprint.__init__ checks its name for dots only"


class Evaluated:
    """A run of four agents."""

    def __init__(self, told: Told, folder: Path, requests: list) -> None:
        self.told, self.folder, self.requests = told, folder, requests
        self.conversations: dict[str, list[dict]] = {}
        for request in requests:
            self.conversations.setdefault(task_of(request), []).append(request)


@pytest.fixture(scope="module", autouse=True)
def _flask() -> None:
    bundled(FLASK)


def tried_out(label: str) -> list[Any]:
    """A patch whose author runs the tests near it first, as the task says."""
    change, *rest = PLANS["patch"](label)
    return [change, calls(("bash", {"command": NEIGHBOURS})), *rest]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Evaluated:
    folder = tmp_path_factory.mktemp("delm")
    cache = own_cache(folder / "cache")
    with ScriptedModel(team(PLANS | {"patch": tried_out})) as server:
        told = evaluate(server, folder, "one", "-n", "4", cache=cache)
        return Evaluated(told, folder / "one", server.requests)


def test_four_agents_make_four_submissions_that_resolve(run):
    assert run.told.code == 0, run.told.text
    made = pd.read_csv(run.folder / "submissions.csv")
    assert list(made["author"]) == ["patch-1", "patch-2", "patch-3", "patch-4"]
    assert set(made["outcome"]) == {"resolved"}
    assert made["patch_sha256"].nunique() == 4
    assert made["selected"].sum() == 1
    assert not made["salvaged"].any()


def test_localization_is_done_once_and_used_by_all(run):
    done = query(run.folder, "SELECT label, attempts FROM board_task WHERE kind = 'localize'")
    assert [(row["label"], row["attempts"]) for row in done] == [("localize-1", 1)]
    entries = query(run.folder, "SELECT label, kind, gist FROM board_entry ORDER BY position")
    assert [row["label"] for row in entries if WORDS in row["gist"]] == ["F1"]
    for seat in ("patch-1", "patch-2", "patch-3", "patch-4"):
        assert WORDS in json.dumps(run.conversations[seat][0]["messages"])
    cites = query(run.folder, "SELECT source FROM board_link WHERE target = 'F1'")
    assert {"patch-1", "patch-2", "patch-3", "patch-4"} <= {row["source"] for row in cites}


def test_findings_are_compared_with_their_evidence_under_the_agent_that_published(run):
    asked = query(
        run.folder,
        "SELECT conversation, agent, prompt_tokens FROM call "
        "WHERE conversation LIKE 'gist-check.%'",
    )
    authors = {row["task"]: row["author"] for row in query(run.folder, "SELECT * FROM board_entry")}
    assert asked
    for row in asked:
        task = row["conversation"].split(".")[1]
        assert row["agent"] == authors.get(task, row["agent"])
        assert row["prompt_tokens"] > 0
    assert {"patch-2", "patch-3"} <= {row["conversation"].split(".")[1] for row in asked}


def test_the_story_names_what_each_submission_rests_on(run):
    told = delm("show", run.folder, FLASK)
    assert told.code == 0, told.text
    (fact,) = query(run.folder, "SELECT author, task FROM board_entry WHERE label = 'F1'")
    for n in (1, 2, 3, 4):
        assert any(
            line.startswith(f"patch-{n} by agent-")
            and f"cites F1 ({fact['author']}, {fact['task']})" in line
            for line in told.out.splitlines()
        )
    places = [told.out.index(words) for words in ("finishes localize-1", "claims patch-2")]
    assert places == sorted(places), "it ended at once, so nobody began before its end"
    assert told.out.count(", selected") == 1
    whole = delm("show", run.folder, FLASK, "--conversation", "patch-1")
    assert whole.code == 0, whole.text
    assert "Your next task is `patch-1`" in whole.out
    assert "goes on with an earlier conversation of its agent" in whole.out
    assert "You are one of several software engineers" not in whole.out
    assert delm("show", run.folder, FLASK, "--conversation", "patch-9").code == 2


def test_every_call_extends_the_one_before_and_most_of_a_prompt_repeats(run):
    for requests in run.conversations.values():
        for before, after in itertools.pairwise(requests):
            assert after["messages"][: len(before["messages"])] == before["messages"]
            assert after["tools"] == before["tools"]
    assert pd.read_csv(run.folder / "table.csv")["prefix_share"][0] >= 0.8
    ledger = pd.read_csv(run.folder / "ledger.csv")
    assert (ledger["repeated_tokens"] <= ledger["prompt_tokens"]).all()
    assert ledger["repeated_tokens"][0] == 0


def test_no_sandbox_is_left(run):
    left = (run.folder.parent / "cache" / "sandboxes").iterdir()
    assert not [path.name for path in left if path.is_dir()]


def holding(label: str, let_go: threading.Event, held: threading.Event):
    """The usual script, but the first agent that is asked about `label` waits for its end."""
    usual, asked = team(), []

    def script(request, n):
        if task_of(request) == label and not let_go.is_set() and len(request["messages"]) > 3:
            asked.append(n)
            if len(asked) == 1:
                held.set()
                return Hang(120)
        return usual(request, n)

    return script


async def test_an_agent_that_is_cancelled_in_mid_task_is_replaced_and_all_submit(tmp_path):
    held = threading.Event()
    with ScriptedModel(holding("patch-2", threading.Event(), held)) as server:
        async with live_team(tmp_path, server.base_url, agents=2) as live:
            await live.seed()
            async with anyio.create_task_group() as group:
                scopes = [anyio.CancelScope() for _ in range(2)]

                async def life(number: int) -> None:
                    with scopes[number]:
                        await Worker(live, f"agent-{number + 1}").live()

                for number in range(2):
                    group.start_soon(life, number)
                await anyio.to_thread.run_sync(held.wait, 120)
                (task,) = [t for t in await live.queue.tasks() if t.label == "patch-2"]
                first = task.holder
                scopes[int(first.rpartition("-")[2]) - 1].cancel()
            await hand_in(live, "finished")
            (task,) = [t for t in await live.queue.tasks() if t.label == "patch-2"]
    assert (task.state, task.attempts) == ("done", 2)
    assert task.holder != first
    made = query(tmp_path, "SELECT author, agent, salvaged, patch FROM submission")
    assert [row["author"] for row in made] == ["patch-1", "patch-2"]
    assert not any(row["salvaged"] for row in made)
    assert all("may not be empty" in row["patch"] for row in made)


async def test_an_agent_whose_process_is_killed_loses_its_task_to_another(tmp_path):
    held, let_go = threading.Event(), threading.Event()
    usual = team()

    def script(request, n):
        if len(request["messages"]) > 3 and not let_go.is_set():
            held.set()
            return Hang(300)
        return usual(request, n)

    with ScriptedModel(script) as server:
        async with live_team(tmp_path, server.base_url, agents=2) as live:
            await live.seed()
            doomed = subprocess.Popen(
                [sys.executable, live_team_file, str(tmp_path), server.base_url, "agent-2"],
                env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
                start_new_session=True,
            )  # fmt: skip
            try:
                assert await anyio.to_thread.run_sync(held.wait, 120)
            finally:
                os.killpg(doomed.pid, signal.SIGKILL)  # it, and all that it has started
                doomed.wait()
            let_go.set()
            await Worker(live, "agent-1").live()
            await hand_in(live, "finished")
            tasks = {task.label: task for task in await live.queue.tasks()}
    (lost,) = query(tmp_path, "SELECT subject, actor FROM board_event WHERE what = 'lost'")
    assert lost["actor"] == "agent-2"
    assert tasks[lost["subject"]].state == "done"
    assert tasks[lost["subject"]].holder != "agent-2"
    made = query(tmp_path, "SELECT author, salvaged, patch FROM submission")
    assert [row["author"] for row in made] == ["patch-1", "patch-2"]
    assert all("may not be empty" in row["patch"] for row in made)


DEAR = {"prompt_tokens": 9000, "completion_tokens": 16_000, "total_tokens": 25_000}
TRUE = ("bash", {"command": "true"})  # a turn without a usable call is one of four that end it
WRITE_ABOUT = (
    "ls -a / /tmp /root /proc; echo x > /testbed/../../evil; "
    "for d in /proc/[0-9]*; do echo bad > $d/cwd/evil; done"
)
FINDINGS = [
    {"kind": "FACT", "gist": "As F99 says, all is lost.", "path": "a.py", "quote": "import os"},
    {"kind": "FAIL", "gist": "It all fails.", "on": "P77", "command": "python -c 1",
     "exit_status": 1, "output": "no"},
    {"kind": "GUESS", "gist": "It might be so."},
]  # fmt: skip
FLOOD = [
    calls(*[("add_task", {"kind": "check", "text": f"Look at number {n}."}) for n in range(30)]),
    calls(*[("publish", {"summary": "s"} | given) for given in FINDINGS], TRUE),
    calls(("add_task", {"kind": "patch", "text": "Mine.", "about": "patch-1"}), TRUE),
    calls(("unfold", {"label": "../../etc/passwd"}), TRUE),
    calls(("bash", {"command": WRITE_ABOUT})),
    calls(("edit", {"path": "/proc/1/root/etc/passwd", "old": "root", "new": "toor"}), TRUE),
    calls(("publish", {"kind": "FACT", "gist": "g", "summary": "s", "task": "patch-1"}), TRUE),
    publish("FACT", "It is " + "far too long " * 300, path="a.py", quote="x"),
    calls(TRUE),
    publish("FACT", "It is " + "far too long " * 1_000_000, path="a.py", quote="x")
    | {"usage": DEAR},
]


def hostile(*labels: str):
    """The first agent that takes one of `labels` floods; whoever takes it over does the work."""
    usual, begun = team(), set()

    def script(request, n):
        said = [m for m in request["messages"] if m["role"] == "assistant"]
        label = task_of(request)
        flooding = bool(said) and "Look at number" in str(said[0])
        if flooding or (label in labels and not said and label not in begun):
            begun.add(label)
            return FLOOD[min(len(said), len(FLOOD) - 1)]
        return usual(request, n)

    return script


def test_a_hostile_agent_harms_nobody_but_itself(tmp_path):
    with ScriptedModel(hostile("patch-2")) as server:
        told = evaluate(
            *(server, tmp_path, "bad", "-n", "2"),
            *("-c", "budget.steps=120", "-c", "budget.tokens=0"),
        )
    assert told.code == 0, told.text
    made = {row["author"]: row for row in query(tmp_path / "bad", """SELECT * FROM submission
        JOIN grade USING (submission_id)""")}  # fmt: skip
    assert made["patch-1"]["outcome"] == "resolved"
    assert "evil" not in made["patch-1"]["patch"]
    assert len(made) == 2
    tasks = query(tmp_path / "bad", "SELECT label, kind, holder FROM board_task")
    assert sum(row["kind"] == "check" for row in tasks) <= 8
    assert {row["label"] for row in tasks if row["kind"] == "patch"} == {"patch-1", "patch-2"}
    told_it = query(
        tmp_path / "bad", "SELECT content FROM message WHERE conversation LIKE 'patch-2%'"
    )
    answers = [m["content"] for m in (json.loads(row["content"]) for row in told_it)
               if m["role"] == "tool"]  # fmt: skip
    for reason in ("which is the most", "at most", "F99", "P77", "cannot be the kind",
                   "There is no entry", "no argument", "one of FACT"):  # fmt: skip
        assert any(reason in answer for answer in answers), reason
    entries = query(tmp_path / "bad", "SELECT gist FROM board_entry")
    assert not any("lost" in row["gist"] or "all fails" in row["gist"] for row in entries)


WEAK = calls(
    ("edit", {"path": "src/flask/blueprints.py", "old": '        if "." in name:',
              "new": '        if name == "" and import_name == "x":\n            raise ValueError'
                     '("\'name\' may not be empty.")\n\n        if "." in name:'})
)  # fmt: skip
BREAKS = (
    "python -c \"\nimport flask\ntry:\n    print('taken:', repr(flask.Blueprint('', 'y').name))\n"
    'except ValueError:\n    raise SystemExit(0)\nraise SystemExit(1)\n"'
)


def weak(label: str):
    return [WEAK, publish("PATCH", "By F1.", command=REPRODUCTION_X), finish("It is P.")]


REPRODUCTION_X = (
    "python -c \"\nimport flask\ntry:\n    flask.Blueprint('', 'x')\n"
    'except ValueError:\n    raise SystemExit(0)\nraise SystemExit(1)\n"'
)


def breaking(label: str):
    def fail(request):
        text = json.dumps(request["messages"][2])
        patch = text.partition("candidate patch ")[2].partition(",")[0]
        return publish("FAIL", f"{patch} takes an empty name for another import name.", on=patch,
                       command=BREAKS, exit_status=1, output="taken: ''")  # fmt: skip

    return [fail, finish("It fails.")]


def mended(label: str):
    return [
        calls(("bash", {"command": "git checkout -q src"})),
        solve("mended"),
        publish("PATCH", "The repair of it.", command=REPRODUCTION_X),
        finish("Mended."),
    ]


def test_a_failure_that_a_peer_shows_is_repaired_before_anything_is_submitted(tmp_path):
    plans = PLANS | {"patch-1": weak, "test-1": breaking, "repair": mended}
    with ScriptedModel(team(plans)) as server:
        told = evaluate(server, tmp_path, "mend", "-n", "1", system="delm-pipeline")
    assert told.code == 0, told.text
    (made,) = query(tmp_path / "mend", "SELECT * FROM submission JOIN grade USING (submission_id)")
    assert made["outcome"] == "resolved"
    assert "mended" in made["patch"]
    story = delm("show", tmp_path / "mend", FLASK).out
    assert "publishes X" in story
    assert "claims repair-1 (of patch-1)" in story
