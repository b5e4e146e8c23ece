"""The queue against a model of it: any order of calls by several agents, with the time in hand."""

import contextlib
import math
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from harness.board.protocols import BoardRefused, Claim, LeaseLost, NewTask
from harness.board.sqlite.board import SqliteBoard

pytestmark = pytest.mark.slow(seconds=3)

LEASE = 10.0
AGENTS = st.sampled_from(["ann", "bob", "cid"])
WISHES = st.sampled_from(["", "", "ann", "bob", "cid"])


@dataclass
class Known:
    """What the model knows of a task."""

    label: str
    priority: int
    preferred: str
    excluded: set[str]
    after: tuple[str, ...]
    state: str = "open"
    holder: str = ""
    lease: float = -math.inf
    attempts: int = 0


@dataclass
class Model:
    """The queue, said as simply as it can be."""

    tasks: dict[str, Known] = field(default_factory=dict)
    alive: dict[str, float] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    closed: bool = False

    def best(self, agent: str, now: float) -> str | None:
        mine = [task for task in self.tasks.values() if self.held(task, agent)]
        if self.closed or agent in self.gone or any(task.lease > now for task in mine):
            return None
        for task in mine:
            task.state = "open"
        found = [task for task in self.tasks.values() if self.eligible(task, agent, now)]
        if not found:
            return None
        wish = {agent: 0, "": 1}
        order = list(self.tasks)
        return min(
            found,
            key=lambda task: (
                -task.priority,
                wish.get(task.preferred, 2),
                order.index(task.label),
            ),
        ).label

    def held(self, task: Known, agent: str) -> bool:
        return task.state == "claimed" and task.holder == agent

    def eligible(self, task: Known, agent: str, now: float) -> bool:
        free = task.state == "open" or (task.state == "claimed" and task.lease <= now)
        ready = all(self.tasks[need].state == "done" for need in task.after)
        others = any(
            until > now
            for name, until in self.alive.items()
            if name not in task.excluded and name not in self.gone
        )
        return free and ready and not (agent in task.excluded and others)

    def pushed(self, agent: str, now: float) -> None:
        """A claim or a renewal: at least a lease, and a quarter of one more when it is written."""
        if self.alive.get(agent, -math.inf) < now + LEASE:
            self.alive[agent] = now + 1.25 * LEASE

    def doom(self, label: str) -> None:
        for task in self.tasks.values():
            if label in task.after and task.state == "open":
                task.state = "cancelled"
                self.doom(task.label)


class QueueMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.stack = contextlib.ExitStack()
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.now = 1_000_000.0
        # two connections, as of two processes: every call goes to the one or the other
        self.boards = [
            SqliteBoard(folder / "run.db", clock=lambda: self.now, synchronous="OFF")
            for _ in range(2)
        ]
        for board in self.boards:
            self.stack.callback(board.close)
        self.model = Model()
        self.claims: list[Claim] = []
        self.calls = 0
        self.version = 0

    def teardown(self) -> None:
        self.stack.close()

    def call(self, name: str, *words, **more):
        """One call, by turns on either connection."""
        self.calls += 1
        queue = self.boards[self.calls % 2].of(1).queue

        async def run():
            return await getattr(queue, name)(*words, **more)

        return anyio.run(run)

    @rule(seconds=st.sampled_from([1.0, LEASE / 2, LEASE, 2 * LEASE]))
    def time_goes_by(self, seconds):
        self.now += seconds

    @rule(
        priority=st.integers(-1, 1), preferred=WISHES, excluded=st.sets(AGENTS, max_size=2),
        needs=st.sets(st.integers(0, 9), max_size=2),
    )  # fmt: skip
    def put(self, priority, preferred, excluded, needs):
        labels = list(self.model.tasks)
        after = tuple(labels[n] for n in sorted(needs) if n < len(labels))
        label = f"t{len(labels)}"
        new = NewTask(
            kind="work", text="", label=label, priority=priority, preferred=preferred,
            excluded=tuple(excluded), after=after,
        )  # fmt: skip
        try:
            (task,) = self.call("put", new, by="root")
        except BoardRefused:
            assert self.model.closed
            return
        assert not self.model.closed
        known = Known(label, priority, preferred, excluded, after)
        if any(self.model.tasks[need].state in ("failed", "cancelled") for need in after):
            known.state = "cancelled"
        self.model.tasks[label] = known
        assert task.state == known.state

    @rule(which=st.integers(0, 9), excluded=st.sets(AGENTS, max_size=2))
    def put_again(self, which, excluded):
        labels = [label for label in self.model.tasks if label.startswith("t")]  # put with a label
        if which >= len(labels) or self.model.closed:
            return
        again = NewTask(kind="work", text="", key=labels[which], excluded=tuple(excluded))
        (task,) = self.call("put", again, by="root")
        known = self.model.tasks[labels[which]]
        if known.state == "open":
            known.excluded |= excluded
        assert (task.label, set(task.excluded)) == (known.label, known.excluded)

    @rule(agent=AGENTS)
    def put_when_empty(self, agent):
        label = f"t{len(self.model.tasks)}"
        task = self.call("put_when_empty", NewTask(kind="w", text="", label=label), by=agent)
        busy = any(known.state in ("open", "claimed") for known in self.model.tasks.values())
        assert (task is None) == (busy or self.model.closed)
        if task is not None:
            self.model.tasks[label] = Known(label, 0, "", set(), ())

    @rule(agent=AGENTS)
    def join(self, agent):
        self.call("join", agent, lease_s=LEASE)
        self.model.gone.discard(agent)
        self.model.alive[agent] = max(self.model.alive.get(agent, 0), self.now + LEASE)

    @rule(agent=AGENTS)
    def leave(self, agent):
        self.call("leave", agent)
        self.model.gone.add(agent)
        self.model.alive.setdefault(agent, self.now)
        for task in self.model.tasks.values():
            if self.model.held(task, agent):
                task.state = "cancelled" if self.model.closed else "open"

    @rule(agent=AGENTS)
    def claim(self, agent):
        expected = self.model.best(agent, self.now)
        self.model.pushed(agent, self.now)
        claim = self.call("claim", agent, lease_s=LEASE)
        assert (claim.task.label if claim else None) == expected
        self.note(claim, agent)

    def note(self, claim: Claim | None, agent: str) -> None:
        """What a claim changes in the model."""
        if claim is None:
            return
        known = self.model.tasks[claim.task.label]
        known.state, known.holder = "claimed", agent
        known.lease = self.now + LEASE
        known.attempts += 1
        assert claim.fence == known.attempts
        self.claims.append(claim)

    def current(self, claim: Claim) -> Known | None:
        known = self.model.tasks[claim.task.label]
        return known if known.state == "claimed" and known.attempts == claim.fence else None

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def renew(self, data):
        claim = data.draw(st.sampled_from(self.claims))
        known = self.current(claim)
        try:
            self.call("renew", claim, lease_s=LEASE)
        except LeaseLost:
            assert known is None
            return
        assert known is not None
        known.lease = self.now + LEASE
        self.model.pushed(claim.agent, self.now)

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), state=st.sampled_from(["done", "done", "failed"]))
    def finish(self, data, state):
        claim = data.draw(st.sampled_from(self.claims))
        known = self.current(claim)
        try:
            self.call("finish", claim, state=state, result={"by": claim.agent})
        except LeaseLost:
            assert known is None
            return
        assert known is not None
        known.state = state
        if state == "failed":
            self.model.doom(known.label)

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), state=st.sampled_from(["done", "done", "failed"]))
    def finish_and_claim(self, data, state):
        claim = data.draw(st.sampled_from(self.claims))
        known = self.current(claim)
        try:
            _, following = self.call("finish_and_claim", claim, state=state, lease_s=LEASE)
        except LeaseLost:
            assert known is None
            return
        assert known is not None
        known.state = state
        if state == "failed":
            self.model.doom(known.label)
        expected = self.model.best(claim.agent, self.now)
        assert (following.task.label if following else None) == expected
        self.model.pushed(claim.agent, self.now)
        self.note(following, claim.agent)

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def release(self, data):
        claim = data.draw(st.sampled_from(self.claims))
        known = self.current(claim)
        self.call("release", claim, reason="")
        if known is not None:
            known.state = "cancelled" if self.model.closed else "open"

    @rule(number=st.integers(0, 9))
    def cancel(self, number):
        known = self.model.tasks.get(f"t{number}")
        open_now = known is not None and known.state == "open"
        assert self.call("cancel", f"t{number}", by="root", reason="") == open_now
        if open_now:
            known.state = "cancelled"
            self.model.doom(known.label)

    @precondition(lambda self: len(self.model.tasks) > 5)
    @rule(sure=st.integers(0, 9))
    def close(self, sure):
        if sure:
            return
        self.call("close", by="root", reason="")
        self.model.closed = True
        for task in self.model.tasks.values():
            if task.state == "open":
                task.state = "cancelled"

    @invariant()
    def the_board_is_as_the_model(self):
        found = [(t.label, t.state, t.holder, t.attempts) for t in self.call("tasks")]
        known = [(t.label, t.state, t.holder, t.attempts) for t in self.model.tasks.values()]
        assert found == known
        assert self.call("closed") == self.model.closed

    @invariant()
    def an_agent_holds_one_live_claim(self):
        live = [
            task.holder
            for task in self.model.tasks.values()
            if task.state == "claimed" and task.lease > self.now
        ]
        assert len(live) == len(set(live))

    @invariant()
    def the_events_tell_who_holds_what(self):
        held: dict[str, str] = {}
        states: dict[str, str] = {}
        events = anyio.run(self.boards[0].events, 1)
        for event in events:
            what, label = event["what"], event["subject"]
            if what in ("lost", "released", "done", "failed"):
                assert held.pop(label) == event["actor"]
            if what == "claimed":
                assert label not in held
                held[label] = event["actor"]
            if what == "cancelled":
                held.pop(label, None)  # released in a trial that is over
            if label:
                states[label] = {"put": "open", "lost": "open", "released": "open"}.get(what, what)
        assert states == {t.label: t.state for t in self.model.tasks.values()}
        numbers = [event["number"] for event in events]
        assert numbers == list(range(1, len(numbers) + 1))

    @invariant()
    def the_version_never_falls(self):
        version = self.boards[0].of(1).queue.version
        assert version >= self.version
        self.version = version


QueueMachine.TestCase.settings = settings(
    max_examples=120,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestQueueMachine = QueueMachine.TestCase
