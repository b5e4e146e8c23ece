"""How many calls are under way follows what the provider answers: the rule, and real HTTP."""

import contextlib
import heapq
import itertools
import random
import threading
from collections import deque

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_bench import HELLO, bench
from scripted_model import Status

from harness.model.backend import Transient
from harness.model.call_limit import LOWERED, START, CallLimit, grown, lowered, share
from harness.model.client import RetryPolicy
from harness.store.call_limits import CallSlots, LimitState

COUNTS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=12)


class SimulatedProvider:
    """Answers each call after about a second, and refuses those above `capacity` at once.

    Its clock is the order of its events: nothing waits.
    """

    def __init__(self, capacity: int, *, ceiling: int = 64, seed: int = 0) -> None:
        self.capacity = capacity
        self.ceiling = ceiling
        self.state = LimitState(total=min(START, ceiling))
        self.seen: list[int] = []  # the limit at each end of a call
        self.refused = 0
        self._random = random.Random(seed)
        self._now = 0.0
        self._ends: list[tuple[float, int, int, bool]] = []
        self._number = itertools.count()
        self._served = 0

    def run(self, calls: int) -> None:
        """Make so many calls, as many at once as the limit allows; a refused one comes again."""
        left: deque[None] = deque([None] * calls)
        while left or self._ends:
            while left and len(self._ends) < int(self.state.total):
                left.popleft()
                self._send()
            self._now, _, epoch, ok = heapq.heappop(self._ends)
            self._served -= ok
            if ok and epoch == self.state.epoch and len(self._ends) + 1 >= int(self.state.total):
                self.state = grown(self.state, 1, self.ceiling)
            elif not ok:
                self.refused += 1
                left.append(None)
                if epoch == self.state.epoch:
                    self.state = lowered(self.state, len(self._ends) + 1)
            self.seen.append(int(self.state.total))

    def _send(self) -> None:
        ok = self._served < self.capacity
        self._served += ok
        lasts = self._random.uniform(0.8, 1.2) if ok else 0.05
        heapq.heappush(self._ends, (self._now + lasts, next(self._number), self.state.epoch, ok))


