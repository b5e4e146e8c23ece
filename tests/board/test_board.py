"""What a board promises. One class for every back end: `board` and `other` are two connections to
the same board, `clock` is the time of both."""

import asyncio
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import anyio
import pytest
from board_statements import REFUSED

from harness.board.evidence import (
    COMMAND_CHARS,
    DIFF_CHARS,
    GIST_CHARS,
    SUMMARY_CHARS,
    Patch,
    Quotations,
    Span,
)
from harness.board.postgres.board import open_postgres_boards
from harness.board.protocols import BoardRefused, LeaseLost, Link, NewTask, Proposal
from harness.board.sqlite.board import SqliteBoard
from harness.store.opening import is_postgres

LEASE = 10.0
SEEN = Span(path="a.py", line=3, quote="é = 1", state="P4")


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def boards(address, clock):
    made = []
    for _ in range(2):
        if is_postgres(address):
            made.append(await open_postgres_boards(address, clock=clock, max_tasks=50))
        else:
            made.append(SqliteBoard(Path(address), clock=clock, max_tasks=50))
    yield made
    for one in made:
        await one.aclose()


@pytest.fixture
def board(boards):
    return boards[0]


@pytest.fixture
def queue(board):
    return board.of(1).queue


@pytest.fixture
def context(board):
    return board.of(1).context


def task(label: str, **more: object) -> NewTask:
    return NewTask(kind="work", text=f"do {label}", label=label, **more)


def proposal(gist: str = "it is so", kind: str = "FACT", **more: object) -> Proposal:
    values = {"summary": "long", "evidence": SEEN, "author": "ann", "task": "one"}
    return Proposal(kind=kind, gist=gist, **(values | more))


async def claimed(queue, agent: str = "ann") -> str:
    claim = await queue.claim(agent, lease_s=LEASE)
    return "" if claim is None else claim.task.label


async def states(queue) -> dict[str, str]:
    return {one.label: one.state for one in await queue.tasks()}


async def story(board, *words: str) -> list[tuple[str, str, str]]:
    return [
        (event["actor"], event["what"], event["subject"])
        for event in await board.events(1)
        if event["what"] in words
    ]


