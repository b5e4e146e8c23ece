"""Figures of a run worked out anew: with pandas and scipy, and with none of our own functions.

From the rows of the store, and from what `results/README.md` says of the columns.
"""

import json
import math
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from planted_many import INSTANCES, UNSTABLE
from scipy import stats

ENDED = ("done", "error")


BUDGET = {"usd": 3.0, "steps": 550, "tokens": None}  # of a submission, in configs/base.yaml


WHAT = ("model", "command", "admission", "peer", "barrier", "main", "turn", "paused")


Expected = dict[str, Any]


class Rows:
    """The tables of the store as frames."""

    def __init__(self, path: Any) -> None:
        with closing(sqlite3.connect(path)) as database:

            def read(sql: str) -> pd.DataFrame:
                return pd.read_sql(sql, database)

            trial = read("SELECT * FROM trial JOIN instance USING (instance_id)")
            place = trial[["trial_id", "system", "instance_id", "number", "attempt", "state"]]
            self.call = read("SELECT * FROM call").merge(place, on="trial_id")
            self.submission = (
                read("SELECT submission.*, outcome, official, flags, report, submission_id IN "
                     "(SELECT submission_id FROM selection) AS chosen "
                     "FROM submission LEFT JOIN grade USING (submission_id)")
                .merge(place, on="trial_id")
            )  # fmt: skip
            self.span = read("SELECT * FROM span")
            self.message = read("SELECT * FROM message")
            self.task = read("SELECT * FROM board_whole_task")
            self.event = read("SELECT * FROM board_event")
            self.proposal = read("SELECT * FROM board_proposal")
            self.entry = read("SELECT * FROM board_entry")
            self.link = read("SELECT * FROM board_link")
            self.shown = read("SELECT * FROM board_shown")
        self.trial = trial
        over = trial[trial.state.isin(ENDED)].sort_values("attempt")
        keys = ["system", "instance_id", "number"]
        self.over = over.groupby(keys, as_index=False).last()  # the attempt that counts
        self.asked = trial.groupby(keys, as_index=False).first()
        ran = self.over[keys].assign(ran=True)
        self.call = self.call.merge(ran, on=keys, how="left")
        self.trial = trial.merge(ran, on=keys, how="left")
        self.call["ran"], self.trial["ran"] = self.call.ran.eq(True), self.trial.ran.eq(True)
        self.equal = int(self.asked.groupby(["system", "instance_id"]).wanted.sum().max())


def cells(path, name: str) -> pd.DataFrame:
    return pd.read_csv(path / name, dtype=str, keep_default_na=False)


def same(row: Any, expected: Expected) -> None:
    """Every cell of a row is what it should be, and every column is expected; None is blank."""
    assert set(row.index) == set(expected), set(row.index) ^ set(expected)
    wrong = {}
    for name, value in expected.items():
        if value is None or (isinstance(value, float) and math.isnan(value)):
            good = row[name] == ""
        elif isinstance(value, str):
            good = row[name] == value
        else:
            good = row[name] != "" and float(row[name]) == pytest.approx(value, rel=1e-8, abs=1e-12)
        if not good:
            wrong[name] = (row[name], value)
    assert not wrong, wrong


def mean(values: Iterable[float | None]) -> float | None:
    known = list(values)
    return None if not known or None in known else float(np.mean(np.array(known, dtype=float)))


def bca(statistic: Callable[..., Any], *samples: Iterable[float]) -> tuple[float, float]:
    found = stats.bootstrap(
        tuple(list(each) for each in samples), statistic, paired=len(samples) > 1, vectorized=True,
        n_resamples=9_999, batch=1_000, confidence_level=0.95, method="BCa",
        random_state=np.random.default_rng(20_260),
    ).confidence_interval  # fmt: skip
    return float(found.low), float(found.high)


def of_mean(values: Iterable[float | None], within: tuple[float, float] | None = None):
    known = list(values)
    if not known or None in known:
        return None, None
    if max(known) - min(known) < 1e-12:
        if within is None:
            return None, None
        others = 1 - 0.025 ** (1 / len(known))
        value, (lowest, highest) = known[0], within
        return value - others * (value - lowest), value + others * (highest - value)
    return bca(np.mean, known)


def of_ratio(amounts: Iterable[float], counts: Iterable[float]):
    amounts, counts = list(amounts), list(counts)
    if not sum(counts):
        return None, None

    def ratio(a: Any, c: Any, axis: int = -1) -> Any:
        return np.sum(a, axis=axis) / np.sum(c, axis=axis)

    with np.errstate(all="ignore"):
        low, high = bca(ratio, amounts, counts)
    return (low, high) if math.isfinite(low) and math.isfinite(high) else (None, None)


