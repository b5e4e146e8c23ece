"""True facts, as models write them: outputs cut, gaps, tracebacks, summaries of test runners."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import NamedTuple

from admission_cases.carriers import (
    PLAIN,
    Carried,
    attached,
    dash_c,
    heredoc,
    new_test,
    pytest_file,
    unittest_case,
)
from admission_cases.case import Case, ran, span
from admission_cases.observed import Observed
from harness.types import ExecResult

Cut = Callable[[list[str]], str]
"""What a model gives of the lines of an output."""


def _whole(lines: list[str]) -> str:
    return "\n".join(lines)


def _last(lines: list[str]) -> str:
    return lines[-1]


def _first_and_last(lines: list[str]) -> str:
    return f"{lines[0]}\n...\n{lines[-1]}" if len(lines) > 1 else lines[0]


def _end_in_a_gap(lines: list[str]) -> str:
    words = lines[-1].split(" ")  # what is short has its value at its end
    return " ".join(words[:-1]) + "..." if len(words) > 4 else lines[-1]


def _middle_in_a_gap(lines: list[str]) -> str:
    words = lines[-1].split(" ")
    if len(words) < 4:
        return lines[-1]
    return " ".join([words[0], "...", *words[-2:]])


def _stripped(lines: list[str]) -> str:
    return "\n".join(line.strip() for line in lines[-2:])


def _gap_before(lines: list[str]) -> str:
    return f"...\n{lines[-1]}\n..."


CUTS: dict[str, Cut] = {
    "whole output": _whole,
    "last line": _last,
    "first and last line": _first_and_last,
    "end of a line in a gap": _end_in_a_gap,
    "middle of a line in a gap": _middle_in_a_gap,
    "lines without their indentation": _stripped,
    "gaps around a line": _gap_before,
}


class Plan(NamedTuple):
    """A command, and what of its output is given; nothing where that is not in it."""

    what: str
    carried: Carried
    cut: Cut


def lines_of(result: ExecResult) -> list[str]:
    """The lines that say something."""
    return [line for line in result.output.split("\n") if line.strip()]


def _bodies(seen: Observed) -> Iterator[tuple[str, str]]:
    """Statements of which the code decides what they print."""
    subject = seen.subject
    calls = list(seen.values)
    one, two, three = calls[:3]
    yield "a value", f"print({one})"
    yield "values with labels", f"print('one:', {one})\nprint('two:', {two})"
    yield "an f-string", f"print(f'it gives {{{one!s}}}')" if "'" not in one else f"print({one})"
    yield "a repr", f"print(repr({two}))"
    yield "a comparison", f"print('is right:', {subject.says_false})"
    yield (
        "a caught error",
        (
            f"try:\n    print({subject.raises})\nexcept Exception as e:\n"
            "    print(type(e).__name__, e)"
        ),
    )
    yield (
        "a verdict in a word",
        (f"print('right' if str({one}) == {seen.values[one]!r} else 'wrong')"),
    )
    yield (
        "a value and a verdict",
        (f"v = {one}\nprint('it gives', v)\nprint('it is as expected' if v else 'it is not')"),
    )
    yield "an error", subject.raises
    yield "a failed assertion", f"v = {three}\nassert v is None, f'got {{v!r}}'"
    yield "a loop", f"for v in ({one}, {two}, {three}):\n    print('-', v)"
    yield "an assertion that holds", f"assert str({one}) == {seen.values[one]!r}\nprint('ok')"
    yield "an address", f"print({subject.named}, {one})"
    yield "a folder that differs", f"import tempfile\nprint(tempfile.mkdtemp(), {one})"
    yield (
        "a duration",
        (
            f"import time\nt = time.time()\nv = {one}\n"
            "print(f'took {time.time() - t:.4f} s')\nprint('the value is', v)"
        ),
    )
    yield "a set in order", f"print(sorted({{str({one}), str({two}), str({three})}}))"
    yield "a signature", (f"import inspect\nprint(inspect.signature({subject.named}))")
    yield "a status", f"import sys\nv = {one}\nprint('seen', v)\nsys.exit(3 if v else 0)"
    yield "a warning", f"import warnings\nwarnings.warn('seen ' + str({one}))"


def _by_python(seen: Observed) -> Iterator[Plan]:
    subject = seen.subject
    for what, body in _bodies(seen):
        for _ in range(2):
            carried = seen.random.choice(PLAIN)(subject.imports, body)
            named, cut = seen.random.choice(list(CUTS.items()))
            yield Plan(f"{what}, {named}", carried, cut)
    body = f"v = {next(iter(seen.values))}\nprint('value', v)"
    ways = [unittest_case]
    if subject.test_folder:
        ways += [pytest_file, new_test(subject.test_folder)]
    for way in ways:
        yield Plan("printed by a test", way(subject.imports, body), _beginning("value"))


def _beginning(text: str) -> Cut:
    """The first line that begins so."""
    return lambda lines: next((line for line in lines if line.startswith(text)), "")


def _error(lines: list[str]) -> str:
    return next(line for line in reversed(lines) if re.match(r"[\w.]+: ", line))


def _error_without_its_module(lines: list[str]) -> str:
    name, _, message = _error(lines).partition(": ")
    return f"{name.rpartition('.')[2]}: {message}"


def _place_and_error(lines: list[str]) -> str:
    place = next(line for line in reversed(lines) if 'File "/testbed' in line)
    return f"{place.strip()}\n{_error(lines)}"


def _beginning_of_the_message(lines: list[str]) -> str:
    name, _, message = _error(lines).partition(": ")
    words = message.split(" ")
    cut = words[3:] and "not" not in words[3:]  # a gap that hides it would turn the meaning
    return f"{name}: {' '.join(words[:3])}..." if cut else f"{name}: {message}"


TRACEBACK_CUTS: dict[str, Cut] = {
    "error line": _error,
    "traceback with a gap": lambda lines: (
        f"Traceback (most recent call last):\n  ...\n{_error(lines)}"
    ),
    "error without its module": _error_without_its_module,
    "place and error": _place_and_error,
    "beginning of a message": _beginning_of_the_message,
}


def _tracebacks(seen: Observed) -> Iterator[Plan]:
    """Errors, shortened as models shorten them."""
    for way in (dash_c, heredoc, attached):
        carried = way(seen.subject.imports, seen.subject.raises)
        for what, cut in TRACEBACK_CUTS.items():
            yield Plan(what, carried, cut)


def _by_shell(seen: Observed) -> Iterator[Plan]:
    """Commands around the code."""
    subject = seen.subject
    call, value = list(seen.values.items())[1]
    plain = dash_c(subject.imports, f"print('before')\nprint({call})").command
    rest = plain.removeprefix("python ")
    shells = {
        "tail": f"{plain} 2>&1 | tail -n 1",
        "grep": f"{plain} | grep -v before",
        "status": f'{plain}; echo "exit: $?"',
        "cd": f"cd /testbed && {plain}",
        "PYTHONPATH": f"PYTHONPATH=. {plain}",
        "python3": f"python3 -B {rest}",
        "warnings": f"python -W ignore {rest}",
        "set -e": f"set -e\n{plain}\necho done",
        "timeout": f"timeout 60 {plain}",
        "variable": f'OUT=$({plain}); echo "$OUT"',
        "env": f"env LANG=C {plain}",
        "file": f"{plain} > /tmp/out.txt 2>&1; tail -n 1 /tmp/out.txt",
    }
    for what, command in shells.items():
        yield Plan(f"shell: {what}", Carried(command), lambda _: value)
    if subject.cli:
        yield Plan("program of the repository", Carried(subject.cli), _last)
    names = "print(sorted(k for k in vars(m) if k[0] != '_')[:5])"
    yield Plan("names of a module", dash_c(f"import {subject.module} as m", names), _last)


def _count(lines: list[str]) -> str:
    counts = re.findall(r"\d+ passed|^OK$|Ran \d+ tests?", "\n".join(lines), re.MULTILINE)
    return counts[0] if counts else ""


def _marked(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("E  ")]


def _summary(lines: list[str]) -> str:
    return next(line for line in lines if line.startswith("FAILED"))


COUNTS: dict[str, Cut] = {
    "last line of a runner": _last,
    "count of a runner": _count,
    "count of a runner and a gap": lambda lines: f"{_count(lines)}...",
    "count of a runner between gaps": lambda lines: f"...{_count(lines)}...",
}
FAILURES: dict[str, Cut] = {
    "marked lines": lambda lines: "\n".join(_marked(lines)[:2]),
    "a marked line without its mark": lambda lines: "".join(_marked(lines)[:1])[1:].strip(),
    "failed test": _summary,
    "failed test, cut": lambda lines: f"{_summary(lines).split(' - ')[0]}...",
    "failed test, its name": lambda lines: _summary(lines).split(" - ")[0],
    "count of failures": lambda _: "1 failed",
    "count of failures and a gap": lambda _: "1 failed in ...",
}


def _by_tests(seen: Observed) -> Iterator[Plan]:
    """What test runners print: durations and widths differ from run to run."""
    subject = seen.subject
    for tests in subject.tests:
        for what, cut in COUNTS.items():
            yield Plan(what, Carried(tests), cut)
    if subject.test_folder:
        fails = pytest_file(subject.imports, subject.fault, subject.fixtures)
        for what, cut in FAILURES.items():
            yield Plan(what, fails, cut)


async def _spans(seen: Observed) -> AsyncIterator[Case]:
    lines = (await seen.source()).split("\n")
    for size in (1, 2, 5):
        fitting = [n for n in range(len(lines) - size) if len(lines[n]) > 12]
        if not fitting:
            continue
        at = seen.random.choice(fitting)
        quote = "\n".join(lines[at : at + size])
        for line in (0, at + 1):
            yield Case(what="true: span", true=True, kind="FACT",
                       evidence=span(seen.subject.path, line, quote))  # fmt: skip


async def truths(seen: Observed) -> AsyncIterator[Case]:
    """All of a subject that are in the sample."""
    for part in (_by_python, _tracebacks, _by_shell, _by_tests):
        for what, carried, cut in part(seen):
            if not seen.sample.takes(True):
                continue
            result = await seen.run(carried)
            output = cut(lines_of(result))
            if output.strip("."):
                evidence = ran(carried.command, result.exit_status or 0, output,
                               files=carried.files)  # fmt: skip
                yield Case(what=f"true: {what}", true=True, kind="FACT", evidence=evidence)
    async for case in _spans(seen):
        if seen.sample.takes(True):
            yield case
