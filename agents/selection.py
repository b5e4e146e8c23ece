"""Select the submission to ship, without the hidden tests. A pure function."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.text.counted import counted
from harness.text.unified_diff import parse


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One submission with the facts that selection uses."""

    author: str
    patch: str
    verified: bool  # it is an admitted PATCH as it stands
    failures: int  # admitted failures of it that no repair answered
    passed_peers: int  # test tasks on it that found nothing wrong
    vetoed: bool = False  # by a person: it is chosen only where nothing else is there
    checks: Mapping[str, bool]  # by command: whether it exits with 0 with the patch


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The author of the selected submission, and the reasons in sentences."""

    author: str
    reasons: tuple[str, ...]


def select(candidates: Sequence[Candidate]) -> Choice:
    """The candidate that passes most of all checks; ties by what peers found, then by size.

    `checks` are the reproductions of every admitted patch and the commands that have to go on
    passing, each run with each candidate, so that a candidate is held to what its rivals found out.
    The order: not vetoed by a person; not empty; most checks passed; verified; fewest open
    failures; most tests by peers that found nothing; fewest changed lines; and in the end the name,
    so that it is deterministic.
    `ValueError` without candidates.
    """
    if not candidates:
        raise ValueError("there is nothing to choose from")
    ranked = sorted(candidates, key=_rank)
    best = ranked[0]
    others = [_compared(best, other) for other in ranked[1:]]
    return Choice(author=best.author, reasons=(_praise(best), *others))


def changed_lines(patch: str) -> int:
    """The number of lines that a patch adds or removes; if it cannot be parsed, of all its
    lines.
    """
    try:
        return sum(file.added + file.removed for file in parse(patch))
    except ValueError:
        return len(patch.split("\n"))


_CRITERIA = (
    ("was not vetoed", lambda c: c.vetoed),
    ("is not empty", lambda c: not c.patch.strip()),
    ("passes more checks", lambda c: -sum(c.checks.values())),
    ("is verified", lambda c: not c.verified),
    ("has fewer open failures", lambda c: c.failures),
    ("passed more tests by others", lambda c: -c.passed_peers),
    ("changes fewer lines", lambda c: changed_lines(c.patch)),
    ("comes first by name", lambda c: c.author),
)


def _rank(candidate: Candidate) -> tuple[object, ...]:
    return tuple(criterion(candidate) for _, criterion in _CRITERIA)


def _praise(best: Candidate) -> str:
    if best.vetoed:
        return f"{best.author}: a person has vetoed every submission"
    if not best.patch.strip():
        return f"{best.author}: every submission is empty"
    count = f"{sum(best.checks.values())} of {len(best.checks)} checks pass"
    return "; ".join(
        [
            f"{best.author}: {count if best.checks else 'no commands to check it with'}",
            "its own command fails without it and passes with it"
            if best.verified
            else "not admitted as a PATCH",
            f"{counted(best.failures, 'open failure')} of it",
            f"{counted(best.passed_peers, 'test')} of it by others found nothing wrong",
            counted(changed_lines(best.patch), "changed line"),
        ]
    )


def _compared(best: Candidate, other: Candidate) -> str:
    if best.patch == other.patch:
        return f"{other.author} is the same patch"
    reason = next(words for words, value in _CRITERIA if value(best) != value(other))
    return (
        f"{best.author} {reason} than {other.author}".replace(
            "is not empty than", "is not empty, unlike"
        )
        .replace("was not vetoed than", "was not vetoed, unlike")
        .replace("is verified than", "is verified, unlike")
        .replace("by name than", "by name, before")
    )
