"""The arguments of `delm view`."""

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from harness.commands import options


def view(
    run: Annotated[
        str,
        typer.Argument(
            help="Run id, `latest`, or the path of a run folder. [default: the list of runs]"
        ),
    ] = "",
    port: Annotated[
        int | None,
        typer.Option("--port", min=0, max=65535, help="[default: the first free from 8642 on]"),
    ] = None,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; who reaches it can read all runs.")
    ] = "127.0.0.1",
    open_browser: Annotated[bool, typer.Option("--open", help="Open a browser.")] = False,
    output: options.Output = Path("results"),
) -> None:
    """Show runs as a local web page, live while they work; Ctrl-C ends it."""
    from harness import event_loop
    from harness.commands.view import serve_page

    with suppress(KeyboardInterrupt):  # the usual end
        event_loop.run(partial(serve_page, run, output, host, port, open_browser=open_browser))