def with_ends(name: str, value: float | None, ends: tuple[Any, Any]) -> Expected:
    return {name: value, f"{name}_low": ends[0], f"{name}_high": ends[1]}


def share(name: str, values: Iterable[float | None]) -> Expected:
    known = list(values)
    return with_ends(name, mean(known), of_mean(known, (0, 1)))


def dollars(calls: pd.DataFrame) -> tuple[float | None, float | None]:
    """USD, and what they may be more; None: unknown."""
    most = calls.charged_usd.where(
        ~(calls.outcome.eq("started") & calls.charged_usd.isna()), calls.reserved_usd
    )
    if (calls.cost_usd.isna() & (most.isna() | calls.outcome.eq("ok"))).any():
        return None, None
    known = calls.cost_usd.fillna(0)
    more = (most.fillna(known) - known).clip(lower=0)
    return float(known.sum()), float(more[more > 1e-9].sum())


def ships(made: pd.DataFrame, wanted: int, *, chooses: bool) -> bool:
    if wanted > 1 and chooses:
        return bool((made.chosen.eq(1) & made.outcome.eq("resolved")).any())
    first = made.sort_values("author").head(1)
    return bool(first.outcome.eq("resolved").any())


def instances(rows: Rows, system: str) -> dict[str, Expected]:
    """By instance, in order, what the trials of a system that ran came to."""
    found = {}
    every = rows.submission[rows.submission.system.eq(system)]
    chooses = bool(every[every.trial_id.isin(rows.over.trial_id)].chosen.any())
    for name in INSTANCES:
        over = rows.over[rows.over.system.eq(system) & rows.over.instance_id.eq(name)]
        asked = rows.asked[rows.asked.system.eq(system) & rows.asked.instance_id.eq(name)]
        calls = rows.call[rows.call.system.eq(system) & rows.call.instance_id.eq(name)]
        sent = calls[calls.paid_call.isna()]
        trials = {}
        for trial in over.itertuples():
            made = every[every.trial_id.eq(trial.trial_id)]
            made = made if trial.state == "done" else made.head(0)
            trials[trial.number] = {
                "wanted": trial.wanted, "made": len(made),
                "resolved": int(made.outcome.eq("resolved").sum()),
                "official": int(made.official.eq("resolved").sum()),
                "adjusted": sum(counts_adjusted(row, name) for row in made.itertuples()),
                "ships": ships(made, trial.wanted, chooses=chooses),
            }  # fmt: skip
        usd, unsure = dollars(sent[sent.ran])
        cut, cut_unsure = dollars(sent[~sent.ran])
        wanted = sum(t["wanted"] for t in trials.values())
        found[name] = {
            "repo": asked.repo.iloc[0], "difficulty": asked.difficulty.iloc[0],
            "asked": int(asked.wanted.sum()), "wanted": wanted, "trials": trials,
            "trials_asked": len(asked), "infra": int(over.state.eq("error").sum()),
            "own": int(over.state.eq("failed").sum()),
            **{key: sum(t[key] for t in trials.values())
               for key in ("made", "resolved", "official", "adjusted")},
            "usd": usd, "unsure": unsure, "cut": cut, "cut_unsure": cut_unsure,
            "each": usd / wanted * rows.equal if usd is not None and wanted else None,
            "steps": int(sent.ran.sum()),
            "selected": mean(float(t["ships"]) for t in trials.values())
            if chooses or asked.wanted.eq(1).all() else None,
            "ships": trials[0]["ships"] if 0 in trials else None,
        }  # fmt: skip
    return found


def counts_adjusted(row: Any, instance: str) -> bool:
    if row.outcome == "resolved":
        return True
    tests = json.loads(row.report)[instance]["tests_status"]
    failed = {t for kind in tests.values() for t in kind["failure"]}
    unstable = UNSTABLE if INSTANCES.index(instance) % 2 == 0 else ()
    return bool(json.loads(row.flags) == [] and failed and failed <= set(unstable)
                and tests["FAIL_TO_PASS"]["success"])  # fmt: skip


def pass_at(one: Expected, k: int, system: str) -> float | None:
    if system == "delm":
        if any(t["wanted"] != k for t in one["trials"].values()):
            return None
        return mean(float(t["resolved"] > 0) for t in one["trials"].values())
    n, c = one["wanted"], one["resolved"]
    return None if n < k else 1 - math.comb(n - c, k) / math.comb(n, k)


