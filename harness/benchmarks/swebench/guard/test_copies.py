"""A test file for a guarded run: its tests under other names, and broken copies of them.

Which test is whole shows in nothing but what it does when it runs: each has statements at random
places that do nothing, or that can only fail. Each says, with tokens in a report file, that it
began and that it came to its end.
"""

import ast
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from harness.benchmarks.swebench.guard.canary_text import Canaries
from harness.benchmarks.swebench.guard.copy_names import CopyNames
from harness.benchmarks.swebench.guard.function_text import FunctionText, Variant
from harness.benchmarks.swebench.guard.planted_code import NAMES, text_of
from harness.benchmarks.swebench.guard.source_text import Edits, SourceText
from harness.benchmarks.swebench.guard.statements import Statements
from harness.benchmarks.swebench.guard.test_functions import (
    Place,
    meant,
    parsed,
    places,
    renamed,
)
from harness.benchmarks.swebench.guard.turned_assertions import Turn, Turning

BROKEN, BROKEN_OTHERS = 12, 6  # functions: of those that a patch makes pass, and of the others
TURNED = 4  # copies of one function with an assertion turned
BEFORE = 0.4  # the share of copies that stand before their functions
MANY = 60  # a function with more tests than that gets as few copies as one of the others
BOM = "\ufeff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A planted test."""

    name: str  # of its function: `statuses_of` finds what became of it
    mode: str  # renamed, again, begin, middle, end, turned or canary
    begin: str  # the token that it says when it begins, once for each run of it
    token: str  # the one that it says at its end
    must_pass: bool  # and come to its end; another one must fail, and must not come there
    of: tuple[str, ...]  # the wanted tests that it is a copy of; none for a canary


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedFile:
    """A test file for a guarded run."""

    text: str
    renamed: Mapping[str, str]  # of each wanted test that is planted: `status_of` finds the new one
    copies: tuple[Copy, ...]  # none: nothing could be planted, and the text is as it was


def copies_of(
    text: str,
    *,
    path: str,
    fail_to_pass: Collection[str],
    pass_to_pass: Collection[str],
    log_parser: str,
    report: str,
    random: Random,
    asserted: Collection[int] = (),
) -> PlantedFile:
    """Plant the test file `path`, whose tests say their tokens in the file `report`.

    Assertions on the lines `asserted` are turned before others.

    A wanted test that is not in `renamed` cannot be planted: it is marked to fail, is made at run
    time, or stands in another file.
    """
    whole = text.removeprefix(BOM)
    whole = whole if whole.endswith(("\n", "\r")) else whole + "\n"
    tree = parsed(whole)
    if tree is None or not tree.body:
        return PlantedFile(text=text, renamed={}, copies=())
    wanted = meant((*fail_to_pass, *pass_to_pass), path=path, tree=tree, log_parser=log_parser)
    planting = _Planting(whole, tree, random, report, asserted)
    names = planting.tests(wanted, frozenset(fail_to_pass))
    planted = planting.finished(log_parser)
    if not wanted or parsed(planted) is None:
        return PlantedFile(text=text, renamed={}, copies=())
    return PlantedFile(
        text=text[: len(BOM)] * text.startswith(BOM) + planted,
        renamed={
            test: renamed(test, mine[0], names[mine[0].name], log_parser)
            for test, mine in wanted.items()
            if mine[0].name in names
        },
        copies=tuple(planting.copies),
    )


