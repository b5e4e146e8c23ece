"""Every page of a run that `delm eval` made: no fault, no foreign request, readable everywhere."""

import re

import pytest
from browsing import chromium, faults_everywhere, needed, open_page, served
from crawling import crawl
from shared_run import INSTANCE, QUESTIONED, REPLAYED, copied, shared_run

pytestmark = pytest.mark.slow(seconds=80)
RUN = f"/runs/{REPLAYED}"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    needed()
    output = tmp_path_factory.mktemp("pages")
    for name in (REPLAYED, QUESTIONED):
        copied(shared_run(tmp_path_factory, name), output)
    with served(output) as server:
        yield server


@pytest.fixture(scope="module")
def browser(place):
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def pages(place, browser):
    """Every address that a link leads to, from the list of runs on, by its kind."""
    with open_page(browser) as page:
        return crawl(page, place)


def test_every_link_leads_to_a_page_and_no_page_has_a_fault(pages):
    assert {"/", "/runs/replayed", "/runs/replayed/trials/N", "/runs/replayed/trials/N/calls/N",
            "/runs/replayed/trials/N/conversations/X", "/runs/replayed/trials/N/entries/X",
            "/runs/replayed/rows/calls", "/runs/replayed/compare"} <= set(pages)  # fmt: skip


def test_a_page_of_each_kind_is_accessible_and_fits_its_window(place, browser, pages):
    faults = []
    with open_page(browser) as page:
        for kind, paths in pages.items():
            if kind.startswith("/runs/questions") and "/trials/" not in kind:
                continue  # it is as that of the other run
            page.goto(place.at(paths[-1]), wait_until="load")
            faults += faults_everywhere(page)
    assert not faults, "\n".join(faults)


def test_what_a_link_names_in_a_page_is_there(place, browser, pages):
    faults = []
    with open_page(browser) as page:
        for name in ("/runs/replayed", "/runs/replayed/trials/N", "/runs/questions/trials/N"):
            page.goto(place.at(pages[name][-1]), wait_until="load")
            links = page.eval_on_selector_all(
                "a[href*='#']", "all => all.map((each) => each.getAttribute('href'))"
            )
            for link in sorted(set(links)):
                page.goto(place.at(link) if link.startswith("/") else page.url.split("#")[0] + link)
                there = page.evaluate(
                    "document.getElementById(decodeURIComponent(location.hash.slice(1))) !== null"
                )
                if not there:
                    faults.append(f"{page.url} is not there")
    assert not faults, "\n".join(faults)


@pytest.fixture
def team(place, browser):
    """The page of the trial of a team, opened from the grid with the keyboard."""
    with open_page(browser) as page:
        page.goto(place.at(RUN))
        page.wait_for_selector(".grid-table")
        for key in ("j", "l", "Enter"):
            page.keyboard.press(key)
        page.wait_for_url(f"**{RUN}/trials/*")
        assert page.inner_text("h1").startswith(f"delm on {INSTANCE}")
        yield page


def test_an_entry_is_unfolded_to_the_execution_that_admitted_it_and_to_what_its_author_saw(team):
    team.locator("#entry-F1 > summary").click()
    body = team.inner_text("#entry-F1")
    assert re.search(r"Admitted\s+[\d.]+ s after the trial began", body)
    assert re.search(r"the check of\s+proposal 1: ", body)
    team.locator("#entry-F1 >> text=on a page of its own").click()
    team.wait_for_url("**/entries/F1")
    assert "url_prefix" in team.inner_text("main")
    team.locator("a[href*='#message-']").first.click()
    team.wait_for_url("**/conversations/*#message-*")
    name = team.evaluate("location.hash.slice(1)")
    assert team.locator(f"#{name}").is_visible()
    assert "publish" in team.inner_text(f"#{name}")


def test_the_slider_shows_the_board_as_it_was(team):
    slider = team.locator(".replay input[type=range]")
    slider.focus()
    told = team.locator(".replay output")
    entries = ".replay-entries > li:visible"
    last = team.locator(entries).count()
    assert last >= 2
    team.keyboard.press("Home")
    assert told.inner_text().startswith("1 of ")
    assert team.locator(entries).count() == 0
    seen = []
    for _ in range(int(slider.get_attribute("max")) - 1):
        team.keyboard.press("ArrowRight")
        seen.append(team.locator(entries).count())
    assert seen == sorted(seen)
    assert seen[-1] == last


def test_the_shipped_diff_stands_beside_the_gold_diff_and_below_it_on_a_small_screen(team):
    ours, gold = (team.locator(f"{each} .diff-lines").first for each in (".submission", ".gold"))
    assert "url_prefix" in ours.locator("tr.add").first.inner_text() + ours.inner_text()
    assert gold.locator("tr.add").count() > 0
    one, two = ours.bounding_box(), gold.bounding_box()
    assert two["x"] > one["x"] + one["width"] - 1
    team.set_viewport_size({"width": 400, "height": 900})
    one, two = ours.bounding_box(), gold.bounding_box()
    assert two["y"] > one["y"] + one["height"] - 1


def test_every_part_of_a_trial_is_reached_with_the_keyboard_alone(team):
    """With Tab alone each link, button, field and scrolling part has the focus, and shows it."""
    wanted = team.evaluate("""() => [...document.querySelectorAll(
        'a[href], button, input, select, textarea, summary, [tabindex="0"]')]
        .filter((each) => each.tabIndex >= 0 && !each.disabled && each.checkVisibility()
            && each.type !== 'hidden').length""")
    team.evaluate("document.activeElement.blur()")
    seen, invisible = set(), []
    for _ in range(wanted + 20):
        team.keyboard.press("Tab")
        told = team.evaluate("""() => {
            const it = document.activeElement;
            if (!it || it === document.body) return null;
            const all = [...document.querySelectorAll('*')];
            const style = getComputedStyle(it);
            const shown = style.outlineStyle !== 'none' || style.boxShadow !== 'none';
            return [all.indexOf(it), shown, it.outerHTML.slice(0, 120)];
        }""")
        if told is None:
            break
        seen.add(told[0])
        if not told[1]:
            invisible.append(told[2])
    assert len(seen) >= wanted - 2, (len(seen), wanted)
    assert not invisible, invisible[:5]


def test_keys_are_listed_and_lead_from_trial_to_trial(team):
    team.keyboard.press("?")
    assert team.locator("#keys-list dt").count() >= 3
    team.keyboard.press("Escape")
    team.wait_for_selector("dialog", state="hidden")  # the browser closes it a moment later
    before = team.url
    team.keyboard.press("h")
    team.wait_for_url(lambda url: url != before)
    assert team.inner_text("h1").startswith("single on")
