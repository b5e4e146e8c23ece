"""The verdict on a run in words, and what stands before it."""

import random
import re
from itertools import pairwise

import pytest
from score_rows import Rows

from harness import score
from harness.analysis.cautions import cautions
from harness.analysis.verdict import APART, times, verdict
from harness.score import holm
from harness.score.budgets import Allowance
from harness.score.compare import COMPARISON_COLUMNS

LIMIT = Allowance(usd=1.0, steps=10, tokens=None, wall_clock_s=60)


def pair(**known):
    """A row of comparisons.csv of 100 instances in which nothing differs."""
    row = dict.fromkeys(COMPARISON_COLUMNS) | {
        "system_a": "single", "system_b": "delm", "instances": 100, "not_run": 0, "same_budget": 1,
        "avg_at_1_a": 0.5, "avg_at_1_b": 0.5, "avg_at_1_difference": 0.0,
        "avg_at_1_difference_low": -0.05, "avg_at_1_difference_high": 0.05, "avg_at_1_p": 1.0,
        "equal_submissions": 4, "cost_per_instance_a_usd": 0.2, "cost_per_instance_b_usd": 0.114,
        "cost_per_instance_difference_usd": 0.086, "cost_per_instance_difference_usd_low": 0.05,
        "cost_per_instance_difference_usd_high": 0.12,
    }  # fmt: skip
    return row | known


def by(difference, half=0.05, **known):
    """The same where delm resolves so much more than single."""
    return pair(
        avg_at_1_b=0.5 + difference, avg_at_1_difference=-difference,
        avg_at_1_difference_low=-difference - half, avg_at_1_difference_high=-difference + half,
        **known,
    )  # fmt: skip


def judged(*rows, table=None, baseline="single"):
    names = dict.fromkeys(name for row in rows for name in (row["system_a"], row["system_b"]))
    table = table or [{"system": name, "instances_run": 100} for name in names]
    return verdict(table, rows, baseline)


def test_a_difference_that_interval_and_test_show_is_told_with_both():
    found = judged(by(0.15, avg_at_1_p=0.0004))
    assert found.score == (
        "delm resolves more than single: 65.0 % of submissions against 50.0 %, 15.0 points more "
        "(95 %: 10.0 to 20.0), on 100 instances (p = 0.0004)."
    )
    assert found.cost == (
        "At 4 submissions per instance each, delm costs 0.57 times what single costs ($0.1140 "
        "against $0.2000 per instance); the difference is shown."
    )


def test_what_may_be_chosen_is_said_where_the_other_sentences_do_not_say_it():
    dear = {f"cost_per_instance_difference_usd{end}": usd
            for end, usd in (("", -0.1), ("_low", -0.2), ("_high", -0.05))}  # fmt: skip
    same = {**dear, "cost_per_instance_difference_usd_high": 0.1}
    assert judged(by(0.15, avg_at_1_p=0.0004)).choice == ""
    assert judged(by(0.15, avg_at_1_p=0.0004, **dear)).choice.startswith(
        "The system that resolves more also costs more"
    )
    none = "From this run alone no system can be preferred"
    assert judged(pair(**same)).choice == f"{none}."
    assert judged(pair(instances=4)).choice == f"{none}."
    assert judged(pair()).choice == f"{none} for what it resolves."
    assert judged(pair(instances=0)).choice == ""


def test_the_better_baseline_is_told_as_the_one_that_resolves_more():
    found = judged(by(-0.15, avg_at_1_p=0.0004))
    assert found.score.startswith(
        "single resolves more than delm: 50.0 % of submissions against 35.0 %, 15.0 points more "
        "(95 %: 10.0 to 20.0)"
    )
    assert found.pairs[0].score == "less"


@pytest.mark.parametrize("p", [0.05, 0.0500001, 0.2, 1.0, None])
def test_without_a_p_below_the_level_nothing_is_better(p):
    found = judged(by(0.15, avg_at_1_p=p))
    assert found.pairs[0].score == "not shown"
    assert "resolves more" not in found.score
    assert found.score.startswith("No difference in score is shown between delm and single")


def test_an_interval_that_holds_0_shows_nothing_whatever_the_p():
    assert judged(by(0.04, avg_at_1_p=1e-9)).pairs[0].score == "not shown"


