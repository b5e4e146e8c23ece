"""The forms of other providers, through the real litellm: usage, caching, waits and errors."""

import json
from contextlib import asynccontextmanager

import pytest
from scripted_model import Garbage, Raw, ScriptedModel, Status

from harness.errors import ModelRefused
from harness.model.backend import CallKey, Transient
from harness.model.litellm_backend import LitellmBackend
from harness.model.provider_keys import missing_package
from harness.model.usage import parse_usage, usage_of_body
from harness.types import Usage

pytestmark = pytest.mark.anyio

CLAUDE, GEMINI = "anthropic/claude-sonnet-4-5", "gemini/gemini-3-flash-preview"
KEY = CallKey(system="s", instance_id="i", trial=0, conversation="c", position=0)
TALK = [
    {"role": "system", "content": "You are a test."},
    {"role": "user", "content": "Fix it."},
    {"role": "assistant", "content": "I look."},
    {"role": "user", "content": "Go on."},
]


@asynccontextmanager
async def provider(model, *actions, **parameters):
    with ScriptedModel(lambda request, n: actions[n]) as server:
        entry = {"api_base": server.base_url.removesuffix("/v1"), "api_key_env": "SCRIPTED_API_KEY"}
        backend = LitellmBackend(model, overrides={model: entry}, parameters=parameters)
        try:
            yield server, lambda: backend.attempt(KEY, TALK, [], max_output_tokens=50, timeout_s=20)
        finally:
            await backend.aclose()


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("SCRIPTED_API_KEY", "sk-ant-0123456789abcdef")


def claude(**changes) -> Raw:
    body = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [
            {"type": "text", "text": "hello"},
            {"type": "tool_use", "id": "t1", "name": "bash", "input": {"command": "ls"}},
        ],
        "stop_reason": "tool_use",
        "usage": {
            "input_tokens": 10,
            "cache_creation_input_tokens": 100,
            "cache_read_input_tokens": 1000,
            "output_tokens": 5,
        },
    }
    return Raw(json.dumps(body | changes).encode())


CLAUDE_USAGE = Usage(
    prompt_tokens=1110, cached_tokens=1000, cache_write_tokens=100, completion_tokens=5
)


async def test_claude_counts_what_it_read_and_wrote_in_its_cache():
    async with provider(CLAUDE, claude()) as (_, ask):
        reply = await ask()
        assert (reply.content, reply.usage) == ("hello", CLAUDE_USAGE)
        assert [(c.id, c.name, json.loads(c.arguments)) for c in reply.tool_calls] == [
            ("t1", "bash", {"command": "ls"})
        ]


async def test_claude_is_told_to_cache_the_shared_head_and_the_end():
    async with provider(CLAUDE, claude()) as (server, ask):
        await ask()
        marks = [
            "cache_control" in part for m in server.requests[0]["messages"] for part in m["content"]
        ]
        assert marks == [True, False, True]
        assert TALK[1] == {"role": "user", "content": "Fix it."}, "the caller's messages are theirs"


async def test_an_answer_of_claude_that_nobody_can_read_is_still_billed():
    async with provider(CLAUDE, claude(content=None), Garbage()) as (_, ask):
        with pytest.raises(Transient) as caught:
            await ask()
        assert caught.value.usage == CLAUDE_USAGE
        with pytest.raises(Transient) as caught:
            await ask()
        assert caught.value.usage == Usage()


async def test_gemini_counts_thoughts_as_output_and_says_when_to_come_back():
    answer = {
        "candidates": [
            {"content": {"parts": [{"text": "hi"}], "role": "model"}, "finishReason": "STOP"}
        ],
        "usageMetadata": {
            "promptTokenCount": 100,
            "cachedContentTokenCount": 60,
            "candidatesTokenCount": 7,
            "thoughtsTokenCount": 20,
            "totalTokenCount": 127,
        },
    }
    quota = Status(429, "You exceeded your quota", error={"details": [{"retryDelay": "34.5s"}]})
    async with provider(GEMINI, Raw(json.dumps(answer).encode()), quota) as (_, ask):
        expected = Usage(
            prompt_tokens=100, cached_tokens=60, completion_tokens=27, reasoning_tokens=20
        )
        assert (await ask()).usage == expected
        assert usage_of_body(answer) == expected
        with pytest.raises(Transient) as caught:
            await ask()
        assert caught.value.retry_after_s == 34.5


async def test_parameters_reach_the_provider_and_a_key_in_an_address_stays_secret():
    said = Status(
        400, "POST https://api/v1?key=AIzaSyD-0123456789 failed for sk-ant-0123456789abcdef"
    )
    async with provider(GEMINI, said, temperature=0.25) as (server, ask):
        with pytest.raises(ModelRefused) as caught:
            await ask()
        assert server.requests[0]["generationConfig"]["temperature"] == 0.25
        assert "AIza" not in str(caught.value)
        assert "0123456789" not in str(caught.value)


async def test_a_package_of_the_provider_that_is_missing_is_refused_at_once():
    if missing_package("vertex_ai/gemini-2.5-pro", {}) is None:
        pytest.skip("google-auth is installed")
    backend = LitellmBackend("vertex_ai/gemini-2.5-pro")
    with pytest.raises(ModelRefused, match="No module named"):
        await backend.attempt(KEY, TALK, [], max_output_tokens=50, timeout_s=20)
    await backend.aclose()


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({}, Usage()),
        ({"prompt_tokens": None, "completion_tokens": "7"}, Usage()),
        ({"prompt_tokens": -5, "completion_tokens": 2.0}, Usage(completion_tokens=2)),
        (
            {"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 99}},
            Usage(prompt_tokens=10, cached_tokens=10),
        ),
        (
            {"prompt_tokens": 10, "prompt_cache_hit_tokens": 4},
            Usage(prompt_tokens=10, cached_tokens=4),
        ),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 35,
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            Usage(prompt_tokens=10, completion_tokens=25, reasoning_tokens=20),
        ),
    ],
)
def test_usage_is_read_with_suspicion(found, expected):
    assert parse_usage(found) == expected
    assert usage_of_body({"usage": found}) == expected


@pytest.mark.parametrize("body", [None, [], "x", {"usage": None}, {"usage": []}, {}])
def test_a_body_without_usage_has_none(body):
    assert usage_of_body(body) == Usage()
