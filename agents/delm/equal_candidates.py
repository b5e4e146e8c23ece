"""Which candidates of a trial are the same one."""

from collections import defaultdict
from collections.abc import Callable, Mapping

from agents.delm.equivalence import Change, change_of, same_outcomes


class EqualCandidates:
    """Candidates with an equal change, each class under the label that was handed in first.

    `outcomes_of` says of a diff which commands it passes, as far as known.
    """

    def __init__(self, outcomes_of: Callable[[str], Mapping[str, bool]]) -> None:
        self._outcomes_of = outcomes_of
        self._first: dict[str, str] = {}
        self._classes: dict[str, list[str]] = defaultdict(list)
        self._by_change: dict[Change, str] = {}
        self._by_renamed: dict[Change, list[tuple[str, str]]] = defaultdict(list)

    def add(self, label: str, diff: str) -> str:
        """The first label of the class of a candidate, which may be its own."""
        if label not in self._first:
            self._first[label] = self._found(label, diff)
            self._classes[self._first[label]].append(label)
        return self._first[label]

    def all_of(self, label: str) -> list[str]:
        """The labels of its class, in the order in which they were handed in; itself at least."""
        return self._classes.get(self._first.get(label, label)) or [label]

    def _found(self, label: str, diff: str) -> str:
        change = change_of(diff)
        if change is None:
            return label
        first = self._by_change.get(change.whole) or self._renamed(change.renamed, diff) or label
        self._by_change.setdefault(change.whole, first)
        self._by_renamed[change.renamed].append((first, diff))
        return first

    def _renamed(self, renamed: Change, diff: str) -> str:
        """The class of one with the same change up to names, and the same outcomes."""
        mine = self._outcomes_of(diff)
        for first, other in self._by_renamed.get(renamed, ()):
            if same_outcomes(mine, self._outcomes_of(other)):
                return first
        return ""
