"""Budgets: what a call can cost at most is taken before it is sent, and settled after.

Everything here is plain arithmetic without an await between the check and the taking, so within
one event loop no cap is passed, whatever runs in parallel.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import anyio

from harness.errors import AgentLimitReached, LimitReached
from harness.model.run_clock import RunClock
from harness.types import Limits


def times(limits: Limits, submissions: int) -> Limits:
    """The budget of a trial with several submissions, from the budget of one.

    The wall clock and the time limit of a command stay the same, because agents work side by side.
    """
    return replace(
        limits,
        steps=limits.steps * submissions,
        cost_usd=limits.cost_usd * submissions,
        tokens=limits.tokens * submissions,
    )


def _part(limits: Limits, agents: int) -> Limits:
    """An equal part of steps, tokens and dollars, rounded up."""
    return replace(
        limits,
        steps=-(-limits.steps // agents),
        tokens=-(-limits.tokens // agents),
        cost_usd=limits.cost_usd / agents,
    )


class Crowded(LimitReached):
    """The calls under way reserve the missing amount; it may be free when one of them ends."""

    def __init__(self, limit: str, message: str, level: "Budget") -> None:
        super().__init__(limit, message)
        self.level = level


class Budget:
    """Dollars at one level (a trial, an agent), inside those of `parent`. 0 is no limit.

    Those of the run are the store's, which knows of every process: see `Ledger.begin_call`.
    """

    def __init__(
        self,
        limit_usd: float,
        parent: "Budget | None" = None,
        *,
        limit_name: str = "cost",
        reached: type[LimitReached] = LimitReached,
    ) -> None:
        self.limit_usd = limit_usd
        self.reached = reached
        self.parent = parent
        self.limit_name = limit_name
        self.spent = 0.0
        self.unsure = 0.0  # of `spent`, worst cases of requests that may or may not be billed
        self.outstanding: set[Reservation] = set()
        self._freed: anyio.Event | None = None  # who waits for a reservation to end is told by it

    @property
    def reserved(self) -> float:
        """The amount reserved for calls under way."""
        return math.fsum(reservation.amount for reservation in self.outstanding)

    def reserve(self, amount: float) -> "Reservation":
        """Take `amount` USD here and at every parent, or at none.

        `LimitReached`, named after the level that does not cover it; `Crowded` where it did but for
        calls under way.
        """
        levels = self.levels()
        crowded = None
        for level in levels:
            taken = level.spent + level.reserved
            if not level.limit_usd or taken + amount <= level.limit_usd:
                continue
            words = (
                f"{level.limit_name}: the call can cost ${amount:.4f}, and ${taken:.4f} of "
                f"${level.limit_usd:.4f} are spent or reserved"
            )
            if level.spent + amount > level.limit_usd:
                raise level.reached(level.limit_name, words)
            crowded = crowded or Crowded(level.limit_name, words, level)
        if crowded:
            raise crowded
        return Reservation(levels, amount)

    async def freed(self) -> None:
        """Wait until a reservation at this level has been settled or released."""
        self._freed = self._freed or anyio.Event()
        await self._freed.wait()

    def end(self, reservation: "Reservation") -> None:
        """End a reservation."""
        self.outstanding.discard(reservation)
        self.look_again()

    def look_again(self) -> None:
        """Let those who wait for a reservation to end see whether there is enough now."""
        if self._freed is not None:
            self._freed.set()
            self._freed = None

    def levels(self) -> "list[Budget]":
        """This budget and all its parents."""
        return [self, *(self.parent.levels() if self.parent else [])]


class Reservation:
    """Reserved money until it is settled or released; a second call does nothing."""

    def __init__(self, levels: list[Budget], amount: float) -> None:
        self.amount = amount
        self._levels = levels
        for level in levels:
            level.outstanding.add(self)

    def settle(self, actual: float, *, unsure: bool = False) -> None:
        """Spend `actual` USD and give the rest back. `unsure`: nobody can tell what was billed."""
        for level in self._close():
            level.spent += actual
            level.unsure += actual if unsure else 0.0

    def release(self) -> None:
        """Give all of it back."""
        self._close()

    def _close(self) -> list[Budget]:
        levels, self._levels = self._levels, []
        for level in levels:
            level.end(self)
        return levels


class TrialBudget:
    """All that one trial may use: steps (model calls), tokens, dollars and wall clock from now.

    An agent's share of a trial is one of these inside the trial's: `whole`, whose limits hold as
    well.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        clock: RunClock | None = None,
        whole: "TrialBudget | None" = None,
        used_s: float = 0.0,
    ) -> None:
        """`used_s`: seconds of the wall clock that the trial has used already."""
        self.limits = limits
        self._whole = whole
        self._of = "agent_" if whole else ""  # begins the names of its limits
        self.reached = AgentLimitReached if whole else LimitReached
        self.dollars: Budget = Budget(
            limits.cost_usd,
            whole.dollars if whole else None,
            limit_name=f"{self._of}cost",
            reached=self.reached,
        )
        self.steps = 0
        self.resumed_steps = 0  # of `steps`, those that an earlier attempt made and paid for
        self.tokens = 0
        self.held_tokens: dict[Hold, int] = {}
        self.clock = clock or RunClock()
        self._shares: list[tuple[TrialBudget, int]] = []  # with the number of agents
        self._started = self.clock() - used_s

    def share(self, agents: int) -> "TrialBudget":
        """What one of `agents` may use: an equal part of steps, tokens and dollars, rounded up.

        Its end is an `AgentLimitReached`; no agent can use up what is
        the others'. The wall clock is the trial's.
        """
        share = TrialBudget(_part(self.limits, agents), clock=self.clock, whole=self)
        share._started = self._started
        self._shares.append((share, agents))
        return share

    def raise_to(self, limits: Limits) -> None:
        """Go on with other limits, none of which is lower, here and in the agents' shares."""
        self.limits = limits
        self.dollars.limit_usd = limits.cost_usd
        for share, agents in self._shares:
            share.raise_to(_part(limits, agents))
        self.dollars.look_again()

    @property
    def left(self) -> float:
        """What is left of the steps, tokens or dollars: the smallest share, 1 to 0; 1: no limit."""
        limits, dollars = self.limits, self.dollars
        used = (
            (self.steps, limits.steps),
            (self.tokens, limits.tokens),
            (dollars.spent, limits.cost_usd),
        )
        return min([1.0, *(max(0.0, 1 - much / most) for much, most in used if most)])

    @property
    def remaining_s(self) -> float:
        """The remaining wall clock in seconds; infinity without a limit."""
        if not self.limits.wall_clock_s:
            return math.inf
        return self.limits.wall_clock_s - (self.clock() - self._started)

    def check_time(self, needed_s: float = 0) -> None:
        """Raise `LimitReached` if less than `needed_s` seconds, or none, remain."""
        if self.remaining_s <= needed_s:
            raise self._late()

    def _late(self) -> LimitReached:
        used = f"wall_clock: {self.limits.wall_clock_s:g} s are used up"
        return LimitReached("wall_clock", used)

    @contextmanager
    def in_time(self) -> Iterator[None]:
        """Run this block until the wall clock is used up, then raise `LimitReached`."""
        end = self._started + (self.limits.wall_clock_s or math.inf)
        with self.clock.until(end) as waiting:
            yield
        if waiting.cancelled_caught:
            raise self._late()

    async def take(self, cost_usd: float | None, tokens: int, *, new_step: bool = True) -> "Hold":
        """`check_and_reserve`, after a wait for calls under way where these hold what is missing.

        Who waits holds nothing, so that no two wait for each other.
        """
        while True:
            try:
                return self.check_and_reserve(cost_usd, tokens, new_step=new_step)
            except Crowded as crowded:
                level = crowded.level
            with self.in_time():
                await level.freed()

    def check_and_reserve(
        self, cost_usd: float | None, tokens: int, *, new_step: bool = True
    ) -> "Hold":
        """Take the worst case of one call: all of it or nothing.

        `cost_usd` None: the price is unknown and dollars are not counted. `new_step` False: another
        attempt at a call whose step is counted already. `LimitReached` names the first limit that
        does not cover it: wall_clock, steps, tokens or cost; `Crowded` where it would but
        for calls under way.
        """
        self.check_time()
        for level in reversed(self.levels()):  # its own share first: others may be at their last
            level.check(tokens, new_step=new_step)
        if cost_usd is None:
            reservation = Reservation(self.dollars.levels(), 0.0)
        else:
            reservation = self.dollars.reserve(cost_usd)
        hold = Hold(self.levels(), reservation, tokens, new_step=new_step)
        for level in self.levels():
            level.steps += new_step
            level.held_tokens[hold] = tokens
        return hold

    def spend(self, cost_usd: float | None, tokens: int) -> None:
        """Count a call that an earlier attempt at the trial made: one step, and what it took.

        `LimitReached`: the wall clock is used up.
        """
        self.check_time()
        for level in self.levels():
            level.steps += 1
            level.resumed_steps += 1
            level.tokens += tokens
            level.dollars.spent += cost_usd or 0.0

    @property
    def trial_limits(self) -> Limits:
        """The limits of the trial, also where this is an agent's share."""
        return self.levels()[0].limits

    def levels(self) -> "list[TrialBudget]":
        """The trial's budget and, for an agent, its share."""
        return [*(self._whole.levels() if self._whole else []), self]

    def check(self, tokens: int, *, new_step: bool) -> None:
        """`LimitReached` where a call of `tokens` does not fit into what is left here."""
        if new_step and self.limits.steps and self.steps >= self.limits.steps:
            name = f"{self._of}steps"
            raise self.reached(name, f"{name}: all {self.limits.steps} are used up")
        taken = self.tokens + sum(self.held_tokens.values())
        if not self.limits.tokens or taken + tokens <= self.limits.tokens:
            return
        name = f"{self._of}tokens"
        words = (
            f"{name}: the call can use {tokens}, and {taken} of {self.limits.tokens} are used "
            "or reserved"
        )
        if self.tokens + tokens > self.limits.tokens:
            raise self.reached(name, words)
        raise Crowded(name, words, self.dollars)


class Hold:
    """The worst case of one call, taken from a `TrialBudget` until settled or released."""

    def __init__(
        self, levels: list[TrialBudget], reservation: Reservation, tokens: int, *, new_step: bool
    ) -> None:
        self._new_step = new_step
        self._levels = levels
        self._reservation = reservation
        self._tokens = tokens

    def settle(self, cost_usd: float | None, tokens: int | None) -> float:
        """Use `cost_usd` and `tokens`, and give the rest back; the dollars that were counted.

        What nobody can tell (None) counts as all that was taken: the cap holds. The second of two
        does nothing.
        """
        if any(level.held_tokens.pop(self, None) is None for level in self._levels):
            return 0.0
        for level in self._levels:
            level.tokens += self._tokens if tokens is None else tokens
        counted = self._reservation.amount if cost_usd is None else cost_usd
        self._reservation.settle(counted, unsure=cost_usd is None)
        return counted

    def withdraw(self) -> None:
        """Give all of it back, the step too: the call was not made."""
        for level in self._levels:
            level.steps -= self._new_step
        self.release()

    def release(self) -> None:
        """Give all of it back, save the step. Does nothing after `settle`."""
        for level in self._levels:
            level.held_tokens.pop(self, None)
        self._reservation.release()
