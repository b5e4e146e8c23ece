"""True and false proposals made from an instance's tree and gold patch.

Every true one was observed first; every false one is wrong by construction.
"""

import random
import re
import shlex
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from admission_cases.case import AFTER, Case, patch, ran, span
from harness.protocols import Sandbox
from harness.types import ExecResult, Item

COMMAND_S = 120.0
COINS = 'python -c \'import random; print(random.choice(["heads", "tails"]))\''
FLAKY = {
    "hash order": "python -c 'print(set(\"abcdefghij\"))'",
    "clock": "python -c 'import time; print(time.time_ns())'",
    "random": "python -c 'import random; print(random.random())'",
}
BREAKING = "import a_module_that_is_not_there\n"


class Maker:
    """Makes the proposals of one instance."""

    def __init__(self, item: Item, pristine: Sandbox, *, quick: bool) -> None:
        self.item = item
        self.quick = quick  # fewer commands: they are what takes time
        self.pristine = pristine
        self.random = random.Random(item.instance.instance_id)
        self.test_path = _changed(item.reference.test_patch)

    async def cases(self) -> AsyncIterator[Case]:
        """Those that need no patch first, then the gold patch, then those that speak of it."""
        for part in (self.spans, self.commands, self.patches, self.after_the_patch):
            for case in await part():
                yield replace(case, board="plain")

    async def run(self, command: str) -> ExecResult:
        """What is observed at the base commit."""
        fork = await self.pristine.fork()
        try:
            return await fork.exec(command, timeout_s=COMMAND_S)
        finally:
            await fork.close()

    async def sources(self) -> dict[str, list[str]]:
        """Some source files of the tree, as lines; the one that the gold patch changes first."""
        listed = (await self.run("git ls-files '*.py'")).output.split("\n")
        good = [p for p in listed if p.endswith(".py") and "test" not in p and "doc" not in p]
        chosen = [self.changed(), *self.random.sample(good, 12)]
        found = {}
        for path in dict.fromkeys(chosen):
            lines = (await self.pristine.read(path)).decode(errors="replace").split("\n")
            if len(lines) > 30:
                found[path] = lines
        return dict(list(found.items())[:8])

    def changed(self) -> str:
        """A file that the gold patch changes."""
        return _changed(self.item.reference.patch)

    async def spans(self) -> list[Case]:
        """Quotes, right and wrong."""
        cases: list[Case] = []
        sources = await self.sources()
        paths = list(sources)
        for path, lines in sources.items():
            first, quote = self._quote(lines)
            other = next((p for p in paths if p != path and quote not in "\n".join(sources[p])), "")
            at = self.random.choice((first, first, 0))
            cases.append(_span("span", True, path, at, quote))
            off = first + self.random.choice((-3, -2, -1, 1, 2, 3))
            if "\n".join(lines[off - 1 :]).startswith(quote) or off < 1:
                off = first + 7
            cases.append(_span("span: wrong line", False, path, off, quote))
            wrong = self._altered(quote, "\n".join(lines))
            cases.append(_span("span: altered text", False, path, first, wrong))
            if other:
                cases.append(_span("span: text of another file", False, other, 0, quote))
        return cases

    def _quote(self, lines: list[str]) -> tuple[int, str]:
        while True:
            first = self.random.randrange(1, len(lines) - 4)
            quote = "\n".join(lines[first - 1 : first - 1 + self.random.randint(2, 4)])
            if len(quote.split("\n")[0].strip()) > 12:
                return first, quote

    def _altered(self, quote: str, text: str) -> str:
        letters = [at for at, c in enumerate(quote) if c.isalpha()]
        while True:
            at = self.random.choice(letters)
            wrong = quote[:at] + self.random.choice("qzxjk_") + quote[at + 1 :]
            if wrong not in text:
                return wrong

    def module(self) -> str:
        """The dotted name of a file that the gold patch changes."""
        parts = self.changed().removesuffix(".py").split("/")
        parts = parts[1:] if parts[0] == "src" else parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    async def commands(self) -> list[Case]:
        """Commands with what they really do, and with what they do not."""
        path, module = self.changed(), self.module()
        imports = f"import {module} as m; "
        seen = [
            f'python -c "{imports}print(sorted(n for n in vars(m) if n[0] != chr(95))[:6])"',
            f'python -c "{imports}print(m.__doc__, m.__file__, len(vars(m)))"',
            f'python -c "{imports}m.no_such_name_{self.random.randrange(99)}"',
            f'python -c "import {module}.nothing_there"',
            *([self.passing(1)] if self.passing(1) else []),
        ]
        cases = []
        for command in self.random.sample(seen, 3) if self.quick else seen:
            result = await self.run(command)
            status, output = result.exit_status or 0, _last(result.output)
            cases.append(_command("command", True, command, status, output))
            if command in seen[::2]:
                invented = output.replace("\n", " and ")[:60] + " but not here"
                cases.append(_command("command: invented output", False, command, status, invented))
            else:
                turned = 1 - min(status, 1)
                what = "command: exit status reversed"
                cases.append(_command(what, False, command, turned, output))
        reads = f"grep -n '^import\\|^from' {path} | head -4"
        imported = (await self.run(reads)).output
        cases.append(_command("command: only reads", False, reads, 0, _last(imported)))
        return cases + await self._flaky() + await self._own_words() + await self._constraints()

    async def _flaky(self) -> list[Case]:
        cases = []
        for what, command in self._some(list(FLAKY.items()), 1):
            result = await self.run(command)
            cases.append(_command(f"flaky: {what}", False, command, 0, result.output.strip()))
        if self.item.instance.instance_id.endswith(("5014", "6028", "0051", "3534")):
            side = self.random.choice(("heads", "tails"))
            cases.append(_command("flaky: coin flip", False, COINS, 0, side))
        return cases

    async def _own_words(self) -> list[Case]:
        path = self.changed()
        claim = f"the bug is in {path}"
        commands = (f"echo {claim}", f"printf '%s\\n' '{claim}'", f"python -c \"print('{claim}')\"")
        what = "command: spells its own output"
        return [_command(what, False, c, 0, claim) for c in self._some(list(commands), 1)]

    def _some(self, of: list[Any], most: int) -> list[Any]:
        return self.random.sample(of, most) if self.quick else of

    async def _constraints(self) -> list[Case]:
        cases = []
        for number in (0,) if self.quick else (0, 2):
            command = self.passing(number)
            result = await self.run(command) if command else None
            if result is not None and result.exit_status == 0:
                case = Case(what="constraint", true=True, kind="CONSTRAINT",
                            evidence=ran(command, 0, _last(result.output, 1)))  # fmt: skip
                cases.append(case)
                if number == 0:
                    cases.append(Case(what="gist over 100 tokens", true=False, kind="FACT",
                                      gist="It passes, " * 60, evidence=case.evidence))  # fmt: skip
        return cases

    def passing(self, number: int) -> str:
        """A command that runs one test that is said to pass, or nothing."""
        names = self.item.reference.pass_to_pass
        return self.test(names[number]) if number < len(names) else ""

    def test(self, name: str) -> str:
        """A command that runs one test."""
        if "::" in name:
            return f"python -m pytest -q -p no:cacheprovider {shlex.quote(name)}"
        if self.item.instance.repo == "sympy/sympy":
            module = self.test_path.removesuffix(".py").replace("/", ".")
            return f"python -c 'from {module} import {name} as t; t(); print(t, \"passed\")' 2>&1"
        label = re.fullmatch(r"(\w+) \(([\w.]+)\)", name)
        if label is None:
            return ""
        dotted = label[2] if label[2].endswith(f".{label[1]}") else f"{label[2]}.{label[1]}"
        return f"./tests/runtests.py --settings=test_sqlite --parallel 1 {dotted}"

    def reproduction(self) -> str:
        """A command that fails at the base commit and passes with the gold patch."""
        reference = self.item.reference
        test = self.test(reference.fail_to_pass[0])
        return f"git apply <<'END_OF_TEST'\n{reference.test_patch}END_OF_TEST\n{test}"

    async def patches(self) -> list[Case]:
        """The gold patch, and patches that are none."""
        gold, test_patch = self.item.reference.patch, self.item.reference.test_patch
        shows, passes = self.reproduction(), self.passing(0) or "python -c 'import json'"
        path = self.changed()
        text = (await self.pristine.read(path)).decode()
        broken = await self.diff_of(path, BREAKING + text)
        compiles_not = await self.diff_of(path, text + "\ndef (:\n")
        reads = f"grep -q {shlex.quote(_added_line(gold))} {path}"
        idle = await self.diff_of(path, text + "\n# mended\n")
        false = [
            _patch("patch: passes anyway", False, gold, passes),
            _patch("patch: only tests", False, test_patch, shows),
            _patch("patch: edits a test too", False, gold + test_patch, shows),
            _patch("patch: breaks an import", False, broken, shows),
            _patch("patch: does not compile", False, compiles_not, shows),
            _patch("patch: does not apply", False, await self.reverse(), shows),
            _patch("patch: command only reads", False, gold, reads),
            _patch("patch: does not work", False, idle, shows),
        ]  # fmt: skip

        return [*self._some(false, 3), _patch("patch", True, gold, shows)]

    async def diff_of(self, path: str, text: str) -> str:
        """The patch that makes `path` hold `text`."""
        fork = await self.pristine.fork()
        try:
            await fork.write(path, text.encode())
            return await fork.diff()
        finally:
            await fork.close()

    async def reverse(self) -> str:
        """A patch from the patched state back to base."""
        fork = await self.pristine.fork()
        try:
            await fork.write("/tmp/gold", self.item.reference.patch.encode())
            result = await fork.exec("git apply --index /tmp/gold && git diff --cached -R")
            return result.output
        finally:
            await fork.close()

    async def after_the_patch(self) -> list[Case]:
        """What is true with the gold patch, and what was true before it only."""
        gold, shows = self.item.reference.patch, self.reproduction()
        path = self.changed()
        before = await self.run(shows)
        fork = await self.pristine.fork()
        try:
            await fork.write("/tmp/gold", gold.encode())
            await fork.exec("git apply /tmp/gold")
            new = (await fork.read(path)).decode()
            after = await fork.exec(shows, timeout_s=COMMAND_S)
        finally:
            await fork.close()
        old = (await self.pristine.read(path)).decode()
        status, failed = before.exit_status or 1, _last(before.output, 1)
        with_gold, passed = _patch("patch", True, gold, shows), _last(after.output, 1)
        cases = [
            _command("command in a patched state", True, shows, 0, passed, with_gold),
            _command("stale: failed before the patch", False, shows, status, failed, with_gold),
            _command("command", True, shows, status, failed),
            _command("command: exit status reversed", False, shows, 0, passed),
        ]  # fmt: skip
        cases.append(replace(cases[1], what="FAIL: the candidate passes", kind="FAIL"))
        for line in new.split("\n"):
            if len(line.strip()) > 12 and line not in old.split("\n"):
                cases.append(_span("span in a patched state", True, path, 0, line, with_gold))
                cases.append(_span("span: stands in the patched state only", False, path, 0, line))
                break
        for line in old.split("\n"):
            if len(line.strip()) > 12 and line not in new.split("\n"):
                cases.append(
                    _span("stale: stood before the patch", False, path, 0, line, with_gold)
                )
                break
        return [case for case in cases if not self.quick or case.after]


