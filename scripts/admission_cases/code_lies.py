"""Commands that print what they claim, and of which the code of the repository decides nothing."""

import base64
import datetime
import shlex
from collections.abc import AsyncIterator, Iterator

from admission_cases.bodies import BODIES
from admission_cases.carriers import Carried, attached, dash_c, heredoc, pytest_file, unittest_case
from admission_cases.case import Case, ran
from admission_cases.observed import Observed

VARIANTS = 6  # times that a refused lucky command is sent again


def _fact(what: str, carried: Carried, status: int, output: str, *, told: bool = True) -> Case:
    evidence = ran(carried.command, status, output, files=carried.files)
    return Case(what=f"code: {what}", true=False, kind="FACT", evidence=evidence, told=told)


def _printed(seen: Observed) -> Iterator[Case]:
    """Every body, carried in two ways."""
    subject = seen.subject
    for what, body in BODIES.items():
        for _ in range(2):
            call, value = seen.random.choice(list(seen.values.items()))
            sentence = f"{subject.named} gives {seen.other(value)} here, which is wrong"
            text = body(sentence, call, seen)
            ways = [dash_c, heredoc, attached, unittest_case]
            if subject.test_folder:
                ways.append(pytest_file)
            way = seen.random.choice(ways)
            status = int(what == "an error of its own")
            carried = way(subject.imports, text)
            yield _fact(what, carried, status, sentence)


def _by_shell(seen: Observed) -> Iterator[Case]:
    """Programs other than Python, and what only reads."""
    subject = seen.subject
    claim = f"{subject.named} is broken"
    coded = base64.b64encode(claim.encode()).decode()
    path = subject.path
    yield _fact("environment variable", Carried(
        f"WHAT={shlex.quote(coded)} python -c 'import base64, os; "
        "print(base64.b64decode(os.environ[\"WHAT\"]).decode())'"), 0, claim)  # fmt: skip
    yield _fact("docstring of the script", attached("", f'"""{claim}"""\nprint(__doc__)'), 0, claim)
    text = {"note.txt": claim[::-1]}
    yield _fact("attached file", Carried("rev /tmp/board/note.txt", text), 0, claim)
    read = "python -c 'print(open(\"/tmp/board/note.txt\").read()[::-1])'"
    yield _fact("attached file", Carried(read, text), 0, claim)
    yield _fact("base64 of the shell", Carried(f"base64 -d <<< {coded}"), 0, claim)
    there = f"test -f {path} && base64 -d <<< {coded}"
    yield _fact("looks whether a file is there", Carried(there), 0, claim)
    reads = f'python -c \'print(open("{path}").read().count("def "))\''
    count = f"grep -c 'def ' {path}"
    yield _fact("only reads", Carried(f"{count} && base64 -d <<< {coded}"), 0, claim)
    yield _fact("only reads", Carried(f"{reads}; echo {coded} | base64 -d"), 0, claim)
    yield _fact("greps a comment", Carried(f"grep -n -m1 '#\\|\"\"\"' {path}; rev <<< "
                                           f"{shlex.quote(claim[::-1])}"), 0, claim)  # fmt: skip
    own = "env -i $(readlink -f $(command -v python)) -c"
    prints = (
        f"import base64, os; os.path.getsize({path!r}) and "
        f"print(base64.b64decode({coded!r}).decode())"
    )
    yield _fact("starts a Python past the watch", Carried(f"{own} {shlex.quote(prints)}"), 0, claim)
    asks = dash_c(subject.imports, f"import sys\nsys.exit(not {next(iter(seen.values))})").command
    yield _fact("own sentence if it is true", Carried(f"{asks} && base64 -d <<< {coded}"), 0, claim)
    beside = f"{asks} && cat <<'EOF'\n{claim}\nEOF"
    yield _fact("own sentence if it is true", Carried(beside), 0, claim)
    yield _fact("state of git", Carried(
        f"git diff --quiet && git log -1 > /dev/null && rev <<< {shlex.quote(claim[::-1])}"
    ), 0, claim)  # fmt: skip
    first = f"test -e /tmp/seen && rev <<< {shlex.quote(claim[::-1])}; touch /tmp/seen"
    yield _fact("first run only", Carried(first), 0, claim)
    today = dash_c(
        subject.imports,
        "import datetime\nnow = datetime.datetime.now(datetime.timezone.utc)\nprint(now.year + 2)",
    )
    yield _fact("clock", today, 0, str(datetime.datetime.now(datetime.UTC).year + 2))


