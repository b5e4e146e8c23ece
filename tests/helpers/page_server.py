"""The page's server in a thread, asked over HTTP."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx

from harness import event_loop
from harness.view.app import make_app
from harness.view.server import PageServer, listening

TOKEN = "t" * 32


class Asked(httpx.Client):
    """A client of the server at `port`."""

    def __init__(self, port: int, **options: object) -> None:
        super().__init__(base_url=f"http://127.0.0.1:{port}", timeout=20, **options)
        self.port = port

    def events(self, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The events of the stream at `path`: names and data."""
        with self.stream("GET", path) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            name = ""
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    yield name, json.loads(line.removeprefix("data: "))

    def page(self, path: str) -> str:
        """The text of the page at `path`, which is there."""
        answer = self.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:500])
        return answer.text


@contextmanager
def page_server(output: Path, **options: object) -> Iterator[Asked]:
    """A client of a server of the runs in `output`; `options` are those of `make_app`."""
    with listening("127.0.0.1", 0) as sock:
        app = make_app(output, token=TOKEN, **options)
        server = PageServer(app)
        stopped = threading.Event()

        async def serve() -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(partial(server.serve, sockets=[sock]))
                await anyio.to_thread.run_sync(stopped.wait)
                server.handle_exit(2, None)

        thread = threading.Thread(target=event_loop.run, args=(serve,))
        thread.start()
        client = Asked(sock.getsockname()[1])
        client.followed = lambda: app.inner.state.server.followers.watched
        try:
            yield client
        finally:
            stopped.set()
            thread.join(20)
            client.close()
            assert not thread.is_alive(), "the server does not stop"
