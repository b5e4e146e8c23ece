"""Open the boards of a run by the address of its store."""

from pathlib import Path

from harness.board.records import Boards


async def open_boards(address: str, *, read_only: bool = False) -> Boards:
    """The boards in the store at `address`: the path of a SQLite file.

    `read_only` ones are not changed; where the file has no boards, they have no rows.
    """
    from harness.board.sqlite.board import SqliteBoard

    return SqliteBoard(Path(address), read_only=read_only)
