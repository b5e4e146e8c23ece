"""Which submission is shipped: a pure function, its order of criteria, and its reasons."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.selection import Candidate, changed_lines, select

SMALL = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n"
LARGE = "--- a/x\n+++ b/x\n@@ -1 +1,3 @@\n-a\n+b\n+c\n+++d\n"


def one(author: str, **more) -> Candidate:
    plain = {"patch": SMALL, "verified": True, "failures": 0, "passed_peers": 0, "checks": {}}
    return Candidate(author=author, **plain | more)


@pytest.mark.parametrize(
    ("better", "worse", "because"),
    [
        ({}, {"patch": "\n"}, "is not empty, unlike"),
        ({"checks": {"t": True, "u": True}}, {"checks": {"t": True, "u": False}}, "more checks"),
        ({}, {"verified": False}, "is verified, unlike"),
        ({}, {"failures": 1}, "fewer open failures"),
        ({"passed_peers": 2}, {"passed_peers": 1}, "more tests of peers"),
        ({}, {"patch": LARGE}, "fewer lines"),
    ],
)
def test_each_criterion_decides_and_is_the_reason(better, worse, because):
    for names in (("a", "z"), ("z", "a")):  # whatever their names, and in either order
        good, bad = one(names[0], **better), one(names[1], **worse)
        for candidates in ((good, bad), (bad, good)):
            choice = select(candidates)
            assert choice.author == good.author
            assert because in choice.reasons[1] or choice.reasons[1].endswith("is the same patch")


def test_earlier_criteria_win_over_all_later_ones():
    checked = one("z", checks={"t": True}, verified=False, failures=3, patch=LARGE)
    neat = one("a", checks={"t": False}, passed_peers=5)
    assert select([neat, checked]).author == "z"


def test_nothing_to_choose_from_is_an_error_and_only_empty_patches_are_said_to_be_so():
    with pytest.raises(ValueError, match="nothing to choose"):
        select([])
    choice = select([one("b", patch=""), one("a", patch="")])
    assert (choice.author, choice.reasons[0]) == ("a", "a: every submission is empty")


def test_a_submission_without_commands_to_check_is_said_to_have_none():
    none = Candidate(author="a", patch="+x", checks={}, verified=False, failures=0, passed_peers=0)
    told = select([none])
    assert "no commands to check" in str(told), told


def test_changed_lines_are_counted_without_the_headers():
    assert changed_lines(SMALL) == 2
    assert changed_lines(LARGE) == 4
    comment = "--- a/x.sql\n+++ b/x.sql\n@@ -1 +1 @@\n--- old comment\n+-- new comment\n"
    assert changed_lines(comment) == 2, "a removed line that begins with -- is no header"
    assert changed_lines(SMALL.replace("-1 +1", "-1,9 +1")) == 6, "no diff: all its lines"


CANDIDATES = st.lists(
    st.builds(
        Candidate,
        author=st.sampled_from("abcdef"),
        patch=st.sampled_from(["", SMALL, LARGE]),
        verified=st.booleans(),
        failures=st.integers(0, 2),
        passed_peers=st.integers(0, 2),
        checks=st.dictionaries(st.sampled_from("tuv"), st.booleans()),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda candidate: candidate.author,
)


@given(CANDIDATES)
def test_the_choice_does_not_depend_on_the_order_of_the_candidates(candidates):
    choices = {select(order).author for order in itertools.permutations(candidates)}
    assert len(choices) == 1
