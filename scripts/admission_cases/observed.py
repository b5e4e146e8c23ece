"""One subject in its sandbox: what commands really do there, and patches of it."""

import hashlib
import random
import zlib
from collections.abc import Callable, Mapping, Sequence

from admission_cases.carriers import PLAIN, Carried, Carrier, pytest_file
from admission_cases.subjects import Edit, Subject
from harness.protocols import Sandbox
from harness.types import ExecResult, Item

COMMAND_S = 120.0


class Sample:
    """Takes one of so many in a row, of the true ones and of the false ones."""

    def __init__(self, one_of: Mapping[bool, int], seed: str) -> None:
        self._one_of = one_of
        self._random = random.Random(seed)
        self._counts = {True: 0, False: 0}
        self._taken = {True: 0, False: 0}  # place of the next one in its row

    def takes(self, true: bool) -> bool:
        """Whether the next one is taken. To be asked once for each."""
        place = self._counts[true] % self._one_of[true]
        self._counts[true] += 1
        if place == 0:
            self._taken[true] = self._random.randrange(self._one_of[true])
        return place == self._taken[true]


class Observed:
    """A subject, its item and its pristine sandbox."""

    def __init__(
        self, subject: Subject, item: Item, pristine: Sandbox, *, sample: Sample | None = None
    ) -> None:
        self.subject = subject
        self.sample = sample or Sample({True: 1, False: 1}, "")
        self.item = item
        self.pristine = pristine
        self.random = random.Random(subject.instance)
        self.values: dict[str, str] = {}  # what `print` says of each of its calls
        self._ran: dict[tuple[str, str, str], ExecResult] = {}
        self.lines = self.size = self.crc = 0  # of the file that the issue is about
        self.blob = self.md5 = self.tree = ""

    async def look(self) -> None:
        """Learn the values of the calls."""
        body = "\n".join(f"print({call})" for call in self.subject.calls)
        result = await self.run(PLAIN[1](self.subject.imports, body))
        lines = result.output.strip().split("\n")
        assert len(lines) == len(self.subject.calls), result.output
        self.values = dict(zip(self.subject.calls, lines, strict=True))

    async def look_at_the_tree(self) -> None:
        """Learn what a command could tell the base commit by, without running the code."""
        text = await self.pristine.read(self.subject.path)
        self.lines, self.size, self.crc = text.count(b"\n"), len(text), zlib.crc32(text)
        self.md5 = hashlib.md5(text).hexdigest()
        asks = f"git hash-object {self.subject.path}; git rev-parse HEAD^{{tree}}"
        self.blob, self.tree = (await self.run(Carried(asks))).output.split()

    async def run(self, carried: Carried, diff: str = "") -> ExecResult:
        """What a command does at the base commit, or with a patch."""
        question = carried.command, repr(carried.files), diff
        if question not in self._ran:
            self._ran[question] = await self._run(carried, diff)
        return self._ran[question]

    async def _run(self, carried: Carried, diff: str) -> ExecResult:
        fork = await self.pristine.fork()
        try:
            for name, text in carried.files.items():
                await fork.exec("mkdir -p /tmp/board")
                await fork.write(f"/tmp/board/{name}", text.encode())
            if diff:
                await fork.write("/tmp/a.diff", diff.encode())
                await fork.exec("git apply /tmp/a.diff && rm /tmp/a.diff")
            return await fork.exec(carried.command, timeout_s=COMMAND_S)
        finally:
            await fork.close()

    async def source(self) -> str:
        """The file that the issue is about."""
        return (await self.pristine.read(self.subject.path)).decode()

    async def edited(self, edit: Edit, others: Sequence[tuple[str, str]] = ()) -> str:
        """The patch of some replacements; `others` are new files, path and text."""
        text = await self.source()
        for old, new in edit:
            assert old in text, (self.subject.instance, old)
            text = text.replace(old, new, 1)
        return await self.patch_of([(self.subject.path, text), *others])

    async def patch_of(self, files: Sequence[tuple[str, str]], *, gold: bool = False) -> str:
        """The patch that makes files hold texts, besides the gold patch where that is asked for."""
        fork = await self.pristine.fork()
        try:
            if gold:
                await fork.write("/tmp/a.diff", self.item.reference.patch.encode())
                await fork.exec("git apply /tmp/a.diff && rm /tmp/a.diff")
            for path, text in files:
                await fork.write(path, text.encode())
            return await fork.diff()
        finally:
            await fork.close()

    def other(self, value: str) -> str:
        """Another value that looks the same: one digit or letter of it is another one."""
        at = self.random.choice([at for at, c in enumerate(value) if c.isalnum()])
        instead = "2345678" if value[at].isdigit() else "bdghkmp"
        return value[:at] + self.random.choice(instead.replace(value[at], "")) + value[at + 1 :]

    def carrier(self) -> Carrier:
        """A way to run statements."""
        return self.random.choice(PLAIN)

    def fault_carriers(self) -> list[Callable[[str], Carried]]:
        """The ways to run statements as the subject's `fault`."""
        subject = self.subject
        if subject.fixtures:
            return [lambda body: pytest_file(subject.imports, body, subject.fixtures)]
        made = [lambda body, way=way: way(subject.imports, body) for way in PLAIN]
        if subject.test_folder:
            made.append(lambda body: pytest_file(subject.imports, body))
        return made
