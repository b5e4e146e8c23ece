"""A trial told as people would, from rows made by hand."""

from typing import Any

from harness.analysis.narrative import (
    TrialRecord,
    cited_entries,
    event_lines,
    submission_lines,
    task_of,
)
from harness.board.evidence import Span


def event(number: int, what: str, actor: str, subject: str, **detail: Any) -> dict[str, Any]:
    return {"number": number, "at": 100.0 + number, "actor": actor, "what": what,
            "subject": subject, "detail": detail}  # fmt: skip


def entry(label: str, task: str, author: str, kind: str = "FACT") -> dict[str, Any]:
    return {"label": label, "kind": kind, "gist": f"gist of {label}", "author": author,
            "task": task, "evidence": Span(path="a.py", quote="x = 1")}  # fmt: skip


def task(label: str, subject: str = "", **result: Any) -> dict[str, Any]:
    return {"label": label, "kind": label.partition("-")[0], "holder": "agent-1",
            "subject": subject, "result": result}  # fmt: skip


def link(source: str, target: str, kind: str = "cites") -> dict[str, Any]:
    return {"source": source, "target": target, "kind": kind}


def submission(author: str, **more: Any) -> dict[str, Any]:
    plain = {"agent": "agent-1", "outcome": "resolved", "selected": 0, "salvaged": 0,
             "built_on": "", "copy_of": "", "report": None, "selection_reasons": None}  # fmt: skip
    return {"author": author} | plain | more


def material(**rows: Any) -> TrialRecord:
    nothing: dict[str, Any] = dict.fromkeys(
        ("tasks", "entries", "links", "events", "proposals", "calls", "submissions"), ()
    )
    return TrialRecord(**nothing | rows)


def test_a_conversation_belongs_to_its_task_whoever_took_it_and_however_often_it_began_anew():
    assert [task_of(name) for name in ("patch-1", "patch-1.2", "patch-1+", "patch-1.3+")] == [
        "patch-1"
    ] * 4


def test_a_submission_rests_on_what_its_work_cited_and_did_not_find_itself():
    rows = material(
        tasks=[task("patch-1"), task("repair-1", subject="patch-1"), task("patch-2")],
        entries=[
            entry("F1", "localize-1", "agent-2"),
            entry("F2", "patch-1", "agent-1"),
            entry("X3", "test-1", "agent-2", "FAIL"),
            entry("P4", "patch-1", "agent-1", "PATCH"),
            entry("C5", "localize-1", "agent-2", "CONSTRAINT"),
            entry("F6", "localize-2", "agent-2"),
        ],
        links=[
            link("patch-1", "F1"), link("patch-1", "F2"), link("repair-1", "X3"),
            link("P4", "C5"), link("patch-2", "F6"), link("X3", "P4", "refutes"),
        ],
    )  # fmt: skip
    assert [row["label"] for row in cited_entries(rows, "patch-1")] == ["F1", "X3", "C5"]
    assert [row["label"] for row in cited_entries(rows, "patch-2")] == ["F6"]


def test_the_events_are_told_in_order_with_what_they_cost_and_why_they_were_refused():
    rows = material(
        tasks=[task("localize-1", summary="It is\nin a.py."), task("test-1", subject="P4")],
        entries=[entry("F1", "localize-1", "agent-1")],
        proposals=[{"number": 2, "author": "agent-2", "task": "localize-2", "kind": "FACT",
                    "gist": "a guess"}],
        calls=[{"conversation": "localize-1", "cost_usd": 0.25},
               {"conversation": "localize-1+", "cost_usd": 0.5}],
        events=[
            event(0, "put", "", "localize-1", kind="localize"),
            event(1, "claimed", "agent-1", "localize-1", fence=1),
            event(2, "admitted", "agent-1", "F1", proposal=1, seconds=1.5),
            event(3, "rejected", "agent-2", "2", proposal=2, seconds=0.5, reason="not there"),
            event(4, "merged", "agent-2", "F1", proposal=3, seconds=0.5),
            event(5, "done", "agent-1", "localize-1", fence=1),
            event(6, "lost", "agent-2", "localize-2", fence=1),
            event(7, "claimed", "agent-1", "test-1", fence=2),
            event(8, "linked", "", "F1", source="X9", kind="refutes"),
            event(9, "linked", "", "F1", source="patch-1", kind="cites"),
            event(10, "closed", "agent-1", "", reason="every submission is made"),
        ],
    )  # fmt: skip
    assert [line.partition("s  ")[2] for line in event_lines(rows)] == [
        "agent-1 claims localize-1",
        "agent-1 publishes F1 FACT on localize-1 (checked in 1.5 s): gist of F1",
        "agent-2's FACT on localize-2 is refused: “a guess”: not there",
        "agent-2 finds F1 again",
        "agent-1 finishes localize-1 (2 calls, $0.7500): It is in a.py.",
        "agent-2 loses localize-2: its lease expired",
        "agent-1 claims test-1 again (of P4)",
        "X9 refutes F1",
        "the trial ends: every submission is made",
    ]
    assert event_lines(rows)[0].startswith("    1.0 s")


def test_an_entry_says_whether_its_check_was_executed_remembered_or_left_out():
    how = [{"seconds": 1.5, "remembered": 0}, {"remembered": 1}, {"unverified": 1, "remembered": 0}]
    rows = material(
        entries=[entry("F1", "localize-1", "agent-1")],
        events=[event(n, "admitted", "agent-1", "F1", **each) for n, each in enumerate(how)],
    )
    told = [line.partition("(")[2].partition(")")[0] for line in event_lines(rows)]
    assert told == ["checked in 1.5 s", "check remembered, not executed again", "not checked"]


def test_a_cost_that_nobody_knows_is_not_told_as_nothing():
    rows = material(
        tasks=[task("patch-1")],
        calls=[{"conversation": "patch-1", "cost_usd": None}],
        events=[event(0, "done", "agent-1", "patch-1")],
    )
    assert "cost unknown" in event_lines(rows)[0]


def test_submissions_are_told_with_their_verdict_and_why_one_is_shipped():
    rows = material(
        submissions=[
            submission("patch-1", selected=1, selection_reasons=["patch-1: all checks"]),
            submission("patch-2", outcome=None, salvaged=1, agent="agent-2"),
            submission("patch-3", built_on="P6"),
            submission("patch-4", built_on="P6", copy_of="P7"),
            submission("patch-5"),
        ],
        tasks=[task("patch-5", patch="+x", entry="P9", equal="P6")],
    )
    assert submission_lines(rows) == [
        "patch-1 by agent-1: resolved, selected",
        "    patch-1: all checks",
        "patch-2 by agent-2: not graded, salvaged",
        "patch-3 by agent-1: resolved, built on P6",
        "patch-4 by agent-1: resolved, a copy of P7",
        "patch-5 by agent-1: resolved, the same change as P6",
    ]
    assert event_lines(material()) == []
