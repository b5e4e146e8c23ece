"""The loop and `single` on protocols that are played: no Docker, no network, no database."""

import json
import re
from typing import Any

import anyio
import pytest
from midway import cancelled_when
from played_agent import FINISH, PATCH, PlayedSandbox, PlayedTrial, bash, ran, said

from agents import tools
from agents.loop import NO_CALL, PATIENCE
from agents.single import Single
from harness.errors import (
    ContextOverflow,
    ConversationRefused,
    LimitReached,
    ModelUnavailable,
    SandboxError,
    SandboxLost,
    SandboxUnavailable,
)
from harness.types import ExecResult, Reply, ToolCall


async def test_a_conversation_is_asked_acted_on_and_observed_until_it_finishes():
    trial = PlayedTrial(said(bash("ls"), content="look"), said(FINISH, content="bye"))
    assert await trial.talk() == "finished"
    assert trial.box.commands == [("ls", 7)]
    assert trial.offered == [["bash", "finish"]] * 2
    look, seen, bye, _ = trial.story[2:]
    assert (look["content"], look["tool_calls"][0]["function"]["name"]) == ("look", "bash")
    assert (seen["role"], seen["tool_call_id"]) == ("tool", "id0")
    assert seen["content"] == "<exit_status>0</exit_status>\n<output>\nout\n</output>"
    assert (bye["content"], bye["tool_calls"][0]["function"]["name"]) == ("bye", "finish")


async def test_what_was_sent_once_is_sent_again_unchanged_and_equals_the_story():
    trial = PlayedTrial(
        said(bash("a"), bash("b")), said(("nothing", {})), said(content="hm"), said(bash("c")),
        said(FINISH),
    )  # fmt: skip
    await trial.talk()
    for sooner, later in zip(trial.asked, trial.asked[1:], strict=False):
        assert later[: len(sooner)] == sooner
        assert len(later) > len(sooner)
    assert trial.asked[-1] == trial.story[: len(trial.asked[-1])]


async def test_every_call_is_answered_under_its_own_id_in_order():
    trial = PlayedTrial(
        said(bash("one"), ("nothing", {}), bash("two")), said(FINISH),
        sandbox=PlayedSandbox(lambda command: ran(command)),
    )  # fmt: skip
    await trial.talk()
    *answers, _ = [message for message in trial.story if message["role"] == "tool"]
    assert [message["tool_call_id"] for message in answers] == ["id0", "id1", "id2"]
    assert ["one" in answers[0]["content"], "two" in answers[2]["content"]] == [True, True]
    assert "There is no tool 'nothing'. The tools are: bash, finish." in answers[1]["content"]


async def test_what_follows_finish_in_the_same_answer_is_not_done():
    trial = PlayedTrial(said(bash("first"), FINISH, bash("never")))
    assert await trial.talk() == "finished"
    assert [command for command, _ in trial.box.commands] == ["first"]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (("bash", "{not json"), "not valid JSON"),
        (("bash", "[1]"), "must be an object"),
        (("bash", ""), "needs the text argument 'command'"),
        (("bash", {"command": 3}), "needs the text argument 'command'"),
        (("bash", {"cmd": "ls"}), "needs the text argument 'command'"),
        (("finish", {}), "needs the text argument 'summary'"),
        (("BASH", {"command": "ls"}), "There is no tool 'BASH'"),
        (("", {}), "There is no tool ''"),
    ],
)
async def test_a_call_that_cannot_be_carried_out_is_told_so_and_nothing_is_run(call, says):
    trial = PlayedTrial(said(call), said(FINISH))
    assert await trial.talk() == "finished"
    assert trial.box.commands == []
    told, _ = [message for message in trial.story if message["role"] == "tool"]
    assert told["content"].startswith("<error>\n")
    assert says in told["content"]


