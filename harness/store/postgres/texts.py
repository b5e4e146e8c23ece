"""How texts are written into PostgreSQL, which holds no NUL and no half of a surrogate pair."""

from typing import Any

ESCAPE = "\ue000"  # before 0: a NUL; before 1: itself


async def set_up(connection: Any) -> None:
    """Have a connection of asyncpg write and read all texts so."""
    await connection.set_type_codec(
        "text", schema="pg_catalog", encoder=_storable, decoder=_stored, format="text"
    )


def _storable(text: str) -> str:
    if "\0" in text or ESCAPE in text:
        text = text.replace(ESCAPE, f"{ESCAPE}1").replace("\0", f"{ESCAPE}0")
    return text if text.isascii() else text.encode(errors="replace").decode()


def _stored(text: str) -> str:
    if ESCAPE in text:
        text = text.replace(f"{ESCAPE}0", "\0").replace(f"{ESCAPE}1", ESCAPE)
    return text
