"""Whatever a model answers: each prompt of a conversation begins with all of the one before.

A further system is a line in `ALONE`; one that needs a board is played as `delm` is here.
"""

import itertools
import json
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from played_alone import PlayedSandbox, PlayedTrial, ran
from played_team import played, team

from agents.mini_swe_agent import SUBMITS, MiniSweAgent
from agents.single import Independent, Single
from harness.errors import LimitReached
from harness.types import Reply, ToolCall, Usage

ALONE = {
    "single": (Single, 1),
    "independent": (Independent, 3),
    "mini-swe-agent": (MiniSweAgent, 1),
}

WORDS = st.sampled_from(
    ["", "ls", "write x = 2", "false", f"echo {SUBMITS}", f"echo {SUBMITS} && cat patch.txt",
     "a\nb", "{{ x }}", "\0", "é\u2028\ud800", "x" * 20_000]
)  # fmt: skip
VALUES = WORDS | st.sampled_from([None, 7, True, [], {}])
KNOWN = {
    "bash": ("command",), "finish": ("summary",), "view": ("path", "first", "last"),
    "edit": ("path", "old", "new"), "unfold": ("label",), "add_task": ("kind", "text", "about"),
    "check": (), "apply": ("label",), "search": ("words",),
    "publish": ("kind", "gist", "summary", "path", "quote", "command"), "frobnicate": ("x",),
}  # fmt: skip
RAW = st.sampled_from(["", "{not json", "[1]", "null", '"ls"', "{}", '{"command": "\\ud800"}'])


@st.composite
def calls(draw, names=tuple(KNOWN)):
    """One tool call, sound or not."""
    name = draw(st.sampled_from(names) | st.just("bash"))
    fields = st.fixed_dictionaries({}, optional=dict.fromkeys(KNOWN[name], VALUES))
    sound = st.fixed_dictionaries(dict.fromkeys(KNOWN[name], WORDS))
    arguments = draw(RAW | sound.map(json.dumps) | fields.map(json.dumps) | sound.map(json.dumps))
    return ToolCall(id=draw(st.sampled_from(["", "id"])), name=name, arguments=arguments)


REPLIES = st.builds(
    Reply,
    content=st.sampled_from(["", "I think.", "{{ x }}", "x" * 5000]),
    tool_calls=st.lists(calls(), max_size=3).map(tuple) | st.tuples(calls(("bash",))),
    usage=st.builds(Usage, prompt_tokens=st.sampled_from([10, 100_000])),
    finish_reason=st.sampled_from(["", "stop", "tool_calls", "length"]),
)
TALK = st.lists(REPLIES, min_size=1, max_size=10)
RESULTS = st.lists(
    st.builds(
        ran,
        st.sampled_from(
            ["", "out\n", f"{SUBMITS}\npatch", "x" * 30_000, "a\r\nb", "\ufffd{{ x }}"]
        ),
        st.sampled_from([0, 0, 1, None]),
        timed_out=st.booleans(),
    ),
    min_size=1,
    max_size=4,
)
OVER = LimitReached("steps", "steps: used up")


def check(conversations) -> None:
    """Every prompt extends the one before, and is one that a provider takes."""
    for prompts in conversations.values():
        for sooner, later in itertools.pairwise(prompts):
            assert later[: len(sooner)] == sooner
            assert len(later) > len(sooner)
        last = prompts[-1]
        assert all(set(m) <= {"role", "content", "tool_calls", "tool_call_id"} for m in last)
        waiting: list[str] = []
        for message in last:
            if message["role"] == "tool":
                assert message["tool_call_id"] == waiting.pop(0)
            else:
                assert not waiting
            waiting += [call["id"] for call in message.get("tool_calls", ())]
            for call in message.get("tool_calls", ()):
                assert isinstance(json.loads(call["function"]["arguments"]), dict)
        assert not waiting


@pytest.mark.parametrize("system", ALONE)
@settings(max_examples=60, deadline=None)
@given(talk=TALK, results=RESULTS)
def test_of_agents_without_a_board(system, talk, results):
    made, agents = ALONE[system]
    seen = itertools.cycle(results)
    box = PlayedSandbox(lambda _: next(seen))
    trial = PlayedTrial([*talk, OVER], box, agents=agents)

    async def run() -> None:
        with suppress(LimitReached):  # or it finishes
            await made().run(trial)

    anyio.run(run)
    assert len(trial.prompts) == agents == len(trial.submitted)
    check(trial.prompts)
    for conversation, prompts in trial.prompts.items():
        assert trial.story[conversation][: len(prompts[-1])] == prompts[-1]
        tools = trial.tools[conversation]
        assert all(each == tools[0] for each in tools)


@settings(max_examples=15, deadline=None)
@given(talk=TALK)
def test_of_agents_with_one(talk):
    calls_left = itertools.count(40, -1)
    turn = itertools.cycle(talk)

    def say(task, number, prompt):
        return next(turn) if next(calls_left) > 0 else OVER

    async def run(trial) -> None:
        with suppress(LimitReached):
            await team().run(trial)

    with tempfile.TemporaryDirectory() as folder, played(Path(folder), say) as trial:
        anyio.run(partial(run, trial))
        conversations = trial.prompts
    assert conversations
    for prompts in conversations.values():
        assert all(tools == prompts[0][0] for tools, *_ in prompts)
    check({name: [prompt[1:] for prompt in prompts] for name, prompts in conversations.items()})
