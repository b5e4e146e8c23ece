"""How far the authors of labels agree. Pure functions.

Two authors are compared on what both labelled: a trial, or a submission of it, each with the last
label of each that stands.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from harness.labels.rows import standing
from harness.store.rows import Label, LabelRow

Target = tuple[int, int | None]
"""A trial, and the submission of it that a label is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far two authors agree.

    `kappa` is Cohen's: the agreement beyond that which their own shares of each label would give by
    chance, 1 at most; None where chance alone would make them agree on everything.
    """

    a: str
    b: str
    both: int  # trials or submissions that both labelled
    same: int  # of these, with the same label
    kappa: float | None

    @property
    def share(self) -> float:
        """The share of what both labelled that has the same label."""
        return self.same / self.both

    @property
    def words(self) -> str:
        """How far they agree, in a sentence."""
        what = "trial or submission" if self.both == 1 else "trials or submissions"
        kappa = (
            "Cohen's kappa is not defined, because both gave one and the same label everywhere"
            if self.kappa is None
            else f"Cohen's kappa {self.kappa:.2f}"
        )
        return (
            f"{self.a} and {self.b}: the same label on {self.same} of {self.both} {what} that both "
            f"labelled; {kappa}"
        )


def agreements(labels: Iterable[LabelRow]) -> list[Agreement]:
    """Every pair of authors who labelled something in common, by their first labels."""
    by_author: dict[tuple[str, int], dict[Target, Label]] = {}
    for row in standing(labels):
        given = by_author.setdefault((row["author"], row["by_model"]), {})
        given[row["trial_id"], row["submission_id"]] = row["label"]
    found = []
    for ((a, _), mine), ((b, _), theirs) in combinations(by_author.items(), 2):
        pairs = [(mine[target], theirs[target]) for target in mine if target in theirs]
        if pairs:
            same = sum(x == y for x, y in pairs)
            kappa = _kappa(pairs, same)
            found.append(Agreement(a=a, b=b, both=len(pairs), same=same, kappa=kappa))
    return found


def _kappa(pairs: Sequence[tuple[Label, Label]], same: int) -> float | None:
    number = len(pairs)
    mine, theirs = Counter(x for x, _ in pairs), Counter(y for _, y in pairs)
    chance = sum(mine[label] * theirs[label] for label in mine) / number**2
    return None if chance == 1 else (same / number - chance) / (1 - chance)
