"""Prompts: one Jinja template a file, every variable required; and how they hold foreign text.

What a repository, a command or another agent says is data. It stands between tags that it cannot
close, and nothing in it is ever read as a call: calls come from the model's own answer only.
"""

import re
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

LEFT_OUT = "\n[… {} characters left out …]\n"


@cache
def _templates() -> Environment:
    templates = Environment(  # noqa: S701 - the text goes to a model, not into a page
        loader=PackageLoader("agents", "prompts"),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=False,
    )
    templates.globals["enclosed"] = enclosed
    return templates


def render(name: str, **values: Any) -> str:
    """The template `name` (without `.j2`) with `values`; `UndefinedError` if one is missing."""
    return _templates().get_template(f"{name}.j2").render(**values)


def enclosed(name: str, text: str) -> str:
    """`text`, not changed by a character, between tags of that name which it does not hold.

    Where it does hold such a tag, theirs has a number that no tag in the text has.
    """
    imitated = set(re.findall(rf"<[\s/]*{name}(?!\w)(?:-(\d+))?", text, re.IGNORECASE))
    number = 2
    while str(number) in imitated:
        number += 1
    tag = f"{name}-{number}" if imitated else name
    end = "" if not text or text.endswith("\n") else "\n"
    return f"<{tag}>\n{text}{end}</{tag}>"


def one_line(text: str, most: int) -> str:
    """The words of `text` in one line of at most `most` characters."""
    words = " ".join(text.split())
    return words if len(words) <= most else f"{words[:most]} …"


def shortened(text: str, chars: int) -> str:
    """`text`, cut in the middle where it has more than `chars` characters."""
    if len(text) <= chars:
        return text
    half = chars // 2
    return text[:half] + LEFT_OUT.format(len(text) - 2 * half) + text[len(text) - half :]
