"""Traces of a run for OpenTelemetry: sent while it works, or exported when it has ended."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from harness import __version__
from harness.cache import write_beside
from harness.config import OtelConfig
from harness.errors import UserError
from harness.exports.otel_content import Content
from harness.exports.otel_endpoint import complaint, traces_address
from harness.exports.otel_file import trace_line
from harness.exports.otel_live import LiveTraces, Sends
from harness.exports.otel_spans import Span, trial_spans
from harness.results.run_folder import RunFolder
from harness.runner.progress import FINAL
from harness.runner.services import Watcher
from harness.score.cost import Spent
from harness.secrets import redact_error
from harness.store.protocol import Store
from harness.store.rows import ClaimedTrial, Standing
from harness.text.counted import counted

NOT_INSTALLED = (
    "opentelemetry-sdk is not installed: pip install 'delm-harness[otel]' "
    "(a FILE is written without it)"
)


@contextmanager
def traced(
    out: Console, settings: OtelConfig, folder: RunFolder, watcher: Watcher
) -> Iterator[Watcher]:
    """A watcher like `watcher` under which the trace of each trial is sent when it has ended.

    That is `watcher` itself where no endpoint is configured, or none can be used: a line says why.
    """
    address = traces_address(settings.endpoint, os.environ)
    if not address:
        yield watcher
        return
    where = redact_error(address)
    try:
        exporter = _exporter(address)
    except UserError as error:
        out.print(f"note: no traces are sent to {where}: {error}", markup=False, highlight=False)
        yield watcher
        return

    async def read(trial_id: int) -> Sequence[Span]:
        async with folder.open(read_only=True) as store:
            return await _spans(store, trial_id, content=settings.content)

    live = LiveTraces(exporter, read)
    try:
        yield _Traced(watcher, live)
    finally:
        if unsent := live.close():
            told = (
                f"note: the traces of {counted(unsent, 'trial')} have not arrived at {where}; "
                f"delm export {folder.run_id} --format otlp sends them"
            )
            out.print(told, markup=False, highlight=False)


async def export_traces(
    store: Store, systems: Sequence[str], target: Path | None, *, content: bool
) -> str:
    """Write the traces of a run to the file `target`, or send them; what was done, in words.

    `UserError` if they cannot be sent.
    """
    trials = [row for row in await store.trials() if row["system"] in systems and row["started_at"]]
    address = "" if target else _address(await _settings(store))
    exporter = None if target else _exporter(address)
    lines = []
    for row in trials:
        spans = await _spans(store, row["trial_id"], content=content)
        if exporter is None:
            lines.append(trace_line(spans, __version__) + "\n")
        elif not exporter.send(spans):
            raise UserError(
                f"{redact_error(address)} has not taken the traces; trials that it has already "
                "taken may be sent again: they keep their ids"
            )
    what = counted(len(trials), "trial")
    if target:
        write_beside(target, "".join(lines).encode())
        return f"wrote the traces of {what} to {target}"
    return f"sent the traces of {what} to {redact_error(address)}"


async def _settings(store: Store) -> OtelConfig:
    """Those with which the run was begun; a run of an older delm has none."""
    config = (await store.description()).get("config") or {}
    return OtelConfig.model_validate(config.get("otel") or {})


def _address(settings: OtelConfig) -> str:
    address = traces_address(settings.endpoint, os.environ)
    if not address:
        raise UserError(
            "no endpoint is configured: set OTEL_EXPORTER_OTLP_ENDPOINT, or name a file to write"
        )
    return address


def _exporter(address: str) -> Sends:
    """What sends to `address`; `UserError` if nothing can."""
    if wrong := complaint(address, os.environ):
        raise UserError(wrong)
    try:
        from harness.exports.otel import OtlpExporter
    except ImportError:
        raise UserError(NOT_INSTALLED) from None
    return OtlpExporter(address, __version__)


async def _spans(store: Store, trial_id: int, *, content: bool) -> list[Span]:
    rows = await store.read_trial(trial_id)
    said = None
    if content:
        said = Content(messages=await store.messages(trial_id), tools=await store.tool_lists())
    return [span for trial in rows.trials for span in trial_spans(rows, trial, said)]


class _Traced:
    """A `Watcher` that passes everything on, and tells `live` the end of each trial."""

    def __init__(self, watcher: Watcher, live: LiveTraces) -> None:
        self._watcher = watcher
        self._live = live

    def trial(self, row: ClaimedTrial, state: str, note: str = "") -> None:
        """See `Watcher.trial`."""
        if state in FINAL:
            self._live.ended(row["trial_id"])
        self._watcher.trial(row, state, note)

    def step(self, row: ClaimedTrial, steps: int, cost: Spent, *, resumed: int = 0) -> None:
        """See `Watcher.step`."""
        self._watcher.step(row, steps, cost, resumed=resumed)

    def stands(self, standing: Standing) -> None:
        """See `Watcher.stands`."""
        self._watcher.stands(standing)
