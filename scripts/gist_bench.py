"""True and false gists beside evidence that holds, through the gate: without and with a verifier.

Part of `bench_admission.py`. Answers are as an agent's: three findings at a time, true and false.
"""

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gist_cases import COMPOUND, PAIRS, PATCH_FALSE, PATCH_TRUE, Pair

from agents.admission.executed import ExecutedEvidence
from agents.admission.gate import Gate
from agents.admission.gist_check import answer_checker
from harness.board.evidence import EVIDENCE
from harness.board.protocols import Proposal
from harness.board.sqlite.board import SqliteBoard
from harness.board.vocabulary import EntryKind
from harness.protocols import Model, Sandboxes
from harness.runner.check_cache import FileCheckCache
from harness.types import Item, Reply

ANSWER = 3  # findings of one answer
COMMAND_S, CHECK_S = 60.0, 180.0


@dataclass(slots=True)
class Counts:
    """What became of the gists with or without a verifier."""

    entered: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})  # by truth
    rewritten: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})
    wrong: list[str] = field(default_factory=list)  # with what was said


class KnowsAll:
    """A verifier that knows which gists are false, and words its answers as models do."""

    def __init__(self, false: frozenset[str]) -> None:
        self._false = false
        self._asked = 0

    async def complete(self, messages: Sequence[Mapping[str, Any]], _: Any) -> Reply:
        """One line a finding; every fifth answer is no answer until it is asked for again."""
        self._asked += 1
        if len(messages) == 1 and self._asked % 5 == 0:
            return Reply(content="I compared them with care.")
        found = re.findall(r"<finding>\n(.*?)\n</finding>", messages[0]["content"], re.DOTALL)
        form = ("{} {}", "**{}.** {}", "Finding {}: {}")[self._asked % 3]
        said = ["WRONG: it says more." if each in self._false else "APPROVED" for each in found]
        return Reply(content="\n".join(form.format(n, each) for n, each in enumerate(said, 1)))


def cases(item: Item) -> list[tuple[bool, EntryKind, Mapping[str, Any], str]]:
    """Truth, kind, evidence and gist: the true ones, then the false ones."""
    patch = {"form": "patch", "diff": item.reference.patch, "command": COMPOUND}
    pairs = [*PAIRS, Pair(EntryKind.PATCH, patch, PATCH_TRUE, PATCH_FALSE)]
    return [
        (truth, pair.kind, pair.evidence, pair.true if truth else pair.false)
        for truth in (True, False)
        for pair in pairs
    ]


async def measure_gists(
    item: Item, sandboxes: Sandboxes, verifier: Model | None
) -> tuple[Counts, Counts]:
    """The counts without a verifier and with one; None: the scripted one."""
    every = cases(item)
    false = frozenset(gist for truth, _, _, gist in every if not truth)
    model = verifier or KnowsAll(false)
    await sandboxes.prepare([item], print)
    async with sandboxes.holding(item):
        pristine = await sandboxes.open(item, purpose="agents")
        try:
            with tempfile.TemporaryDirectory() as folder:
                bench = _Bench(pristine, Path(folder))
                return (
                    await bench.through(every, None),
                    await bench.through(every, model),
                )
        finally:
            await pristine.close()


class _Bench:
    """Gates over one pristine sandbox; every answer has a board of its own, so that none merges."""

    def __init__(self, pristine: Any, folder: Path) -> None:
        self._pristine = pristine
        self._board = SqliteBoard(folder / "board.db")
        self._cache = FileCheckCache(folder / "checks")
        self._boards = 0

    async def through(
        self, every: Sequence[tuple[bool, EntryKind, Mapping[str, Any], str]], model: Model | None
    ) -> Counts:
        """All of them, each in an answer with the ones that are a third of the list further on."""
        counts, third = Counts(), -(-len(every) // ANSWER)
        for first in range(third):
            answer = every[first::third]
            gate = self._gate(model)
            proposals = [
                Proposal(
                    kind=kind, gist=gist, summary="", evidence=EVIDENCE.validate_python(evidence),
                    author="agent-1", task="localize-1",
                )
                for _, kind, evidence, gist in answer
            ]  # fmt: skip
            for (truth, *_, gist), ruling in zip(
                answer, await gate.submit_all(proposals), strict=True
            ):
                as_said = ruling.entry is not None and ruling.entry.gist == gist
                counts.entered[truth] += as_said
                counts.rewritten[truth] += ruling.entry is not None and not as_said
                if as_said != truth and model:
                    became = ruling.entry.gist if ruling.entry else ruling.reason
                    counts.wrong.append(f"{gist} ({became})")
        return counts

    def _gate(self, model: Model | None) -> Gate:
        self._boards += 1
        context = self._board.of(self._boards).context
        checks = ExecutedEvidence(
            self._pristine,
            context,
            command_s=COMMAND_S,
            time_limit_s=CHECK_S,
            count_tokens=lambda text: len(text.split()),
            check_cache=self._cache,
        )
        checker = answer_checker(lambda name, agent: model) if model else None
        return Gate(context, checks.by_form(), checker=checker)