def scores(ran: list[Expected], system: str) -> Expected:
    """What `table.csv` and `breakdown.csv` have in common; `ran` is of instances that ran."""
    found = share("avg_at_1", [one["resolved"] / one["wanted"] for one in ran])
    for k in (2, 4):
        found |= share(f"pass_at_{k}", [pass_at(one, k, system) for one in ran])
    return found | share("selected_at_1", [one["selected"] for one in ran])


def counts(every: list[Expected], ran: list[Expected]) -> Expected:
    trials = sum(one["trials_asked"] for one in every)
    return {
        "instances": len(every), "instances_run": len(ran),
        "wanted": sum(one["asked"] for one in every), "wanted_run": sum(o["wanted"] for o in ran),
        "resolved": sum(one["resolved"] for one in ran) if ran else None,
        "resolved_instances": sum(one["resolved"] > 0 for one in ran) if ran else None,
        "infra_errors": sum(one["infra"] for one in ran),
        "system_errors": sum(one["own"] for one in ran),
        "unfinished": trials - sum(len(one["trials"]) for one in ran),
    }  # fmt: skip


BLANK_MONEY = [
    *(f"cost_per_{of}_usd{end}" for of in ("instance", "task", "submission")
      for end in ("", "_low", "_high")),
    "cost_per_resolved_usd", "cost_usd", "cost_unsure_usd", "unfinished_usd",
    "unfinished_unsure_usd", "served_usd",
]  # fmt: skip


def money(rows: Rows, system: str, every: list[Expected]) -> Expected:
    ran = [one for one in every if one["wanted"]]
    if any(None in (one["usd"], one["cut"]) for one in every):
        return dict.fromkeys(BLANK_MONEY)
    costs, each = [one["usd"] for one in ran], [one["each"] for one in ran]
    trials, made = [len(one["trials"]) for one in ran], [one["made"] for one in ran]
    cut = sum(one["cut"] for one in every)
    cut_unsure = sum(one["cut_unsure"] for one in every)
    calls = rows.call[rows.call.system.eq(system) & rows.call.paid_call.notna()]
    payers = rows.call.set_index("call_id")
    places = ["system", "instance_id", "number"]
    served = sum(
        call.cost_usd for _, call in calls.iterrows()
        if tuple(payers.loc[call.paid_call, places]) != tuple(call[places])
    )  # fmt: skip
    return {
        **with_ends("cost_per_instance_usd", mean(each), of_mean(each)),
        **with_ends("cost_per_task_usd", sum(costs) / sum(trials), of_ratio(costs, trials)),
        **with_ends("cost_per_submission_usd", sum(costs) / sum(made), of_ratio(costs, made)),
        "cost_per_resolved_usd": sum(costs) / sum(one["resolved"] > 0 for one in ran),
        "cost_usd": sum(costs) + cut,
        "cost_unsure_usd": sum(one["unsure"] for one in ran) + cut_unsure,
        "unfinished_usd": cut, "unfinished_unsure_usd": cut_unsure, "served_usd": served,
    }  # fmt: skip


def tokens(calls: pd.DataFrame) -> Expected:
    nobody = calls.outcome.eq("ok") & calls.prompt_tokens.eq(0) & calls.completion_tokens.eq(0)
    names = ("cached_tokens", "cache_write_tokens", "completion_tokens", "reasoning_tokens")
    found: Expected = {name: int(calls[name].sum()) for name in names}
    found["fresh_prompt_tokens"] = int(calls.prompt_tokens.sum()) - sum(found[n] for n in names[:2])
    again = np.rint(calls.repeated * calls.prompt_tokens).sum() / calls.prompt_tokens.sum()
    return (dict.fromkeys(found) if nobody.any() else found) | {"prefix_share": float(again)}


def moment(stamps: Any) -> Any:
    return pd.to_datetime(stamps, utc=True).map(pd.Timestamp.timestamp)


def wall_clock(rows: Rows) -> dict[int, float]:
    """By attempt, its seconds; of one whose process was killed, until its last call."""
    last = moment(rows.call.ended_at.fillna(rows.call.started_at))
    until = last.groupby(rows.call.trial_id).max()
    found = {}
    for attempt in rows.trial.itertuples():
        if not math.isnan(attempt.seconds):
            found[attempt.trial_id] = attempt.seconds
        elif not pd.isna(attempt.started_at):
            began = pd.Timestamp(attempt.started_at).timestamp()
            found[attempt.trial_id] = max(0.0, until.get(attempt.trial_id, began) - began)
        else:
            found[attempt.trial_id] = 0.0
    return found


