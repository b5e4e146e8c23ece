"""`delm runs`: list the runs, and find the newest."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from harness.errors import UserError
from harness.results.run_folder import RunFolder, run_folders
from harness.runner.processes import processes
from harness.runner.progress import console
from harness.score import instance_scores, last_attempts
from harness.score.cost import Spent, in_doubt, spent
from harness.score.estimators import mean
from harness.score.rows import UNFINISHED
from harness.store.protocol import Store
from harness.terminal import widened
from harness.text.counted import counted

WIDE = 10_000  # columns: what is to be pasted is not wrapped


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


async def list_runs(output: Path, *, as_json: bool) -> None:
    """Print the runs in `output`, the newest first."""
    lines = sorted(await _lines(output), key=lambda line: line.begun, reverse=True)
    if as_json:
        rows = [asdict(line) | {"state": line.state} for line in lines]
        print(json.dumps(rows, indent=1))
        return
    if not lines:
        console().print(f"no runs in {output}")
        return
    _print(lines)


async def newest(output: Path) -> RunFolder:
    """The run in `output` that started last. Raises `UserError` if there is none."""
    lines = await _lines(output, score=False)
    begun = [(line.begun, line.run) for line in lines if not line.cannot]
    if not begun:
        raise UserError(f"there is no run in {output} yet, so none is the latest")
    return RunFolder(output, max(begun)[1])


async def _lines(output: Path, *, score: bool = True) -> list[RunLine]:
    lines = []
    for folder in run_folders(output):
        try:
            async with folder.open() as store:
                lines.append(await _line(folder, store, score=score))
        except UserError as error:
            lines.append(RunLine(run=folder.run_id, cannot=str(error)))
    return lines


async def _line(folder: RunFolder, store: Store, *, score: bool) -> RunLine:
    facts = await store.description()
    begun = str(facts.get("created_at", ""))
    if not score:
        return RunLine(run=folder.run_id, begun=begun)
    trials = await store.trials()
    last = last_attempts(trials)
    states = [trial["state"] for trial in last]
    cost = spent(await store.costs()) if facts.get("prices") else Spent(usd=None, unsure_usd=None)
    scores = instance_scores(trials, [], await store.submissions())
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
        trials=len(last),
        done=states.count("done"),
        failed=states.count("failed"),
        infra_errors=states.count("error"),
        unfinished=sum(state in UNFINISHED for state in states),
        processes=processes(folder.path),
    )


def _print(lines: Sequence[RunLine]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("run", "begun (UTC)", "dataset", "model", "Avg.@1", "cost", "state"):
        table.add_column(title, no_wrap=True)
    for line in lines:
        scores = ", ".join(
            f"{name} {'–' if value is None else f'{100 * value:.1f} %'}"
            for name, value in line.systems.items()
        )
        model = f"{line.model} (replay)" if line.replay else line.model
        begun = line.begun[:16].replace("T", " ")
        table.add_row(line.run, begun, line.dataset, model, scores, _cost(line), line.state)
    widened(console(), WIDE).print(table)


def _cost(line: RunLine) -> str:
    if line.cannot or not line.trials:
        return ""
    if line.replay:
        return "replayed"
    if line.cost_usd is None:
        return "unknown"
    cost = Spent(usd=line.cost_usd, unsure_usd=line.cost_unsure_usd)
    return in_doubt(cost).removesuffix(": unanswered requests").replace(" spent", "")
