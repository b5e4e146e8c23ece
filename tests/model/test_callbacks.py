"""litellm's callbacks hear of calls, and can neither change nor delay nor fail one."""

import sys
import time

import anyio
import pytest
from console import refused
from scripted_model import ScriptedModel, Status

from harness.errors import ModelRefused, UserError
from harness.model.backend import CallKey
from harness.model.litellm_backend import LitellmBackend

pytestmark = pytest.mark.anyio

KEY = CallKey(system="s", instance_id="i", trial=0, conversation="c", position=0)
MODEL = "openai/scripted"
TALK = [{"role": "user", "content": "Mend it."}]
OWN = """
import asyncio
from litellm.integrations.custom_logger import CustomLogger

heard = []


class Hears(CustomLogger):
    async def async_log_success_event(self, kwargs, response, start, end):
        heard.append(("ok", kwargs["messages"][0]["content"], response.choices[0].message.content))

    async def async_log_failure_event(self, kwargs, response, start, end):
        heard.append(("failed", kwargs["messages"][0]["content"], ""))


class Breaks(Hears):
    def log_pre_api_call(self, *told, **more):
        raise RuntimeError("before")

    async def async_log_success_event(self, kwargs, response, start, end):
        kwargs["messages"].clear()
        raise RuntimeError("after")

    async def async_log_failure_event(self, *told):
        raise SystemExit(3)

    async def async_pre_call_deployment_hook(self, kwargs, call_type):
        raise RuntimeError("hook")

    async def async_post_call_success_deployment_hook(self, *told):
        return "another answer"

    async def async_logging_hook(self, kwargs, result, call_type):
        return kwargs, None


class Hangs(Hears):
    async def async_log_success_event(self, *told):
        await asyncio.sleep(60)


class Unmade(Hears):
    def __init__(self):
        raise OSError("no room")


function = print
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The module `own_callbacks`, with what it heard."""
    (tmp_path / "own_callbacks.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_callbacks", raising=False)
    monkeypatch.setenv("SCRIPTED_API_KEY", "sk-scripted-0123456789")
    return lambda: sys.modules["own_callbacks"].heard


async def asked(*callbacks: str, action=None) -> tuple[str, list[str], list[dict]]:
    """The answer to one call, what was said of the callbacks, and the requests that were sent."""
    said: list[str] = []
    with ScriptedModel(lambda request, n: action or {"content": "Mended."}) as server:
        entry = {"api_base": server.base_url, "api_key_env": "SCRIPTED_API_KEY"}
        backend = LitellmBackend(
            MODEL, overrides={MODEL: entry}, callbacks=callbacks, say=said.append
        )
        try:
            reply = await backend.attempt(KEY, TALK, [], max_output_tokens=50, timeout_s=20)
        finally:
            await backend.aclose()
        return reply.content, said, server.requests


async def test_a_callback_of_ones_own_hears_of_calls_that_end_and_that_fail(own):
    answer, said, _ = await asked("own_callbacks:Hears")
    assert (answer, said) == ("Mended.", [])
    assert own() == [("ok", "Mend it.", "Mended.")]
    with pytest.raises(ModelRefused):
        await asked("own_callbacks:Hears", action=Status(401))
    assert own()[1:] == [("failed", "Mend it.", "")]
    assert (await asked())[0] == "Mended."  # those of an earlier backend hear of nothing more
    assert len(own()) == 2


async def test_one_that_breaks_changes_no_request_and_no_answer_and_the_next_hears(own):
    answer, _, requests = await asked("own_callbacks:Breaks", "own_callbacks:Hears")
    assert answer == "Mended."
    assert [request["messages"] for request in requests] == [TALK]
    assert len(own()) <= 1


async def test_one_that_hangs_delays_no_call_and_the_end_by_some_seconds(own):
    began = time.monotonic()
    with anyio.fail_after(30):
        assert (await asked("own_callbacks:Hangs", "own_callbacks:Hears"))[0] == "Mended."
    assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("langfues", "litellm has no callback 'langfues'; did you mean 'langfuse'?"),
        ("sentry", "litellm has no callback 'sentry'"),  # it would run pip install
        ("langfuse", "litellm cannot make 'langfuse'"),  # its package is not here
        ("own_callbacks:Unmade", "Unmade makes no litellm CustomLogger"),
        ("own_callbacks:function", "print makes no litellm CustomLogger"),
    ],
)
async def test_what_cannot_be_used_is_said_once_and_the_others_are(own, monkeypatch, name, why):
    monkeypatch.setitem(sys.modules, "langfuse", None)
    answer, said, _ = await asked(name, "own_callbacks:Hears")
    assert answer == "Mended."
    assert [why in line for line in said] == [True], said
    assert len(own()) == 1


def test_an_import_string_that_names_nothing_is_refused_before_anything_is_sent(own):
    with pytest.raises(UserError, match=r"model\.callbacks: nowhere:X: it cannot be imported"):
        LitellmBackend(MODEL, callbacks=["nowhere:X"])


def test_the_command_refuses_it_in_one_line(delm, place):
    told = delm("eval", "-m", "openai/gpt-5", "-c", "model.callbacks=[nowhere:X]", "--dry-run")
    refused(told, "model.callbacks: nowhere:X")
