"""A scripted model: a real HTTP server that speaks the OpenAI chat protocol and every way it fails.

    def script(request: dict, n: int) -> Action: ...       # n counts requests from 0

    with ScriptedModel(script) as server:
        os.environ["OPENAI_API_BASE"] = server.base_url

The script runs in the server's threads, one a connection; what it raises, the block raises at its
end. What it returns is a reply, as a dict with any of `content`, `tool_calls` ([{name, arguments}],
arguments a text or a dict), `usage` and `finish_reason`, or one of the faults below. Leaving the
block closes every socket and joins every thread, hanging requests included.
"""

import argparse
import json
import re
import runpy
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Status:
    """An HTTP error. `retry_after` goes into the header as it is: seconds or an HTTP date.

    `usage`: what it says that it bills all the same.
    """

    code: int
    message: str = "scripted failure"
    retry_after: float | str | None = None
    error: dict[str, Any] = field(default_factory=dict)  # more fields of the error object
    usage: dict[str, Any] | None = None

    def answer(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The body and the headers."""
        headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
        fault = {"message": self.message, "type": "scripted"} | self.error
        return {"error": fault} | ({"usage": self.usage} if self.usage else {}), headers


@dataclass(frozen=True)
class Hang:
    """Nothing for so long, then the connection closes. With headers: these first, a body never."""

    seconds: float
    after_headers: bool = False


@dataclass(frozen=True)
class Drip:
    """A reply that never ends: a blank every 50 ms for so long, so that no read ever times out."""

    seconds: float


@dataclass(frozen=True)
class Cut:
    """The connection is closed in the middle of the body."""


@dataclass(frozen=True)
class Garbage:
    """A 200 whose body is not JSON."""


@dataclass(frozen=True)
class Raw:
    """Exactly these bytes as the JSON body, of a 200 unless told otherwise."""

    body: bytes
    code: int = 200
    headers: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stream:
    """A 200 in pieces, each an event of its own, as for a request with `stream`."""

    pieces: list[dict[str, Any]]

    def body(self) -> bytes:
        events = [*map(json.dumps, self.pieces), "[DONE]"]
        return "".join(f"data: {event}\n\n" for event in events).encode()


COMPARE = "A software agent found what stands below"  # how the comparison of findings begins
FIRST = b"Answer with one word: yes."  # what a run asks before anything else
Action = dict[str, Any] | Status | Hang | Drip | Cut | Garbage | Raw | Stream
Script = Callable[[dict[str, Any], int], Action]


def tokens(value: Any) -> int:
    """The server's tokenizer: four characters of JSON are a token."""
    return max(1, len(json.dumps(value, ensure_ascii=False)) // 4)


def completion(request: dict[str, Any], reply: dict[str, Any], n: int) -> dict[str, Any]:
    """`reply` as a chat completion, with ids and, unless given, usage."""
    calls = [
        {
            "id": call.get("id", f"call_{n}_{i}"),
            "type": "function",
            "function": {
                "name": call["name"],
                "arguments": call["arguments"]
                if isinstance(call["arguments"], str)
                else json.dumps(call["arguments"]),
            },
        }
        for i, call in enumerate(reply.get("tool_calls") or [])
    ]
    message = {"role": "assistant", "content": reply.get("content")}
    prompt = tokens([request.get("messages"), request.get("tools")])
    written = tokens([reply.get("content"), calls])
    return {
        "id": f"scripted-{n}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": request.get("model", "scripted"),
        "choices": [
            {
                "index": 0,
                "message": message | ({"tool_calls": calls} if calls else {}),
                "finish_reason": reply.get("finish_reason", "tool_calls" if calls else "stop"),
            }
        ],
        "usage": reply.get("usage")
        or {
            "prompt_tokens": prompt,
            "completion_tokens": written,
            "total_tokens": prompt + written,
        },
    }


YES: Action = {"content": "Yes."}


def approved(request: dict[str, Any]) -> Action | None:
    """The answer to a comparison of findings with their evidence: each says no more."""
    messages = request.get("messages")  # not where the provider's own form has another name
    texts = [str(message.get("content")) for message in messages[:2]] if messages else []
    opening = next((text for text in texts if text.startswith(COMPARE)), "")
    if not opening:
        return None
    count = len(re.findall(r"(?m)^Finding \d+:$", opening))
    return {"content": "\n".join(f"{n + 1} APPROVED" for n in range(count))}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "_Server"

    def setup(self) -> None:
        super().setup()
        self.server.connected(self.connection)

    def finish(self) -> None:
        self.server.disconnected(self.connection)
        super().finish()

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            self.close_connection = True  # the client gave up, or the server is closing

    def do_GET(self) -> None:
        self.send_json(200, {"object": "list", "data": [{"id": "scripted", "object": "model"}]})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = json.loads(body)
        if FIRST in body:
            self.server.first_calls.append(request)
            self.act(self.server.first(request), request, -len(self.server.first_calls))
            return
        own = getattr(self.server.script, "answers_comparisons", False)
        if not own and (comparison := approved(request)):
            self.act(comparison, request, self.server.compared(request))
            return
        with self.server.serving(request, dict(self.headers)) as n:
            self.act(self.server.script(request, n), request, n)

    def act(self, action: Action, request: dict[str, Any], n: int) -> None:
        match action:
            case dict():
                body = completion(request, action, n)
                self.server.count(body["usage"], n)
                self.send_json(200, body)
            case Status():
                self.send_json(action.code, *action.answer())
            case Hang():
                if action.after_headers:
                    self.send_head(200, 1000, {})
                self.server.closing.wait(action.seconds)
                self.close_connection = True
            case Drip():
                self.drip(action.seconds)
            case Cut():
                self.send_head(200, 1000, {})
                self.wfile.write(b'{"id": "scripted", "choices": [{"ind')
                self.close_connection = True
            case Garbage():
                self.send_bytes(200, b"<html>It works!</html>", {})
            case Stream():
                self.send_bytes(200, action.body(), {}, "text/event-stream")
            case Raw():
                self.send_bytes(action.code, action.body, action.headers)

    def drip(self, seconds: float) -> None:
        self.send_head(200, 100_000, {})
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.server.closing.wait(0.05):
            self.wfile.write(b" ")
        self.close_connection = True

    def send_json(self, code: int, payload: Any, extra: dict[str, Any] | None = None) -> None:
        self.send_bytes(code, json.dumps(payload).encode(), extra or {})

    def send_bytes(
        self, code: int, body: bytes, extra: dict[str, Any], kind: str = "application/json"
    ) -> None:
        self.send_head(code, len(body), extra, kind)
        self.wfile.write(body)

    def send_head(
        self, code: int, length: int, extra: dict[str, Any], kind: str = "application/json"
    ) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        for name, value in extra.items():
            self.send_header(name, str(value))
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


class _Serving:
    """One request being served; the value of its `with` is the request's number."""

    def __init__(self, server: "_Server", request: dict[str, Any], headers: dict[str, str]) -> None:
        self.server, self.request, self.headers = server, request, headers

    def __enter__(self) -> int:
        with self.server.lock:
            self.server.requests.append(self.request)
            self.server.headers.append(self.headers)
            self.server.in_flight += 1
            self.server.peak = max(self.server.peak, self.server.in_flight)
            return len(self.server.requests) - 1

    def __exit__(self, *exc: object) -> None:
        with self.server.lock:
            self.server.in_flight -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # closing joins them
    request_queue_size = 256

    def __init__(self, script: Script, host: str, port: int, first: Action) -> None:
        self.script = script
        # an imitated provider answers a first call in its own form, and bills it apart
        self.first: Callable[[dict[str, Any]], Action] = getattr(
            script, "first", lambda request: first
        )
        self.first_calls: list[dict[str, Any]] = []
        self.comparisons: list[dict[str, Any]] = []
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.connections: set[socket.socket] = set()
        self.requests: list[dict[str, Any]] = []
        self.problems: list[BaseException] = []
        self.headers: list[dict[str, str]] = []
        self.in_flight = self.peak = 0
        self.answers = self.prompt_tokens = self.completion_tokens = 0
        super().__init__((host, port), _Handler)

    def serving(self, request: dict[str, Any], headers: dict[str, str]) -> _Serving:
        return _Serving(self, request, headers)

    def compared(self, request: dict[str, Any]) -> int:
        """Keep a comparison, which no script has to know of; a number that no request has."""
        with self.lock:
            self.comparisons.append(request)
            return 1_000_000 + len(self.comparisons)

    def count(self, usage: dict[str, Any], n: int) -> None:
        if n < 0:
            return  # a first call, which is of no trial
        with self.lock:
            self.answers += 1
            self.prompt_tokens += usage.get("prompt_tokens") or 0
            self.completion_tokens += usage.get("completion_tokens") or 0

    def connected(self, connection: socket.socket) -> None:
        with self.lock:
            self.connections.add(connection)

    def disconnected(self, connection: socket.socket) -> None:
        with self.lock:
            self.connections.discard(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        problem = sys.exc_info()[1]
        with self.lock:
            self.problems.extend([problem] if problem else [])

    def hang_up(self) -> None:
        """End every kept-alive connection and wake every hanging request."""
        self.closing.set()
        with self.lock:
            for connection in self.connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # already gone


class ScriptedModel:
    """A scripted OpenAI-compatible server for the length of a `with` block.

    The question that a run asks before anything else is answered with `first`, and is not among
    `requests`: scripts count what trials ask.
    """

    def __init__(
        self, script: Script, *, host: str = "127.0.0.1", port: int = 0, first: Action = YES
    ) -> None:
        self._server = _Server(script, host, port, first)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> "ScriptedModel":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: object
    ) -> None:
        self._server.shutdown()
        self._server.hang_up()
        self._thread.join()
        self._server.server_close()
        for problem in self._server.problems:
            if exc is None:
                raise problem
            exc.add_note(f"The script of the scripted model raised {problem!r}")

    @property
    def base_url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host}:{port}/v1"

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The bodies of all requests so far, in order of arrival."""
        with self._server.lock:
            return list(self._server.requests)

    @property
    def comparisons(self) -> list[dict[str, Any]]:
        """Every comparison of findings with their evidence, which were all approved."""
        return list(self._server.comparisons)

    @property
    def first_calls(self) -> list[dict[str, Any]]:
        """The bodies of the requests that were a run's first call."""
        return list(self._server.first_calls)

    @property
    def headers(self) -> list[dict[str, str]]:
        """The headers of all requests so far, in order of arrival."""
        with self._server.lock:
            return list(self._server.headers)

    @property
    def peak(self) -> int:
        """The most requests that were ever served at one time."""
        return self._server.peak

    @property
    def answers(self) -> int:
        """How many replies there were; faults are none."""
        return self._server.answers

    @property
    def prompt_tokens(self) -> int:
        """Tokens of all prompts that got a reply, as the replies' usage said."""
        return self._server.prompt_tokens

    @property
    def completion_tokens(self) -> int:
        """Tokens of all replies, as their usage said."""
        return self._server.completion_tokens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--script", required=True, help="a Python file that defines script()")
    options = parser.parse_args()
    with ScriptedModel(runpy.run_path(options.script)["script"], port=options.port) as server:
        print(server.base_url, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
