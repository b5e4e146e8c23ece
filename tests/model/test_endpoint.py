"""Where calls go and with which key: said before, and what really arrives at a server."""

import os

import pytest
from model_bench import BASH, HELLO, SECRET
from scripted_model import Raw, ScriptedModel, Status, Stream

from agents.loop import answer_message
from harness.errors import EndpointRefused, ModelRefused, UserError
from harness.model.backend import CallKey, Transient, Unreachable
from harness.model.endpoint import ADDRESSES, endpoint_of
from harness.model.litellm_backend import LitellmBackend
from harness.model.response_body import as_received
from harness.secrets import redact

pytestmark = pytest.mark.anyio
KEY = CallKey(system="s", instance_id="i", trial=0, conversation="c", position=0)
MODEL = "openai/own"


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_API_BASE", "_BASE_URL")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai-0123456789")


async def asked(backend, tools=(), **more):
    settings = {"max_output_tokens": 50, "timeout_s": 20} | more
    try:
        return await backend.attempt(KEY, HELLO, tools, **settings)
    finally:
        await backend.aclose()


async def arrived(entry) -> dict[str, str]:
    """The headers of a call to a model with this entry, with `{server}` for a server's address."""
    with ScriptedModel(lambda request, n: {"content": "yes"}) as server:
        for name in entry.pop("sets", ()):
            os.environ[name] = server.base_url
        if "api_base" in entry:
            entry["api_base"] = server.base_url
        backend = LitellmBackend(MODEL, overrides={MODEL: entry})
        assert str(backend.endpoint).startswith(server.base_url)
        await asked(backend)
        return {name.lower(): value for name, value in server.headers[0].items()}


async def test_an_address_from_a_variable_is_where_the_call_goes(monkeypatch):
    monkeypatch.setenv("MY_GATEWAY", "")
    monkeypatch.setenv("MY_KEY", "sk-of-gateway-0123456789")
    entry = {"api_base_env": "MY_GATEWAY", "api_key_env": "MY_KEY", "sets": ["MY_GATEWAY"]}
    headers = await arrived(entry)
    assert headers["authorization"] == "Bearer sk-of-gateway-0123456789"


@pytest.mark.parametrize("way", ["api_base", "api_base_env"])
async def test_the_provider_s_key_is_not_sent_to_another_address(monkeypatch, way):
    monkeypatch.setenv("MY_GATEWAY", "")
    entry = {way: "MY_GATEWAY", "sets": ["MY_GATEWAY"]}
    headers = await arrived(entry)
    assert headers["authorization"] == "Bearer none"


async def test_the_provider_s_own_variables_are_where_the_call_goes(monkeypatch):
    monkeypatch.setenv("OPENAI_API_BASE", "")
    headers = await arrived({"sets": ["OPENAI_API_BASE"]})
    assert headers["authorization"] == "Bearer sk-of-openai-0123456789"


def test_what_is_sent_where_is_said_without_the_key(monkeypatch):
    assert str(endpoint_of(MODEL, {})) == (
        "https://api.openai.com/v1, with the key in OPENAI_API_KEY"
    )
    monkeypatch.setenv("OPENAI_BASE_URL", "http://me:very-secret@host:81/v1")
    told = str(endpoint_of(MODEL, {}))
    assert told == (
        "http://[key]@host:81/v1 (OPENAI_BASE_URL), with the key in OPENAI_API_KEY, unencrypted"
    )
    own = {MODEL: {"api_base": "http://here/v1"}}
    assert "http://here/v1 (its entry under models:), without a key" in str(endpoint_of(MODEL, own))
    unset = {MODEL: {"api_base": "http://here/v1", "api_key_env": "MY_KEY"}}
    assert str(endpoint_of(MODEL, unset)).endswith(", with the key in MY_KEY, which is not set")
    assert "whatever credentials litellm finds" in str(endpoint_of("bedrock/x", {}))
    assert SECRET not in repr(endpoint_of(MODEL, own))


@pytest.mark.parametrize("provider", [each for each in ADDRESSES if each != "openai"])
def test_litellm_sends_where_is_said_that_it_does(provider, monkeypatch):
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    from litellm import get_llm_provider

    variables, address = ADDRESSES[provider]
    found = get_llm_provider(f"{provider}/x")[3]
    if found is not None:
        assert found.removesuffix("/beta") == address
        for name in variables:
            monkeypatch.setenv(name, "http://elsewhere/v1")
            assert get_llm_provider(f"{provider}/x")[3] == "http://elsewhere/v1"
            assert endpoint_of(f"{provider}/x", {}).address == "http://elsewhere/v1"