class TestTaskQueue:
    async def test_a_task_is_claimed_by_one_agent_and_carries_its_fence(self, queue):
        await queue.put(task("one", subject="F1"), by="root")
        claim = await queue.claim("ann", lease_s=LEASE)
        assert (claim.agent, claim.fence, claim.task.label) == ("ann", 1, "one")
        assert (claim.task.state, claim.task.holder, claim.task.subject) == ("claimed", "ann", "F1")
        assert claim.task.created_by == "root"
        assert await claimed(queue, "bob") == ""

    async def test_tasks_go_by_priority_then_wish_then_age(self, queue):
        await queue.put(
            task("for-bob", preferred="bob"), task("old"), task("new"),
            task("for-ann", preferred="ann"), task("urgent", priority=1),
            task("urgent-for-bob", priority=1, preferred="bob"), task("late", priority=-1), by="",
        )  # fmt: skip
        order = []
        while (claim := await queue.claim("ann", lease_s=LEASE)) is not None:
            order.append(claim.task.label)
            await queue.finish(claim)
        assert order == [
            "urgent", "urgent-for-bob", "for-ann", "old", "new", "for-bob", "late"
        ]  # fmt: skip

    async def test_a_task_taken_over_keeps_its_place_in_the_order(self, queue, clock):
        await queue.put(task("first"), task("second"), task("third"), by="")
        assert await claimed(queue, "ann") == "first"
        clock.now += LEASE
        assert [await claimed(queue, name) for name in ("bob", "cid")] == ["first", "second"]

    async def test_an_agent_has_one_live_claim(self, queue):
        await queue.put(task("one"), task("two"), by="")
        assert [await claimed(queue), await claimed(queue)] == ["one", ""]

    async def test_an_agent_that_asks_again_has_given_up_what_it_let_lapse(self, queue, clock):
        await queue.put(task("one"), task("two", priority=1), by="")
        stale = await queue.claim("ann", lease_s=LEASE)
        clock.now += LEASE
        assert await claimed(queue) == "two"
        with pytest.raises(LeaseLost):
            await queue.finish(stale)

    async def test_who_is_excluded_gets_it_only_when_nobody_else_is_alive(self, queue, clock):
        await queue.put(task("one", excluded=("ann",)), by="")
        await queue.join("bob", lease_s=LEASE)
        assert await claimed(queue, "ann") == ""
        clock.now += 2 * LEASE
        assert await claimed(queue, "ann") == "one"

    async def test_a_second_put_excludes_more_agents_while_the_task_is_open(self, queue):
        await queue.put(task("one", excluded=("ann",)), by="")
        await queue.join("eve", lease_s=LEASE)
        (again,) = await queue.put(task("one", excluded=("bob",)), by="")
        assert again.excluded == ("ann", "bob")
        assert await claimed(queue, "bob") == await claimed(queue, "ann") == ""
        assert await claimed(queue, "eve") == "one"
        (late,) = await queue.put(task("one", excluded=("eve",)), by="")
        assert late.excluded == ("ann", "bob")  # who has it keeps it

    async def test_where_all_who_are_alive_are_excluded_one_of_them_gets_it(self, queue):
        await queue.put(task("one", excluded=("ann", "bob")), by="")
        for agent in ("ann", "bob"):
            await queue.join(agent, lease_s=LEASE)
        assert await claimed(queue, "bob") == "one"

    async def test_who_left_is_not_alive_and_gets_nothing_until_it_joins_again(self, queue):
        await queue.put(task("one", excluded=("ann",)), task("two", excluded=("ann",)), by="")
        await queue.join("bob", lease_s=LEASE)
        await queue.leave("bob")
        assert await claimed(queue, "bob") == ""
        assert await claimed(queue, "ann") == "one"
        await queue.join("bob", lease_s=LEASE)
        assert await claimed(queue, "bob") == "two"

    async def test_each_claim_and_renewal_keeps_its_agent_alive(self, queue, clock):
        await queue.put(task("one"), by="")
        claim = await queue.claim("bob", lease_s=LEASE)
        await queue.put(task("two", excluded=("ann",)), by="")
        for _ in range(5):
            clock.now += LEASE / 2
            await queue.renew(claim, lease_s=LEASE)
        assert await claimed(queue, "ann") == ""

    async def test_what_an_agent_that_leaves_holds_is_open_again(self, queue, board):
        await queue.put(task("one"), by="")
        claim = await queue.claim("ann", lease_s=LEASE)
        await queue.leave("ann")
        assert await states(queue) == {"one": "open"}
        with pytest.raises(LeaseLost):
            await queue.finish(claim)
        assert await story(board, "released", "left") == [
            ("ann", "released", "one"),
            ("ann", "left", ""),
        ]

    async def test_a_task_waits_for_all_that_it_needs(self, queue):
        await queue.put(task("one"), task("two"), task("three", after=("one", "two")), by="")
        first = await queue.claim("ann", lease_s=LEASE)
        second = await queue.claim("bob", lease_s=LEASE)
        await queue.finish(first)
        assert await claimed(queue, "cid") == ""
        await queue.finish(second)
        assert await claimed(queue, "cid") == "three"

    async def test_a_need_that_is_done_already_holds_nothing_up(self, queue):
        await queue.put(task("one"), by="")
        await queue.finish(await queue.claim("ann", lease_s=LEASE))
        await queue.put(task("two", after=("one", "one")), by="")
        assert await claimed(queue) == "two"

    async def test_what_waits_is_let_go_before_the_task_that_it_waits_for_ends(self, queue, board):
        one, other = await queue.put(
            NewTask(kind="a", text="t"), NewTask(kind="b", text="t"), by=""
        )
        waits = NewTask(kind="c", text="t", after=(one.label, other.label), label="waits")
        await queue.put(waits, by="")
        first = await queue.claim("x", lease_s=LEASE)
        second = await queue.claim("y", lease_s=LEASE)
        version = queue.version
        await queue.release_waiting(one.label)
        await queue.release_waiting(one.label)
        assert queue.version > version
        assert await queue.claim("z", lease_s=LEASE) is None  # the other one is not done
        await queue.finish(second)
        third = await queue.claim("z", lease_s=LEASE)
        assert third.task.label == "waits"
        await queue.finish(first)  # lets nothing go twice
        await queue.release_waiting(one.label)
        await queue.release_waiting("none")
        told = [e["subject"] for e in await board.events(1) if e["what"] == "unblocked"]
        assert told == ["waits"]

    async def test_one_task_goes_on_waiting_where_the_others_are_let_go(self, queue, board):
        one, other = await queue.put(
            NewTask(kind="a", text="t"), NewTask(kind="b", text="t"), by=""
        )
        for label in ("first", "second"):
            needs = (one.label, other.label)
            await queue.put(NewTask(kind="c", text="t", after=needs, label=label), by="")
        held = [await queue.claim("x", lease_s=LEASE), await queue.claim("y", lease_s=LEASE)]
        await queue.release_waiting(one.label, besides="first")
        await queue.release_waiting(one.label, besides="first")
        await queue.release_waiting(other.label, besides="none")
        assert await claimed(queue) == "second"
        assert await queue.claim("z", lease_s=LEASE) is None
        await queue.finish(held[0])
        assert await claimed(queue, "bob") == "first"
        told = [e["subject"] for e in await board.events(1) if e["what"] == "unblocked"]
        assert sorted(told) == ["first", "second", "second"]

    @pytest.mark.parametrize("end", ["failed", "cancelled"])
    async def test_what_was_let_go_does_not_end_with_what_it_waited_for(self, queue, end):
        (one,) = await queue.put(NewTask(kind="a", text="t"), by="")
        await queue.put(NewTask(kind="c", text="t", after=(one.label,), label="waits"), by="")
        await queue.release_waiting(one.label)
        if end == "failed":
            claim = await queue.claim("x", lease_s=LEASE)
            assert claim.task.label == one.label
            await queue.finish(claim, state="failed")
        else:
            await queue.cancel(one.label, by="", reason="r")
        assert (await queue.claim("y", lease_s=LEASE)).task.label == "waits"

    @pytest.mark.parametrize("first", [True, False])
    async def test_a_failure_cancels_all_that_waits_for_it_whenever_it_is_put(self, queue, first):
        waiting = [
            task("two", after=("one",)), task("three", after=("two", "other")),
        ]  # fmt: skip
        await queue.put(task("one"), task("other"), *(waiting if first else []), by="")
        await queue.finish(await queue.claim("ann", lease_s=LEASE), state="failed")
        if not first:
            put = await queue.put(*waiting, by="")
            assert [one.state for one in put] == ["cancelled", "cancelled"]
        expected = {"one": "failed", "other": "open", "two": "cancelled", "three": "cancelled"}
        assert await states(queue) == expected

    async def test_a_cancelled_task_takes_with_it_what_waits_and_only_an_open_one_is(self, queue):
        await queue.put(task("one"), task("two", after=("one",)), task("three"), by="")
        assert await queue.cancel("one", by="ann", reason="no use")
        assert await states(queue) == {"one": "cancelled", "two": "cancelled", "three": "open"}
        assert not await queue.cancel("one", by="ann", reason="again")
        assert await claimed(queue) == "three"
        assert not await queue.cancel("three", by="bob", reason="in work")
        assert not await queue.cancel("nothing", by="bob", reason="never was")

    async def test_a_lost_task_goes_to_another_and_its_former_holder_writes_nothing(
        self, queue, board, clock
    ):
        await queue.put(task("one"), by="")
        stale = await queue.claim("ann", lease_s=LEASE)
        assert await claimed(queue, "bob") == ""
        clock.now += LEASE
        fresh = await queue.claim("bob", lease_s=LEASE)
        assert fresh.fence == 2
        before = await board.events(1)
        with pytest.raises(LeaseLost):
            await queue.finish(stale, result={"no": 1}, then=[task("two")])
        with pytest.raises(LeaseLost):
            await queue.renew(stale, lease_s=LEASE)
        await queue.release(stale, reason="nothing")
        assert await board.events(1) == before
        assert await states(queue) == {"one": "claimed"}
        assert await story(board, "claimed", "lost") == [
            ("ann", "claimed", "one"), ("ann", "lost", "one"), ("bob", "claimed", "one")
        ]  # fmt: skip
        await queue.finish(fresh, result={"yes": [1]})
        assert (await queue.tasks())[0].result == {"yes": [1]}

    async def test_a_lapsed_lease_that_nobody_took_can_be_renewed_and_finished(self, queue, clock):
        await queue.put(task("one"), task("two"), by="")
        claim = await queue.claim("ann", lease_s=LEASE)
        clock.now += 2 * LEASE
        await queue.renew(claim, lease_s=LEASE)
        assert await claimed(queue, "bob") == "two"
        clock.now += 2 * LEASE
        await queue.finish(claim)
        assert (await states(queue))["one"] == "done"

    async def test_a_finished_claim_is_over(self, queue):
        await queue.put(task("one"), by="")
        claim = await queue.claim("ann", lease_s=LEASE)
        await queue.finish(claim)
        for again in (queue.finish(claim, state="failed"), queue.renew(claim, lease_s=1)):
            with pytest.raises(LeaseLost):
                await again
        await queue.release(claim, reason="late")
        assert await states(queue) == {"one": "done"}

    async def test_a_released_task_is_open_and_its_old_fence_is_stale(self, queue):
        await queue.put(task("one"), by="")
        first = await queue.claim("ann", lease_s=LEASE)
        await queue.release(first, reason="tired")
        second = await queue.claim("ann", lease_s=LEASE)
        assert (first.fence, second.fence) == (1, 2)
        with pytest.raises(LeaseLost):
            await queue.finish(first)

    async def test_finishing_adds_what_comes_next_or_does_nothing(self, queue):
        await queue.put(task("one"), by="")
        claim = await queue.claim("ann", lease_s=LEASE)
        with pytest.raises(BoardRefused):
            await queue.finish(claim, then=[task("two"), task("three", after=("nowhere",))])
        assert await states(queue) == {"one": "claimed"}
        (added,) = await queue.finish(claim, then=[task("two", after=("one",))])
        assert (added.label, added.created_by, added.after) == ("two", "ann", ("one",))
        assert await claimed(queue) == "two"

    async def test_finishing_and_claiming_the_next_is_one_change(self, queue, board):
        await queue.put(task("one"), task("two"), by="")
        claim = await queue.claim("ann", lease_s=LEASE)
        more = [task("more", after=("one",), priority=1)]
        added, following = await queue.finish_and_claim(
            claim, result={"n": 1}, then=more, lease_s=LEASE
        )
        assert [one.label for one in added] == ["more"]
        assert (following.task.label, following.agent, following.fence) == ("more", "ann", 1)
        assert await states(queue) == {"one": "done", "two": "open", "more": "claimed"}
        assert (await queue.tasks())[0].result == {"n": 1}
        assert len({event["at"] for event in (await board.events(1))[-3:]}) == 1

    async def test_who_may_not_finish_claims_nothing_either(self, queue, board, clock):
        await queue.put(task("one"), task("two"), by="")
        stale = await queue.claim("ann", lease_s=LEASE)
        clock.now += LEASE
        fresh = await queue.claim("bob", lease_s=LEASE)
        before = await board.events(1)
        with pytest.raises(LeaseLost):
            await queue.finish_and_claim(stale, lease_s=LEASE)
        bad = [task("three", after=("nowhere",))]
        with pytest.raises(BoardRefused):
            await queue.finish_and_claim(fresh, then=bad, lease_s=LEASE)
        assert await board.events(1) == before
        assert await states(queue) == {"one": "claimed", "two": "open"}

    async def test_in_a_trial_that_is_over_one_finishes_and_gets_nothing_more(self, queue):
        await queue.put(task("one"), task("two"), by="")
        claim = await queue.claim("ann", lease_s=LEASE)
        other = await queue.claim("bob", lease_s=LEASE)
        await queue.close(by="", reason="over")
        for last in (claim, other):
            assert await queue.finish_and_claim(last, lease_s=LEASE) == ([], None)
        assert await states(queue) == {"one": "done", "two": "done"}

    async def test_a_second_put_under_a_key_finds_the_first(self, queue):
        one = NewTask(kind="check", text="look")
        (first,) = await queue.put(one, by="ann")
        await queue.finish(await queue.claim("ann", lease_s=LEASE))
        (second,) = await queue.put(one, by="bob")
        assert (first.label, second.label, second.state) == ("check-1", "check-1", "done")
        other = NewTask(kind="check", text="look", subject="F1")
        same_key = NewTask(kind="thing", text="else", key="check-1-key")
        put = await queue.put(other, same_key, same_key, by="bob")
        assert [found.label for found in put] == ["check-2", "thing-1", "thing-1"]

    async def test_a_given_label_steps_over_those_that_are_taken(self, queue):
        await queue.put(NewTask(kind="check", text="a", label="check-1"), by="")
        (second,) = await queue.put(NewTask(kind="check", text="b"), by="")
        assert second.label == "check-2"

    async def test_a_refused_task_leaves_none_of_its_company(self, queue):
        await queue.put(task("one"), by="")
        for bad in (
            NewTask(kind="other", text="", label="one", key="new"),
            task("two", after=("missing",)),
            NewTask(kind="", text=""), NewTask(kind="Upper", text=""),
            NewTask(kind="k", text="", label="no spaces"),
            NewTask(kind="k", text="", label="a" * 65),
            NewTask(kind="k", text="x" * 10_000_000), NewTask(kind="k", text="", priority=2**70),
        ):  # fmt: skip
            with pytest.raises(BoardRefused) as refusal:
                await queue.put(task("fine"), bad, by="")
            assert len(str(refusal.value)) < 300
        assert list(await states(queue)) == ["one"]

    async def test_a_trial_holds_no_more_than_its_most_tasks(self, queue, board):
        await queue.put(*(task(f"t{n}") for n in range(50)), by="")
        with pytest.raises(BoardRefused, match="50 tasks"):
            await queue.put(task("more"), by="")
        assert len(await queue.put(task("t7"), by="")) == 1  # it is there
        assert len(await board.of(2).queue.put(task("more"), by="")) == 1  # another trial

    async def test_of_many_agents_one_adds_the_task_for_an_empty_queue(self, boards):
        queues = [board.of(1).queue for board in boards]
        decide = NewTask(kind="decide", text="what next?")
        await queues[0].put(task("one"), by="")
        claim = await queues[0].claim("ann", lease_s=LEASE)
        assert await queues[1].put_when_empty(decide, by="bob") is None
        assert await queues[1].busy()
        await queues[0].finish(claim)
        assert not await queues[1].busy()
        added = await asyncio.gather(
            *(queues[n % 2].put_when_empty(decide, by=f"a{n}") for n in range(20))
        )
        assert [one.label for one in added if one is not None] == ["decide-1"]
        await queues[1].finish(await queues[1].claim("bob", lease_s=LEASE))
        assert await queues[0].put_when_empty(decide, by="ann") is None  # its key is not new

    async def test_a_queue_of_tasks_that_wait_is_not_empty(self, queue):
        await queue.put(task("one", preferred="bob"), task("two", after=("one",)), by="")
        assert await queue.busy()
        assert await queue.put_when_empty(task("more"), by="ann") is None

    async def test_nothing_is_added_or_claimed_once_it_is_closed(self, queue, board):
        await queue.put(task("one", priority=1), task("two"), task("three", after=("two",)), by="")
        claim = await queue.claim("ann", lease_s=LEASE)
        other = await queue.claim("bob", lease_s=LEASE)
        assert not await queue.closed()
        await queue.close(by="ann", reason="all made")
        await queue.close(by="bob", reason="again")
        assert await queue.closed()
        assert await states(queue) == {"one": "claimed", "two": "claimed", "three": "cancelled"}
        assert await claimed(queue, "cid") == ""
        assert await queue.put_when_empty(task("more"), by="ann") is None
        for refused in (queue.put(task("more"), by=""), queue.finish(claim, then=[task("more")])):
            with pytest.raises(BoardRefused, match="closed"):
                await refused
        await queue.finish(claim)
        await queue.release(other, reason="stopped")
        assert await states(queue) == {"one": "done", "two": "cancelled", "three": "cancelled"}
        assert await story(board, "closed") == [("ann", "closed", "")]

    async def test_trials_do_not_see_each_other(self, board):
        one, two = board.of(1).queue, board.of(2).queue
        await one.put(task("same"), by="")
        await two.put(task("same"), by="")
        version = two.version
        await one.close(by="", reason="")
        assert two.version == version
        assert await claimed(two) == "same"

    async def test_every_change_moves_the_version_and_an_empty_claim_does_not(self, queue):
        seen = [queue.version]
        await queue.join("ann", lease_s=LEASE)
        seen.append(queue.version)
        await queue.put(task("one"), by="")
        seen.append(queue.version)
        claim = await queue.claim("ann", lease_s=LEASE)
        seen.append(queue.version)
        assert await claimed(queue, "ann") == ""
        assert queue.version == seen[-1]
        await queue.finish(claim)
        seen.append(queue.version)
        assert seen == sorted(set(seen))

    async def test_hostile_words_are_kept_or_refused_and_never_break_it(self, queue, board):
        text = "nul \0, escape \x1b[31m, half \ud800, line \u2028, '); DROP TABLE board_task; --"
        name = "an\0n'\ud800"
        (put,) = await queue.put(NewTask(kind="k", text=text, key=text), by=name)
        assert put.text == text.replace("\ud800", "?")
        claim = await queue.claim(name, lease_s=LEASE)
        await queue.release(claim, reason=text * 1000)
        await queue.finish(await queue.claim(name, lease_s=LEASE), result={"said": text})
        assert (await queue.tasks())[0].result == {"said": text}
        assert not await queue.cancel(text, by=name, reason=text)
        with pytest.raises(BoardRefused):
            await queue.claim("x" * 10_000_000, lease_s=LEASE)
        with pytest.raises(BoardRefused):
            await queue.join("", lease_s=LEASE)
        assert len(await board.events(1)) == 6


