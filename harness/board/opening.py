"""Open the boards of a run by the address of its store."""

from pathlib import Path

from harness.board.records import Boards


async def open_boards(address: str) -> Boards:
    """The boards in the store at `address`: the path of a SQLite file."""
    from harness.board.sqlite.board import SqliteBoard

    return SqliteBoard(Path(address))
