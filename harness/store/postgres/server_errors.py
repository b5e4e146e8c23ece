"""Errors of a PostgreSQL server: which of them pass, and which error of this project each is."""

import asyncpg

from harness.errors import StoreConflict, StoreFull, StoreUnavailable

AWAY = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,  # a connection that was closed meanwhile
    asyncpg.InternalClientError,  # the same, in the middle of a statement
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    TimeoutError,
)
"""Errors of a server that may be there again in a moment."""
AGAIN = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
"""Errors of a transaction that another one was in the way of: nothing of it is kept."""


def store_error(error: asyncpg.PostgresError) -> StoreUnavailable | StoreConflict:
    """The error of this project that stands for an error of the server."""
    if isinstance(error, asyncpg.DiskFullError):
        return StoreFull(in_words(error))
    if isinstance(error, asyncpg.IntegrityConstraintViolationError | asyncpg.RaiseError):
        return StoreConflict(in_words(error))
    return StoreUnavailable(in_words(error))


def in_words(error: BaseException) -> str:
    """An error in one line."""
    return " ".join(str(error).split())[:500] or type(error).__name__
