"""A run's store in a PostgreSQL server."""

from harness.store.sql_store import SqlStore


class PostgresStore(SqlStore):
    """See `harness.store.opening.open_store`."""

    async def workers(self) -> dict[str, str] | None:
        """See `Store.workers`."""
        return {row["owner"]: row["place"] for row in await self._database.read("workers")}
