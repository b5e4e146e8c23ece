"""The second look at what the official grader resolves: does the pass come from the solution?

One more run of the instance's own evaluation script, in a fresh sandbox with the base commit's test
infrastructure. In the same files stand the instance's tests under other names, which have to pass
and to come to their end, and broken copies of them, which can only fail. Which is which is drawn
at random. What the same run of the gold patch shows too is no fault.

Where something of a submission was left out, a patch that changes nothing has to fail such a run;
if it does not, the tests are run as published, too.
"""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from random import SystemRandom

import anyio

from harness.benchmarks.swebench.calibrate import NOTHING
from harness.benchmarks.swebench.guard.added_lines import Lines
from harness.benchmarks.swebench.guard.base_commit import BaseCommit, read_base_commit
from harness.benchmarks.swebench.guard.faults import UNSTABLE, Seen, seen_in, told
from harness.benchmarks.swebench.guard.flags import CHECKS, FLAGS
from harness.benchmarks.swebench.guard.guarded_run import Setting, guarded_run
from harness.benchmarks.swebench.guard.import_roots import usual_roots
from harness.benchmarks.swebench.guard.lone_tests import (
    LoneRuns,
    LoneTest,
    first_statement,
    lone_tests,
    under_the_runner,
)
from harness.benchmarks.swebench.guard.product import Product, product_of
from harness.benchmarks.swebench.guard.same_change import same_change
from harness.benchmarks.swebench.guard.test_copies import PlantedFile, copies_of
from harness.benchmarks.swebench.guard.tree_changes import TreeChanges, tree_changes
from harness.benchmarks.swebench.items import IssueItem, IssueReference
from harness.benchmarks.swebench.official import Log
from harness.errors import SandboxLost, SandboxUnavailable
from harness.protocols import Sandbox, Sandboxes
from harness.text.caller_looks import Look


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """The guard's result on a submission that the official grader resolves."""

    flags: tuple[str, ...] = ()  # keys of `FLAGS`, in that order; none for an honest submission
    unchecked: tuple[str, ...] = ()  # checks that cannot be used on its instance: of `CHECKS`
    cut_short: bool = False  # a limit ended one of its runs: another time it could say otherwise
    looks: tuple[str, ...] = ()  # what is `suspect` in it: "path:line: text — why"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is found out and drawn once per row: patches are compared on the same tests."""

    base: BaseCommit
    gold: TreeChanges
    planted: Mapping[str, PlantedFile]
    report: str  # the path of the report file of its guarded runs, which nobody can know
    nonce: str  # of the watch in them
    options: str | None = ""  # of pytest in them; None where the gold patch needs the official ones
    lone: tuple[LoneTest, ...] = ()  # that run alone in them

    @property
    def form(self) -> tuple[str | None, tuple[LoneTest, ...]]:
        """What can still change, by what the gold patch needs."""
        return self.options, self.lone

    def fitting(self, gold: Seen) -> "Known":
        """Without what fails with the `gold` patch."""
        failed = {(check, test) for check, test, _ in gold.faults}
        needed = {test for check, test in failed if check == "without-runner"}
        official = any(check == "repeat" for check, _ in failed)
        return replace(
            self,
            options=None if official else self.options,
            lone=under_the_runner(self.lone, needed) if needed else self.lone,
        )


Form = tuple[IssueReference, tuple[str | None, tuple[LoneTest, ...]]]


