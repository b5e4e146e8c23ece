"""The board after each step: it ends as the rows say, and never holds what cannot be."""

from dataclasses import replace
from itertools import pairwise

import pytest
from board_rows import call, driven, entry, event, record, task

from harness.analysis.board_replay import WAITING, board_after, board_steps
from harness.analysis.narrative import event_lines
from harness.analysis.task_history import task_histories


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_on_a_board_its_replay_ends_as_its_rows_say(tmp_path, seed):
    rows = driven(tmp_path / "run.db", seed)
    steps = board_steps(rows)
    last = board_after(steps)
    states = {
        label: ("open" if at.state == WAITING else at.state, at.holder, at.attempts)
        for label, at in last.tasks.items()
    }
    assert states == {t["label"]: (t["state"], t["holder"], t["attempts"]) for t in rows.tasks}
    assert list(last.entries) == [e["label"] for e in rows.entries]
    assert sorted(last.pending) == [p["number"] for p in rows.proposals if p["settled"] is None]
    assert [s.number for s in steps if s.number] == [e["number"] for e in rows.events]
    assert all(step.words for step in steps)


@pytest.mark.parametrize("seed", range(12))
def test_at_no_step_is_a_task_held_before_what_it_waits_for(tmp_path, seed):
    rows = driven(tmp_path / "run.db", seed)
    steps = board_steps(rows)
    after = {t["label"]: t["after"] for t in rows.tasks}
    released = {(e["subject"], e["detail"]["needed"]) for e in rows.events
                if e["what"] == "unblocked"}  # fmt: skip
    for number in range(1, len(steps) + 1):
        tasks = board_after(steps[:number]).tasks
        held = [at.holder for at in tasks.values() if at.state == "claimed"]
        assert len(held) == len(set(held))
        for label, at in tasks.items():
            needs = [n for n in after[label] if (label, n) not in released]
            missing = [n for n in needs if tasks[n].state != "done"]
            if at.state == "claimed":
                assert not missing
            if at.state == WAITING:
                assert [n for n in after[label] if tasks[n].state != "done"]


@pytest.mark.parametrize("seed", range(4))
def test_claims_are_numbered_and_each_ends_before_the_next_begins(tmp_path, seed):
    for history in task_histories(driven(tmp_path / "run.db", seed)):
        claims = history.claims
        assert [claim.fence for claim in claims] == list(range(1, len(claims) + 1))
        assert len(claims) == history.task["attempts"]
        assert all(one.ended for one in claims[:-1])
        for one, other in pairwise(claims):
            assert one.until is not None
            assert one.until <= other.began


def test_a_lost_lease_stands_with_the_claim_that_lost_it():
    rows = record(
        tasks=[task("patch-1", state="done", holder="bob", attempts=2)],
        events=[
            event(1, "put", "", "patch-1", kind="patch"),
            event(2, "claimed", "ann", "patch-1", fence=1),
            event(3, "lost", "ann", "patch-1", fence=1),
            event(4, "claimed", "bob", "patch-1", fence=2),
            event(5, "done", "bob", "patch-1", fence=2),
        ],
    )
    (history,) = task_histories(rows)
    assert [(c.agent, c.ended, c.until) for c in history.claims] == [
        ("ann", "lost", 2.0), ("bob", "done", 4.0),
    ]  # fmt: skip
    assert history.lost == 1
    assert "loses patch-1" in board_steps(rows)[2].words


def test_readers_come_between_events_and_the_finder_at_home_is_none():
    rows = record(
        tasks=[task("localize-1")],
        entries=[entry("F1", "localize-1", "ann")],
        calls=[call(1, "localize-1", "ann"), call(2, "patch-2", "bob")],
        shown=[
            {"conversation": "localize-1", "label": "F1", "level": "gist", "at": 101.5},
            {"conversation": "patch-2", "label": "F1", "level": "gist", "at": 102.5},
            {"conversation": "patch-2", "label": "F1", "level": "raw", "at": 103.5},
            {"conversation": "nobody", "label": "F1", "level": "raw", "at": 103.5},
        ],
        events=[
            event(1, "put", "", "localize-1"), event(2, "admitted", "ann", "F1", proposal=1),
            event(3, "left", "ann", ""),
        ],
    )  # fmt: skip
    steps = board_steps(rows)
    assert [step.words for step in steps if step.read] == [
        "bob reads F1 in patch-2", "bob unfolds the raw text of F1 in patch-2",
    ]  # fmt: skip
    assert [step.number for step in steps] == [1, 2, 0, 3, 0]


def test_a_clock_that_was_set_back_does_not_turn_events_around():
    rows = record(
        tasks=[task("patch-1", state="claimed", holder="ann", attempts=1)],
        events=[
            event(1, "put", "", "patch-1") | {"at": 100.0},
            event(2, "joined", "ann", "") | {"at": 105.0},
            event(3, "claimed", "ann", "patch-1", fence=1) | {"at": 90.0},
        ],
    )
    assert [step.seconds for step in board_steps(rows)] == [0.0, 5.0, 5.0]


def test_all_clocks_of_a_trial_begin_with_it():
    rows = record(
        started=90.0,
        tasks=[task("localize-1")],
        events=[event(1, "put", "", "localize-1"), event(2, "claimed", "ann", "localize-1")],
    )
    assert [step.seconds for step in board_steps(rows)] == [11.0, 12.0]
    assert task_histories(rows)[0].claims[0].began == 12.0
    assert [line.split()[0] for line in event_lines(rows)] == ["12.0"]
    early = replace(rows, started=150.0)  # a clock that was set back
    assert [step.seconds for step in board_steps(early)] == [0.0, 0.0]


def test_a_trial_without_a_board_and_events_of_an_unknown_kind_break_nothing():
    assert board_steps(record()) == []
    odd = record(events=[event(1, "danced", "", "F1"), event(2, "done", "", "nobody")])
    assert board_steps(odd)[0].words == "the board danced F1"
