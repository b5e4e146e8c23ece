"""The options of `delm report`."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from harness.commands import options


def report(
    run: options.RunArgument,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="File to write. [default: report.html in the run's folder]"),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option("--seconds", min=0, help="Put no further trial into it after so long."),
    ] = None,
    output: options.Output = Path("results"),
) -> None:
    """Write one HTML file that shows a run: verdict, plot, every instance, every trial."""
    from harness import event_loop
    from harness.commands.report import report as write

    event_loop.run(partial(write, run, output, out, seconds=seconds))
