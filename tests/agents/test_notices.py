"""What an agent is told once; long conversations; what ends one agent and not the others."""

import json

import pytest
from played_team import diff_of, done, fact, patch, played, said, team, usual, write

from agents.delm.notices import AGAIN, LAST_TURNS, LITTLE_LEFT, Notices
from harness.errors import (
    AgentLimitReached,
    ContextOverflow,
    ConversationRefused,
    EndpointRefused,
    ModelRefused,
)

LOOK = ("bash", {"command": "ls"})
REPEATED = AGAIN.format("bash", 3)


def quick(task, turn, prompt):
    """The scout ends with its finding, every seat with its patch."""
    if task.startswith("localize"):
        return said(fact("the fault is in a.py", finish="true"))
    return said(write(task), patch(f"by {task}")) if task.startswith("patch") else said(done())


def seats(say):
    """Agents whose seat `patch-2` does `say`, by turn."""
    return lambda task, turn, prompt: (
        say(turn, prompt) if task == "patch-2" else quick(task, turn, prompt)
    )


def told(trial, conversation: str) -> list[str]:
    """The observations of a conversation."""
    return [m["content"] for m in trial.prompts[conversation][-1][1:] if m["role"] == "tool"]


async def test_with_three_turns_left_and_on_repeating_itself_an_agent_is_told_once(tmp_path):
    def say(turn, prompt):
        return said(LOOK) if turn < 7 else said(write("x"), patch())

    with played(tmp_path, seats(say)) as trial:
        await team(turns={"patch": 8}).run(trial)
    seen = told(trial, "patch-2")
    assert [n for n, text in enumerate(seen, 1) if REPEATED in text] == [3]
    assert [n for n, text in enumerate(seen, 1) if LAST_TURNS in text] == [5]
    assert not any(LITTLE_LEFT in text for text in seen)
    assert trial.submitted["patch-2"][0] == diff_of("x")


async def test_when_little_of_the_agents_share_is_left_it_is_told_once(tmp_path):
    def say(turn, prompt):
        for agent in ("agent-1", "agent-2"):
            trial.left[agent] = 0.05 if turn else 0.1
        return said(write(f"x{turn}")) if turn < 4 else said(patch())

    with played(tmp_path, seats(say)) as trial:
        await team().run(trial)
    assert [LITTLE_LEFT in text for text in told(trial, "patch-2")] == [False, True, False, False]
    assert "<notice>\n" in told(trial, "patch-2")[1]


def test_the_same_call_with_another_outcome_is_no_repetition():
    notices = Notices(turns=0, left=lambda: 1.0, told=set())
    call = {"function": {"name": "bash", "arguments": '{"command": "pytest"}'}}
    outcomes = ["1 failed in 0.12s", "1 failed in 0.34s", "2 failed in 0.34s", "2 failed in 1.2s"]
    said = [notices.after({"tool_calls": [call]}, [{"content": text}]) for text in outcomes]
    assert said == [""] * 4
    again = notices.after({"tool_calls": [call]}, [{"content": "2 failed in 0.10s"}])
    assert REPEATED in again


async def test_a_conversation_is_compacted_as_often_as_it_outgrows_its_tokens(tmp_path):
    turns = iter(range(100))

    def say(turn, prompt):
        number = next(turns)
        if number == 10:
            return said(write("whole"), patch())
        call = ("bash", {"command": f"step {number}"})
        return said(call, tokens=900 if number in (3, 7) else 100)

    with played(tmp_path, seats(say)) as trial:
        await team(long_tokens=500, turns={"patch": 30}).run(trial)
    names = [name for name in trial.prompts if name.startswith("patch-2")]
    assert names == ["patch-2", "patch-2+", "patch-2++"]
    last = json.dumps(trial.prompts["patch-2++"][0])
    assert "step 0" in last  # of the first conversation
    assert "step 7" in last  # of the second
    assert trial.submitted["patch-2"][::2] == (diff_of("whole"), "finished")


async def test_turns_are_counted_over_compactions_and_a_long_beginning_is_an_end(tmp_path):
    def say(turn, prompt):
        return said(LOOK, tokens=900)

    with played(tmp_path, seats(say)) as trial:
        await team(long_tokens=500, rounds=0).run(trial)
        tasks = {task.label: task for task in await trial.queue.tasks()}
    assert [name for name in trial.prompts if name.startswith("patch-2")] == ["patch-2", "patch-2+"]
    assert tasks["patch-2"].result["reason"] == "context"

    def slow(turn, prompt):
        slow.taken += 1
        return said(("bash", {"command": str(slow.taken)}), tokens=900 if turn == 3 else 1)

    slow.taken = 0
    (tmp_path / "again").mkdir()
    with played(tmp_path / "again", seats(slow)) as trial:
        await team(long_tokens=500, rounds=0, turns={"patch": 10}).run(trial)
    assert slow.taken == 10


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (ContextOverflow("too long"), "context"),
        (ConversationRefused("filtered"), "refused"),
        (AgentLimitReached("agent_cost", "its share"), None),
        (ModelRefused("a bad request"), None),
    ],
)
async def test_what_ends_one_agent_ends_nobody_else(tmp_path, problem, reason):
    ended = []

    def say(task, turn, prompt):
        if task == "patch-2" and not ended:
            ended.append(task)
            return problem
        return quick(task, turn, prompt)

    with played(tmp_path, say, agents=3) as trial:
        await team(rounds=0, long_tokens=0).run(trial)
        tasks = {task.label: task for task in await trial.queue.tasks()}
    assert ended
    others = {seat: trial.submitted[seat][::2] for seat in ("patch-1", "patch-3")}
    assert others == {seat: (diff_of(seat), "finished") for seat in others}
    if reason:
        assert tasks["patch-2"].result["reason"] == reason
    else:  # another agent took the task over
        assert tasks["patch-2"].attempts == 2
        assert trial.submitted["patch-2"][0] == diff_of("patch-2")


@pytest.mark.parametrize("problem", [ModelRefused("bad"), EndpointRefused("no key")])
async def test_what_ends_every_agent_ends_the_trial(tmp_path, problem):
    with played(tmp_path, lambda *_: problem) as trial, pytest.raises(type(problem)):
        await team().run(trial)


async def test_a_checker_that_is_refused_refuses_the_finding_and_ends_nobody(tmp_path):
    def say(task, turn, prompt):
        return usual(task, turn, prompt)

    async def refused(*_):
        raise ContextOverflow("the evidence is too long")

    with played(tmp_path, say) as trial:
        system = team(turns={"other": 6}, rounds=0)
        assembled = await system.assemble(trial)
        assembled.gate._checker = refused
        await assembled.seed()
        from agents.delm.worker import Worker

        await Worker(assembled, "agent-1").live()
        assert not await trial.context.entries()
    assert "It could not be checked: the evidence is too long" in json.dumps(
        trial.prompts["localize-1"][-1]
    )
