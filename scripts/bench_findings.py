"""What the gate makes of findings about documents: true ones that it refuses, false ones it admits.

    python scripts/bench_findings.py [--quick] [--bare] [--model NAME]

The cases are in `finding_cases.py`. Each goes through the gate twice: with the document whole, and
with it cut into parts; `--quick` takes it whole only. `--bare` shows the checker neither the
question nor the sentences beside a quotation. The program's part is the real one. In the place of
the checking model stands a program that reads the prompt and nothing else: it compares numbers,
names, qualifiers and negations with the evidence and the question in it. So the figure says what
the program refuses and what a checker can see, not how well a model judges; for that give a
`--model`, which costs what it costs.

The last line is the figure. Exit code 1: 5 % or more of the true findings are refused, or 5 % or
more of the false ones are admitted.
"""

import argparse
import itertools
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from finding_cases import CHOICES, DOCUMENTS, FALSE, QUESTION, TRUE, Case
from rich.console import Console
from rich.table import Table

from agents.admission.gate import Gate
from agents.admission.gist_check import Checker, gist_checker, one_by_one
from agents.documents.chunking import Headings
from agents.documents.evidence import PartCheck, QuotationCheck
from agents.documents.quotes import NotThere, quoted, strange_numbers
from harness import event_loop
from harness.board.evidence import Part, Quotation, Quotations
from harness.board.protocols import Proposal, SharedContext
from harness.board.sqlite.board import SqliteBoard
from harness.board.vocabulary import DOCUMENT, EntryKind, Settled
from harness.model.backend import CallKey
from harness.model.replay import backend_for
from harness.model.token_count import count
from harness.types import Message, Reply

MOST_REFUSED = MOST_ADMITTED = 0.05
NAME = re.compile(r"(?<![.!?] )(?<!^)\b[A-Z][a-z]+\b")
QUALIFIER = re.compile(r"\b(in part|may|not|nobody|no)\b", re.IGNORECASE)
OF_NUMBER = re.compile(r"\b(about|up to) (\d[\d,. ]*\d|\d)")


class Comparing:
    """A `Model` that answers the prompt of `check_finding` by comparing words."""

    async def complete(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]
    ) -> Reply:
        prompt = str(messages[-1]["content"])
        finding = _within(prompt, "finding")
        evidence = _within(prompt, "evidence").partition("\n\nIn none of these")[0]
        asked = prompt.partition("<question>")[2].partition("<finding>")[0]
        quotations = " ".join(re.findall(r"<quotation>\n(.*?)\n</quotation>", evidence, re.DOTALL))
        known = f"{evidence}\n{asked.partition('</question>')[0]}"
        fault = next(
            (f"the number {number} stands nowhere" for number in strange_numbers(finding, known)),
            "",
        )
        names = set(NAME.findall(finding)) - set(re.findall(r"\w+", evidence + asked))
        if names and not _dates(names, evidence):
            fault = fault or f"the name {min(names)} stands nowhere"
        for word in _qualifiers(_sentence(quotations, finding)) - _qualifiers(finding):
            fault = fault or f"it drops {word!r}"
        for word, number in OF_NUMBER.findall(quotations):
            if word not in finding and not strange_numbers(number, finding):
                fault = fault or f"it drops {word!r}"
        return Reply(content=f"WRONG: {fault}." if fault else "APPROVED")


class Asked:
    """A `Model` behind a provider."""

    def __init__(self, name: str) -> None:
        self._backend, _ = backend_for(name)
        self._calls = 0

    async def complete(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]
    ) -> Reply:
        self._calls += 1
        key = CallKey(
            system="bench", instance_id="findings", trial=0, conversation=f"judge-{self._calls}",
            position=0,
        )  # fmt: skip
        return await self._backend.attempt(
            key, messages, [], max_output_tokens=2_000, timeout_s=300
        )


def _within(prompt: str, tag: str) -> str:
    return prompt.partition(f"<{tag}>\n")[2].partition(f"\n</{tag}>")[0]


def _dates(names: set[str], evidence: str) -> bool:
    """Whether the names are months, and the evidence has a date in figures."""
    return names <= {"March"} and bool(re.search(r"\d{4}-03-\d\d", evidence))


def _qualifiers(text: str) -> set[str]:
    return {word.lower() for word in QUALIFIER.findall(text)}


def _sentence(quotations: str, finding: str) -> str:
    """The quotations, where the finding speaks of the same: it has most of their longer words."""
    words = {word.lower()[:5] for word in re.findall(r"[a-z]{5,}", quotations)}
    told = {word.lower()[:5] for word in re.findall(r"[a-z]{5,}", finding)}
    return quotations if words and len(words & told) * 2 >= min(len(words), len(told)) else ""


