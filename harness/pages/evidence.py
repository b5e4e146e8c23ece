"""The evidence of an entry or a proposal on a page."""

from dataclasses import dataclass

from harness.board.evidence import Command, Evidence, Patch
from harness.board.records import EntryRow, ProposalRow
from harness.pages.diff_view import DiffView, diff_view


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidenced:
    """What brings evidence. Texts have at most `most` characters on the page."""

    row: EntryRow | ProposalRow
    most: int

    @property
    def evidence(self) -> Evidence:
        """What its author brought as proof."""
        return self.row["evidence"]

    @property
    def diff(self) -> DiffView:
        """The diff that it is, if it is a patch; else one that is empty."""
        patch = self.evidence
        return diff_view(patch.diff if isinstance(patch, Patch) else "", self.most)

    @property
    def changes(self) -> DiffView:
        """The diff with which its command was run, if there is one; else one that is empty."""
        command = self.evidence
        return diff_view(command.changes if isinstance(command, Command) else "", self.most)
