"""FAIL entries that fail by their own fault, and CONSTRAINT entries that cannot fail."""

from collections.abc import AsyncIterator, Iterator

from admission_cases.carriers import Carried, attached, dash_c, heredoc, pytest_file, unittest_case
from admission_cases.case import AFTER, Case, patch, ran
from admission_cases.observed import Observed
from harness.types import ExecResult

FORMS = ("FAIL", "FAIL of a candidate", "FAIL of an attempt")


def _last(result: ExecResult, most: int = 1) -> str:
    lines = [line for line in result.output.split("\n") if len(line.strip()) > 2]
    return "\n".join(lines[-most:])


def _failing(seen: Observed) -> Iterator[tuple[str, Carried]]:
    """Commands that fail, and not by a fault of the code."""
    subject = seen.subject
    imports, call = subject.imports, next(iter(seen.values))
    yield "missing test", Carried("python -m unittest tests.test_nothing_there")
    yield "missing test", Carried(f"{subject.tests[0]}_nothing_there")
    yield "missing module of its own", dash_c(imports, "import my_own_checks")
    yield "missing module of its own", pytest_file("import my_own_checks", "pass")
    yield "constants", dash_c("", "assert 1 == 2, 'it is broken'")
    yield "constants", heredoc(imports, f"v = {call}\nassert 'a' == 'b', 'it is broken'")
    yield "constants", unittest_case(imports, f"v = {call}\nself.assertEqual(31, 5)")
    yield "constants", pytest_file(imports, f"v = {call}\nassert 31 == 5")
    yield "ends with 1", Carried("false")
    yield "ends with 1", Carried("echo it is broken; exit 1")
    yield "ends with 1", dash_c(imports, f"import sys\nv = {call}\nsys.exit('it is broken')")
    yield "syntax error of its own", dash_c(imports, "print('it is broken'")
    yield "name error of its own", heredoc(imports, f"v = {call}\nprint(w)")
    yield "key error of its own", heredoc(imports, f"v = {call}\nprint({{'a': 1}}[str(v)])")
    yield "index error of its own", dash_c(imports, f"v = {call}\nprint([][len(str(v))])")
    yield "no number", attached(imports, f"v = {call}\nprint(int(f'it is {{v!r}}'))")
    yield (
        "missing file of its own",
        dash_c(imports, f"v = {call}\nopen(f'/tmp/no-{{len(str(v))}}')"),
    )
    yield "division of its own", dash_c(imports, f"print(1 / (str({call}) == 'it is that'))")
    yield "wrong call", dash_c(imports, f"{subject.named}(1, 2, 3, 4, 5, 6, 7, 8, 9, nothing=1)")
    yield "no such attribute", attached(f"import {subject.module} as m", "m.nothing_there")
    yield "own time limit", Carried("timeout 1 sleep 3; echo ended with $?; exit 1")
    yield "own time limit", Carried(f"timeout 1 python -c 'import {subject.module}, time; "
                                    "time.sleep(3)'")  # fmt: skip
    yield "file not there", Carried(f"cat {subject.path}.nothing")
    yield "word not there", Carried(f"grep -q nothing_there_31 {subject.path} || "
                                    "{ echo it is broken; exit 1; }")  # fmt: skip
    yield "missing fixture", Carried(pytest_file(imports, "pass", "my_own_fixture").command)
    yield "raises itself", dash_c(imports, f"v = {call}\nraise RuntimeError('it is broken')")
    yield "kills itself", Carried("bash -c 'echo it is broken; kill -9 $$'")
    yield (
        "edits the code first",
        Carried(f"sed -i '$ a raise RuntimeError(\"broken\")' {subject.path}; {subject.tests[0]}"),
    )


async def _fails(seen: Observed) -> AsyncIterator[Case]:
    subject = seen.subject
    gold = _gold(seen)
    for what, carried in _failing(seen):
        forms = [form for form in FORMS if seen.sample.takes(False)]
        if not forms or ("pytest" in carried.command and not subject.test_folder):
            continue
        result = await seen.run(carried)
        if not result.exit_status:
            continue
        evidence = ran(carried.command, result.exit_status, _last(result), files=carried.files)
        for form in forms:  # of a new name or argument an issue may ask for it
            if form == "FAIL of an attempt":
                evidence = evidence | {"changes": await seen.edited(subject.mends[0])}
            of_gold = form == "FAIL of a candidate"
            yield Case(
                what=f"{form}: {what}", true=False, kind="FAIL",
                evidence=evidence | {"state": AFTER} if of_gold else evidence,
                after=(gold,) if of_gold else (), board="gold" if of_gold else "",
                told=what not in ("wrong call", "no such attribute"),
            )  # fmt: skip
    async for case in _of_something_else(seen, gold):
        if seen.sample.takes(False):
            yield case


