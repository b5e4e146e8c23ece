"""Every figure of four CSVs of a large planted run, beside the one that `recomputed.py` finds."""

import json
from collections import Counter
from itertools import combinations

import anyio
import pandas as pd
import pytest
from planted_many import INSTANCES, TEAMS, UNPRICED, plant_many
from recomputed import (
    WHAT,
    Rows,
    board,
    budget,
    by_repo,
    cells,
    counts,
    instances,
    kinds,
    latency,
    mean,
    money,
    of_mean,
    redundancy,
    same,
    scores,
    times,
    tokens,
    used,
    wall_clock,
    with_ends,
)
from scipy import stats
from stores import derived

pytestmark = pytest.mark.slow(seconds=13)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    folder = anyio.run(plant_many, tmp_path_factory.mktemp("results"))
    anyio.run(derived, folder)
    return folder.path, Rows(folder.path / "run.db")


@pytest.mark.parametrize("system", TEAMS)
def test_every_figure_of_the_table(planted, system):
    path, rows = planted
    team, every = TEAMS[system], list(instances(rows, system).values())
    ran = [one for one in every if one["wanted"]]
    calls = rows.call[rows.call.system.eq(system)]
    sent, clock = calls[calls.paid_call.isna()], wall_clock(rows)
    attempts = rows.trial[rows.trial.system.eq(system)]
    flags = rows.submission[rows.submission.system.eq(system)]["flags"].dropna()
    n_trials, found = sum(len(one["trials"]) for one in ran), scores(ran, system)
    expected = counts(every, ran) | found | kinds(found, system) | by_repo(ran) | {
        "system": system, "agents": team.agents, "main_agents": int(system == "centralized"),
        "submissions_kind": team.submits, "trials": sum(one["trials_asked"] for one in every),
        "trials_run": n_trials, "submissions": sum(one["made"] for one in ran),
        "copies": int(rows.submission[rows.submission.system.eq(system)]["copy_of"].ne("").sum()),
        "official_resolved": sum(one["official"] for one in ran),
        "avg_at_1_official": mean(one["official"] / one["wanted"] for one in ran),
        "flagged": int(flags.ne("[]").sum()),
        "flake_adjusted_resolved": sum(one["adjusted"] for one in ran),
        "avg_at_1_flake_adjusted": mean(one["adjusted"] / one["wanted"] for one in ran),
        "equal_submissions": 4, "served_calls": int(calls.paid_call.notna().sum()),
        "steps_per_task": sum(one["steps"] for one in ran) / n_trials,
        "seconds_per_task": sum(clock[key] for key in attempts[attempts.ran].trial_id) / n_trials,
        "trial_retries": int((attempts.attempt.gt(0) & attempts.state.ne("waiting")).sum()),
        "cut_answers": int(sent.reply.dropna().map(
            lambda text: json.loads(text)["finish_reason"] == "length").sum()),
        "call_retries": int((sent.attempts - 1).clip(lower=0).sum()),
        "intervals": "95 % BCa bootstrap over instances; 9999 resamples; seed 20260",
    }  # fmt: skip
    expected |= money(rows, system, every) | tokens(sent) | latency(rows, system, clock)
    expected |= budget({one["asked"] for one in every})
    table = cells(path, "table.csv").set_index("system", drop=False)
    same(table.loc[system], expected)
    assert (expected["cost_usd"] is None) == (system == UNPRICED)


