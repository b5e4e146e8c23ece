"""One small real call before all others, to test the address, key, model and parameters."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import anyio

from harness.errors import ContextOverflow, EndpointRefused, ModelError, ModelUnavailable, UserError
from harness.model.backend import Backend, CallKey, Transient
from harness.model.prices import Price, cost, worst_case
from harness.model.usage import counted, total
from harness.types import Message, Usage

ATTEMPTS = 3
WAIT_S = 1.0  # before the second attempt; doubles
LEAST_S = 60.0  # for an answer, however short the run's own limit is: a first one is slow
LONGEST_WAIT_S = 60.0  # that a provider may ask for
MOST = 240  # characters of what a provider says
QUESTION: Sequence[Message] = (
    {"role": "system", "content": "This is a test of the connection."},
    {"role": "user", "content": "Answer with one word: yes."},
)
TOOLS: Sequence[Mapping[str, Any]] = (
    {
        "type": "function",
        "function": {
            "name": "look",
            "description": "Not needed here.",
            "parameters": {"type": "object", "properties": {"name": {"type": "string"}}},
        },
    },
)
PROMPT_BYTES = 1_000  # of both, and more
_KEY = CallKey(system="", instance_id="", trial=0, conversation="first", position=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstCall:
    """An answered first call with all its attempts. Its cost belongs to no trial."""

    seconds: float
    usage: Usage
    cost_usd: float | None  # None: not known
    charged_usd: float  # what counts against the run's cap: where the cost is unknown, the most
    unknown_tools: tuple[str, ...] = ()  # that the answer calls and that were not offered

    def __str__(self) -> str:
        """The duration and cost in words."""
        dollars = "an unknown cost" if self.cost_usd is None else f"${self.cost_usd:.6f}"
        return f"answers, {self.seconds:.1f} s, {dollars}"


async def call_first(
    backend: Backend,
    *,
    price: Price | None,
    tools: bool,
    max_output_tokens: int,
    timeout_s: float,
    wait_s: float = WAIT_S,
) -> FirstCall:
    """Ask once, as the run will ask: the same parameters and limits; `tools` if it sends any.

    `UserError`, in one line with what to do, where there is no answer. What may pass is tried
    `ATTEMPTS` times; what was sent and not answered in time is not sent again.
    """
    usages, doubts = [], 0
    await backend.warm_up()  # what is loaded once is no time of the model
    for attempt in range(1, ATTEMPTS + 1):
        began = time.monotonic()
        try:
            reply = await backend.attempt(
                _KEY,
                QUESTION,
                TOOLS if tools else (),
                max_output_tokens=max_output_tokens,
                timeout_s=max(timeout_s, LEAST_S),
            )
        except Transient as problem:
            usages += [problem.usage] if counted(problem.usage) else []
            doubts += problem.unsure
            wait = problem.retry_after_s or wait_s * 2 ** (attempt - 1)
            if attempt == ATTEMPTS or problem.unsure or wait > LONGEST_WAIT_S:
                raise UserError(_told(problem, max_output_tokens)) from None
            await anyio.sleep(wait)
        except ModelError as problem:
            raise UserError(_told(problem, max_output_tokens)) from None
        else:
            usages.append(reply.usage)
            called = {call.name for call in reply.tool_calls} - _offered(tools=tools)
            break
    worst = worst_case(PROMPT_BYTES, max_output_tokens, price) if price else 0.0
    costs = [cost(each, price) if price and counted(each) else None for each in usages]
    known = [each for each in costs if each is not None]
    unknown = len(costs) - len(known) + doubts
    return FirstCall(
        seconds=time.monotonic() - began,
        usage=total(usages),
        cost_usd=None if unknown or price is None else sum(known),
        charged_usd=sum(known) + unknown * worst,
        unknown_tools=tuple(sorted(called)),
    )


def _offered(*, tools: bool) -> set[str]:
    return {tool["function"]["name"] for tool in TOOLS} if tools else set()


def _told(problem: ModelError, max_output_tokens: int) -> str:
    said = str(problem).rstrip(".")
    if len(said) > MOST:  # its end holds the cause or what to do
        said = f"{said[: MOST // 2]} … {said[-MOST // 2 :]}"
    match problem:
        case EndpointRefused():
            return f"the model refuses every call: {said}; correct the key, account or address"
        case ContextOverflow():
            return (
                f"a short prompt and {max_output_tokens} tokens of output do not fit the model: "
                f"{said}; lower model.max_output_tokens"
            )
        case ModelUnavailable():
            return f"the model does not answer: {said}; start its server, or correct the address"
        case _:
            return f"the model refuses a call as the run would make it: {said}"