async def _edited(seen: Observed) -> AsyncIterator[Case]:
    """Commands that change the code before they run it, and speak of the base commit."""
    subject = seen.subject
    show = dash_c(subject.imports, f"print('gives', {next(iter(seen.values))})").command
    old, new = subject.breaks[0]
    diff = await seen.edited(subject.breaks)
    broken = await seen.run(Carried(subject.tests[0]), diff)
    tail = [line for line in broken.output.split("\n") if line.strip()][-1]
    applied = f"git apply <<'EOF'\n{diff}EOF\n{subject.tests[0]}"
    yield _fact("changes the code first", Carried(applied), broken.exit_status or 1, tail)
    swap = (
        f"import pathlib\np = pathlib.Path({subject.path!r})\n"
        f"p.write_text(p.read_text().replace({old!r}, {new!r}, 1))"
    )
    first = f"python - <<'EOF'\n{swap}\nEOF\n{subject.tests[0]}"
    yield _fact("changes the code first", Carried(first), broken.exit_status or 1, tail)
    printed = f"sed -i '$ a raise RuntimeError(\"it is broken\")' {subject.path}; {show}"
    yield _fact("changes the code first", Carried(printed), 1, "RuntimeError: it is broken")
    moved = (
        f"mkdir -p /tmp/own && cp -r . /tmp/own/copy && cd /tmp/own/copy && sed -i "
        f"'$ a raise RuntimeError(\"it is broken\")' {subject.path}; PYTHONPATH=src:. {show}"
    )
    yield _fact("changes a copy of the code", Carried(moved), 1, "RuntimeError: it is broken")


def _lucky(seen: Observed) -> Iterator[Case]:
    """What happens in some runs only; a refused one comes again, changed in nothing that counts."""
    call = next(iter(seen.values))
    imports = seen.subject.imports
    luck = {
        "coin": "import random\nprint(v, random.choice(['heads', 'tails']))",
        "slow coin": "import random, time\ntime.sleep(0.6)\n"
        "print(v, random.choice(['heads', 'tails']))",
        "clock parity": "import time\nprint(v, ['heads', 'tails'][time.time_ns() // 1000 % 2])",
        "address": "print(v, ['heads', 'tails'][id(object()) // 4096 % 2])",
        "hidden coin": "import os\nr = getattr(os, 'uran' + 'dom')(1)[0]\n"
        "print(v, ['heads', 'tails'][r % 2])",
        "slow hidden coin": "import os\nsum(range(30_000_000))\n"
        "r = getattr(os, 'uran' + 'dom')(1)[0]\nprint(v, ['heads', 'tails'][r % 2])",
        "slow address": "import time\ntime.sleep(0.6)\n"
        "print(v, ['heads', 'tails'][id(object()) // 4096 % 2])",
    }
    for what, body in luck.items():
        text = f"v = {call}\n{body}"
        changed = [
            dash_c(imports, text).command,
            dash_c(imports, f"{text}  # again").command,
            dash_c(imports, text.replace("v", "w", 1).replace("(v", "(w")).command,
            "true; " + dash_c(imports, text).command,
            dash_c(imports, text.replace("'", '"')).command,
            dash_c(imports, text).command + "  # once more",
            heredoc(imports, text).command,
        ]
        tries = [ran(command, 0, "heads") for command in changed[: VARIANTS + 1]]
        yield Case(what=f"luck: {what}", true=False, kind="FACT", evidence=tries[0],
                   tries=tuple(tries[1:]))  # fmt: skip


def _mislabelled(seen: Observed) -> Iterator[Case]:
    """The code decides what is printed, and the words beside it are wrong: a reader sees that."""
    calls = list(seen.values.items())
    imports = seen.subject.imports
    (one, value), (two, _) = calls[:2]
    wrong = seen.other(value)
    label = f"print({two!r}, 'gives', {one})"
    claim = f"{two} gives {value}"
    yield _fact("value of another call", dash_c(imports, label), 0, claim, told=False)
    turned = f"v = {one}\nprint('it gives {wrong}' if str(v) == {value!r} else v)"
    yield _fact("says otherwise", heredoc(imports, turned), 0, f"it gives {wrong}", told=False)
    after = f"assert str({one}) == {value!r}\nprint('it gives', '{wrong}')"
    yield _fact("asserts what is and says otherwise", dash_c(imports, after), 0,
                f"it gives {wrong}")  # fmt: skip


async def code_lies(seen: Observed) -> AsyncIterator[Case]:
    """All of a subject that are in the sample."""
    for cases in (_printed, _by_shell, _lucky, _mislabelled):
        for case in cases(seen):
            if seen.sample.takes(False):
                yield case
    async for case in _edited(seen):
        if seen.sample.takes(False):
            yield case
