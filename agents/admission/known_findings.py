"""Which admitted finding a proposal repeats."""

import re
import shlex
from collections import defaultdict
from dataclasses import dataclass

from agents.admission.evidence import normal_gist
from agents.admission.shell_words import normal_command
from harness.board.evidence import Command, Evidence, Part, Patch, Span, state_of
from harness.board.protocols import Proposal, SharedContext
from harness.board.vocabulary import EntryKind

_PLACE = re.compile(r"FACT span (\S+) (.+):(\d+)-(\d+)$")
_TAKES_A_VALUE = frozenset(
    ("--deselect", "--ignore", "--rootdir", "--confcutdir", "-c", "-o", "-p", "-W", "-k", "-m")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Lines of a file in a state, and the key of the finding that quotes them."""

    first: int
    last: int
    key: str

    def covers(self, other: "Lines") -> bool:
        """Whether at least half of the other lines are among these."""
        shared = min(self.last, other.last) - max(self.first, other.first) + 1
        return 2 * shared >= other.last - other.first + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The tests that a pytest command names, and the rest of it."""

    tests: tuple[str, ...]  # files, folders and ids; none: all there are
    rest: tuple[str, ...]

    def covers(self, other: "Selection") -> bool:
        """Whether the same command runs all tests of the other one, and maybe more."""
        named = bool(other.tests) and all(map(self._selects, other.tests))
        return self.rest == other.rest and (named or not self.tests)

    def _selects(self, test: str) -> bool:
        return any(
            test == mine or test.startswith((f"{mine}::", f"{mine}[", f"{mine.rstrip('/')}/"))
            for mine in self.tests
        )


def selection_of(command: str) -> Selection | None:
    """What a pytest command selects; None for any other command."""
    try:
        words = shlex.split(normal_command(command))
    except ValueError:
        return None
    if not any(word.rpartition("/")[2] in ("pytest", "py.test") for word in words):
        return None
    tests, rest, before = [], [], ""
    for word in words:
        is_test = ".py" in word or "::" in word or word.endswith("/") or word in ("tests", "test")
        if is_test and before not in _TAKES_A_VALUE and not word.startswith("-"):
            tests.append(word.removeprefix("/testbed/").removeprefix("./"))
        else:
            rest.append(word)
        before = word
    return Selection(tests=tuple(tests), rest=tuple(rest))


class KnownFindings:
    """The admitted findings of a context, by what a proposal can repeat of them.

    Each entry is read once. `apart`: what one agent has found is no repetition of another's.
    """

    def __init__(self, context: SharedContext, *, apart: bool = False) -> None:
        self._context = context
        self._apart = apart
        self._read_to = 0
        self._keys: set[str] = set()
        self._gists: dict[tuple[str, str, str], list[tuple[Evidence, str]]] = defaultdict(list)
        self._lines: dict[tuple[str, str, str], list[Lines]] = defaultdict(list)
        self._selections: dict[tuple[str, tuple[str, ...]], list[tuple[Selection, str]]] = (
            defaultdict(list)
        )

    async def key(self, proposal: Proposal, key: str) -> str:
        """The key of the finding that `proposal` repeats, or its own, which is made of `key`.

        It repeats one of its kind with the same gist, unless their evidence speaks of two things; a
        FACT one that quotes half of its lines or more; a CONSTRAINT one whose pytest command
        selects its tests, too.
        """
        if isinstance(proposal.evidence, Part):
            return key
        await self._read()
        owner = proposal.author if self._apart else ""
        said_before = self._gists.get((owner, proposal.kind, normal_gist(proposal.gist)), ())
        same = (known for each, known in said_before if _of_one_thing(each, proposal.evidence))
        near = next(same, "") or self._near(owner, proposal.kind, proposal.evidence, key)
        return near or (f"{proposal.author}:{key}" if self._apart else key)

    async def repeats(self, proposal: Proposal, key: str) -> bool:
        """Whether `proposal` says what an admitted finding says, and so nobody will read it."""
        return await self.key(proposal, key) in self._keys

    def _near(self, owner: str, kind: EntryKind, evidence: Evidence, key: str) -> str:
        if place := _PLACE.search(key):
            quoted = Lines(first=int(place[3]), last=int(place[4]), key=key)
            known = self._lines.get((owner, place[1], place[2]), ())
            return next((each.key for each in known if each.covers(quoted)), "")
        if selection := _selected(kind, evidence):
            found = self._selections.get((owner, selection.rest), ())
            return next((other for each, other in found if each.covers(selection)), "")
        return ""

    async def _read(self) -> None:
        """Take note of the entries that are new."""
        for entry in await self._context.entries(after=self._read_to):
            self._read_to = entry.position
            self._keys.add(entry.key)
            if isinstance(entry.evidence, Part):
                continue
            owner = entry.author if self._apart else ""
            gist = (owner, entry.kind, normal_gist(entry.gist))
            self._gists[gist].append((entry.evidence, entry.key))
            if place := _PLACE.search(entry.key):
                lines = Lines(first=int(place[3]), last=int(place[4]), key=entry.key)
                self._lines[owner, place[1], place[2]].append(lines)
            elif selection := _selected(entry.kind, entry.evidence):
                self._selections[owner, selection.rest].append((selection, entry.key))


def _of_one_thing(one: Evidence, other: Evidence) -> bool:
    """Whether evidence for one and the same gist can be of one thing.

    Not two patches, other states, other ends of commands, or quotes of two files.
    """
    match one, other:
        case (Patch(), _) | (_, Patch()):
            return False
        case Command(), Command() if one.exit_status != other.exit_status:
            return False
        case Span(), Span() if one.path != other.path:
            return False
    return state_of(one) == state_of(other)


def _selected(kind: EntryKind, evidence: Evidence) -> Selection | None:
    """What the command of a CONSTRAINT selects."""
    if kind == EntryKind.CONSTRAINT and isinstance(evidence, Command):
        return selection_of(evidence.command)
    return None
