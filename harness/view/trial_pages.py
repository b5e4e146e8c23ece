"""The pages inside of a trial: a conversation, a model call, an entry, a proposal."""

from collections.abc import Awaitable, Callable

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from harness.pages.call import call_html
from harness.pages.conversation import conversation_html
from harness.pages.entry import entry_html
from harness.pages.proposal import proposal_html
from harness.pages.rendering import render
from harness.pages.trial_inside import NotInTrial, TrialInside, costs_of_call, inside_of
from harness.view.reading import NotThere, Reading
from harness.view.run_pages import page, part

Show = Callable[[Reading, TrialInside], Awaitable[Markup]]


async def conversation(request: Request) -> Response:
    """A page of a conversation: `?from=` is its first message, `?message=` the only one."""
    name = request.path_params["name"]
    first, only = (_number(request, key) for key in ("from", "message"))

    async def show(reading: Reading, data: TrialInside) -> Markup:
        tools = await reading.store.tool_lists()
        return conversation_html(data, name, reading.links, tools, first=first, only=only)

    return await _inside(request, show, f"conversation {name}")


async def call(request: Request) -> Response:
    """A model call."""
    call_id = request.path_params["call_id"]

    async def show(reading: Reading, data: TrialInside) -> Markup:
        run = await reading.store.read_trial(data.trial_id)
        costs = await costs_of_call(reading.store, reading.boards, run, call_id)
        tools = await reading.store.tool_lists()
        return call_html(data, call_id, reading.links, tools, costs)

    return await _inside(request, show, f"call {call_id}")


async def entry(request: Request) -> Response:
    """An entry of the shared context."""
    label = request.path_params["label"]

    async def show(reading: Reading, data: TrialInside) -> Markup:
        content = entry_html(data, label, reading.links)
        if data.trial["state"] != "running":  # nobody reads its entries any more
            return content
        control = render(
            "control_of", of="entry", links=reading.links, trial_id=data.trial_id, label=label
        )
        return content + control

    return await _inside(request, show, f"entry {label}")


async def proposal(request: Request) -> Response:
    """A proposal with its ruling."""
    number = request.path_params["number"]

    async def show(reading: Reading, data: TrialInside) -> Markup:
        return proposal_html(data, number, reading.links)

    return await _inside(request, show, f"proposal {number}")


async def _inside(request: Request, show: Show, what: str) -> Response:
    """A page of what a trial has, or one that says that it has no such thing."""
    trial_id = request.path_params["trial_id"]

    async def build(reading: Reading) -> Markup:
        run = await reading.store.read_trial(trial_id)
        if not run.trials:
            raise NotThere(f"The run {reading.run_id} has no trial {trial_id}.")
        data = await inside_of(reading.store, reading.boards, run)
        try:
            content = await show(reading, data)
        except NotInTrial:
            raise NotThere(f"Trial {trial_id} of {reading.run_id} has no {what}.") from None
        return part(reading, content, trial=trial_id)

    return await page(request, build)


def _number(request: Request, name: str) -> int:
    """A number of the query; 0 if there is none."""
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
