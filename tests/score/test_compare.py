"""`delm compare`: who resolved what, what the tests say of it, and what is not comparable."""

import re
from dataclasses import fields

import anyio
import pytest
from console import refused
from planted import INSTANCES, MATRIX, System, plant

from harness.analysis.compare_verdicts import cost_verdict
from harness.score import Comparison, Interval

SINGLE = {"single": MATRIX["single"]}


@pytest.fixture
def runs(place):
    """A function that plants a run in the folder of results."""

    def make(run_id, matrix=MATRIX, **more):
        return anyio.run(lambda: plant(place / "results", run_id, matrix, **more))

    return make


def line(told, *words):
    """The one line of what was said that holds every one of `words`."""
    found = [each for each in told.out.splitlines() if all(word in each for word in words)]
    assert len(found) == 1, told.text
    return found[0]


def test_the_systems_of_a_run_are_told_instance_by_instance(delm, runs):
    runs("r")
    told = delm("compare", "r")
    assert told.code == 0, told.text
    assert line(told, "B = ") == "B = independent"
    assert line(told, "A = ") == (
        "A = single (11 of 12 trials run, 1 not run; infrastructure failures, counted as not "
        "resolved: 1)"
    )
    rows = {instance["instance_id"]: line(told, instance["instance_id"]).split()[1:]
            for instance in INSTANCES}  # fmt: skip
    assert rows == {
        "a__a-1": ["1/4*", "1/4*", "2/4*", "1/4*"],
        "a__a-2": ["2/3*", "2/4*", "0/4", "2/4*"],
        "b__b-3": ["0/4", "1/4", "1/4", "0/4"],
    }
    assert len(re.findall("exact McNemar p = ", told.out)) == 6
    assert "6 pairs: of so many tests about 0.3 fall below p = 0.05" in told.out
    assert "WARNING" not in told.text


def test_two_systems_are_compared_in_the_order_in_which_they_are_named(delm, runs):
    runs("r")
    told = delm("compare", "r", "-s", "delm", "-s", "single")
    assert "difference -5.6 points (95 %: " in line(told, "Avg.@1: A 25.0 %, B 30.6 %")
    assert "resolved by A only: 0 instances; by B only: 1; by both: 1; by neither: 1;" in told.out
    cost = line(told, "cost per instance (USD, of 4 submissions)")
    assert "A 0.0016, B 0.0069, difference -0.0053" in cost
    verdict = line(told, "cost verdict: ")
    assert re.search(
        r"B costs 4\.\d+ times as much( as A)?, at 4 submissions per instance", verdict
    )
    assert "below 20 instances" in verdict or "not significant" in verdict
    assert ".venv/bin/delm cost r -s delm -s single" in line(told, "why: ")
    assert "pairs" not in told.out


@pytest.mark.parametrize(
    ("costs", "ends", "instances", "says"),
    [
        ((1.0, 2.5), (-2.0, -1.0), 24, "A costs less: B costs 2.5 times as much, .*: significant$"),
        ((2.5, 1.0), (1.0, 2.0), 24, "B costs less: A costs 2.5 times .* excludes 0"),
        ((1.0, 2.5), (-2.0, 0.5), 24, "not significant: .* contains 0"),
        (
            (1.0, 2.5),
            (-2.0, -1.0),
            19,
            "^no verdict: below 20 instances .* B costs 2.5 times as much as A",
        ),
        ((1.0, 2.5), None, 1, "one instance: no interval can be computed"),
        ((1.0, 1.0), None, 12, "A and B cost the same"),
        ((0.0, 1.0), (-2.0, -0.5), 12, "A costs nothing and B 1.0000"),
        ((None, 1.0), None, 12, "^$"),
    ],
)
def test_the_cheaper_system_is_named_with_the_factor_and_what_the_interval_says(
    costs, ends, instances, says
):
    a, b = costs
    found = comparison(
        instances=tuple("abcdefghijklmnopqrstuvwx"[:instances]),
        cost_a=a,
        cost_b=b,
        cost_difference=None if a is None else a - b,
        cost_difference_95=ends and Interval(low=ends[0], high=ends[1]),
    )
    assert re.search(says, cost_verdict(found, "A", "B"))


def comparison(**known) -> Comparison:
    """A comparison of which nothing else is known."""
    rest = dict.fromkeys(field.name for field in fields(Comparison))
    return Comparison(**rest | {"submissions": 4, "cost_unsure": 0.0} | known)


def test_a_clear_difference_is_said_in_words_and_a_small_one_is_not(delm, runs):
    ids = [f"x__x-{n}" for n in range(24)]
    good = System(1, "one", {i: ["R"] for i in ids})
    bad = System(1, "one", {i: ["R" if n < 8 else "U"] for n, i in enumerate(ids)})
    more = tuple({"instance_id": i, "repo": "x/x", "difficulty": "", "length": ""} for i in ids)
    runs("r", {"good": good, "bad": bad, "also": bad}, instances=more)
    told = delm("compare", "r", "-s", "bad", "-s", "good")
    assert "difference -66.7 points" in line(told, "B is better on instances like these")
    assert "p = 3.05e-05" in line(told, "significant (p < 0.05)", "B resolves more")
    told = delm("compare", "r", "-s", "bad", "-s", "also")
    assert "no significant difference (the interval contains 0)" in told.out
    assert "p = 1: no difference to test" in told.out
    few = System(1, "one", {i: ["R"] for i in ids[:3]})
    none = System(1, "one", {i: ["U"] for i in ids[:3]})
    runs("q", {"few": few, "none": none}, instances=more)
    assert "no verdict: below" not in delm("compare", "q").out  # its interval has 0
    half = System(2, "independent", {i: ["RR"] for i in ids[:2]} | {ids[2]: ["RU"]})
    runs("p", {"few": half, "none": System(2, "independent", {i: ["UU"] for i in ids[:3]})},
         instances=more)  # fmt: skip
    assert "no verdict: below" in delm("compare", "p").out


