"""What the gate lets through: true and false proposals on real instances, checked by execution.

    python scripts/bench_admission.py [--quick] [--gists] [--sandbox bubblewrap|docker]

The proposals are made here, from the trees and from the gold patches (this script is no agent):
every true one was observed first, every false one is wrong by construction. The last line is the
figure. Exit code 1: a false one got in, under 98 % of the true ones did, or the median check that
ran a command took 2 s or more beyond what the command itself took; 2: nothing to run it on.

A coin flip that agrees with its claim in all of its eight runs cannot be told from the truth: 1 in
256 gets in.

Then true and false gists beside evidence that holds (`gist_cases.py`), without and with a verifier.
It is scripted and knows the right answers: measured is the way of a gist through the gate, not the
judgement of any model. Exit code 1 as well: a false gist got in with it, or more than 5 % of the
true ones were refused. `--gists` does only that.
"""

import argparse
import re
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from gist_bench import cases, measure_gists
from proposals import COMMAND_S, Case, Maker
from rich.console import Console
from rich.table import Table

from agents.admission.executed import ExecutedEvidence
from agents.admission.gate import Gate
from harness import event_loop
from harness.benchmarks.rows import load
from harness.board.evidence import EVIDENCE
from harness.board.protocols import Proposal
from harness.board.sqlite.board import SqliteBoard
from harness.cache import cache_dir
from harness.config import SandboxConfig
from harness.errors import UserError, leaf
from harness.protocols import Sandbox, Sandboxes
from harness.sandbox.providers import choose
from harness.types import ExecResult, Item

ADMITTED_SHARE, BEYOND_S = 0.98, 2.0
REFUSED_SHARE = 0.05  # of true gists
QUICK = ("flask", "requests", "pytest")
CHECK_S = 300.0


class Timed:
    """A sandbox that notes how long the proposals' own commands run."""

    def __init__(self, sandbox: Sandbox, own: list[float]) -> None:
        self._sandbox = sandbox
        self.own = own

    async def exec(self, command: str, **how: Any) -> ExecResult:
        result = await self._sandbox.exec(command, **how)
        if "PYTHONHASHSEED" in (how.get("env") or {}):
            self.own.append(result.seconds)
        return result

    async def fork(self) -> "Timed":
        return Timed(await self._sandbox.fork(), self.own)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sandbox, name)


@dataclass(slots=True)
class Row:
    """One line of the table."""

    true: bool
    admitted: int = 0
    refused: int = 0
    beyond: list[float] = field(default_factory=list)  # the time of its own commands
    ran: list[float] = field(default_factory=list)  # the same, of those that ran a command


Rows = dict[str, Row]


async def measure(
    item: Item, sandboxes: Sandboxes, folder: Path, number: int, rows: Rows, *, quick: bool
) -> None:
    """Submit every case of one instance, one after the other."""
    pristine = await sandboxes.open(item, purpose="agents")
    try:
        own: list[float] = []
        context = SqliteBoard(folder / f"{number}.db").of(1).context
        how: dict[str, Any] = {"command_s": COMMAND_S, "time_limit_s": CHECK_S}
        how["count_tokens"] = lambda text: len(re.findall(r"\w+|[^\w\s]", text))
        timed: Any = Timed(pristine, own)
        checks = ExecutedEvidence(timed, context, **how)
        gate = Gate(context, checks.by_form())
        maker = Maker(item, pristine, quick=quick)
        labels: dict[str, str] = {}
        counter = 0
        async for case in maker.cases():
            counter += 1
            evidence = dict(case.evidence)
            if case.label_of:
                evidence["state"] = labels.get(case.label_of, "P999")
            gist = case.gist or f"Finding {counter} of {item.instance.instance_id}."
            ruling = await submit(gate, rows, case, gist, evidence, own)
            if case.what == "patch" and ruling:
                labels[str(evidence["diff"])] = ruling
    finally:
        with anyio.CancelScope(shield=True):
            await pristine.close()


async def submit(
    gate: Gate, rows: Rows, case: Case, gist: str, evidence: Mapping[str, Any], own: list[float]
) -> str:
    """The label of the entry that it became, or nothing."""
    made = EVIDENCE.validate_python(evidence)
    proposal = Proposal(kind=case.kind, gist=gist, summary="", evidence=made, author="bench",
                        task="bench")  # fmt: skip
    own.clear()
    began = time.perf_counter()
    ruling = await gate.submit(proposal)
    row = rows.setdefault(case.what, Row(true=case.true))
    row.beyond.append(time.perf_counter() - began - sum(own))
    if own:
        row.ran.append(row.beyond[-1])
    if ruling.entry is None:
        row.refused += 1
    else:
        row.admitted += 1
    if (ruling.entry is not None) != case.true:
        said = ruling.reason or "admitted"
        print(f"WRONG: {case.what}: {said[:600]}\n  {str(dict(evidence))[:600]}", flush=True)
    return ruling.entry.label if ruling.entry else ""


