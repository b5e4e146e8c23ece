"""The report of a run, opened from disk: it asks nothing of anybody, and every place is there."""

import re
import subprocess

import pytest
from browsing import chromium, faults_everywhere, needed, open_page
from console import DELM, query
from shared_run import QUESTIONED, REPLAYED, copied, shared_run

pytestmark = pytest.mark.slow(seconds=60)


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
