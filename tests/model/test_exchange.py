"""What a prefix cache could serve, and the order in which a replay answers."""

import json

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.backend import CallKey
from harness.model.replay_order import ReplayOrder
from harness.model.trial_calls import TrialCalls


def message(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def test_the_first_prompt_repeats_nothing_and_the_same_again_repeats_all():
    trial_calls = TrialCalls()
    assert trial_calls.repeated([message("hello")], []) == 0
    assert trial_calls.repeated([message("hello")], []) == 1


def test_a_longer_conversation_repeats_its_beginning():
    trial_calls = TrialCalls()
    begun = [message("x" * 985)]
    trial_calls.repeated(begun, [])
    size = len(json.dumps(begun[0])) + 2  # and the tools
    more = message("y" * 485)
    assert trial_calls.repeated([*begun, more], []) == pytest.approx(
        (size + json.dumps(more).index("y")) / (size + len(json.dumps(more))), abs=0.05
    )


def test_another_conversation_repeats_the_beginning_that_it_shares_to_the_character():
    trial_calls = TrialCalls()
    trial_calls.repeated([message("shared context: F1, F2, and the task is A")], [])
    other = message("shared context: F1, F2, F3")
    shared = json.dumps(other).index("F3")
    # all but the beginning of what follows, which is another
    assert trial_calls.repeated([other], []) == pytest.approx(
        (2 + shared) / (2 + len(json.dumps(other))), abs=0.02
    )


def test_other_tools_repeat_next_to_nothing():
    trial_calls = TrialCalls()
    trial_calls.repeated([message("x" * 1000)], [{"name": "bash"}])
    assert trial_calls.repeated([message("x" * 1000)], [{"name": "edit"}]) < 0.05


@given(st.lists(st.lists(st.sampled_from(["a", "b", "ab", "abc"]), max_size=4), max_size=8))
def test_the_share_is_what_comparing_with_every_earlier_prompt_gives(prompts):
    trial_calls, before = TrialCalls(), []
    for prompt in prompts:
        parts = [json.dumps([]), *(json.dumps(message(text)) for text in prompt)]
        best = max((common(parts, earlier) for earlier in before), default=0)
        share = trial_calls.repeated([message(text) for text in prompt], [])
        assert share == pytest.approx(best / sum(map(len, parts)))
        before.append(parts)


def common(one: list[str], other: list[str]) -> int:
    """Characters of the beginning, message by message, that both have."""
    total = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            same = next(
                (n for n, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b),
                min(len(mine), len(theirs)),
            )
            return total + same
        total += len(mine)
    return total


def key(conversation: str, position: int = 0) -> CallKey:
    return CallKey(
        system="s", instance_id="i", trial=0, conversation=conversation, position=position
    )


async def test_answers_come_in_the_order_of_the_recording_whoever_asks_first():
    moments = [(key("a"), 1, 4), (key("b"), 2, 3), (key("b", 1), 5, 6)]
    turns, answered = ReplayOrder(moments), []

    async def ask(call: CallKey) -> None:
        turns.begin(call)
        await turns.end(call)
        answered.append((call.conversation, call.position))

    async with anyio.create_task_group() as group:
        group.start_soon(ask, key("a"))
        await anyio.wait_all_tasks_blocked()
        assert answered == []  # b has not even asked
        group.start_soon(ask, key("b"))
        await anyio.wait_all_tasks_blocked()
        assert answered == [("b", 0), ("a", 0)]
        group.start_soon(ask, key("b", 1))
    assert answered[-1] == ("b", 1)


async def test_an_answer_waits_until_what_an_agent_did_before_has_been_done():
    moments = [(key("a"), 1, 2), (key("a", 1), 3, 5), (key("b"), 4, 6)]
    turns = ReplayOrder(moments)
    turns.begin(key("a"))
    await turns.end(key("a"))
    turns.begin(key("b"))
    with anyio.move_on_after(0.05) as waited:
        await turns.end(key("b"))
    assert waited.cancelled_caught  # the call of a that came before has neither begun nor ended


async def test_a_replay_that_goes_another_way_loses_patience_once():
    turns = ReplayOrder([(key("a"), 1, 2), (key("b"), 3, 4), (key("c"), 5, 6)], patience_s=0.1)
    started = anyio.current_time()
    for conversation in "bc":
        turns.begin(key(conversation))
        await turns.end(key(conversation))
    assert 0.1 <= anyio.current_time() - started < 1


async def test_calls_without_moments_and_other_trials_do_not_wait():
    turns = ReplayOrder([(key("a"), 0, 0), (key("b"), 1, 2)])
    with anyio.fail_after(1):
        for call in (key("a"), key("unknown")):
            turns.begin(call)
            await turns.end(call)