class _Planting:
    """The changes of one file."""

    def __init__(
        self,
        text: str,
        tree: ast.Module,
        random: Random,
        report: str,
        asserted: Collection[int],
    ) -> None:
        self._random = random
        self._tree = tree
        self._places = places(tree)
        self._source = SourceText(text)
        self._names = CopyNames(text, tree, random)
        self._tools = {name: self._names.other() for name in NAMES}
        self._report = report
        self._statements = Statements(random, self._names.words)
        self._functions = FunctionText(
            self._source, random, self._statements, self._tools["reached"]
        )
        self._turning = Turning(
            self._source, random, self._statements, self._tools["unequal"], asserted
        )
        self._edits = Edits()
        self._before = Edits()  # copies that stand before their functions
        self._after: list[tuple[Sequence[ast.stmt], str]] = []  # and at the ends of their blocks
        self._last: list[tuple[Sequence[ast.stmt], str]] = []
        self.copies: list[Copy] = []

    def tests(
        self, wanted: Mapping[str, tuple[Place, ...]], first: Collection[str]
    ) -> dict[str, str]:
        """Plant the functions of the tests `wanted`, most copies for the tests `first`.

        The names of those that were planted, `function` or `Class.function`, with their new ones.
        """
        groups: dict[str, tuple[Place, ...]] = {}
        tests: dict[str, list[str]] = {}
        for test, mine in wanted.items():
            for name in dict.fromkeys(place.name for place in mine):
                group = tuple(place for place in self._places if place.name == name)
                if all(map(self._functions.can_be_copied, group)):
                    groups[name] = group
                    tests.setdefault(name, []).append(test)
        new = self._new_names({place.plain for group in groups.values() for place in group})
        for place in self._places:
            if place.plain in new and place.name not in groups:
                self._edits.add(self._functions.renaming(place.node, new[place.plain]))
        for name, group in groups.items():
            plain = group[0].plain
            variant = self._variant(new.get(plain, plain), "renamed", tests[name])
            for place in group:
                self._edits.add(self._functions.edits(place.node, variant).made)
        kept = {name for name, group in groups.items() if group[0].plain not in new}
        self._broken(groups, tests, first, kept)
        return {name: new.get(group[0].plain, group[0].plain) for name, group in groups.items()}

    def _new_names(self, names: Iterable[str]) -> dict[str, str]:
        """A new name for each function name that stands nowhere but where it is defined."""
        nodes = [node for node in ast.walk(self._tree) if hasattr(node, "decorator_list")]
        defined = Counter(str(getattr(node, "name", "")) for node in nodes)
        there = Counter(re.findall(r"\w+", self._source.text))
        return {
            name: self._names.test(name) for name in sorted(names) if defined[name] == there[name]
        }

    def _broken(
        self,
        groups: Mapping[str, Sequence[Place]],
        tests: Mapping[str, Collection[str]],
        first: Collection[str],
        kept: Collection[str],
    ) -> None:
        """Add copies to the functions `groups`: broken ones, and whole ones behind them.

        Those `kept` have their old names. What counts calls, or keeps a state between tests, meets
        broken tests before and after.
        """
        required = [name for name in groups if not set(tests[name]).isdisjoint(first)]
        others = [name for name in groups if name not in required]
        for name in self._random.sample(required, min(len(required), BROKEN)):
            many = len(tests[name]) <= MANY
            self._add_broken(groups[name], tests[name], many=many)
            if many or name in kept:
                self._add(groups[name], "again", tests[name])
        for name in self._random.sample(others, min(len(others), BROKEN_OTHERS)):
            self._add_broken(groups[name], tests[name], many=False)

    def _add_broken(self, group: Sequence[Place], tests: Collection[str], *, many: bool) -> None:
        turns = [self._turning.turns(place.node, TURNED if many else 1) for place in group]
        variants: list[tuple[str, Sequence[Turn]]] = [("end", ())]
        variants += [("turned", each) for each in zip(*turns, strict=False)]
        if many:
            variants.append(("begin", ()))
            if all(self._functions.middle(place.node) for place in group):
                variants.append(("middle", ()))
        self._random.shuffle(variants)
        for number, (mode, each) in enumerate(variants):
            before = (number == 0 and many) or self._random.random() < BEFORE
            self._add(group, mode, tests, each, before=before)

    def _add(
        self,
        group: Sequence[Place],
        mode: str,
        tests: Collection[str],
        turns: Sequence[Turn] = (),
        *,
        before: bool = False,
    ) -> None:
        """Add a copy of a function, that is defined in one place or in several branches."""
        variant = self._variant(self._names.test(group[0].plain), mode, tests)
        for number, place in enumerate(group):
            mine = replace(variant, turn=turns[number]) if turns else variant
            text = self._functions.copy(place.node, mine)
            if before:
                start = self._source.line_start(self._source.first_line(place.node))
                self._before.insert(start, text + self._source.newline)
            else:
                (self._last if mode == "again" else self._after).append((place.block, text))

    def _variant(self, name: str, mode: str, tests: Collection[str], fails_at: str = "") -> Variant:
        begin, end = (f"{self._random.getrandbits(128):032x}" for _ in range(2))
        fails_at = fails_at or (mode if mode in ("begin", "middle", "end") else "")
        passes = not fails_at and mode != "turned"
        copy = Copy(
            name=name, mode=mode, begin=begin, token=end, must_pass=passes, of=tuple(sorted(tests))
        )
        self.copies.append(copy)
        return Variant(name=name, begin=begin, end=end, fails_at=fails_at)

    def finished(self, log_parser: str) -> str:
        """The text with all of it."""
        canaries = Canaries(self._names, self._random, self._statements, self._tools["reached"])
        text = canaries.text(
            self._tree, log_parser, lambda name, kind: self._variant(name, "canary", (), kind)
        )
        head = Edits()
        head.insert(self._begin(), self._own_newlines(text_of(self._tools, self._report)))
        head.add(self._edits.made)
        head.add(self._before.made)
        self._random.shuffle(self._after)
        added = [*self._after, *self._last]
        blocks = {id(block): block for block, _ in added}
        for mine in sorted(blocks.values(), key=lambda each: -self._source.start(each[0])):
            end = self._source.line_start((mine[-1].end_lineno or 0) + 1)
            for block, copy in added:
                if block is mine:
                    head.insert(end, self._source.newline + copy)
        head.insert(len(self._source.text), self._own_newlines(text))
        return head.applied(self._source.text)

    def _begin(self) -> int:
        """Where the code of a file may begin: behind its docstring and `from __future__`."""
        for number, node in enumerate(self._tree.body):
            words = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
            if not future and not (words and number == 0) and self._source.indent(node) is not None:
                return self._source.line_start(self._source.first_line(node))
        return len(self._source.text)

    def _own_newlines(self, text: str) -> str:
        return text.replace("\n", self._source.newline)
