"""The first model call of a run and of `delm doctor`: made, reported and recorded."""

import math
from dataclasses import asdict
from functools import partial
from typing import Any

import anyio
from rich.console import Console

from harness import event_loop
from harness.commands.compose import ModelParts, most_output
from harness.commands.confirm import done_already
from harness.config import Config
from harness.errors import UserError
from harness.model.first_call import PROMPT_BYTES, FirstCall, call_first
from harness.model.prices import worst_case
from harness.results.run_folder import RunFolder
from harness.terminal import one_line
from harness.text.timestamps import now


def first_call(
    out: Console, config: Config, parts: ModelParts, folder: RunFolder | None = None
) -> FirstCall | None:
    """Make one real call and report it. Raises `UserError` with the endpoint if it gets no answer.

    `folder` is the run's, if there is one: if it is resumed, the error says how to give it another
    endpoint. Returns None if the call could cost more than the rest of the run's budget. The run
    itself then reports that it cannot ask anything.
    """
    most = most_output(config, parts.price)
    left_usd = _left(config, folder) if folder else math.inf
    if parts.price and worst_case(PROMPT_BYTES, most, parts.price) > left_usd:
        return None
    out.print(f"asking {parts.name} one short question first …", highlight=False, markup=False)
    try:
        made = event_loop.run(partial(_asked, config, parts, most))
    except UserError as error:
        to_change = f"-c models.{parts.name}.api_base=URL"
        resumed = folder is not None and event_loop.run(done_already, folder) is not None
        kept = f"; to resume with another endpoint, add {to_change}" if resumed else ""
        raise UserError(f"{error}; calls go to {parts.endpoint}{kept}") from None
    out.print(f"{parts.name} {made}", highlight=False, markup=False)
    if made.unknown_tools:
        names = ", ".join(f"{name[:40]!r}" for name in made.unknown_tools)
        told = (
            f"note: its answer calls a tool that was not offered ({names}): such calls cannot be "
            "carried out, and a trial ends after four such answers; check the server's tool calls"
        )
        out.print(one_line(told), highlight=False, markup=False)
    return made


def _left(config: Config, folder: RunFolder) -> float:
    cap = config.budget.run_cost_usd
    if not cap:
        return math.inf
    return cap - event_loop.run(_spent, folder) if folder.exists else cap


async def _spent(folder: RunFolder) -> float:
    async with folder.open() as store:
        return await store.spent()


def facts(made: FirstCall, parts: ModelParts) -> dict[str, Any]:
    """The first call for the run's record: its result, time and endpoint."""
    return asdict(made) | {"at": now(), "endpoint": parts.endpoint}


async def _asked(config: Config, parts: ModelParts, most: int) -> FirstCall:
    try:
        return await call_first(
            parts.backend,
            price=parts.price,
            tools=not parts.text_protocol,
            max_output_tokens=most,
            timeout_s=config.model.timeout_s,
        )
    finally:
        with anyio.CancelScope(shield=True):
            await parts.backend.aclose()
