"""A SQLite file as a `Database`, through one connection.

The run's store and its boards lie in one file and use this class. WAL with `synchronous=NORMAL`: a
killed process loses nothing that was written; a power cut may lose the last moments, never corrupt
what is there.

A transaction runs on the event loop and never waits in it, so that no other task runs in between
and nothing can cancel half of it. A commit takes 0.05 ms; a thread and back would take 0.2 ms.
Reading the whole ledger takes long, and is done when nothing else runs.
SQLite lets one process write at a time; the others sleep 1, 2, 5, … 100 ms and try again. Queuing
with flock in front of that was slower: the 99th percentile of 8 processes was 22-30 ms with it and
4-16 ms without.
"""

import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeVar, cast

from harness.errors import StoreConflict, StoreFull, StoreUnavailable
from harness.store.database import Body, Result, Row, Statement, whole

Durability = Literal["OFF", "NORMAL", "FULL"]
_Given = TypeVar("_Given")

PAGE_BYTES = 2048  # a step of the board writes four pages: smaller ones are written faster
RESERVED_BYTES = 1 << 24  # of the log; the answers of calls under way are much smaller
LOG_BYTES = 4096 * 1000  # of the write-ahead log before a checkpoint; SQLite's own default
FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE)


class Connection:
    """A connection to one SQLite file, for one thread.

    Every method raises `StoreUnavailable`, `StoreFull` or `StoreConflict` for an error of SQLite.
    """

    def __init__(
        self,
        path: Path,
        sql: Mapping[str, str],
        *,
        clock: Callable[[], Any],
        changed: Callable[[int], None] = lambda trial_id: None,
        checked: Set[str] = frozenset(),
        errors: Set[str] = frozenset(),
        synchronous: Durability = "NORMAL",
        timeout_s: float = 60.0,
        read_only: bool = False,
    ) -> None:
        """Open or create the file `path`. `sql` are statements by name; see `statements`.

        `clock` gives the value of `:now`. `changed` is called with the trial of each committed
        transaction. Secrets are redacted in all parameters except those in `checked`; in those in
        `errors`, text that only looks like a key is redacted too. `timeout_s` is how long to wait
        for other processes' writes. A `read_only` file must exist; no statement can write to it.
        """
        self.prepared = {name: Statement(text, "?", checked, errors) for name, text in sql.items()}
        self.path = path
        self.clock = clock
        self.changed = changed
        address = path.absolute().as_uri() + (_reading(path) if read_only else "")
        with store_errors():
            self.db = sqlite3.connect(address, uri=True, timeout=timeout_s, isolation_level=None)
            with ExitStack() as undo:
                undo.callback(self.db.close)
                self.db.row_factory = sqlite3.Row
                self.cursor = self.db.cursor()
                if read_only:
                    self.db.execute("PRAGMA query_only = ON")
                else:
                    self.db.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # of a file that is new
                    self.db.execute(f"PRAGMA synchronous = {synchronous}")
                    self.db.execute("PRAGMA foreign_keys = ON")
                    self.db.execute("PRAGMA recursive_triggers = ON")  # REPLACE is a DELETE, too
                undo.pop_all()

    def prepare(self, schema: str) -> None:
        """Switch to a write-ahead log and create the tables of `schema`, safe against other
        processes that open the file at the same moment."""
        try:
            alone = os.open(f"{self.path}-open", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreUnavailable(f"{self.path.parent} cannot be written: {error}") from error
        try:
            fcntl.flock(alone, fcntl.LOCK_EX)  # two at once would refuse each other WAL
            with store_errors():
                self.db.execute("PRAGMA journal_mode = WAL")
                self.db.execute(f"PRAGMA wal_autocheckpoint = {LOG_BYTES // PAGE_BYTES}")
                self.db.executescript(f"BEGIN IMMEDIATE; {schema} COMMIT;")
        finally:
            os.close(alone)

    async def aclose(self) -> None:
        """See `Database.aclose`."""
        self.close()

    def close(self) -> None:
        """Close the file. The last process to do so merges the write-ahead log into it."""
        self.db.close()

    async def write(self, body: Body[Result], trial_id: int = 0, *, alone: bool = False) -> Result:
        """See `Database.write`. Every transaction is alone, and `body` is called once."""
        with Transaction(self, trial_id) as transaction:
            return at_once(cast("Coroutine[Any, Any, Result]", body(transaction.run)))

    async def run(self, name: str, trial: int = 0, /, **parameters: Any) -> list[Row]:
        """See `Database.run`."""
        with Transaction(self, trial) as transaction:
            return transaction.rows(name, parameters)

    async def read(self, name: str, trial: int = 0, /, **parameters: Any) -> list[Row]:
        """See `Database.read`."""
        return self.rows(name, trial, **parameters)

    def rows(self, name: str, trial: int = 0, /, **parameters: Any) -> list[Row]:
        """As `read`, for who cannot wait."""
        parameters["trial"] = trial
        return _rows(self.db.cursor(), self.prepared[name], parameters)

    async def tuples(self, text: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """See `Database.tuples`."""
        with store_errors():
            return [tuple(row) for row in self.db.execute(text, values)]

    async def columns(self, text: str) -> dict[str, str]:
        """See `Database.columns`. The affinity of a column makes a number of a text."""
        with store_errors():
            return {column[0]: "?" for column in self.db.execute(text).description}

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[None]:
        """See `Database.snapshot`. Nothing in the block may wait for anything but the database."""
        with store_errors():
            self.db.execute("BEGIN")
        try:
            yield
        finally:
            self.db.execute("ROLLBACK")

    async def reserve_room(self) -> None:
        """See `Database.reserve_room`.

        The write-ahead log is made longer. Later commits overwrite that space, and stay in the log
        when the database cannot grow. It lasts until the last connection is closed. It has no
        effect on file systems that write every block to a new place (Btrfs, ZFS).
        """
        log = self.path.with_name(f"{self.path.name}-wal")
        if log.exists() and log.stat().st_size >= RESERVED_BYTES:
            return
        # more than is kept in memory goes to the log before there is a commit, which never is
        with Transaction(self, keep=False) as transaction:
            transaction.rows("make_filler", {})
            transaction.rows("fill", {"size": RESERVED_BYTES * 5 // 4})

    def others_wrote(self) -> int:
        """A number that changes whenever another connection has written."""
        return int(self.db.execute("PRAGMA data_version").fetchone()[0])


class Transaction:
    """Committed at the end of its block, or rolled back if the block raises or `keep` is False."""

    __slots__ = ("_connection", "_cursor", "_keep", "_now", "_prepared", "_trial")

    def __init__(self, connection: Connection, trial_id: int = 0, *, keep: bool = True) -> None:
        self._connection = connection
        self._cursor = connection.cursor
        self._prepared = connection.prepared
        self._trial = trial_id
        self._keep = keep

    def __enter__(self) -> "Transaction":
        try:
            self._cursor.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise store_error(error) from error
        self._now = self._connection.clock()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        failure: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        keep = self._keep and error_type is None
        try:
            if keep:
                self._cursor.execute("COMMIT")
        except sqlite3.Error as error:
            raise store_error(error) from error
        finally:
            if self._connection.db.in_transaction:  # a full disk may have ended it already
                self._cursor.execute("ROLLBACK")
        if keep:
            self._connection.changed(self._trial)

    def rows(self, name: str, parameters: dict[str, Any]) -> list[Row]:
        """The rows of a statement, as a `Run` gives them."""
        parameters["trial"] = self._trial
        parameters["now"] = self._now
        return _rows(self._cursor, self._prepared[name], parameters)

    async def run(self, name: str, /, **parameters: Any) -> list[Row]:
        """See `Run`."""
        return self.rows(name, parameters)


def at_once(coroutine: Coroutine[Any, Any, _Given]) -> _Given:
    """What a coroutine gives that never waits. `AssertionError`: it waited."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        return cast("_Given", ended.value)
    coroutine.close()
    raise AssertionError("a transaction waited for something that is not its database")


def _reading(path: Path) -> str:
    """How a file is opened that is only read.

    Not with mode=ro: the last one to close merges the write-ahead log, and could not. In a folder
    that this user may not write to, and where nobody has such a log, nothing changes.
    """
    log = path.with_name(f"{path.name}-wal")
    still = not os.access(path.parent, os.W_OK) and not (log.exists() and log.stat().st_size)
    return "?mode=ro&immutable=1" if still else "?mode=rw"


def store_error(error: sqlite3.Error) -> StoreUnavailable | StoreConflict:
    """The error of this project that stands for an error of SQLite."""
    if isinstance(error, sqlite3.IntegrityError):
        return StoreConflict(str(error))
    code = getattr(error, "sqlite_errorcode", None)  # not on one that SQLite did not raise
    return StoreFull(str(error)) if code in FULL else StoreUnavailable(str(error))


@contextmanager
def store_errors() -> Iterator[None]:
    """Raise errors of SQLite in this block as errors of this project; see `store_error`."""
    try:
        yield
    except sqlite3.Error as error:
        raise store_error(error) from error
    except UnicodeDecodeError as error:  # of SQLite's message, which quotes the file
        raise StoreUnavailable(f"the file is damaged: {error}") from error


def _rows(cursor: sqlite3.Cursor, statement: Statement, parameters: dict[str, Any]) -> list[Row]:
    statement.redact(parameters)
    try:
        try:
            cursor.execute(statement.text, statement.take(parameters))
        except UnicodeEncodeError:
            cursor.execute(statement.text, statement.take(whole(parameters)))
        if cursor.description is None:
            return [()] * cursor.rowcount
        return cursor.fetchall()
    except sqlite3.Error as error:
        raise store_error(error) from error
    except UnicodeDecodeError as error:
        raise StoreUnavailable(f"the file is damaged: {error}") from error
