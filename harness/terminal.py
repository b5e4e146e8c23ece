"""What a person's terminal gets: no secret, and nothing in it that the terminal would obey."""

import errno
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import RLock
from types import TracebackType
from typing import Any
from unicodedata import category

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from harness.secrets import redact, redact_error

# Of a pipe, of a terminal, of a file: what nobody reads any more, or no disk takes, ends nothing.
UNREAD = (errno.EPIPE, errno.EIO, errno.ENOSPC, errno.EDQUOT)
UNSEEN = "�"
HELD = 10_000  # characters of a line that are held back at most


def plain(text: str) -> str:
    """`text` without control, format and bidi characters; lines and tabs stay.

    Blanks of other kinds become blanks, everything else that cannot be printed a mark.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in "\n\t" else " " if category(c).startswith("Z") else UNSEEN
        for c in text.replace("\r\n", "\n")
    )


def one_line(text: str) -> str:
    """`text` as `plain` has it, in one line."""
    return plain(text).replace("\n", " ").replace("\t", " ")


class SafeConsole(Console):
    """A console whose texts are texts: no markup, no emoji codes, no control characters.

    Whatever is printed, in a table, a rule or by itself, comes through `render`; what rich writes
    of its own (colours, the cursor) is no text there.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """See `Console.render`."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(plain(segment.text), segment.style)


def console(file: Any = None) -> Console:
    """The console of the commands: standard output, or the stream `file`.

    Lines are never wrapped, a pipe is wide.
    """
    stream = file or sys.stdout
    out = SafeConsole(file=stream, soft_wrap=True)
    return out if out.is_terminal else SafeConsole(file=stream, soft_wrap=True, width=160)


def widened(out: Console, width: int) -> Console:
    """`out` with room for `width` columns, however narrow the terminal is."""
    return SafeConsole(file=out.file, force_terminal=out.is_terminal, width=max(out.width, width))


class _Guarded:
    """A stream that no secret is written to: `clean` takes it away.

    What is written in pieces is held until its line ends, or until `flush`: a secret may come in
    two pieces.

    When nobody reads it any more (the terminal was closed, `tee` or `head` has ended), what follows
    goes nowhere, and the work goes on: a run that cannot say what it does still saves it.
    """

    def __init__(self, stream: Any, clean: Callable[[str], str]) -> None:
        self._stream = stream
        self._clean = clean
        self._held = ""
        self._turn = RLock()

    def write(self, text: str) -> int:
        with self._turn, self._read():
            lines, end, rest = (self._held + text).rpartition("\n")
            if len(rest) > HELD:
                lines, end, rest = lines + end + rest, "", ""
            self._held = rest
            if lines or end:
                self._stream.write(self._clean(lines + end))
        return len(text)

    def flush(self) -> None:
        with self._turn, self._read():
            held, self._held = self._held, ""
            if held:
                self._stream.write(self._clean(held))
            self._stream.flush()

    @contextmanager
    def _read(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in UNREAD:
                raise
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def guarded() -> Iterator[None]:
    """Inside this block no secret reaches standard output or standard error.

    Standard error gets nothing with the shape of a secret either: what libraries log goes there.
    Their warnings are for developers, and are shown only where Python was asked for warnings.
    """
    before = sys.stdout, sys.stderr, warnings.showwarning
    sys.stdout, sys.stderr = _Guarded(before[0], redact), _Guarded(before[1], redact_error)
    if not sys.warnoptions:
        warnings.showwarning = _unshown
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr, warnings.showwarning = before


def _unshown(*warning: object, **more: object) -> None:
    """In the place of `warnings.showwarning`."""


def tell_crash(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """As `sys.excepthook`: the traceback of a bug, with nothing secret or hostile in it."""
    text = "".join(traceback.format_exception(kind, error, trace))
    sys.stderr.write(plain(redact_error(text)))
