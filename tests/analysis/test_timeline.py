"""The time line of a trial, from rows made by hand."""

import pytest

from harness.analysis.timeline import Interval, present_s, seconds_by_cause, timeline

TRIAL = {"trial_id": 1, "started_at": "2026-01-01T00:00:10.000+00:00"}


def at(second: float) -> str:
    """The stamp of so many seconds after the minute: 10 is when the trial starts."""
    return f"2026-01-01T00:00:{second:06.3f}+00:00"


def call(agent: str, start: float, end: float | None, trial_id: int = 1):
    return {"trial_id": trial_id, "agent": agent, "started_at": at(start),
            "ended_at": None if end is None else at(end)}  # fmt: skip


def span(agent: str, what: str, start: float, seconds: float, trial_id: int = 1):
    return {"trial_id": trial_id, "agent": agent, "what": what, "started_at": at(start),
            "seconds": seconds}  # fmt: skip


def interval(agent: str, what: str, start_s: float, seconds: float) -> Interval:
    return Interval(agent=agent, what=what, start_s=start_s, seconds=seconds)


def test_calls_and_spans_are_intervals_since_the_start_of_the_trial_oldest_first():
    found = timeline(
        TRIAL,
        [call("agent-2", 13.5, 14), call("agent-1", 11, 13.25)],
        [span("agent-1", "command", 13.25, 0.5), span("agent-2", "barrier", 10, 3.5)],
    )
    assert found == [
        interval("agent-2", "barrier", 0, 3.5),
        interval("agent-1", "model", 1, 2.25),
        interval("agent-1", "command", 3.25, 0.5),
        interval("agent-2", "model", 3.5, 0.5),
    ]


def test_a_call_that_never_ended_one_of_no_agent_and_those_of_other_trials_are_left_out():
    calls = [call("agent-1", 11, None), call("", 11, 12), call("agent-1", 11, 12, trial_id=2)]
    assert timeline(TRIAL, calls, [span("agent-1", "peer", 11, 1, trial_id=2)]) == []


def test_nothing_is_before_the_start_and_nothing_is_negative():
    found = timeline(
        TRIAL,
        [call("a", 8, 9), call("b", 8, 12), call("c", 13, 12)],  # c: the clock was set back
        [span("d", "main", 9, 0.5), span("e", "main", 9, 3), span("f", "peer", 11, -2)],
    )
    assert found == [
        interval("b", "model", 0, 2),
        interval("e", "main", 0, 2),
        interval("c", "model", 3, 0),
    ]


def test_a_trial_that_never_started_has_no_time_line():
    assert timeline({"trial_id": 1, "started_at": None}, [call("a", 11, 12)], []) == []


def test_stamps_of_another_zone_are_the_same_moments():
    trial = {"trial_id": 1, "started_at": "2026-01-01T01:00:10.000+01:00"}
    assert timeline(trial, [call("a", 11, 12)], []) == [interval("a", "model", 1, 1)]


def test_no_moment_of_an_agent_counts_twice_and_belongs_to_what_began_last():
    found = seconds_by_cause(
        [
            interval("a", "admission", 0, 10),
            interval("a", "model", 2, 3),  # inside
            interval("a", "command", 9, 4),  # beyond
            interval("a", "command", 9.5, 1),  # the same again
            interval("a", "peer", 20, 1),
            interval("b", "peer", 0, 10),  # another agent's time is its own
        ]
    )
    assert found == {
        "a": {"admission": pytest.approx(6), "model": 3, "command": 4, "peer": 1},
        "b": {"peer": 10},
    }


def test_a_wait_for_a_recorded_turn_is_taken_out_of_the_call_that_it_is_in():
    spans = [span("a", "turn", 11, 1.5), span("a", "turn", 15.25, 0.5)]
    found = timeline(TRIAL, [call("a", 11, 12.75), call("a", 15, 16)], spans)
    assert seconds_by_cause(found) == {"a": {"turn": 2, "model": 0.25 + 0.5}}
    assert seconds_by_cause(reversed(found)) == seconds_by_cause(found)


def test_intervals_of_no_length_take_no_time():
    assert seconds_by_cause([interval("a", "model", 3, 0)]) == {"a": {}}
    assert seconds_by_cause([]) == {}


def test_agent_time_runs_from_the_first_that_an_agent_did_to_the_last():
    found = present_s(
        [
            interval("a", "model", 1, 2),
            interval("a", "command", 1.5, 9),  # until 10.5
            interval("a", "model", 4, 1),
            interval("b", "peer", 5, 1),
        ]
    )
    assert found == pytest.approx(9.5 + 1)
    assert present_s([]) == 0


def led(*spans_of: tuple[str, str, float, float]):
    return timeline(TRIAL, [], [span(agent, what, 10 + at, s) for agent, what, at, s in spans_of])


def both_wait(found: list[Interval]) -> bool:
    """Whether a main agent waits for its peers while somebody waits for it."""
    lead = [each for each in found if each.what == "peer"]
    led = [each for each in found if each.what == "main"]
    return any(
        one.start_s < other.start_s + other.seconds and other.start_s < one.start_s + one.seconds
        for one in lead
        for other in led
    )


def test_a_main_agent_and_its_sub_agent_do_not_wait_for_each_other_at_once():
    found = led(
        ("sub-1", "main", 0, 4.5),  # before there is a main agent nobody waits for one
        ("main", "model", 2, 2), ("main", "peer", 4, 6),
        ("sub-1", "model", 5, 3), ("sub-1", "main", 8.5, 5),  # after its report is read, too
        ("main", "model", 10, 2),
    )  # fmt: skip
    assert not both_wait(found)
    assert found == [
        interval("main", "model", 2, 2),
        interval("sub-1", "main", 2, 2.5),
        interval("main", "peer", 4.5, 4),  # while the sub-agent has the work
        interval("sub-1", "model", 5, 3),
        interval("sub-1", "main", 8.5, 3.5),
        interval("main", "model", 10, 2),
    ]


def test_of_several_sub_agents_one_that_works_is_enough_to_be_waited_for():
    found = led(
        ("main", "model", 0, 1), ("main", "peer", 1, 9), ("main", "model", 10, 1),
        ("sub-1", "main", 0, 1), ("sub-1", "model", 1, 4), ("sub-1", "main", 5, 6),
        ("sub-2", "main", 0, 3), ("sub-2", "command", 3, 4), ("sub-2", "main", 7, 4),
        ("sub-3", "main", 0, 11),  # it was given nothing
    )  # fmt: skip
    seconds = seconds_by_cause(found)
    assert seconds["main"] == {"model": 2, "peer": 6}  # from 1 to 7
    assert seconds["sub-1"] == {"main": 7, "model": 4}
    assert seconds["sub-3"] == {"main": 11}


def test_equals_wait_for_their_peers_as_they_did():
    found = led(("agent-1", "peer", 0, 3), ("agent-2", "peer", 1, 3))
    assert [(each.start_s, each.seconds) for each in found] == [(0, 3), (1, 3)]
