"""Run host programs to their end, or kill them with all their children."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import anyio

from harness.errors import UserError

TAIL_LINES = 3
TAIL_CHARS = 500


async def run(
    command: Sequence[str | Path],
    *,
    doing: str,
    env: Mapping[str, str],
    cwd: Path | None = None,
) -> str:
    """Its output (stdout and stderr together) when it succeeds; `doing` is what errors call it.

    `env` is all that it gets of variables; it is found where this process would find it.
    Raises `UserError` when it is missing or fails. Cancelling kills its whole process group.
    """
    try:
        process = await anyio.open_process(
            [shutil.which(command[0]) or str(command[0]), *map(str, command[1:])],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise UserError(f"{doing}: {command[0]} is not installed") from error
    async with process:
        try:
            assert process.stdout is not None
            written = b"".join([chunk async for chunk in process.stdout])
            status = await process.wait()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    output = written.decode(errors="replace")
    if status != 0:
        raise UserError(f"{doing} failed with exit status {status}: {tail(output)}")
    return output


def tail(output: str) -> str:
    """The last words of a failed program's output, in one line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return " | ".join(lines[-TAIL_LINES:])[-TAIL_CHARS:] or "it wrote nothing"
