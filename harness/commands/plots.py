"""The plots at the end of a command."""

from collections.abc import Sequence

from rich.console import Console

from harness.report.plots import draw
from harness.results.run_folder import RunFolder
from harness.score.rows import Row
from harness.store.sqlite import Store


def draw_plots(out: Console, folder: RunFolder, store: Store, rows: Sequence[Row]) -> None:
    """Draw what can be drawn of the run and say where it is; `rows` are those of `table.csv`."""
    paths = draw(folder.path, store, rows)
    if paths:
        names = ", ".join(dict.fromkeys(path.stem for path in paths))
        where = paths[0].parent
        out.print(f"plots: {where}: {names} (PNG, SVG)", highlight=False, markup=False)