class TestSharedContext:
    async def admitted(self, context, gist: str = "so", kind: str = "FACT", key: str = ""):
        number = await context.propose(proposal(gist, kind))
        return await context.admit(number, key=key or gist, raw=f"raw {gist}", seconds=0.5)

    async def test_a_label_is_its_kind_and_its_place_among_all(self, context):
        kinds = ("FACT", "FAIL", "CONSTRAINT", "PATCH")
        for kind in kinds:
            await self.admitted(context, kind.lower(), kind)
        entries = await context.entries()
        assert [entry.label for entry in entries] == ["F1", "X2", "C3", "P4"]
        assert [entry.position for entry in entries] == [1, 2, 3, 4]
        assert await context.entries(2) == entries[2:]
        assert await context.entry("C3") == entries[2]
        assert await context.entry("F3") is None

    async def test_an_entry_says_what_was_proposed_and_what_the_check_saw(self, context):
        entry = (await self.admitted(context)).entry
        said = (entry.gist, entry.summary, entry.evidence, entry.raw, entry.author, entry.task)
        assert said == ("so", "long", SEEN, "raw so", "ann", "one")

    async def test_what_was_said_before_is_merged_and_counted(self, context, board):
        first = await self.admitted(context, "a", key="k")
        again = [await self.admitted(context, "b", key="k") for _ in range(2)]
        assert first.settled == "admitted"
        assert [ruling.settled for ruling in again] == ["merged", "merged"]
        assert all(ruling.entry == first.entry for ruling in again)
        assert (await context.count("F1"), await context.count("F2")) == (3, 0)
        assert len(await context.entries()) == 1
        assert [row["settled"] for row in await board.proposals(1)] == [
            "admitted",
            "merged",
            "merged",
        ]

    async def test_of_many_that_say_the_same_at_once_one_is_admitted(self, boards):
        contexts = [board.of(1).context for board in boards]
        rulings = await asyncio.gather(
            *(self.admitted(contexts[n % 2], f"g{n}", key="same") for n in range(20))
        )
        assert sorted(ruling.settled for ruling in rulings) == ["admitted"] + 19 * ["merged"]
        assert await contexts[1].count("F1") == 20

    async def test_a_rejected_proposal_stays_out_and_keeps_its_reason(self, context, board):
        number = await context.propose(proposal())
        ruling = await context.reject(number, reason="the quote is not there", seconds=0.25)
        assert (ruling.settled, ruling.entry) == ("rejected", None)
        assert ruling.reason == "the quote is not there"
        assert await context.entries() == []
        (row,) = await board.proposals(1)
        assert (row["reason"], row["seconds"]) == ("the quote is not there", 0.25)
        assert row["evidence"] == SEEN

    async def test_a_proposal_is_settled_once(self, context):
        number = await context.propose(proposal())
        await context.admit(number, key="k", raw="", seconds=0)
        for again in (
            context.admit(number, key="other", raw="", seconds=0),
            context.reject(number, reason="", seconds=0),
            context.admit(99, key="k", raw="", seconds=0),
        ):
            with pytest.raises(BoardRefused):
                await again
        assert await context.count("F1") == 1

    async def test_a_link_names_an_entry_and_is_kept_once(self, context):
        await self.admitted(context)
        link = Link(source="one", target="F1", kind="cites")
        assert await context.link(link)
        assert not await context.link(link)
        assert await context.link(Link(source="one", target="F1", kind="refutes"))
        found = await context.links()
        assert [(one.source, one.kind, one.position) for one in found] == [
            ("one", "cites", 1), ("one", "refutes", 2)
        ]  # fmt: skip
        assert await context.links(1) == found[1:]
        with pytest.raises(BoardRefused):
            await context.link(Link(source="one", target="F2", kind="cites"))

    async def test_what_a_conversation_was_shown_is_noted_once(self, context, board):
        await context.note_shown("talk", ["F1", "F2", "F1"], "gist")
        await context.note_shown("talk", ["F1"], "raw")
        await context.note_shown("talk", ["F1"], "gist")
        said = [(row["conversation"], row["label"], row["level"]) for row in await board.shown(1)]
        assert said == [("talk", "F1", "gist"), ("talk", "F1", "raw"), ("talk", "F2", "gist")]
        with pytest.raises(BoardRefused):
            await context.note_shown("talk", ["F1"], "whole")

    async def test_what_is_too_long_is_refused_and_what_was_seen_is_cut(self, context):
        huge = "é" * 10_000_000
        for bad in (
            proposal(huge), proposal(summary=huge),
            proposal(evidence=Quotations(quotations=(), builds_on=(huge,))),
            proposal(author=huge), proposal(kind="RUMOUR"),
        ):  # fmt: skip
            with pytest.raises(BoardRefused):
                await context.propose(bad)
        number = await context.propose(proposal("nul \0 half \ud800"))
        ruling = await context.admit(number, key=huge + "\ud800", raw=huge, seconds=0)
        assert ruling.entry.gist == "nul \0 half ?"
        assert ruling.entry.raw == huge[:200_000] + "\n[9,800,000 more characters were cut]"
        assert await context.entries() == [ruling.entry]

    async def test_the_largest_finding_that_its_own_bounds_allow_is_kept_whole(self, context):
        largest = Patch(diff="\n" * (DIFF_CHARS - 1) + "\U0001f600", command="\x01" * COMMAND_CHARS)
        said = {"summary": "\x01" * SUMMARY_CHARS, "evidence": largest}
        number = await context.propose(proposal("é" * GIST_CHARS, **said))
        entry = (await context.admit(number, key="k", raw="", seconds=0)).entry
        assert (entry.summary, entry.evidence) == (said["summary"], largest)


