"""`delm ctl RUN status`: how a run stands. It shows no text that a model wrote.

A model that watches runs can read it without being told what to do by one that works in them.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from harness.commands.json_output import print_json
from harness.commands.locate import find
from harness.pages.live_state import LiveState, live_state
from harness.results.run_list import cap_of
from harness.runner.control import Standing, standing_of
from harness.runner.membership import alive_in
from harness.runner.progress import console
from harness.store.interventions import InterventionRow, in_words
from harness.store.live_rows import LiveTrial
from harness.store.protocol import Store
from harness.terminal import one_line
from harness.text.counted import counted

WINDOW_S = 60  # that rates are counted over
SHOWN = 20  # trials under way, and interventions, that are listed
KINDS = (
    "model", "sandbox", "document", "grading", "interrupted", "the process ended", "cancelled by",
)  # fmt: skip
"""How the reason of an end begins: the rest of it may quote what models and commands wrote."""


async def print_status(run: str, output: Path, *, as_json: bool) -> None:
    """Print the status of a run, as text or as one JSON document."""
    folder = await find(run, output, as_json=as_json)
    async with folder.open(read_only=True) as store:
        found = await status(store, folder.path)
    if as_json:
        print_json({"run": folder.run_id, "path": str(folder.path)} | found)
        return
    out = console()
    for line in _lines(folder.run_id, found):
        out.print(one_line(line), highlight=False, markup=False, soft_wrap=True)


async def status(store: Store, path: Path) -> dict[str, Any]:
    """The status of the run in `path`, as `--json` has it."""
    since = datetime.now(UTC) - timedelta(seconds=WINDOW_S)
    live = await store.live(since.isoformat(timespec="milliseconds"))
    people = await store.interventions()
    cap = cap_of(await store.description())
    stands = standing_of(people, cap_usd=cap)
    alive = await alive_in(store, path)
    working = sorted(alive.values())
    state = live_state(live, cap_usd=cap, processes=working, interventions=people)
    return {
        "processes": list(state.processes),
        "paused": _paused(stands),
        "workers": stands.workers,
        "states": state.states,
        "spent_usd": state.spent_usd,
        # a sum of what came and went may be just below 0
        "reserved_usd": max(0.0, state.reserved_usd),
        "cap_usd": state.cap_usd or None,
        "calls_per_minute": state.calls_a_minute,
        "tokens_per_minute": state.tokens_a_minute,
        "model_calls": [dict(row) for row in await store.call_limits(alive)] if working else [],
        "trials": [_trial(trial, state) for trial in live.trials],
        "interventions": [_intervention(row) for row in people],
    }


def _paused(stands: Standing) -> Mapping[str, Any] | None:
    row = stands.paused
    if row is None:
        return None
    return {"by": row["by"], "reason": row["reason"], "at": row["at"], "now": bool(row["value"])}


def _trial(trial: LiveTrial, state: LiveState) -> dict[str, Any]:
    agents = [each for each in state.agents if each.trial["trial_id"] == trial["trial_id"]]
    return {
        "trial_id": trial["trial_id"],
        "system": trial["system"],
        "instance_id": trial["instance_id"],
        "number": trial["number"] + 1,
        "attempt": trial["attempt"] + 1,
        "state": trial["state"],
        "ended_by": _kind(trial["reason"]),
        "started_at": trial["started_at"],
        "finished_at": trial["finished_at"],
        "agents": [
            {
                "agent": each.agent,
                "doing": "model" if each.doing == "model" else "tools",
                "since": each.since,
            }
            for each in agents
        ],
    }


def _kind(reason: str) -> str:
    """The part of a reason that this program wrote; of others nothing."""
    return next((kind for kind in KINDS if reason.startswith(kind)), "")


def _intervention(row: InterventionRow) -> dict[str, Any]:
    kept = {key: value for key, value in row.items() if key != "applied"}
    applied = [
        {"process": each["owner"], "at": each["at"], "outcome": each["outcome"]}
        for each in row["applied"]
    ]
    return kept | {"applied": applied}


def _lines(run_id: str, found: Mapping[str, Any]) -> Sequence[str]:
    working = ", ".join(found["processes"])
    states = ", ".join(f"{count} {state}" for state, count in found["states"].items())
    lines = [
        f"{run_id}: {f'running (process {working})' if working else 'no process works on it'}",
        f"trials: {states or 'none'}",
        _money(found),
        f"last minute: {counted(found['calls_per_minute'], 'call')}, "
        f"{counted(found['tokens_per_minute'], 'token')}",
    ]
    lines += [
        f"calls of {row['model']}: limit {int(row['total'])} of {row['ceiling']}, "
        f"{row['busy']} under way, {row['waiting']} waiting"
        for row in found["model_calls"]
    ]
    if paused := found["paused"]:
        how = ", answers held" if paused["now"] else ""
        lines.insert(1, f"paused{how} by {paused['by']} at {paused['at']}: {paused['reason']}")
    if found["workers"]:
        lines.append(f"workers of each process: {found['workers']}")
    busy = [trial for trial in found["trials"] if trial["state"] in ("running", "grading")]
    lines += [_busy(trial) for trial in busy[:SHOWN]]
    if len(busy) > SHOWN:
        lines.append(f"  and {len(busy) - SHOWN} more under way (--json has all)")
    for row in found["interventions"][-SHOWN:]:
        done = "; ".join(dict.fromkeys(each["outcome"] for each in row["applied"])) or "not yet"
        lines.append(f"{row['at']} {row['by']} {in_words(row)}: {row['reason']} ({done})")
    return lines


def _money(found: Mapping[str, Any]) -> str:
    cap = f" of ${found['cap_usd']:.2f}" if found["cap_usd"] else ""
    held = f"${found['reserved_usd']:.4f}"
    return f"spent: ${found['spent_usd']:.4f}{cap}, held for calls: {held}"


def _busy(trial: Mapping[str, Any]) -> str:
    again = f", attempt {trial['attempt']}" if trial["attempt"] > 1 else ""
    agents = ", ".join(f"{each['agent']} ({each['doing']})" for each in trial["agents"])
    where = f"{trial['system']}/{trial['instance_id']}#{trial['number']}{again}"
    return f"  trial {trial['trial_id']} {where}: {trial['state']}{f': {agents}' if agents else ''}"
