"""`delm report`: one HTML file that shows a run."""

from pathlib import Path

from rich.console import Console

from harness.commands.locate import find
from harness.pages.run_data import run_data
from harness.report import FILE
from harness.report.static_report import Report, write_report
from harness.results.run_folder import check_target
from harness.runner.progress import console


async def report(
    run: str, output: Path, target: Path | None = None, *, seconds: float | None = None
) -> Report:
    """Write the report of a run to `target`, or into its folder, and print where it is."""
    folder = await find(run, output)
    path = target or folder.path / FILE
    if target:
        check_target(target)
    async with folder.open() as store, folder.boards() as boards:
        data = await run_data(store, boards, run_id=folder.run_id, output=folder.path.parent)
        written = await write_report(path, data, store, boards, seconds=seconds)
    out = console()
    for line in written.left_out:
        _say(out, line)
    _say(out, f"report: {path}")
    return written


def _say(out: Console, line: str) -> None:
    out.print(line, highlight=False, markup=False, soft_wrap=True)