def test_the_planted_run_has_what_it_is_there_for(planted):
    path, _ = planted
    table = cells(path, "table.csv").set_index("system")
    for name in ("trial_retries", "call_retries", "infra_errors", "unfinished", "flagged",
                 "served_calls"):  # fmt: skip
        assert (table[name].astype(int) > 0).all(), name
    priced = table.drop(UNPRICED)
    for name in ("cost_unsure_usd", "unfinished_usd"):
        assert (priced[name].astype(float) > 0).all(), name
    assert (priced.unfinished_unsure_usd.astype(float) > 0).any()
    assert (table.flake_adjusted_resolved.astype(int) > table.resolved.astype(int)).all()
    assert (table.official_resolved.astype(int) > table.resolved.astype(int)).all()
    assert len(set(table.instances_run)) > 1
    for name in ("cost_per_instance_usd", "cost_per_task_usd", "cost_per_submission_usd"):
        low, value, high = (priced[f"{name}{end}"].astype(float) for end in ("_low", "", "_high"))
        assert (low < value).all()
        assert (value < high).all()


@pytest.mark.parametrize("system", TEAMS)
def test_every_figure_of_the_breakdown(planted, system):
    path, rows = planted
    every = list(instances(rows, system).values())
    effort = ["<15 min fix", "15 min - 1 hour", "1-4 hours", ">4 hours", ""]
    groups = [("repo", repo) for repo in sorted({one["repo"] for one in every})]
    groups += [("difficulty", value) for value in effort]
    table = cells(path, "breakdown.csv")
    mine = table[table.system.eq(system)]
    assert list(zip(mine.by, mine.value, strict=True)) == groups
    for (_, row), (by, value) in zip(mine.iterrows(), groups, strict=True):
        part = [one for one in every if one[by] == value]
        ran = [one for one in part if one["wanted"]]
        known = all(None not in (one["usd"], one["cut"]) for one in part)
        same(row, counts(part, ran) | scores(ran, system) | {
            "system": system, "by": by, "value": value,
            "cost_per_instance_usd": mean(one["each"] for one in ran) if known else None,
            "cost_per_task_usd":
                sum(one["usd"] for one in ran) / sum(len(one["trials"]) for one in ran)
                if known else None,
        })  # fmt: skip


def sign_flips(apart: list[float]) -> float:
    """Of every way to give the differences signs, how many sums are as far from 0."""
    ways = Counter({0.0: 1})
    for value in apart:
        more: Counter[float] = Counter()
        for total, count in ways.items():
            more[round(total + value, 9)] += count
            more[round(total - value, 9)] += count
        ways = more
    far = abs(sum(apart)) - 1e-7
    return sum(count for total, count in ways.items() if abs(total) >= far) / sum(ways.values())


def test_every_figure_of_the_comparisons(planted):
    path, rows = planted
    table = cells(path, "comparisons.csv").set_index(["system_a", "system_b"], drop=False)
    assert len(table) == 6
    every = {system: instances(rows, system) for system in TEAMS}
    for a, b in combinations(TEAMS, 2):
        pairs = [(every[a][i], every[b][i]) for i in INSTANCES]
        both = [(x, y) for x, y in pairs if x["wanted"] and y["wanted"]]
        averages = [[one["resolved"] / one["wanted"] for one in side]
                    for side in zip(*both, strict=True)]  # fmt: skip
        apart = [x - y for x, y in zip(*averages, strict=True)]
        shipped = [
            (x["ships"], y["ships"]) for x, y in both if None not in (x["ships"], y["ships"])
        ]
        only_a, only_b = shipped.count((True, False)), shipped.count((False, True))
        costs = [mean(x["each"] for x, _ in both), mean(y["each"] for _, y in both)]
        known = None not in costs
        cheaper = [x["each"] - y["each"] for x, y in both] if known else []
        same(table.loc[(a, b)], {
            "system_a": a, "system_b": b, "instances": len(both),
            "not_run": len(pairs) - len(both),
            "same_budget": int("centralized" not in (a, b)),  # it is asked for half as many
            "avg_at_1_a": mean(averages[0]), "avg_at_1_b": mean(averages[1]),
            **with_ends("avg_at_1_difference", mean(apart), of_mean(apart, (-1, 1))),
            "avg_at_1_p": sign_flips(apart),
            "both": shipped.count((True, True)), "only_a": only_a, "only_b": only_b,
            "neither": shipped.count((False, False)),
            "mcnemar_p": float(stats.binomtest(only_a, only_a + only_b, 0.5).pvalue),
            "equal_submissions": 4,
            "cost_per_instance_a_usd": costs[0], "cost_per_instance_b_usd": costs[1],
            **with_ends("cost_per_instance_difference_usd", mean(cheaper), of_mean(cheaper)),
        })  # fmt: skip
    assert (table["not_run"].astype(int) > 0).all()