@pytest.mark.parametrize("around", ["\n", "\r\n", " \t"])
async def test_what_a_file_leaves_around_a_key_is_no_part_of_it(monkeypatch, around):
    key = "sk-from-a-file-0123456789"
    monkeypatch.setenv("OPENAI_API_KEY", around + key + around)
    monkeypatch.setenv("OPENAI_API_BASE", "")
    headers = await arrived({"sets": ["OPENAI_API_BASE"]})
    assert headers["authorization"] == f"Bearer {key}"
    assert key not in redact(f"the server says {key}")


@pytest.mark.parametrize("inside", ["\n", "é", "“", "\x1b"])
def test_a_key_that_no_header_can_hold_is_refused_with_its_variable(monkeypatch, inside):
    monkeypatch.setenv("OPENAI_API_KEY", f"sk-half{inside}other-half")
    with pytest.raises(UserError, match=r"OPENAI_API_KEY has .* \(at place 8 of 18\)") as caught:
        LitellmBackend(MODEL)
    assert "half" not in str(caught.value)


@pytest.mark.parametrize("address", ["api.host/v1", "http://", "http://a b/v1", "http://h:x/"])
def test_an_address_that_is_none_is_refused_with_where_it_stands(monkeypatch, address):
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    with pytest.raises(UserError, match=r"the address in OPENAI_BASE_URL is none: .*https://HOST"):
        LitellmBackend(MODEL)


@pytest.mark.parametrize(
    ("host", "cause"),
    [("127.0.0.1:9", "Connect call failed"), ("nobody.invalid", "Name or service not known|resol")],
)
@pytest.mark.parametrize("model", [MODEL, "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash"])
async def test_who_cannot_be_connected_is_named_with_the_cause(model, host, cause):
    backend = LitellmBackend(model, overrides={model: {"api_base": f"http://{host}/v1"}})
    with pytest.raises(Unreachable, match=f"cannot connect to http://{host}/.*({cause})") as caught:
        await asked(backend)
    assert not caught.value.unsure, "nothing was sent"
    assert len(str(caught.value)) < 250


PARAMETER = (
    b'{"error": {"message": "Unsupported parameter: \'max_tokens\' is not supported with this '
    b'model. Use \'max_completion_tokens\' instead.", "type": "invalid_request_error", '
    b'"param": "max_tokens", "code": "unsupported_parameter"}}'
)


async def test_max_completion_tokens_is_sent_where_the_endpoint_wants_it_and_it_is_said_once():
    def script(request, n):
        return Raw(PARAMETER, 400) if "max_tokens" in request else {"content": "yes"}

    heard = []
    with ScriptedModel(script) as server:
        entry = {"api_base": server.base_url}
        backend = LitellmBackend(MODEL, overrides={MODEL: entry}, say=heard.append)
        assert (await asked(backend)).content == "yes"
        assert (await asked(backend)).content == "yes"
        assert [r.get("max_completion_tokens") for r in server.requests] == [None, 50, 50]
    assert heard == [f"{MODEL} is asked with max_completion_tokens instead of max_tokens"]


async def test_an_endpoint_that_refuses_both_names_is_asked_twice_and_no_more():
    with ScriptedModel(lambda request, n: Raw(PARAMETER, 400)) as server:
        backend = LitellmBackend(MODEL, overrides={MODEL: {"api_base": server.base_url}})
        with pytest.raises(ModelRefused):
            await asked(backend)
        assert len(server.requests) == 2


