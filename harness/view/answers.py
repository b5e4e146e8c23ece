"""HTTP answers of the page's server: pages of HTML, and pages that say why there is none."""

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from harness.pages.rendering import render
from harness.secrets import redact, redact_error

FIRST = ("page.css", "page.js")  # what the other files build on


@cache
def assets() -> Sequence[str]:
    """The names of all stylesheets and scripts, in the order in which a page loads them."""
    found = [
        file.name
        for file in files("harness.pages").joinpath("assets").iterdir()
        if file.name.endswith((".css", ".js"))
    ]
    return sorted(found, key=lambda name: (name not in FIRST, name))


def frame(template: str, **values: Any) -> Markup:
    """A template that extends `view.html.j2`, with what that needs; `values` go before it."""
    given = {"run_id": "", "links": None, "places": (("Runs", "/"),), "here": ""}
    return render(template, assets=assets(), **(given | values))


def html(request: Request, text: str, status: int = 200) -> Response:
    """A page, or 304 where the browser has it already."""
    return file(request, redact(text).encode("utf-8", "replace"), "text/html", status)


def file(request: Request, body: bytes, kind: str, status: int = 200) -> Response:
    """A text file of this content type, or 304 where the browser has it already."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": "private, no-cache"}
    if status == 200 and tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(body, status, headers, f"{kind}; charset=utf-8")


def problem(request: Request, status: int, title: str, message: str) -> Response:
    """A page that says why there is nothing to show."""
    text = frame("problem", title=title, message=redact_error(message), status=status)
    return html(request, text, status)


def file_kind(name: str) -> str:
    """The content type of an asset."""
    return "text/css" if name.endswith(".css") else "text/javascript"


@cache
def asset_bytes(name: str) -> bytes:
    """The content of an asset. `name` must be one of `assets()`."""
    return files("harness.pages").joinpath("assets", name).read_bytes()
