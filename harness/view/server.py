"""Serve the page until it is stopped."""

import resource
import socket
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import uvicorn

from harness.errors import UserError
from harness.view.app import make_app
from harness.view.security import Guarded, is_loopback

MOST_AT_ONCE = 500  # connections
FILES = 65_536  # that may be open: more connections than that come in no moment
TRIED = 20  # ports after the usual one


class PageServer(uvicorn.Server):
    """A server that ends the streams of events when it is told to stop, and does not wait."""

    def __init__(self, app: Guarded) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                http="h11",
                ws="none",
                lifespan="on",
                timeout_graceful_shutdown=2,
                limit_concurrency=MOST_AT_ONCE,
            )
        )
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop at the next turn of the loop."""
        self._app.stop()
        super().handle_exit(sig, frame)


def listening(host: str, port: int | None) -> socket.socket:
    """A socket that listens on `host`; without a `port`, on the first free one from 8642 on.

    Raises `UserError` if the address cannot be had.
    """
    ports: Sequence[int] = range(8642, 8642 + TRIED) if port is None else [port]
    for number in ports:
        try:
            family = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0][0]
            return socket.create_server((host, number), family=family, backlog=128)
        except OSError as error:
            why = error.strerror or str(error)
    span = f"port {ports[0]}" if len(ports) == 1 else f"ports {ports[0]} to {ports[-1]}"
    raise UserError(f"cannot listen on {host}, {span}: {why}; choose another --port")


def names_of(host: str) -> list[str]:
    """The names under which others may ask a server that listens on `host`."""
    return [host] if is_loopback(host) else [host, socket.gethostname(), socket.getfqdn()]


def allow_files() -> None:
    """Let this process open as many files as it may. Connections are taken before they are sent
    away, and an import that finds no room for its file fails until the process ends."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if most == resource.RLIM_INFINITY else min(FILES, most)
    if now != resource.RLIM_INFINITY and now < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


async def serve(output: Path, sock: socket.socket, host: str, token: str) -> None:
    """Serve the runs in `output` on the socket, until a signal ends it."""
    allow_files()
    app = make_app(output, token=token, names=names_of(host), loopback=is_loopback(host))
    await PageServer(app).serve(sockets=[sock])
