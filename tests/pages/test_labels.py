"""Labels on the pages: everything that people and models wrote is only ever text."""

import re
from types import SimpleNamespace

import pytest
from board_rows import record, trial_of
from hostile_texts import HOSTILE, LONG_LINE, balanced, faults
from labelled import label
from planted import plant

from harness.analysis.outcome_grid import outcome_grid
from harness.labels.vocabulary import LABELS, MEANINGS
from harness.pages import labels
from harness.pages.grid import GridQuery, grid_html, grid_page
from harness.pages.labels import KINDS, place_link
from harness.pages.links import ReportLinks, ViewLinks
from harness.pages.rendering import render
from harness.pages.run_data import run_data

LINKS = (ReportLinks(), ViewLinks("run/<b>"))


def hostile_rows():
    evidence = [{"place": f"message:{HOSTILE}#3", "quote": HOSTILE + LONG_LINE},
                {"place": f"entry:{HOSTILE}", "quote": HOSTILE}, {"place": HOSTILE, "quote": ""},
                {"place": "call:x", "quote": HOSTILE, "command": HOSTILE}]  # fmt: skip
    more = {"comment": HOSTILE + LONG_LINE, "evidence": evidence, "system": HOSTILE,
            "instance_id": HOSTILE}  # fmt: skip
    model = {"by": "Bob", "by_model": 1, "confidence": 0.3, "submission_id": 4}
    return [
        label(1, by=HOSTILE, replaced_by=2, **more), label(2, by=HOSTILE, replaces=1, **more),
        label(3, "cheated", **model, **more),
    ]  # fmt: skip


@pytest.mark.parametrize("links", LINKS)
def test_nothing_hostile_in_a_label_reaches_the_browser(links):
    data = trial_of(record())
    section = labels.TrialLabels(rows=hostile_rows(), submissions=(), run_id=HOSTILE)
    html = str(render("labels", section=section, data=data, links=links))
    assert [fault for fault in faults(html) if fault != "<form>"] == []  # ours, to add a label
    assert balanced(html)
    assert "&lt;script&gt;" in html
    assert len(html) < 90_000


@pytest.mark.parametrize("links", LINKS)
def test_the_labels_of_a_run_are_counted_and_the_corrected_ones_told(links):
    rows = hostile_rows()
    run = SimpleNamespace(labels=rows, systems=[HOSTILE])
    section = labels.run_section(run)
    html = str(render("labels_summary", section=section, links=links))
    assert faults(html) == []
    assert balanced(html)
    assert "1 that was corrected is not counted" in html
    assert "Cohen" not in html  # of a trial and of a submission of it: nothing in common


def test_without_labels_a_run_has_no_section_and_a_trial_says_how_one_is_added():
    assert labels.run_section(SimpleNamespace(labels=[], systems=["single"])) is None
    data = trial_of(record())
    html = str(render("labels", section=labels.section(data), data=data, links=ReportLinks()))
    assert "No label yet" in html
    assert "delm label" in html
    assert "<form" not in html  # nothing is written from the report


def test_only_the_live_page_has_a_form_and_it_offers_every_label():
    data = trial_of(record())
    html = str(render("labels", section=labels.section(data), data=data, links=LINKS[1]))
    assert html.count("<option") == len(LABELS) + 1
    assert 'data-write="/runs/run%2F%3Cb%3E/trials/' in html


def test_every_label_has_a_meaning_and_a_badge():
    assert set(LABELS) == set(MEANINGS) == set(KINDS)


@pytest.mark.parametrize(("place", "end"), [
    ("message:a#1#7", "/conversations/a%231#message-7"), ("call:9", "/calls/9"),
    ("entry:F1", "/entries/F1"), ("proposal:2", "/proposals/2"),
    ("submission:3", "#submission-3"), ("grade:3", "#submission-3"),
    ("test:t.py::test_b", "#tests"), ("trial", "/trials/1"), ("gold", ""), ("check:1", ""),
])  # fmt: skip
def test_a_quotation_links_to_where_its_words_stand(place, end):
    link = place_link(ViewLinks("r"), 1, place)
    assert link.endswith(end)
    assert bool(link) == bool(end)


async def test_in_the_grid_a_label_that_stands_is_beside_its_trial_once(tmp_path):
    folder = await plant(tmp_path)
    async with folder.open() as store, folder.boards() as boards:
        run = await run_data(store, boards, run_id="r", output=tmp_path)
    rows = [label(1, replaced_by=2), label(2, "cheated", replaces=1), label(3, "cheated", "Bob"),
            label(4, "unclear", trial_id=2)]  # fmt: skip
    grid = outcome_grid(run.rows.trials, run.rows.submissions, run.scored.scores)
    for query in (None, GridQuery()):
        html = str(grid_html(grid_page(grid, labels=rows, query=query), ViewLinks("r")))
        assert re.findall(r'href="/runs/r/trials/(\d+)#labels"[^>]*>([^<]+)<', html) == [
            ("1", "cheated"), ("2", "unclear"),
        ]  # fmt: skip
        assert balanced(html)
