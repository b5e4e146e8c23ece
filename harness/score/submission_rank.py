"""The rank of a trial's submissions, and the one that the trial ships."""

from collections.abc import Collection, Iterable, Sequence
from typing import TypeVar

from harness.store.rows import OutcomeRow, Ranked

Made = TypeVar("Made", bound=Ranked)


def in_order(made: Iterable[Made]) -> list[Made]:
    """The submissions of one trial: the selected one first, then the others by author's name.

    Rows have `author` and `selected`. Predictions, logs and scores all use this order. It does not
    depend on which submission was made first, because early submissions differ from late ones.
    """
    return sorted(
        made, key=lambda row: (not row["selected"], len(row["author"]), str(row["author"]))
    )


def choosers(submissions: Iterable[OutcomeRow], trials: Collection[int]) -> set[str]:
    """The systems that selected a submission in one of `trials` (their `trial_id`)."""
    return {row["system"] for row in submissions if row["selected"] and row["trial_id"] in trials}


def shipped(made: Sequence[Made], wanted: int, *, chooses: bool) -> Made | None:
    """The submission that a trial ships, or None.

    `wanted` is the requested number, `chooses` says whether the system is among `choosers`. A
    system that chooses ships what it selected, or nothing. Any other system ships the submission of
    the first author by name.
    """
    first = next(iter(in_order(made)), None)
    if first is None or (wanted > 1 and chooses and not first["selected"]):
        return None
    return first


def model_name(system: str, model: str, index: int) -> str:
    """The name of a system's `index`-th submission on an instance in predictions and logs.

    Submissions are counted over the system's trials, in each as `in_order` ranks them.
    """
    return f"{system}.{model}" + (f".{index + 1}" if index else "")
