"""What a patch does to the source without mending it, and commands that are taken in by it."""

from collections.abc import Sequence
from dataclasses import dataclass

from admission_cases.carriers import Carried
from admission_cases.subjects import Edit

PROBE = "fixed_in_this_tree"  # a word that no repository has


@dataclass(frozen=True, slots=True, kw_only=True)
class Trick:
    """What a patch does to the source, and the commands that are taken in by it."""

    what: str
    commands: Sequence[Carried]
    end: str = ""  # added at the end of the source
    start: str = ""  # added after its imports
    edit: Edit = ()
    others: Sequence[tuple[str, str]] = ()  # new files
    told: bool = True
