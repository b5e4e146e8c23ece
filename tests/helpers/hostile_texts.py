"""Texts that try to break a page, and what must not be in a page that shows them."""

import unicodedata
from collections.abc import Iterable
from html.parser import HTMLParser

MARK = "xssmark"
LONG_LINE = "A" * 5_000_000
HOSTILE = (
    f"<script>{MARK}()</script><img src=x onerror={MARK}()>\"'><svg onload={MARK}()>"
    "</script></style></textarea></pre>{{ 7*7 }}{% raw %}&lt;b&gt;"
    "\x1b[31mred\x1b[0m \x07\x00 \u202e\u2066bidi\u2069 \ud83d\ufffd --> ]]> javascript:alert(1)"
)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(html: str) -> _Page:
    """The elements and the text of a page."""
    page = _Page()
    page.feed(html)
    return page


def faults(html: str) -> list[str]:
    """What a browser would execute, fetch or obey in a page, or in a part of one, and that no
    template of ours writes."""
    found: list[str] = []
    page = parsed(html)
    for tag, attributes in page.tags:
        if tag in ("iframe", "object", "embed", "img", "link", "base", "meta", "style", "form"):
            found.append(f"<{tag}>")
        if tag == "script" and attributes.get("type") not in ("application/json", "text/plain"):
            found.append("<script>")
        found += [f"{tag} {name}" for name in attributes if name.startswith("on")]
        found += [f"{tag} {name}" for name in attributes if name in ("style", "srcdoc")]
        for name in ("href", "src", "action", "xlink:href", "formaction"):
            value = (attributes.get(name) or "").strip().lower()
            if value and not value.startswith(("#", "/", "?")):
                found.append(f"{name}={value[:60]}")
        found += [f"{tag} without name" for name in attributes if not name.strip()]
    found += _controls("".join(page.text))
    for _, attributes in page.tags:
        found += _controls("".join(value or "" for value in attributes.values()))
    return found


def balanced(html: str) -> bool:
    """Whether each element that must be closed is closed as often as it is opened."""
    counter: dict[str, int] = {}

    class Count(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            counter[tag] = counter.get(tag, 0) + 1

        def handle_endtag(self, tag: str) -> None:
            counter[tag] = counter.get(tag, 0) - 1

        def handle_startendtag(self, tag: str, attrs: object) -> None: ...

    Count().feed(html)
    return not {tag for tag, n in counter.items() if n and tag not in VOID}


VOID = frozenset({"br", "input", "img", "meta", "link", "hr", "wbr", "source", "col"})


def _controls(text: str) -> Iterable[str]:
    bad = {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\n\t\r"}
    return [f"control character {ord(c):#x}" for c in bad]