def latency(rows: Rows, system: str, clock: dict[int, float]) -> Expected:
    first, means, lasts = [], [], []
    mine = rows.trial[rows.trial.system.eq(system)]
    for trial in mine[mine.state.eq("done")].itertuples():
        began = pd.Timestamp(trial.started_at).timestamp()
        earlier = mine[mine.instance_id.eq(trial.instance_id) & mine.number.eq(trial.number)
                       & mine.attempt.lt(trial.attempt)]  # fmt: skip
        before = sum(clock[key] for key in earlier.trial_id)
        admitted = rows.proposal[rows.proposal.trial_id.eq(trial.trial_id)
                                 & rows.proposal.kind.eq("PATCH")
                                 & rows.proposal.settled.eq("admitted")]  # fmt: skip
        if len(admitted):
            first.append(before + admitted.settled_at.min() - began)
        handed = handed_in(rows, trial.trial_id)
        made = rows.submission[rows.submission.trial_id.eq(trial.trial_id)]
        stamps = zip(made.author, moment(made.created_at), strict=True)
        ends = [handed.get(author, stamp) - began + before for author, stamp in stamps]
        if ends:
            means.append(np.mean(ends))
            lasts.append(max(ends))
    return {
        "latency_first_verified_s": mean(first),
        "verified_trials": len(first) if system == "delm" else None,
        "latency_mean_s": mean(means), "latency_last_s": mean(lasts),
    }  # fmt: skip


def handed_in(rows: Rows, trial: int) -> dict[str, float]:
    """By seat, when the last task that handed in a patch for it was done."""
    done = rows.event[rows.event.trial_id.eq(trial) & rows.event.what.eq("done")]
    found: dict[str, float] = {}
    for task in rows.task[rows.task.trial_id.eq(trial)].itertuples():
        if task.kind in ("patch", "repair") and json.loads(task.result).get("patch"):
            seat = task.label if task.kind == "patch" else task.subject
            when = float(done[done.subject.eq(task.label)]["at"].max())
            found[seat] = max(when, found.get(seat, when))
    return found


def by_repo(ran: list[Expected]) -> Expected:
    frame = pd.DataFrame(
        {"repo": one["repo"], "number": number, "share": t["resolved"] / t["wanted"],
         "average": one["resolved"] / one["wanted"], "at": at}
        for at, one in enumerate(ran) for number, t in one["trials"].items()
    )  # fmt: skip
    averages = frame.drop_duplicates("at").groupby("repo").average.mean()
    everywhere = frame.groupby("number")["at"].nunique().eq(len(ran))
    whole = frame[frame.number.isin(everywhere[everywhere].index)]
    each = whole.groupby(["number", "repo"]).share.mean().groupby("number").mean()
    return {"avg_at_1_by_repo": float(averages.mean()),
            "avg_at_1_by_repo_sd": float(each.std(ddof=1)) if len(each) > 1 else None}  # fmt: skip


def kinds(found: Expected, system: str) -> Expected:
    kind = "shared" if system == "delm" else "independent"
    return {f"pass_at_{k}_kind": None if found[f"pass_at_{k}"] is None else kind for k in (2, 4)}


def budget(asked: set[int], *, priced: bool = True) -> Expected:
    found: Expected = {"budget_wall_clock_s": 3600}
    times = asked.pop() if len(asked) == 1 else None
    for name, one in BUDGET.items():
        found[f"budget_per_submission_{name}"] = one if priced else None
        found[f"budget_per_instance_{name}"] = one and times and one * times
    return found


def jaccard(sets: Iterable[set[Any]]) -> float | None:
    found = [len(one & other) / len(one | other)
             for one, other in combinations(sets, 2) if one | other]  # fmt: skip
    return float(np.mean(found)) if found else None


