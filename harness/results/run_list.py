"""One line for each run of a folder: what `delm runs` and the list of the page show."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.results.run_folder import RunFolder, run_folders
from harness.runner.control import standing_of
from harness.runner.membership import processes_in
from harness.score import last_attempts
from harness.score.cost import Spent, added, in_doubt
from harness.score.estimators import mean
from harness.score.rows import UNFINISHED, scores_from_sums
from harness.store.protocol import Store
from harness.text.counted import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """One run. If it `cannot` be read, that says why, and only its name is known."""

    run: str
    begun: str = ""  # UTC, ISO 8601
    dataset: str = ""
    model: str = ""
    replay: bool = False
    systems: dict[str, float | None] = field(default_factory=dict)  # with their Avg.@1 so far
    cost_usd: float | None = None
    cost_unsure_usd: float | None = None  # what it may be more
    cap_usd: float = 0.0  # the limit of what the run spends; 0: none
    trials: int = 0
    done: int = 0
    failed: int = 0  # ended by an error in a system's own code
    infra_errors: int = 0
    unfinished: int = 0
    processes: list[str] = field(default_factory=list)  # that work on it now
    cannot: str = ""

    @property
    def state(self) -> str:
        """The progress of the run, in words."""
        if self.cannot:
            return self.cannot
        if not self.trials:
            far = "no trials"
        elif self.done == self.trials:
            far = "done"
        else:
            far = f"{self.done} of {counted(self.trials, 'trial')} done"
        broken = [
            f"{self.infra_errors} failed for infrastructure" if self.infra_errors else "",
            f"{self.failed} with errors in a system" if self.failed else "",
        ]
        now = f"running (process {', '.join(self.processes)}): " if self.processes else ""
        return now + ", ".join(filter(None, [far, *broken]))

    @property
    def cost(self) -> str:
        """What it cost, in words; empty for a run that has not begun."""
        if self.cannot or not self.trials:
            return ""
        if self.replay:
            return "replayed"
        if self.cost_usd is None:
            return "unknown"
        cost = Spent(usd=self.cost_usd, unsure_usd=self.cost_unsure_usd)
        return in_doubt(cost).removesuffix(": unanswered requests").replace(" spent", "")


async def newest(output: Path) -> RunFolder:
    """The run in `output` that started last. Raises `UserError` if there is none."""
    lines = await run_lines(output, score=False)
    begun = [(line.begun, line.run) for line in lines if not line.cannot]
    if not begun:
        raise UserError(f"there is no run in {output} yet, so none is the latest")
    return RunFolder(output, max(begun)[1])


async def run_lines(output: Path, *, score: bool = True) -> list[RunLine]:
    """The runs in `output`, by name; without their scores and costs if not `score`."""
    lines = []
    for folder in run_folders(output):
        try:
            async with folder.open() as store:
                lines.append(await run_line(folder, store, score=score))
        except UserError as error:
            lines.append(RunLine(run=folder.run_id, cannot=str(error)))
    return lines


async def run_line(folder: RunFolder, store: Store, *, score: bool = True) -> RunLine:
    """The line of an open run; without scores and costs if not `score`."""
    if not score:
        begun = str((await store.description()).get("created_at", ""))
        return RunLine(run=folder.run_id, begun=begun)
    rows = await store.read_outcomes()
    facts, begun = rows.facts, str(rows.facts.get("created_at", ""))
    last = last_attempts(rows.trials)
    states = [trial["state"] for trial in last]
    costs = [Spent(usd=each["usd"], unsure_usd=each["unsure_usd"]) for each in rows.sums]
    cost = added(costs) if facts.get("prices") else Spent(usd=None, unsure_usd=None)
    scores = scores_from_sums(rows.trials, rows.sums, rows.submissions)
    names = dict.fromkeys(one.system for one in scores)
    return RunLine(
        run=folder.run_id,
        begun=begun,
        dataset=str(facts.get("dataset", "")),
        model=str(facts.get("model", "")),
        replay=bool(facts.get("replay")),
        systems={name: mean(one.average for one in scores if one.system == name) for name in names},
        cost_usd=cost.usd,
        cost_unsure_usd=cost.unsure_usd,
        cap_usd=standing_of(await store.interventions(), cap_usd=cap_of(facts)).cap_usd,
        trials=len(last),
        done=states.count("done"),
        failed=states.count("failed"),
        infra_errors=states.count("error"),
        unfinished=sum(state in UNFINISHED for state in states),
        processes=await processes_in(store, folder.path),
    )


def cap_of(facts: Mapping[str, Any]) -> float:
    """The limit of the USD that a run spends, as it was at the start; 0: none."""
    budget = facts.get("config", {}).get("budget", {})
    return float(budget.get("run_cost_usd", 0.0))
