"""The grid of instances and systems: what it counts, chooses and sorts, and what it writes."""

from contextlib import closing
from dataclasses import asdict, replace
from html.parser import HTMLParser
from urllib.parse import parse_qsl

import anyio
import pytest
from planted import MATRIX, System, plant
from planted_many import TEAMS, plant_many

from harness import score
from harness.analysis.outcome_grid import outcome_grid, total
from harness.pages.compare import Chosen, compare_html, compare_page
from harness.pages.grid import GridQuery, grid_html, grid_page, name
from harness.pages.links import ReportLinks, ViewLinks
from harness.pages.run_data import outcome_data, run_data
from harness.score.rows import call_sums, scores_from_sums
from harness.store.sqlite.store import SqliteStore

LEVELS = ("<15 min fix", "15 min - 1 hour", "1-4 hours", ">4 hours")
HOSTILE = "</script><img src=x onerror=alert(1)>\x1b[31m\u202e\"'`"


async def read(folder):
    with closing(SqliteStore(folder.path / "run.db", read_only=True)) as store:
        return await store.read()


def scores_of(rows):
    return score.instance_scores(rows.trials, rows.calls, rows.submissions)


def grid_of(rows):
    return outcome_grid(rows.trials, rows.submissions, scores_of(rows))


def test_very_long_names_are_cut_in_attributes_and_still_choose_their_rows(grid):
    long = "r" * 5_000_000
    rows = [
        replace(grid.rows[0], instance_id=long, repo=long, difficulty=long),
        replace(grid.rows[1], instance_id=f"{long}2", repo=f"{long}2", difficulty="other"),
    ]
    odd = replace(grid, rows=rows)
    html = str(grid_html(grid_page(odd, LEVELS), ReportLinks()))
    assert len(html) < 50_000
    assert name(long) != name(f"{long}2")
    for repo in (long, name(long)):
        chosen = grid_page(odd, LEVELS, GridQuery(repo=repo)).rows
        assert [row.position for row in chosen] == [rows[0].position]


def test_an_instance_leads_to_the_first_trial_that_is_not_resolved(grid):
    for row in grid.rows:
        trials = [trial for cell in row.cells if cell for trial in cell.trials]
        missed = [t for t in trials if {mark.place for mark in t.marks} != {"resolved"}]
        assert row.first == (missed or trials)[0].trial
    html = str(grid_html(grid_page(grid, LEVELS), ReportLinks()))
    assert html.count('<a class="instance" href="#trial-') == len(grid.rows)


def test_seconds_of_a_cell_are_those_of_a_trial(grid):
    cell = next(cell for row in grid.rows for cell in row.cells if cell and cell.sums.trials > 1)
    assert cell.sums.mean_seconds == cell.sums.seconds / cell.sums.trials
    assert total([]).mean_seconds is None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run of 50 instances with everything that goes wrong in one."""
    return anyio.run(plant_many, tmp_path_factory.mktemp("many"))


@pytest.fixture(scope="module")
def many(folder):
    """All its rows."""
    return anyio.run(read, folder)


@pytest.fixture(scope="module")
def grid(many):
    return grid_of(many)


class Seen(HTMLParser):
    """The elements of a page, as (tag, attributes), and its texts."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.texts = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)

    def of(self, tag, name=""):
        found = [given for each, given in self.elements if each == tag]
        return [a for a in found if not name or name in a.get("class", "").split(" ")]


def names(page):
    return [row.instance_id for row in page.rows]


# -- what it counts ------------------------------------------------------------------------------


def test_every_submission_that_was_asked_for_has_a_mark(grid):
    for row in grid.rows:
        for cell in row.cells:
            assert len(cell.trials) == TEAMS[cell.system].trials
            for each in cell.trials:
                assert len(each.marks) == each.trial["wanted"]


def test_marks_say_what_the_scores_say(grid):
    kinds = set()
    for row in grid.rows:
        for cell in row.cells:
            marks = [mark for each in cell.trials for mark in each.marks]
            assert sum(mark.place == "resolved" for mark in marks) == cell.sums.resolved
            over = {"resolved", "unresolved", "flagged", "error"}
            assert sum(mark.place in over for mark in marks) == cell.sums.wanted
            kinds |= {mark.place for mark in marks}
    assert kinds >= {"resolved", "unresolved", "flagged", "error", "running", "waiting"}


