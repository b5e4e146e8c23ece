"""Hashes of values."""

import hashlib
import json
from typing import Any


def digest(value: Any) -> str:
    """The SHA-256 of the value as JSON with sorted keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
