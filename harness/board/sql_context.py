"""The shared context of one trial, in a database."""

from collections.abc import Sequence

from harness.board import limits
from harness.board.evidence import EVIDENCE, STORED, Evidence
from harness.board.protocols import BoardRefused, Entry, Link, Mark, Proposal, Ruling
from harness.board.vocabulary import LETTERS, EntryKind, Level, LinkKind, MarkKind, Settled
from harness.store.database import Database, Row, Run


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


class SqlContext:
    """A `SharedContext`. Docstrings here add what is specific to databases."""

    def __init__(self, database: Database, trial_id: int) -> None:
        self._database = database
        self._trial = trial_id

    async def propose(self, proposal: Proposal) -> int:
        """See `SharedContext.propose`. Numbers are 1, 2, … in the trial."""
        if proposal.kind not in set(EntryKind):
            raise BoardRefused(f"an entry is one of {', '.join(EntryKind)}")
        evidence = proposal.evidence.model_dump_json()
        limits.check_proposal(proposal, evidence)

        async def body(run: Run) -> int:
            (row,) = await run(
                "propose",
                author=proposal.author,
                task=proposal.task,
                kind=proposal.kind,
                gist=proposal.gist,
                summary=proposal.summary,
                evidence=evidence,
                refutes=proposal.refutes,
            )
            return int(row["number"])

        return await self._database.write(body, self._trial, alone=True)

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

        async def body(run: Run) -> Ruling:
            proposal = await self._unsettled(run, number)
            said_before = await run("entry_of_key", key=key)
            for vetoed in await run("vetoed", label=said_before[0]["label"]) if said_before else ():
                return await self._rejected(run, number, _veto(said_before[0], vetoed), seconds)
            if said_before:
                entry, settled = _entry(said_before[0]), Settled.MERGED
            else:
                letter = LETTERS[EntryKind(proposal["kind"])]
                (row,) = await run(
                    "admit", number=number, key=key, raw=raw, letter=letter, gist=gist
                )
                entry, settled = _entry(row), Settled.ADMITTED
            await run(
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

        return await self._database.write(body, self._trial, alone=True)

    async def reject(self, number: int, *, reason: str, seconds: float) -> Ruling:
        """See `SharedContext.reject`."""
        reason = limits.cut(reason, limits.MOST_TEXT)

        async def body(run: Run) -> Ruling:
            await self._unsettled(run, number)
            return await self._rejected(run, number, reason, seconds)

        return await self._database.write(body, self._trial, alone=True)

    async def _rejected(self, run: Run, number: int, reason: str, seconds: float) -> Ruling:
        await run(
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

    async def _unsettled(self, run: Run, number: int) -> Row:
        for row in await run("proposal", number=number):
            if row["settled"] is not None:
                raise BoardRefused(f"proposal {number} is {row['settled']} already")
            return row
        raise BoardRefused(f"there is no proposal {number}")

    async def entries(self, after: int = 0) -> list[Entry]:
        """See `SharedContext.entries`."""
        return [
            _entry(row) for row in await self._database.read("entries", self._trial, after=after)
        ]

    async def entry(self, label: str) -> Entry | None:
        """See `SharedContext.entry`."""
        for row in await self._database.read("entry", self._trial, label=label):
            return _entry(row)
        return None

    async def count(self, label: str) -> int:
        """See `SharedContext.count`."""
        return int((await self._database.read("count", self._trial, label=label))[0]["found"])

    async def link(self, link: Link) -> bool:
        """See `SharedContext.link`."""
        limits.check_length("a source", link.source, limits.MOST_NAME)
        if link.kind not in set(LinkKind):
            raise BoardRefused(f"a link is one of {', '.join(LinkKind)}")

        async def body(run: Run) -> bool:
            if not await run("entry", label=link.target):
                raise BoardRefused(f"there is no entry {link.target[:80]!r}")
            return bool(await run("link", source=link.source, target=link.target, kind=link.kind))

        return await self._database.write(body, self._trial, alone=True)

    async def links(self, after: int = 0) -> list[Link]:
        """See `SharedContext.links`."""
        return [
            Link(
                source=row["source"],
                target=row["target"],
                kind=LinkKind(row["kind"]),
                position=row["position"],
            )
            for row in await self._database.read("links", self._trial, after=after)
        ]

    async def mark(self, mark: Mark) -> bool:
        """See `SharedContext.mark`."""
        limits.check_length("a name", mark.by, limits.MOST_NAME)
        limits.check_length("a reason", mark.reason, limits.MOST_TEXT)

        async def body(run: Run) -> bool:
            if not await run("entry", label=mark.label):
                raise BoardRefused(f"there is no entry {mark.label[:80]!r}")
            given = {"label": mark.label, "kind": str(mark.kind)}
            return bool(await run("mark", **given, by=mark.by, reason=mark.reason))

        return await self._database.write(body, self._trial, alone=True)

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
            for row in await self._database.read("marks", self._trial, after=after)
        ]

    async def note_shown(self, conversation: str, labels: Sequence[str], level: Level) -> None:
        """See `SharedContext.note_shown`."""
        limits.check_length("a conversation's name", conversation, limits.MOST_NAME)
        if level not in set(Level):
            raise BoardRefused(f"an entry is shown as one of {', '.join(Level)}")
        if not labels:
            return

        async def body(run: Run) -> None:
            for label in labels:
                await run(
                    "note_shown",
                    conversation=conversation,
                    label=label[: limits.MOST_NAME],
                    level=level,
                )

        await self._database.write(body, self._trial)