def table(rows: Rows) -> Table:
    """One line a kind, the true ones first."""
    made = Table("proposal", "is", "proposed", "admitted", "refused", "median s beyond")
    for column in made.columns[2:]:
        column.justify = "right"
    for what, row in sorted(rows.items(), key=lambda pair: (not pair[1].true, pair[0])):
        counts = (row.admitted + row.refused, row.admitted, row.refused)
        made.add_row(what, str(row.true).lower(), *map(str, counts),
                     f"{statistics.median(row.beyond):.2f}")  # fmt: skip
    return made


async def bench(
    items: list[Item], sandboxes: Sandboxes, rows: Rows, at_once: int, quick: bool
) -> None:
    """Two instances at a time: what the machine of a real run would see."""
    with tempfile.TemporaryDirectory() as folder:
        await sandboxes.prepare(items, print)
        limiter = anyio.Semaphore(at_once)

        async def one(number: int, item: Item) -> None:
            async with limiter:
                await measure(item, sandboxes, Path(folder), number, rows, quick=quick)

        async with anyio.create_task_group() as group:
            for number, item in enumerate(items):
                group.start_soon(one, number, item)


def main() -> None:
    parser = argparse.ArgumentParser(description="True and false proposals through the gate.")
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--sandbox", default="bubblewrap", choices=("bubblewrap", "docker"))
    parser.add_argument("--at-once", type=int, default=2, help="instances at a time")
    parser.add_argument("--only", default="", help="instances whose name holds this")
    parser.add_argument("--gists", action="store_true", help="only gists beside true evidence")
    options = parser.parse_args()
    try:
        missed = 0 if options.gists else bench_proposals(options)
        sys.exit(missed or bench_gists(options.sandbox))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except BaseExceptionGroup as group:
        raise leaf(group) from group


def bench_proposals(options: argparse.Namespace) -> int:
    """All proposals on the instances that are asked for; the exit code."""
    rows: Rows = {}
    items = load("verified-offline", cache=cache_dir()).items
    if options.quick:
        items = [i for i in items if any(n in i.instance.instance_id for n in QUICK)]
    items = [i for i in items if options.only in i.instance.instance_id]
    sandboxes = sandboxes_of(options.sandbox, items)
    event_loop.run(bench, items, sandboxes, rows, options.at_once, options.quick)
    Console(width=None if sys.stdout.isatty() else 110).print(table(rows))
    return figure(rows)


def bench_gists(kind: str) -> int:
    """Gists beside evidence that holds, without and with a verifier; the exit code."""
    item = load("sample", cache=cache_dir()).items[0]
    sandboxes = sandboxes_of(kind, [item])
    without, with_one = event_loop.run(measure_gists, item, sandboxes, None)
    for line in with_one.wrong:
        print(f"WRONG: {line}")
    each = len(cases(item)) // 2
    refused = 1 - with_one.entered[True] / each
    print(
        f"gists beside true evidence: without a verifier {without.entered[False]} of {each} false "
        f"ones entered ({without.entered[False] / each:.0%}), with a scripted one "
        f"{with_one.entered[False]}; it refused {refused:.0%} of {each} true ones"
    )
    return int(with_one.entered[False] > 0 or refused > REFUSED_SHARE)


def sandboxes_of(kind: str, items: Sequence[Item]) -> Sandboxes:
    """Sandboxes of a kind for these instances."""
    labels = {"delm.run": "bench-admission"}
    config = SandboxConfig(kind=kind)
    return choose(config, cache_dir(), items, labels=labels, grading_network=False)


def figure(rows: Rows) -> int:
    """Print the last line; the exit code."""
    count: dict[bool, list[int]] = defaultdict(lambda: [0, 0])
    for row in rows.values():
        count[row.true][0] += row.admitted
        count[row.true][1] += row.admitted + row.refused
    beyond = statistics.median(seconds for row in rows.values() for seconds in row.ran)
    good, right = count[True]
    bad, wrong = count[False]
    print(
        f"admitted {good} of {right} true ({good / right:.1%}) and {bad} of {wrong} false "
        f"proposals; the median check that ran a command took {beyond:.2f} s beyond its own time"
    )
    return int(bad > 0 or good < ADMITTED_SHARE * right or beyond >= BEYOND_S)


if __name__ == "__main__":
    main()
