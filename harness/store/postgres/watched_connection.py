"""A connection that is noticed to be lost also where neither side says so.

A machine that loses its power, a cable or a firewall may end a connection without a packet, and the
operating system may take a quarter of an hour to find out. Both sides have their TCP look earlier,
which notices all that a network can lose. What still takes packets and delivers none, such as a
proxy, is noticed by asking the server, in another connection, whether it works on the statement
that has no answer. So a statement may take, or wait for a lock, as long as it needs.
"""

import asyncio
import socket
import sys
import time
from contextlib import suppress
from typing import Any

import asyncpg

from harness.store.postgres.server_errors import AWAY

SILENCE_S = 10.0  # a statement without an answer is asked after, and after half of it again
CONNECT_S = 10.0  # that a server has to take a connection, or to say something in a new one
LOOKS = 2  # in a row at which the server does not work on it
_PROBES = 3  # of TCP without an answer, a third of the time apart
_AT_WORK = (  # between the parts of a statement it is active, and waits for its client
    "SELECT state = 'active' AND wait_event IS DISTINCT FROM 'ClientRead' "
    "FROM pg_stat_activity WHERE pid = $1"
)
_END = (  # not that of somebody else who has the process id by now
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 "
    "AND state_change < clock_timestamp() - make_interval(secs => $2)"
)


def settings(silence_s: float) -> dict[str, str]:
    """What the server's side of a connection is told, so that it gives up a client that is gone."""
    return {
        "tcp_keepalives_idle": str(_whole(silence_s)),
        "tcp_keepalives_interval": str(_whole(silence_s / _PROBES)),
        "tcp_keepalives_count": str(_PROBES),
        "tcp_user_timeout": str(int(2000 * silence_s)),  # ms
    }


def watched(url: str, silence_s: float) -> type[asyncpg.Connection]:
    """The class of connections to the server at `url`, for asyncpg's `connection_class`."""

    class Watched(_WatchedConnection):
        pass

    Watched.url, Watched.silence_s = url, silence_s
    return Watched


def _noted(name: str) -> Any:
    """A method of connections that notes since when it waits for the server."""
    method = getattr(asyncpg.Connection, name)

    async def noted(self: "_WatchedConnection", *words: Any, **more: Any) -> Any:
        self.waits_since = time.monotonic()
        try:
            return await method(self, *words, **more)
        finally:
            self.waits_since = 0.0

    return noted


class _WatchedConnection(asyncpg.Connection):  # type: ignore[misc]  # it has no types
    url: str
    silence_s: float

    execute, executemany, prepare = _noted("execute"), _noted("executemany"), _noted("prepare")
    fetch, fetchval = _noted("fetch"), _noted("fetchval")

    def __init__(self, protocol: Any, transport: Any, loop: Any, *rest: Any) -> None:
        super().__init__(protocol, transport, loop, *rest)
        self.waits_since = 0.0  # by the monotonic clock; 0: it does not wait
        self._asked: tuple[float, int] = (0.0, 0)  # of which statement, and how often in vain
        self._asking: asyncio.Task[None] | None = None
        loop.call_later(self.silence_s / 2, self._look, loop)
        used = transport.get_extra_info("socket")
        if sys.platform == "linux" and used.family in (socket.AF_INET, socket.AF_INET6):
            used.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in (
                (socket.TCP_KEEPIDLE, _whole(self.silence_s)),
                (socket.TCP_KEEPINTVL, _whole(self.silence_s / _PROBES)),
                (socket.TCP_KEEPCNT, _PROBES),
                (socket.TCP_USER_TIMEOUT, int(2000 * self.silence_s)),  # ms
            ):
                used.setsockopt(socket.IPPROTO_TCP, option, value)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Ask after a statement that has no answer. One timer for all: it costs a statement
        nothing."""
        if self.is_closed():
            return
        loop.call_later(self.silence_s / 2, self._look, loop)
        late = self.waits_since and time.monotonic() - self.waits_since >= self.silence_s
        if late and (self._asking is None or self._asking.done()):
            self._asking = loop.create_task(self._end_if_lost(self.waits_since))

    async def _end_if_lost(self, statement: float) -> None:
        before, idle = self._asked
        at_work = await self._asks(_AT_WORK)
        self._asked = statement, 0 if at_work else 1 + (idle if before == statement else 0)
        if self._asked == (statement, LOOKS) and self.waits_since == statement:
            await self._asks(_END, self.silence_s / 2)  # or it would keep its locks
            self.terminate()

    async def _asks(self, text: str, *more: float) -> bool:
        """What the server says of this connection's process; False: it cannot be asked."""
        other = None
        try:
            async with asyncio.timeout(CONNECT_S):
                other = await asyncpg.connect(self.url)
                return bool(await other.fetchval(text, self.get_server_pid(), *more))
        except asyncpg.TooManyConnectionsError:
            return True  # it lives
        except (*AWAY, asyncpg.PostgresError):
            return False
        finally:
            if other is not None:
                with suppress(*AWAY):
                    other.terminate()


def _whole(seconds: float) -> int:
    return max(1, round(seconds))