async def test_a_provider_takes_back_whatever_it_said():
    trial = PlayedTrial(
        said(
            ToolCall(id="", name="", arguments="{oops"),
            ToolCall(id="", name="bash", arguments='{"command": "x"}'),
        ),
        Reply(content=""),
        said(FINISH),
    )
    await trial.talk()
    first, *answers = trial.story[2:5]
    calls = first["tool_calls"]
    assert len({call["id"] for call in calls}) == 2
    assert all(call["id"] and call["function"]["name"] for call in calls)
    assert json.loads(calls[0]["function"]["arguments"]) == {"not_json": "{oops"}
    assert [answer["tool_call_id"] for answer in answers] == [call["id"] for call in calls]
    assert first["content"] is None
    assert trial.story[5]["content"]  # an empty answer is not sent back empty


async def test_ids_are_unique_over_a_conversation_where_the_provider_gives_none():
    nameless = ToolCall(id="", name="bash", arguments='{"command": "x"}')
    trial = PlayedTrial(said(nameless), said(nameless, nameless), said(FINISH))
    await trial.talk()
    ids = [call["id"] for message in trial.story for call in message.get("tool_calls", ())]
    assert len(ids) == len(set(ids)) == 4


@pytest.mark.parametrize(
    "call",
    [
        ToolCall(id="a", name="bash<|channel|>json", arguments="{}"),
        ToolCall(id="a", name="functions.bash " * 20, arguments="{}"),
        ToolCall(id="a", name="", arguments="{}"),
        ToolCall(id="a", name="bash", arguments="[" * 100_000),
    ],
    ids=["marks", "long", "none", "deep"],
)
async def test_what_a_model_makes_up_goes_back_as_a_provider_takes_it(call):
    trial = PlayedTrial(said(call), said(FINISH))
    assert await trial.talk() == "finished"
    (first, _) = [m["tool_calls"][0]["function"] for m in trial.story if m.get("tool_calls")]
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", first["name"])
    assert isinstance(json.loads(first["arguments"]), dict)


async def test_answers_without_a_call_are_told_so_and_end_it_when_they_go_on():
    trial = PlayedTrial(*[Reply(content="I think.")] * PATIENCE)
    assert await trial.talk() == "no_tool_calls"
    assert [m["content"] for m in trial.story if m["role"] == "user"][1:] == [NO_CALL] * PATIENCE


async def test_patience_begins_anew_after_a_call_that_could_be_carried_out():
    idle = [Reply(content="hm")] * (PATIENCE - 1)
    trial = PlayedTrial(*idle, said(bash("ls")), *idle, said(FINISH))
    assert await trial.talk() == "finished"


async def test_calls_that_cannot_be_carried_out_use_up_patience_too():
    trial = PlayedTrial(*[said(("nothing", {}))] * PATIENCE)
    assert await trial.talk() == "no_valid_tool_calls"


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (ran("x", 3), "3"),
        (ran("x", None, timed_out=True), "killed after 2 s, its time limit"),
        (ran("x", None, flooded=True), "killed for writing too much (1 bytes)"),
        (ran("x", None), "killed"),
    ],
)
def test_an_observation_says_how_the_command_ended(result, status):
    assert tools.observation(result) == (
        f"<exit_status>{status}</exit_status>\n<output>\nx\n</output>"
    )


async def test_a_command_that_the_sandbox_refuses_is_told_to_the_model():
    def refuse(command: str) -> ExecResult:
        raise SandboxError("a command cannot hold a NUL character")

    trial = PlayedTrial(said(bash("a\0b")), said(FINISH), sandbox=PlayedSandbox(refuse))
    assert await trial.talk() == "finished"
    assert "The command was not run: a command cannot hold a NUL" in trial.story[3]["content"]


async def test_half_a_surrogate_pair_reaches_the_sandbox_as_text():
    trial = PlayedTrial(said(("bash", '{"command": "echo \\ud800"}')), said(FINISH))
    await trial.talk()
    assert trial.box.commands[0][0] == "echo ?"


async def test_a_lost_sandbox_is_no_observation():
    def lose(command: str) -> ExecResult:
        raise SandboxUnavailable("gone")

    trial = PlayedTrial(said(bash("ls")), sandbox=PlayedSandbox(lose))
    with pytest.raises(SandboxUnavailable):
        await trial.talk()


