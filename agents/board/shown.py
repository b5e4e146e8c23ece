"""Which entries a prompt shows where the shared context is larger than its room in it."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from harness.board.evidence import Command, Patch, Span
from harness.board.protocols import Entry
from harness.board.vocabulary import ENTRY_LABEL, EntryKind

_CHANGED = re.compile(r"^\+\+\+ b/([^\t\n]+)", re.MULTILINE)
_PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)*\.\w+")
_NOUNS = {
    EntryKind.PATCH: ("patch", "patches"),
    EntryKind.FAIL: ("failure", "failures"),
    EntryKind.CONSTRAINT: ("constraint", "constraints"),
    EntryKind.FACT: ("fact", "facts"),
}


@dataclass(frozen=True, slots=True)
class Near:
    """What a task is about: files of the repository, and labels that its text cites."""

    files: Set[str]
    labels: Set[str]

    def has(self, entry: Entry) -> bool:
        """Whether an entry is cited, or is about one of the files."""
        if entry.label in self.labels:
            return True
        match entry.evidence:
            case Span(path=path):
                return path in self.files
            case Command(command=command):
                return any(path in command for path in self.files)
        return False


def cited(text: str, subject: str) -> list[str]:
    """The labels of entries that a task with that text and subject names."""
    return list(dict.fromkeys(ENTRY_LABEL.findall(f"{subject} {text}")))


def near(text: str, entries: Iterable[Entry]) -> Near:
    """What a task with that text is about that names `entries`."""
    labels: set[str] = set()
    files = set(_PATH.findall(text))
    for entry in entries:
        labels.add(entry.label)
        match entry.evidence:
            case Patch(diff=diff):
                files.update(_CHANGED.findall(diff))
            case Span(path=path):
                files.add(path)
    return Near(files=files, labels=labels)


def in_turn(entries: Sequence[Entry], about: Near) -> list[Entry]:
    """Entries in the order in which they get room: patches, failures and constraints, then facts
    that are near, then other facts; each in the order of admission."""
    return sorted(
        entries, key=lambda entry: (entry.kind == EntryKind.FACT) * (1 + (not about.has(entry)))
    )


def more_words(hidden: Counter[str]) -> str:
    """How many entries are not shown, and where they are found."""
    said = [
        f"{hidden[kind]} more {nouns[hidden[kind] != 1]}"
        for kind, nouns in _NOUNS.items()
        if hidden[kind]
    ]
    return f"{', '.join(said)}: `search` finds them."


def found(entries: Sequence[Entry], query: str) -> list[Entry]:
    """The entries with a word of `query` in label, gist or summary: most words first, then the
    newest."""
    words = {word for word in re.findall(r"\w+", query.casefold()) if len(word) > 1}
    scored = []
    for entry in entries:
        text = f"{entry.label} {entry.gist} {entry.summary}".casefold()
        if score := sum(word in text for word in words):
            scored.append((score, entry.position, entry))
    return [entry for _, _, entry in sorted(scored, key=lambda each: each[:2], reverse=True)]
