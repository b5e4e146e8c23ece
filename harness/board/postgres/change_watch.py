"""Wait for changes of a trial's board, which any process anywhere may have made.

After a commit a process notifies the channel of the trial: not in the transaction, for a commit
that notifies holds a lock on the whole database, and once for all commits of a few milliseconds; of
a process that commits again and again 20 times a second. A notification can get lost with its
process or connection, so whoever waits looks as well.
"""

import asyncio
import hashlib
import secrets
from typing import Any

import anyio
import anyio.lowlevel
import asyncpg

from harness.errors import StoreUnavailable
from harness.store.postgres.database import PostgresDatabase
from harness.store.postgres.server_errors import AWAY

LOOK_S = 0.5  # between two looks of one who waits
CROWD, CROWD_S = 16, 0.05  # more waiters of a trial are woken together, once in that time
GATHER_S = 0.005  # in which the commits of a process are notified together
BETWEEN_S = 0.05  # between two notifications by a process


class ChangeWatch:
    """The waiters of one process. Its `database` tells it of its own commits."""

    def __init__(self) -> None:
        self.database: PostgresDatabase  # set after it is made: it tells this watch of its commits
        self._events: dict[int, int] = {}  # trial: the last event that this process knows of
        self._others: dict[int, int] = {}  # trial: changes that no event's number tells
        self._looked: dict[int, float] = {}  # trial: the time of the last look at leases
        self._waiting: dict[int, list[anyio.Event]] = {}
        self._looking: set[int] = set()  # trials for which one of the waiters looks
        self._crowds: set[int] = set()  # trials whose waiters are woken soon
        self._me = secrets.token_hex(8)
        self._listener: Any = None
        self._connecting = anyio.Lock()
        self._channels: set[int] = set()  # trials that are listened to
        self._untold: dict[int, int] = {}
        self._telling: asyncio.Task[None] | None = None
        self._told_at = 0.0

    def version(self, trial_id: int) -> int:
        """See `Watch.version`. What others did counts from when this process heard of it."""
        return self._events.get(trial_id, 0) + self._others.get(trial_id, 0)

    def changed(self, trial_id: int, last: int) -> None:
        """Note that this process has written to the trial, whose last event it saw, and tell the
        others soon."""
        self._heard_of(trial_id, last)
        self._untold[trial_id] = last
        if self._telling is None or self._telling.done():
            self._telling = asyncio.get_running_loop().create_task(self._tell())

    def _heard_of(self, trial_id: int, last: int) -> None:
        """Of a change. Two that were made at once can be heard of in the other order."""
        if last > self._events.get(trial_id, 0):
            self._events[trial_id] = last
        else:
            self._others[trial_id] = self._others.get(trial_id, 0) + 1
        if len(self._waiting.get(trial_id, ())) <= CROWD:
            self._wake(trial_id)
        elif trial_id not in self._crowds:
            self._crowds.add(trial_id)
            asyncio.get_running_loop().call_later(CROWD_S, self._wake, trial_id)

    def _wake(self, trial_id: int) -> None:
        self._crowds.discard(trial_id)
        for woken in self._waiting.get(trial_id, ()):
            woken.set()

    async def wait(self, trial_id: int, since: int, *, timeout_s: float) -> int:
        """See `Watch.wait`."""
        deadline = anyio.current_time() + timeout_s
        await anyio.lowlevel.checkpoint()
        while self.version(trial_id) <= since:
            left = deadline - anyio.current_time()
            woken = anyio.Event()
            waiters = self._waiting.setdefault(trial_id, [])
            waiters.append(woken)
            try:
                with anyio.move_on_after(max(left, 0)):
                    await self._until_woken(trial_id, woken)
            finally:
                waiters.remove(woken)
            if left <= 0:
                break
        return self.version(trial_id)

    async def _until_woken(self, trial_id: int, woken: anyio.Event) -> None:
        """One of a trial's waiters looks, also for all others."""
        if trial_id in self._looking:
            await woken.wait()
            return
        self._looking.add(trial_id)
        try:
            while not woken.is_set():
                with anyio.CancelScope(shield=True):  # also where there is no time to wait
                    lapse_s = await self._look(trial_id)
                    await self._listen(trial_id)
                with anyio.move_on_after(min(LOOK_S, lapse_s)):
                    await woken.wait()
        finally:
            self._looking.discard(trial_id)
            for other in self._waiting[trial_id]:
                if other is not woken and not other.is_set():
                    other.set()  # it finds nothing, and looks from now on
                    break

    async def aclose(self) -> None:
        """Stop to listen."""
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.wait([self._telling])
        if self._listener is not None:
            self._listener.terminate()
            self._listener = None

    async def _look(self, trial_id: int) -> float:
        """Count what is new in the database; in how many seconds the next lease runs out."""
        since = self._looked.get(trial_id, 0.0)
        (row,) = await self.database.read("version", trial_id, since=since)
        if row["lapsed"] or row["events"] > self._events.get(trial_id, 0):
            self._heard_of(trial_id, row["events"])
        self._looked[trial_id] = row["now"]
        return LOOK_S if row["next"] is None else max(row["next"] - row["now"] + 0.001, 0.001)

    async def _listen(self, trial_id: int) -> None:
        """Listen to the trial's channel, with a connection of its own."""
        async with self._connecting:
            try:
                if self._listener is None or self._listener.is_closed():
                    self._channels.clear()
                    self._listener = await self.database.connection()
                if trial_id not in self._channels:
                    await self._listener.add_listener(self._channel(trial_id), self._heard)
                    self._channels.add(trial_id)
            except (*AWAY, asyncpg.PostgresError):
                self._listener = None  # whoever waits looks, and tries again then

    def _heard(self, connection: Any, process: int, channel: str, payload: str) -> None:
        teller, trial_id, last = payload.split(" ")
        if teller != self._me:
            self._heard_of(int(trial_id), int(last))

    def _channel(self, trial_id: int) -> str:
        return f"delm_{hashlib.sha256(self.database.schema.encode()).hexdigest()[:16]}_{trial_id}"

    async def _tell(self) -> None:
        while self._untold:
            clock = asyncio.get_running_loop().time
            await asyncio.sleep(max(GATHER_S, self._told_at + BETWEEN_S - clock()))
            self._told_at = clock()
            trials, self._untold = self._untold, {}
            told = [
                (self._channel(trial), f"{self._me} {trial} {last}")
                for trial, last in trials.items()
            ]
            try:
                await self.database.notify(told)
            except StoreUnavailable:
                return  # the others look
