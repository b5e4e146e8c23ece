"""Decide whether an unexpected exception comes from a system's own code or from below it."""

import site
import sysconfig
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from harness.errors import DelmError, StoreUnavailable, leaf
from harness.text.import_string import PROGRAM

HARNESS = Path(__file__).parents[1]
MACHINE = (OSError, MemoryError, StoreUnavailable)  # a full disk, a lost socket: no program's fault


def in_system(error: BaseException, run: str) -> str:
    """Where in a system's own code `error` comes from, as file:line; empty: not from there.

    `run` is the name of the function, of this package, that runs the system. What the machine does
    to the harness below a system is no fault of the system's; what it asks of the harness and must
    not is.
    """
    frames = traceback.extract_tb(error.__traceback__)
    if not any(frame.name == run and _ours(frame.filename) for frame in frames):
        return ""
    first = leaf(error)
    inner = [f for f in traceback.extract_tb(first.__traceback__) if not is_library(f.filename)]
    if inner and _ours(inner[-1].filename) and not _program(first):
        return ""
    own = [frame for frame in inner if not _ours(frame.filename)]
    return _named(own[-1]) if own else place(first)


def place(error: BaseException) -> str:
    """file:line where an error was raised, libraries left out where anything else is there."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_short(error.filename)}:{error.lineno}"
    return place_of(error.__traceback__)


def place_of(trace: TracebackType | None) -> str:
    """file:line of the innermost frame that is no library's, else of the innermost; or nothing."""
    frames: Sequence[traceback.FrameSummary] = traceback.extract_tb(trace)
    own = [frame for frame in frames if not is_library(frame.filename)] or frames
    return _named(own[-1]) if own else ""


def _program(error: BaseException) -> bool:
    """Also what the harness refuses (`DelmError`): the run knows the other errors of its own."""
    return isinstance(error, (*PROGRAM, DelmError)) and not isinstance(error, MACHINE)


def _named(frame: traceback.FrameSummary) -> str:
    return f"{_short(frame.filename)}:{frame.lineno}"


def _short(filename: str) -> str:
    path = Path(filename)
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _ours(filename: str) -> bool:
    return Path(filename).is_relative_to(HARNESS)


def is_library(filename: str) -> bool:
    """Whether a file belongs to Python or to an installed package."""
    roots = [*site.getsitepackages(), sysconfig.get_path("stdlib")]
    return filename.startswith("<") or any(Path(filename).is_relative_to(root) for root in roots)


def unexpected(system: str, error: Exception, frame: str) -> tuple[str, str]:
    """The state and reason of a trial that ended by an unexpected `error`.

    Frames of a traceback below `frame`, the name of a function, are the system's.
    """
    first = leaf(error)
    told = f"{type(first).__name__}: {first}"
    where = in_system(error, frame)
    if where:
        return "failed", f"error in the system {system} ({where}): {told}"
    return "error", f"{told} ({place(first)})"
