"""Every page of a run that `delm eval` made: no fault, no foreign request, readable everywhere."""

import re
from collections import Counter
from urllib.parse import urldefrag, urlsplit

import pytest
from browsing import chromium, faults_everywhere, needed, open_page, served
from shared_run import QUESTIONED, REPLAYED, copied, shared_run

pytestmark = pytest.mark.slow(seconds=150)
RUN = f"/runs/{REPLAYED}"
HREFS = "all => all.map((each) => new URL(each.getAttribute('href'), location).href)"
MOST = 3  # pages of one kind that are opened


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


def kind(path: str) -> str:
    """Pages of one kind differ in what they are of, and not in how they are made."""
    found = urlsplit(path)
    plain = re.sub(r"/\d+(?=/|$)", "/N", found.path)
    plain = re.sub(r"/(conversations|entries)/[^/]+", r"/\1/X", plain)
    plain = re.sub(r"/rows/(?!calls)\w+", "/rows/X", plain)
    return plain + ("?" if found.query else "")


@pytest.fixture(scope="module")
def pages(place, browser):
    """Every address that a link leads to, from the list of runs on, by its kind."""
    found: dict[str, list[str]] = {}
    with open_page(browser) as page:
        left, known = ["/"], Counter({kind("/"): 1})
        seen = {"/"}
        while left:
            path = left.pop(0)
            if urlsplit(path).path.endswith(".csv"):
                assert page.evaluate("path => fetch(path).then((it) => it.status)", path) == 200
                continue
            answer = page.goto(place.at(path), wait_until="load")
            assert answer.status == 200, path
            assert not re.search(r"Internal Server Error|Traceback", page.inner_text("body")), path
            found.setdefault(kind(path), []).append(path)
            for link in page.eval_on_selector_all("a[href]", HREFS):
                assert link.startswith((place.address, "data:")), f"{path} links to {link}"
                target = urldefrag(link.removeprefix(place.address))[0] or "/"
                if target not in seen and known[kind(target)] < MOST:
                    seen.add(target)
                    known[kind(target)] += 1
                    left.append(target)
    return found


def test_every_link_leads_to_a_page_and_no_page_has_a_fault(pages):
    assert {"/", "/runs/replayed", "/runs/replayed/trials/N", "/runs/replayed/trials/N/calls/N",
            "/runs/replayed/trials/N/conversations/X", "/runs/replayed/trials/N/entries/X",
            "/runs/replayed/rows/calls", "/runs/replayed/compare"} <= set(pages)  # fmt: skip


def test_a_page_of_each_kind_is_accessible_and_fits_its_window(place, browser, pages):
    faults = []
    with open_page(browser) as page:
        for paths in pages.values():
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
