"""The pages of a run: the run itself, and a trial of it opened."""

from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from harness.pages.links import ViewLinks
from harness.pages.rendering import render
from harness.pages.trial import trial_html
from harness.pages.trial_data import TrialData, trial_data
from harness.report import FILE
from harness.view import answers
from harness.view.live import standing
from harness.view.reading import NotThere, Reading, Unfinished
from harness.view.run_sections import page_sections
from harness.view.server_state import state_of

Build = Callable[[Reading], Awaitable[Markup]]


async def run(request: Request) -> Response:
    """The page of a run. Of a large one the first answer may have the grid alone: `?whole=yes`
    waits for everything else."""
    query = request.query_params

    async def build(reading: Reading) -> Markup:
        live, _ = await standing(reading)
        whole = query.get("whole") == "yes"
        sections = await page_sections(reading, query, trials=live.trials, whole=whole)
        made = frame(
            reading,
            "view_run",
            live=live,
            live_address=live_address(reading),
            sections=sections,
            later="" if sections.whole else waiting_address(request),
            report=f"{reading.links.run()}/{FILE}" if has_report(reading) else "",
            here=reading.links.run(),
        )
        return made if sections.whole else Unfinished(made)

    return await page(request, build)


def has_report(reading: Reading) -> bool:
    """Whether the run's report was written."""
    return (reading.folder.path / FILE).is_file()


def waiting_address(request: Request) -> str:
    """The address of the same page with everything that takes long."""
    return (
        f"{request.url.path}?{urlencode([*request.query_params.multi_items(), ('whole', 'yes')])}"
    )


async def trial(request: Request) -> Response:
    """A trial, opened."""
    trial_id = request.path_params["trial_id"]

    async def build(reading: Reading) -> Markup:
        data = await data_of(reading, trial_id)
        agents = list(dict.fromkeys(call["agent"] for call in data.calls))
        control = render(
            "control_of", of="trial", links=reading.links, trial=data.trial, agents=agents
        )
        before, after = await reading.store.around(trial_id)
        places = render("trial_places", before=before, after=after, links=reading.links)
        return part(reading, places, trial_html(data, reading.links), control, trial=trial_id)

    return await page(request, build)


async def data_of(reading: Reading, trial_id: int) -> TrialData:
    """The data of a trial, read together with those of the other trials on its instance."""
    run = await reading.store.read_beside(trial_id)
    if not run.trials:
        raise NotThere(f"The run {reading.run_id} has no trial {trial_id}.")
    known = reading.runs.costs(reading.folder, run.facts)
    return await trial_data(reading.store, reading.boards, run, trial_id, known)


async def page(request: Request, build: Build) -> Response:
    """The answer with what `build` makes of the run that the path names, made once a version."""
    run_id = request.path_params["run_id"]
    key = ("page", request.url.path, request.url.query)
    return answers.html(request, await state_of(request).runs.make(run_id, key, build))


def part(reading: Reading, *parts: Markup, trial: int = 0, here: str = "") -> Markup:
    """A page of a run, of these parts. `trial`: only its changes concern the page; 0: all do."""
    address = live_address(reading)
    return frame(reading, "view_page", parts=parts, trial=trial, live_address=address, here=here)


def frame(reading: Reading, template: str, **values: object) -> Markup:
    """A page of the run, in the frame with the run's navigation."""
    return answers.frame(
        template, run_id=reading.run_id, links=reading.links, places=places(reading.links), **values
    )


def places(links: ViewLinks) -> list[tuple[str, str]]:
    """The navigation of a run: titles and addresses."""
    return [
        ("Runs", "/"),
        ("Run", links.run()),
        ("Compare", f"{links.run()}/compare"),
        ("Trials", links.rows("trials")),
        ("Calls", links.rows("calls")),
    ]


def live_address(reading: Reading) -> str:
    """The address of the run's stream of events; empty if no process works on it."""
    return f"{reading.links.run()}/live" if reading.alive else ""
