"""The boards of a run as rows, for reports. Times are seconds since the epoch in UTC."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypedDict

from harness.board.evidence import Evidence
from harness.board.protocols import SharedContext, TaskQueue
from harness.board.vocabulary import EntryKind, Level, LinkKind, MarkKind, Settled, TaskState
from harness.store.row_tables import Asked, RowPage


class TaskRow(TypedDict):
    """A task: see `harness.board.protocols.Task`."""

    label: str
    kind: str
    text: str
    state: TaskState
    priority: int
    after: Sequence[str]
    preferred: str
    excluded: str  # JSON
    subject: str
    created_by: str
    holder: str
    attempts: int
    result: Mapping[str, Any]


class EventRow(TypedDict):
    """A change of the board: see `harness.board.protocols.Event`."""

    number: int
    at: float
    actor: str
    what: str
    subject: str
    detail: Mapping[str, Any]


class ProposalRow(TypedDict):
    """A proposal and its ruling. `settled` is None if there is none yet; `entry` is the label
    of the entry that it is, or was merged into; `seconds` is the duration of its check.
    `remembered` is 1 where the check's result came from the check cache, 0 where the check was
    executed, None where that was not recorded."""

    trial_id: int
    number: int
    at: float
    author: str
    task: str
    kind: EntryKind
    gist: str
    summary: str
    evidence: Evidence
    refutes: str
    settled: Settled | None
    settled_at: float | None
    seconds: float | None
    entry: str | None
    unverified: int
    remembered: int | None
    reason: str


class EntryRow(TypedDict):
    """An entry: see `harness.board.protocols.Entry`. `proposal` is the number of its proposal."""

    trial_id: int
    position: int
    label: str
    key: str
    proposal: int
    at: float
    author: str
    task: str
    kind: EntryKind
    gist: str
    summary: str
    evidence: Evidence
    raw: str


class LinkRow(TypedDict):
    """A link: see `harness.board.protocols.Link`."""

    trial_id: int
    position: int
    source: str
    target: str
    kind: LinkKind
    at: float


class MarkRow(TypedDict):
    """A mark: see `harness.board.protocols.Mark`."""

    trial_id: int
    position: int
    label: str
    kind: MarkKind
    at: float
    by: str
    reason: str


class ShownRow(TypedDict):
    """When a conversation was first shown an entry as gist, summary or raw."""

    conversation: str
    label: str
    level: Level
    at: float


class TrialBoard(Protocol):
    """The board of one trial."""

    @property
    def queue(self) -> TaskQueue:
        """Its tasks."""
        ...

    @property
    def context(self) -> SharedContext:
        """Its entries."""
        ...


class Boards(Protocol):
    """The boards of a run's trials, and their rows. A trial without a board has no rows."""

    def of(self, trial_id: int) -> TrialBoard:
        """The board of a trial; it begins empty."""
        ...

    async def events(self, trial_id: int) -> list[EventRow]:
        """Every event, oldest first."""
        ...

    async def proposals(self, trial_id: int) -> list[ProposalRow]:
        """Every proposal, oldest first."""
        ...

    async def shown(self, trial_id: int) -> list[ShownRow]:
        """When each conversation was first shown each entry, by level; oldest first."""
        ...

    async def tasks(self, trial_id: int) -> list[TaskRow]:
        """Every task, oldest first."""
        ...

    async def entries(self, trial_id: int) -> list[EntryRow]:
        """Every entry in the order of admission."""
        ...

    async def links(self, trial_id: int) -> list[LinkRow]:
        """Every link in the order in which they were made."""
        ...

    async def row_page(self, asked: Asked) -> RowPage | None:
        """Some rows of a table of all trials' boards; see `Store.row_page`."""
        ...

    async def marks(self, trial_id: int) -> list[MarkRow]:
        """Every mark in the order in which they were made."""
        ...

    async def aclose(self) -> None:
        """Close the connection to the database. A second call does nothing."""
        ...
