"""When a submission was made, and when a patch was first verified, from rows made by hand."""

from datetime import UTC, datetime

from score_rows import END, Rows

from harness.score import BoardRows, Moments, moments, table
from harness.score.pauses import paused_s, pauses

ZERO = 1_767_225_600.0  # when the trials of `Rows` start; their submissions are written at 8 s


def event(at, what, subject, **detail):
    return {"at": ZERO + at, "what": what, "subject": subject, "detail": detail}


def task(label, kind="patch", subject="", patch="x"):
    return {"label": label, "kind": kind, "subject": subject, "result": {"patch": patch}}


def made(*tasks, events, author="patch-1"):
    rows = Rows().add()
    rows.submissions[0]["author"] = author
    return moments(rows.trials[0], rows.submissions, BoardRows(tasks=tasks, events=events))


def test_without_a_board_a_submission_is_made_when_it_is_written():
    rows = Rows().add()
    assert moments(rows.trials[0], rows.submissions, None) == Moments(
        first_verified_s=None, made_s=(8.0,)
    )


def test_a_submission_is_made_when_its_last_patch_was_handed_in():
    tasks = task("patch-1"), task("repair-1", "repair", "patch-1"), task("patch-2")
    events = [
        event(2, "done", "patch-1"),
        event(5, "done", "repair-1"),
        event(6, "done", "patch-2"),
    ]
    assert made(*tasks, events=events).made_s == (5.0,)
    assert made(*tasks, events=events, author="patch-2").made_s == (6.0,)
    assert made(*tasks, events=events, author="patch-3").made_s == (8.0,)


def test_what_handed_in_nothing_or_failed_or_is_another_kind_makes_no_submission():
    tasks = (task("patch-1"), task("repair-1", "repair", "patch-1", patch=""),
             task("repair-2", "repair", "patch-1"), task("test-1", "test", "patch-1"))  # fmt: skip
    events = [event(2, "done", "patch-1"), event(3, "done", "repair-1"),
              event(4, "failed", "repair-2"), event(5, "done", "test-1")]  # fmt: skip
    assert made(*tasks, events=events).made_s == (2.0,)


def test_the_first_verified_patch_is_the_first_that_was_admitted():
    events = [
        event(1, "proposed", "1", kind="FACT"), event(2, "admitted", "F1", proposal=1),
        event(3, "proposed", "2", kind="PATCH"), event(4, "proposed", "3", kind="PATCH"),
        event(5, "rejected", "2", proposal=2), event(6, "admitted", "P2", proposal=3),
        event(7, "proposed", "4", kind="PATCH"), event(7.5, "admitted", "P3", proposal=4),
    ]  # fmt: skip
    assert made(events=events).first_verified_s == 6.0
    assert made(events=events[:5]).first_verified_s is None


UNVERIFIED = [event(1, "proposed", "1", kind="PATCH"),
              event(2, "admitted", "P1", proposal=1, unverified=1)]  # fmt: skip
VERIFIED = [event(3, "proposed", "1", kind="PATCH"),
            event(4, "admitted", "P1", proposal=1, unverified=0)]  # fmt: skip


def test_a_patch_that_was_admitted_without_a_look_is_not_verified():
    assert made(events=UNVERIFIED).first_verified_s is None
    assert made(events=VERIFIED).first_verified_s == 4.0


def test_a_system_that_verifies_nothing_has_no_latency_to_it_and_no_count():
    rows = Rows().add(system="delm").add(system="delm-no-verification").add(system="single")
    stories = {0: BoardRows(tasks=[], events=VERIFIED), 1: BoardRows(tasks=[], events=UNVERIFIED),
               2: BoardRows(tasks=[], events=[])}  # fmt: skip
    found = table(rows.rows(), rows.scores(), stories=stories)
    told = [(row["latency_first_verified_s"], row["verified_trials"]) for row in found]
    assert told == [(4.0, 1), (None, None), (None, None)]


def test_a_clock_that_was_set_back_makes_no_time_negative():
    events = [event(-5, "proposed", "1", kind="PATCH"), event(-4, "admitted", "P1", proposal=1),
              event(-3, "done", "patch-1")]  # fmt: skip
    assert made(task("patch-1"), events=events) == Moments(first_verified_s=0.0, made_s=(0.0,))


def test_only_trials_that_are_done_have_a_latency_and_earlier_attempts_are_part_of_it():
    rows = Rows().add(state="error", seconds=3.0).add(attempt=1)
    rows.add("b__b-2", state="cancelled").add("c__c-3", state="waiting", outcomes=[])
    rows.submissions[0]["created_at"] = rows.submissions[2]["created_at"] = END.replace("08", "59")
    story = BoardRows(tasks=[], events=[event(1, "proposed", "1", kind="PATCH"),
                                    event(2, "admitted", "P1", proposal=1)])  # fmt: skip
    (row,) = table(rows.rows(), rows.scores(), stories={0: story, 2: story})
    assert (row["latency_mean_s"], row["latency_last_s"]) == (3.0 + 8.0, 3.0 + 8.0)
    assert (row["latency_first_verified_s"], row["verified_trials"]) == (None, 0)


def test_no_trial_that_is_done_has_no_latency_and_no_zero():
    row = Rows().add(state="error", outcomes=[]).row()
    assert (row["latency_mean_s"], row["latency_last_s"], row["verified_trials"]) == (None,) * 3


def stamp(at: float) -> str:
    return datetime.fromtimestamp(ZERO + at, UTC).isoformat(timespec="milliseconds")


def said(action: str, *applied: tuple[str, float]) -> dict:
    rows = [{"owner": owner, "at": stamp(at), "outcome": ""} for owner, at in applied]
    return {"action": action, "applied": rows}


def test_what_a_trials_own_process_was_paused_does_not_count():
    """Its process was paused from 1 s to 3 s and from 6 s on, another one for longer."""
    rows = Rows().add()
    rows.trials[0]["owner"] = "mine"
    found = pauses(
        [
            said("pause", ("mine", 1), ("other", 0)),
            said("pause", ("mine", 2)),  # of answers, too: the same pause
            said("resume", ("mine", 3), ("other", 7)),
            said("pause", ("mine", 6)),
        ]
    )
    assert paused_s(rows.trials[0], ZERO + 2, found) == 1.0
    assert paused_s(rows.trials[0], ZERO + 5, found) == 2.0
    told = moments(rows.trials[0], rows.submissions, None, before_s=10, paused=found)
    assert told.made_s == (10 + 8.0 - 2 - 2,)