def test_sums_are_those_of_the_table(many, grid):
    page = grid_page(grid)
    table = score.table(many, scores_of(many))
    for row, sums in zip(table, page.columns, strict=True):
        assert (sums.resolved, sums.wanted) == (row["resolved"], row["wanted_run"])
        if row["cost_usd"] is None:
            assert sums.cost_usd is None
        else:
            assert sums.cost_usd == pytest.approx(row["cost_usd"])
            assert sums.unsure_usd == pytest.approx(row["cost_unsure_usd"])
    assert any(row["cost_usd"] is None for row in table)  # one answer has no price
    assert page.sums.cost_usd is None
    assert page.sums.resolved == sum(row["resolved"] for row in table)


def test_rows_say_what_holds_of_them(grid):
    for row in grid.rows:
        shares = [cell.sums.share for cell in row.cells if cell.sums.share is not None]
        places = {mark.place for cell in row.cells for each in cell.trials for mark in each.marks}
        assert ("differ" in row.tags) == (len(set(shares)) > 1)
        assert ("none" in row.tags) == (bool(shares) and not any(shares))
        assert ("error" in row.tags) == ("error" in places)
        assert ("flagged" in row.tags) == ("flagged" in places)
        assert ("unfinished" in row.tags) == bool(places & {"running", "waiting", "cancelled"})
        assert not ("all" in row.tags and row.tags & {"differ", "none", "error", "unfinished"})
    assert any("error" in row.tags for row in grid.rows)


async def test_the_store_adds_calls_up_as_the_scores_do(folder, many, grid):
    with closing(SqliteStore(folder.path / "run.db", read_only=True)) as store:
        quick = await store.read_outcomes()
    assert (quick.facts, quick.trials) == (many.facts, many.trials)
    ours = {each["trial_id"]: each for each in call_sums(many.calls)}
    assert {each["trial_id"] for each in quick.sums} == set(ours)
    for each in quick.sums:
        assert each == pytest.approx(ours[each["trial_id"]], abs=1e-12)
    assert any(each["usd"] is None for each in quick.sums)
    assert any(each["unsure_usd"] for each in quick.sums)
    for mine, whole in zip(quick.submissions, many.submissions, strict=True):
        assert mine.items() <= whole.items()
    scores = scores_from_sums(quick.trials, quick.sums, quick.submissions)
    for mine, whole in zip(scores, scores_of(many), strict=True):
        one, other = asdict(mine), asdict(whole)
        assert one.pop("of_trials") == other.pop("of_trials")
        assert one == pytest.approx(other, abs=1e-12)
    quickly = outcome_grid(quick.trials, quick.submissions, scores)
    assert [row.tags for row in quickly.rows] == [row.tags for row in grid.rows]


async def test_what_all_systems_resolve_is_told(tmp_path):
    good = {
        "single": System(1, "one", {"a__a-1": ["R"], "a__a-2": ["U"]}),
        "delm": System(2, "shared", {"a__a-1": ["(R)R"], "a__a-2": ["(U)U"]}),
    }
    grid = grid_of(await read(await plant(tmp_path, "r", good)))
    assert [set(row.tags) for row in grid.rows] == [{"all"}, {"none"}]
    assert [row.spread for row in grid.rows] == [0, 0]


async def test_a_system_that_was_not_asked_for_an_instance_has_an_empty_cell(tmp_path):
    some = {
        "single": System(1, "one", {"a__a-1": ["R"], "a__a-2": ["R"]}),
        "delm": System(2, "shared", {"a__a-1": ["(R)U"]}),
    }
    grid = grid_of(await read(await plant(tmp_path, "r", some)))
    assert grid.rows[1].cells[1] is None
    assert "unfinished" in grid.rows[1].tags
    for query in (
        None,
        *(GridQuery(sort=sort, of="delm") for sort in ("cost", "-cost", "resolved")),
    ):
        page = grid_page(grid, LEVELS, query)
        assert names(page) == ["a__a-1", "a__a-2"]  # what is unknown stands last
        assert "not asked for" in grid_html(page, ReportLinks())


def test_a_run_without_trials_has_an_empty_grid():
    page = grid_page(outcome_grid([], [], []), LEVELS, GridQuery())
    assert (page.chosen, page.pages, page.sums.share) == (0, 1, None)
    assert "0 of 0 instances" in grid_html(page, ViewLinks("r"))
    assert total([]).cost_usd == 0


# -- what it chooses, and the order ----------------------------------------------------------------


