"""True failures, constraints and patches, as models write them."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from admission_cases.carriers import (
    PLAIN,
    Carried,
    dash_c,
    heredoc,
    new_test,
    pytest_file,
    unittest_case,
)
from admission_cases.case import AFTER, Case, patch, ran
from admission_cases.observed import Observed
from admission_cases.truths import lines_of


async def _fails(seen: Observed) -> AsyncIterator[Case]:
    """The issue's fault, and attempts and candidates that do not work."""
    subject, takes = seen.subject, seen.sample.takes
    for way in seen.fault_carriers():
        carried = way(subject.fault)
        if takes(True):
            yield await _fail(seen, "FAIL at base", carried)
        if takes(True):
            tried = await seen.edited(subject.attempt)
            yield await _fail(seen, "FAIL of an attempt", carried, tried)
    for tests in subject.tests[:2]:
        if takes(True):
            broken = await seen.edited(subject.breaks)
            yield await _fail(seen, "FAIL of an attempt that breaks tests", Carried(tests), broken)
    if subject.hard_coded and takes(True):
        yield await _of_a_candidate(seen)


async def _fail(seen: Observed, what: str, carried: Carried, changes: str = "") -> Case:
    result = await seen.run(carried, changes)
    status, output = result.exit_status or 0, lines_of(result)[-1]
    evidence = ran(carried.command, status, output, files=carried.files, changes=changes)
    return Case(what=f"true: {what}", true=True, kind="FAIL", evidence=evidence)


async def _of_a_candidate(seen: Observed) -> Case:
    """A candidate that mends one argument only, and the issue's fault with another."""
    subject = seen.subject
    partial = await seen.edited(subject.hard_coded)
    shows = dash_c(subject.imports, subject.fault)
    first = Case(what="patch: partial", true=True, kind="PATCH",
                 evidence=patch(partial, *shows))  # fmt: skip
    for old, new in (("1h30m", "2h15m"), ("5400", "8100"), ("user:pass", "me:word"),
                     ("`foo`", "`bar`"), ("0.00", "0.000")):  # fmt: skip
        shows = Carried(shows.command.replace(old, new))
    result = await seen.run(shows, partial)
    evidence = ran(shows.command, result.exit_status or 0, lines_of(result)[-1], state=AFTER)
    return Case(what="true: FAIL of a candidate", true=True, kind="FAIL", evidence=evidence,
                after=(first,))  # fmt: skip


async def _constraints(seen: Observed) -> AsyncIterator[Case]:
    """Tests and behaviours that have to stay; also beside the issue's own fault."""
    subject, takes = seen.subject, seen.sample.takes
    fault = await _fail(seen, "FAIL at base", seen.fault_carriers()[0](subject.fault))
    for tests in subject.tests:
        for cut in (0, -20, None):
            if takes(True):
                last = lines_of(await seen.run(Carried(tests)))[-1]
                output = "" if cut is None else f"...{last[cut:]}" if cut else last
                yield _kept("by tests", ran(tests, 0, output))
    call, value = next(iter(seen.values.items()))
    body = f"assert str({call}) == {value!r}\nprint('ok')"
    ways = [*PLAIN, unittest_case]
    if subject.test_folder:
        ways += [pytest_file, new_test(subject.test_folder)]
    for way in ways:
        kept = way(subject.imports, body)
        evidence = ran(kept.command, 0, "ok", files=kept.files)
        if takes(True):
            yield _kept("by a script", evidence)
        if takes(True):
            yield replace(_kept("beside the fault", evidence), after=(fault,))
    raised = (
        f"try:\n    {subject.raises}\nexcept Exception as e:\n    print('refused:', e)\nelse:\n"
        "    raise SystemExit('no error')"
    )
    if takes(True):
        kept = heredoc(subject.imports, raised)
        yield _kept("that an error stays", ran(kept.command, 0, lines_of(await seen.run(kept))[-1]))


def _kept(what: str, evidence: Mapping[str, Any]) -> Case:
    return Case(what=f"true: CONSTRAINT {what}", true=True, kind="CONSTRAINT", evidence=evidence)


async def _patches(seen: Observed) -> AsyncIterator[Case]:
    """The gold patch, others that mend, and both with tests."""
    subject, takes = seen.subject, seen.sample.takes
    source, ways = await seen.source(), seen.fault_carriers()
    commented = ((source, source + "\n# see the issue\n"), *subject.mends[0])
    for edit in (None, *subject.mends, commented):
        what = "PATCH" if edit else "gold PATCH"
        for way in seen.random.sample(ways, min(3, len(ways))):
            if takes(True):
                diff = await seen.edited(edit) if edit else seen.item.reference.patch
                yield _patch(what, diff, way(f"{subject.fault}\nprint('mended')"))
        if takes(True):
            diff = await seen.edited(edit) if edit else seen.item.reference.patch
            carried, tests = ways[0](subject.fault), seen.random.choice(subject.tests)
            both = Carried(f"{carried.command}\n[ $? = 0 ] && {tests}", carried.files)
            yield _patch(f"{what}, by tests, too", diff, both)
    if subject.test_folder:
        path = f"{subject.test_folder}/test_the_issue.py"
        indented = subject.fault.replace("\n", "\n    ")
        text = f"{subject.imports}\n\n\ndef test_it({subject.fixtures}):\n    {indented}\n"
        if takes(True):
            diff = await seen.edited(subject.mends[-1], [(path, text)])
            yield _patch("PATCH with a new test", diff, Carried(f"python -m pytest -q {path}"))
        if takes(True):
            diff = await seen.patch_of([(path, text)], gold=True)
            yield _patch("gold PATCH with a new test", diff, Carried(f"python -m pytest {path}"))


def _patch(what: str, diff: str, carried: Carried) -> Case:
    return Case(what=f"true: {what}", true=True, kind="PATCH", evidence=patch(diff, *carried))


async def kind_truths(seen: Observed) -> AsyncIterator[Case]:
    """All of a subject that are in the sample."""
    for part in (_fails, _constraints, _patches):
        async for case in part(seen):
            yield case
