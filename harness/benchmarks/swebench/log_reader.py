"""Reads test logs with `swebench`'s parsers, each in a process of its own.

A log is written by whatever a submission runs. Parsers raise on some logs, and do not end on
others: neither may end a run, or hold it up.
"""

import json
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from harness.benchmarks.swebench import log_process
from harness.benchmarks.swebench.items import IssueReference
from harness.benchmarks.swebench.official import specification
from harness.errors import GradingUnavailable, LogUnreadable
from harness.secrets import child_environment

READ_S = 60.0  # of processor time
MEMORY_BYTES = 4 << 30
COMMAND = (sys.executable, "-P", "-X", "utf8", "-m", log_process.__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReading:
    """The result of reading a log with `swebench`."""

    report: Mapping[str, Any]  # the official report on a prediction: `{instance_id: {...}}`
    statuses: Mapping[str, str]  # by test, as the parser calls it


async def read_log(
    reference: IssueReference,
    log: bytes,
    *,
    patch: str,
    model_name: str,
    read_s: float = READ_S,
    memory_bytes: int = MEMORY_BYTES,
) -> LogReading:
    """What `swebench` reads out of the log of `patch`'s tests. It takes 0.2 s beyond the reading.

    Raises `LogUnreadable` where the parser raises, or takes more processor time or memory than it
    may; `GradingUnavailable` where the process could not begin, or was killed by somebody else.
    Cancelling it kills the process. That is in a session of its own: Ctrl-C is not for it.
    """
    request = {
        "spec": specification(reference),
        "prediction": {
            "instance_id": reference.instance_id,
            "model_patch": patch,
            "model_name_or_path": model_name,
        },
        "seconds": read_s,
        "memory_bytes": memory_bytes,
    }
    with tempfile.TemporaryDirectory(prefix="delm-log-") as folder:
        await to_thread.run_sync(_write, Path(folder), request, log)
        try:
            done = await anyio.run_process(
                [*COMMAND, folder], check=False, start_new_session=True, env=_variables()
            )
        except OSError as error:
            why = f"the process that reads test logs could not be started: {error}"
            raise GradingUnavailable(why) from None
    if done.returncode == 0:
        return LogReading(**await to_thread.run_sync(json.loads, done.stdout))
    raise _why(done.returncode, done.stderr, read_s)


def _write(folder: Path, request: Mapping[str, Any], log: bytes) -> None:
    (folder / log_process.REQUEST).write_text(json.dumps(request), encoding="utf-8")
    (folder / log_process.LOG).write_bytes(log)


def _variables() -> dict[str, str]:
    """The environment of the process: no keys, no network."""
    return child_environment.plain() | {"HF_HUB_OFFLINE": "1"}


def _why(status: int, errors: bytes, read_s: float) -> LogUnreadable | GradingUnavailable:
    """The reason why the process ended without a result."""
    lines = errors[-2000:].decode(errors="replace").split("\n")
    said = next((line.strip() for line in reversed(lines) if line.strip()), f"status {status}")
    if status == log_process.RAISED:
        return LogUnreadable(said, repeats="MemoryError" not in said)
    if status == -signal.SIGPROF:
        why = f"the parser takes more than {read_s:g} s of processor time"
        return LogUnreadable(why, repeats=False)
    if status < 0 and status != -signal.SIGKILL:
        return LogUnreadable(f"the parser was ended by {signal.Signals(-status).name}")
    return GradingUnavailable(
        "the process that reads test logs was killed"  # by the kernel for want of memory, perhaps
        if status < 0
        else f"the process that reads test logs does not start: {said}"
    )
