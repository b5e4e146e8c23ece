"""The check cache: results of executed evidence, kept across trials."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path

from harness.cache import write_beside

MOST_CHARS = 200_000  # of one answer; nothing that is kept is ever removed


class FileCheckCache:
    """A `harness.protocols.CheckCache` in a folder: one file a question, whole or not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def recall(self, key: str) -> str | None:
        """See `CheckCache.recall`. A file that cannot be read counts as none."""
        try:
            kept = json.loads(self._path(key).read_bytes())
        except (OSError, ValueError):
            return None
        return str(kept["text"]) if isinstance(kept, dict) and kept.get("key") == key else None

    async def keep(self, key: str, text: str) -> None:
        """See `CheckCache.keep`. An answer that is very long is not kept."""
        if len(text) > MOST_CHARS:
            return
        path = self._path(key)
        with suppress(OSError):  # a cache that cannot be written costs no trial
            write_beside(path, json.dumps({"key": key, "text": text}).encode())

    def _path(self, key: str) -> Path:
        digest = hashlib.sha256(key.encode(errors="replace")).hexdigest()
        return self._folder / digest[:2] / f"{digest[2:]}.json"


class NoCheckCache:
    """A `harness.protocols.CheckCache` that keeps nothing."""

    async def recall(self, key: str) -> str | None:
        """Nothing."""
        return None

    async def keep(self, key: str, text: str) -> None:
        """Forget it."""
