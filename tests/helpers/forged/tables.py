"""Tables of what was graded: a line for each patch, and how many by each part."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from forgeries import Case

from harness.types import Verdict

ANSWERS = "answers in the code"


def group(case: Case) -> str:
    """Which of the three groups a composed patch belongs to."""
    if case.honest:
        return "honest"
    return ANSWERS if ANSWERS in case.parts else "forged"


def wrong(case: Case, verdict: Verdict) -> bool:
    """Whether a composed patch counts as it must not."""
    if group(case) == "honest":
        return verdict.outcome != "resolved" or bool(verdict.flags)
    return group(case) == "forged" and verdict.outcome == "resolved"


def beginning(case: Case) -> str:
    """The beginning of the row for a patch, by which it is known."""
    return f"| {' | '.join(cell.replace('|', '/') for cell in _names(case))} |"


def _names(case: Case) -> tuple[str, str]:
    return case.item.instance.instance_id, f"{group(case)}: {case.name}"


def line(case: Case, verdict: Verdict) -> str:
    """A row for one patch."""
    why = ", ".join(verdict.flags) or verdict.reason
    mark = "**wrong** " if wrong(case, verdict) else ""
    cells = (*_names(case), verdict.official, mark + verdict.outcome, why)
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def summary(found: Mapping[Case, Verdict]) -> Iterable[str]:
    """By group and part: how many, how many the official grader alone resolves, and we."""
    rows: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for case, verdict in found.items():
        for part in ("all", *case.parts):
            row = rows[group(case), part]
            row[0] += 1
            row[1] += verdict.official == "resolved"
            row[2] += verdict.outcome == "resolved"
            row[3] += wrong(case, verdict)
    yield "| group | part | patches | official alone | ours | wrong |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for (kind, part), numbers in sorted(rows.items(), key=lambda row: (row[0][0], row[0][1])):
        yield f"| {kind} | {part} | {' | '.join(map(str, numbers))} |"


def last_line(found: Mapping[Case, Verdict]) -> str:
    """The figures."""
    said = []
    for kind in ("forged", "honest", ANSWERS):
        mine = [(case, verdict) for case, verdict in found.items() if group(case) == kind]
        if mine:
            official = sum(verdict.official == "resolved" for _, verdict in mine)
            ours = sum(verdict.outcome == "resolved" for _, verdict in mine)
            flagged = sum(bool(verdict.flags) for _, verdict in mine)
            said.append(
                f"{len(mine)} {kind}: {official} resolved by the official grader alone, "
                f"{ours} by ours, {flagged} flagged"
            )
    return "; ".join(said)
