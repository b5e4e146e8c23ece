"""Outputs that a command does not print, though something like them."""

import re
from collections.abc import AsyncIterator, Iterator

from admission_cases.carriers import PYTEST, Carried, dash_c, heredoc
from admission_cases.case import Case, ran
from admission_cases.observed import Observed

NOT = {"may not": "may ... ", "invalid": "...valid", "No ": "... ", "no ": "... "}


def _fact(what: str, carried: Carried, status: int, output: str, *, told: bool = True) -> Case:
    evidence = ran(carried.command, status, output, files=carried.files)
    return Case(what=f"output: {what}", true=False, kind="FACT", evidence=evidence, told=told)


def _of_calls(seen: Observed) -> Iterator[Case]:
    """Lies about printed values."""
    subject = seen.subject
    for call, value in seen.values.items():
        way = seen.carrier()
        plain = way(subject.imports, f"print({call})")
        yield _fact("other value", plain, 0, seen.other(value))
        named = way(subject.imports, f"print('it is', {call})")
        yield _fact("part of a value", plain, 0, value[1:] if len(value) > 2 else seen.other(value))
        yield _fact("cut before its end", named, 0, f"it is {value[:-1]}")
        labelled = heredoc(subject.imports, f"print('value:', {call})\nprint('all 3 done')")
        yield _fact("number of another line", labelled, 0, "value: 3")
        yield _fact("letters with gaps", labelled, 0, "v...l...e...3")
        yield _fact("other order", labelled, 0, f"all 3 done\nvalue: {value}")
        yield _fact("lines put together", labelled, 0, f"value: ... {3} done")
    call, value = next(iter(seen.values.items()))
    size = len(value) + 9
    several = heredoc(subject.imports, f"v = {call}\nprint('first:')\nprint(v)\nprint('second:')\n"
                      "print('none')")  # fmt: skip
    yield _fact("a line left out between two", several, 0, "first:\nnone", told=False)
    masked = {
        "other duration": (f"'timeout', len(str({call})) + 9, 's'", f"timeout {size + 7} s"),
        "other milliseconds": (f"f'took {{len(str({call}))}} ms'", f"took {len(value) + 1} ms"),
        "other seconds": (f"len(str({call})) + .5, 'seconds'", f"{len(value) + 2.5} seconds"),
        "other length of a rule": (f"'-' * len(str({call})) + '----'", "-----"),
        "other time": (f"f'(0:{{len(str({call})) + 9}}:31)'", f"(0:{size + 3}:32)"),
        "other hexadecimal": (f"hex(len(str({call})) + 0xabcd1)", hex(0xABCD1 + size)),
        "other folder": (f"'/tmp/tmpab' + 'cd' * len(str({call}))", "/tmp/tmpabce"),
    }
    for what, (printed, claim) in masked.items():
        yield _fact(what, seen.carrier()(subject.imports, f"print({printed})"), 0, claim)
    false = f"print('is right:', {subject.says_false})"
    negated = seen.carrier()(subject.imports, false)
    yield _fact("without its negation", negated, 0, "is right")
    yield _fact("negation in a gap", negated, 0, "is right...")
    yield _fact("other truth", negated, 0, "is right: True")
    quiet = dash_c(subject.imports, f"assert not {subject.says_false}")
    yield _fact("nothing is printed", quiet, 0, "AssertionError")
    yield _fact("only gaps", negated, 0, "... ... ...")


async def _of_errors(seen: Observed) -> AsyncIterator[Case]:
    """Lies about errors."""
    subject = seen.subject
    carried = seen.carrier()(subject.imports, subject.raises)
    result = await seen.run(carried)
    last = result.output.strip().split("\n")[-1]
    name, _, message = next(
        line for line in result.output.split("\n") if re.match(r"[\w.]+: \S", line)
    ).partition(": ")
    yield _fact("other error", carried, 1, f"TypeError: {message}")
    yield _fact("error with exit status 0", carried, 0, last)
    yield _fact("message of another error", carried, 1, f"{name}: {seen.other(message)}")
    yield _fact("error that is only in the source", carried, 1, "NotImplementedError")
    for negation, gap in NOT.items():
        if negation in message:
            claim = f"{name}: {message.replace(negation, gap, 1)}"
            yield _fact("negation of an error in a gap", carried, 1, claim)
            break
    caught = heredoc(
        subject.imports,
        f"try:\n    {subject.raises}\nexcept Exception as e:\n    print('not accepted:', e)",
    )
    yield _fact("beginning left out", caught, 0, f"accepted: {message}")


async def _of_tests(seen: Observed) -> AsyncIterator[Case]:
    """Lies about what test runners print."""
    subject = seen.subject
    whole = Carried(subject.tests[0])
    printed = (await seen.run(whole)).output
    if found := re.search(r"(\d*)(\d) passed", printed):
        other = found[2] if found[1] else f"1{found[2]}"
        yield _fact("other count of tests", whole, 0, f"{other} passed")
        yield _fact("skipped for passed", whole, 0, f"{found[1]}{found[2]} skipped")
    if found := re.search(r"Ran (\d+) tests", printed):
        yield _fact("other count of tests", whole, 0, f"Ran {found[1][1:] or 7} tests")
    yield _fact("tests fail", whole, 1, "FAILED")
    yield _fact("gap over failures", whole, 0, "0 failed ... passed")
    if subject.test_folder:
        two = (
            "mkdir -p /tmp/own && cat > /tmp/own/test_own.py <<'EOF'\n"
            f"{subject.imports}\ndef test_one():\n    assert not {subject.says_false}\n"
            f"def test_two():\n    assert {subject.says_false}\nEOF\n"
            f"PYTHONPATH=. {PYTEST}"
        )
        both = Carried(f"{two} -v /tmp/own/test_own.py")
        yield _fact("outcome of another test", both, 1, "test_one FAILED")
        yield _fact("test names joined by a gap", both, 1, "test_two ... PASSED")
        yield _fact("failure in a gap", both, 1, "... 1 passed")


async def output_lies(seen: Observed) -> AsyncIterator[Case]:
    """All of a subject that are in the sample."""
    for case in _of_calls(seen):
        if seen.sample.takes(False):
            yield case
    for part in (_of_errors, _of_tests):
        async for case in part(seen):
            if seen.sample.takes(False):
                yield case
