"""Two systems compared on a page: the numbers are those of the terminal, and the order helps."""

import random
import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from html import unescape

import anyio
import pytest
from hostile_texts import HOSTILE, balanced, faults, parsed
from planted import MATRIX, System, plant

from harness.analysis.agent_curves import CurveRun, agent_curves, kind_of_system
from harness.analysis.cost_breakdown import ACTIVITY
from harness.analysis.cost_difference import parts_apart, why_apart
from harness.analysis.run_costs import cost_rows
from harness.config import resolve
from harness.pages.axes import Axis, upto
from harness.pages.compare import PER_PAGE, Chosen, compare_html, compare_page, named_costs
from harness.pages.curves import curves, curves_html
from harness.pages.heat_map import heat_map, heat_map_html
from harness.pages.links import ReportLinks, ViewLinks
from harness.pages.run_comparisons import comparisons_html, pairs_of
from harness.pages.run_data import run_data
from harness.runner.systems import load_systems

pytestmark = pytest.mark.slow(seconds=6)
LINKS = ViewLinks("r")
MANY = 104  # instances: more than a page
EVIL = HOSTILE.encode(errors="replace").decode()


async def read(folder):
    async with folder.open() as store, folder.boards() as boards:
        data = await run_data(store, boards, run_id=folder.run_id, output=folder.path.parent)
        costs = await cost_rows(data.rows, store, boards, len)
    return replace(data, costs=costs)


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
async def run(tmp_path_factory, anyio_backend):
    rng = random.Random(1)
    names = [f"project__repo-{1000 + n}" for n in range(MANY)]
    shapes = {"single": (1, "one"), "independent": (2, "independent"), "delm": (4, "shared")}
    matrix = {
        system: System(agents, submits, {
            name: ["".join(rng.choice("RU") for _ in range(agents)) for _ in range(4 // agents)]
            for name in names
        })
        for system, (agents, submits) in shapes.items()
    }  # fmt: skip
    items = [{"instance_id": name, "repo": "p/r", "difficulty": "", "length": ""} for name in names]
    folder = await plant(tmp_path_factory.mktemp("compare"), "many", matrix, instances=items)
    with closing(sqlite3.connect(folder.path / "run.db")) as database, database:
        database.execute("UPDATE call SET cost_usd = 0.001 * (1 + call_id % 97)")
    return await read(folder)


async def planted(output):
    return await read(await plant(output))


@pytest.fixture
async def small(tmp_path):
    return await read(await plant(tmp_path))


def page_of(run, a="single", b="delm", **more):
    return compare_page(Chosen(run, a, LINKS), Chosen(run, b, LINKS), **more)


def words(html: str) -> str:
    return " ".join("".join(parsed(str(html)).text).split())


def test_the_sentences_are_those_of_delm_compare(delm, place):
    small = anyio.run(planted, place / "results")
    html = words(compare_html(page_of(small)))
    said = delm("compare", "r", "-s", "single", "-s", "delm").out
    told = [line for line in said.splitlines()
            if line.startswith(("Avg.@1:", "first trial", "cost per", "cost verdict"))]  # fmt: skip
    assert len(told) == 4
    for line in told:  # the terminal has letters for names
        named = re.sub(r"\bB\b", "delm", re.sub(r"\bA\b", "single", line))
        assert " ".join(named.split()) in html
    assert "WARNING" not in html


def test_the_dollars_by_cause_are_those_of_delm_cost(delm, place):
    small = anyio.run(planted, place / "results")
    page = page_of(small, costs=small.costs)
    table = delm("cost", "r", "-s", "single", "-s", "delm").out
    for part in page.costs.causes:
        line = next(line for line in table.splitlines() if line.startswith(f"{part.label} "))
        assert line.split()[-5:-2] == [f"{part.a:.4f}", f"{part.b:.4f}", f"{part.less:+.4f}"]
    whole = {row["system"]: row for row in small.costs if row["part"] == "system"}
    apart = whole["delm"]["cost_per_submission_usd"] - whole["single"]["cost_per_submission_usd"]
    for parts in (page.costs.causes, page.costs.activities):
        assert sum(part.less for part in parts) == pytest.approx(apart)


def test_instances_that_differ_come_first_then_those_that_cost_differently(run):
    pairs = [row.pair for row in page_of(run).rows]
    assert len(pairs) == MANY
    gaps = [abs(pair.gap) for pair in pairs]
    assert gaps == sorted(gaps, reverse=True)
    same = [abs(pair.cost_gap) for pair in pairs if not pair.gap]
    assert len(same) > 5
    assert same == sorted(same, reverse=True)
    one = pairs[0]
    assert one.gap == pytest.approx(one.a.average - one.b.average)
    assert one.costs[1] == pytest.approx(one.b.cost_of(page_of(run).submissions))


def test_pages_of_instances_hold_each_once_and_no_page_is_beyond_the_last(run):
    pages = [page_of(run, page=number, address="/x?a=1") for number in (1, 2, 99)]
    names = [[row.pair.instance_id for row in page.rows] for page in pages]
    assert len(names[0]) == PER_PAGE
    assert sorted(names[0] + names[1]) == sorted(run.instances)
    assert names[2] == names[1]
    assert "/x?a=1&amp;page=2" in str(compare_html(pages[0]))


def test_every_trial_of_both_is_a_link_and_every_amount_leads_to_its_rows(run):
    html = str(compare_html(page_of(run)))
    trials = {t["trial_id"] for t in run.rows.trials if t["system"] in {"single", "delm"}}
    assert {int(n) for n in re.findall(r'href="/runs/r/trials/(\d+)"', html)} == trials
    links = [unescape(link) for link in re.findall(r'href="([^"]*rows/calls[^"]*)"', html)]
    assert len(links) == 2 * MANY
    assert "/runs/r/rows/calls?system=delm&instance_id=project__repo-1000" in links


def test_slopes_count_every_instance_once_and_stay_inside(run):
    page = page_of(run)
    for drawing in page.drawings:
        told = [int(n) for n in re.findall(r"on (\d+)[ ,;]", drawing.summary)]
        assert told[0] == MANY
        assert sum(told[1:]) == MANY
        for line in [*drawing.lines, drawing.mean]:
            assert 34 <= line.y1 <= 226
            assert 34 <= line.y2 <= 226
    score = page.drawings[0]
    assert f"mean single {score.mean_words[0]}, delm {score.mean_words[1]}" in score.summary


async def test_a_system_that_did_not_run_somewhere_is_told_and_is_in_no_drawing(small):
    page = page_of(small, "independent", "delm-n2")
    ran = [row for row in page.rows if row.pair.gap is not None]
    assert f"on {len(ran)} instance" in page.drawings[0].summary
    assert "failed" in " ".join(page.warnings) or "infrastructure" in " ".join(page.warnings)


async def test_without_a_price_nothing_is_drawn_or_explained_in_dollars(tmp_path):
    free = await read(await plant(tmp_path, "free", price=None))
    page = page_of(free, costs=free.costs)
    assert [drawing.title for drawing in page.drawings] == ["Avg.@1"]
    assert page.costs is None
    assert "$0.0000" not in str(compare_html(page))
    assert why_apart(free.costs, "single", "delm") == []


@pytest.mark.parametrize("links", [ReportLinks(), ViewLinks("run/<b>")])
async def test_nothing_hostile_in_names_reaches_the_browser(tmp_path, links):
    evil = {EVIL: System(1, "one", {EVIL: ["R"]}), "b": System(1, "one", {EVIL: ["U"]})}
    items = [{"instance_id": EVIL, "repo": EVIL, "difficulty": "", "length": ""}]
    data = await read(await plant(tmp_path, "evil", evil, instances=items))
    (name,) = set(data.systems) - {"b"}  # as the store keeps it
    page = compare_page(
        Chosen(data, name, links), Chosen(data, "b", links), costs=data.costs, costs_later="/x"
    )
    for html in (compare_html(page), heat_map_html(data.scored.scores),
                 comparisons_html(data, links)):  # fmt: skip
        assert faults(str(html)) == []
        assert balanced(str(html))


def test_two_runs_have_the_names_of_their_runs_and_are_warned_about(run):
    other = replace(run, run_id="other", scored=replace(run.scored, rows=replace(
        run.rows, facts={**run.facts, "model": "n", "replay": True})))  # fmt: skip
    page = compare_page(Chosen(run, "delm", LINKS), Chosen(other, "delm", ViewLinks("other")))
    told = " ".join(page.warnings)
    assert "different models" in told
    assert "other is a replay" in told
    assert (page.a.name, page.b.name) == ("delm of many", "delm of other")
    assert page.differ == 0
    assert page.command == ".venv/bin/delm compare many other -s delm"


async def test_the_reasons_name_the_dearer_system_and_add_up(small):
    lines = why_apart(small.costs, "delm", "single")
    assert lines == why_apart(small.costs, "single", "delm")
    named = {"system": {"delm": "x", "single": "y"}}["system"]
    assert "than one of" in why_apart(named_costs(small.costs, named), "x", "y")[0]
    shares = [part.share for part in parts_apart(small.costs, "single", "delm", (ACTIVITY,))]
    assert sum(shares) == pytest.approx(1)


async def test_in_the_report_pairs_open_in_place_and_on_the_page_they_are_links(
    small, run, monkeypatch
):
    assert pairs_of(small)[0] == ("independent", "single")
    assert all("single" in pair for pair in pairs_of(small)[:3])
    report = str(comparisons_html(small, ReportLinks()))
    assert report.count("<details") == 6
    live = str(comparisons_html(small, LINKS))
    assert live.count("<li>") == 6
    assert "<details" not in live
    monkeypatch.setattr("harness.pages.run_comparisons.MOST_ROWS", 3 * MANY - 1)
    large = str(comparisons_html(run, ReportLinks()))
    assert large.count("<summary>") == 2
    assert "1 more pair, without the baseline" in large
    assert "more instances, on which" not in large
    monkeypatch.setattr("harness.pages.run_comparisons.MOST_ROWS", 2)
    short = str(comparisons_html(run, ReportLinks()))
    assert short.count(f"{MANY - 50} more instances, on which they differ less") == 2
    assert len(short) < len(large)


def test_the_heat_map_has_a_square_for_each_system_and_instance(run):
    found = heat_map(run.scored.scores)
    cells = [cell for block in found.blocks for cell in block.cells]
    assert len(cells) == 3 * MANY
    assert len({(at, cell.x, cell.y) for at, block in enumerate(found.blocks)
                for cell in block.cells}) == len(cells)  # fmt: skip
    assert {cell.level for cell in cells} <= {str(n) for n in range(11)}
    assert heat_map([]) is None


# -- curves ------------------------------------------------------------------------------------


def record(agents, **options):
    return [{"system": "agents.delm:Delm", "agents": agents, "submissions": "shared",
             "benchmark": "swe-bench", "options": options}]  # fmt: skip


async def with_systems(tmp_path, run_id="r", matrix=MATRIX, **systems):
    return await read(await plant(tmp_path, run_id, matrix, systems=systems))


async def test_a_curve_is_of_systems_that_differ_in_their_agents_alone(tmp_path):
    run = await with_systems(tmp_path, single=record(1, other=1), delm=record(4),
                             **{"delm-n2": record(2)})  # fmt: skip
    (found,) = curves([run])
    assert [(point.system, point.agents) for point in found.curve.points] == [
        ("delm-n2", 2), ("delm", 4),
    ]  # fmt: skip
    rows = {row["system"]: row for row in run.scored.table}
    assert [point.score.value for point in found.curve.points] == [
        rows["delm-n2"]["avg_at_1"], rows["delm"]["avg_at_1"],
    ]  # fmt: skip
    html = str(curves_html([found]))
    assert faults(html) == []
    assert balanced(html)
    assert html.count('role="img"') == 3
    table = {row["system"]: row for row in run.scored.table}
    for point in found.curve.points:
        row = table[point.system]
        assert (point.score.value, point.cost.value) == (
            row["avg_at_1"], row["cost_per_instance_usd"]
        )  # fmt: skip
    for drawing in found.drawn:
        for point in drawing.points:
            assert 62 < point.x < 300
            assert 14 <= point.y <= 166


async def test_other_options_and_runs_of_another_model_make_no_curve(tmp_path):
    run = await with_systems(tmp_path, delm=record(4), **{"delm-n2": record(2, verify=False)})
    assert curves([run]) == []
    small = {"delm": MATRIX["delm-n2"]}  # as `-n 2` names it
    other = await with_systems(tmp_path, "n2", small, delm=record(2))
    (found,) = curves([run, other])
    assert [(point.run_id, point.agents) for point in found.curve.points] == [("n2", 2), ("r", 4)]
    facts = {**other.facts, "model": "another"}
    apart = CurveRun(run_id="n2", facts=facts, agents={"delm": 2}, scores=other.scored.scores)
    mine = CurveRun(run_id="r", facts=run.facts, agents={"delm": 4}, scores=run.scored.scores)
    assert agent_curves([mine, apart]) == []
    assert curves([]) == []


@pytest.mark.parametrize("most", [1, 0.003, 7, 99.9, 12345.6, 1e-7])
def test_an_axis_has_round_steps_and_holds_its_values(most):
    end = upto([most, most / 3])
    assert most <= end <= 2.6 * most
    axis = Axis(most=end, start=100.0, end=0.0)
    ticks = axis.ticks(str)
    assert 2 <= len(ticks) <= 6
    assert ticks[0] == (100.0, "0.0")
    assert axis.at(end) == 0.0
    assert axis.at(end * 5) == 0.0
    assert upto([]) == upto([0.0]) == 1.0


def test_the_bundled_variants_with_fewer_agents_are_of_one_curve_and_ablations_are_not():
    wanted = ["delm", "delm-n2", "delm-no-tests"]
    made = load_systems(resolve([{"systems": wanted, "submissions": 4}]), {})
    facts = {"systems": {each.name: [each.record] for each in made}}
    kinds = {each.name: kind_of_system(facts, each.name) for each in made}
    assert kinds["delm"] == kinds["delm-n2"] != kinds["delm-no-tests"]
