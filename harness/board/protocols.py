"""The board of one trial: a queue of tasks, and a context that only admitted entries enter.

Every write is one transaction: all of it, or nothing. Every change also adds an event, and events
never change. All times are seconds since the epoch in UTC.

A task goes `open → claimed → done | failed | cancelled`, and `claimed → open` when its lease is
lost or given back. `attempts` counts its claims and is the fencing token: an agent whose claim is
older than the last one writes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from harness.board.evidence import Evidence
from harness.board.vocabulary import EntryKind, Level, LinkKind, MarkKind, Settled, TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """A task to be added to the queue."""

    kind: str  # a `TaskKind`, or one that an agent invents
    text: str  # what is to be done, in words
    label: str = ""  # unique in the trial; empty: the kind and its next number, `check-2`
    key: str = (
        ""  # a task with a known key is not added again; empty: label, else kind+subject+text
    )
    priority: int = 0  # higher is claimed first
    after: tuple[str, ...] = ()  # labels of tasks that have to be done before
    preferred: str = ""  # the agent that gets it before its other choices
    excluded: tuple[str, ...] = ()  # agents that do not get it while another one is alive
    subject: str = ""  # label of the task or entry that it is about


class Task(NamedTuple):
    """A task in its current state.

    A tuple, because every claim makes one and a dataclass takes six times as long.
    """

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
    """A task that one agent holds as long as it renews the lease.

    `fence` is the task's `attempts` at the time of the claim.
    """

    task: Task
    agent: str
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A finding that an agent wants to share, with its evidence, before it is checked."""

    kind: EntryKind
    gist: str
    summary: str
    evidence: Evidence
    author: str  # the agent
    task: str  # the label of the task on which it was found
    refutes: str = ""  # label of an entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An admitted proposal. It never changes; `SharedContext.links` say what later refers to it."""

    label: str
    position: int  # 1, 2, … in the order of admission, the same for every reader
    key: str  # proposals with an equal key are the same finding
    kind: EntryKind
    gist: str
    summary: str
    evidence: Evidence
    raw: str  # what the check saw: the file's lines, the command's output, the patch
    author: str
    task: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """The decision of the gate about a proposal."""

    settled: Settled
    entry: Entry | None  # admitted: the new entry; merged: the entry that said it before
    reason: str = ""  # rejected: why, for the author


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A reference from `source`, the label of an entry or a task, to the entry `target`."""

    source: str
    target: str
    kind: LinkKind
    position: int = 0  # 1, 2, … in the order in which links were made


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What the person `by` has said of the entry `label`, and why. The entry does not change."""

    label: str
    kind: MarkKind
    by: str
    reason: str
    position: int = 0  # 1, 2, … in the order in which marks were made


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One change of the board."""

    number: int
    at: float
    actor: str  # the agent; empty: the board itself
    what: str  # an `EventKind`
    subject: str  # label of the task or entry, or the proposal's number
    detail: Mapping[str, Any] = field(default_factory=dict)


class LeaseLost(Exception):
    """The agent does not hold the claim any more. Nothing was written."""


class BoardRefused(Exception):
    """The board cannot carry out a request. The message tells its author why."""


class TaskQueue(Protocol):
    """The tasks of one trial. Every method is one transaction; any number of processes may call."""

    @property
    def version(self) -> int:
        """A number that grows with every change of the trial's board; for `wait`."""
        ...

    async def join(self, agent: str, *, lease_s: float) -> None:
        """Note that `agent` is alive for `lease_s` seconds. Each claim or renewal does so again."""
        ...

    async def leave(self, agent: str) -> None:
        """Note that `agent` claims nothing more. The task that it holds becomes open."""
        ...

    async def put(self, *tasks: NewTask, by: str) -> list[Task]:
        """Add `tasks`, all or none, and return them in this order. `by` is the agent that asks.

        A task whose key is known is not added: the existing one is returned. If that is open, it
        also excludes the agents that the new one excludes.

        `BoardRefused`: the label belongs to another task, `after` names an unknown task, the trial
        is closed, or it has as many tasks as are allowed.
        """
        ...

    async def claim(self, agent: str, *, lease_s: float) -> Claim | None:
        """Claim the best eligible task for `lease_s` seconds; None if no task is eligible.

        Eligible: open, or claimed under a lease that ran out; all of `after` done; `agent` not
        excluded, unless all who are alive are; the agent holds no other live claim. The best:
        highest priority, then preferred for `agent`, then preferred for nobody, then oldest.
        """
        ...

    async def renew(self, claim: Claim, *, lease_s: float) -> None:
        """Extend the lease to `lease_s` seconds from now.

        `LeaseLost`: another agent has claimed the task, or it has ended.
        """
        ...

    async def finish(
        self,
        claim: Claim,
        *,
        state: Literal["done", "failed"] = "done",
        result: Mapping[str, Any] | None = None,
        then: Sequence[NewTask] = (),
    ) -> list[Task]:
        """End the task with its result and add the tasks `then`, in one transaction.

        Returns the added tasks. Tasks that wait for a failed one are cancelled. Raises `LeaseLost`
        as `renew` does and `BoardRefused` as `put` does; nothing is written then.
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

        Returns the results of both, and raises what `finish` raises.
        """
        ...

    async def release(self, claim: Claim, *, reason: str) -> None:
        """Give the task back, so that it is open again. Does nothing if the lease is lost."""
        ...

    async def release_waiting(self, label: str, *, besides: str = "") -> None:
        """What waits for the task `label` waits for it no longer, though it has not ended.

        The task `besides` goes on waiting for it.
        A task that has ended, or that there is none of, changes nothing.
        """
        ...

    async def cancel(self, label: str, *, by: str, reason: str) -> bool:
        """Cancel an open task and all tasks that wait for it; False if it is not open."""
        ...

    async def busy(self) -> bool:
        """Whether a task is open or claimed: cheaper than to read them all."""
        ...

    async def put_when_empty(self, task: NewTask, *, by: str) -> Task | None:
        """Add `task` and return it, if no task is open or claimed and its key is new; else None.

        If many agents call at once, one succeeds. What to do with an empty queue is itself decided
        in a task, so that one agent decides, and another takes over if that one dies.
        """
        ...

    async def close(self, *, by: str, reason: str) -> None:
        """End the trial: open tasks are cancelled, and no task is claimed or added any more."""
        ...

    async def closed(self) -> bool:
        """Whether the trial has ended."""
        ...

    async def tasks(self) -> list[Task]:
        """All tasks, oldest first."""
        ...

    async def wait(self, since: int, *, timeout_s: float) -> int:
        """Wait until `version` is greater than `since`, at most `timeout_s` seconds; return it.

        Changes by other processes are noticed within 0.1 s.
        """
        ...


