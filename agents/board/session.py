"""The board as one agent sees it during a task: new entries, and the tools of the board."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from agents.board.shown import cited, in_turn, more_words, near
from agents.board.verdicts import Verdicts
from agents.copies.attachments import attached_to, put_files
from agents.prompts import one_line, render
from agents.tools import BadCall
from agents.vetoes import in_words
from harness.board.evidence import ATTACHED, Command, Patch, state_of
from harness.board.protocols import (
    Claim,
    Entry,
    Link,
    Proposal,
    Ruling,
    SharedContext,
    TaskQueue,
)
from harness.board.vocabulary import (
    BASE,
    ENTRY_LABEL,
    EntryKind,
    Level,
    LinkKind,
    MarkKind,
    Settled,
)
from harness.errors import SandboxError
from harness.protocols import Sandbox
from harness.types import Message

REFUSAL = "Refused: "
OPENING = 0.75  # the share of `context_tokens` that an opening may fill
QUOTED = 60  # characters of an own finding, in what its author is told of it


@dataclass(slots=True)
class BoardSession:
    """The state of one conversation on the board."""

    queue: TaskQueue
    context: SharedContext
    claim: Claim
    conversation: str
    judge: Callable[[Proposal], Awaitable[Ruling]] | None = None
    workspace: Sandbox | None = None  # the copy of the repository, where there is one
    verdicts: Verdicts | None = None  # where findings are checked while their author goes on
    peers: bool = True  # whether news tell of what others have found meanwhile
    sharing: bool = True
    max_tasks: int = 0  # of the trial; an agent adds none beyond it. 0: any number
    read_to: int = 0  # position of the last entry that this conversation was told of
    links_to: int = 0
    marks_to: int = 0
    pinned: set[str] = field(default_factory=set)  # labels
    vetoed: dict[str, str] = field(default_factory=dict)  # by label, that and why in words
    context_tokens: int = 0  # of the shared context in its prompts; 0: any number
    diff_chars: int = 0  # of a PATCH's diff that is shown with it; a longer one is not
    count_tokens: Callable[[str], int] = len
    shown_tokens: int = 0
    hidden: Counter[str] = field(default_factory=Counter)  # entries that had no room, by kind
    known: set[str] = field(default_factory=set)
    patch: tuple[str, str] = ("", "")  # label and diff of the PATCH admitted last
    applied: list[str] = field(default_factory=list)  # labels of PATCHes merged into the copy
    warned: set[str] = field(default_factory=set)  # notices that it was given
    untold: list[str] = field(default_factory=list)  # rulings on its findings, as it is told them
    report: str = ""  # what its agent finished the task with
    reported: set[str] = field(default_factory=set)  # labels of tasks whose reports it was told
    same: str = ""  # label of another's PATCH that its task hands in
    added: int = 0
    published: int = 0

    def go_on_from(self, before: "BoardSession") -> None:
        """Know what the conversation `before` knew, which this one goes on with."""
        self.read_to, self.links_to = before.read_to, before.links_to
        self.known |= before.known
        self.marks_to, self.pinned, self.vetoed = before.marks_to, before.pinned, before.vetoed
        self.shown_tokens, self.hidden = before.shown_tokens, before.hidden
        self.patch = before.patch
        self.warned = before.warned
        self.reported = before.reported
        self.applied = before.applied
        self.untold = before.untold

    def forget(self) -> None:
        """Know nothing of the context: the conversation begins anew."""
        self.read_to = self.links_to = self.shown_tokens = 0
        self.known.clear()
        self.hidden.clear()
        self.reported.clear()

    async def lines(self, *, opening: bool = False) -> list[str]:
        """What is new in the context, entry by entry, in the order of admission.

        What has no room within `context_tokens` is counted; an `opening` leaves some for news.
        What a person has pinned has room always; what one has vetoed is not shown.
        """
        vetoes = await self._vetoes()
        entries = [*await self._pinned_late(), *await self.context.entries(after=self.read_to)]
        mine = [entry for entry in entries if self.sees(entry)]
        fresh = await self._with_room(
            [entry for entry in mine if entry.label not in self.known],
            OPENING if opening else 1,
        )
        self.read_to = max([self.read_to, *(entry.position for entry in entries)])
        self.known.update(entry.label for entry in fresh)
        own_files = [line for entry in mine for line in await self._take_files(entry)]
        links = await self.context.links(after=self.links_to)
        self.links_to = max([self.links_to, *(link.position for link in links)])
        if fresh:
            await self.context.note_shown(
                self.conversation, [entry.label for entry in fresh], Level.GIST
            )
        more = vetoes + [
            link_line(link)
            for link in links
            if link.kind != LinkKind.CITES and {link.source, link.target} <= self.known
        ]
        if self.hidden.total() and (opening or fresh):
            more.append(more_words(self.hidden))
        if self.context_tokens:
            self.shown_tokens += sum(map(self.count_tokens, more))
        return [*map(self._shown, fresh), *own_files, *more]

    async def _vetoes(self) -> list[str]:
        """Take note of what persons have said of entries; lines on vetoed ones that the
        conversation was told of."""
        told = []
        for mark in await self.context.marks(after=self.marks_to):
            self.marks_to = mark.position
            if mark.kind == MarkKind.PINNED:
                self.pinned.add(mark.label)
                continue
            self.vetoed[mark.label] = in_words(mark)
            if self.patch[0] == mark.label:
                self.patch = ("", "")
            if mark.label in self.known:
                self.known.discard(mark.label)
                told.append(self.vetoed[mark.label])
        return told

    async def _pinned_late(self) -> list[Entry]:
        """Pinned entries that had no room when they were read."""
        labels = sorted(self.pinned - self.known - self.vetoed.keys())
        found = [await self.context.entry(label) for label in labels]
        return [entry for entry in found if entry and entry.position <= self.read_to]

    def _shown(self, entry: Entry) -> str:
        """An entry as the agent is told of it: one line, and the diff of a short patch."""
        line, evidence = line_of(entry), entry.evidence
        if isinstance(evidence, Patch) and len(evidence.diff) <= self.diff_chars:
            return f"{line}\n{evidence.diff.rstrip()}"
        return line

    async def _with_room(self, entries: Sequence[Entry], share: float) -> list[Entry]:
        """Those that a prompt may show of new entries, in their order."""
        if not self.context_tokens:
            return list(entries)
        sizes = {entry.label: self.count_tokens(self._shown(entry)) + 1 for entry in entries}
        room = int(self.context_tokens * share) - self.shown_tokens
        shown = set(sizes)
        if sum(sizes.values()) > room:
            task = self.claim.task
            named = [await self.context.entry(label) for label in cited(task.text, task.subject)]
            about = near(task.text, [entry for entry in named if entry is not None])
            shown = self.pinned & set(sizes)
            left = room - self.count_tokens(more_words(Counter(map(str, EntryKind)))) - 1
            left -= sum(sizes[label] for label in shown)
            for entry in in_turn(entries, about):
                if entry.label not in shown and sizes[entry.label] <= left:
                    shown.add(entry.label)
                    left -= sizes[entry.label]
            self.hidden.update(str(e.kind) for e in entries if e.label not in shown)
        self.shown_tokens += sum(sizes[label] for label in shown)
        return [entry for entry in entries if entry.label in shown]

    async def _take_files(self, entry: Entry) -> list[str]:
        """Write the files of an entry into the copy; lines on own ones that were in their place."""
        files, told = attached_to(entry.evidence), []
        if self.workspace is None or not files:
            return []
        try:
            for name, text in files.items():
                path = f"{ATTACHED}{name}"
                own = await _content(self.workspace, path)
                if own is not None and own != text.encode():
                    await self.workspace.write(f"{path}.own", own)
                    told.append(f"{path} is {entry.label}'s; what you had there is {path}.own now.")
            await put_files(self.workspace, files)
        except SandboxError as error:  # what its agent did there is in the way
            told.append(f"{entry.label}'s files could not be written: {one_line(str(error), 200)}")
        return told

    async def news(self) -> str:
        """The text for the end of a turn's last observation.

        First the rulings on the findings of earlier answers, which it waits for: what an agent is
        told at a turn so does not depend on how long a check takes. Then what is new.
        """
        if self.verdicts is not None:
            await self.rule()
            self.verdicts.start()
        verdicts, self.untold = self.untold, []
        lines = await self.lines() if self.peers else await self._vetoes()
        return render("delm_news", verdicts=verdicts, lines=lines) if verdicts or lines else ""

    async def rule(self) -> list[Ruling]:
        """Wait for the rulings on all findings that are being checked; they will be told."""
        rulings = []
        for proposal, ruling in await self.verdicts.settled() if self.verdicts else ():
            self.untold.append(self.ruled(proposal, ruling))
            rulings.append(ruling)
        return rulings

    def refusals(self) -> str:
        """Those of the rulings that are still to be told that refuse, which are told by this."""
        refused = [told for told in self.untold if told.startswith(REFUSAL)]
        self.untold = [told for told in self.untold if told not in refused]
        return " ".join(refused)

    def ruled(self, proposal: Proposal, ruling: Ruling) -> str:
        """Take note of a ruling on an own finding; in words for its author."""
        entry = ruling.entry
        if entry is None:
            return f"{REFUSAL}{one_line(proposal.gist, QUOTED)!r}: {ruling.reason}"
        told = entry.label in self.known or ruling.settled == Settled.ADMITTED
        self.known.add(entry.label)
        if isinstance(proposal.evidence, Patch):
            self.patch = (entry.label, proposal.evidence.diff)
        if ruling.settled == Settled.ADMITTED:
            if entry.gist != proposal.gist:
                return f"Admitted as {entry.label}, as far as its evidence shows: {entry.gist}"
            return f"Admitted as {entry.label}: {one_line(proposal.gist, QUOTED)!r}"
        return f"Known already: {entry.label if told else line_of(entry)}"

    async def cite(self, messages: list[Message], *, source: str = "") -> None:
        """Record the labels that the agent named as citations of its task, or of `source`."""
        for label in dict.fromkeys(ENTRY_LABEL.findall(" ".join(map(_own_words, messages)))):
            if label in self.known:
                await self.context.link(
                    Link(source=source or self.claim.task.label, target=label, kind=LinkKind.CITES)
                )

    def sees(self, entry: Entry) -> bool:
        """Whether the agent may see an entry."""
        return entry.label not in self.vetoed and (self.sharing or entry.author == self.claim.agent)

    async def entry(self, label: str) -> Entry:
        """An entry that this agent may see. Raises `BadCall` for any other label."""
        entry = await self.context.entry(label)
        if label in self.vetoed:
            raise BadCall(self.vetoed[label])
        if entry is None or not self.sees(entry):
            there = ", ".join(sorted(self.known, key=lambda known: int(known[1:]))) or "none yet"
            raise BadCall(f"There is no entry {label!r}. There are: {there}.")
        return entry


def line_of(entry: Entry) -> str:
    """An entry in one line, as in every prompt."""
    state = state_of(entry.evidence)
    on = "" if state == BASE else f" on {state}"
    if isinstance(entry.evidence, Command) and entry.evidence.changes and not on:
        on = " on an attempt"
    return f"{entry.label} {entry.kind}{on} ({entry.task}): {' '.join(entry.gist.split())}"


def link_line(link: Link) -> str:
    """How one entry refers to another, as in every prompt."""
    match link.kind:
        case LinkKind.REPLACES:
            return f"{link.target} is replaced by {link.source}."
        case LinkKind.EQUALS:
            return f"{link.source} makes the same change as {link.target}."
    return f"{link.source} {link.kind} {link.target}."


async def _content(workspace: Sandbox, path: str) -> bytes | None:
    """The bytes of a file; None where there is none that can be read."""
    try:
        return await workspace.read(path)
    except SandboxError:
        return None


def _own_words(message: Message) -> str:
    if message.get("role") != "assistant":
        return ""
    calls = message.get("tool_calls") or ()
    return " ".join(
        [str(message.get("content") or ""), *(c["function"]["arguments"] for c in calls)]
    )
