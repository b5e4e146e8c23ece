"""The cost of model calls, with a bound for calls whose cost is unknown. Pure functions over
rows."""

from collections.abc import Iterable
from dataclasses import dataclass

from harness.store.rows import CostRow

NOISE_USD = 1e-9  # USD; what is less is left of rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """A cost in USD: at least `usd`, at most `usd + unsure_usd`. None: a price is unknown."""

    usd: float | None
    unsure_usd: float | None


NOTHING = Spent(usd=0.0, unsure_usd=0.0)


def spent(calls: Iterable[CostRow]) -> Spent:
    """What `calls` (rows of the ledger) cost.

    A request that was sent and not answered (cut off on its way, by a time-out, or with its
    process) may be billed, and no provider says. `usd` has what is known of such a call,
    `unsure_usd` the worst case that counts against the budgets for it. Both are None as soon as the
    cost of a call is unknown that was answered, or whose worst case is unknown too: there is no
    price.
    """
    usd = unsure = 0.0
    for call in calls:
        started = call.get("outcome") == "started"
        known = call["cost_usd"]
        most = call.get("reserved_usd") if started else call.get("charged_usd")
        if known is None and (most is None or call.get("outcome") == "ok"):
            return Spent(usd=None, unsure_usd=None)
        usd += known or 0.0
        more = 0.0 if most is None else most - (known or 0.0)
        unsure += more if more > NOISE_USD else 0.0
    return Spent(usd=usd, unsure_usd=unsure)


def added(costs: Iterable[Spent]) -> Spent:
    """Several costs together; unknown as soon as one of them is."""
    usd = unsure = 0.0
    for cost in costs:
        if cost.usd is None or cost.unsure_usd is None:
            return Spent(usd=None, unsure_usd=None)
        usd += cost.usd
        unsure += cost.unsure_usd
    return Spent(usd=usd, unsure_usd=unsure)


def in_words(cost: Spent) -> str:
    """The cost as `$0.1234`, with the possible extra cost; or `cost unknown`."""
    if cost.usd is None:
        return "cost unknown"
    least = f"${cost.usd:.4f}"
    return f"{least} to ${cost.usd + cost.unsure_usd:.4f}" if cost.unsure_usd else least


def in_doubt(cost: Spent) -> str:
    """The cost as `$0.07 spent`, with the amount in doubt and the reason."""
    if cost.usd is None:
        return "cost unknown: a price is, or an answer came without its tokens"
    told = f"{_dollars(cost.usd)} spent"
    if not cost.unsure_usd:
        return told
    more = _dollars(cost.unsure_usd)
    return f"{told} in all, up to {more} more in doubt (as spent): unanswered requests"


def _dollars(usd: float) -> str:
    return f"${usd:.2f}" if usd >= 0.01 or not usd else f"${usd:.4f}"
