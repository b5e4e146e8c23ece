"""The graph of tasks and the replay, as pages show them."""

import re

import pytest
from board_rows import driven, entry, event, proposal, record, task, trial_of
from hostile_texts import HOSTILE, LONG_LINE, balanced, faults, parsed

from harness.pages import board_replay, task_graph
from harness.pages.links import ReportLinks, ViewLinks
from harness.pages.rendering import render

LINKS = (ReportLinks(), ViewLinks("run/<b>"))


def shown(name, data, links):
    make = {"task_graph": task_graph.section, "board_replay": board_replay.section}[name]
    return str(render(name, section=make(data), data=data, links=links))


def hostile_board():
    names = {"agent": HOSTILE, "label": "patch-1"}
    return record(
        tasks=[
            task("patch-1", kind=HOSTILE, text=HOSTILE, state="done", holder=HOSTILE, attempts=2,
                 subject=HOSTILE, created_by=HOSTILE, after=(HOSTILE, "localize-1"),
                 result={"summary": HOSTILE + LONG_LINE, "reason": HOSTILE, "patch": LONG_LINE,
                         "built_on": [HOSTILE], "entry": HOSTILE, "copy": LONG_LINE}),
            task("localize-1", state="odd", result={"summary": None, "left_out": 7}),
            task(HOSTILE, state="open"),
        ],
        entries=[entry("F1", "patch-1", HOSTILE, gist=HOSTILE + LONG_LINE, raw=LONG_LINE)],
        proposals=[proposal(1, HOSTILE, "patch-1", gist=LONG_LINE, kind=HOSTILE)],
        events=[
            event(1, "put", HOSTILE, "patch-1"), event(2, "put", "", HOSTILE),
            event(3, "claimed", HOSTILE, "patch-1", fence=1),
            event(4, "released", HOSTILE, "patch-1", fence=1, reason=LONG_LINE),
            event(5, "claimed", names["agent"], "patch-1", fence=2),
            event(6, "proposed", HOSTILE, "1", kind=HOSTILE, task=HOSTILE),
            event(7, "admitted", HOSTILE, "F1", proposal=1, seconds=1.0),
            event(8, "unblocked", "", "patch-1", needed=HOSTILE),
            event(9, HOSTILE, HOSTILE, HOSTILE, reason=HOSTILE),
            event(10, "closed", HOSTILE, "", reason=LONG_LINE),
        ],
    )  # fmt: skip


@pytest.mark.parametrize("links", LINKS)
@pytest.mark.parametrize("name", ["task_graph", "board_replay"])
def test_nothing_hostile_on_a_board_reaches_the_browser(name, links):
    html = shown(name, trial_of(hostile_board()), links)
    assert faults(html) == []
    assert balanced(html)
    assert len(html) < 60_000
    assert "&lt;script&gt;" in html


def test_a_board_without_tasks_has_no_sections():
    empty = trial_of(record())
    assert task_graph.section(empty) is None
    assert board_replay.section(empty) is None


@pytest.mark.parametrize("seed", range(4))
def test_the_page_shows_at_the_end_what_the_rows_say(tmp_path, seed):
    rows = driven(tmp_path / "run.db", seed)
    html = shown("board_replay", trial_of(rows), ReportLinks())
    kept = [attributes for tag, attributes in parsed(html).tags if "data-first" in attributes]
    last = re.search(r'max="(\d+)"', html)
    assert last
    for attributes in kept:
        first, until = int(attributes["data-first"]), attributes.get("data-until")
        assert 1 <= first <= int(last[1])
        assert until is None or first <= int(until) <= int(last[1])
        assert ("hidden" in attributes) == (until is not None)
    assert balanced(html)


def test_the_drawing_has_an_arrow_for_each_reason_to_wait_and_no_more_boxes_than_it_bears():
    rows = record(
        tasks=[
            task("localize-1", state="done", holder="ann", attempts=1),
            task("patch-1", after=("localize-1",), state="claimed", holder="ann", attempts=1),
            task("patch-2", after=("localize-1",), state="done", holder="bob", attempts=1),
            task("test-1", subject="P1"), task("repair-1", subject="patch-2"),
        ],
        entries=[entry("P1", "patch-1", "ann")],
        events=[
            event(1, "put", "", "localize-1"), event(2, "put", "", "patch-1"),
            event(3, "put", "", "patch-2"),
            event(4, "unblocked", "", "patch-2", needed="localize-1"),
        ],
    )  # fmt: skip
    graph = task_graph.task_graph(rows)
    assert graph
    assert [(edge.kind, edge.title.split()[0]) for edge in graph.edges] == [
        ("after", "patch-1"), ("released", "patch-2"), ("about", "test-1"), ("about", "repair-1"),
    ]  # fmt: skip
    many = task_graph.task_graph(record(tasks=[task(f"read-{n}") for n in range(300)]))
    assert many
    assert (len(many.boxes), many.left_out) == (40, 260)
    html = shown("task_graph", trial_of(record(tasks=[task(f"read-{n}") for n in range(300)])),
                 ReportLinks())  # fmt: skip
    assert "260 more are in the table" in html
    assert html.count("<tr") == 301


def test_an_arrow_leads_from_each_submission_to_the_task_that_decides_about_them():
    made = [{"author": name, "submission_id": n} for n, name in enumerate(("patch-1", "patch-2"))]
    tasks = [task("patch-1"), task("patch-2"), task("decide-1")]
    graph = task_graph.task_graph(record(tasks=tasks, submissions=made))
    assert graph
    assert [(edge.kind, edge.title) for edge in graph.edges] == [
        ("about", "decide-1 is about the submission of patch-1"),
        ("about", "decide-1 is about the submission of patch-2"),
    ]


def test_a_board_without_entries_says_so_and_a_proposal_is_told_as_what_its_author_said():
    rows = record(
        events=[event(1, "put", "", "localize-1"), event(2, "proposed", "ann", "1")],
        tasks=[task("localize-1")],
        proposals=[proposal(1, "ann", "localize-1", gist="all of it", settled=None, entry=None)],
    )
    html = shown("board_replay", trial_of(rows), ReportLinks())
    assert '<p class="replay-empty muted">none</p>' in html
    assert "in its author&#39;s words: all of it" in html or "author's words: all of it" in html


def test_a_veto_stands_with_its_entry_from_its_step_on():
    rows = record(
        entries=[entry("F1", "localize-1", "ann")],
        events=[
            event(1, "admitted", "ann", "F1", proposal=1),
            event(2, "vetoed", "", "F1", by="eve", reason="wrong"),
            event(3, "left", "ann", ""),
        ],
    )
    replay = board_replay.board_replay(rows)
    assert replay
    (track,) = replay.entries
    assert track.marks == [(2, "vetoed")]
    assert "vetoed" in shown("board_replay", trial_of(rows), ReportLinks())


def test_places_of_boxes_do_not_overlap(tmp_path):
    graph = task_graph.task_graph(driven(tmp_path / "run.db", 3))
    assert graph
    places = [(box.x, box.y) for box in graph.boxes]
    assert len(places) == len(set(places))
    for x, y in places:
        assert 0 <= x <= graph.width - graph.wide
        assert 0 <= y <= graph.height - graph.high
