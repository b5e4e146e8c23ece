"""A run's store in a SQLite file."""

from pathlib import Path

from harness.store.sql_store import SqlStore
from harness.store.sqlite.file import opened


class SqliteStore(SqlStore):
    """See `harness.store.opening.open_store`."""

    def __init__(
        self, path: Path, *, owner: str = "", cap_usd: float = 0.0, read_only: bool = False
    ) -> None:
        self.path = path
        self._connection = opened(path, read_only=read_only)
        super().__init__(self._connection, owner=owner, cap_usd=cap_usd)

    def close(self) -> None:
        """Close the file; the write-ahead log is merged into it."""
        self._connection.close()
