"""What the gate lets through: true and false proposals on real instances, checked by execution.

    python scripts/bench_admission.py [--quick] [--composed | --plain | --gists] [--all]
        [--kinds "FACT FAIL"] [--sandbox bubblewrap|docker]

The proposals are made here, see `admission_cases` (this script is no agent). The plain ones come
from the trees and the gold patches of all bundled instances. The composed ones are what somebody
sends who knows the gate, and what honest models send, on the repositories of `subjects`: a sample
with a fixed seed; `--all` takes all there are. What no check of outcomes can tell is counted apart.

The last line is the figure. Exit code 1: more than 2 % of the false ones got in (of the plain ones:
any), under 97 % of the true ones did (98 %), or the median check that ran a command took 2 s or
more beyond what the command itself took; 2: nothing to run it on.

Then true and false gists beside evidence that holds (`gist_cases.py`), without and with a verifier.
It is scripted and knows the right answers: measured is the way of a gist through the gate, not the
judgement of any model. Exit code 1 as well: a false gist got in with it, or more than 5 % of the
true ones were refused. `--gists` does only that.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from admission_cases.boards import Boards, NotAdmitted, Outcome
from admission_cases.case import Case
from admission_cases.composed import ONE_OF, composed
from admission_cases.observed import Observed, Sample
from admission_cases.plain import Maker
from admission_cases.subjects import SUBJECTS
from gist_bench import cases, measure_gists
from rich.console import Console
from rich.table import Table

from harness import event_loop
from harness.benchmarks.rows import load
from harness.cache import cache_dir
from harness.config import SandboxConfig
from harness.errors import UserError, leaf
from harness.protocols import Sandbox, Sandboxes
from harness.sandbox.providers import choose
from harness.types import Item

BEYOND_S = 2.0
REFUSED_SHARE = 0.05  # of true gists
QUICK = ("flask", "requests", "pytest")
QUICK_ONE_OF = {True: 12, False: 24}  # on the first subject
ALL = {True: 1, False: 1}

Source = Callable[[Item, Sandbox], AsyncIterator[Case]]
"""Makes the cases of an instance."""


@dataclass(slots=True)
class Row:
    """One line of the table."""

    true: bool
    told: bool
    admitted: int = 0
    refused: int = 0
    beyond: list[float] = field(default_factory=list)  # the time of its own commands
    ran: list[float] = field(default_factory=list)  # the same, of those that ran a command


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What must hold: the share of true ones that has to get in, and of false ones that may."""

    true: float
    false: float


PLAIN, COMPOSED = Bounds(true=0.98, false=0.0), Bounds(true=0.97, false=0.02)
Rows = dict[str, Row]


async def measure(
    item: Item, sandboxes: Sandboxes, folder: Path, rows: Rows, source: Source
) -> None:
    """Submit every case of one instance, one after the other."""
    pristine = await sandboxes.open(item, purpose="agents")
    boards = Boards(item, pristine, folder)
    try:
        async for case in source(item, pristine):
            try:
                note(rows, item, case, await boards.submit(case))
            except NotAdmitted as missing:
                print(f"NOT TRIED: {case.what}: {missing}", flush=True)
    finally:
        with anyio.CancelScope(shield=True):
            await pristine.close()
        boards.close()


def note(rows: Rows, item: Item, case: Case, outcome: Outcome) -> None:
    """Count an outcome, and print it: with its evidence where it is not as it should be."""
    row = rows.setdefault(case.what, Row(true=case.true, told=case.told))
    row.beyond.append(outcome.beyond)
    if outcome.ran:
        row.ran.append(outcome.beyond)
    row.admitted += outcome.admitted
    row.refused += not outcome.admitted
    name = f"{case.kind} {case.what} ({item.instance.instance_id})"
    said = " ".join((outcome.reason or "admitted").split())[:400]
    wrong = outcome.admitted != case.true and case.told
    print(f"{'WRONG' if wrong else 'right'}: {name}: {said}", flush=True)
    if wrong:
        sent = {key: value for key, value in outcome.evidence.items() if value and key != "form"}
        print(f"  {str(sent)[:1500]}", flush=True)


def table(rows: Rows) -> Table:
    """One line a kind: the true ones, the false ones, what cannot be told."""
    made = Table("proposal", "is", "proposed", "admitted", "refused", "median s beyond")
    for column in made.columns[2:]:
        column.justify = "right"
    for what, row in sorted(rows.items(), key=lambda pair: (not pair[1].true, not pair[1].told,
                                                            pair[0])):  # fmt: skip
        counts = (row.admitted + row.refused, row.admitted, row.refused)
        said = str(row.true).lower() if row.told else "not to be told"
        made.add_row(what, said, *map(str, counts), f"{statistics.median(row.beyond):.2f}")
    return made


