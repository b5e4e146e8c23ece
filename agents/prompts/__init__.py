"""Prompts: one Jinja template a file, every variable required."""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def _templates() -> Environment:
    return Environment(  # noqa: S701 - the text goes to a model, not into a page
        loader=PackageLoader("agents", "prompts"),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=False,
    )


def render(name: str, **values: Any) -> str:
    """The template `name` (without `.j2`) with `values`; `UndefinedError` if one is missing."""
    return _templates().get_template(f"{name}.j2").render(**values)
