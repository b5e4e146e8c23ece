"""Durations as people write them: 90s, 15m, 1h30m."""

import re

SECONDS = {"h": 3600, "m": 60, "s": 1}


def seconds(text):
    """The seconds that `text` stands for. Raises `ValueError` where it is no duration."""
    found = re.match(r"(\d+)([hms])", text)
    if not found:
        raise ValueError(f"not a duration: {text!r}")
    number, unit = found.groups()
    return int(number) * SECONDS[unit]