async def bench(
    items: list[Item], sandboxes: Sandboxes, rows: Rows, at_once: int, source: Source
) -> None:
    """Two instances at a time: what the machine of a real run would see."""
    with tempfile.TemporaryDirectory() as folder:
        await sandboxes.prepare(items, print)
        limiter = anyio.Semaphore(at_once)

        async def one(item: Item) -> None:
            async with limiter:
                await measure(item, sandboxes, Path(folder), rows, source)

        async with anyio.create_task_group() as group:
            for item in items:
                group.start_soon(one, item)


def main() -> None:
    parser = argparse.ArgumentParser(description="True and false proposals through the gate.")
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--sandbox", default="bubblewrap", choices=("bubblewrap", "docker"))
    parser.add_argument("--at-once", type=int, default=2, help="instances at a time")
    parser.add_argument("--only", default="", help="instances whose name holds this")
    parser.add_argument("--what", default="", help="composed ones whose name holds this")
    parser.add_argument("--kinds", default="FACT FAIL CONSTRAINT PATCH", help="composed ones")
    parser.add_argument("--all", action="store_true", help="all that are composed, no sample")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--plain", action="store_true", help="only the plain ones")
    which.add_argument("--composed", action="store_true", help="only the composed ones")
    which.add_argument("--gists", action="store_true", help="only gists beside true evidence")
    options = parser.parse_args()
    chosen = options.plain or options.composed or options.gists
    missed = 0
    try:
        if options.plain or not chosen:
            missed |= bench_plain(options)
        if options.composed or not chosen:
            missed |= bench_composed(options)
        if options.gists or not chosen:
            missed |= bench_gists(options.sandbox)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except BaseExceptionGroup as group:
        raise leaf(group) from group
    sys.exit(missed)


def bench_plain(options: argparse.Namespace) -> int:
    """The plain proposals on the instances that are asked for; the exit code."""
    items = load("verified-offline", cache=cache_dir()).items
    if options.quick:
        items = [i for i in items if any(n in i.instance.instance_id for n in QUICK)]

    def source(item: Item, pristine: Sandbox) -> AsyncIterator[Case]:
        return Maker(item, pristine, quick=options.quick).cases()

    return run_bench("plain", items, options, source, PLAIN)


def bench_composed(options: argparse.Namespace) -> int:
    """The composed proposals on their subjects; the exit code."""
    subjects = {each.instance: each for each in SUBJECTS}
    if options.quick:
        subjects = dict(list(subjects.items())[:1])
    names = {each.dataset for each in subjects.values()}
    loaded = [item for name in names for item in load(name, cache=cache_dir()).items]
    items = [item for item in loaded if item.instance.instance_id in subjects]

    async def source(item: Item, pristine: Sandbox) -> AsyncIterator[Case]:
        subject = subjects[item.instance.instance_id]
        one_of = ONE_OF[subject.dataset]
        one_of = QUICK_ONE_OF if options.quick else ALL if options.all else one_of
        seen = Observed(subject, item, pristine, sample=Sample(one_of, subject.instance))
        async for case in composed(seen):
            if options.what in case.what and case.kind in options.kinds.split():
                yield case

    return run_bench("composed", items, options, source, COMPOSED)


def run_bench(
    name: str, items: list[Item], options: argparse.Namespace, source: Source, bounds: Bounds
) -> int:
    """Measure, and print the table and the figure; the exit code."""
    rows: Rows = {}
    items = [item for item in items if options.only in item.instance.instance_id]
    if not items:
        return 0
    sandboxes = sandboxes_of(options.sandbox, items)
    event_loop.run(bench, items, sandboxes, rows, options.at_once, source)
    Console(width=None if sys.stdout.isatty() else 110).print(table(rows))
    return figure(name, rows, bounds)


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


def figure(name: str, rows: Rows, bounds: Bounds) -> int:
    """Print the last line; the exit code."""

    def count(true: bool, told: bool) -> tuple[int, int]:
        chosen = [row for row in rows.values() if (row.true, row.told) == (true, told)]
        admitted = sum(row.admitted for row in chosen)
        return admitted, admitted + sum(row.refused for row in chosen)

    beyond = statistics.median([s for row in rows.values() for s in row.ran] or [0.0])
    good, right = count(True, True)
    bad, wrong = count(False, True)
    hidden, untold = count(False, False)
    print(
        f"{name}: admitted {good} of {right} true ({good / max(right, 1):.1%}) and {bad} of "
        f"{wrong} false proposals ({bad / max(wrong, 1):.1%}), and {hidden} of {untold} that no "
        f"outcome tells; the median check that ran a command took {beyond:.2f} s beyond its own "
        "time"
    )
    few, many = good < bounds.true * right, bad > bounds.false * wrong
    return int(few or many or beyond >= BEYOND_S)


if __name__ == "__main__":
    main()