class SharedContext(Protocol):
    """The entries of one trial, in one order for all readers, and the proposals behind them."""

    async def propose(self, proposal: Proposal) -> int:
        """Store a proposal before it is checked; return its number.

        `BoardRefused`: a text of it is too long, or it is of no known kind.
        """
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
        gist: str = "",
    ) -> Ruling:
        """Make proposal `number` an entry, or merge it into the entry that has the same `key`.

        `gist` stands in the entry in place of the proposal's gist and summary, where it is given.
        Where a person has vetoed the entry with that key the proposal is rejected.

        `raw` is what the check saw, `seconds` its duration. `verified` False: the evidence was not
        checked. `remembered`: the result of an earlier, equal check was used. The proposal and its
        event record both. `BoardRefused`: the proposal is settled already.
        """
        ...

    async def reject(self, number: int, *, reason: str, seconds: float) -> Ruling:
        """Reject proposal `number` with a reason for its author.

        `seconds` is the duration of the check. `BoardRefused`: it is settled already.
        """
        ...

    async def entries(self, after: int = 0) -> list[Entry]:
        """The entries with a position greater than `after`, in order."""
        ...

    async def entry(self, label: str) -> Entry | None:
        """The entry with that label; None if there is none."""
        ...

    async def count(self, label: str) -> int:
        """How many proposals are the entry: 1 and those merged into it; 0 without such an entry."""
        ...

    async def link(self, link: Link) -> bool:
        """Add a link; False if it exists already. `BoardRefused`: its target is no entry."""
        ...

    async def links(self, after: int = 0) -> list[Link]:
        """The links with a position greater than `after`, in order."""
        ...

    async def mark(self, mark: Mark) -> bool:
        """Add a person's mark; False if it exists already. `BoardRefused`: there is no entry."""
        ...

    async def marks(self, after: int = 0) -> list[Mark]:
        """The marks with a position greater than `after`, in order."""
        ...

    async def note_shown(self, conversation: str, labels: Sequence[str], level: Level) -> None:
        """Record that a conversation was shown entries at a level. The first time counts."""
        ...
