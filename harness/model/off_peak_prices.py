"""Prices by time of day: DeepSeek is cheaper outside its peak hours and on weekends."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_HOURS = re.compile(r"\s*([01]?\d|2[0-3]):([0-5]\d)\s*-\s*([01]?\d|2[0-3]):([0-5]\d)\s*")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Hours in UTC, from `start` until before `end`, which may be the next day; the same: all day.

    `weekdays` are ISO's, 1 for Monday, of the day on which the moment falls in `zone`.
    """

    start: str  # "10:00"
    end: str
    weekdays: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    zone: str = "UTC"

    def holds(self, at: datetime) -> bool:
        """Whether the aware moment `at` is in the window."""
        if at.astimezone(ZoneInfo(self.zone)).isoweekday() not in self.weekdays:
            return False
        now = at.astimezone(UTC).time()
        start, end = time.fromisoformat(self.start), time.fromisoformat(self.end)
        return start <= now < end if start < end else now >= start or now < end


@dataclass(frozen=True, slots=True, kw_only=True)
class OffPeak:
    """USD per token of a call that is sent in one of the windows."""

    input: float
    cached_input: float
    cache_write: float
    output: float
    windows: tuple[Window, ...]

    def holds(self, at: datetime) -> bool:
        """Whether these are the prices of a call that is sent at the aware moment `at`."""
        return any(window.holds(at) for window in self.windows)


def windows_of(entry: Mapping[str, Any]) -> tuple[Window, ...]:
    """The windows of an `off_peak_pricing` of litellm's table.

    Hours in `hours_utc` hold on every day, those in `windows` on their weekdays; each is one
    "HH:MM-HH:MM" or a list. What cannot be read is left out: the dearer price then holds.
    """
    zone = str(entry.get("weekday_timezone") or "UTC")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        return ()
    rules = [{"hours_utc": entry.get("hours_utc")}, *(entry.get("windows") or ())]
    return tuple(window for rule in rules for window in _windows(rule, zone))


def _windows(rule: Mapping[str, Any], zone: str) -> list[Window]:
    hours = rule.get("hours_utc") or ()
    days = rule.get("weekdays")
    weekdays = tuple(range(1, 8)) if days is None else tuple(filter(None, map(_weekday, days)))
    found = [_HOURS.fullmatch(str(each)) for each in ([hours] if isinstance(hours, str) else hours)]
    return [
        Window(
            start=f"{int(match[1]):02}:{match[2]}",
            end=f"{int(match[3]):02}:{match[4]}",
            weekdays=weekdays,
            zone=zone,
        )
        for match in found
        if match
    ]


def _weekday(value: object) -> int:
    """1 to 7; 0 if it is not a weekday."""
    name = str(value).strip().lower()
    if name.isdecimal():
        return int(name) if 1 <= int(name) <= 7 else 0
    return _DAYS.index(name[:3]) + 1 if name[:3] in _DAYS else 0
