"""The shared context of one trial, in SQLite."""

from collections.abc import Sequence

from harness.board import limits
from harness.board.evidence import EVIDENCE, STORED, Evidence
from harness.board.protocols import BoardRefused, Entry, Link, Mark, Proposal, Ruling
from harness.board.vocabulary import LETTERS, EntryKind, Level, LinkKind, MarkKind, Settled
from harness.store.connection import Connection, Row, Run


def read_evidence(stored: str) -> Evidence:
    """Evidence from the JSON of its column. Its bounds are not checked again."""
    return EVIDENCE.validate_json(stored, context=STORED)


def _entry(row: Row) -> Entry:
    return Entry(
        label=row["label"],
        position=row["position"],
        key=row["key"],
        kind=EntryKind(row["kind"]),
        gist=row["gist"],
        summary=row["summary"],
        evidence=read_evidence(row["evidence"]),
        raw=row["raw"],
        author=row["author"],
        task=row["task"],
    )


def _veto(entry: Row, vetoed: Row) -> str:
    """Why what says the same as a vetoed entry is rejected, for its author."""
    return f"{entry['label']} says the same, and a person has vetoed it: {vetoed['reason']}"


class SqliteContext:
    """A `SharedContext` in SQLite. Docstrings here add what is specific to this backend."""

    def __init__(self, connection: Connection, trial_id: int) -> None:
        self._connection = connection
        self._trial = trial_id

    async def propose(self, proposal: Proposal) -> int:
        """See `SharedContext.propose`. Numbers are 1, 2, … in the trial."""
        if proposal.kind not in set(EntryKind):
            raise BoardRefused(f"an entry is one of {', '.join(EntryKind)}")
        evidence = proposal.evidence.model_dump_json()
        limits.check_proposal(proposal, evidence)
        with self._connection.write(self._trial) as run:
            rows = run(
                "propose",
                author=proposal.author,
                task=proposal.task,
                kind=proposal.kind,
                gist=proposal.gist,
                summary=proposal.summary,
                evidence=evidence,
                refutes=proposal.refutes,
            )
        return int(rows[0]["number"])

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
        """See `SharedContext.admit`. Looks the key up and adds the entry in one transaction."""
        key, raw = limits.short_key(key), limits.cut(raw, limits.MOST_RAW)
        with self._connection.write(self._trial) as run:
            proposal = self._unsettled(run, number)
            said_before = run("entry_of_key", key=key)
            for vetoed in run("vetoed", label=said_before[0]["label"]) if said_before else ():
                return self._rejected(run, number, _veto(said_before[0], vetoed), seconds)
            if said_before:
                entry, settled = _entry(said_before[0]), Settled.MERGED
            else:
                letter = LETTERS[EntryKind(proposal["kind"])]
                (row,) = run("admit", number=number, key=key, raw=raw, letter=letter, gist=gist)
                entry, settled = _entry(row), Settled.ADMITTED
            run(
                "settle",
                number=number,
                settled=settled,
                seconds=seconds,
                entry=entry.label,
                reason="",
                unverified=int(not verified),
                remembered=int(remembered),
            )
        return Ruling(settled=settled, entry=entry)

    async def reject(self, number: int, *, reason: str, seconds: float) -> Ruling:
        """See `SharedContext.reject`."""
        reason = limits.cut(reason, limits.MOST_TEXT)
        with self._connection.write(self._trial) as run:
            self._unsettled(run, number)
            return self._rejected(run, number, reason, seconds)

    def _rejected(self, run: Run, number: int, reason: str, seconds: float) -> Ruling:
        run(
            "settle",
            number=number,
            settled=Settled.REJECTED,
            seconds=seconds,
            entry=None,
            reason=reason,
            unverified=0,
            remembered=None,
        )
        return Ruling(settled=Settled.REJECTED, entry=None, reason=reason)

    def _unsettled(self, run: Run, number: int) -> Row:
        for row in run("proposal", number=number):
            if row["settled"] is not None:
                raise BoardRefused(f"proposal {number} is {row['settled']} already")
            return row
        raise BoardRefused(f"there is no proposal {number}")

    async def entries(self, after: int = 0) -> list[Entry]:
        """See `SharedContext.entries`."""
        return [_entry(row) for row in self._connection.read("entries", self._trial, after=after)]

    async def entry(self, label: str) -> Entry | None:
        """See `SharedContext.entry`."""
        for row in self._connection.read("entry", self._trial, label=label):
            return _entry(row)
        return None

    async def count(self, label: str) -> int:
        """See `SharedContext.count`."""
        return int(self._connection.read("count", self._trial, label=label)[0]["found"])

    async def link(self, link: Link) -> bool:
        """See `SharedContext.link`."""
        limits.check_length("a source", link.source, limits.MOST_NAME)
        if link.kind not in set(LinkKind):
            raise BoardRefused(f"a link is one of {', '.join(LinkKind)}")
        with self._connection.write(self._trial) as run:
            if not run("entry", label=link.target):
                raise BoardRefused(f"there is no entry {link.target[:80]!r}")
            return bool(run("link", source=link.source, target=link.target, kind=link.kind))

    async def links(self, after: int = 0) -> list[Link]:
        """See `SharedContext.links`."""
        return [
            Link(
                source=row["source"],
                target=row["target"],
                kind=LinkKind(row["kind"]),
                position=row["position"],
            )
            for row in self._connection.read("links", self._trial, after=after)
        ]

    async def mark(self, mark: Mark) -> bool:
        """See `SharedContext.mark`."""
        limits.check_length("a name", mark.by, limits.MOST_NAME)
        limits.check_length("a reason", mark.reason, limits.MOST_TEXT)
        with self._connection.write(self._trial) as run:
            if not run("entry", label=mark.label):
                raise BoardRefused(f"there is no entry {mark.label[:80]!r}")
            given = {"label": mark.label, "kind": str(mark.kind)}
            return bool(run("mark", **given, by=mark.by, reason=mark.reason))

    async def marks(self, after: int = 0) -> list[Mark]:
        """See `SharedContext.marks`."""
        return [
            Mark(
                label=row["label"],
                kind=MarkKind(row["kind"]),
                by=row["by"],
                reason=row["reason"],
                position=row["position"],
            )
            for row in self._connection.read("marks", self._trial, after=after)
        ]

    async def note_shown(self, conversation: str, labels: Sequence[str], level: Level) -> None:
        """See `SharedContext.note_shown`."""
        limits.check_length("a conversation's name", conversation, limits.MOST_NAME)
        if level not in set(Level):
            raise BoardRefused(f"an entry is shown as one of {', '.join(Level)}")
        if not labels:
            return
        with self._connection.write(self._trial) as run:
            for label in labels:
                run(
                    "note_shown",
                    conversation=conversation,
                    label=label[: limits.MOST_NAME],
                    level=level,
                )