@pytest.fixture(scope="module")
def measured(planted) -> pd.DataFrame:
    """One row an attempt that is done: what it has to be compared with."""
    _, rows = planted
    calls_of = dict(iter(rows.call.groupby("trial_id")))
    made_of = dict(iter(rows.submission.groupby("trial_id")))
    found = []
    for trial in rows.trial[rows.trial.state.eq("done")].itertuples():
        calls = calls_of[trial.trial_id]
        turns, tokens_used = used(calls)
        made = made_of.get(trial.trial_id, rows.submission.head(0))
        found.append({
            "system": trial.system, "instance_id": trial.instance_id, "turns": turns,
            "tokens": tokens_used, "wanted": trial.wanted,
            "resolved_share": float(made.outcome.eq("resolved").sum()) / trial.wanted,
            **redundancy(rows, trial.trial_id, calls),
            **board(rows, trial.trial_id, trial.agents, turns, calls),
            **times(rows, trial, calls),
        })  # fmt: skip
    return pd.DataFrame(found)


@pytest.mark.parametrize("system", TEAMS)
def test_every_figure_of_what_coordination_costs(planted, measured, system):
    path, rows = planted
    alone = (
        measured[measured.system.eq("single")].groupby("instance_id")[["turns", "tokens"]].mean()
    )
    mine = measured[measured.system.eq(system)].copy()
    for what in ("turns", "tokens"):
        base = mine.instance_id.map(alone[what])
        mine[f"overhead_{what}"] = mine[what] / base - 1
        mine[f"submission_overhead_{what}"] = mine[what] / mine.wanted / base - 1

    def averaged(column: str, of: pd.DataFrame = mine) -> float | None:
        if column not in of or not of[column].notna().any():
            return None
        return float(of.groupby("instance_id")[column].mean().mean())

    compared = mine[mine.overhead_turns.notna()]
    singles = alone.turns[alone.index.isin(compared.instance_id)].mean()
    shared = compared.assign(turns=compared.turns / compared.wanted)
    success = averaged("resolved_share", compared)
    failing = {name: {key: 1 - one["resolved"] / one["wanted"]
                      for key, one in instances(rows, name).items() if one["wanted"]}
               for name in {system, "single"}}  # fmt: skip
    both = failing[system].keys() & failing["single"].keys()
    means = ("turns", "tokens", "overhead_turns", "overhead_tokens", "submission_overhead_turns",
             "submission_overhead_tokens", "resolved_share", "redundancy_files",
             "redundancy_commands", "redundancy_lines", "entries", "message_density", "refuted",
             "false_read", "agent_s", "waiting_share", *(f"{what}_s" for what in WHAT),
             *(f"{what}_share" for what in WHAT))  # fmt: skip
    expected = {name: averaged(name) for name in means} | {
        "system": system, "agents": TEAMS[system].agents, "trials": len(mine),
        "compared": len(compared),
        "efficiency": success / (averaged("turns", compared) / singles),
        "submission_efficiency": success / (averaged("turns", shared) / singles),
        "error_amplification": sum(failing[system][i] for i in both)
        / sum(failing["single"][i] for i in both),
    }  # fmt: skip
    table = cells(path, "coordination_systems.csv").set_index("system", drop=False)
    same(table.loc[system], expected)
    if system == "centralized":
        assert 0 < expected["redundancy_files"] < 1
        assert expected["peer_s"] > 0
        assert expected["main_s"] > 0
    if system == "delm":
        assert 0 < expected["false_read"] < expected["refuted"]
