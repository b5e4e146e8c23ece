"""A critique under way: a trial of its own, in a store of its own, about an ended trial."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.errors import UserError
from harness.labels import critique_material
from harness.labels.adding import Wanted, add_label, checked_label
from harness.labels.places import BY_AGENTS, CHECK, Material, kind_of
from harness.labels.vocabulary import EXCUSES, MEANINGS
from harness.model.budget import TrialBudget
from harness.runner.services import TrialServices
from harness.runner.trial import LiveTrial
from harness.store.ledger import PaidRow
from harness.store.protocol import Store
from harness.store.rows import ClaimedTrial, Quotation
from harness.types import Item

LEAST_COMMENT = 10  # characters


class CritiqueTrial(LiveTrial):
    """A `harness.protocols.Critique`: its docstrings are the contract."""

    def __init__(
        self,
        services: TrialServices,
        row: ClaimedTrial,
        item: Item,
        budget: TrialBudget,
        paid: Sequence[PaidRow],
        *,
        judged: Material,
        labels_store: Store,
    ) -> None:
        """`judged` is the trial to be labelled, `labels_store` the store of its run; all else is of
        the critique's own store."""
        super().__init__(services, row, item, budget, paid)
        self.labels: Mapping[str, str] = {str(label): words for label, words in MEANINGS.items()}
        self.sandboxed = services.benchmark.needs_sandbox
        self.overview = critique_material.overview(judged)
        self.files = critique_material.files(judged)
        self.label_id: int | None = None  # once it has been given
        self._judged = judged
        self._labels_store = labels_store
        self._author = services.client.model
        self._commands: dict[str, str] = {}  # by the place of their output

    def read(self, place: str) -> str | None:
        """See `Critique.read`."""
        return critique_material.read(place, self._judged)

    def note_check(self, command: str, output: str) -> str:
        """See `Critique.note_check`."""
        place = f"{CHECK}:{len(self._commands) + 1}"
        self._commands[place] = command
        texts = {**self._judged.texts, place: output}
        self._judged = replace(self._judged, texts=texts)
        return place

    async def label(
        self, label: str, confidence: float, comment: str, evidence: Sequence[Mapping[str, str]]
    ) -> str:
        """See `Critique.label`."""
        quoted = [self._quotation(each["place"], each["quote"]) for each in evidence]
        wanted = Wanted(
            label=label,
            author=self._author,
            comment=comment,
            confidence=confidence,
            evidence=quoted,
            by_model=True,
        )
        try:
            if wrong := unsupported(wanted):
                return wrong
            self.label_id = await add_label(self._labels_store, self._judged, wanted)
        except UserError as error:
            return str(error)
        return ""

    def _quotation(self, place: str, quote: str) -> Quotation:
        quoted = Quotation(place=place, quote=quote)
        if place in self._commands:
            quoted["command"] = self._commands[place]
        return quoted


def unsupported(wanted: Wanted) -> str:
    """What a model's label lacks; empty: nothing. Raises `UserError` for an unknown label.

    A label in favour of the agents rests on something that they have not written: else a trial
    could argue for itself.
    """
    label = checked_label(wanted.label)
    if len(wanted.comment.strip()) < LEAST_COMMENT:
        return "Say in the comment why."
    if label != "unclear" and not wanted.evidence:
        return f"{label!r} needs evidence: quotations with their places."
    if label in EXCUSES and all(kind_of(each["place"]) in BY_AGENTS for each in wanted.evidence):
        return (
            f"{label!r} needs at least one quotation that the judged agents have not written: of a "
            "check, test, grade, the trial's state, the issue or the gold patch."
        )
    return ""