async def settle(
    case: Case, context: SharedContext, checker: Checker, *, whole: bool, bare: bool
) -> str:
    """Why the finding is refused by a gate of an empty `context`; empty where it is admitted."""
    parts = DOCUMENTS[case.document]
    text = "".join(parts)
    quotations = QuotationCheck(
        context=context,
        count_tokens=count,
        document=text,
        headings=Headings(text),
        question="" if bare else "\n".join([QUESTION, *CHOICES.values()]),
        nearby=0 if bare else 1,
    )
    checks = {Quotations: quotations, Part: PartCheck(text=text)}
    gate = Gate(context, checks, checker=checker)
    labels = [] if whole else [await _entered(gate, parts, n) for n in range(len(parts))]
    given = [Quotation(label=_label(labels, parts, q), quote=q) for q in case.quotes]
    ruling = await gate.submit(
        Proposal(
            kind=EntryKind.FACT,
            gist=case.finding,
            summary="",
            author="agent-1",
            task="find-1",
            evidence=Quotations(quotations=tuple(given)),
        )
    )
    return "" if ruling.settled == Settled.ADMITTED else ruling.reason


async def _entered(gate: Gate, parts: Sequence[str], number: int) -> str:
    start = sum(map(len, parts[:number]))
    part = Part(start=start, end=start + len(parts[number]), claims=0, refused=0)
    ruling = await gate.submit(
        Proposal(
            kind=EntryKind.FACT,
            gist="A part.",
            summary="",
            author="agent-1",
            task=f"read-{number + 1}",
            evidence=part,
        )
    )
    assert ruling.entry is not None
    return ruling.entry.label


def _label(labels: Sequence[str], parts: Sequence[str], quote: str) -> str:
    """The part in which the words stand, else the first."""
    if not labels:
        return DOCUMENT
    for label, part in zip(labels, parts, strict=True):
        try:
            quoted(part, quote)
        except NotThere:
            continue
        return label
    return labels[0]


async def run(options: argparse.Namespace) -> int:
    """All cases; the exit code."""
    model = Asked(options.model) if options.model else Comparing()
    shown = {"question": ""} if options.bare else {"question": QUESTION, "choices": CHOICES}
    checker = one_by_one(gist_checker(lambda name: model, template="check_finding", values=shown))
    counts: Counter[tuple[bool, str, bool]] = Counter()
    trials = itertools.count(1)
    with (
        tempfile.TemporaryDirectory() as place,
        closing(SqliteBoard(Path(place) / "board.db")) as board,
    ):
        for true, case in [(True, case) for case in TRUE] + [(False, case) for case in FALSE]:
            reasons = [
                await settle(
                    case, board.of(next(trials)).context, checker, whole=whole, bare=options.bare
                )
                for whole in ((True,) if options.quick else (True, False))
            ]
            # a true one has to get in both ways, a false one in none
            admitted = not any(reasons) if true else not all(reasons)
            counts[true, case.why, admitted] += 1
            if admitted != true:
                print(f"{'refused' if true else 'admitted'}: {case.finding} {max(reasons)}")
    return show(counts)


def show(counts: Counter[tuple[bool, str, bool]]) -> int:
    """The table and the figure; the exit code."""
    table = Table("finding", "kind", "cases", "admitted", "refused")
    for true, why in dict.fromkeys(key[:2] for key in counts):
        got, kept_out = counts[true, why, True], counts[true, why, False]
        row = "true" if true else "false", why, str(got + kept_out), str(got), str(kept_out)
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 100).print(table)
    refused = sum(n for (true, _, admitted), n in counts.items() if true and not admitted)
    wrong = sum(n for (true, _, admitted), n in counts.items() if not true and admitted)
    print(
        f"refused {refused} of {len(TRUE)} true findings ({refused / len(TRUE):.1%}), admitted "
        f"{wrong} of {len(FALSE)} false ones"
    )
    return int(refused >= MOST_REFUSED * len(TRUE) or wrong >= MOST_ADMITTED * len(FALSE))


def main() -> None:
    parser = argparse.ArgumentParser(description="True findings refused, false ones admitted.")
    parser.add_argument("--quick", action="store_true", help="each document whole only")
    parser.add_argument("--bare", action="store_true", help="quotations alone, no question")
    parser.add_argument("--model", default="", help="ask a real model in the checker's place")
    sys.exit(event_loop.run(run, parser.parse_args()))


if __name__ == "__main__":
    main()
