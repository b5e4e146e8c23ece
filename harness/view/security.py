"""Who may ask the page's server for what, and the headers of each of its answers.

Reading: whoever reaches the address, under a name of this machine, so that a foreign page cannot
point its own name here (DNS rebinding). A foreign page may have a link here, and can load nothing
from here, not even to see how long that takes. Writing: a POST with the token, from this page or
from no page at all.
"""

import hmac
import ipaddress
import re
import secrets
from collections.abc import Callable, Collection, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_HEADER = "x-delm-token"  # noqa: S105 - the name of a header
MOST_BYTES = 64 * 1024  # of the body of a request
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:@/\s]+)(?::\d{1,5})?")
READING = ("GET", "HEAD")
_FOREIGN = 403, "refused: the request comes from another page"
HEADERS: Mapping[str, str] = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


def new_token() -> str:
    """A token of 192 random bits, of letters that need no quoting."""
    return secrets.token_urlsafe(24)


class Guarded:
    """The server's outermost layer: refuses what is not allowed, and adds `HEADERS` to answers."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str,
        names: Collection[str] = (),
        loopback: bool = True,
        stop: Callable[[], None] = lambda: None,
    ) -> None:
        """`names` are host names of this machine besides localhost. Not `loopback`: any address
        is a name of this machine, too. `stop` is called when the server stops."""
        self.inner = app
        self._token = token
        self._names = {name.lower() for name in names}
        self._loopback = loopback
        self._stop = stop

    def stop(self) -> None:
        """The server stops: end what would go on for ever."""
        self._stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self.inner(scope, receive, send)
            return
        if scope["type"] != "http":  # a WebSocket is closed before it is accepted
            await send({"type": "websocket.close", "code": 1008})
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if "cache-control" not in headers:
                    headers["cache-control"] = "no-store"
            await send(message)

        headers = Headers(scope=scope)
        refusal = self._refusal(scope["method"], headers)
        app = PlainTextResponse(refusal[1] + "\n", refusal[0]) if refusal else self.inner
        await app(scope, receive, send_guarded)

    def _refusal(self, method: str, headers: Headers) -> tuple[int, str] | None:
        """The status and the reason why the request is refused; None if it is not."""
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or not self._is_ours(host):
            return 403, "refused: this server does not answer under that host name"
        sites = set(headers.getlist("sec-fetch-site")) - {"same-origin"}
        if method in READING:
            opened = headers.get("sec-fetch-dest") == "document"  # by a link on another page
            return None if opened or sites <= {"none"} else _FOREIGN  # none: a person typed it
        if method != "POST":
            return 405, "refused: only GET, HEAD and POST are answered"
        return _FOREIGN if sites else self._refused_write(host, headers)

    def _refused_write(self, host: str, headers: Headers) -> tuple[int, str] | None:
        ours = {f"{scheme}://{host}".lower() for scheme in ("http", "https")}
        if any(origin.lower() not in ours for origin in headers.getlist("origin")):
            return _FOREIGN
        given = headers.get(TOKEN_HEADER, "")
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            return 403, "refused: the token is missing or wrong; delm view prints it"
        if "transfer-encoding" in headers or not headers.get("content-length", "0").isdecimal():
            return 411, "refused: the length of the request is not given"
        if int(headers.get("content-length", "0")) > MOST_BYTES:
            return 413, f"refused: a request has at most {MOST_BYTES} bytes"
        return None

    def _is_ours(self, host: str) -> bool:
        """Whether the `Host` header names this machine. The port is not compared: it may be
        forwarded."""
        name = _name(host)
        if name == "localhost" or name in self._names:
            return True
        try:
            address = ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return address.is_loopback or not self._loopback


def _name(host: str) -> str:
    """The name in a `Host` header, without its port; empty if it is not one."""
    found = _HOST.fullmatch(host.lower())
    return found[1] if found else ""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on `host`."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
