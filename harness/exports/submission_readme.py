"""The README of a leaderboard submission: how it was made, and its known limits."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.benchmarks.swebench.guard.flags import FLAGS
from harness.exports.shipped_submissions import Shipped
from harness.exports.submission_claims import ChecklistLine, named
from harness.score import flags_of


def readme(
    system: str,
    description: Mapping[str, Any],
    chosen: Mapping[str, Shipped],
    asked: int,
    claimed: Sequence[ChecklistLine],
    warned: Sequence[str],
) -> str:
    """The text. `asked` is the number of instances; `warned` are the cautions to print."""
    lines = [f"# {system} + {description['model'].rpartition('/')[2]}", ""]
    for sentence in warned:
        lines += [sentence, ""]
    lines += [_resolved(chosen, asked), "", _came_about(chosen), ""]
    if flagged := list(_flagged(chosen)):
        lines += ["## Flagged", "", *flagged, ""]
    elif not description["config"]["grading"]["guard"]:
        lines += ["What the official grader resolves was not looked at a second time.", ""]
    lines += ["## Checklist", ""]
    for claim in claimed:
        lines += [f"- [{'x' if claim.holds else ' '}] {claim.line}", f"  {claim.because}"]
    return "\n".join(lines) + "\n"


def _resolved(chosen: Mapping[str, Shipped], asked: int) -> str:
    resolved = [one for one in chosen.values() if one.submission["official"] == "resolved"]
    flagged = sum(bool(flags_of(one.submission)) for one in resolved)
    empty = sum(not one.submission["patch"].strip() for one in chosen.values())
    share = f" ({len(resolved) / asked:.1%})" if asked else ""
    doubted = (
        f" {flagged} of these are flagged, and our own scores do not count them: see below."
        if flagged
        else ""
    )
    return (
        f"Resolved {len(resolved)} of {asked} instances{share}, as swebench grades them in fresh "
        f"sandboxes.{doubted} Predictions: {len(chosen)}, of which {empty} are empty."
    )


def _came_about(chosen: Mapping[str, Shipped]) -> str:
    several = [one for one in chosen.values() if one.trial["wanted"] > 1]
    agents = "/".join(str(n) for n in sorted({one.trial["agents"] for one in several}))
    again = [name for name, one in chosen.items() if one.trial["attempt"]]
    said = "How each prediction came about: it is of the system's first trial on the instance."
    if several and all(one.chosen for one in several):
        said += (
            f" Its {agents} agents made several candidate patches, and one was shipped, chosen "
            "without sight of the hidden tests: by the system itself, before any was graded."
        )
    elif several:
        said += (
            f" Its {agents} agents made a patch each, and the system chose none of them: it is the "
            "first agent's by name."
        )
    if again:
        said += (
            " Trials that had failed for infrastructure and were run again: "
            f"{len(again)} ({named(again)})."
        )
    return (
        f"{said} `trajs/` holds every conversation of the trial, in the Agent Trajectory "
        "Interchange Format 1.7."
    )


def _flagged(chosen: Mapping[str, Shipped]) -> Iterator[str]:
    """Passes of the official grader that the guard flagged, one line each."""
    rows = {name: one.submission for name, one in chosen.items()}
    found = {name: flags_of(row) for name, row in rows.items() if row["official"] == "resolved"}
    for name, flags in found.items():
        if flags:
            why = "; ".join(f"{flag} ({FLAGS.get(flag, 'unknown')})" for flag in flags)
            yield f"- `{name}` is flagged: {why}"
