"""The report of a run, opened from disk: it asks nothing of anybody, and every place is there."""

import re
import subprocess

import pytest
from browsing import chromium, faults_everywhere, needed, open_page
from console import DELM, query
from shared_run import QUESTIONED, REPLAYED, copied, shared_run

pytestmark = pytest.mark.slow(seconds=40)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder of each run, with its report."""
    needed()
    output = tmp_path_factory.mktemp("reports")
    found = {}
    for name in (REPLAYED, QUESTIONED):
        found[name] = copied(shared_run(tmp_path_factory, name), output)
        done = subprocess.run([DELM, "report", name, "-o", output], capture_output=True, text=True,
                              check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr
    return found


@pytest.fixture(scope="module")
def browser(runs):
    with chromium() as browser:
        yield browser


def address(run, fragment="") -> str:
    return (run / "report.html").as_uri() + fragment


def trials_of(run) -> list[int]:
    return [row["trial_id"] for row in query(run, "SELECT trial_id FROM trial ORDER BY 1")]


def opened(page, run, trial: int) -> None:
    page.goto("about:blank")
    page.goto(address(run, f"#trial-{trial}"))
    page.wait_for_selector("#report-opened h1")


@pytest.mark.parametrize("name", [REPLAYED, QUESTIONED])
def test_it_makes_no_request_at_all_and_every_trial_opens(runs, browser, name):
    run, asked = runs[name], []
    with open_page(browser) as page:
        page.on("request", lambda request: asked.append(request.url))
        for trial in trials_of(run):
            opened(page, run, trial)
            (row,) = query(run, f"SELECT system, instance_id FROM trial WHERE trial_id = {trial}")
            title = page.inner_text("#report-opened h1")
            assert row["system"] in title
            assert row["instance_id"] in title
    own = {address(run), "about:blank"}
    assert {url.partition("#")[0] for url in asked if not url.startswith(("data:", "blob:"))} <= own


def test_it_is_accessible_and_fits_its_window(runs, browser):
    faults = []
    with open_page(browser) as page:
        for name in (REPLAYED, QUESTIONED):
            page.goto(address(runs[name]))
            page.wait_for_selector("#grid")
            faults += faults_everywhere(page)
            opened(page, runs[name], trials_of(runs[name])[-1])
            faults += faults_everywhere(page)
    assert not faults, "\n".join(faults)


def test_every_link_in_it_leads_to_a_place_that_is_there(runs, browser):
    run, faults = runs[REPLAYED], []
    with open_page(browser) as page:
        for start in ("", *(f"#trial-{trial}" for trial in trials_of(run))):
            page.goto("about:blank")
            page.goto(address(run, start))
            if start:
                page.wait_for_selector("#report-opened h1")
            links = page.eval_on_selector_all(
                "a[href]", "all => all.map((each) => each.getAttribute('href'))"
            )
            assert all(link.startswith("#") for link in links), links
            for link in sorted(set(links)):
                trial, _, place = link[1:].partition("/")
                if not re.fullmatch(r"trial-\d+", trial):
                    place = link[1:]
                elif trial != start[1:] or not place:
                    continue  # that trial is opened in its turn
                there = page.evaluate(
                    "name => document.getElementById(decodeURIComponent(name)) !== null", place
                )
                if not there:
                    faults.append(f"{start or 'overview'}: {link}")
    assert not faults, "\n".join(faults)


def test_the_keyboard_alone_opens_a_trial_and_comes_back(runs, browser):
    run = runs[REPLAYED]
    with open_page(browser) as page:
        page.goto(address(run))
        page.wait_for_selector("#grid")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_selector("#report-opened h1")
        assert "trial-" in page.evaluate("location.hash")
        page.keyboard.press("?")
        assert page.is_visible("#keys")
        page.keyboard.press("Escape")
        page.go_back()
        page.wait_for_selector("#grid", state="visible")
        assert not page.is_visible("#report-opened h1")


FOCUSED = "document.activeElement.id"


def test_back_leads_to_the_trial_that_one_came_from(runs, browser):
    run = runs[REPLAYED]
    with open_page(browser) as page:
        page.goto(address(run))
        name = page.get_attribute("a.trial-link >> nth=1", "id")
        for back in ("click", "key"):
            page.click(f"#{name}")
            page.wait_for_selector("#report-opened h1")
            if back == "click":
                page.click("#report-back")
            else:
                page.keyboard.press("b")
            page.wait_for_selector("#grid", state="visible")
            page.wait_for_function(f"{FOCUSED} === '{name}'")
        opened(page, run, int(name.removeprefix("open-")))  # straight from an address
        page.keyboard.press("b")
        page.wait_for_function(f"{FOCUSED} === '{name}'")


def test_no_heading_that_an_address_names_is_covered_by_the_bar(runs, browser):
    with open_page(browser) as page:
        page.goto(address(runs[REPLAYED]))
        bar = page.evaluate("document.querySelector('.top').offsetHeight")
        names = page.eval_on_selector_all(".top nav a", "all => all.map((each) => each.hash)")
        for name in names:
            page.goto(address(runs[REPLAYED], name))
            page.wait_for_function(
                f"document.querySelector('{name}').getBoundingClientRect().top >= {bar}"
            )


def test_a_word_opens_its_entry_of_the_glossary(runs, browser):
    with open_page(browser) as page:
        page.goto(address(runs[REPLAYED]))
        page.focus("a.term")
        page.keyboard.press("Enter")
        page.wait_for_function("location.hash.startsWith('#word-')")
        assert page.is_visible(f"[id={page.evaluate('location.hash.slice(1)')}]")


def test_a_key_that_leads_away_does_nothing_in_a_control(runs, browser):
    run = runs[REPLAYED]
    with open_page(browser) as page:
        opened(page, run, trials_of(run)[0])
        page.focus("#report-opened summary")
        before = page.url
        page.keyboard.press("j")
        assert page.url == before
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("j")
        page.wait_for_function("before => location.href !== before", arg=before)


def test_in_a_narrow_window_the_navigation_is_a_line_and_what_scrolls_fades(runs, browser):
    with open_page(browser, width=400) as page:
        page.goto(address(runs[REPLAYED]))
        assert page.evaluate("document.querySelector('.top nav').offsetHeight") < 60
        cut = """() => [...document.querySelectorAll('.scroll')].filter((each) =>
            each.scrollWidth > each.clientWidth + 2 && !each.matches('.more-right'))
            .map((each) => each.getAttribute('aria-label'))"""
        page.wait_for_function(f"({cut})().length === 0")
        assert page.locator(".scroll.more-right").count()
