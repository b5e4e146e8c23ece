"""Open a run's store by its address."""

from pathlib import Path

from harness.store.protocol import Store


async def open_store(
    address: str, *, owner: str = "", cap_usd: float = 0.0, read_only: bool = False
) -> Store:
    """The store at `address` (the path of a SQLite file), made where there is none.

    `owner` names this process among those that work on the run. `cap_usd` is the limit of what all
    of them spend together; 0 is no limit. A `read_only` store must exist and is not changed.
    `UserError`: it is no store of this program, a newer version made it, or its disk has no room.
    """
    from harness.store.sqlite import SqliteStore

    return SqliteStore(Path(address), owner=owner, cap_usd=cap_usd, read_only=read_only)
