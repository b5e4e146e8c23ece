"""Put a label into a run's store, checked: for the command line, the page and the critique."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.run_rows import material_of
from harness.board.records import Boards
from harness.config import nearest
from harness.errors import StoreConflict, UserError
from harness.labels.places import GOLD, ISSUE, Material, faults
from harness.labels.vocabulary import LABELS
from harness.score.rows import by_trial
from harness.store.protocol import Store
from harness.store.rows import Label, NewLabel, Quotation, RunRows, TrialRow
from harness.text.visible import is_visible

NAME_CHARS, COMMENT_CHARS = 100, 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A label as somebody asks for it, not yet checked."""

    label: str
    author: str
    comment: str = ""
    confidence: float | None = None
    submission_id: int | None = None
    evidence: Sequence[Quotation] = ()
    replaces: int | None = None
    by_model: bool = False


async def material(
    store: Store,
    boards: Boards,
    run: RunRows,
    trial: TrialRow,
    texts: Mapping[str, str] | None = None,
) -> Material:
    """What can be quoted of an attempt at a trial. `texts`: further texts by their place."""
    key = trial["trial_id"]
    text = await store.instance_text(trial["instance_id"])
    known = {ISSUE: text["asked"], GOLD: text["gold"]} if text else {}
    calls, made = by_trial(run.calls).get(key, []), by_trial(run.submissions).get(key, [])
    return Material(
        trial=trial,
        record=await material_of(boards, trial, calls, made),
        messages=await store.messages(key),
        texts={**known, **(texts or {})},
    )


def checked_label(text: str) -> Label:
    """The label of that name; `UserError` with the nearest one if there is none."""
    words = " ".join(text.replace("’", "'").replace("_", " ").split()).lower()
    found = next((label for label in LABELS if label == words), None)
    if found is None:
        raise UserError(
            f"unknown label {text!r}{nearest(words, LABELS)}; choose one of: {', '.join(LABELS)}"
        )
    return found


async def add_label(store: Store, found: Material, wanted: Wanted) -> int:
    """Add the label to the trial of `found` and return its id.

    `UserError`, and nothing is written: its words are not usable, a quotation does not stand where
    it is said to stand, its submission is another trial's, or what it replaces is not its author's
    own, standing label of the trial.
    """
    label, author = checked_label(wanted.label), " ".join(wanted.author.split())
    if not is_visible(author) or len(author) > NAME_CHARS:
        raise UserError(f"a label needs its author's name, of at most {NAME_CHARS} characters")
    if len(wanted.comment) > COMMENT_CHARS:
        raise UserError(f"the comment is too long; at most {COMMENT_CHARS} characters are kept")
    if wanted.confidence is not None and not 0 <= wanted.confidence <= 1:
        raise UserError(f"a confidence is from 0 to 1, not {wanted.confidence:g}")
    if wrong := faults(wanted.evidence, found):
        raise UserError(" ".join(wrong))
    new = NewLabel(
        trial_id=found.trial["trial_id"],
        submission_id=wanted.submission_id,
        label=label,
        author=author,
        by_model=int(wanted.by_model),
        confidence=wanted.confidence,
        comment=wanted.comment.strip(),
        evidence=wanted.evidence,
        replaces=wanted.replaces,
    )
    try:
        return await store.label(new)
    except StoreConflict as conflict:
        raise UserError(f"the label was not added: {conflict}") from None