@pytest.mark.parametrize("instances", [1, 4, 19])
def test_below_20_instances_there_is_no_verdict_at_all(instances):
    found = judged(by(0.9, avg_at_1_p=1e-9, instances=instances))
    assert found.score == (
        f"Too few instances to tell delm and single apart in score: {instances}, and at least 20 "
        "are needed."
    )
    assert found.pairs[0].cost == "too few"
    assert found.cost.endswith(
        "; fewer than 20 instances, so this says nothing of other instances."
    )
    assert judged(by(0.9, avg_at_1_p=1e-9, instances=20)).pairs[0].score == "more"


def test_at_different_budgets_scores_are_not_compared_and_costs_are():
    found = judged(by(0.9, avg_at_1_p=1e-9, same_budget=0))
    assert found.score == "The systems had different budgets, so their scores are not compared."
    assert "delm costs 0.57 times" in found.cost


def test_each_p_is_adjusted_for_all_pairs_of_the_run():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
    others = [pair(system_a="single", system_b=f"s{n}", avg_at_1_p=0.9) for n in range(4)]
    alone, among = judged(by(0.15, avg_at_1_p=0.02)), judged(by(0.15, avg_at_1_p=0.02), *others)
    assert alone.pairs[0].score == "more"
    assert among.pairs[0].score == "not shown"
    assert among.pairs[0].p == pytest.approx(0.1)


def test_the_wording_is_monotone_in_the_difference():
    """More points, all else equal, never turn a difference that is shown into one that is not."""
    order = {"less": 0, "not shown": 1, "more": 2}
    steps = [n / 100 for n in range(-40, 41)]
    told = [order[judged(by(d, avg_at_1_p=0.001)).pairs[0].score] for d in steps]
    assert all(x <= y for x, y in pairwise(told))
    assert set(told) == {0, 1, 2}


def test_the_wording_is_monotone_in_p():
    told = [judged(by(0.2, avg_at_1_p=p)).pairs[0].score in APART
            for p in (0.0, 1e-9, 0.01, 0.049, 0.0499, 0.05, 0.06, 0.5, 1.0)]  # fmt: skip
    assert told == sorted(told, reverse=True)


def test_of_several_systems_those_that_differ_from_the_baseline_are_named_first():
    rows = [
        pair(system_a="delm", system_b="other", avg_at_1_p=1.0),
        by(0.15, avg_at_1_p=0.0001),
        pair(system_a="single", system_b="other", cost_per_instance_b_usd=2.4),
    ]
    found = judged(*rows)
    assert [(each.a, each.b) for each in found.pairs] == [
        ("delm", "single"), ("other", "single"), ("delm", "other"),
    ]  # fmt: skip
    assert found.score.startswith("delm resolves more than single")
    assert found.score.endswith(". Between 2 other pairs no difference is shown.")
    assert "delm costs 0.57 times and other 12 times what single costs" in found.cost


def test_unknown_costs_and_costs_of_nothing_are_not_divided():
    nothing = pair(cost_per_instance_a_usd=0.0, cost_per_instance_difference_usd=-0.1)
    unknown = pair(cost_per_instance_b_usd=None, cost_per_instance_difference_usd=None)
    for row in (nothing, unknown):
        found = judged(row)
        assert found.pairs[0].ratio is None
        assert found.cost == "Costs are not compared, because one of each two is unknown or 0."


def test_a_run_without_results_and_one_of_one_system_have_a_sentence_too():
    assert verdict([], [], "").score == "No trial has run to its end: there is no verdict."
    table = Rows().add().add("a__a-2", ("unresolved",)).table()
    found = verdict(table, [], "single")
    assert found.score.startswith("single resolves 50.0 % of its submissions")
    assert found.cost == "It costs $0.2500 per instance, at 1 submission each."
    none = judged(pair(instances=0, avg_at_1_a=None, avg_at_1_difference=None))
    assert none.score == "No instance has run on two systems: there is nothing to compare."
    assert none.cost == ""


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (0.567, "0.57 times"),
        (1.0, "1.0 times"),
        (0.999, "1.0 times"),
        (0.0042, "0.0042 times"),
        (12.4, "12 times"),
        (123.4, "123 times"),
        (None, "–"),
    ],
)
def test_a_quotient_has_two_digits(ratio, words):
    assert times(ratio) == words


