"""The plots at the end of a command."""

from rich.console import Console

from harness.analysis.run_scores import ScoredRun
from harness.report.plots import draw
from harness.results.run_folder import RunFolder


def draw_plots(out: Console, folder: RunFolder, run: ScoredRun) -> None:
    """Draw the plots of the run and print where they are."""
    paths = draw(folder.path, run)
    if paths:
        names = ", ".join(dict.fromkeys(path.stem for path in paths))
        where = paths[0].parent
        out.print(f"plots: {where}: {names} (PNG, SVG)", highlight=False, markup=False)
