"""The places that evidence quotes: what stands there is found, and nothing else is taken."""

import pytest
from labelled import material, submission

from harness.analysis.narrative import TrialRecord
from harness.labels.places import MOST_CHARS, MOST_QUOTATIONS, Material, faults, text_at


def said(place: str, quote: str, found: Material | None = None) -> list[str]:
    return faults([{"place": place, "quote": quote}], found or material())


@pytest.mark.parametrize(("place", "quote"), [
    ("message:c#1#1", "Solve the issue."),  # a conversation's name may hold a #
    ("message:c#1#2", 'grep -n "x = 1" a.py'),  # as it reads
    ("message:c#1#2", '"grep -n \\"x = 1\\" a.py"'),  # as it was sent
    ("message:c#1#3", "in parts"),
    ("call:7", "looked"),
    ("call:8", "ModelRefused"),
    ("entry:F1", "the raw"),
    ("proposal:2", "no proof"),
    ("submission:3", "+x = 1\n"),
    ("grade:3", "FAIL_TO_PASS 0 of 1"),
    ("test:t.py::test_a[x=1]", "submission:3 FAIL_TO_PASS: failed"),
    ("test:t.py::test_b", "passed"),
    ("trial", "state: done"),
])  # fmt: skip
def test_words_are_found_where_they_stand(place, quote):
    assert said(place, quote) == []


@pytest.mark.parametrize(("place", "quote"), [
    ("message:c#1#1", "solve the issue."),  # another letter
    ("message:c#1#1", "Solve  the issue."),  # another blank
    ("message:c#1#2", "Solve the issue."),  # it stands elsewhere
    ("message:c#1#0", "Solve the issue."),
    ("message:c#1#-1", "in parts"),
    ("message:c#1#4", "in parts"),
    ("message:c#1#٣", "in parts"),  # a digit, and no number of ours
    ("message:c#1", "Solve the issue."),
    ("message:", "Solve the issue."),
    ("message:d#1", "Solve the issue."),
    ("call:9", "looked"), ("call:", "looked"), ("entry:F2", "the raw"), ("entry:", "the raw"),
    ("submission:4", "+x = 1\n"), ("test:t.py::test_c", "failed"), ("test:", "failed"),
    ("test:t.py::test_b", "failed"), ("trial:1", "state: done"), ("", "state: done"),
    ("gold", "+x = 1"), ("check:1", "+x = 1"), ("nonsense:1", "+x = 1"),
    ("submission:3", ""), ("submission:3", " \n "), ("submission:3", "+x"), ("trial", "d o"),
    ("message:c#1#1", "Solve the issue." + " " * MOST_CHARS),
])  # fmt: skip
def test_what_does_not_stand_there_is_refused_with_a_reason(place, quote):
    (told,) = said(place, quote)
    assert len(told) < 700


def test_further_texts_are_places_too_and_win_over_nothing_of_the_trial():
    found = material(texts={"gold": "-x = 1\n+x = 2\n", "check:1": "1 failed"})
    assert said("gold", "+x = 2", found) == []
    assert said("check:1", "1 failed", found) == []
    assert said("check:2", "1 failed", found)


def test_more_quotations_than_anybody_reads_are_refused():
    one = {"place": "trial", "quote": "state: done"}
    assert faults([one] * MOST_QUOTATIONS, material()) == []
    assert faults([one] * (MOST_QUOTATIONS + 1), material())


def test_a_test_tells_how_it_ended_for_each_submission_and_reports_of_any_form_are_borne():
    made = [submission(3), submission(4, report=None),
            submission(5, report={"a__a-1": {"tests_status": {"FAIL_TO_PASS": {
                "success": ["t.py::test_a[x=1]"]}}}}),
            submission(6, report={"a__a-1": "broken"}), submission(7, report={})]  # fmt: skip
    record = TrialRecord(tasks=[], links=[], events=[], entries=[], proposals=[], calls=[],
                         submissions=made)  # fmt: skip
    assert text_at("test:t.py::test_a[x=1]", material(record=record)) == (
        "submission:3 FAIL_TO_PASS: failed\nsubmission:5 FAIL_TO_PASS: passed"
    )