def test_rows_on_which_systems_differ_most_stand_first(grid):
    page = grid_page(grid)
    spreads = [row.spread for row in page.rows]
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[0] > 0 == spreads[-1]
    tied = [row.position for row in page.rows if row.spread == spreads[0]]
    assert tied == sorted(tied)


def test_rows_are_sorted_by_what_is_asked_for(grid):
    def rows(**asked):
        return grid_page(grid, LEVELS, GridQuery(**asked)).rows

    assert [row.position for row in rows(sort="position")] == list(range(50))
    assert [row.repo for row in rows(sort="repo")] == sorted(row.repo for row in grid.rows)
    ranks = [(*LEVELS, "").index(row.difficulty) for row in rows(sort="difficulty")]
    assert ranks == sorted(ranks)
    delm = [row.cells[3].sums.cost_usd for row in rows(sort="-cost", of="delm")]
    assert delm == sorted(delm, reverse=True)
    every = [row.sums.mean_seconds for row in rows(sort="seconds")]
    known = [each for each in every if each is not None]
    assert known == sorted(known)
    assert every == [*known, *[None] * (len(every) - len(known))]
    shares = [row.sums.share for row in rows(sort="resolved")]
    known = [share for share in shares if share is not None]
    assert known == sorted(known)
    assert shares[len(known) :] == [None] * (len(shares) - len(known))
    priced = [row.sums.cost_usd is None for row in rows(sort="-cost")]
    assert priced == sorted(priced)  # unknown ones last, whichever way


def test_filters_choose_what_they_name(grid):
    def rows(**asked):
        return grid_page(grid, LEVELS, GridQuery(**asked)).rows

    assert {row.repo for row in rows(repo="p/two")} == {"p/two"}
    assert {row.difficulty for row in rows(difficulty="<15 min fix")} == {"<15 min fix"}
    assert not rows(outcome="none")
    for tag in ("differ", "error", "flagged", "unfinished"):
        chosen = rows(outcome=tag)
        assert 0 < len(chosen) == sum(tag in row.tags for row in grid.rows)
    assert [row.instance_id for row in rows(find="P-17")] == ["p__p-17"]
    both = rows(find="p-1 two")
    assert both
    assert all("p-1" in row.instance_id and row.repo == "p/two" for row in both)
    assert rows(repo="not/there") == []


def test_sums_are_of_what_was_chosen(grid):
    page = grid_page(grid, LEVELS, GridQuery(repo="p/two"))
    mine = [row for row in grid.rows if row.repo == "p/two"]
    assert page.sums.resolved == sum(row.sums.resolved for row in mine)
    assert page.chosen == len(mine) < page.instances == 50
    written = Seen(grid_html(page, ViewLinks("r")))
    foot = [a["href"] for tag, a in written.elements if tag == "a" and "rows/" in a["href"]]
    assert all("instance_id=" in href for href in foot)  # no link to rows that were not chosen


def test_an_address_is_read_whatever_stands_in_it(grid):
    odd = {"sort": "drop table", "page": "-1", "outcome": "<script>", "of": HOSTILE, "more": "x"}
    for page in ("0", "-1", "9" * 400, "1e3", "²", "", "1"):
        assert GridQuery.read(odd | {"page": page}).page == 1
    query = GridQuery.read(odd)
    assert query == GridQuery(of=HOSTILE)
    assert len(grid_page(grid, LEVELS, query).rows) == 50
    assert grid_page(grid, LEVELS, GridQuery(page=999)).query.page == 1


def test_an_address_can_be_sent():
    query = GridQuery(sort="-cost", of="delm", repo="a&b/c?", find="x y", page=3)
    assert GridQuery.read(dict(parse_qsl(query.address()[1:]))) == query
    assert GridQuery().address() == "?"
    assert query.address(page=1) == replace(query, page=1).address()


def test_long_lists_come_by_pages(grid):
    long = replace(
        grid,
        rows=[replace(grid.rows[n % 50], position=n, instance_id=f"i-{n}") for n in range(130)],
    )
    pages = [grid_page(long, LEVELS, GridQuery(sort="position", page=n)) for n in (1, 2, 3, 4)]
    assert [len(page.rows) for page in pages] == [50, 50, 30, 30]
    assert names(pages[1])[0] == "i-50"
    assert pages[0].sums == pages[2].sums
    last = Seen(grid_html(pages[2], ViewLinks("r")))
    (back,) = [a for a in last.of("a") if a.get("rel") == "prev"]
    assert back["href"] == "/runs/r?sort=position&page=2#grid"
    assert not [a for a in last.of("a") if a.get("rel") == "next"]
    whole = grid_page(long, LEVELS)
    assert len(whole.rows) == 130  # the file has all of them; the script makes the pages
    assert (
        len([a for a in Seen(grid_html(whole, ReportLinks())).of("button") if "data-turn" in a])
        == 2
    )


