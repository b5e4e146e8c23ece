"""The report: one file that opens from disk, runs nothing foreign, and stays small."""

import base64
import gzip
import hashlib
import json
import re
import shutil
import sqlite3
from contextlib import closing
from html.parser import HTMLParser
from types import SimpleNamespace
from urllib.parse import unquote

import anyio
import pytest
from planted import System, plant, plant_board

from harness.commands.report_at_end import report_at_end
from harness.pages.run_data import run_data
from harness.report.static_report import DEPTHS, write_report
from harness.results.run_folder import RunFolder
from harness.runner.progress import console

pytestmark = pytest.mark.slow(seconds=20)

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\x1b[31m\u202e\"'`"


async def written(folder, path=None, **limits):
    path = path or folder.path / "report.html"
    async with folder.open() as store, folder.boards() as boards:
        run = await run_data(store, boards, run_id=folder.run_id, output=folder.path.parent)
        return await write_report(path, run, store, boards, **limits)


class Page(HTMLParser):
    """The elements of a page as (tag, attributes), and the contents of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.blocks, self.texts = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag in {"script", "style"}:
            self.blocks.append((tag, dict(attrs), []))

    def handle_data(self, data):
        if not self.cdata_elem:
            self.texts.append(data)
        else:
            self.blocks[-1][2].append(data)

    def block(self, tag, **names):
        """The content of each such block."""
        return [
            "".join(text)
            for name, attrs, text in self.blocks
            if name == tag and all(attrs.get(key) == value for key, value in names.items())
        ]

    def ids(self):
        return [attrs["id"] for _, attrs in self.elements if "id" in attrs]

    def addresses(self):
        return [attrs["href"] for tag, attrs in self.elements if tag == "a" and "href" in attrs]


def cells_of(text):
    """By trial, its page in the file."""
    found = re.findall(r'<script type="text/plain" id="cell-(\d+)">([^<]*)</script>', text)
    return {int(key): gzip.decompress(base64.b64decode(cell)).decode() for key, cell in found}


def shown(text):
    """The report without its trials, parsed."""
    return Page(re.sub(r'<script type="text/plain".*?</script>', "", text, flags=re.DOTALL))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A run of everything that goes wrong, with a board, and its report."""

    async def make():
        folder = await plant(tmp_path_factory.mktemp("small"))
        async with folder.open() as store:
            trials = await store.trials()
        team = next(trial for trial in trials if trial["system"] == "delm")
        await plant_board(folder, team["trial_id"], verified_s=7.5)
        return folder, await written(folder), trials

    folder, report, trials = anyio.run(make)
    text = report.path.read_text("utf-8")
    return SimpleNamespace(
        folder=folder,
        report=report,
        trials=trials,
        text=text,
        page=shown(text),
        cells=cells_of(text),
    )


def test_the_policy_allows_the_one_stylesheet_and_the_one_script_and_nothing_else(small):
    (policy,) = [
        attrs["content"] for tag, attrs in small.page.elements
        if tag == "meta" and attrs.get("http-equiv") == "Content-Security-Policy"
    ]  # fmt: skip
    told = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert told["default-src"] == told["base-uri"] == told["form-action"] == "'none'"
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        run = small.page.block(tag, **({"type": None} if tag == "script" else {}))
        assert len(run) == 1, directive
        digest = base64.b64encode(hashlib.sha256(run[0].encode()).digest()).decode()
        assert told[directive] == f"'sha256-{digest}'"


@pytest.mark.parametrize("which", ["overview", "trials"])
def test_nothing_is_asked_of_the_network_and_nothing_runs_in_an_attribute(small, which):
    pages = [small.page] if which == "overview" else [Page(cell) for cell in small.cells.values()]
    for page in pages:
        for tag, attrs in page.elements:
            assert not {name for name in attrs if name.startswith("on")}, (tag, attrs)
            assert not attrs.keys() & {"style", "src", "srcset", "data", "formaction"}
            assert attrs.get("action", "#").startswith("#")
            if tag == "link":
                assert attrs["href"] == "data:,"
            elif "href" in attrs:
                assert attrs["href"].startswith("#"), attrs
        kinds = {attrs.get("type") for tag, attrs, _ in page.blocks if tag == "script"}
        assert kinds <= {None, "application/json"} if which == "overview" else {"application/json"}


def test_every_trial_that_was_started_can_be_opened(small):
    started = {trial["trial_id"] for trial in small.trials if trial["started_at"]}
    assert small.cells.keys() == started
    assert small.report.trials == len(started)
    assert not small.report.left_out
    (listed,) = small.page.block("script", id="report-trials")
    assert {key for key, _ in json.loads(listed)} == started
    for key, cell in small.cells.items():
        assert f'id="trial-{key}"' in cell


def test_every_link_leads_to_a_place_that_is_there(small):
    here = set(small.page.ids())
    inside = {key: set(Page(cell).ids()) for key, cell in small.cells.items()}
    lists = [small.page.addresses(), *(Page(cell).addresses() for cell in small.cells.values())]
    for address in (address for addresses in lists for address in addresses):
        name, _, place = address.removeprefix("#").partition("/")
        opened = re.fullmatch(r"trial-(\d+)", name)
        if opened is None:
            assert name in here, address
            continue
        key = int(opened[1])
        if key in inside and place:
            assert unquote(place) in inside[key], address


def test_no_id_is_there_twice_with_a_trial_opened(small):
    for key, cell in small.cells.items():
        ids = [*small.page.ids(), *Page(cell).ids()]
        assert sorted({name for name in ids if ids.count(name) > 1}) == [], key


def test_the_sections_stand_in_the_order_of_a_readers_questions(small):
    names = [attrs["id"] for tag, attrs in small.page.elements if tag == "h2" and "id" in attrs]
    order = ["verdict", "cost-and-score", "scores", "grid", "pairs", "fine-print"]
    assert [name for name in names if name in order] == order


def test_the_verdict_says_first_what_is_wrong_with_the_run(small):
    words = small.text.partition('<ul class="cautions"')[2].partition("</ul>")[0]
    assert "Not finished (single)" in words
    assert "fail for infrastructure" in words
    assert small.text.index('<ul class="cautions"') < small.text.index('<p class="lead">')


def test_the_same_run_gives_the_same_trials_again(small, tmp_path):
    again = anyio.run(written, small.folder, tmp_path / "again.html")
    assert cells_of(again.path.read_text("utf-8")) == small.cells


@pytest.mark.parametrize("part", [0.6, 0.1])
def test_with_less_room_texts_are_cut_then_trials_left_out_and_the_file_says_so(
    small, tmp_path, part
):
    none = anyio.run(lambda: written(small.folder, tmp_path / "none.html", largest=0))
    limit = none.size + 45_000 + 120 * len(small.trials)
    limit += int(part * (small.report.size - none.size))
    less = anyio.run(lambda: written(small.folder, tmp_path / "less.html", largest=limit))
    assert less.size <= limit
    text = less.path.read_text("utf-8")
    assert less.left_out[0].startswith("Texts are cut at ")
    assert all(line in text for line in less.left_out)
    assert less.left_out[-1] == f"All of it: .venv/bin/delm view {small.folder.run_id}"
    assert "Conversations" not in "".join(cells_of(text).values())
    if less.trials < small.report.trials:
        rest = small.report.trials - less.trials
        assert f"{rest} of {small.report.trials} trials cannot be opened in this file" in text
    assert (less.trials < small.report.trials) == (part == 0.1)


def test_with_no_room_at_all_the_overview_is_there_and_no_trial(small, tmp_path):
    none = anyio.run(lambda: written(small.folder, tmp_path / "none.html", largest=0))
    text = none.path.read_text("utf-8")
    assert (none.trials, cells_of(text)) == (0, {})
    assert "trials cannot be opened in this file" in text
    assert '<h2 id="verdict"' in text


def test_after_its_time_no_further_trial_is_added(small, tmp_path):
    none = anyio.run(lambda: written(small.folder, tmp_path / "none.html", seconds=0))
    assert none.trials == 0
    assert DEPTHS[0].told == ""


def test_nothing_hostile_in_any_text_is_markup(tmp_path):
    async def make():
        folder = await plant(tmp_path)
        with closing(sqlite3.connect(folder.path / "run.db")) as database, database:
            database.execute("UPDATE submission SET patch = ?, reason = ?", (HOSTILE, HOSTILE))
            database.execute("UPDATE grade SET reason = ?, flags = ?", (HOSTILE, json.dumps([])))
            database.execute("UPDATE trial SET reason = ?, detail = ?, audit = ?", (HOSTILE,) * 3)
            database.execute("UPDATE instance SET repo = ?, difficulty = ?", (HOSTILE, HOSTILE))
            database.execute("UPDATE call SET error = ?, model = ?", (HOSTILE, HOSTILE))
            for name in ("dataset", "model", "prices_source"):
                database.execute(
                    "UPDATE run SET value = ? WHERE key = ?", (json.dumps(HOSTILE), name)
                )
        renamed = folder.path.rename(tmp_path / "<img src=x onerror=alert(1)>")
        return await written(RunFolder(tmp_path, renamed.name))

    text = anyio.run(make).path.read_text("utf-8")
    for page in (shown(text), *(Page(cell) for cell in cells_of(text).values())):
        assert "img" not in {tag for tag, _ in page.elements}
        assert not [attrs for _, attrs in page.elements for name in attrs if name.startswith("on")]
        assert not [text for text in page.block("script") if text.startswith("alert")]
        assert not [letter for letter in ("\x1b", "\u202e") if letter in "".join(page.texts)]


def test_a_run_without_a_price_or_without_a_trial_has_a_report_too(tmp_path):
    async def make():
        unpriced = await plant(tmp_path, "unpriced", price=None)
        nothing = await plant(tmp_path, "nothing", {"single": System(1, "one", {})})
        one = await plant(tmp_path, "one", {"single": System(1, "one", {"a__a-1": ["R"]})})
        return [(await written(each)).path.read_text("utf-8") for each in (unpriced, nothing, one)]

    unpriced, nothing, one = anyio.run(make)
    assert "nothing to plot" in unpriced
    assert "is unknown: a model has no price" in unpriced
    assert "No trial has run to its end: there is no verdict." in nothing
    assert "there is no other system to compare it with" in one


def test_what_fails_is_told_in_a_line_and_changes_nothing(small, tmp_path, capsys):
    shutil.copytree(small.folder.path, tmp_path / "r")
    folder = RunFolder(tmp_path, "r")
    (folder.path / "report.html").unlink()
    (folder.path / "report.html").mkdir()
    (folder.path / "report.html" / "kept").touch()
    report_at_end(console(), folder, tmp_path, stopped=False)
    told = capsys.readouterr().out
    assert re.match(r"report: not written \(.+\); to try again: .venv/bin/delm report .*r\n$", told)
    assert told.count("\n") == 1
    shutil.rmtree(folder.path / "report.html")
    report_at_end(console(), folder, tmp_path, stopped=True)
    assert capsys.readouterr().out == f"report: {folder.path / 'report.html'}\n"
    assert cells_of((folder.path / "report.html").read_text("utf-8")).keys() == small.cells.keys()
