"""The list of runs, and the files that pages load."""

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from harness.errors import StoreUnavailable, UserError
from harness.report import FILE
from harness.results.run_list import RunLine, run_line
from harness.view import answers
from harness.view.reading import NotThere, Reading, Runs
from harness.view.server_state import state_of

MALFORMED = (ValueError, TypeError, LookupError, AttributeError)  # by rows of another shape


async def runs(request: Request) -> Response:
    """The list of runs, the newest first."""
    there = state_of(request).runs
    lines = [await _line(there, name) for name in there.ids()]
    lines.sort(key=lambda line: line.begun, reverse=True)
    text = answers.frame("runs", lines=lines, output=str(there.output), here="/")
    return answers.html(request, text)


async def _line(there: Runs, run_id: str) -> RunLine:
    async def make(reading: Reading) -> RunLine:
        return await run_line(reading.folder, reading.store)

    try:
        return await there.make(run_id, "line", make)
    except (UserError, StoreUnavailable, NotThere) as error:
        return RunLine(run=run_id, cannot=str(error))
    except MALFORMED as error:  # one run never hides the others
        return RunLine(run=run_id, cannot=f"its database is damaged ({type(error).__name__})")


async def asset(request: Request) -> Response:
    """A stylesheet or a script."""
    name = request.path_params["name"]
    if name not in answers.assets():
        raise NotThere(f"There is no file {name}.")
    return answers.file(request, answers.asset_bytes(name), answers.file_kind(name))


async def report(request: Request) -> Response:
    """The run's report as a file to keep or to send."""
    folder = state_of(request).runs.folder(request.path_params["run_id"])
    path = folder.path / FILE
    if not path.is_file() or path.is_symlink():
        raise NotThere(f"{folder.run_id} has no {FILE} yet; delm report {folder.run_id} writes it.")
    return FileResponse(path, filename=f"{folder.run_id}.html", media_type="text/html")
