"""`delm view`: show runs as a local web page."""

import webbrowser
from contextlib import closing
from pathlib import Path

from harness.commands.locate import located
from harness.pages.links import ViewLinks
from harness.results.run_folder import RunFolder
from harness.runner.progress import console
from harness.view.security import is_loopback, new_token
from harness.view.server import listening, serve


async def serve_page(
    run: str, output: Path, host: str, port: int | None, *, open_browser: bool = False
) -> None:
    """Serve the page of `run` (empty: the list of runs in `output`), until it is stopped."""
    path = "/"
    if run:
        output, run_id = await located(run, output)
        async with RunFolder(output, run_id).open():  # one that is not there is told of now
            path = ViewLinks(run_id).run()
    token = new_token()
    with closing(listening(host, port)) as sock:
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{sock.getsockname()[1]}{path}"
        out = console()
        if not is_loopback(host):
            out.print(
                f"warning: whoever reaches {host} can read every run in {output}; without "
                "--host only this machine can"
            )
        out.print(f"page: {address}")
        out.print(f"with control of runs: {address}#token={token}")
        out.print("stop with Ctrl-C")
        if open_browser:
            webbrowser.open(f"{address}#token={token}")
        await serve(output, sock, host, token)
