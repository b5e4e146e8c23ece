"""The grid in a browser: the script chooses as the server does, and the keyboard is enough."""

from contextlib import closing
from itertools import product
from urllib.parse import urlencode

import anyio
import pytest
from browsing import chromium, needed, open_page, overflow, served
from markupsafe import Markup
from planted_many import plant_many

from harness.analysis.outcome_grid import outcome_grid
from harness.pages.grid import OUTCOMES, SORTS, GridQuery, grid_html, grid_page
from harness.pages.links import ReportLinks
from harness.pages.rendering import _templates, asset
from harness.pages.run_data import outcome_data
from harness.store.sqlite.store import SqliteStore

pytestmark = pytest.mark.slow(seconds=33)

FILE = """{% extends "base.html.j2" %}{% block head %}<style>{{ css }}</style>{% endblock %}
{% block main %}<h1>Grid</h1><section id="grid">{{ grid }}</section>{% endblock %}
{% block end %}<script>{{ js }}</script>{% endblock %}"""
SHOWN = """() => [...document.querySelectorAll('.grid-table tbody tr')]
    .filter((row) => !row.hidden).map((row) => row.dataset.instance)"""
SUMS = """() => [...document.querySelectorAll('.grid-table tfoot td')]
    .map((cell) => cell.textContent.match(/\\d+ of \\d+/)[0])"""
FOCUSED = "document.activeElement.getAttribute('aria-label')"
CHOICES = (
    *({"sort": sort, "of": system} for sort, system in product(SORTS, ("", "delm", "centralized"))),
    *({"outcome": outcome} for outcome in OUTCOMES),
    {"repo": "p/two", "find": "p-1"}, {"difficulty": "1-4 hours"}, {"find": "P-2 ONE  "},
    {"sort": "-cost", "of": "nobody"}, {"find": "no such instance"},
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    needed()
    return anyio.run(plant_many, tmp_path_factory.mktemp("grid"))


@pytest.fixture(scope="module")
def data(folder):
    with closing(SqliteStore(folder.path / "run.db", read_only=True)) as store:
        return anyio.run(lambda: outcome_data(store, run_id="many"))


@pytest.fixture(scope="module")
def grid(data):
    return outcome_grid(data.rows.trials, data.rows.submissions, data.scored.scores)


@pytest.fixture(scope="module")
def levels(data):
    return data.benchmark.levels


@pytest.fixture(scope="module")
def file(folder, grid, levels):
    """A file that holds the whole grid, as the report does."""
    names = ("page", "grid")
    values = {"css": "".join(asset(f"{name}.css") for name in names),
              "js": "".join(asset(f"{name}.js") for name in names)}  # fmt: skip
    html = grid_html(grid_page(grid, levels), ReportLinks())
    text = {name: Markup(value) for name, value in values.items()}
    path = folder.path / "grid.html"
    path.write_text(_templates().from_string(FILE).render(grid=html, **text))
    return path.as_uri()


@pytest.fixture(scope="module")
def browser(data):  # which is read before: the loop of this thread is the browser's
    with chromium() as browser:
        yield browser


def test_the_script_chooses_sorts_and_adds_up_as_the_server_does(browser, file, grid, levels):
    with open_page(browser) as page:
        page.goto(file)
        for asked in CHOICES:
            wanted = grid_page(grid, levels, GridQuery(**asked))
            address = urlencode({name: value for name, value in asked.items() if value})
            page.evaluate("address => { location.hash = '#grid/' + address; }", address or "page=1")
            page.wait_for_function(
                f"count => ({SHOWN})().length === count", arg=len(wanted.rows), timeout=5000
            )
            page.evaluate("() => new Promise((done) => setTimeout(done, 20))")
            assert page.evaluate(SHOWN) == [row.instance_id for row in wanted.rows], asked
            sums = [*wanted.columns, wanted.sums]
            assert page.evaluate(SUMS) == [f"{one.resolved} of {one.wanted}" for one in sums], asked


def test_a_choice_stands_in_the_address_and_can_be_sent(browser, file):
    with open_page(browser) as page:
        page.goto(file)
        page.select_option("select[name=outcome]", "flagged")
        page.fill("input[name=find]", "p-1")
        chosen, address = page.evaluate(SHOWN), page.url
        assert address.endswith("#grid/find=p-1&outcome=flagged")
        page.click(".grid-reset")
        assert len(page.evaluate(SHOWN)) == 50
        page.goto("about:blank")
        page.goto(address)
        assert page.evaluate(SHOWN) == chosen
        assert 0 < len(chosen) < 50
        assert page.input_value("input[name=find]") == "p-1"


def test_the_keyboard_is_enough(browser, file, grid, levels):
    rows = grid_page(grid, levels).rows
    with open_page(browser) as page:
        page.goto(file)
        stops = "() => [...document.querySelectorAll('.grid-table a')].filter((a) => !a.tabIndex)"
        assert page.evaluate(f"({stops})().length") == 1  # and not two hundred
        for key in "jjl":
            page.keyboard.press(key)
        assert page.evaluate(FOCUSED).startswith(f"single on {rows[1].instance_id}, trial #2:")
        page.keyboard.press("k")
        page.keyboard.press("ArrowLeft")
        assert page.evaluate(FOCUSED).startswith(f"single on {rows[0].instance_id}, trial #1:")
        page.keyboard.press("Enter")
        assert page.url.endswith(f"#trial-{rows[0].cells[0].trials[0].trial['trial_id']}")
        page.keyboard.press("/")
        page.keyboard.type("jk?")  # letters, and no keys
        assert page.evaluate("document.activeElement.value") == "jk?"
        assert not page.evaluate("document.querySelector('dialog').open")
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("?")
        assert "next instance" in page.inner_text("#keys")
        page.keyboard.press("Escape")
        page.focus("button.sort")
        page.keyboard.press("Enter")
        assert page.get_attribute("th[data-sort=instance]", "aria-sort") == "ascending"


def test_on_the_live_page_the_server_chooses(browser, folder, grid, levels):
    with served(folder.path.parent) as server, open_page(browser, width=400) as page:
        page.goto(server.at("/runs/many"))
        assert len(page.evaluate(SHOWN)) == 50
        with page.expect_navigation():
            page.select_option("select[name=sort]", "-cost")
        assert page.url == server.at("/runs/many?sort=-cost#grid")  # nothing that is at its default
        with page.expect_navigation():
            page.select_option("select[name=of]", "delm")
        wanted = grid_page(grid, levels, GridQuery(sort="-cost", of="delm"))
        assert page.evaluate(SHOWN) == [row.instance_id for row in wanted.rows]
        page.wait_for_function("document.activeElement.name === 'of'")  # where one was before
        assert not overflow(page)
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("j")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        first = wanted.rows[0]
        assert f"single on {first.instance_id}, trial #1" in page.inner_text("h1")
        with page.expect_navigation():
            page.keyboard.press("l")
        assert f"single on {first.instance_id}, trial #2" in page.inner_text("h1")
        with page.expect_navigation():
            page.keyboard.press("j" if first.position < 49 else "k")
        assert f"{first.instance_id}," not in page.inner_text("h1")
        assert "trial #2" in page.inner_text("h1")
        with page.expect_navigation():
            page.keyboard.press("b")
        assert page.url == server.at("/runs/many#grid")
