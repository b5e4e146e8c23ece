"""Follow runs while they work: one watcher a run, whatever the number of browsers.

A watcher looks at the files of the run twice a second, and reads the run only when it has changed.
It ends when nobody follows the run any more, and when no process works on it.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from types import TracebackType

import anyio
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from harness.errors import StoreUnavailable, UserError
from harness.pages.live_state import LiveState, changed, live_state
from harness.results.run_folder import RunFolder
from harness.results.run_list import cap_of
from harness.store.live_rows import LiveTrial
from harness.view.reading import NotThere, Reading, Runs, Version, version_of

LOOK_S = 0.5  # between two looks at a run's files
TELL_S = 5.0  # without a change: rates are told again
WINDOW_S = 60  # that rates are counted over
WAITING = 32  # events that a browser may be behind; one that is further behind connects again


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A run after a change. `trials` are those that changed since the version `before`."""

    state: LiveState
    trials: Sequence[int]
    before: str
    ended: bool


@dataclass(slots=True)
class _Watched:
    """A run that is followed."""

    folder: RunFolder
    listeners: set[MemoryObjectSendStream[Event]] = field(default_factory=set)
    last: Event | None = None
    rows: Sequence[LiveTrial] = ()
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class Followers:
    """The runs that are followed now. An async context manager: at its end all watchers end."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._watched: dict[str, _Watched] = {}
        self._tasks: TaskGroup

    async def __aenter__(self) -> "Followers":
        self._tasks = await anyio.create_task_group().__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        await self._tasks.__aexit__(kind, error, trace)

    def close(self) -> None:
        """End all watchers, and the streams of events to all browsers."""
        for watched in self._watched.values():
            watched.scope.cancel()
            _hang_up(watched)

    @property
    def watched(self) -> Sequence[str]:
        """The ids of the runs that are followed now."""
        return list(self._watched)

    @asynccontextmanager
    async def follow(self, run_id: str) -> AsyncIterator[MemoryObjectReceiveStream[Event]]:
        """The events of a run. The first tells how it stands; the last has `ended`.

        The stream also ends when the run cannot be read any more, and when its reader is too slow.
        """
        watched = self._watched.get(run_id)
        if watched is None:
            watched = self._watched[run_id] = _Watched(self._runs.folder(run_id))
            self._tasks.start_soon(self._watch, run_id, watched)
        send, receive = anyio.create_memory_object_stream[Event](WAITING)
        watched.listeners.add(send)
        if watched.last is not None:
            send.send_nowait(watched.last)
        try:
            with receive:
                yield receive
        finally:
            watched.listeners.discard(send)
            send.close()

    async def _watch(self, run_id: str, watched: _Watched) -> None:
        try:
            with watched.scope:
                await self._look_on(watched)
        except (UserError, StoreUnavailable, NotThere):
            return  # its page says what is wrong when it is loaded again
        finally:
            del self._watched[run_id]
            _hang_up(watched)

    async def _look_on(self, watched: _Watched) -> None:
        seen: Version = ()
        told_at = 0.0
        while watched.listeners:
            version = version_of(watched.folder)
            if version != seen or anyio.current_time() - told_at >= TELL_S:
                seen, told_at = version, anyio.current_time()
                event = await self._look(watched)
                _tell(watched, event)
                if event.ended:
                    return
            await anyio.sleep(LOOK_S)

    async def _look(self, watched: _Watched) -> Event:
        """How the run stands now."""
        state, rows = await self._runs.threaded(
            partial(self._runs.read, watched.folder, standing), watching=True
        )
        before = watched.last.state.version if watched.last else state.version
        trials = changed(watched.rows, rows) if watched.last else ()
        watched.rows = rows
        return Event(state=state, trials=trials, before=before, ended=not state.processes)


async def standing(reading: Reading) -> tuple[LiveState, Sequence[LiveTrial]]:
    """How a run stands, and the rows of its trials."""
    since = datetime.now(UTC) - timedelta(seconds=WINDOW_S)
    rows = await reading.store.live(since.isoformat(timespec="milliseconds"))
    cap = cap_of(await reading.store.description())
    people = await reading.store.interventions()
    state = live_state(rows, cap_usd=cap, processes=reading.alive, interventions=people)
    return state, rows.trials


def _tell(watched: _Watched, event: Event) -> None:
    watched.last = event
    for listener in list(watched.listeners):
        try:
            listener.send_nowait(event)
        except anyio.WouldBlock:
            watched.listeners.discard(listener)
            listener.close()
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            watched.listeners.discard(listener)


def _hang_up(watched: _Watched) -> None:
    for listener in watched.listeners:
        listener.close()