# -- what it writes --------------------------------------------------------------------------------


@pytest.mark.parametrize("links", [ReportLinks(), ViewLinks("many")], ids=["report", "view"])
def test_every_trial_that_counts_is_linked_and_named(grid, links):
    query = None if isinstance(links, ReportLinks) else GridQuery()
    seen = Seen(grid_html(grid_page(grid, LEVELS, query), links))
    trials = [each.trial for row in grid.rows for cell in row.cells for each in cell.trials]
    found = {a["href"]: a["aria-label"] for a in seen.of("a", "trial-link")}
    assert set(found) == {links.trial(trial["trial_id"]) for trial in trials}
    for trial in trials:
        named = found[links.trial(trial["trial_id"])]
        assert f"{trial['system']} on {trial['instance_id']}, trial #{trial['number'] + 1}" in named
    numbers = [a["href"] for a in seen.of("a") if "rows/" in a["href"]]
    assert bool(numbers) == isinstance(links, ViewLinks)
    assert all(a["href"] for a in seen.of("a"))


def test_the_table_says_what_is_in_it(grid):
    seen = Seen(grid_html(grid_page(grid), ReportLinks()))
    assert {a["scope"] for a in seen.of("th")} == {"col", "row"}
    assert len(seen.of("caption")) == 1
    (region,) = seen.of("div", "scroll")
    assert region["role"] == "region"
    assert region["tabindex"] == "0"
    assert region["aria-label"]
    for mark in seen.of("span", "mark"):
        assert mark.get("aria-hidden") == "true"  # the link around them says it in words
    assert len(seen.of("tr")) == 52


async def test_copies_salvaged_and_selected_submissions_are_marked(tmp_path):
    rows = await read(await plant(tmp_path, "r", {"delm": MATRIX["delm"]}))
    first, second = rows.submissions[:2]
    first |= {"copy_of": "F3", "salvaged": 1}
    second |= {"unchecked": ["ends"], "outcome": "resolved"}
    page = grid_html(grid_page(grid_of(rows)), ReportLinks())
    assert "patch-1: resolved; a copy of F3; salvaged: not finished; selected" in page
    assert "<sub>cs</sub>" in page
    assert "<sub>u</sub>" in page
    assert 'class="selected"' in page


@pytest.mark.parametrize("links", [ReportLinks(), ViewLinks(HOSTILE)], ids=["report", "view"])
async def test_hostile_names_stay_texts(tmp_path, links):
    rows = await read(await plant(tmp_path, "r"))
    for trial in rows.trials:
        trial |= {"instance_id": f"{trial['instance_id']}{HOSTILE}", "repo": HOSTILE,
                  "system": f"{trial['system']}{HOSTILE}", "difficulty": HOSTILE * 99}  # fmt: skip
    for row in rows.submissions:
        row |= {"author": HOSTILE, "copy_of": HOSTILE, "system": f"{row['system']}{HOSTILE}"}
    query = None if isinstance(links, ReportLinks) else GridQuery(find=HOSTILE, repo=HOSTILE)
    seen = Seen(grid_html(grid_page(grid_of(rows), LEVELS, query), links))
    tags = {tag for tag, _ in seen.elements}
    assert not tags & {"script", "img", "style", "iframe"}
    assert not [name for _, a in seen.elements for name in a if name.startswith("on")]
    told = [a.get(name) or "" for _, a in seen.elements for name in ("title", "aria-label")]
    shown = "".join([*seen.texts, *told])
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert max(map(len, seen.texts)) < 1000


async def test_what_is_quick_to_read_compares_as_the_whole_run_does(folder):
    """The pages of a large run are made of `outcome_data`."""
    async with (
        folder.open(read_only=True) as store,
        folder.boards(read_only=True) as boards,
    ):
        quick = await outcome_data(store, run_id="many")
        whole = await run_data(store, boards, run_id="many", output=folder.path.parent)
    assert (quick.systems, quick.baseline) == (whole.systems, whole.baseline)
    links = ViewLinks("many")
    pages = [
        compare_html(compare_page(Chosen(run, "single", links), Chosen(run, "delm", links)))
        for run in (quick, whole)
    ]
    assert pages[0] == pages[1]