STREAM_ONLY = "This model only support stream mode, please enable the stream parameter"
PIECES = [
    {"role": "assistant", "content": "I look"},
    {"content": " there."},
    {"tool_calls": [{"index": 0, "id": "c1", "type": "function",
                     "function": {"name": "bash", "arguments": '{"comm'}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": 'and": "ls"}'}}]},
]  # fmt: skip


async def test_an_endpoint_that_only_streams_is_asked_for_a_stream_and_read_whole():
    usage = {"prompt_tokens": 900, "completion_tokens": 20, "total_tokens": 920}
    head = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "own"}
    chunks = [
        *({"choices": [{"index": 0, "delta": piece, "finish_reason": None}]} for piece in PIECES),
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
        {"choices": [], "usage": usage},
    ]

    def script(request, n):
        if not request.get("stream"):
            return Status(400, STREAM_ONLY)
        assert request["stream_options"] == {"include_usage": True}
        return Stream([head | chunk for chunk in chunks])

    heard = []
    with ScriptedModel(script) as server:
        entry = {"api_base": server.base_url}
        backend = LitellmBackend(MODEL, overrides={MODEL: entry}, say=heard.append)
        reply = await asked(backend, [BASH])
        assert len(server.requests) == 2
    assert reply.content == "I look there."
    assert [(c.id, c.name, c.arguments) for c in reply.tool_calls] == [
        ("c1", "bash", '{"command": "ls"}')
    ]
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (900, 20)
    assert reply.finish_reason == "tool_calls"
    assert heard == [f"{MODEL} is asked for streams: it answers in no other way"]


def streamed(name: str, usage: dict | None) -> list[dict]:
    """An answer with a call in pieces, its thoughts under `name` and a signature at the call."""
    signed = {"extra_content": {"google": {"thought_signature": "S1"}}}
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "bash"}} | signed
    details = [{"type": "reasoning.text", "text": "So", "index": 0}]
    deltas = [
        {"role": "assistant", name: "I th"},
        {name: "ink.", "reasoning_details": details},
        {"reasoning_details": [{"type": "reasoning.text", "text": ".", "index": 0,
                                "signature": "S2"}]},
        {"tool_calls": [call]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"command": '}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '"ls"}'}}]},
    ]  # fmt: skip
    head = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "own"}
    chunks = [{"choices": [{"index": 0, "delta": d, "finish_reason": None}]} for d in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    chunks += [{"choices": [], "usage": usage}] if usage else []
    return [head | chunk for chunk in chunks]


@pytest.mark.parametrize("model", ["openai/streams", "deepseek/streams"])
@pytest.mark.parametrize("counted", [True, False])
async def test_of_a_streamed_answer_nothing_is_lost_and_nothing_is_made_up(model, counted):
    thought = {"completion_tokens_details": {"reasoning_tokens": 20}}
    usage = {"prompt_tokens": 900, "completion_tokens": 20, "total_tokens": 940} | thought

    def script(request, n):
        if not request.get("stream"):
            return Status(400, STREAM_ONLY)
        return Stream(streamed("reasoning_content", usage if counted else None))

    with ScriptedModel(script) as server:
        backend = LitellmBackend(model, overrides={model: {"api_base": server.base_url}})
        reply = await asked(backend, [BASH])
    used = (900, 40) if counted else (0, 0)
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == used
    assert reply.tool_calls[0].arguments == '{"command": "ls"}'
    sent = as_received(answer_message(reply))
    assert sent["reasoning_content"] == "I think."
    assert sent["reasoning_details"] == [
        {"type": "reasoning.text", "text": "So.", "index": 0, "signature": "S2"}
    ]
    assert sent["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "S1"}}


async def test_a_stream_that_tells_a_failure_is_a_failure():
    broken = [*streamed("reasoning", None)[:3], {"error": {"code": 502, "message": "broke"}}]

    def script(request, n):
        return Stream(broken) if request.get("stream") else Status(400, STREAM_ONLY)

    with ScriptedModel(script) as server:
        backend = LitellmBackend(MODEL, overrides={MODEL: {"api_base": server.base_url}})
        with pytest.raises(Transient):
            await asked(backend, [BASH])


@pytest.mark.parametrize("code", [301, 302, 307, 308])
@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("openai/own", "OPENAI"),
        ("anthropic/claude-3-5-haiku-20241022", "ANTHROPIC"),
        ("gemini/gemini-2.5-flash", "GEMINI"),
        ("deepseek/deepseek-chat", "DEEPSEEK"),
    ],
)
async def test_neither_key_nor_prompt_follows_a_redirect(monkeypatch, model, provider, code):
    key = "sk-planted-7Gh2kQ9xLw4Zr8Tn"
    monkeypatch.setenv(f"{provider}_API_KEY", key)
    with ScriptedModel(lambda request, n: {"content": "stolen"}) as other:
        to = other.base_url.replace("127.0.0.1", "localhost") + "/chat/completions"
        with ScriptedModel(
            lambda request, n: Raw(b"", code, {"Location": f"{to}?k={key}"})
        ) as server:
            monkeypatch.setenv(f"{provider}_API_BASE", server.base_url)
            with pytest.raises(EndpointRefused, match="sends calls on to http://localhost") as told:
                await asked(LitellmBackend(model))
            assert "set it (api_base)" in str(told.value)
            assert key not in str(told.value)
            assert server.headers
        assert other.headers == []
