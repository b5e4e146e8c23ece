"""Find quotes in files, and show texts in refusals. Pure functions."""

import re

from agents.near_lines import nearest_line

SHOWN_WIDTH = 160


def lines_of(text: str) -> list[str]:
    """The lines without trailing blanks and CR. Only a line feed ends a line."""
    return [line.rstrip() for line in text.split("\n")]


def quoted(quote: str) -> tuple[list[str], int]:
    """The lines of a quote without the blank ones around them; how many went before."""
    lines = lines_of(quote)
    before = next((at for at, line in enumerate(lines) if line), 0)
    while lines and not lines[-1]:
        lines.pop()
    return lines[before:], before


def places(lines: list[str], wanted: list[str]) -> list[int]:
    """The line numbers, from 1, at which `wanted` begins in `lines`."""
    size = len(wanted)
    found = []
    at = -1
    while wanted:
        try:
            at = lines.index(wanted[0], at + 1)
        except ValueError:
            break
        if lines[at : at + size] == wanted:
            found.append(at + 1)
    return found


def not_there(path: str, lines: list[str], wanted: list[str], line: int, at: list[int]) -> str:
    """The reason for refusing a quote: the actual text, and how to correct it."""
    if at:
        places_said = ", ".join(map(str, at[:5])) + (" …" if len(at) > 5 else "")
        return (
            f"The quote does not begin at line {line} of {path} but at {places_said}. Send it "
            "again with that line; this is what stands at the one you gave:\n"
            f"{numbered(lines, line - 1, line + 1)}"
        )
    near = _nearest(lines, wanted)
    parts = [f"The quote does not stand in {path}: whole lines are compared, indentation too."]
    if all(re.match(r"\s*\d+[:|\s]", text) for text in wanted if text):
        parts.append("Leave out the line numbers.")
    if 0 < line <= len(lines):
        parts.append(f"There stands:\n{numbered(lines, line, line + min(len(wanted), 3) - 1)}")
    elif line > len(lines):
        parts.append(f"The file has {len(lines)} lines.")
    if near and near != line:
        parts.append(f"The nearest to it:\n{numbered(lines, near, near)}")
    return " ".join(parts) + "\nCopy the lines from the file as they are."


def numbered(lines: list[str], first: int, last: int, width: int = SHOWN_WIDTH) -> str:
    """Lines `first` to `last`, counted from 1, with their numbers."""
    first, last = max(first, 1), min(last, len(lines))
    return "\n".join(f"{n:6}  {lines[n - 1][:width]}" for n in range(first, last + 1))


def _nearest(lines: list[str], wanted: list[str]) -> int:
    """The number of the line most similar to the longest of `wanted`; 0 if none is similar."""
    longest = max(wanted, key=len, default="").strip()[:SHOWN_WIDTH]
    inside = next((n for n, line in enumerate(lines, 1) if longest and longest in line), 0)
    return inside or nearest_line(lines, longest)


def shown(output: str, most: int = 600) -> str:
    """The last lines of an output, for a refusal."""
    text = output.strip()
    return text if len(text) <= most else "…" + text[-most:]
