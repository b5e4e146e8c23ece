"""The budget of a system."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """A budget. None: no limit."""

    usd: float | None
    steps: int | None
    tokens: int | None
    wall_clock_s: float | None  # of a trial, however many submissions it makes

    def times(self, submissions: int) -> "Allowance":
        """The budget of several submissions together. The wall clock stays that of one trial."""
        return Allowance(
            usd=None if self.usd is None else submissions * self.usd,
            steps=None if self.steps is None else submissions * self.steps,
            tokens=None if self.tokens is None else submissions * self.tokens,
            wall_clock_s=self.wall_clock_s,
        )


def allowance_of(description: Mapping[str, Any]) -> Allowance | None:
    """The budget of one submission, from `Store.description`; None if the run never started.

    The dollar limit is None for a model without a price, where it is not enforced.
    """
    if "config" not in description:
        return None
    budget = description["config"]["budget"]
    prices = description.get("prices") or {}
    priced = prices.get(description.get("model"), {}) is not None
    return Allowance(
        usd=(budget["cost_usd"] or None) if priced else None,
        steps=budget["steps"] or None,
        tokens=budget["tokens"] or None,
        wall_clock_s=budget["wall_clock_s"] or None,
    )
