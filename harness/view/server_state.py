"""What the handlers of the page's server share."""

from dataclasses import dataclass
from typing import cast

from starlette.requests import Request

from harness.view.live import Followers
from harness.view.reading import Runs


@dataclass(slots=True, kw_only=True)
class ServerState:
    """The runs that are shown, and those that are followed now."""

    runs: Runs
    followers: Followers


def state_of(request: Request) -> ServerState:
    """The state of the server that got the request."""
    return cast("ServerState", request.app.state.server)
