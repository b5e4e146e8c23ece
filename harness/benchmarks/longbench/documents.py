"""The texts that questions are about: each once in the cache, under the hash of its content.

A run holds none of them but those that it is reading.
"""

import hashlib
from pathlib import Path

from harness.cache import write_beside
from harness.errors import DocumentUnavailable


def keep_document(text: str, cache: Path) -> str:
    """Keep a document in the cache; return the SHA-256 of its UTF-8 bytes."""
    content = text.encode()
    name = hashlib.sha256(content).hexdigest()
    path = _path(name, cache)
    if not path.exists():
        write_beside(path, content)
    return name


def read_document(name: str, cache: Path) -> str:
    """A kept document. Blocking. Raises `DocumentUnavailable` if it is missing or damaged."""
    try:
        return _path(name, cache).read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentUnavailable(f"the document {name[:12]} cannot be read: {error}") from error


def document_bytes(name: str, cache: Path) -> int:
    """The size of a kept document in bytes. Raises `OSError` if it is missing."""
    return _path(name, cache).stat().st_size


def _path(name: str, cache: Path) -> Path:
    return cache / "documents" / name[:2] / f"{name}.txt"
