"""Every page that links lead to, from the list of runs on."""

import re
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import urldefrag, urlsplit

from browsing import Served

MOST = 2  # pages of one kind that are opened
HREFS = "all => all.map((each) => new URL(each.getAttribute('href'), location).href)"


def kind(path: str) -> str:
    """Pages of one kind differ in what they are of, and not in how they are made."""
    found = urlsplit(path)
    plain = re.sub(r"/\d+(?=/|$)", "/N", found.path)
    plain = re.sub(r"/(conversations|entries)/[^/]+", r"/\1/X", plain)
    plain = re.sub(r"/rows/(?!calls)\w+", "/rows/X", plain)
    return plain + ("?" if found.query else "")


def crawl(
    page: Any, server: Served, look: Callable[[Any, str], None] = lambda page, path: None
) -> dict[str, list[str]]:
    """The addresses by their kind. `look` is called with each page that is open."""
    found: dict[str, list[str]] = {}
    left, known, seen = ["/"], Counter({kind("/"): 1}), {"/"}
    while left:
        path = left.pop(0)
        if urlsplit(path).path.endswith((".csv", "/report.html")):  # they are saved
            assert page.evaluate("path => fetch(path).then((it) => it.status)", path) == 200
            continue
        answer = page.goto(server.at(path), wait_until="load")
        assert answer.status == 200, path
        assert not re.search(r"Internal Server Error|Traceback", page.inner_text("body")), path
        found.setdefault(kind(path), []).append(path)
        for link in page.eval_on_selector_all("a[href]", HREFS):
            assert link.startswith((server.address, "data:")), f"{path} links to {link}"
            target = urldefrag(link.removeprefix(server.address))[0] or "/"
            if target not in seen and known[kind(target)] < MOST:
                seen.add(target)
                known[kind(target)] += 1
                left.append(target)
        look(page, path)
    return found
