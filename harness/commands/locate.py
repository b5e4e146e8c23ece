"""Find the run that a command line names."""

from pathlib import Path

from harness.commands.json_output import notes_console
from harness.errors import UserError
from harness.results.run_folder import DATABASE, RunFolder
from harness.results.run_list import newest
from harness.results.server_file import SERVER

LATEST = "latest"  # names the newest run wherever a command takes one


async def find(run: str, output: Path, *, as_json: bool = False) -> RunFolder:
    """The folder of `run`: an id in `output`, a path, or `latest` for the newest in `output`.

    Prints which run `latest` is: to standard error where standard output holds JSON.
    """
    if run != LATEST:
        return _named(run, output)
    folder = await newest(output)
    told = f"{LATEST} is {folder.run_id}"
    notes_console(as_json=as_json).print(told, highlight=False, markup=False, soft_wrap=True)
    return folder


def _named(run: str, output: Path) -> RunFolder:
    path = Path(run)
    if (path / DATABASE).exists() or (path / SERVER).exists():
        return RunFolder(path.resolve().parent, path.resolve().name)
    if "/" in run:
        if path.is_dir():
            RunFolder(path.resolve().parent, path.resolve().name).refuse_grading()
        raise UserError(f"there is no run in {path}: it has neither {DATABASE} nor {SERVER}")
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
