"""Open a run's boards by the address of its store."""

from pathlib import Path

from harness.board.records import Boards
from harness.store.addresses import is_postgres


async def open_boards(address: str, *, read_only: bool = False) -> Boards:
    """The boards at `address` (see `harness.store.opening.open_store`), made where there are none.

    Raises `StoreUnavailable` or `UserError` if they cannot be opened.
    """
    if is_postgres(address):
        from harness.board.postgres.board import open_postgres_boards

        return await open_postgres_boards(address, read_only=read_only)
    from harness.board.sqlite.board import SqliteBoard

    return SqliteBoard(Path(address), read_only=read_only)
