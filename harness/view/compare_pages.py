"""The pages that compare two systems: of one run, or of two."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from urllib.parse import urlencode

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from harness.analysis.run_costs import cost_rows
from harness.model.token_count import count
from harness.pages.compare import Chosen, compare_html, compare_page, named_costs
from harness.pages.curves import curves, curves_html
from harness.pages.heat_map import heat_map_html
from harness.pages.rendering import render
from harness.pages.run_comparisons import pairs_of
from harness.pages.run_data import RunData
from harness.results.run_folder import run_folders
from harness.score.rows import TableRow
from harness.store.rows import RunRows
from harness.view import answers
from harness.view.reading import NotThere, Reading
from harness.view.run_pages import page, part
from harness.view.server_state import state_of

OFFERED = 30  # other runs
AT_ONCE = 200  # trials whose costs are read without being asked for


async def of_run(request: Request) -> Response:
    """Two systems of a run: `a` and `b` of the query; by default the baseline and another."""
    asked = request.query_params

    async def build(reading: Reading) -> Markup:
        asks_costs = asked.get("costs") == "yes"
        run = await _read(reading, costs=asks_costs)
        pairs = pairs_of(run)
        if not pairs:
            raise NotThere(f"The run {reading.run_id} has fewer than two systems to compare.")
        a, b = asked.get("a") or pairs[0][0], asked.get("b") or pairs[0][1]
        query = urlencode({"a": a, "b": b})
        address = f"{reading.links.run()}/compare?{query}"
        names = {each: _known(run, each) for each in (a, b)}
        if a == b:
            raise NotThere("A system is not compared with itself; choose another one.")
        costs, later = await _costs(reading, run, names, costs=asks_costs)
        shown = compare_page(
            Chosen(run, a, reading.links),
            Chosen(run, b, reading.links),
            costs=costs,
            page=_number(asked.get("page", "")),
            address=address + ("&costs=yes" if costs and later else ""),
            costs_later="" if costs else f"{address}&costs=yes" if later else "",
        )
        found = curves([run])
        content = render(
            "compare_page", a=a, b=b, html=compare_html(shown, level=2), choice=run.systems,
            action=f"{reading.links.run()}/compare", own=f"{reading.run_id}/{a}",
            others=_others(reading, run), heat=heat_map_html(run.scored.scores),
            curves=curves_html(found) if found else None,
        )  # fmt: skip
        return part(reading, content, here=f"{reading.links.run()}/compare")

    return await page(request, build)


async def of_runs(request: Request) -> Response:
    """Systems of two runs: `a` and `b` of the query are `RUN/SYSTEM`."""
    runs, asked = state_of(request).runs, request.query_params
    (one, a), (other, b) = _named(asked.get("a", "")), _named(asked.get("b", ""))
    mine, theirs = runs.folder(one), runs.folder(other)

    async def with_both(here: Reading, there: Reading) -> Markup:
        return await _two_runs(here, a, there, b, _number(asked.get("page", "")))

    async def with_first(here: Reading) -> Markup:
        return await runs.read(theirs, partial(with_both, here))

    return answers.html(request, await runs.threaded(partial(runs.read, mine, with_first)))


async def _two_runs(here: Reading, a: str, there: Reading, b: str, page: int) -> Markup:
    mine, theirs = await _read(here), await _read(there)
    same = here.run_id == there.run_id
    if same and a == b:
        raise NotThere("A system is not compared with itself; choose another one.")
    first = Chosen(mine, _known(mine, a), here.links)
    second = Chosen(mine if same else theirs, _known(theirs, b), there.links)
    ends = [f"{reading.run_id}/{system}" for reading, system in ((here, a), (there, b))]
    costs: list[TableRow] = []
    for reading, run, system, name in (
        (here, mine, a, a if same else f"{a} of {here.run_id}"),
        (there, theirs, b, b if same else f"{b} of {there.run_id}"),
    ):
        found, _ = await _costs(reading, run, {system: name}, costs=False)
        costs += found
    shown = compare_page(
        first, second, costs=costs, page=page,
        address=f"/compare?{urlencode({'a': ends[0], 'b': ends[1]})}",
    )  # fmt: skip
    drawn = curves([mine] if same else [mine, theirs])
    content = render(
        "compare_page", a=ends[0], b=ends[1], html=compare_html(shown, level=2), choice=(),
        others=(), action="", heat=None, curves=curves_html(drawn) if drawn else None,
    )  # fmt: skip
    return part(here, content)


async def _read(reading: Reading, *, costs: bool = False) -> RunData:
    """The run; of a large one only what is quick to read, unless its `costs` are asked for."""
    run = await reading.outcomes()
    return await reading.data() if costs or len(run.rows.trials) <= AT_ONCE else run


async def _costs(
    reading: Reading, run: RunData, names: dict[str, str], *, costs: bool
) -> tuple[Sequence[TableRow], bool]:
    """The rows of `cost_breakdown.csv` of the systems in `names`, unless they take long and are not
    asked for; whether they take long."""
    long = len(run.rows.trials) > AT_ONCE
    if long and not costs:
        return [], True
    found = await cost_rows(_only(run.rows, names), reading.store, reading.boards, count)
    return named_costs(found, names), long


def _others(reading: Reading, run: RunData) -> list[str]:
    """`RUN/SYSTEM` of other runs, as if they had the systems of this one."""
    there = [folder.run_id for folder in run_folders(reading.runs.output)]
    names = [name for name in there if name != reading.run_id][-OFFERED:]
    return [f"{name}/{system}" for name in reversed(names) for system in run.systems]


def _only(rows: RunRows, systems: dict[str, str]) -> RunRows:
    """The rows of some systems."""
    trials = [row for row in rows.trials if row["system"] in systems]
    keys = {row["trial_id"] for row in trials}
    return replace(
        rows,
        trials=trials,
        calls=[row for row in rows.calls if row["trial_id"] in keys],
        submissions=[row for row in rows.submissions if row["trial_id"] in keys],
        spans=[row for row in rows.spans if row["trial_id"] in keys],
    )


def _known(run: RunData, system: str) -> str:
    if system not in run.systems:
        raise NotThere(f"The run {run.run_id} has no system {system}.")
    return system


def _named(text: str) -> tuple[str, str]:
    run, slash, system = text.partition("/")
    if not slash:
        raise NotThere("Name two systems: /compare?a=RUN/SYSTEM&b=RUN/SYSTEM")
    return run, system


def _number(text: str) -> int:
    """The number of a page, from 1 on; 1 for what is none."""
    return max(1, int(text)) if text.isascii() and text.isdecimal() and len(text) < 7 else 1
