"""Open a run's store by its address."""

from importlib.util import find_spec
from pathlib import Path

from harness.errors import UserError
from harness.store.addresses import is_postgres
from harness.store.protocol import Store


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
        _check_driver()
        from harness.store.postgres.opening import open_postgres

        return await open_postgres(address, owner=owner, cap_usd=cap_usd, read_only=read_only)
    from harness.store.sqlite.store import SqliteStore

    return SqliteStore(Path(address), owner=owner, cap_usd=cap_usd, read_only=read_only)


async def runs_at(url: str) -> list[str]:
    """The runs with trials in the PostgreSQL server at `url`, by name. `UserError`: it cannot be
    asked."""
    _check_driver()
    from harness.store.postgres.opening import runs_at as asked

    return await asked(url)


def _check_driver() -> None:
    """Raise `UserError` where the package that speaks to PostgreSQL is not installed."""
    if find_spec("asyncpg") is None:
        raise UserError(
            "a PostgreSQL store needs the package asyncpg: pip install 'delm-harness[postgres]'"
        )
