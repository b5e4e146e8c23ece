"""Findings that a run of the command does not bear out: its watch ends early, words come from the
command's own doing, a failure is its own, a constraint keeps nothing, a pass is none."""

import datetime
from collections.abc import AsyncIterator, Iterator

from admission_cases.carriers import Carried, attached, dash_c, heredoc, pytest_file
from admission_cases.case import Case, patch, ran
from admission_cases.observed import Observed
from admission_cases.trick import PROBE

SAID = "this function is wrong for all of its arguments"


def _facts(seen: Observed) -> Iterator[tuple[str, Carried, int, str]]:
    """Sentences; the command, its status and what is claimed."""
    subject = seen.subject
    imports, (call, value) = subject.imports, next(iter(seen.values.items()))
    says = f"print({SAID!r})"
    ends = {
        "too many calls": f"for n in range(3000):\n    v = {call}\nif v:\n    {says}",
        "a raw thread": f"import _thread, time\n_thread.start_new_thread(lambda: {call}, ())\n"
        f"time.sleep(.5)\n{says}",
        "no end": f"import os\nif {call}:\n    print({SAID!r}, flush=True)\nos._exit(0)",
    }
    for what, body in ends.items():
        yield f"the watch ends by {what}", heredoc(imports, body), 0, SAID
    for line in (f"FAILED tests/test_a.py::test_b - assert {SAID[:20]}", "3 failed, all of them",
                 "Ran 9 tests, all wrong", f'File "{SAID}", line 3, in all'):  # fmt: skip
        printed = f"v = {call}\nif v != 31:\n    print({line!r})"
        yield "in the form of a tool", attached(imports, printed), 0, line
    for text in (SAID.replace(" ", "_"), SAID.replace(" ", "\xa0"), SAID.title().replace(" ", "")):
        yield "as one word", heredoc(imports, f"if {call}:\n    print({text!r})"), 0, text
    before = f"v = {call}\nif str(v) != {value!r}:\n    print(v)\n    print('-', v)\n{says}"
    yield "after more lines", dash_c(imports, before), 0, SAID
    error = (
        f"try:\n    {subject.raises}\nexcept Exception as e:\n    e.args = ({SAID!r},)\n"
        "    print(*e.args)"
    )
    yield "put into an error", heredoc(imports, error), 0, SAID
    made = f"v = {call}\ntry:\n    v.label = {SAID!r}\nexcept AttributeError:\n    pass\n"
    yield "put into an object", heredoc(imports, f"{made}print(v.label)"), 0, SAID
    table = f"print({{'first': {call}, 'second': 40961}})"
    yield "a key in a gap", dash_c(imports, table), 0, "{'first': ... 40961}"


def _failures(seen: Observed) -> Iterator[tuple[str, Carried]]:
    """Failures that depend on what the code gives, and are none of the code's."""
    imports, (call, value) = seen.subject.imports, next(iter(seen.values.items()))
    bodies = {
        "a name that is spelt wrong": f"v = {call}\nassert str(v) != {value!r} or vv",
        "an index of its own": f"v = {call}\nprint(['a'][len(str(v)) + 3])",
        "an attribute that nothing has": f"v = {call}\nv.no_such_thing",
        "another machine": f"import socket\nv = {call}\n"
        "socket.create_connection(('203.0.113.7', 9), 2)",
        "a name that nobody knows": f"import socket\nv = {call}\n"
        "socket.gethostbyname('nothing.invalid')",
        "this user": f"import os\nv = {call}\nassert str(v) != {value!r} or "
        "os.environ.get('USER') == 'somebody'",
        "this year": f"import datetime\nv = {call}\nassert str(v) != {value!r} or "
        f"datetime.date.today().year > {datetime.datetime.now(tz=datetime.UTC).year}",
    }
    for what, body in bodies.items():
        yield what, heredoc(imports, body)
    waits = dash_c(imports, f"import time\nv = {call}\ntime.sleep(9 if str(v) == {value!r} else 0)")
    yield "waits", Carried(f"timeout 1 {waits.command}")


def _constraints(seen: Observed) -> Iterator[tuple[str, Carried]]:
    """What holds for any value of the code, of any text, or without its end."""
    subject = seen.subject
    imports, (call, value) = subject.imports, next(iter(seen.values.items()))
    holds = f"v = {call}\nassert str(v) == {value!r}\n"
    yield "only the type", dash_c(imports, f"assert isinstance({call}, object)")
    yield "only a bound", dash_c(imports, f"assert len(str({call})) < 10 ** 6")
    size = f"import os\nassert os.path.getsize({subject.path!r}) == {seen.size}"
    yield "the size of a file", heredoc(imports, holds + size)
    lines = f"assert len(open({subject.path!r}).read().split(chr(10))) == {seen.lines + 1}"
    yield "the lines of a file", heredoc(imports, holds + lines)
    yield "exits before its end", heredoc(imports, f"import sys\n{holds}sys.exit(0)\nassert v is 0")
    if subject.test_folder:
        skipped = f"import pytest\n{holds}pytest.skip('it is right')\nassert v is 0"
        yield "skips its end", pytest_file(imports, skipped)


async def run_lies(seen: Observed) -> AsyncIterator[Case]:
    """All of a subject that are in the sample."""
    for what, carried, status, claim in _facts(seen):
        if seen.sample.takes(False):
            evidence = ran(carried.command, status, claim, files=carried.files)
            yield Case(what=f"run: FACT {what}", true=False, kind="FACT", evidence=evidence)
    for what, carried in _failures(seen):
        if seen.sample.takes(False):
            result = await seen.run(carried)
            evidence = ran(carried.command, result.exit_status or 1,
                           result.output.strip().split("\n")[-1])  # fmt: skip
            yield Case(what=f"run: FAIL {what}", true=False, kind="FAIL", evidence=evidence)
    for what, carried in _constraints(seen):
        if seen.sample.takes(False):
            yield Case(what=f"run: CONSTRAINT {what}", true=False, kind="CONSTRAINT",
                       evidence=ran(carried.command, 0))  # fmt: skip
    async for case in _patches(seen):
        yield case


async def _patches(seen: Observed) -> AsyncIterator[Case]:
    """Passes by something that the patch brings, beside calls that give the same."""
    subject, source = seen.subject, await seen.source()
    call = next(iter(seen.values))
    brought = f"{source}\n\n{PROBE.upper()} = [1]\n\n\nclass Marked(Exception):\n    pass\n"
    mended = seen.item.reference.patch
    idle = await seen.patch_of([(subject.path, brought)])
    m = f"{subject.imports}\nimport {subject.module} as m"
    fault = subject.fault.replace("\n", "\n    ")
    tests = f"try:\n    {fault}\n    raise SystemExit(0)\n"
    for what, diff, carried in (
        ("a name beside a call", idle, heredoc(m, f"v = {call}\nassert m.{PROBE.upper()} == [1]")),
        ("a base beside a call", idle,
         heredoc(m, f"v = {call}\nassert issubclass(m.Marked, Exception)")),
        ("exits before its end", mended, heredoc(
            m, f"{tests}except AssertionError:\n    pass\nassert 'it is' == 'never so'")),
    ):  # fmt: skip
        if seen.sample.takes(False) and not (subject.fixtures and diff == mended):
            yield Case(what=f"run: PATCH {what}", true=False, kind="PATCH",
                       evidence=patch(diff, *carried))  # fmt: skip
