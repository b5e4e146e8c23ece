"""When two patches make the same change: pure functions over their diffs."""

import time

import pytest

from agents.delm.equal_candidates import EqualCandidates
from agents.delm.equivalence import change_of, same_outcomes

HEAD = "diff --git a/{0} b/{0}\n--- a/{0}\n+++ b/{0}\n"


def diff(*changed: str, at: int = 10, path: str = "pkg/a.py", before: str = "def f(x):") -> str:
    """A patch of one hunk: a context line, and lines with their marks."""
    removed = 1 + sum(line.startswith("-") for line in changed)
    added = 1 + sum(line.startswith("+") for line in changed)
    hunk = f"@@ -{at},{removed} +{at},{added} @@\n {before}\n"
    return HEAD.format(path) + hunk + "".join(f"{line}\n" for line in changed)


PLAIN = diff("-    return x", "+    y = x + 1", "+    return y")
TEST = diff("+assert True", path="tests/test_new.py")


@pytest.mark.parametrize(
    "other",
    [
        diff("-    return x", "+    y = x + 1", "+    return y", at=99),
        diff("-    return x", "+    y  =  x+1   ", "+    return y"),
        diff("-    return x", "+    # one more", "+    y = x + 1", "+", "+    return y"),
        diff("-    return x", "-    # an old remark", "+    y = x + 1", "+    return y"),
        PLAIN + TEST,
    ],
)
def test_what_does_not_count_leaves_the_change_the_same(other):
    assert change_of(PLAIN).whole == change_of(other).whole


def test_the_order_of_files_does_not_count():
    more = diff("-    a = 1", "+    a = 2", path="pkg/b.py")
    assert change_of(PLAIN + more).whole == change_of(more + PLAIN).whole
    assert change_of(PLAIN + more).whole != change_of(PLAIN).whole


@pytest.mark.parametrize(
    "other",
    [
        diff("-    return x", "+    y = x + 2", "+    return y"),
        diff("-    return x", "+    y = x + 1", "+        return y"),  # in another block
        diff("-    return x", "+    return y", "+    y = x + 1"),
        diff("-    return x", "+    y = x + 1", "+    return y", path="pkg/b.py"),
        diff("-    return x", "+    y = x + 1", "+    return y", before="def g(x):"),
        diff("+    y = x + 1", "+    return y"),
        diff("-    return x", "+    y = 'x +  1'", "+    return y"),
    ],
)
def test_another_change_is_another_one_with_any_names(other):
    assert change_of(PLAIN).whole != change_of(other).whole
    assert change_of(PLAIN).renamed != change_of(other).renamed


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (["+    y = x", "+    return y"], ["+    new = x", "+    return new"], True),
        (["+def _a(v):", "+    return v"], ["+def _b(w):", "+    return w"], True),
        (["+    for k in x:", "+        g(k)"], ["+    for n in x:", "+        g(n)"], True),
        (["+    a, b = x", "+    g(b, a)"], ["+    c, d = x", "+    g(d, c)"], True),
        (["+    a, b = x", "+    g(b, a)"], ["+    c, d = x", "+    g(c, d)"], False),
        (["+    g(x)"], ["+    h(x)"], False),  # names of others
        (["+    x = 1", "+    g(x)"], ["+    y = 1", "+    g(y)"], False),  # x was there
        (["+    g(key=1)"], ["+    g(name=1)"], False),
        (["+    self.key = 1"], ["+    self.name = 1"], False),
        (["+    y = 'y'"], ["+    z = 'z'"], False),  # a text is no name
    ],
)
def test_only_names_that_the_patch_introduces_may_differ(one, other, same):
    first, second = change_of(diff(*one)), change_of(diff(*other))
    assert first.whole != second.whole
    assert (first.renamed == second.renamed) == same


@pytest.mark.parametrize("text", ["", "no diff", TEST, diff("+# a remark"), "@@ -1 +1 @@\n"])
def test_what_changes_no_source_equals_nothing(text):
    assert change_of(text) is None


def test_a_hostile_patch_takes_no_time():
    lines = [f"+{'def x ( ' * 20_000}", f"+{'for a , ' * 20_000}", *["+x = 1"] * 5_000]
    began = time.monotonic()
    change_of(diff(*lines))
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("mine", "theirs", "same"),
    [
        ({"P1": True}, {"P1": True, "P2": False}, True),
        ({"P1": True}, {"P1": False}, False),
        ({"P1": True}, {"P2": True}, False),  # nothing that both were held to
    ],
)
def test_outcomes_are_compared_where_both_are_known(mine, theirs, same):
    assert same_outcomes(mine, theirs) == same


def test_classes_have_the_label_of_the_first():
    outcomes = {"one": {"P1": True}}
    equal = EqualCandidates(lambda text: outcomes.get("one" if "n0" in text else "", {}))
    named = [diff(f"+    n{n} = x", f"+    return n{n}") for n in range(2)]
    assert equal.add("P1", named[0]) == "P1"
    assert equal.add("P2", named[1]) == "P2"  # its outcomes are not known
    assert equal.add("P3", named[0].replace("@@ -10", "@@ -20")) == "P1"
    assert equal.all_of("P3") == ["P1", "P3"]
    assert equal.all_of("P2") == ["P2"]
    assert equal.all_of("P9") == ["P9"]