async def _of_something_else(seen: Observed, gold: Case) -> AsyncIterator[Case]:
    """Failures by expectations that nobody has."""
    subject = seen.subject
    invented = dash_c(subject.imports, f"assert {next(iter(seen.values))} == 'nothing'")
    evidence = ran(invented.command, 1, "AssertionError")
    yield Case(what="FAIL: invented expectation", true=False, kind="FAIL", told=False,
               evidence=evidence)  # fmt: skip
    if subject.unnamed:
        body = f"assert str({subject.unnamed}) == '5', 'it is not 5'"
        for carried in (dash_c(subject.imports, body), attached(subject.imports, body)):
            evidence = ran(carried.command, 1, "AssertionError: it is not 5", files=carried.files,
                           state=AFTER)  # fmt: skip
            yield Case(what="FAIL of a candidate: fails at base, too", true=False, kind="FAIL",
                       evidence=evidence, after=(gold,), board="gold")  # fmt: skip


def _gold(seen: Observed) -> Case:
    carried = seen.fault_carriers()[0](seen.subject.fault)
    return Case(what="patch: gold", true=True, kind="PATCH",
                evidence=patch(seen.item.reference.patch, *carried))  # fmt: skip


def _unfailing(seen: Observed) -> Iterator[tuple[str, Carried]]:
    """Commands that end with 0 whatever the code does."""
    subject = seen.subject
    tests, imports, call = subject.tests[0], subject.imports, next(iter(seen.values))
    yield "|| true", Carried(f"{tests} || true")
    yield "|| echo", Carried(f"{tests} || echo some tests failed")
    yield "| tail", Carried(f"{tests} 2>&1 | tail -n 3")
    yield "| tee", Carried(f"{tests} 2>&1 | tee /tmp/log")
    yield "; true", Carried(f"{tests}; true")
    yield "; echo", Carried(f"{tests}; echo exit $?")
    yield "set +e", Carried(f"set +e\n{tests}\nexit 0")
    yield "in a condition", Carried(f"if {tests.replace('cd tests && ', '')}; then echo good; fi")
    yield "in the background", Carried(f"({tests}) & wait; echo good")
    yield "caught by a trap", Carried(f"trap 'exit 0' EXIT; {tests}")
    yield "a time limit", Carried(f"timeout 0.05 {tests.replace('cd tests && ', '')} || echo good")
    empty = f"import unittest\n{imports}\nclass T(unittest.TestCase):\n    pass\nunittest.main()"
    yield "no test in it", heredoc("", empty)
    yield "constants", dash_c(imports, "assert 1 + 1 == 2\nprint('good')")
    yield "constants", unittest_case(imports, f"v = {call}\nself.assertTrue(True)")
    yield "ignores the outcome", heredoc(imports, f"try:\n    assert {call} is None\nexcept "
                                         "Exception:\n    pass\nprint('good')")  # fmt: skip
    yield "ignores the outcome", attached(
        imports, f"import os\ntry:\n    v = {call}\nfinally:\n    print('good', flush=True)\n"
        "    os._exit(0)")  # fmt: skip
    yield "runs them in a subprocess and ignores it", dash_c(
        "", f"import subprocess\nsubprocess.run({tests!r}, shell=True)\nprint('good')")  # fmt: skip
    yield "exit 0", Carried("exit 0")
    yield "only reads", Carried(f"grep -c 'def ' {subject.path}")
    yield "only looks at files", dash_c("", f"import os\nassert os.path.exists({subject.path!r})\n"
                                        "print('good')")  # fmt: skip
    yield "state of git", Carried("git diff --quiet && git status")
    yield "version", Carried("python --version")
    yield "compiles only", Carried(f"python -m py_compile {subject.path} && echo good")
    if subject.test_folder:
        yield from _unfailing_pytest(seen)