class Guard:
    """Examines submissions that the official grader resolves."""

    def __init__(self, sandboxes: Sandboxes, timeout_s: float) -> None:
        self._sandboxes = sandboxes
        self._timeout_s = timeout_s
        self._gold: dict[Form, Seen] = {}
        self._nothing: dict[Form, Seen] = {}
        self._known: dict[IssueReference, Known] = {}
        self._finding_out: dict[IssueReference, anyio.Lock] = {}

    async def examine(
        self, item: IssueItem, patch: str, statuses: Mapping[str, str], log: Log
    ) -> Examination:
        """The flags of a submission, and what could not be checked.

        `statuses` are those of its official run, by test. The gold patch itself is judged as any
        other.
        """
        known = await self._instance(item)
        async with self._applied(item, patch) as (sandbox, seen_changes):
            changes = seen_changes.without(known.gold.paths)
            refused = known.base.refused(changes)
            if refused:
                return _said(log, Examination(flags=tuple(f for f in FLAGS if f in refused)))
            product = product_of(changes, known.base, known.gold)
            here = sandbox if seen_changes.adds(product.put_back) else None
            seen = await self._run(item, patch, known, product, log, statuses, here)
            seen.cut_short |= seen_changes.cut_short
        as_gold = same_change(patch, item.reference.patch)
        gold = await self._gold_run(item, known, log) if seen.faults and not as_gold else seen
        fitting = known.fitting(gold)
        if fitting.form != known.form:
            log.say("guard: the same run without what the gold patch fails in")
            known = self._known[item.reference] = fitting
            seen = await self._run(item, patch, known, product, log, statuses)
            gold = await self._gold_run(item, known, log) if seen.faults and not as_gold else seen
            return _said(log, _result(seen, gold, product, as_gold=as_gold))
        left = set() if as_gold else set(seen.left(gold).values())
        if left <= UNSTABLE and await self._can_tell(item, known, product, log):
            if left:
                log.say("guard: the same run again, for a test may be unstable")
                seen = await self._run(item, patch, known, product, log, statuses)
        elif not left:
            log.say("guard: the tests as published, for under other names they need no solution")
            bare = replace(known, planted={}, lone=())
            published = await self._run(item, patch, bare, product, log, statuses)
            more = {it: flag for it, flag in published.faults.items() if it[0] == "repeat"}
            cut = seen.cut_short or published.cut_short
            seen = replace(seen, faults=seen.faults | more, cut_short=cut)
        return _said(log, _result(seen, gold, product, as_gold=as_gold))

    async def _instance(self, item: IssueItem) -> Known:
        row = item.reference
        async with self._finding_out.setdefault(row, anyio.Lock()):
            if row not in self._known:
                base = await read_base_commit(self._sandboxes, item)
                async with self._applied(item, row.patch) as (_, gold):
                    pass
                report = f"/tmp/{secrets.token_hex(16)}"  # noqa: S108 - inside the sandbox
                # in no thread: Python 3.11 fails where two threads make syntax trees at once
                planted = planted_files(row, base.tests, report, asserted=base.asserted)
                self._known[row] = Known(
                    base=base,
                    gold=gold,
                    planted=planted,
                    report=report,
                    nonce=secrets.token_hex(16),
                    options=base.options,
                    lone=lone_tests(
                        base.tests, planted, row.fail_to_pass, row.log_parser, SystemRandom()
                    ),
                )
            return self._known[row]

    @asynccontextmanager
    async def _applied(
        self, item: IssueItem, patch: str
    ) -> AsyncIterator[tuple[Sandbox, TreeChanges]]:
        """A sandbox in which a patch was applied, and what that changed."""
        sandbox = await self._sandboxes.open(item, purpose="grading")
        try:
            yield sandbox, await tree_changes(sandbox, patch, Log())
        finally:
            with anyio.CancelScope(shield=True):
                await sandbox.close()

    async def _gold_run(self, item: IssueItem, known: Known, log: Log) -> Seen:
        row = item.reference, known.form
        if row not in self._gold or self._gold[row].cut_short:
            log.say("guard: the same run of the gold patch")
            product = Product(put_back=(), added=known.gold.added_lines)
            try:
                gold = await self._run(item, item.reference.patch, known, product, log, None)
            except SandboxLost as lost:  # by nothing that the submission did
                raise SandboxUnavailable(f"the gold patch: {lost}") from lost
            self._gold[row] = gold
        return self._gold[row]

    async def _can_tell(self, item: IssueItem, known: Known, product: Product, log: Log) -> bool:
        """Whether each test that has to be fixed fails under its other name if nothing is changed.

        That is not asked where nothing of a submission was left out. A test may leave its process
        such that a later one passes; under other names it may be another one that does.
        """
        if not product.put_back:
            return True
        row = item.reference, known.form
        if row not in self._nothing:
            log.say("guard: the same run of a patch that changes nothing")
            empty = Product(put_back=(), added={})
            try:
                nothing = await self._run(item, NOTHING, known, empty, log, None)
            except SandboxLost as lost:
                raise SandboxUnavailable(f"a patch that changes nothing: {lost}") from lost
            self._nothing[row] = nothing
        failed = {test for check, test, _ in self._nothing[row].faults if check == "repeat"}
        return failed.issuperset(item.reference.fail_to_pass)

    async def _run(
        self,
        item: IssueItem,
        patch: str,
        known: Known,
        product: Product,
        log: Log,
        official: Mapping[str, str] | None,
        applied: Sandbox | None = None,
    ) -> Seen:
        """One guarded run, and what it shows, in the log too; see `guarded_run` for `applied`."""
        setting = Setting(
            patch=patch,
            files={path: file.text for path, file in known.planted.items()},
            put_back=product.put_back,
            report=known.report,
            nonce=known.nonce,
            watched=product.files,
            timeout_s=self._timeout_s,
            options=known.options,
            lone=_lone_runs(item, known),
        )
        run = await guarded_run(self._sandboxes, item, setting, applied)
        own = product.noted(run.watch.looks)
        run = replace(run, watch=replace(run.watch, looks=own))
        seen = seen_in(run, known.planted, item.reference, official)
        for line in told(run, known.planted, seen):
            log.say(f"guard: {line}")
        return seen


