"""A hostile run: nothing in it executes, and nothing breaks the layout, in page and report."""

import os
import subprocess
from urllib.parse import quote

import pytest
from browsing import WIDTHS, chromium, needed, open_page, overflow, served
from console import DELM, query
from crawling import crawl
from hostile_run import RUN_ID, make_hostile
from shared_run import INSTANCE, QUESTIONED, REPLAYED, copied, shared_run

pytestmark = pytest.mark.slow(seconds=45)
PUT_IN = """() => {
    const found = [];
    for (const each of document.querySelectorAll('*')) {
        for (const { name, value } of each.attributes) {
            if (name.startsWith('on')) found.push(`${each.tagName} ${name}`);
            if (['href', 'src', 'action'].includes(name) && /^\\s*javascript:/i.test(value)) {
                found.push(`${each.tagName} ${name}=${value.slice(0, 80)}`);
            }
        }
    }
    for (const each of document.querySelectorAll('img[src=x], iframe, object, embed, base')) {
        found.push(each.outerHTML.slice(0, 80));
    }
    const seen = /[\\u0000-\\u0008\\u000b-\\u001f\\u007f\\u202a-\\u202e\\u2066-\\u2069]/;
    if (seen.test(document.body.innerText)) found.push('a control character');
    return found;
}"""
TALLEST = 60_000  # px, of a page with everything folded as it comes


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """A folder with a hostile run of a team, and its report; and one of questions."""
    needed()
    folder = tmp_path_factory.mktemp("hostile")
    run = copied(shared_run(tmp_path_factory, REPLAYED), folder)
    said = [DELM, "label", run, INSTANCE, "-s", "delm", "-l", "unclear", "--by", "Ada",
            "--comment", "who knows"]  # fmt: skip
    done = subprocess.run(said, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    make_hostile(run)
    other = copied(shared_run(tmp_path_factory, QUESTIONED), folder / "other")
    make_hostile(other).rename(folder / "questions")
    for name in (RUN_ID, "questions"):
        done = subprocess.run([DELM, "report", name, "-o", folder], capture_output=True, text=True,
                              check=False, env=os.environ)  # fmt: skip
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def browser(output):
    with chromium() as browser:
        yield browser


def looked_at(page) -> list[str]:
    """What is wrong with a page."""
    height = page.evaluate("document.documentElement.scrollHeight")
    told = [f"{page.url[:200]}: {each}" for each in page.evaluate(PUT_IN)]
    return told + ([f"{page.url[:200]}: {height} px high"] if height > TALLEST else [])


def test_no_page_of_it_executes_anything_or_is_broken(output, browser):
    faults = []

    def look(page, path):
        faults.extend(looked_at(page))
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            faults.extend(overflow(page))

    with served(output) as server, open_page(browser) as page:
        page.set_default_timeout(60_000)
        found = crawl(page, server, look)
    assert any(quote(RUN_ID, safe="") in path for paths in found.values() for path in paths)
    assert len(found) > 15
    assert not faults, "\n".join(faults[:20])


@pytest.mark.parametrize("name", [RUN_ID, "questions"])
def test_its_report_executes_nothing_and_asks_nothing(output, browser, name):
    run, faults = output / name, []
    address = (run / "report.html").as_uri()
    assert (run / "report.html").stat().st_size < 10e6
    with open_page(browser) as page:
        page.set_default_timeout(60_000)
        for trial in query(run, "SELECT trial_id FROM trial"):
            page.goto("about:blank")
            page.goto(f"{address}#trial-{trial['trial_id']}")
            page.wait_for_selector("#report-opened h1")
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                faults += looked_at(page) + overflow(page)
        page.goto("about:blank")
        page.goto(address)
        page.wait_for_selector("#grid")
        faults += looked_at(page) + overflow(page)
    assert not faults, "\n".join(faults[:20])
