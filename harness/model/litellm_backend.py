"""Answers from a provider, through litellm. The only file that imports it, and late: it takes
seconds."""

import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread

from harness.errors import ModelRefused
from harness.model import tokens
from harness.model.answers import (
    as_received,
    body_of,
    cut_by_count,
    failure_in,
    litellm_reply,
    openai_reply,
)
from harness.model.backend import CallKey, Transient
from harness.model.cache_marks import mark_cache, wants_marks
from harness.model.failures import (
    answered_text,
    failed_inside,
    one_line,
    translated,
    unreadable,
)
from harness.model.prices import override_for
from harness.secrets import learn
from harness.types import Message, Reply


class LitellmBackend:
    """One model behind litellm. One of these a process: litellm's connections are shared.

    `parameters` go into every request as they are (temperature, reasoning_effort, ...).
    """

    def __init__(
        self,
        model: str,
        *,
        overrides: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = model
        self._parameters = dict(parameters or {})
        own = override_for(model, overrides or {})
        self._endpoint: dict[str, str] = {}
        if own is not None and own.api_base:
            self._endpoint["api_base"] = own.api_base
        if own is not None and own.api_key_env:
            self._endpoint["api_key"] = os.environ.get(own.api_key_env, "")
        elif own is not None and own.api_base:
            self._endpoint["api_key"] = "none"  # a client refuses to have no key at all
        learn(self._endpoint.get("api_key", ""))
        self._loaded: tuple[Any, type[Exception]] | None = None  # litellm and its errors' root

    async def warm_up(self) -> None:
        """Import litellm now, in a thread, instead of at the first attempt."""
        await self._load()

    async def attempt(
        self,
        key: CallKey,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]],
        *,
        max_output_tokens: int,
        timeout_s: float,
    ) -> Reply:
        """Ask once, as `Backend.attempt` promises. `key` is of no use to a provider."""
        litellm, litellm_error = await self._load()
        bodies: list[object] = []
        sent = [as_received(message) for message in messages]
        request = {
            **self._parameters,
            **self._endpoint,
            "model": self.name,
            "messages": mark_cache(sent) if wants_marks(self.name) else sent,
            "max_tokens": max_output_tokens,
            "timeout": timeout_s,
            "num_retries": 0,  # retries are the client's; which of the two counts, depends on
            "max_retries": 0,  # litellm's version and on the provider
            "logger_fn": lambda event: bodies.append(event.get("original_response")),
        }
        if tools:
            request["tools"] = list(tools)
        try:
            # litellm's own limit is between two bytes for some providers; this one is for all of it
            with anyio.fail_after(timeout_s):
                response = await litellm.acompletion(**request)
        except TimeoutError:
            raise Transient(f"no answer within {timeout_s:g} s", unsure=True) from None
        except ImportError as problem:  # the provider's package
            raise ModelRefused(one_line(self.name, problem)) from None
        except litellm_error as problem:
            # Without its cause: litellm's own errors hold the request, and so the key.
            answered = answered_text(problem, bodies)
            if answered is None:
                raise translated(self.name, problem) from None
            response, bodies = None, [answered]
        return cut_by_count(self._read(response, bodies), max_output_tokens)

    async def turn(self, key: CallKey) -> None:
        """A live answer is given when it comes."""

    def count_tokens(self, text: str) -> int:
        """With the model's own tokenizer where litellm ships it, and its fallback otherwise."""
        if self._loaded is None:
            return tokens.count(text)
        litellm, _ = self._loaded
        return int(litellm.token_counter(model=self.name, text=text))

    async def aclose(self) -> None:
        """Close litellm's connections and end its background work.

        litellm starts tasks after a call has returned (logging, closing): each gets its turn, and
        nothing of it is left for the next event loop.
        """
        if self._loaded is None:
            return
        from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER

        litellm, _ = self._loaded
        await anyio.lowlevel.checkpoint()
        with anyio.move_on_after(5):
            await GLOBAL_LOGGING_WORKER.flush()
        await GLOBAL_LOGGING_WORKER.stop()
        await litellm.close_litellm_async_clients()
        litellm.in_memory_llm_clients_cache.flush_cache()
        await anyio.lowlevel.checkpoint()

    async def _load(self) -> tuple[Any, type[Exception]]:
        if self._loaded is None:
            self._loaded = await anyio.to_thread.run_sync(_import_litellm)
        return self._loaded

    def _read(self, response: Any, bodies: Sequence[object]) -> Reply:
        """The answer in a 200, from its body where that can be read. Raises what is none."""
        texts = [body for body in bodies if isinstance(body, str)]
        text = texts[-1] if texts else ""
        body = body_of(text)
        failure = failure_in(body)
        if failure is not None:
            raise failed_inside(self.name, failure, body)
        reply = openai_reply(body) or (litellm_reply(response, body) if response else None)
        if reply is None:
            raise unreadable(self.name, text)
        return reply


def _import_litellm() -> tuple[Any, type[Exception]]:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else the import fetches a table
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")  # else it reads a .env file
    import litellm
    from openai import OpenAIError

    # what a call that is cut off just before it is sent leaves behind is no harm
    warnings.filterwarnings("ignore", r"coroutine '\S+' was never awaited", RuntimeWarning)
    # nor is what a provider's message holds beyond what its package knows: that is read raw
    warnings.filterwarnings("ignore", r"Pydantic serializer warnings", UserWarning)
    litellm.suppress_debug_info = True
    for name in ("LiteLLM", "LiteLLM Proxy", "LiteLLM Router"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return litellm, OpenAIError
