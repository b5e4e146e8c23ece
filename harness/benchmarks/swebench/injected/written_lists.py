"""Write the lists of tests into the text of a dataset file; the rest of it stays as it is."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from harness.benchmarks.swebench.injected.measure import Measured
from harness.errors import UserError
from harness.text import yaml_text

LISTS = ("fail_to_pass", "pass_to_pass")


def with_lists(text: str, found: Mapping[str, Measured]) -> str:
    """`text` with the lists of each instance in `found`, in place of those that it had.

    They stand at the end of the instance. Raises `UserError` where the file is written in a form
    that takes no lines (a mapping in braces).
    """
    lines = text.split("\n")
    entries = _entries(yaml.compose(text, Loader=yaml.SafeLoader))
    for name, node in sorted(entries.items(), key=lambda pair: pair[1].start_mark.line)[::-1]:
        if name not in found:
            continue
        column = node.start_mark.column
        end = node.end_mark.line
        if node.flow_style or node.start_mark.line == end:
            raise UserError(f"injected.{name}: write it without braces, one key a line")
        while end > 0 and _is_between(lines[end - 1], column):
            end -= 1
        lines[end:end] = _written(found[name], " " * column)
        for first, last in _places(node)[::-1]:
            del lines[first : last + 1]
    written = "\n".join(lines)
    _check(text, written, found)
    return written


def _entries(root: Any) -> dict[str, Any]:
    """The mapping nodes of the instances, by name."""
    injected = next(value for key, value in root.value if key.value == "injected")
    return {key.value: value for key, value in injected.value}


def _places(entry: Any) -> list[tuple[int, int]]:
    """The first and last line of each list that is there, from 0 on."""
    return [
        (key.start_mark.line, _last_line(value)) for key, value in entry.value if key.value in LISTS
    ]


def _last_line(node: Any) -> int:
    if isinstance(node, yaml.SequenceNode) and node.value and not node.flow_style:
        return _last_line(node.value[-1])
    return int(node.end_mark.line)


def _is_between(line: str, column: int) -> bool:
    """Whether a line is blank, or a comment that stands before the next instance."""
    inner = line.lstrip()
    return not inner or (inner.startswith("#") and len(line) - len(inner) < column)


def _written(measured: Measured, indent: str) -> list[str]:
    lines: list[str] = []
    for key in LISTS:
        names: Sequence[str] = getattr(measured, key)
        lines.append(f"{indent}{key}:" + ("" if names else " []"))
        lines += [f"{indent}  - {_quoted(name)}" for name in names]
    return lines


def _quoted(name: str) -> str:
    return str(yaml.safe_dump(name, default_style='"', width=float("inf"))).rstrip("\n")


def _check(before: str, after: str, found: Mapping[str, Measured]) -> None:
    """Raise `UserError` where `after` does not say exactly what it should."""
    wanted = yaml_text.parse(before, where="the file")
    for name, measured in found.items():
        wanted["injected"][name] |= {key: list(getattr(measured, key)) for key in LISTS}
    if yaml_text.parse(after, where="the file with its lists") != wanted:
        raise UserError(
            "the lists cannot be written into a file of this form: write each instance with one "
            "key a line, and its issue as a block (issue: |)"
        )
