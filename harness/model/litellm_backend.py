"""Answers from a provider, through litellm.

The only file that imports litellm, and late, because the import takes seconds.
"""

import asyncio
import difflib
import functools
import gc
import importlib
import inspect
import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread

from harness.model import token_count
from harness.model.attempt_errors import answered_text, failed_inside, translated, unreadable
from harness.model.backend import CallKey, Transient
from harness.model.cache_control import mark_cache, wants_marks
from harness.model.endpoint import endpoint_of
from harness.model.request_variants import RequestVariants
from harness.model.response_body import (
    as_received,
    body_of,
    cut_by_count,
    failure_in,
    litellm_reply,
    openai_reply,
)
from harness.model.streams import gathered
from harness.secrets import learn
from harness.text.import_string import PROGRAM, imported
from harness.types import Message, Reply

# What litellm imports at the first call otherwise: most of a second of the provider's time.
_LATER = ("openai.resources", "litellm.proxy.openai_files_endpoints.common_utils")


class LitellmBackend:
    """One model behind litellm. One of these a process: litellm's connections are shared.

    `parameters` go into every request as they are (temperature, reasoning_effort, ...). `say` hears
    what is asked otherwise than usual. `callbacks` hear of each call that litellm makes: its names,
    or import strings. `UserError` for an address or a key that cannot be one, or for an import
    string that names nothing.
    """

    def __init__(
        self,
        model: str,
        *,
        overrides: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
        callbacks: Sequence[str] = (),
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.name = model
        self.endpoint = endpoint_of(model, overrides or {})
        self._parameters = dict(parameters or {})
        self._ways = RequestVariants(model, say)
        learn(self.endpoint.key)
        self._loaded: tuple[Any, type[Exception]] | None = None  # litellm and its errors' root
        self._say = say
        self._callbacks: list[Any] = [  # names that litellm knows, and objects of the user's
            imported(name, f"model.callbacks: {name}") if ":" in name else name
            for name in callbacks
        ]
        self._observers: list[Any] = []

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
        """Ask once, as `Backend.attempt` promises. `key` is of no use to a provider.

        A request that is refused for how it is asked is asked again at once in the way that the
        refusal names: nothing was answered, and nothing is billed.
        """
        sent = [as_received(message) for message in messages]
        request = {
            **self._parameters,
            **self.endpoint.arguments(),
            "model": self.name,
            "messages": mark_cache(sent) if wants_marks(self.name) else sent,
            "max_tokens": max_output_tokens,
            "timeout": timeout_s,
            "num_retries": 0,  # retries are the client's; which of the two counts, depends on
            "max_retries": 0,  # litellm's version and on the provider
            "_skip_mcp_handler": True,  # else a second is spent on importing what nobody asks for
        }
        if tools:
            request["tools"] = list(tools)
        reply = None
        while reply is None:
            reply = await self._ask(request, timeout_s)
        return cut_by_count(reply, max_output_tokens)

    async def _ask(self, request: Mapping[str, Any], timeout_s: float) -> Reply | None:
        """The answer; None if the request must be sent again in another form."""
        litellm, litellm_error = await self._load()
        bodies: list[object] = []
        taken, asked = self._ways.taken, self._ways.apply(request)
        asked["logger_fn"] = lambda event: bodies.append(event.get("original_response"))
        try:
            # litellm's own limit is between two bytes for some providers; this one is for all of it
            with anyio.fail_after(timeout_s):
                response = await litellm.acompletion(**asked)
                if "stream" in taken:
                    whole, response = await gathered(response), None
                    bodies = [json.dumps(whole)]
        except TimeoutError:
            raise Transient(f"no answer within {timeout_s:g} s", unsure=True) from None
        except (ImportError, litellm_error) as problem:  # the first: of the provider's own package
            # Without its cause: litellm's own errors hold the request, and so the key.
            answered = answered_text(problem, bodies)
            if answered is None:
                error, reading = translated(self.name, problem, self.endpoint.address)
                if self._ways.find(reading, taken):
                    return None
                raise error from None
            response, bodies = None, [answered]
        return self._read(response, bodies)

    async def turn(self, key: CallKey) -> None:
        """Returns at once, because live answers have no recorded turn."""

    def count_tokens(self, text: str) -> int:
        """With the model's own tokenizer where litellm ships it, and its fallback otherwise."""
        if self._loaded is None:
            return token_count.count(text)
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
        if self._observers:
            litellm.logging_callback_manager._reset_all_callbacks()  # noqa: SLF001 - has no other
            await _flushed(self._observers)
            self._observers = []
        await litellm.close_litellm_async_clients()
        litellm.in_memory_llm_clients_cache.flush_cache()
        await anyio.lowlevel.checkpoint()

    async def _load(self) -> tuple[Any, type[Exception]]:
        if self._loaded is None:
            loaded = await anyio.to_thread.run_sync(_import_litellm)
            if self._loaded is None:  # not by another task in the meantime
                self._loaded = loaded
                self._observe(loaded[0])
        return self._loaded

    def _observe(self, litellm: Any) -> None:
        """Have litellm tell the callbacks of its calls. `say` hears which of them cannot be used.

        litellm gets one object for all of them, which passes on how calls ended and nothing else:
        what may change a request or an answer, or fail a call, is not asked for.
        """
        if not self._callbacks:
            return
        from litellm.integrations.custom_logger import CustomLogger
        from litellm.litellm_core_utils.litellm_logging import _init_custom_logger_compatible_class

        known = litellm._known_custom_logger_compatible_callbacks  # noqa: SLF001 - has no other
        for given in self._callbacks:
            made: object = None
            with suppress(*PROGRAM):
                if not isinstance(given, str):
                    made = given() if isinstance(given, type) else given
                elif given in known:  # for some others litellm would run `pip install`
                    made = _init_custom_logger_compatible_class(given, None, None)
            if isinstance(made, CustomLogger):
                self._observers.append(made)
            else:
                self._say(_unusable(given, known))
        observers = self._observers

        async def tell(event: str, told: Sequence[Any]) -> None:
            heard = (getattr(each, event)(*told) for each in observers)
            await asyncio.gather(*heard, return_exceptions=True)

        class Observer(CustomLogger):  # type: ignore[misc]  # litellm has no types
            async def async_log_success_event(
                self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
            ) -> None:
                told = (kwargs, response_obj, start_time, end_time)
                await tell("async_log_success_event", told)

            async def async_log_failure_event(
                self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
            ) -> None:
                told = (kwargs, response_obj, start_time, end_time)
                await tell("async_log_failure_event", told)

        if observers:
            litellm.callbacks = [Observer()]

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


def _unusable(given: object, known: Sequence[str]) -> str:
    """Why a callback of the configuration is not used."""
    if not isinstance(given, str):
        name = getattr(given, "__name__", type(given).__name__)
        return f"model.callbacks: {name} makes no litellm CustomLogger, and is not told of calls"
    if given not in known:
        near = difflib.get_close_matches(given, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"model.callbacks: litellm has no callback {given!r}{hint}"
    return (
        f"model.callbacks: litellm cannot make {given!r}, and it is not told of calls: is its "
        "package installed, and are its variables set?"
    )


async def _flushed(observers: Sequence[Any]) -> None:
    """Let observers that gather calls send what they have, for some seconds."""
    flushes = [each.flush_queue() for each in observers if hasattr(each, "flush_queue")]
    with anyio.move_on_after(5):
        await asyncio.gather(*flushes, return_exceptions=True)


@contextmanager
def _without_collecting() -> Iterator[None]:
    """What is imported stays: to look for garbage in it takes a fifth of an import of seconds."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _import_litellm() -> tuple[Any, type[Exception]]:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else the import fetches a table
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")  # else it reads a .env file
    with _without_collecting():
        import litellm
        from openai import OpenAIError

        for name in _LATER:
            with suppress(ImportError):  # another version's
                importlib.import_module(name)

    # what a call that is cut off just before it is sent leaves behind is no harm
    warnings.filterwarnings("ignore", r"coroutine '\S+' was never awaited", RuntimeWarning)
    # nor is what a provider's message holds beyond what its package knows: that is read raw
    warnings.filterwarnings("ignore", r"Pydantic serializer warnings", UserWarning)
    warnings.filterwarnings("ignore", r"Item '.*' on TypedDict class", UserWarning)  # its own types
    _follow_no_redirects()
    litellm.suppress_debug_info = True
    for name in ("LiteLLM", "LiteLLM Proxy", "LiteLLM Router"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return litellm, OpenAIError


def _follow_no_redirects() -> None:
    """Have the HTTP clients that litellm makes from now on follow no redirect.

    On its way to another host httpx takes out `Authorization` alone: what Anthropic and Gemini call
    their keys' headers goes there, and so does the prompt. litellm has no setting for it.
    """
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler, HTTPHandler
    from litellm.llms.openai.common_utils import BaseOpenAILLM

    for owner, name in (
        (AsyncHTTPHandler, "create_client"),
        (HTTPHandler, "create_client"),
        (BaseOpenAILLM, "_get_async_http_client"),
        (BaseOpenAILLM, "_get_sync_http_client"),
    ):
        makes = getattr(owner, name)
        if not hasattr(makes, "__wrapped__"):  # once a process
            changed = _without_redirects(makes)
            static = isinstance(inspect.getattr_static(owner, name), staticmethod)
            setattr(owner, name, staticmethod(changed) if static else changed)


def _without_redirects(makes: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(makes)
    def make(*given: Any, **more: Any) -> Any:
        client = makes(*given, **more)
        if client is not None:
            client.follow_redirects = False
        return client

    return make
