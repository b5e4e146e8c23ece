"""Main agents on a real issue: `delm eval`, real sandboxes, a scripted model over real HTTP."""

import itertools
import json
import re

import pandas as pd
import pytest
from console import DATASET, FLASK, bundled, delm_here, own_cache, query
from scripted_model import ScriptedModel
from team_script import NEIGHBOURS, calls, solve

pytestmark = pytest.mark.slow(seconds=7)

SYSTEMS = ("centralized", "centralized-parallel")
MESSAGE = "'name' may not be empty."


def back(report: str):
    return calls(("finish", {"status": "done", "report": report}))


def task(instruction: str) -> dict[str, str]:
    return {"instruction": instruction, "context": "See src/flask/blueprints.py."}


def round_of(*instructions: str):
    return calls(("delegate", {"subtasks": [task(each) for each in instructions]}))


SUBMIT = calls(("submit", {"summary": "An empty name is refused."}))
LEADS = {
    "centralized": [
        calls(("delegate", task("Find it."))),
        calls(("delegate", task("Mend it."))),
        SUBMIT,
    ],
    "centralized-parallel": [
        round_of("Find it.", "Mend it.", "Mend it otherwise.", "Test it."),
        calls(("take", {"agents": ["sub-4", "sub-2", "sub-3"]})),
        round_of("Check it."),
        SUBMIT,
    ],
}
CHANGES = {
    "Find it.": [calls(("bash", {"command": "sed -n 260,280p src/flask/blueprints.py"}))],
    "Mend it.": [solve(MESSAGE), calls(("bash", {"command": NEIGHBOURS}))],
    "Mend it otherwise.": [solve("A blueprint needs a name.")],
    "Test it.": [calls(("edit", {"path": "tests/test_empty.py", "old": "", "new": "x = 1\n"}))],
    "Check it.": [calls(("bash", {"command": f'grep -c "{MESSAGE}" src/flask/blueprints.py'}))],
}


def who(request) -> tuple[str, str]:
    """The conversation that asks, and what it was told to do."""
    text = json.dumps(request["messages"][:3])
    label = re.search(r"Your task now is `([^`]+)`", text)
    if label is None:
        parallel = "subtasks" in json.dumps(request["tools"])
        return "main", SYSTEMS[parallel]
    return label[1], next(each for each in CHANGES if f"\\n{each}\\n" in text)


def script(request, n: int):
    conversation, what = who(request)
    turn = sum(message["role"] == "assistant" for message in request["messages"])
    plan = LEADS[what] if conversation == "main" else [*CHANGES[what], back(f"Did: {what}")]
    return plan[turn]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    bundled(FLASK)
    folder = tmp_path_factory.mktemp("central")
    cache = own_cache(folder / "cache")
    with ScriptedModel(script) as server:
        told = delm_here(
            *("eval", "-m", "openai/scripted", "-d", DATASET, "-i", FLASK, "-k", "1", "--yes"),
            *(word for system in SYSTEMS for word in ("-s", system)),
            *("--run-id", "one", "-o", folder),
            OPENAI_API_BASE=server.base_url,
            OPENAI_API_KEY="sk-not-a-key",
            DELM_CACHE=str(cache),
        )
        assert told.code == 0, told.text
        return folder / "one", list(server.requests)


@pytest.mark.parametrize("system", SYSTEMS)
def test_one_submission_is_made_and_resolves(run, system):
    folder, _ = run
    made = pd.read_csv(folder / "submissions.csv").set_index("system").loc[[system]]
    assert made[["author", "outcome"]].values.tolist() == [["main", "resolved"]]
    assert not made["salvaged"].any()


def test_what_was_taken_is_submitted_and_what_contradicts_it_was_told(run):
    folder, requests = run
    rows = query(
        folder, "SELECT system, patch FROM submission JOIN trial USING (trial_id) ORDER BY system"
    )
    patches = {row["system"]: row["patch"] for row in rows}
    assert "tests/test_empty.py" in patches["centralized-parallel"]
    assert "test_empty" not in patches["centralized"]
    for patch in patches.values():
        assert MESSAGE in patch
        assert "A blueprint needs a name." not in patch
    last = [r for r in requests if who(r) == ("main", "centralized-parallel")][-1]
    told = [message["content"] for message in last["messages"] if message["role"] == "tool"]
    assert "sub-4: taken.\nsub-2: taken.\nsub-3: NOT taken" in told[1]
    assert "<<<<<<< main workspace" in told[1]
    assert "Did: Check it." in told[2]


def test_the_second_round_works_on_what_was_taken(run):
    _, requests = run
    last = [request for request in requests if who(request)[1] == "Check it."][-1]
    assert "<exit_status>0</exit_status>\n<output>\n1\n</output>" in json.dumps(
        last["messages"][-1]["content"]
    ).replace("\\n", "\n")


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_call_extends_the_one_before(run, system):
    _, requests = run
    parallel = system == "centralized-parallel"
    seen: dict[tuple[str, str], list] = {}
    for request in requests:
        seen.setdefault(who(request), []).append(request)
    assert ("main", system) in seen
    assert ("sub-4.1", "Test it.") in seen or not parallel
    for (conversation, what), asked in seen.items():
        if conversation == "sub-1.1" and what == "Find it.":
            continue  # of both systems
        for before, after in itertools.pairwise(asked):
            assert after["messages"][: len(before["messages"])] == before["messages"]
            assert after["tools"] == before["tools"]


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("centralized", {("main", "peer"), ("sub-1", "main"), ("sub-1", "command")}),
        (
            "centralized-parallel",
            {("main", "peer"), ("main", "command")}
            | {(f"sub-{n}", "main") for n in (1, 2, 3, 4)}
            | {(f"sub-{n}", "command") for n in (1, 2, 3, 4)},
        ),
    ],
)
def test_the_time_line_is_kept(run, system, expected):
    folder, _ = run
    rows = query(
        folder,
        "SELECT agent, what, span.seconds FROM span JOIN trial USING (trial_id) WHERE system = ?",
        system,
    )
    found = {(row["agent"], row["what"]) for row in rows}
    barriers = {agent for agent, what in found if what == "barrier"}
    assert {pair for pair in found if pair[1] != "barrier"} == expected
    assert len(barriers) == (3 if system == "centralized-parallel" else 0)
    assert all(row["seconds"] >= 0 for row in rows)


def test_every_call_is_in_the_ledger_under_its_agent(run):
    folder, requests = run
    rows = query(folder, "SELECT agent, conversation, outcome FROM call")
    assert len(rows) == len(requests)
    assert {row["conversation"].partition(".")[0] for row in rows} == {row["agent"] for row in rows}
    assert {row["conversation"] for row in rows} == {
        "main", "sub-1.1", "sub-1.2", "sub-2.1", "sub-3.1", "sub-4.1"
    }  # fmt: skip


def test_no_sandbox_is_left(run):
    folder, _ = run
    left = (folder.parent / "cache" / "sandboxes").iterdir()
    assert not [path.name for path in left if path.is_dir()]