async def test_a_sandbox_that_its_command_ended_is_the_end_with_an_empty_patch():
    def lose(command: str) -> ExecResult:
        raise SandboxLost("gone")

    sandbox = PlayedSandbox(lose)
    sandbox.patch = SandboxLost("gone")
    trial = PlayedTrial(said(bash("ls")), sandbox=sandbox)
    with pytest.raises(SandboxLost):
        await Single().run(trial)
    assert trial.submitted == [("agent-1", "", "sandbox_lost; no patch: gone", True)]


async def test_single_hands_in_what_differs_when_it_finishes():
    trial = PlayedTrial(said(bash("ls")), said(FINISH))
    await Single().run(trial)
    assert trial.submitted == [("agent-1", PATCH, "finished", False)]
    assert trial.box.commands == [("ls", 33)]  # the trial's limit of a command
    system, task = trial.story[:2]
    assert "9" in system["content"]
    assert "33" in system["content"]
    assert "It fails {{ when }} <it> & should not." in task["content"]  # as it is, not rendered


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (LimitReached("cost", "cost: used up"), "cost"),
        (LimitReached("wall_clock", "used up"), "wall_clock"),
        (ModelUnavailable("away"), "model_error"),
        (RuntimeError("a bug"), "interrupted"),
    ],
)
async def test_single_salvages_its_work_whatever_ends_it(problem, reason):
    trial = PlayedTrial(said(bash("ls")), problem)
    with pytest.raises(type(problem)):
        await Single().run(trial)
    assert trial.submitted == [("agent-1", PATCH, reason, True)]


@pytest.mark.parametrize(
    ("problem", "reason"),
    [(ContextOverflow("too long"), "context"), (ConversationRefused("filtered"), "refused")],
)
async def test_a_conversation_that_the_provider_refuses_ends_and_its_work_is_handed_in(
    problem, reason
):
    trial = PlayedTrial(said(bash("ls")), problem)
    await Single().run(trial)
    assert trial.submitted == [("agent-1", PATCH, reason, True)]


async def test_single_salvages_its_work_when_it_never_finishes():
    trial = PlayedTrial(*[Reply(content="hm")] * PATIENCE)
    await Single().run(trial)
    assert trial.submitted == [("agent-1", PATCH, "no_tool_calls", True)]


async def test_single_salvages_its_work_when_it_is_cancelled():
    begun = []

    class Slow(PlayedSandbox):
        async def exec(self, command: str, **_: Any) -> ExecResult:
            begun.append(command)
            await anyio.sleep(60)
            return ran()

        left_out = ()

        async def diff(self) -> str:
            await anyio.sleep(0.01)  # an await in a cancelled scope that is not shielded raises
            return PATCH

    trial = PlayedTrial(said(bash("ls")), sandbox=Slow())
    await cancelled_when(lambda: begun, lambda: Single().run(trial))
    assert trial.submitted == [("agent-1", PATCH, "interrupted", True)]


async def test_a_difference_that_cannot_be_read_is_an_empty_patch_that_says_why():
    sandbox = PlayedSandbox()
    sandbox.patch = SandboxError("the patch: it is too large")
    trial = PlayedTrial(said(FINISH), sandbox=sandbox)
    await Single().run(trial)
    ((author, patch, reason, salvaged),) = trial.submitted
    assert (author, patch, salvaged) == ("agent-1", "", False)
    assert reason == "finished; no patch: the patch: it is too large"


async def test_what_a_patch_cannot_hold_is_said_with_it():
    sandbox = PlayedSandbox()
    sandbox.left_out = ("git~1", ".GIT/x")
    trial = PlayedTrial(said(FINISH), sandbox=sandbox)
    await Single().run(trial)
    said_why = "finished; not in the patch, git refuses it: 'git~1', '.GIT/x'"
    assert trial.submitted == [("agent-1", PATCH, said_why, False)]


async def test_a_sandbox_that_is_lost_before_the_end_is_never_an_empty_patch():
    sandbox = PlayedSandbox()
    sandbox.patch = SandboxUnavailable("gone")
    trial = PlayedTrial(said(FINISH), sandbox=sandbox)
    with pytest.raises(SandboxUnavailable):
        await Single().run(trial)
    assert trial.submitted == []