class TestWaiting:
    @pytest.fixture
    def later(self):
        """Seconds that the clock of these boards is ahead, in a list."""
        return [0.0]

    @pytest.fixture
    def clock(self, later):
        return lambda: time.time() + later[0]

    async def woken(self, queue, change, timeout_s: float = 5.0) -> float:
        """Seconds from the end of the change to that of the wait for it."""
        since, ended = queue.version, 0.0

        async def wait() -> None:
            nonlocal ended
            assert await queue.wait(since, timeout_s=timeout_s) > since
            ended = time.monotonic()

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.sleep(0.15)
            await change()
            changed = time.monotonic()
        return ended - changed

    async def test_a_change_of_this_process_wakes_at_once(self, queue):
        assert await self.woken(queue, lambda: queue.put(task("one"), by="")) < 0.1

    async def test_a_change_through_another_connection_is_noticed(self, boards):
        one, two = (board.of(1).queue for board in boards)
        assert await self.woken(one, lambda: two.put(task("one"), by="")) < 0.2

    async def test_a_change_by_another_process_is_noticed(self, queue, address):
        code = (
            "import anyio, sys\n"
            "from harness.board.opening import open_boards\n"
            "from harness.board.protocols import NewTask\n"
            "async def work():\n"
            "    queue = (await open_boards(sys.argv[1])).of(1).queue\n"
            "    print('ready', flush=True)\n"
            "    for line in sys.stdin:\n"
            "        await queue.put(NewTask(kind='k', text=line), by='')\n"
            "anyio.run(work)\n"
        )
        words = [sys.executable, "-c", code, address]
        with subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout.readline() == "ready\n"

            async def change() -> None:
                process.stdin.write("go\n")
                process.stdin.flush()

            assert await self.woken(queue, change) < 0.5  # with the start of its event loop
            process.communicate()

    async def test_a_wait_ends_at_its_time_limit_and_at_once_when_it_is_late(self, queue):
        began = time.monotonic()
        assert await queue.wait(queue.version, timeout_s=0.1) == queue.version
        assert 0.09 < time.monotonic() - began < 1
        await queue.put(task("one"), by="")
        began = time.monotonic()
        assert await queue.wait(0, timeout_s=5) == queue.version
        assert time.monotonic() - began < 0.5

    async def test_a_lease_that_runs_out_wakes_whoever_waits(self, queue):
        await queue.put(task("one"), by="")
        claim = await queue.claim("ann", lease_s=0.3)
        began = time.monotonic()
        since = queue.version
        assert await queue.wait(since, timeout_s=10) > since
        assert 0.2 < time.monotonic() - began < 1
        assert (await queue.claim("bob", lease_s=LEASE)).fence == claim.fence + 1

    async def test_a_lease_that_ran_out_before_the_wait_is_not_missed(self, queue, later):
        await queue.put(task("one"), by="")
        await queue.claim("ann", lease_s=60)
        since = queue.version
        later[0] = 61
        began = time.monotonic()
        assert await queue.wait(since, timeout_s=10) > since
        assert time.monotonic() - began < 1

    async def test_whoever_looks_may_be_cancelled_and_another_goes_on(self, boards):
        one, two = (board.of(1).queue for board in boards)
        since = one.version
        async with anyio.create_task_group() as group:
            scope = anyio.CancelScope()

            async def first() -> None:
                with scope:
                    await one.wait(since, timeout_s=30)

            async def second() -> None:
                assert await one.wait(since, timeout_s=30) > since

            group.start_soon(first)
            await anyio.sleep(0.02)
            group.start_soon(second)
            await anyio.sleep(0.02)
            scope.cancel()
            await anyio.sleep(0.02)
            began = time.monotonic()
            await two.put(task("one"), by="")
        assert time.monotonic() - began < 1

    async def test_a_thousand_agents_of_one_process_do_all_tasks_once(self, tmp_path):
        board = SqliteBoard(tmp_path / "many.db")
        queue = board.of(1).queue
        await queue.put(*(task(f"t{n}") for n in range(2000)), task("last"), by="")
        done: list[str] = []

        async def work(name: str) -> None:
            while not await queue.closed():
                since = queue.version
                claim = await queue.claim(name, lease_s=60)
                if claim is None:
                    await queue.wait(since, timeout_s=30)
                    continue
                await anyio.sleep(0.01)
                done.append(claim.task.label)
                await queue.finish(claim)
                if len(done) == 2001:
                    await queue.close(by=name, reason="done")

        began = time.monotonic()
        async with anyio.create_task_group() as group:
            for n in range(1000):
                group.start_soon(work, f"agent-{n}")
        assert time.monotonic() - began < 20
        assert len(done) == len(set(done)) == 2001
        board.close()

    async def test_many_who_wait_for_nothing_take_little_time_of_the_machine(self, queue):
        since = queue.version
        began = time.process_time()
        async with anyio.create_task_group() as group:
            for _ in range(1000):
                group.start_soon(lambda: queue.wait(since, timeout_s=1.5))
        assert time.process_time() - began < 0.8


