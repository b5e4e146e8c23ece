"""How far authors of labels agree, against worked examples."""

import pytest
from labelled import label

from harness.labels.agreement import agreements
from harness.labels.rows import counts


def pairs(*said):
    rows = []
    for trial, (a, b) in enumerate(said, 1):
        rows += [label(2 * trial, a, "A", trial_id=trial), label(2 * trial + 1, b, "B",
                                                               trial_id=trial)]  # fmt: skip
    return rows


def test_kappa_is_that_of_the_textbook():
    yes, no = "legitimate", "cheated"  # 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: kappa 0.4
    rows = pairs(*[(yes, yes)] * 20, *[(yes, no)] * 5, *[(no, yes)] * 10, *[(no, no)] * 15)
    (found,) = agreements(rows)
    assert (found.both, found.same, found.share) == (50, 35, 0.7)
    assert found.kappa == pytest.approx(0.4)
    assert found.words == (
        "A and B: the same label on 35 of 50 trials or submissions that both labelled; Cohen's "
        "kappa 0.40"
    )


def test_kappa_is_not_defined_where_chance_alone_agrees_on_everything():
    (found,) = agreements(pairs(("legitimate", "legitimate")))
    assert (found.same, found.kappa) == (1, None)
    assert "not defined" in found.words


def test_only_what_both_labelled_and_what_stands_is_compared():
    rows = [
        label(1, "legitimate", "A"), label(2, "cheated", "A", trial_id=2),
        label(3, "legitimate", "B", submission_id=5),  # of a submission, not of the trial
        label(4, "unclear", "B", replaced_by=5), label(5, "legitimate", "B", replaces=4),
        label(6, "legitimate", "A", by_model=1, trial_id=3),  # a model of the same name is another
    ]  # fmt: skip
    (found,) = agreements(rows)
    assert (found.a, found.b, found.both, found.same) == ("A", "B", 1, 1)


def test_counts_are_of_labels_that_stand_and_name_every_system():
    rows = [label(1, replaced_by=2), label(2, "cheated", replaces=1), label(3, "cheated", "B")]
    found = counts(rows, ["single", "delm"])
    assert found["single"]["cheated"] == 2
    assert sum(found["single"].values()) == 2
    assert set(found["delm"].values()) == {0}