def _unfailing_pytest(seen: Observed) -> Iterator[tuple[str, Carried]]:
    subject = seen.subject
    tests, imports = subject.tests[0], subject.imports
    call = next(iter(seen.values))
    yield "--co", Carried(f"{tests} --co")
    yield "--co", Carried(f"PYTEST_ADDOPTS=--collect-only {tests}")
    yield "-k nothing", Carried(f"{tests} -k nothing_there; test $? = 5 && echo good")
    yield "--setup-plan", Carried(f"{tests} --setup-plan")
    yield "--fixtures", Carried(f"{tests} --fixtures")
    yield "--help", Carried("python -m pytest --help")
    yield "all deselected", Carried(f"{tests} -m 'not_there' || [ $? = 5 ]")
    yield "empty file", Carried("mkdir -p /tmp/own; touch /tmp/own/test_a.py; python -m pytest -q "
                                "/tmp/own/test_a.py || [ $? = 5 ]")  # fmt: skip
    yield "constants", pytest_file(imports, f"v = {call}\nassert 31 == 31")
    yield "all skipped", pytest_file("import pytest\n" + imports,
                                     f"pytest.skip('no')\nassert {call} is None")  # fmt: skip
    xfail = (
        f"import pytest\n{imports}\n\n@pytest.mark.xfail\ndef test_it():\n    assert {call} == 0"
    )
    yield (
        "expected to fail",
        Carried(
            f"mkdir -p /tmp/own && cat > /tmp/own/test_own.py <<'EOF'\n{xfail}\nEOF\n"
            "PYTHONPATH=. python -m pytest -q -c /dev/null /tmp/own/test_own.py"
        ),
    )
    yield (
        "exit status changed by a plugin",
        Carried(
            "mkdir -p /tmp/own && cat > /tmp/own/never_fails.py <<'EOF'\n"
            "def pytest_sessionfinish(session):\n    session.exitstatus = 0\nEOF\n"
            f"PYTHONPATH=/tmp/own {tests} -p never_fails"
        ),
    )


async def _constraints(seen: Observed) -> AsyncIterator[Case]:
    subject = seen.subject
    for what, carried in _unfailing(seen):
        wanted = [says for says in (True, False) if seen.sample.takes(False)]
        result = await seen.run(carried) if wanted else None
        if result is None or result.exit_status != 0:
            continue
        for says in wanted:
            evidence = ran(carried.command, 0, _last(result) if says else "", files=carried.files)
            yield Case(what=f"CONSTRAINT: {what}", true=False, kind="CONSTRAINT",
                       evidence=evidence)  # fmt: skip
    for way in seen.fault_carriers():
        if not seen.sample.takes(False):
            continue
        shown = way(subject.fault)
        result = await seen.run(shown)
        fails = Case(
            what="FAIL: the issue's fault", true=True, kind="FAIL",
            evidence=ran(shown.command, result.exit_status or 1, _last(result), files=shown.files),
        )  # fmt: skip
        pinned = way(f"{subject.pins}\nprint('as it was')")
        yield Case(
            what="CONSTRAINT: pins the issue's fault", true=False, kind="CONSTRAINT",
            evidence=ran(pinned.command, 0, "", files=pinned.files), after=(fails,),
        )  # fmt: skip
    others = subject.pins_another and seen.sample.takes(False)
    if others:
        pinned = seen.fault_carriers()[0](subject.pins_another)
        yield Case(
            what="CONSTRAINT: pins the fault by other arguments", true=False, kind="CONSTRAINT",
            evidence=ran(pinned.command, 0, "", files=pinned.files), after=(_gold(seen),),
        )  # fmt: skip
    if not seen.sample.takes(False):
        return
    blind = seen.fault_carriers()[0](subject.pins)
    yield Case(
        what="CONSTRAINT: pins the fault before it is shown", true=False, kind="CONSTRAINT",
        evidence=ran(blind.command, 0, "", files=blind.files), told=False,
    )  # fmt: skip


async def kind_lies(seen: Observed) -> AsyncIterator[Case]:
    """All of a subject that are in the sample."""
    async for case in _fails(seen):
        yield case
    async for case in _constraints(seen):
        yield case