def test_no_row_of_any_kind_breaks_the_verdict_or_calls_an_equal_system_better():
    rng, better = random.Random(7), 0
    for _ in range(60):
        rows = Rows()
        for number in range(25):
            for name in ("single", "delm"):
                state = rng.choice(["done"] * 8 + ["error", "failed", "running"])
                outcome = rng.choice(["resolved", "unresolved"])
                rows.add(f"a__a-{number}", (outcome,) if state == "done" else (), system=name,
                         state=state, costs=(rng.choice([0.1, 0.2, 0.3]),))  # fmt: skip
        comparisons = score.comparisons(score.sides(rows.scores(), LIMIT))
        found = verdict(rows.table(), comparisons, "single")
        assert found.score.endswith(".")
        better += "resolves more" in found.score
    assert better <= 3  # of 60, at a level of 0.05


# -- what stands before the verdict ----------------------------------------------------------------


def told(rows, table=None, **facts):
    run = rows.rows()
    run.facts.update(facts)
    found = cautions(run, table or rows.table(), lambda key: f"meaning of {key}")
    assert all(re.fullmatch(r".+[.]", each.text) for each in found)
    return {each.kind: each.text for each in found}


def two() -> Rows:
    return Rows().add(system="single").add(system="delm")


def test_a_finished_run_without_trouble_has_no_caution():
    assert told(two()) == {}


def test_each_trouble_is_a_sentence():
    assert told(two(), replay=True) == {
        "replay": "This is a replay of recorded answers: no benchmark result."
    }
    unfinished = told(two().add("a__a-2", (), state="running"))
    assert unfinished["unfinished"].startswith("Not finished (single): scores and costs cover")
    errors = told(two().add("a__a-2", (), state="error").add("a__a-3", (), state="error"))
    assert errors == {
        "infrastructure": "2 of 4 trials fail for infrastructure and count as not resolved "
        "(single 2)."
    }
    failed = told(two().add("a__a-2", (), state="failed"))
    assert failed["failed"].startswith("single: 1 of 2 trials ended by an error in its own code")
    more = told(two().add("a__a-2", ("resolved",) * 2, wanted=2))
    assert more["submissions"].startswith("Costs are scaled to 2 submissions of every system")
    unknown = told(two().add("a__a-2", costs=(None,)))
    assert unknown == {
        "money": "The cost of single is unknown: a model has no price, or an answer came without "
        "its tokens."
    }
    copies = told(two().add("a__a-2", copy_of="agent-2"))
    assert copies["copies"].startswith("single: 1 of 2 submissions are copies of another agent's")


def test_flags_unchecked_passes_unsure_money_budgets_and_changes_are_told():
    rows = two()
    rows.submissions[0] |= {"flags": ["forged"], "outcome": "unresolved"}
    assert told(rows)["flagged"].startswith("single: 1 resolved by the official grader alone")
    rows = two()
    rows.submissions[1]["unchecked"] = ["ends"]
    assert told(rows)["unchecked"] == (
        "1 pass could not be examined in full (delm 1): meaning of ends."
    )
    rows = two()
    rows.calls[0] |= {"outcome": "cancelled", "charged_usd": 0.75}
    assert told(rows)["money"].startswith("Costs are a lower bound: a provider may bill")
    table = [
        row | {"budget_per_instance_usd": usd}
        for row, usd in zip(two().table(), (1, 2), strict=True)
    ]
    assert told(two(), table)["budgets"] == (
        "The budgets per instance differ, so scores are not comparable (single: $1 · any steps · "
        "any time; delm: $2 · any steps · any time)."
    )
    changed = told(two(), accepted=[{"since": "2026", "changes": ["workers: 1, 2"]}])
    assert changed["changed"].startswith("Changed during the run (--accept-changes): workers")


def test_the_gravest_comes_first():
    rows = two().add("a__a-2", (), state="error").add("a__a-3", (), state="running")
    run = rows.rows()
    run.facts["replay"] = True
    kinds = [each.kind for each in cautions(run, rows.table())]
    assert kinds == ["replay", "unfinished", "infrastructure"]
