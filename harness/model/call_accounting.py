"""The client's accounting of one call: the request, the speaker and the cost so far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from harness.model.backend import CallKey
from harness.model.budget import Hold
from harness.types import Message, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call, ready to be sent, with its worst-case usage.

    `offered` are the tools of the agent, also where the text protocol sends no `tools`.
    """

    key: CallKey
    messages: Sequence[Message]
    tools: Sequence[Mapping[str, Any]]
    offered: Sequence[Mapping[str, Any]]
    prompt_sha256: str
    worst_usd: float | None
    worst_tokens: int


@dataclass(frozen=True, slots=True)
class Speaker:
    """The agent and conversation of a call, for the ledger."""

    trial_id: int
    agent: str


@dataclass(slots=True)
class Tally:
    """The cost of a call so far, over all its attempts."""

    hold: Hold
    priced: bool
    call_id: int = -1  # its row in the ledger
    charged_usd: float = 0.0  # what budgets count
    cut_off: bool = False  # while an attempt was with the provider
    doubts: int = 0  # attempts of which nobody can tell what is billed for them
    attempts: int = 0
    sent_at: datetime | None = None  # the latest of them
    latency_s: float = 0.0
    usages: list[Usage] = field(default_factory=list)
    costs: list[float | None] = field(default_factory=list)

    @property
    def cost_usd(self) -> float | None:
        """The cost of all counted answers in USD; None if the cost of one is unknown."""
        if self.cut_off or (self.doubts and not self.costs):
            return None
        known = [cost for cost in self.costs if cost is not None]
        return sum(known) if self.priced and len(known) == len(self.costs) else None

    def close(self) -> None:
        """Release the reservation, except for interrupted attempts, which may be billed."""
        if self.cut_off:
            self.charged_usd += self.hold.settle(None, None)
        self.hold.release()
