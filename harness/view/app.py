"""The page's server as an ASGI application: its routes, and what it says where there is no page."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from threading import Thread

from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from harness.errors import StoreUnavailable, UserError
from harness.view import (
    answers,
    compare_pages,
    live_stream,
    row_pages,
    run_list_page,
    run_pages,
    trial_pages,
    writes,
)
from harness.view.live import Followers
from harness.view.reading import BadRequest, NotThere, Runs
from harness.view.security import Guarded
from harness.view.server_state import ServerState

Handler = Callable[[Request], Awaitable[Response]]


class _Id(Convertor[int]):
    """A number in an address that a database can hold: more digits are no address of ours."""

    regex = "[0-9]{1,15}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("id", _Id())


def make_app(
    output: Path, *, token: str, names: Collection[str] = (), loopback: bool = True
) -> Guarded:
    """The application that shows the runs in `output`.

    `token` is what writing needs; `names` and `loopback`: see `Guarded`.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        Thread(target=_prepare, daemon=True).start()  # nothing waits for it, not even the end
        async with state.followers:
            yield

    runs = Runs(output)
    state = ServerState(runs=runs, followers=Followers(runs))
    app = Starlette(routes=_routes(), lifespan=lifespan, exception_handlers=dict(_problems()))
    app.state.server = state
    return Guarded(app, token=token, names=names, loopback=loopback, stop=state.followers.close)


def _prepare() -> None:
    """Import what the first page of a run needs, which takes seconds, while nobody waits for it."""
    import scipy.stats  # noqa: F401

    from harness.model.token_count import count

    count("a word")  # it reads the encoding


def _routes() -> list[Route]:
    run, trial = "/runs/{run_id}", "/runs/{run_id}/trials/{trial_id:id}"
    return [
        Route("/", run_list_page.runs),
        Route("/assets/{name}", run_list_page.asset),
        Route(run, run_pages.run),
        Route("/compare", compare_pages.of_runs),
        Route(f"{run}/compare", compare_pages.of_run),
        Route(f"{run}/live", live_stream.follow),
        Route(f"{run}/report.html", run_list_page.report),
        Route(f"{run}/rows/{{table}}", row_pages.rows),
        Route(f"{run}/control", writes.control, methods=["POST"]),
        Route(trial, run_pages.trial),
        Route(f"{trial}/conversations/{{name}}", trial_pages.conversation),
        Route(f"{trial}/calls/{{call_id:id}}", trial_pages.call),
        Route(f"{trial}/entries/{{label}}", trial_pages.entry),
        Route(f"{trial}/proposals/{{number:id}}", trial_pages.proposal),
        Route(f"{trial}/labels", writes.label, methods=["POST"]),
    ]


def _problems() -> list[tuple[type[Exception] | int, Callable[..., Awaitable[Response]]]]:
    return [
        (NotThere, partial(_say, status=404, title="There is no such page")),
        (BadRequest, partial(_say, status=400, title="This cannot be shown")),
        (UserError, partial(_say, status=503, title="This run cannot be read")),
        (StoreUnavailable, partial(_say, status=503, title="This run cannot be read")),
        (OSError, partial(_say, status=503, title="This run cannot be read")),
        (HTTPException, _http),
        (Exception, _broken),
    ]


async def _say(request: Request, error: Exception, *, status: int, title: str) -> Response:
    return answers.problem(request, status, title, str(error))


async def _http(request: Request, error: HTTPException) -> Response:
    if error.status_code == 404:
        return answers.problem(
            request, 404, "There is no such page", f"Nothing is at {request.url.path}."
        )
    return answers.problem(request, error.status_code, error.detail, error.detail)


async def _broken(request: Request, error: Exception) -> Response:
    """A bug: the traceback is on the terminal of `delm view`."""
    return answers.problem(
        request, 500, "This page failed", "The error is printed where delm view runs."
    )
