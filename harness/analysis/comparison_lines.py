"""A comparison of two systems in sentences, for the terminal and for pages. Pure functions."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.analysis.compare_verdicts import cost_verdict, score_verdict, tested
from harness.score import Comparison, Interval, Side
from harness.text.counted import counted
from harness.text.figures import dollars, percent, points, signed_dollars

IS_REPLAY = "is a replay of recorded answers: no benchmark result"
NamedFacts = tuple[str, Mapping[str, Any]]
"""The name of a run and its facts (`Store.description`)."""


@dataclass(frozen=True, slots=True)
class ComparisonLine:
    """A sentence on a comparison. A `warning` comes before what it warns of."""

    text: str
    warning: bool = False


def comparison_lines(
    found: Comparison, a: Side, b: Side, x: str, y: str
) -> Iterator[ComparisonLine]:
    """What a comparison of `a` and `b` says; `x` and `y` are what they are called in it."""
    if found.not_run:
        asked = counted(len(found.instances) + found.not_run, "instance")
        yield ComparisonLine(
            f"not finished: {len(found.instances)} of {asked} compared; {found.not_run} did not "
            "run on both sides",
            warning=True,
        )
    if not found.instances:
        yield ComparisonLine("no instance ran on both sides: nothing to compare", warning=True)
        return
    if found.left_out:
        yield ComparisonLine(
            f"different instance sets: {len(found.instances)} compared, {found.left_out} on one "
            "side only left out",
            warning=True,
        )
    if not found.same_budget:
        whole = f"{x}: {_allowed(a, found)}; {y}: {_allowed(b, found)}"
        yield ComparisonLine(
            f"different budgets per instance ({whole}): the scores are not comparable",
            warning=True,
        )
    yield ComparisonLine(
        f"Avg.@1: {x} {percent(found.average_a)}, {y} {percent(found.average_b)}, difference "
        f"{points(found.difference)} points{_between(found.difference_95, points)}: "
        f"{score_verdict(found, x, y)}"
    )
    if found.mcnemar_p is not None:
        only = counted(found.only_a, "instance")
        yield ComparisonLine(
            f"first trial, selected submission: resolved by {x} only: {only}; by {y} only: "
            f"{found.only_b}; by both: {found.both}; by neither: {found.neither}; exact McNemar "
            f"p = {found.mcnemar_p:.3g}: {tested(found, x, y)}"
        )
    yield ComparisonLine(_costs(found, x, y))
    if verdict := cost_verdict(found, x, y):
        yield ComparisonLine(f"cost verdict: {verdict}")


def unlike(a: NamedFacts, b: NamedFacts) -> list[str]:
    """Warnings about differences between the two runs, one line each."""
    (_, mine), (_, theirs) = a, b
    lines = []
    if mine["model"] != theirs["model"]:
        lines.append(f"different models: {mine['model']} and {theirs['model']}")
    elif mine.get("prices_sha256") != theirs.get("prices_sha256"):
        lists = [facts.get("prices_source") or "none" for facts in (mine, theirs)]
        lines.append(f"different price lists for the same model: {lists[0]} and {lists[1]}")
    if _dataset(mine) != _dataset(theirs):
        lines.append(f"different datasets: {_dataset(mine)} and {_dataset(theirs)}")
    replays = dict.fromkeys(name for name, facts in (a, b) if facts.get("replay"))
    return lines + [f"{name} {IS_REPLAY}" for name in replays]


def troubles(side: Side) -> str:
    """What is to be known of a system's trials before its scores, in brackets; or nothing."""
    errors = sum(each.infra_errors for each in side.scores.values())
    broken = sum(each.system_errors for each in side.scores.values())
    missing = sum(each.unfinished for each in side.scores.values())
    trials = sum(each.trials for each in side.scores.values())
    copies = sum(each.copies for each in side.scores.values())
    made = sum(each.submissions for each in side.scores.values())
    parts = []
    if copies:
        parts.append(f"{copies} of {made} submissions are copies of another agent's patch")
    if missing:
        parts.append(f"{trials - missing} of {counted(trials, 'trial')} run, {missing} not run")
    if errors:
        parts.append(f"infrastructure failures, counted as not resolved: {errors}")
    if broken:
        parts.append(f"failures of its own code, counted as not resolved: {broken}")
    return f" ({'; '.join(parts)})" if parts else ""


def _costs(found: Comparison, x: str, y: str) -> str:
    costs = f"{x} {dollars(found.cost_a)}, {y} {dollars(found.cost_b)}"
    apart = (
        "; not compared, because a cost is unknown"
        if found.cost_difference is None
        else f", difference {signed_dollars(found.cost_difference)}"
        f"{_between(found.cost_difference_95, signed_dollars)}"
    )
    each = counted(found.submissions, "submission")
    unsure = (
        f"; lower bounds: unanswered requests may add up to {dollars(found.cost_unsure)} in all, "
        f"at {each} an instance"
    )
    return (
        f"cost per instance (USD, of {each}): {costs}{apart}{unsure if found.cost_unsure else ''}"
    )


def _dataset(facts: Mapping[str, Any]) -> str:
    dataset = facts["config"]["dataset"]
    return f"{dataset['name']} ({dataset['split']})"


def _allowed(side: Side, found: Comparison) -> str:
    """The budget of the first compared instance, in words."""
    if side.allowance is None:
        return "unknown"
    whole = side.allowance.times(side.scores[found.instances[0]].asked)
    parts = [
        "any dollars" if whole.usd is None else f"${whole.usd:.2f}",
        "any steps" if whole.steps is None else counted(whole.steps, "step"),
        "any tokens" if whole.tokens is None else counted(whole.tokens, "token"),
        "any time" if whole.wall_clock_s is None else f"{whole.wall_clock_s:g} s a trial",
    ]
    return ", ".join(parts)


def _between(interval: Interval | None, words: Callable[[float | None], str]) -> str:
    return f" (95 %: {words(interval.low)} to {words(interval.high)})" if interval else ""
