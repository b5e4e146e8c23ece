"""Whether two runs of the same trials came to the same, whatever machines worked on them."""

import csv
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.store.rows import RunRows, TrialRow

TABLES = ("table.csv", "breakdown.csv", "comparisons.csv")
# What a run on other machines may say otherwise: times, what an attempt that was cut off has cost,
# and that there was one.
MAY_DIFFER = re.compile(r"latency|seconds|unfinished|trial_retries|served")
Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the comparison. `same`: None where nothing is asked."""

    what: str
    one: str
    several: str
    same: bool | None
    differs: str = ""  # the first difference


def compare(
    one: RunRows, several: RunRows, folders: tuple[Path, Path], *, timed: bool
) -> list[Line]:
    """What both have: trials, submissions, verdicts, calls, tables. `timed`: calls, and the tables
    that count them, depend on which agent was first, and nothing is asked of them."""
    lines = [
        _same("trials done", one, several, _trials),
        _same("submissions", one, several, _submissions),
        _same("verdicts", one, several, _verdicts),
        _asked(_same("calls of the trials that count", one, several, _calls), not timed),
        _same("answered twice within an attempt", one, several, _repeated),
    ]
    for name in TABLES:
        rows, others = (_table(folder / name) for folder in folders)
        differs = _first(rows, others)
        count = f"{len({row for row, _ in rows})} rows"
        line = Line(what=name, one=count, several=count if not differs else "differs",
                    same=not differs, differs=differs)  # fmt: skip
        lines.append(_asked(line, not timed))
    return [*lines, _cut(one, several)]


def answered_again(rows: RunRows) -> int:
    """Calls that were answered in a later attempt, too, and not from the store."""
    keys = Counter(
        (_key(trial), call["conversation"], call["position"])
        for call, trial in _of_trials(rows)
        if call["outcome"] == "ok" and call["paid_call"] is None
    )
    return sum(count - 1 for count in keys.values())


def paid(rows: RunRows) -> int:
    """The answers that the run bought, in all attempts."""
    return sum(call["outcome"] == "ok" and call["paid_call"] is None for call in rows.calls)


def _asked(line: Line, asked: bool) -> Line:
    return line if asked else replace(line, same=None)


def _same(
    what: str, one: RunRows, several: RunRows, of: Callable[[RunRows], Mapping[Any, Any]]
) -> Line:
    mine, theirs = of(one), of(several)
    differs = _first(mine, theirs)
    return Line(what=what, one=str(len(mine)), several=str(len(theirs)), same=not differs,
                differs=differs)  # fmt: skip


def _first(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> str:
    """The first of their differences, and how many there are."""
    keys = [key for key in {**one, **other} if one.get(key) != other.get(key)]
    if not keys:
        return ""
    key = keys[0]
    return f"{len(keys)}, such as {key}: {one.get(key)!r:.300} and {other.get(key)!r:.300}"


def _key(trial: TrialRow) -> Key:
    return trial["system"], trial["instance_id"], trial["number"]


def _last(rows: RunRows) -> dict[Key, TrialRow]:
    """The attempt that counts of each trial."""
    return {_key(trial): trial for trial in sorted(rows.trials, key=lambda row: row["attempt"])}


def _trials(rows: RunRows) -> dict[Key, Any]:
    return {
        key: (trial["state"], trial["reason"])
        for key, trial in _last(rows).items()
        if trial["state"] == "done"
    }


def _made(rows: RunRows, *columns: str) -> dict[Any, Any]:
    of = {trial["trial_id"]: key for key, trial in _last(rows).items()}
    return {
        (*of[made["trial_id"]], made["author"]): [dict(made)[name] for name in columns]
        for made in rows.submissions
        if made["trial_id"] in of
    }


def _submissions(rows: RunRows) -> dict[Any, Any]:
    return _made(rows, "patch", "reason", "salvaged", "built_on", "copy_of", "selected")


def _verdicts(rows: RunRows) -> dict[Any, Any]:
    return _made(rows, "outcome", "official", "flags", "unchecked")


def _of_trials(rows: RunRows) -> list[tuple[Any, TrialRow]]:
    of = {trial["trial_id"]: trial for trial in rows.trials}
    return [(call, of[call["trial_id"]]) for call in rows.calls]


def _calls(rows: RunRows) -> dict[Any, Any]:
    last = {trial["trial_id"] for trial in _last(rows).values()}
    return {
        (*_key(trial), call["conversation"], call["position"]): (
            call["outcome"], call["reply"], call["prompt_tokens"], call["completion_tokens"],
            call["cost_usd"],
        )
        for call, trial in _of_trials(rows) if trial["trial_id"] in last
    }  # fmt: skip


def _repeated(rows: RunRows) -> dict[Any, Any]:
    """None: a call has one row of its attempt."""
    keys = Counter(
        (*_key(trial), trial["attempt"], call["conversation"], call["position"])
        for call, trial in _of_trials(rows)
        if call["outcome"] == "ok"
    )
    return {key: count for key, count in keys.items() if count > 1}


def _table(path: Path) -> dict[tuple[int, str], str]:
    with path.open(newline="") as file:
        return {
            (number, column): value
            for number, row in enumerate(csv.DictReader(file))
            for column, value in row.items()
            if not MAY_DIFFER.search(column) and not MAY_DIFFER.search(row.get("measure", ""))
        }


def _cut(one: RunRows, several: RunRows) -> Line:
    """The attempts that were cut off: none on one machine, those of who was killed on several."""
    cut = [
        [trial for trial in rows.trials if trial["state"] == "cancelled"] for rows in (one, several)
    ]
    reasons = {trial["reason"] for trial in cut[1]}
    right = not cut[0] and len(cut[1]) == 1 and reasons == {"the process ended"}
    return Line(what="attempts cut off", one=str(len(cut[0])), several=str(len(cut[1])),
                same=right, differs="" if right else f"{sorted(reasons)}")  # fmt: skip