def redundancy(rows: Rows, trial: int, calls: pd.DataFrame) -> Expected:
    speaker = dict(zip(calls.conversation, calls.agent, strict=True))
    if "main" in speaker.values():  # every delegation is an agent of its own
        speaker = {name: name for name, agent in speaker.items() if agent != "main"}
    files: dict[str, set[str]] = {agent: set() for agent in speaker.values()}
    commands: dict[str, set[str]] = {agent: set() for agent in speaker.values()}
    for said in rows.message[rows.message.trial_id.eq(trial)].itertuples():
        if said.conversation not in speaker:
            continue
        function = json.loads(said.content)["tool_calls"][0]["function"]
        given = json.loads(function["arguments"])
        word = given["path"].removeprefix("/testbed/") if "path" in given else \
            given["command"].removeprefix("cat ")  # fmt: skip
        files[speaker[said.conversation]].add(word)
        if "command" in given:
            commands[speaker[said.conversation]].add(given["command"])
    lines: dict[str, set[str]] = {}
    for made in rows.submission[rows.submission.trial_id.eq(trial)].itertuples():
        where, path = lines.setdefault(made.agent, set()), ""
        for line in made.patch.splitlines():
            path = line.removeprefix("--- a/") if line.startswith("--- ") else path
            if line.startswith("@@"):
                where.add(f"{path}:{line.split()[1]}")
    return {
        "redundancy_files": jaccard(files.values()) if len(files) > 1 else None,
        "redundancy_commands": jaccard(commands.values()) if len(commands) > 1 else None,
        "redundancy_lines": jaccard(lines.values()),
    }  # fmt: skip


def board(rows: Rows, trial: int, agents: int, turns: int, calls: pd.DataFrame) -> Expected:
    if not len(rows.task[rows.task.trial_id.eq(trial)]):
        return {}
    entries = rows.entry[rows.entry.trial_id.eq(trial)]
    links = rows.link[rows.link.trial_id.eq(trial) & rows.link.kind.eq("refutes")
                      & rows.link.source.isin(entries.label)]  # fmt: skip
    refuted = links.groupby("target")["at"].min()
    speaker = dict(zip(calls.conversation, calls.agent, strict=True))
    seen = rows.shown[rows.shown.trial_id.eq(trial)]
    misled = {
        entry.label for entry in entries.itertuples() for look in seen.itertuples()
        if entry.label in refuted.index and look.label == entry.label
        and speaker.get(look.conversation, entry.author) != entry.author
        and look.at < refuted[entry.label]
    }  # fmt: skip
    return {"entries": len(entries), "refuted": len(refuted), "false_read": len(misled),
            "message_density": len(entries) / turns}  # fmt: skip


def times(rows: Rows, trial: Any, calls: pd.DataFrame) -> Expected:
    """Every half second of every agent is looked at in its middle."""
    began = pd.Timestamp(trial.started_at).timestamp()
    spans = rows.span[rows.span.trial_id.eq(trial.trial_id)]
    ended = calls[calls.ended_at.notna()]
    busy = [
        (agent, "model", start - began, end - began)
        for agent, start, end in zip(
            ended.agent, moment(ended.started_at), moment(ended.ended_at), strict=True
        )
    ]
    others = zip(spans.agent, spans.what, moment(spans.started_at), spans.seconds, strict=True)
    busy += [(agent, what, at - began, at - began + took) for agent, what, at, took in others]
    agents = {agent for agent, *_ in busy}
    extent = {agent: (min(s for a, _, s, _ in busy if a == agent),
                      max(e for a, _, _, e in busy if a == agent)) for agent in agents}  # fmt: skip

    def doing(agent: str, at: float) -> list[tuple[float, bool, str]]:
        return [(start, what == "turn", what) for a, what, start, end in busy
                if a == agent and start < at < end]  # fmt: skip

    def kept(agent: str, at: float) -> list[tuple[float, bool, str]]:
        found = doing(agent, at)
        if "main" in agents and agent == "main":
            works = any(
                extent[sub][0] < at < extent[sub][1]
                and "main" not in [what for *_, what in doing(sub, at)]
                for sub in agents - {"main"}
            )
            return [each for each in found if works or each[2] != "peer"]
        if "main" in agents:
            led = extent["main"][0] < at < extent["main"][1]
            return [each for each in found if led or each[2] != "main"]
        return found

    middles = np.arange(0.25, max(end for _, end in extent.values()), 0.5)
    seconds, present = dict.fromkeys(WHAT, 0.0), 0.0
    for agent in agents:
        there = [(at, kept(agent, at)) for at in middles]
        active = [at for at, found in there if found]
        present += active[-1] - active[0] + 0.5
        for _, found in there:
            if found:
                seconds[max(found)[2]] += 0.5
    waiting = sum(seconds[what] for what in ("peer", "barrier", "main"))
    return (
        {"agent_s": present, "waiting_share": waiting / present}
        | {f"{what}_s": spent for what, spent in seconds.items()}
        | {f"{what}_share": spent / present for what, spent in seconds.items()}
    )


def used(calls: pd.DataFrame) -> tuple[int, int]:
    return int(calls.outcome.eq("ok").sum()), int(
        calls.prompt_tokens.sum() + calls.completion_tokens.sum()
    )
