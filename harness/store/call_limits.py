"""How many calls of a model may be under way at one time, as the processes of a run share it."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol, TypedDict


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitState:
    """The limit of one model over all processes.

    `total` is in calls, at least 1; `epoch` counts how often it was lowered; `rising` is true until
    the first time. For `paused_s` seconds from now on the provider wants no call.
    """

    total: float
    epoch: int = 0
    rising: bool = True
    paused_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSlots:
    """The calls of one process that are under way, and those that wait until they may be."""

    owner: str
    busy: int
    waiting: int


class CallLimitRow(TypedDict):
    """The limit of a model, and the calls of all living processes."""

    model: str
    total: float
    ceiling: int
    busy: int
    waiting: int


Change = Callable[[LimitState | None, int], LimitState]
"""The new limit from the one before (None: there was none) and the calls of others under way.

It changes nothing else: it may be called again.
"""


class CallLimits(Protocol):
    """The part of a store that holds these limits."""

    async def share_calls(
        self,
        model: str,
        *,
        busy: int,
        waiting: int,
        ceiling: int,
        change: Change,
        alive: Collection[str],
    ) -> tuple[LimitState, Sequence[CallSlots]]:
        """Record this owner's calls and change the limit of `model`, in one transaction.

        The new limit, and the calls of the other living processes (`alive`, where the database does
        not know who lives) by owner.
        """
        ...

    async def leave_calls(self) -> None:
        """Remove what is recorded of this owner's calls: it makes none any more."""
        ...

    async def call_limits(self, alive: Collection[str]) -> list[CallLimitRow]:
        """The limit of each model; `alive` as for `share_calls`."""
        ...