def test_two_runs_are_compared_by_the_systems_of_the_same_name(delm, runs):
    runs("r")
    runs("q", {"delm": MATRIX["delm"], **SINGLE})
    told = delm("compare", "r", "q")
    assert told.code == 0, told.text
    assert line(told, "A = ").startswith("A = single of r")
    assert line(told, "D = ") == "D = delm of q"
    assert "WARNING" not in told.text
    told = delm("compare", "r", "q", "-s", "delm-n2", "-s", "single")
    assert line(told, "A = ").startswith("A = delm-n2 of r")
    assert line(told, "B = ").startswith("B = single of q")


def test_what_makes_two_runs_unlike_is_said_loudly(delm, runs):
    runs("r", SINGLE)
    fewer = System(1, "one", {"a__a-1": ["R", "U", "U", "U"], "b__b-3": ["R", "R", "R", "R"]})
    other = [{"budget": {"cost_usd": 1}, "dataset": {"name": "elsewhere"}}]
    runs("q", {"single": fewer}, model="n", layers=other, replay=True)
    told = delm("compare", "r", "q")
    assert told.code == 0, told.text
    warnings = "\n".join(each for each in told.out.splitlines() if each.startswith("WARNING: "))
    assert "different models: m and n" in warnings
    assert "elsewhere (test)" in warnings
    assert "q is a replay of recorded answers: no benchmark result" in warnings
    assert "different instance sets: 2 compared, 1 on one side only left out" in warnings
    assert "A: $12.00, 2200 steps, any tokens, 3600 s a trial; B: $4.00, 2200" in warnings
    assert "–" in line(told, "a__a-2")


def test_only_what_both_have_run_is_compared_and_the_rest_is_said(delm, runs):
    ids = [each["instance_id"] for each in INSTANCES]
    whole = System(1, "one", {ids[0]: ["U"], ids[1]: ["R"], ids[2]: ["R"]})
    cut = System(1, "one", {ids[0]: ["R"], ids[1]: ["C"], ids[2]: ["C"]})
    nothing = System(1, "one", {i: ["C"] for i in ids})
    runs("r", {"whole": whole, "cut": cut, "nothing": nothing})
    told = delm("compare", "r", "-s", "whole", "-s", "cut")
    assert line(told, "B = ") == "B = cut (1 of 3 trials run, 2 not run)"
    assert "1 of 3 instances compared; 2 did not run on both sides" in line(told, "WARNING")
    assert line(told, "Avg.@1: A 0.0 %, B 100.0 %")
    assert line(told, ids[1]).split()[1:] == ["1/1*", "not", "run"]
    told = delm("compare", "r", "-s", "whole", "-s", "nothing")
    assert told.code == 0, told.text
    assert "no instance ran on both sides: nothing to compare" in told.out
    assert "Avg.@1" not in told.out
    assert "McNemar" not in told.out


def test_more_submissions_on_an_instance_are_another_budget(delm, runs):
    twice = System(1, "one", {i: trials[:2] for i, trials in MATRIX["single"].outcomes.items()})
    runs("r", {**SINGLE, "twice": twice})
    assert "A: $12.00, 2200 steps" in line(delm("compare", "r"), "WARNING: different budgets")


def test_other_prices_of_the_same_model_are_said(delm, runs):
    runs("r", SINGLE)
    runs("q", SINGLE, prices_sha256="1", prices_source="mine")
    assert "price lists for the same model: test and mine" in line(
        delm("compare", "r", "q"), "WARNING"
    )


def test_an_unknown_cost_is_not_compared(delm, runs):
    runs("r", price=None)
    told = delm("compare", "r", "-s", "delm", "-s", "single")
    assert "A –, B –; not compared, because a cost is unknown" in told.out


def test_what_cannot_be_compared_is_refused_in_one_line(delm, runs, place):
    runs("r")
    runs("one", SINGLE)
    runs("elsewhere", {"single": System(1, "one", {"b__b-3": ["R"]}),
                       "other": System(1, "one", {"b__b-3": ["R"]})})  # fmt: skip
    runs("apart", {"single": System(1, "one", {"a__a-1": ["R"]})})
    refused(delm("compare", "r", "r"), "the same run")
    refused(delm("compare", "r", str(place / "results/r")), "the same run")
    refused(delm("compare", "r", "one", "apart"), "two runs can be compared, not 3")
    refused(delm("compare", "rr"), "there is no run", "did you mean 'r'?")
    refused(delm("compare", "one"), "one system, single", "name a second run")
    refused(delm("compare", "r", "-s", "single"), "name two with -s A -s B")
    refused(delm("compare", "r", "-s", "sinlge", "-s", "delm"), "did you mean 'single'?")
    refused(delm("compare", "r", "one", "-s", "delm"), "no system 'delm' in the run one")
    refused(delm("compare", "one", "r", "-s", "a", "-s", "b", "-s", "c"), "-s once (for both)")
    refused(delm("compare", "elsewhere", "apart"), "no instance in common")
    runs("other", {"other": System(1, "one", {"b__b-3": ["R"]})})
    refused(delm("compare", "one", "other"), "no system in common (single; other)")


def test_a_run_that_never_began_is_refused(delm, runs):
    runs("r", {"single": System(1, "one", {})})
    refused(delm("compare", "r"), "has no trials")