class TestSqlite:
    @pytest.fixture
    def address(self, tmp_path):
        return str(tmp_path / "run.db")

    async def fill(self, board) -> None:
        await board.of(1).queue.put(task("one"), task("two"), by="")
        await board.of(1).queue.claim("ann", lease_s=LEASE)
        context = board.of(1).context
        number = await context.propose(proposal())
        await context.admit(number, key="k", raw="", seconds=0)
        await context.link(Link(source="one", target="F1", kind="cites"))

    @pytest.mark.parametrize(
        "statement",
        [
            *REFUSED,
            "INSERT OR REPLACE INTO board_asked SELECT * FROM board_asked",
            "INSERT INTO board_task (trial_id, number, label, kind, waiting, priority, preferred, "
            "changed_at, changed_by) VALUES (1, 9, 'nine', 'k', 0, 0, '', 0, '')",
            "INSERT OR REPLACE INTO board_entry SELECT * FROM board_entry",
        ],
    )
    async def test_the_file_itself_refuses_what_cannot_be(self, board, tmp_path, statement):
        await self.fill(board)
        other = sqlite3.connect(tmp_path / "run.db")
        other.execute("PRAGMA recursive_triggers = ON")
        try:
            with pytest.raises(sqlite3.IntegrityError):
                other.execute(statement)
        finally:
            other.close()

    async def test_no_change_of_a_task_leaves_no_event(self, board, tmp_path):
        await self.fill(board)
        before = len(await board.events(1))
        other = sqlite3.connect(tmp_path / "run.db")
        other.execute("UPDATE board_task SET state = 'cancelled' WHERE label = 'two'")
        other.commit()
        other.close()
        assert [event["what"] for event in (await board.events(1))[before:]] == ["cancelled"]

    async def test_the_board_shares_the_file_of_the_store_and_leaves_its_marks(self, tmp_path):
        from harness.store.sqlite.store import SqliteStore

        store = SqliteStore(tmp_path / "both.db")
        board = SqliteBoard(tmp_path / "both.db")
        await self.fill(board)
        await store.describe(model="m")
        board.close()
        store.close()
        store = SqliteStore(tmp_path / "both.db")  # it knows its file
        assert await store.description() == {"model": "m"}
        store.close()

    async def test_a_board_is_opened_again_as_it_was_left(self, board, tmp_path):
        await self.fill(board)
        again = SqliteBoard(tmp_path / "run.db")
        assert await again.events(1) == await board.events(1)
        assert await again.of(1).queue.tasks() == await board.of(1).queue.tasks()
        again.close()
