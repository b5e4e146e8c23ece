"""Open a run's store by its address."""

from pathlib import Path

from harness.store.protocol import Store


async def open_store(
    address: str, *, owner: str = "", cap_usd: float = 0.0, read_only: bool = False
) -> Store:
    """The store at `address` (the path of a SQLite file), made where there is none.

    `owner` is this process among those that work on the run; `cap_usd` bounds what all of them
    spend together (0: nothing does). A `read_only` store is there already and is not changed.
    `UserError`: it is no store of this program, a newer version
    made it, or its disk has no room.
    """
    from harness.store.sqlite import SqliteStore

    return SqliteStore(Path(address), owner=owner, cap_usd=cap_usd, read_only=read_only)
