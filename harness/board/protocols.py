"""The board of one trial: a queue of tasks, and a context that only admitted entries enter.

Nobody is in charge of it. Every write is one transaction that holds or leaves nothing; every change
is also an event, and events are never changed. All times are seconds since the epoch in UTC.

A task goes `open → claimed → done | failed | cancelled`, and `claimed → open` when its lease is
lost or given back. `attempts` counts its claims and is the fencing token: whoever comes with an
older one writes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from harness.board.evidence import Evidence
from harness.board.vocabulary import EntryKind, Level, LinkKind, Settled, TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """A task as it is asked for."""

    kind: str  # a `TaskKind`, or one that an agent invents
    text: str  # what is to be done, in words
    label: str = ""  # unique in the trial; empty: the kind and its next number, `check-2`
    key: str = ""  # a second put under it finds the first; empty: the label, else kind+subject+text
    priority: int = 0  # higher is claimed first
    after: tuple[str, ...] = ()  # labels of tasks that have to be done before
    preferred: str = ""  # the agent that gets it before its other choices
    excluded: tuple[str, ...] = ()  # agents that do not get it while another one is alive
    subject: str = ""  # label of the task or entry that it is about


class Task(NamedTuple):
    """A task as it stands. A tuple: a claim makes one, and a dataclass takes six times longer."""

    label: str
    kind: str
    text: str
    state: TaskState
    priority: int
    after: tuple[str, ...]
    preferred: str
    excluded: tuple[str, ...]
    subject: str
    created_by: str
    holder: str  # who has it claimed, or did last; empty: nobody ever
    attempts: int  # claims so far: the fencing token
    result: Mapping[str, Any]  # what finishing it left; JSON


class Claim(NamedTuple):
    """A task in the hands of one agent, as long as its lease is renewed."""

    task: Task
    agent: str
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What an agent wants the others to know."""

    kind: EntryKind
    gist: str
    summary: str
    evidence: Evidence
    author: str  # the agent
    task: str  # the label of the task on which it was found
    refutes: str = ""  # label of an entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An admitted proposal. It never changes; what became of it later stands in `Context.links`."""

    label: str
    position: int  # 1, 2, … in the order of admission, the same for every reader
    key: str  # what makes another proposal the same finding
    kind: EntryKind
    gist: str
    summary: str
    evidence: Evidence
    raw: str  # what the check saw: the file's lines, the command's output, the patch
    author: str
    task: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What became of a proposal."""

    settled: Settled
    entry: Entry | None  # admitted: itself; merged: the one that said it before
    reason: str = ""  # rejected: why, for the author


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Something names an entry. `source` is the label of an entry or of a task."""

    source: str
    target: str
    kind: LinkKind
    position: int = 0  # 1, 2, … in the order in which links were made


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the trial's story."""

    number: int
    at: float
    actor: str  # the agent; empty: the board itself
    what: str  # an `EventKind`
    subject: str  # label of the task or entry, or the proposal's number
    detail: Mapping[str, Any] = field(default_factory=dict)


class LeaseLost(Exception):
    """The claim is not this agent's any more; nothing was written."""


class BoardRefused(Exception):
    """The request cannot be: the message says why, for whoever made it."""