def planted_files(
    reference: IssueReference,
    tests: Mapping[str, str],
    report: str,
    *,
    asserted: Mapping[str, Lines],
) -> dict[str, PlantedFile]:
    """The test files `tests` of a guarded run, by path: those in which something is planted.

    What the lines `asserted` of each assert is turned before other assertions.
    """
    found = {
        path: copies_of(
            text,
            path=path,
            fail_to_pass=reference.fail_to_pass,
            pass_to_pass=reference.pass_to_pass,
            log_parser=reference.log_parser,
            report=report,
            random=SystemRandom(),
            asserted={number for number, _ in asserted.get(path, ())},
        )
        for path, text in tests.items()
    }
    return {path: file for path, file in found.items() if file.copies}


def _lone_runs(item: IssueItem, known: Known) -> LoneRuns | None:
    if not known.lone:
        return None
    base = known.base
    return LoneRuns(
        tests=known.lone,
        planted=known.planted,
        planted_report=known.report,
        report=f"/tmp/{secrets.token_hex(16)}",  # noqa: S108 - inside the sandbox
        roots=base.first | base.path.roots.keys() | usual_roots(base.files),
        files=base.files,
        first=first_statement(known.lone, item.reference.log_parser),
    )


def _result(seen: Seen, gold: Seen, product: Product, *, as_gold: bool = False) -> Examination:
    """The result on a run, where that of the gold patch shows `gold`."""
    faults = {} if as_gold else seen.left(gold)
    looks = [] if as_gold else [*product.looks, *(seen.looks[f] for f in faults if f in seen.looks)]
    left = {*faults.values(), *["suspect"][: len(looks)]}
    return Examination(
        flags=tuple(flag for flag in FLAGS if flag in left),
        unchecked=tuple(check for check in CHECKS if check not in gold.worked),
        cut_short=seen.cut_short or gold.cut_short,
        looks=tuple(dict.fromkeys(map(_line, looks))),
    )


def _line(look: Look) -> str:
    return f"{look.path}:{look.line}: {look.text[:200]} — {look.why}"


def _said(log: Log, result: Examination) -> Examination:
    for flag in result.flags:
        log.say(f"guard: {flag}: {FLAGS[flag]}")
    for look in result.looks:
        log.say(f"guard: {look}")
    for check in result.unchecked:
        log.say(f"guard: not checked: {check}: {CHECKS[check]}")
    return result
