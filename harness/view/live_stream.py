"""The stream of server-sent events of a run."""

import json
from collections.abc import AsyncIterator

import anyio
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from harness.pages.links import ViewLinks
from harness.pages.rendering import render
from harness.secrets import redact
from harness.view.live import Event
from harness.view.server_state import ServerState, state_of

SILENCE_S = 15.0  # after which a comment shows that the connection is alive
RETRY_MS = 2000


async def follow(request: Request) -> Response:
    """What happens in a run, until it has ended: `state` events, and an `end`."""
    run_id = request.path_params["run_id"]
    state = state_of(request)
    state.runs.folder(run_id)  # there is none: a page that says so
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    if request.method == "HEAD":
        return Response(None, 200, headers, "text/event-stream")
    return StreamingResponse(_events(state, run_id), 200, headers, "text/event-stream")


async def _events(server: ServerState, run_id: str) -> AsyncIterator[str]:
    yield f"retry: {RETRY_MS}\n\n"
    links = ViewLinks(run_id)
    async with server.followers.follow(run_id) as events:
        while True:
            event = None
            with anyio.move_on_after(SILENCE_S):
                try:
                    event = await events.receive()
                except anyio.EndOfStream:
                    return
            if event is None:
                yield ": alive\n\n"
                continue
            yield _written("state", event, links)
            if event.ended:
                yield "event: end\ndata: {}\n\n"
                return


def _written(name: str, event: Event, links: ViewLinks) -> str:
    address = "" if event.ended else f"{links.run()}/live"
    header = render("live_header", live=event.state, links=links, live_address=address)
    told = {
        "html": redact(header),
        "trials": event.trials,
        "before": event.before,
        "version": event.state.version,
    }
    return f"event: {name}\ndata: {json.dumps(told)}\n\n"
