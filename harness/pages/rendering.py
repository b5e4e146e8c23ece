"""Templates to HTML: everything is escaped, every variable is required.

A template is a file `templates/NAME.html.j2`. What is foreign (issue texts, outputs, patches,
names) is only ever a value: control characters in it become visible marks, and it reaches no
attribute that a browser executes.
"""

import re
from collections.abc import Container
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from harness.pages.diff_view import MOST_CHARS, DiffView, diff_view
from harness.pages.glossary import place_of, term
from harness.terminal import plain

SHOWN = 20_000  # characters of one text on a page; of longer ones the middle is left out
NOT_KNOWN = "–"
_LABEL = re.compile(r"\b[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*\b")


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader("harness.pages", "templates"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals |= {"term": term, "place_of": place_of}
    templates.filters["diff_view"] = _diff
    templates.filters |= {"usd": usd, "share": share, "seconds": seconds, "text": _cut}
    templates.filters["pieces"] = pieces
    return templates


@pass_context
def _diff(context: Context, diff: str) -> DiffView:
    """The view of a diff, not longer than the page allows."""
    return diff_view(diff, min(MOST_CHARS, context.get("shown", MOST_CHARS)))


@pass_context
def _cut(context: Context, value: str, most: int = SHOWN) -> str:
    """`text`, not longer than the page allows: its variable `most_shown`, where it has one."""
    return text(value, min(most, context.get("most_shown", most)))


def render(name: str, **values: Any) -> Markup:
    """The template `name` with `values`, as safe HTML; `UndefinedError` if one is missing."""
    return Markup(_templates().get_template(f"{name}.html.j2").render(**values))  # noqa: S704


def pieces(value: str, known: Container[str]) -> list[tuple[str, bool]]:
    """A text cut before and behind each word of it that is `known`, such as the labels of entries;
    and whether a piece is one. The pieces together are the text."""
    found: list[tuple[str, bool]] = []
    end = 0
    for word in _LABEL.finditer(value):
        if word[0] in known:
            found += [(value[end : word.start()], False), (word[0], True)]
            end = word.end()
    return [*found, (value[end:], False)]


def asset(name: str) -> str:
    """The text of a file in `assets/`."""
    return files("harness.pages").joinpath("assets", name).read_text("utf-8")


def usd(amount: float | None) -> str:
    """USD with four digits behind the point, as in the tables of the terminal."""
    return NOT_KNOWN if amount is None else f"${amount:.4f}"


def share(value: float | None) -> str:
    """A share from 0 to 1 as a percentage."""
    return NOT_KNOWN if value is None else f"{100 * value:.1f} %"


def seconds(value: float | None) -> str:
    """A duration: seconds, from ten minutes on minutes."""
    if value is None:
        return NOT_KNOWN
    return f"{value:.0f} s" if value < 600 else f"{value / 60:.0f} min"


def text(value: str, most: int = SHOWN) -> str:
    """Foreign text for a page: without control characters, and not longer than a page bears."""
    if len(value) > most:
        half = most // 2
        left_out = f"\n[… {len(value) - 2 * half:,} characters left out …]\n"
        value = value[:half] + left_out + value[len(value) - half :]
    return plain(value)
