"""What the parts of a store in a database have in common."""

from typing import Any

from harness.store.database import Database


class SqlRows:
    """The rows of a database as dictionaries. `owner`: see `harness.store.protocol.Store`."""

    def __init__(self, database: Database, *, owner: str = "") -> None:
        self._database = database
        self._owner = owner

    async def reserve_room(self) -> None:
        """See `Store.reserve_room`."""
        await self._database.reserve_room()

    async def aclose(self) -> None:
        """See `Store.aclose`."""
        await self._database.aclose()

    async def _rows(self, name: str, **parameters: Any) -> list[dict[str, Any]]:
        return [dict(row) for row in await self._database.read(name, **parameters)]
