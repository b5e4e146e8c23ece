"""Which one submission a trial ships: the order in which its submissions are ranked everywhere."""

from collections.abc import Collection, Iterable, Sequence
from typing import TypeVar

from harness.store.rows import MadeSubmission, SubmissionRow

Made = TypeVar("Made", bound=MadeSubmission)


def in_order(made: Iterable[Made]) -> list[Made]:
    """The submissions of one trial: the one that it selected, then the others by author's name.

    Not as they were made: what is done soonest is not like the others. Rows have `author` and
    `selected`. It is the order of predictions, of the names of logs, and of what is shipped.
    """
    return sorted(
        made, key=lambda row: (not row["selected"], len(row["author"]), str(row["author"]))
    )


def choosers(submissions: Iterable[SubmissionRow], trials: Collection[int]) -> set[str]:
    """The systems that selected a submission in one of `trials` (their `trial_id`)."""
    return {row["system"] for row in submissions if row["selected"] and row["trial_id"] in trials}


def shipped(made: Sequence[Made], wanted: int, *, chooses: bool) -> Made | None:
    """The one of a trial's submissions that it ships; None: none.

    `wanted` is how many the trial was to make, `chooses` whether its system is among `choosers`.
    A system that chooses ships what it selected, and nothing from a trial where it selected
    nothing. Any other ships that of the first author by name.
    """
    first = next(iter(in_order(made)), None)
    if first is None or (wanted > 1 and chooses and not first["selected"]):
        return None
    return first


def model_name(system: str, model: str, index: int) -> str:
    """What predictions and logs call the `index`-th submission of a system on each instance.

    Over its trials, and in each as `in_order` ranks them.
    """
    return f"{system}.{model}" + (f".{index + 1}" if index else "")
