"""Open a run's store by its address."""

from pathlib import Path

from harness.store.protocol import Store


def is_postgres(address: str) -> bool:
    """Whether an address is that of a PostgreSQL server."""
    return address.startswith(("postgresql://", "postgres://"))


async def open_store(
    address: str, *, owner: str = "", cap_usd: float = 0.0, read_only: bool = False
) -> Store:
    """The store at `address`, made where there is none.

    `address`: the path of a SQLite file, or `postgresql://…#RUN`. `owner` names this process among
    those that work on the run. `cap_usd` is the limit of what all of them spend together; 0 is no
    limit. A `read_only` store must exist and is not changed. `UserError`: it is no store of this
    program, a newer version made it, its disk has no room, or its server cannot be reached.
    """
    if is_postgres(address):
        from harness.store.postgres.opening import open_postgres

        return await open_postgres(address, owner=owner, cap_usd=cap_usd, read_only=read_only)
    from harness.store.sqlite.store import SqliteStore

    return SqliteStore(Path(address), owner=owner, cap_usd=cap_usd, read_only=read_only)
