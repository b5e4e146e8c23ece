"""What providers' refusals mean, by their status and body, through the real litellm over HTTP."""

import contextlib
import json

import pytest
from model_bench import BASH, HELLO, SECRET, bench
from provider_server import PROVIDERS, Imitation, overflow
from refusal_bodies import (
    ANTHROPIC_LONG,
    BUSY,
    CLOSED,
    FILTERED,
    GOOGLE_LONG,
    HINTS,
    OVERFLOWS,
    anthropic,
    google,
    openai,
)
from scripted_model import Raw, ScriptedModel

from harness.errors import (
    ContextOverflow,
    ConversationRefused,
    EndpointRefused,
    ModelRefused,
    ModelUnavailable,
)
from harness.model.backend import CallKey, Transient
from harness.model.error_responses import read_refusal
from harness.model.litellm_backend import LitellmBackend

pytestmark = pytest.mark.anyio
KEY = CallKey(system="s", instance_id="i", trial=0, conversation="c", position=0)


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("SCRIPTED_API_KEY", SECRET)


def raw(status, body) -> Raw:
    return Raw((body if isinstance(body, str) else json.dumps(body)).encode(), status)


async def refused(status, body) -> tuple[BaseException, int]:
    """The error of a call that is answered so, and how often it was sent."""
    async with bench(lambda request, n: raw(status, body)) as b:
        with pytest.raises(Exception) as caught:  # which one is what is asked
            await b.talk().complete(HELLO, [BASH])
        return caught.value, len(b.server.requests)


@pytest.mark.parametrize("name", OVERFLOWS)
async def test_a_prompt_that_is_too_long_is_one_in_every_provider_s_words(name):
    error, sent = await refused(*OVERFLOWS[name])
    assert (type(error), sent) == (ContextOverflow, 1)


@pytest.mark.parametrize("name", PROVIDERS)
async def test_every_imitated_provider_refuses_a_long_prompt_as_an_overflow(name):
    with ScriptedModel(Imitation(name, lambda request, n: overflow(name))) as server:
        model = PROVIDERS[name].model
        base = server.base_url.removesuffix("/v1") + PROVIDERS[name].base
        entry = {"api_base": base, "api_key_env": "SCRIPTED_API_KEY"}
        backend = LitellmBackend(model, overrides={model: entry})
        try:
            for _ in PROVIDERS[name].faults:  # what some begin with
                with contextlib.suppress(Transient):
                    await backend.attempt(KEY, HELLO, [], max_output_tokens=50, timeout_s=20)
            with pytest.raises(ContextOverflow):
                await backend.attempt(KEY, HELLO, [], max_output_tokens=50, timeout_s=20)
        finally:
            await backend.aclose()


@pytest.mark.parametrize("name", BUSY)
async def test_a_limit_on_tokens_in_some_time_is_waited_for_and_is_no_overflow(name):
    error, sent = await refused(*BUSY[name])
    assert (type(error), sent) == (ModelUnavailable, 4)


@pytest.mark.parametrize("name", FILTERED)
async def test_what_may_not_be_said_concerns_its_conversation_only(name):
    error, sent = await refused(*FILTERED[name])
    assert (type(error), sent) == (ConversationRefused, 1)


@pytest.mark.parametrize("name", CLOSED)
async def test_what_no_call_of_this_key_would_get_is_told_apart(name):
    error, sent = await refused(*CLOSED[name])
    assert (type(error), sent) == (EndpointRefused, 1)


@pytest.mark.parametrize("name", HINTS)
async def test_a_parameter_that_is_refused_is_named_by_its_key_in_the_configuration(name):
    status, body, hint = HINTS[name]
    error, sent = await refused(status, body)
    assert (type(error), sent) == (ModelRefused, 1)
    assert hint in str(error)


async def test_any_other_bad_request_is_asked_once_and_told_in_the_provider_s_words():
    error, sent = await refused(400, openai("Odd " + "x" * 300 + " field: the end of it"))
    assert (type(error), sent) == (ModelRefused, 1)
    assert str(error).endswith("field: the end of it")


async def test_an_address_where_nothing_answers_to_the_path_is_said():
    error, _ = await refused(404, {"detail": "Not Found"})
    assert "asked at http://127.0.0.1:" in str(error)


@pytest.mark.parametrize(
    ("model", "status", "body", "kind"),
    [
        (
            "anthropic/claude-sonnet-4-5", 400,
            anthropic("invalid_request_error", ANTHROPIC_LONG), ContextOverflow,
        ),
        (
            "anthropic/claude-sonnet-4-5", 400,
            anthropic("invalid_request_error", "Your credit balance is too low."), EndpointRefused,
        ),
        (
            "gemini/gemini-2.5-flash", 400,
            google(400, "INVALID_ARGUMENT", GOOGLE_LONG), ContextOverflow,
        ),
        (
            "gemini/gemini-2.5-flash", 400,
            google(400, "INVALID_ARGUMENT", "API key not valid."), EndpointRefused,
        ),
        (*("openrouter/x/y", *OVERFLOWS["OpenRouter, of Anthropic"]), ContextOverflow),
        (*("openrouter/x/y", *FILTERED["OpenRouter"]), ConversationRefused),
        (*("deepseek/deepseek-chat", *CLOSED["no money, DeepSeek"]), EndpointRefused),
        (*("groq/x", *OVERFLOWS["Groq"]), ContextOverflow),
        (*("xai/grok-3", *OVERFLOWS["xAI"]), ContextOverflow),
        (*("ollama_chat/x", *OVERFLOWS["Ollama, native"]), ContextOverflow),
    ],
)  # fmt: skip
async def test_the_provider_s_own_way_through_litellm_hides_no_meaning(model, status, body, kind):
    with ScriptedModel(lambda request, n: raw(status, body)) as server:
        entry = {"api_base": server.base_url.removesuffix("/v1"), "api_key_env": "SCRIPTED_API_KEY"}
        backend = LitellmBackend(model, overrides={model: entry})
        try:
            with pytest.raises(kind):
                await backend.attempt(KEY, HELLO, [], max_output_tokens=50, timeout_s=20)
        finally:
            await backend.aclose()


def test_what_a_server_repeats_of_the_request_means_nothing():
    echoed = {
        "detail": [
            {
                "type": "missing",
                "msg": "Field required",
                "input": {"messages": [{"role": "user", "message": "prompt is too long"}]},
            }
        ]
    }
    assert read_refusal(422, [echoed]).meaning == "refused"


def test_an_error_inside_of_an_answer_is_read_by_its_own_code():
    body = {"error": {"code": 402, "message": "Pay first."}}
    assert read_refusal(200, [json.dumps(body)]).meaning == "money"
    assert read_refusal(200, [{"error": {"code": 502, "message": "bad"}}]).meaning == "fault"
    assert read_refusal(None, []).meaning == "fault"