class TaskQueue(Protocol):
    """The tasks of one trial. Every method is one transaction; any number of processes may call."""

    @property
    def version(self) -> int:
        """Grows with every change of the board; for `wait`."""
        ...

    async def join(self, agent: str, *, lease_s: float) -> None:
        """`agent` is alive: for `lease_s` seconds, and again with each claim or renewal."""
        ...

    async def leave(self, agent: str) -> None:
        """`agent` claims nothing more; what it holds becomes open."""
        ...

    async def put(self, *tasks: NewTask, by: str) -> list[Task]:
        """Add tasks, all or none; one whose key is there already is the one that is there.

        While that one is open, it excludes from then on whom either of the two excludes.

        `BoardRefused`: the label is taken by another task, `after` names no task, the trial is
        closed, or it holds its most tasks.
        """
        ...

    async def claim(self, agent: str, *, lease_s: float) -> Claim | None:
        """The best eligible task, now `agent`'s for `lease_s` seconds; None where there is none.

        Eligible: open, or claimed under a lease that ran out; all of `after` done; `agent` not
        excluded, unless all who are alive are; the agent holds no other live claim. The best:
        highest priority, then preferred for `agent`, then preferred for nobody, then oldest.
        """
        ...

    async def renew(self, claim: Claim, *, lease_s: float) -> None:
        """Another `lease_s` seconds from now. `LeaseLost`: another agent has it, or it is over."""
        ...

    async def finish(
        self,
        claim: Claim,
        *,
        state: Literal["done", "failed"] = "done",
        result: Mapping[str, Any] | None = None,
        then: Sequence[NewTask] = (),
    ) -> list[Task]:
        """End the task with its result and add `then`, in one transaction; the added tasks.

        What waits for a failed task is cancelled. `LeaseLost` as for `renew`, `BoardRefused` as for
        `put`; either way nothing is written.
        """
        ...

    async def finish_and_claim(
        self,
        claim: Claim,
        *,
        state: Literal["done", "failed"] = "done",
        result: Mapping[str, Any] | None = None,
        then: Sequence[NewTask] = (),
        lease_s: float,
    ) -> tuple[list[Task], Claim | None]:
        """`finish` and then `claim` for the same agent, in one transaction: both, or neither.

        Raises what `finish` raises; then nothing is claimed either.
        """
        ...

    async def release(self, claim: Claim, *, reason: str) -> None:
        """Give the task back: it is open again. Does nothing when the lease is lost."""
        ...

    async def cancel(self, label: str, *, by: str, reason: str) -> bool:
        """Cancel an open task and all that waits for it; False when it is not open."""
        ...

    async def put_when_empty(self, task: NewTask, *, by: str) -> Task | None:
        """Add `task` if nothing is open or claimed and its key is new: of many, one agent succeeds.

        The decision what to do with an empty queue is a task like any other, so exactly one agent
        takes it, and another takes over when that one dies.
        """
        ...

    async def close(self, *, by: str, reason: str) -> None:
        """The trial is over: what is open is cancelled, nothing is claimed or added any more."""
        ...

    async def closed(self) -> bool:
        """Whether it is over."""
        ...

    async def tasks(self) -> list[Task]:
        """All tasks, oldest first."""
        ...

    async def wait(self, since: int, *, timeout_s: float) -> int:
        """Return once `version` is beyond `since`, or after `timeout_s`; the version now.

        Changes that other processes make are noticed within 0.1 s.
        """
        ...


class SharedContext(Protocol):
    """The entries of one trial, in one order for all readers, and the proposals behind them."""

    async def propose(self, proposal: Proposal) -> int:
        """Keep a proposal before it is checked; its number."""
        ...

    async def admit(
        self,
        number: int,
        *,
        key: str,
        raw: str,
        seconds: float,
        verified: bool = True,
        remembered: bool = False,
    ) -> Ruling:
        """Make proposal `number` an entry, or merge it into the entry that has the same `key`.

        `raw` is what the check saw, `seconds` its duration. `verified` False: the evidence was not
        checked. `remembered`: the result of an earlier, equal check was used. The proposal and its
        event record both. `BoardRefused`: the proposal is settled already.
        """
        ...

    async def reject(self, number: int, *, reason: str, seconds: float) -> Ruling:
        """Keep it out, with the reason. `BoardRefused` when it is settled already."""
        ...

    async def entries(self, after: int = 0) -> list[Entry]:
        """Entries beyond position `after`, in order."""
        ...

    async def entry(self, label: str) -> Entry | None:
        """One entry."""
        ...

    async def count(self, label: str) -> int:
        """How often it was found: 1 and the proposals that were merged into it."""
        ...

    async def link(self, link: Link) -> bool:
        """Keep a link; False if it is there already. `BoardRefused`: its target is no entry."""
        ...

    async def links(self, after: int = 0) -> list[Link]:
        """Links beyond position `after`, in order."""
        ...

    async def note_shown(self, conversation: str, labels: Sequence[str], level: Level) -> None:
        """Entries that a conversation was shown: as gist, summary or raw."""
        ...