class TestRule:
    @pytest.mark.parametrize("capacity", [1, 2, 5, 20, 50])
    def test_it_comes_to_what_the_provider_allows_and_stays_there(self, capacity):
        provider = SimulatedProvider(capacity)
        provider.run(4_000)
        settled = provider.seen[len(provider.seen) // 2 :]
        assert max(settled) <= capacity + 1
        assert min(settled) >= max(1, int(LOWERED * capacity) - 1)
        assert provider.refused < len(provider.seen) / (8 if capacity > 2 else 2)

    def test_a_provider_without_a_limit_is_asked_as_often_as_is_allowed(self):
        provider = SimulatedProvider(10**6)
        provider.run(400)
        assert provider.seen[-1] == 64
        assert provider.seen.index(64) < 2 * 64, "in two round trips"

    def test_it_recovers_when_the_provider_does(self):
        provider = SimulatedProvider(40)
        provider.run(2_000)
        provider.capacity = 2
        provider.run(300)
        assert provider.seen[-1] <= 3
        provider.capacity = 40
        provider.run(4_000)
        assert provider.seen[-1] >= 0.65 * 40

    def test_a_burst_of_refusals_lowers_it_once(self):
        provider = SimulatedProvider(0)
        provider.run(0)
        for _ in range(16):
            provider._send()
        while provider._ends:
            _, _, epoch, ok = heapq.heappop(provider._ends)
            assert not ok
            if epoch == provider.state.epoch:
                provider.state = lowered(provider.state, 16)
        assert provider.state.total == LOWERED * 16
        assert provider.state.epoch == 1

    @given(st.floats(1, 1000), st.integers(0, 1000), st.lists(st.integers(0, 50), max_size=30))
    def test_it_is_never_below_one_and_never_above_the_ceiling(self, total, under_way, answers):
        state = LimitState(total=total)
        for each in answers:
            state = grown(state, each, 1000) if each else lowered(state, under_way)
            assert 1 <= state.total <= 1000

    @given(st.integers(1, 300), COUNTS)
    def test_parts_add_up_and_nobody_starves_another_one(self, total, counts):
        slots = [
            CallSlots(owner=f"p{n}", busy=busy, waiting=waiting)
            for n, (busy, waiting) in enumerate(counts)
        ]
        parts = [share(total, each, [o for o in slots if o is not each]) for each in slots]
        assert min(parts) >= 1
        assert sum(parts) == max(total, len(slots))
        needs = [max(1, each.busy + each.waiting) for each in slots]
        short = [part for part, need in zip(parts, needs, strict=True) if part < need]
        over = [part - need for part, need in zip(parts, needs, strict=True) if part > need]
        if short and total >= len(slots):
            assert max(over, default=0) <= 1, "nobody has more than it needs while one lacks some"


class TestSlots:
    async def refuse(self, limit: CallLimit, retry_after_s: float | None = None) -> None:
        with pytest.raises(Transient):
            async with limit.slot():
                raise Transient("busy", overloaded=True, retry_after_s=retry_after_s)

    async def test_what_fails_otherwise_says_nothing(self):
        limit = CallLimit(64)
        for error in (Transient("broken"), ValueError()):
            with pytest.raises(type(error)):
                async with limit.slot():
                    raise error
        assert limit.total == START

    async def test_one_call_at_a_time_does_not_make_it_grow(self):
        limit = CallLimit(64)
        for _ in range(100):
            async with limit.slot():
                pass
        assert limit.total == START

    async def test_it_is_lowered_to_a_part_of_what_was_under_way(self):
        limit = CallLimit(64)
        await self.refuse(limit)
        assert limit.total == 1
        async with limit.slot():
            pass
        assert limit.total == 2, "and grows again from the lowest"

    async def test_all_calls_wait_until_the_provider_wants_to_be_asked_again(self):
        now = [100.0]
        limit = CallLimit(64, clock=lambda: now[0])
        await self.refuse(limit, retry_after_s=30)
        sent = anyio.Event()

        async def send() -> None:
            async with limit.slot():
                sent.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            await anyio.wait_all_tasks_blocked()
            assert limit.slots.busy == 1
            assert not sent.is_set()
            tasks.cancel_scope.cancel()
        now[0] += 30
        await send()
        assert sent.is_set()

    async def test_a_later_refusal_of_the_same_round_trip_that_says_when_counts_too(self):
        """It does not lower the limit once more."""
        now = [100.0]
        limit = CallLimit(64, clock=lambda: now[0])
        first, second = anyio.Event(), anyio.Event()

        async def refused(after: anyio.Event, retry_after_s: float | None) -> None:
            with contextlib.suppress(Transient):
                async with limit.slot():
                    await after.wait()
                    raise Transient("busy", overloaded=True, retry_after_s=retry_after_s)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(refused, first, None)
            tasks.start_soon(refused, second, 30)
            await anyio.wait_all_tasks_blocked()
            first.set()
            await anyio.wait_all_tasks_blocked()
            total = limit.total
            second.set()
        assert limit.total == total
        with anyio.move_on_after(0.05) as waited:
            async with limit.slot():
                pass
        assert waited.cancelled_caught
        now[0] += 30
        async with limit.slot():
            pass

    async def test_a_replay_has_no_limit(self):
        limit = CallLimit(float("inf"))
        await self.refuse(limit, retry_after_s=30)
        async with limit.slot():
            assert limit.total == float("inf")


class Crowded:
    """A script that answers what comes while fewer than `capacity` calls are under way."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.refused = self.busy = 0
        self._lock = threading.Lock()

    def __call__(self, request, n):
        with self._lock:
            if self.busy >= self.capacity:
                self.refused += 1
                return Status(429)
            self.busy += 1
        threading.Event().wait(0.05)
        with self._lock:
            self.busy -= 1
        return {"content": "x"}


PATIENT = RetryPolicy(attempts=50, base_s=0.01, cap_s=0.2)


async def ask(b, agents: int, calls: int) -> None:
    async def one(i: int) -> None:
        talk = b.talk(f"agent-{i}")
        for _ in range(calls):
            await talk.complete(HELLO, [])

    async with anyio.create_task_group() as tasks:
        for i in range(agents):
            tasks.start_soon(one, i)


async def test_a_real_provider_that_allows_few_refuses_few():
    crowded = Crowded(6)
    async with bench(crowded, slots=64, retry=PATIENT) as b:
        await ask(b, agents=24, calls=12)
        assert {row["outcome"] for row in b.ledger.rows} == {"ok"}
        assert LOWERED * LOWERED * 6 <= b.client.limit.total < 12
        assert crowded.refused < len(b.ledger.rows) / 4


async def test_a_real_provider_that_allows_all_is_asked_by_all():
    async with bench(Crowded(1000), slots=40) as b:
        await ask(b, agents=60, calls=4)
        assert b.client.limit.total == 40
        assert b.server.peak <= 40
