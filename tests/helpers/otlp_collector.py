"""A collector of traces behind real HTTP: it takes them, or refuses, lies, hangs or floods.

with Collector() as collector: ... collector.address, collector.spans()
"""

import gzip
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

Answer = Callable[[BaseHTTPRequestHandler, "Collector"], None]


def ok(handler: BaseHTTPRequestHandler, collector: "Collector") -> None:
    _say(handler, 200, b"")


def refuses(handler: BaseHTTPRequestHandler, collector: "Collector") -> None:
    _say(handler, 403, b"no")


def away(handler: BaseHTTPRequestHandler, collector: "Collector") -> None:
    _say(handler, 503, b"", ("Retry-After", "3600"))


def elsewhere(handler: BaseHTTPRequestHandler, collector: "Collector") -> None:
    """Sends the request, with its headers, to another path."""
    _say(handler, 307, b"", ("Location", f"{collector.address}/stolen"))


def hangs(handler: BaseHTTPRequestHandler, collector: "Collector") -> None:
    collector.closing.wait(60)


def floods(handler: BaseHTTPRequestHandler, collector: "Collector") -> None:
    """An endless answer."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/x-protobuf")
    handler.end_headers()
    with suppress(OSError):
        while not collector.closing.is_set():
            handler.wfile.write(b"x" * 65536)
            collector.flooded += 65536


def nonsense(handler: BaseHTTPRequestHandler, collector: "Collector") -> None:
    with suppress(OSError):
        handler.wfile.write(b"\x00\xff this is no HTTP\r\n\r\n")


class Collector:
    """Keeps every request, whatever it answers."""

    def __init__(self, answer: Answer = ok) -> None:
        self.answer = answer
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.closing = threading.Event()
        self.flooded = 0
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                headers = {name.lower(): value for name, value in self.headers.items()}
                collector.requests.append((self.path, headers, body))
                collector.answer(self, collector)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Collector":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def resources(self) -> list[Any]:
        return [
            resource
            for _, _, body in self.requests
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        ]

    def spans(self) -> list[Any]:
        """Every span that was received, in its own form."""
        return [
            span for each in self.resources() for scope in each.scope_spans for span in scope.spans
        ]

    def texts(self) -> str:
        """All that was received, as one text."""
        return "\n".join(f"{path} {headers} {body!r}" for path, headers, body in self.requests)


def attributes(span: Any) -> dict[str, Any]:
    """The attributes of a received span by name."""
    found = {}
    for each in span.attributes:
        kind = each.value.WhichOneof("value")
        value = getattr(each.value, kind)
        found[each.key] = [v.string_value for v in value.values] if kind == "array_value" else value
    return found


def _say(
    handler: BaseHTTPRequestHandler, status: int, body: bytes, *headers: tuple[str, str]
) -> None:
    handler.send_response(status)
    for name, value in (*headers, ("Content-Length", str(len(body)))):
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)
