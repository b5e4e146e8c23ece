"""Files that entries share: a command names them, and they lie at one path in every sandbox."""

import re
from collections.abc import Iterable, Mapping

from harness.board.evidence import ATTACHED, Command, Evidence, Patch
from harness.board.protocols import Entry, SharedContext
from harness.protocols import Sandbox

NAMED = re.compile(rf"{ATTACHED}(\w[\w.-]*(?:/\w[\w.-]*)*)")


def named_in(command: str) -> list[str]:
    """The names of the shared files that a command mentions, each once."""
    return list(dict.fromkeys(name.rstrip(".-") for name in NAMED.findall(command)))


def attached_to(evidence: Evidence) -> Mapping[str, str]:
    """The files that evidence needs, by name; none where its form has no command."""
    return evidence.files if isinstance(evidence, Command | Patch) else {}


async def put_files(sandbox: Sandbox, files: Mapping[str, str]) -> None:
    """Write files to their place in a sandbox."""
    for name, text in files.items():
        await sandbox.write(f"{ATTACHED}{name}", text.encode())


class Attachments:
    """The files of a trial's entries. A name has one content in a trial."""

    def __init__(self, context: SharedContext) -> None:
        self._context = context
        self._read_to = 0
        self._texts: dict[str, str] = {}
        self._owners: dict[str, str] = {}  # name: label of the first entry that has it

    async def named_in(self, command: str) -> dict[str, str]:
        """The files of entries that a command names."""
        await self._read()
        return {name: self._texts[name] for name in named_in(command) if name in self._texts}

    async def clash(self, files: Mapping[str, str]) -> str:
        """Why files cannot be shared: a name is taken with other content; else an empty text."""
        await self._read()
        for name, text in files.items():
            if self._texts.get(name, text) != text:
                return f"{ATTACHED}{name} is {self._owners[name]}'s; name yours otherwise."
        return ""

    async def _read(self) -> None:
        self._add(await self._context.entries(after=self._read_to))

    def _add(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self._read_to = max(self._read_to, entry.position)
            for name, text in attached_to(entry.evidence).items():
                self._texts.setdefault(name, text)
                self._owners.setdefault(name, entry.label)
