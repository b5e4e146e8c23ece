"""How many calls of a model may be under way: as many as its provider answers.

The rule is TCP's congestion control (RFC 5681): the limit grows by one a call until the provider
first refuses one, which doubles it each round trip, and later by one a round trip; a refusal (429,
or overloaded) lowers it to a part of the calls that were under way. Calls that were sent before the
limit was lowered do not lower it again (RFC 6582), however many of them are refused. The part is
0.7, CUBIC's (RFC 9438, 4.6). It grows only while it is used up, for what nobody needs says nothing
of the provider (RFC 7661). After a refusal that says Retry-After no call is sent until then: the
others would be refused, too.

The processes of a run share one limit: see `harness.runner.call_sharing`.
"""

import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import anyio

from harness.model.backend import Transient
from harness.store.call_limits import CallSlots, LimitState

START = 16  # calls, before anything is known of the provider
LOWERED = 0.7  # to this part of the calls under way
LONGEST_PAUSE_S = 60.0  # that all calls wait for the Retry-After of one


def grown(state: LimitState, answers: int, ceiling: float) -> LimitState:
    """The limit after so many answers that came while it was used up."""
    more = answers if state.rising else answers / state.total
    return replace(state, total=min(ceiling, state.total + more))


def lowered(state: LimitState, under_way: int) -> LimitState:
    """The limit after a refusal, with so many calls under way, the refused one included."""
    return replace(
        state,
        total=max(1.0, LOWERED * min(state.total, under_way)),
        epoch=state.epoch + 1,
        rising=False,
    )


def share(total: float, mine: CallSlots, others: Sequence[CallSlots]) -> int:
    """This process's part of `total` calls, at least 1.

    No process gets more than it needs as long as another one lacks some; what nobody needs is
    parted equally. All processes that know the same come to parts that add up to `total`, unless
    they are more than that.
    """
    processes = sorted([mine, *others], key=lambda each: (each.busy + each.waiting, each.owner))
    needs = [max(1, each.busy + each.waiting) for each in processes]  # one, to begin with
    left, parts = math.floor(total), [0] * len(processes)
    for limited in (True, False):
        for index, need in enumerate(needs):
            part = -(-left // (len(needs) - index))
            part = min(need, part) if limited else part
            parts[index] += part
            left -= part
    return max(1, parts[processes.index(mine)])


@dataclass(slots=True)
class News:
    """What a process learnt of the provider since it last told the others, in an `epoch`.

    `refused_at`: the calls of this process that were under way at a refusal; 0: there was none.
    """

    epoch: int
    answers: int = 0  # while the limit was used up
    refused_at: int = 0
    pause_s: float = 0.0


class CallLimit:
    """Slots for the calls of one model. `ceiling`: never more; infinite: there is no limit."""

    def __init__(
        self, ceiling: float, *, start: int = START, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.ceiling = ceiling
        self.is_limited = ceiling < math.inf
        self.owner = ""  # this process among others that what happens here is told to; none: ""
        self._clock = clock
        self._first = LimitState(total=min(start, ceiling) if self.is_limited else ceiling)
        self._state = self._first
        self._others: Sequence[CallSlots] = ()
        self._news = News(0)
        self._paused_until = 0.0
        self._limiter = anyio.CapacityLimiter(self._state.total)
        self._wake = anyio.Event()

    @property
    def total(self) -> float:
        """The limit over all processes, as far as this one knows."""
        return self._state.total

    @property
    def slots(self) -> CallSlots:
        """The calls of this process."""
        waiting = self._limiter.statistics().tasks_waiting
        return CallSlots(owner=self.owner, busy=self._limiter.borrowed_tokens, waiting=waiting)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait until a call may be sent, and send it in this block.

        Its end is an answer; a `Transient` that is `overloaded` is a refusal; other errors say
        nothing of the limit.
        """
        async with self._limiter:
            while (left := self._paused_until - self._clock()) > 0:  # noqa: ASYNC110 - a clock's
                await anyio.sleep(left)
            sent = self._state.epoch
            try:
                yield
            except Transient as problem:
                if problem.overloaded and self.is_limited:
                    self._pause(problem.retry_after_s or 0.0)
                    if self._learns(sent):
                        self._refused()
                raise
            if self._learns(sent):
                self._answered()

    def _answered(self) -> None:
        slots = self.slots
        if slots.busy + slots.waiting >= self._limiter.total_tokens:  # it is used up
            self._news.answers += 1
            self._set(grown(self._state, 1, self.ceiling))

    def _pause(self, pause_s: float) -> None:
        """Send nothing for so long: every refusal that says so counts, and not only the one that
        lowers the limit."""
        pause_s = min(pause_s, LONGEST_PAUSE_S)
        if self._clock() + pause_s > self._paused_until:
            self._paused_until = self._clock() + pause_s
            if self.owner:
                self._news.pause_s = pause_s
                self._wake.set()

    def _refused(self) -> None:
        self._news.refused_at = self.slots.busy
        under_way = self._news.refused_at + sum(each.busy for each in self._others)
        self._set(lowered(self._state, under_way))
        if self.owner:
            self._wake.set()
        else:
            self._news = News(self._state.epoch)

    def _learns(self, sent: int) -> bool:
        """Whether the end of a call says something of the limit as it is now."""
        return self.is_limited and sent == self._state.epoch and not self._news.refused_at

    # -- with other processes ----------------------------------------------------------------------

    async def urgent(self) -> None:
        """Wait until there is something that the other processes have to know at once."""
        await self._wake.wait()

    def take_news(self) -> News:
        """What the other processes do not know yet; it is told with this call."""
        news, self._news = self._news, News(self._state.epoch)
        self._wake = anyio.Event()
        return news

    def take_back(self, news: News) -> None:
        """Go on with news that could not be told."""
        if not self._news.refused_at:
            self._news = news

    def changed(self, news: News, before: LimitState | None, others_under_way: int) -> LimitState:
        """The limit of all processes after these news of this one: a
        `harness.store.call_limits.Change`."""
        state = before or self._first
        paused_s = max(state.paused_s, news.pause_s)
        state = replace(state, paused_s=paused_s, total=min(state.total, self.ceiling))
        if news.epoch != state.epoch:
            return state
        state = grown(state, news.answers, self.ceiling)
        if news.refused_at:
            return lowered(state, news.refused_at + others_under_way)
        return state

    def take(self, state: LimitState, others: Sequence[CallSlots]) -> None:
        """Go on with the limit of all processes, and with what happened here meanwhile."""
        self._others = others
        if self._news.epoch == state.epoch:
            under_way = sum(each.busy for each in others)
            state = self.changed(self._news, state, under_way)
        else:
            self._news = News(state.epoch, pause_s=self._news.pause_s)
        self._set(state)

    def _set(self, state: LimitState) -> None:
        self._state = state
        if state.paused_s:
            self._paused_until = max(self._paused_until, self._clock() + state.paused_s)
            self._state = replace(state, paused_s=0.0)
        if self.is_limited:
            self._limiter.total_tokens = share(state.total, self.slots, self._others)
