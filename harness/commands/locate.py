"""Find the run that a command line names."""

from pathlib import Path

from harness.commands.runs import newest
from harness.errors import UserError
from harness.results.run_folder import DATABASE, RunFolder

LATEST = "latest"  # names the newest run wherever a command takes one


async def find(run: str, output: Path) -> RunFolder:
    """The folder of `run`: an id in `output`, a path, or `latest` for the newest in `output`."""
    return await newest(output) if run == LATEST else _named(run, output)


def _named(run: str, output: Path) -> RunFolder:
    path = Path(run)
    if (path / DATABASE).exists():
        return RunFolder(path.resolve().parent, path.resolve().name)
    if "/" in run:
        if path.is_dir():
            RunFolder(path.resolve().parent, path.resolve().name).refuse_grading()
        raise UserError(f"there is no run in {path}: it has no {DATABASE}")
    return RunFolder(output, run)


async def located(run: str, output: Path) -> tuple[Path, str]:
    """The folder of runs and the id of `run`: an id in `output`, or the path of a run's folder."""
    if run == LATEST:
        return output, (await newest(output)).run_id
    return _placed(run, output) if "/" in run else (output, run)


def _placed(run: str, output: Path) -> tuple[Path, str]:
    folder = _named(run, output)
    same = folder.path.parent == output.resolve()
    return output if same else folder.path.parent, folder.run_id
