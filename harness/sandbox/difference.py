"""What differs in a sandbox, told by a command in it (`diff.sh`, `diff.pl`)."""

import shlex
from dataclasses import dataclass
from importlib.resources import files

from harness.errors import FileTooLarge, SandboxError, SandboxUnfit
from harness.sandbox import scripts
from harness.sandbox.patch_text import as_text, is_text, with_clear_names
from harness.sandbox.shell import FLOOD_BYTES, Shell
from harness.sandbox.testbed_copy import WITHIN_S, decoded, seconds_left
from harness.types import ExecResult

MAX_PATCH_BYTES = 20_000_000
MAX_FILES_BYTES = 1 << 30  # files that are larger, together, make a patch that is too large
MOST_LEFT_OUT = 1000  # paths that are told


class CannotCompare(Exception):
    """This machine cannot tell: its repository is damaged, no room or time is left, and so on."""


@dataclass(frozen=True)
class Base:
    """What the files are compared with, as noted before any command ran."""

    tree: str  # of the commit that is checked out
    start: str  # the files that were there and not in its index: base64 of gzip of names with NULs
    exclude: str  # what .git/info/exclude said


@dataclass(frozen=True)
class Difference:
    """A patch that applies to the base, and the paths that no such patch can hold."""

    patch: str
    left_out: tuple[str, ...]


def noted(result: ExecResult) -> Base:
    """The base, out of what `scripts.START` says. Raises `SandboxUnfit` where it says none."""
    tree, *more = result.output.split("\n")
    if result.exit_status != 0 or not more:
        raise SandboxUnfit(f"no git repository at {scripts.ROOT}: {result.output[-300:]}")
    start, exclude = more[0], more[1] if len(more) > 1 else ""
    try:
        decoded(start)
        said = decoded(exclude).decode(errors="surrogateescape")
    except SandboxError as error:
        raise SandboxUnfit(f"{scripts.ROOT} cannot be listed: {error}") from None
    return Base(tree.strip(), start, said)


async def compare(shell: Shell, base: Base, *, until: float) -> Difference:
    """The difference of the files that `shell` works on, for a caller that has its turn.

    The files in it that are no text, and no others, are in binary form. It ends at `until`, on the
    event loop's clock. Raises `CannotCompare`; `FileTooLarge` where the patch is over 20 MB, or
    files of more than 1 GB would be in it.
    """
    patch, left_out = await _compare(
        shell, base, attributes="* !diff", quote_paths="false", until=until
    )
    if is_text(patch):
        return Difference(with_clear_names(patch.decode()), left_out)
    in_ascii, _ = await _compare(shell, base, attributes="* -diff", quote_paths="true", until=until)
    try:
        text, links = as_text(patch, in_ascii)
    except ValueError as error:
        raise SandboxError(f"the patch: it is not text: {error}") from None
    return Difference(with_clear_names(text), (*left_out, *links)[:MOST_LEFT_OUT])


async def _compare(
    shell: Shell, base: Base, *, attributes: str, quote_paths: str, until: float
) -> tuple[bytes, tuple[str, ...]]:
    variables: dict[str, str | int] = {
        "tree": base.tree,
        "start": base.start,
        "exclude": base.exclude,
        "attributes": attributes,
        "quote_paths": quote_paths,
        "max_patch": MAX_PATCH_BYTES,
        "max_files": MAX_FILES_BYTES,
        "most_left_out": MOST_LEFT_OUT,
        "program": _source("diff.pl"),
    }
    given = "".join(f"{name}={shlex.quote(str(value))}\n" for name, value in variables.items())
    result = await shell.run_in_turn(
        scripts.HEAD + given + _source("diff.sh"),
        max_output_chars=FLOOD_BYTES,
        timeout_s=seconds_left(until),
    )
    if result.exit_status == scripts.TOO_LARGE or result.flooded:
        raise FileTooLarge("the patch: it is too large")
    if result.exit_status != 0:
        raise CannotCompare(_why(result))
    first, _, second = result.output.partition("\n")
    patch, left_out = decoded(first), decoded(second)
    if len(patch) > MAX_PATCH_BYTES:  # the programs inside may be the commands' own
        raise FileTooLarge("the patch: it is too large")
    names = left_out.decode(errors="replace").split("\0")[:-1]
    return patch, tuple(names[:MOST_LEFT_OUT])


def _source(name: str) -> str:
    return files("harness.sandbox").joinpath(name).read_text()


def _why(result: ExecResult) -> str:
    if result.timed_out:
        return f"it takes more than {WITHIN_S:.0f} s"
    said = result.output.strip().splitlines()
    return said[-1][:300] if said else f"exit status {result.exit_status}"
