"""Decide which addresses may receive credentials."""

import re
from urllib.parse import urlsplit


def is_private(address: str) -> bool:
    """Whether nobody between can read the traffic: https, or this machine."""
    return urlsplit(address).scheme == "https" or on_this_machine(address)


def on_this_machine(address: str) -> bool:
    """Whether the host of an address is this machine by its name or number."""
    host = urlsplit(address).hostname or ""
    return host in ("localhost", "::1") or re.fullmatch(r"127(\.\d+){3}", host) is not None
