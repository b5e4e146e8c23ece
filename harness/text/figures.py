"""Figures as text, the same in the terminal and on pages; a dash where one is unknown."""

UNKNOWN = "–"


def percent(value: float | None) -> str:
    """A share in percent."""
    return percent_of(None if value is None else 100 * value)


def percent_of(value: float | None) -> str:
    """A percentage."""
    return UNKNOWN if value is None else f"{value:.1f} %"


def points(share: float | None) -> str:
    """A difference of shares in percentage points, with its sign."""
    return UNKNOWN if share is None else f"{100 * share:+.1f}"


def dollars(value: float | None) -> str:
    """USD."""
    return UNKNOWN if value is None else f"{value:.4f}"


def signed_dollars(usd: float | None) -> str:
    """A difference in USD, with its sign."""
    return UNKNOWN if usd is None else f"{usd:+.4f}"


def seconds(value: float | None) -> str:
    """A duration."""
    return UNKNOWN if value is None else f"{value:.0f} s" if value >= 10 else f"{value:.1f} s"
