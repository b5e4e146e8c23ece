"""What became of each proposal, from rows made by hand."""

from typing import Any

import pytest

from harness.analysis.findings import COLUMNS, OF_ENTRIES, findings
from harness.analysis.narrative import TrialRecord

TRIAL = {"system": "delm", "instance_id": "a__a-1", "number": 2, "attempt": 1}


def proposal(number: int, author: str, task: str, settled: str | None = "admitted", **more: Any):
    plain = {"number": number, "author": author, "task": task, "kind": "FACT",
             "gist": f"gist {number}", "settled": settled, "seconds": 0.5, "reason": "",
             "entry": f"F{number}" if settled == "admitted" else None,
             "unverified": 0, "remembered": None}  # fmt: skip
    return plain | more


def entry(label: str, author: str, task: str):
    return {"label": label, "author": author, "task": task, "gist": f"gist {label[1:]}"}


def shown(conversation: str, label: str, level: str = "gist", at: float = 1.0):
    return {"conversation": conversation, "label": label, "level": level, "at": at}


def link(source: str, target: str, kind: str = "cites", at: float = 1.0):
    return {"source": source, "target": target, "kind": kind, "at": at}


def call(conversation: str, agent: str, cost: float | None = 0.0, outcome: str = "ok"):
    return {"conversation": conversation, "agent": agent, "cost_usd": cost, "outcome": outcome}


def material(**rows: Any) -> TrialRecord:
    nothing: dict[str, Any] = dict.fromkeys(
        ("tasks", "entries", "links", "events", "proposals", "calls", "submissions", "shown"), ()
    )
    return TrialRecord(**nothing | rows)


TEAM = (
    call("localize-1", "agent-1"),
    call("localize-2", "agent-2"),
    call("patch-1", "agent-1"),
    call("patch-2", "agent-2"),
    call("patch-3", "agent-3"),
)


def test_a_row_has_its_columns_and_says_which_trial_it_is_of():
    (row,) = findings(TRIAL, material(proposals=[proposal(1, "agent-1", "localize-1")]))
    assert set(row) == set(COLUMNS)
    assert len(COLUMNS) == len(set(COLUMNS))
    assert [row[key] for key in COLUMNS[:14]] == [
        "delm", "a__a-1", 2, 1, 1, "F1", "agent-1", "localize-1", "FACT", "gist 1", "admitted",
        None, None, 0.5,
    ]  # fmt: skip
    assert (row["found"], row["readers"], row["read_by"]) == (1, 0, None)
    assert row["cost_usd"] is None


def test_a_row_says_how_its_evidence_was_checked():
    how = [{"remembered": 0}, {"remembered": 1}, {"unverified": 1, "remembered": 0}, {}]
    rows = material(
        proposals=[proposal(n, "agent-1", "localize-1", **each) for n, each in enumerate(how, 1)]
    )
    told = [row["check"] for row in findings(TRIAL, rows)]
    assert told == ["executed", "remembered", "none", None]


def test_what_came_of_an_entry_stands_only_with_the_proposal_that_was_admitted():
    rows = material(
        proposals=[
            proposal(1, "agent-1", "localize-1"),
            proposal(2, "agent-2", "localize-2", "merged", entry="F1"),
            proposal(3, "agent-2", "localize-2", "rejected", reason="not there"),
            proposal(4, "agent-2", "localize-2", None, seconds=None),
        ],
        entries=[entry("F1", "agent-1", "localize-1")],
        shown=[shown("patch-2", "F1")],
        calls=TEAM,
    )
    first, *others = findings(TRIAL, rows)
    assert (first["found"], first["readers"], first["read_by"]) == (2, 1, "agent-2")
    assert [row["settled"] for row in others] == ["merged", "rejected", None]
    assert [row["label"] for row in others] == ["F1", None, None]
    assert [row["reason"] for row in others] == [None, "not there", None]
    for row in others:
        assert {row[key] for key in OF_ENTRIES} == {None}


def test_readers_are_counted_once_and_not_where_it_was_found():
    rows = material(
        proposals=[proposal(1, "agent-1", "patch-1")],
        entries=[entry("F1", "agent-1", "patch-1")],
        calls=[
            *TEAM,
            call("patch-1+", "agent-1"),
            call("patch-1.2", "agent-3"),
            call("test-1", "agent-1"),
            call("gist-check-0-1", ""),
        ],
        shown=[
            shown("patch-1", "F1"),
            shown("patch-1+", "F1"),  # the same work after a compaction
            shown("patch-2", "F1"), shown("localize-2", "F1"), shown("patch-2", "F1", "raw"),
            shown("patch-2", "F1", "summary"), shown("patch-1.2", "F1"),  # taken over by another
            shown("test-1", "F1", "summary"),  # its author at work on something else
            shown("gist-check-0-1", "F1"), shown("never-called", "F1"),
            shown("patch-3", "F2"),
        ],
    )  # fmt: skip
    (row,) = findings(TRIAL, rows)
    assert (row["readers"], row["read_by"]) == (2, "agent-2 agent-3")
    assert (row["unfolders"], row["unfolded_by"]) == (2, "agent-1 agent-2")


def test_citations_refutations_and_the_submissions_that_rest_on_it():
    rows = material(
        tasks=[{"label": label, "subject": subject} for label, subject in
               (("localize-1", ""), ("patch-1", ""), ("repair-1", "patch-1"), ("patch-2", ""))],
        proposals=[proposal(1, "agent-1", "localize-1"), proposal(2, "agent-2", "patch-2")],
        entries=[entry("F1", "agent-1", "localize-1"), entry("F2", "agent-2", "patch-2")],
        links=[
            link("localize-1", "F1"),  # its own task: no citation
            link("repair-1", "F1"), link("F2", "F1"), link("X9", "F1", "refutes"),
            link("X8", "F1", "contradicts"), link("patch-2", "F2"),
        ],
        submissions=[{"author": "patch-1"}, {"author": "patch-2"}, {"author": "patch-3"}],
        calls=TEAM,
    )  # fmt: skip
    first, second = findings(TRIAL, rows)
    assert (first["citations"], first["cited_by"]) == (2, "repair-1 F2")
    assert (first["refutations"], first["refuted_by"]) == (1, "X9")
    # patch-1 by its repair, patch-2 by the entry it made
    assert (first["submissions"], first["carried_by"]) == (2, "patch-1 patch-2")
    assert (second["citations"], second["submissions"], second["carried_by"]) == (0, 0, None)


def test_the_cost_of_a_conversation_is_shared_out_among_its_proposals():
    rows = material(
        proposals=[
            proposal(1, "agent-1", "localize-1"),
            proposal(2, "agent-1", "localize-1", "rejected"),
            proposal(3, "agent-2", "localize-1"),  # took the task over
            proposal(4, "agent-2", "patch-2"),
            proposal(5, "agent-3", "patch-3"),
        ],
        calls=[
            call("localize-1", "agent-1", 0.25),
            call("localize-1+", "agent-1", 0.5),
            call("localize-1", "agent-1", None, outcome="started")  # the process died with it
            | {"reserved_usd": 0.25},
            call("localize-1.2", "agent-2", 2.0),
            call("patch-2", "agent-2", 1.0),
            call("patch-2", "agent-2", None),
        ],
    )
    assert [row["cost_usd"] for row in findings(TRIAL, rows)] == [
        pytest.approx(0.375), pytest.approx(0.375), 2.0, None, None,
    ]  # fmt: skip


def test_a_trial_without_a_board_has_no_findings():
    assert findings(TRIAL, material(calls=TEAM, submissions=[{"author": "agent-1"}])) == []