def _span(
    what: str, true: bool, path: str, line: int, quote: str, after: Case | None = None
) -> Case:
    evidence = span(path, line, quote, AFTER if after else "base")
    return _fact(what, true, evidence, after)


def _command(
    what: str, true: bool, command: str, status: int, output: str, after: Case | None = None
) -> Case:
    evidence = ran(command, status, output, state=AFTER if after else "base")
    return _fact(what, true, evidence, after)


def _fact(what: str, true: bool, evidence: Mapping[str, Any], after: Case | None) -> Case:
    before = (replace(after, board="plain"),) if after else ()
    return Case(what=what, true=true, kind="FACT", evidence=evidence, after=before)


def _patch(what: str, true: bool, diff: str, command: str) -> Case:
    return Case(what=what, true=true, kind="PATCH", evidence=patch(diff, command))


def _last(output: str, most: int = 2) -> str:
    """The last lines that say something."""
    return "\n".join([line for line in output.split("\n") if len(line.strip()) > 2][-most:])


def _changed(diff: str) -> str:
    return re.findall(r"^\+\+\+ b/(\S+\.py)$", diff, re.MULTILINE)[0]


def _added_line(diff: str) -> str:
    added = [line[1:] for line in diff.split("\n") if re.match(r"\+(?!\+\+)", line)]
    return max(added, key=len).strip()
