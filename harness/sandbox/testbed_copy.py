"""The files of one sandbox's /testbed, put into another one by commands in both of them.

The host passes bytes on and opens no file: whatever the first sandbox holds, or a process in it
does meanwhile, it reaches nothing but the second one.
"""

import base64
import secrets

import anyio

from harness.errors import SandboxError
from harness.sandbox import scripts
from harness.sandbox.shell import FLOOD_BYTES, Shell
from harness.types import ExecResult

MOST_DIGITS = 16  # of a number that comes out of a sandbox
PART_BYTES = FLOOD_BYTES // 2  # of the archive in one command's output, which is base64
PARTS = 8  # the archive has no more of them
CHUNK_BYTES = 3_000_000  # of the archive in one command
WITHIN_S = 300.0  # for a comparison, with the copy that it needs


async def carry(used: Shell, fresh: Shell, *, until: float) -> None:
    """Make /testbed in `fresh` as it is in `used`, but for its own `.git`, which stays.

    Files, folders and symbolic links with their modes; nothing else is. The caller has the turn of
    `used`. Raises `SandboxError` when the compressed archive is over 256 MB, or it is not done at
    `until`, on the event loop's clock, or one of the two cannot do it; `fresh` is of no use then.
    """
    folder = f"/tmp/.delm-{secrets.token_hex(8)}"  # noqa: S108 - inside the sandbox
    await _change(fresh, scripts.EMPTY.format(folder=folder), until)
    for number in range(PARTS):
        part, rest = await _part(used, number, until)
        if rest > (PARTS - 1 - number) * PART_BYTES:
            most = PARTS * PART_BYTES >> 20
            raise SandboxError(f"the files in {scripts.ROOT} are over {most} MB, compressed")
        for at in range(0, len(part), CHUNK_BYTES):
            text = base64.b64encode(part[at : at + CHUNK_BYTES]).decode()
            name = f"{folder}/{number}.{at // CHUNK_BYTES:04}"
            await _change(fresh, scripts.APPEND.format(text=text, part=name), until)
        if not rest:
            break
    await _change(fresh, scripts.UNPACK.format(folder=folder), until)


async def _part(used: Shell, number: int, until: float) -> tuple[bytes, int]:
    """A part of the archive, and how many bytes follow it."""
    script = scripts.PACK.format(first=number * PART_BYTES + 1, most=PART_BYTES)
    packed = await used.run_in_turn(
        scripts.HEAD + script, timeout_s=seconds_left(until), max_output_chars=FLOOD_BYTES
    )
    part, _, rest = _output(packed, "packed").rpartition("\n")
    if not (rest.isdecimal() and len(rest) < MOST_DIGITS):
        raise SandboxError(f"the files in {scripts.ROOT} cannot be packed: {rest[:300]}")
    return decoded(part), int(rest)


async def _change(fresh: Shell, script: str, until: float) -> None:
    done = await fresh.run(
        scripts.HEAD + script, timeout_s=seconds_left(until), max_output_chars=10_000
    )
    _output(done, "put into a fresh sandbox")


def decoded(text: str) -> bytes:
    """The bytes that a command inside wrote as base64. `SandboxError` where it is none.

    What is inside may have been replaced, base64 and all.
    """
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise SandboxError("what base64 writes inside is no base64") from None


def seconds_left(until: float) -> float:
    """Seconds until that time on the event loop's clock; almost 0 if it has passed."""
    return max(until - anyio.current_time(), 0.001)


def _output(result: ExecResult, done: str) -> str:
    if result.exit_status == 0:
        return result.output
    said = result.output.strip().splitlines()
    why = said[-1][:300] if said else f"exit status {result.exit_status}"
    if result.timed_out:
        why = f"it takes more than {WITHIN_S:.0f} s"
    raise SandboxError(f"the files in {scripts.ROOT} cannot be {done}: {why}")
