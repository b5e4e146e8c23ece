"""The page of a run: verdict, plot, scores, pairs, fine print."""

import re
import shlex
from dataclasses import replace
from functools import partial
from xml.etree import ElementTree

import anyio
import pytest
from hostile_texts import HOSTILE, balanced, faults
from planted import MATRIX, System, plant

from harness.pages.cost_plot import cost_plot
from harness.pages.fine_print import fine_print, repeat_command
from harness.pages.links import ReportLinks, ViewLinks
from harness.pages.rendering import render
from harness.pages.run_data import RunData, run_data
from harness.pages.run_page import run_sections
from harness.pages.score_table import score_table
from harness.score.cost_accuracy import COLUMNS

RATES = {"input": 5e-07, "cached_input": 5e-08, "output": 3e-06, "source": "a list of prices"}


async def data_of(folder) -> RunData:
    async with folder.open() as store, folder.boards() as boards:
        return await run_data(store, boards, run_id=folder.run_id, output=folder.path.parent)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of four systems in which everything went wrong once."""
    facts = {
        "created_at": "2026-01-02T03:04:05+00:00", "identity": "a" * 64, "id": "begun",
        "benchmark": "swe-bench", "prices": {"m": RATES},
        "harness": [{"since": "2026", "version": "1.2.3", "commit": "b" * 40, "modified": True}],
        "machine": {"system": "Linux", "cpus": 2, "python": "3.11"},
    }  # fmt: skip
    folder = anyio.run(lambda: plant(tmp_path_factory.mktemp("run"), **facts))
    return anyio.run(data_of, folder)


def pages(run, links):
    return {each.name: str(each.html) for each in run_sections(run, links)}


@pytest.mark.parametrize("links", [ReportLinks(), ViewLinks("r")])
def test_every_section_is_there_whole_and_harmless(run, links):
    made = pages(run, links)
    assert list(made)[:4] == ["verdict", "cost-and-score", "scores", "grid"]
    assert list(made)[-1] == "fine-print"
    for name, html in made.items():
        assert balanced(html), name
        assert [fault for fault in faults(html) if fault != "<form>"] == [], name


def test_on_the_live_page_each_number_of_the_scores_leads_to_its_rows(run):
    html = pages(run, ViewLinks("r"))["scores"]
    for table in ("trials", "submissions", "calls"):
        for system in MATRIX:
            assert f'href="/runs/r/rows/{table}?system={system}"' in html
    assert "/rows/" not in pages(run, ReportLinks())["scores"]


def test_each_caution_leads_to_the_rows_that_show_it(run):
    html = pages(run, ViewLinks("r"))["verdict"]
    assert 'href="/runs/r/rows/trials?state=error"' in html
    assert html.index("cautions") < html.index('class="lead"')


def test_hostile_names_of_systems_and_facts_are_text(tmp_path):
    systems = {HOSTILE.replace("\ud83d", ""): System(1, "one", {"a__a-1": ["R"], "a__a-2": ["U"]}),
               "single": System(1, "one", {"a__a-1": ["U"], "a__a-2": ["U"]})}  # fmt: skip
    text = HOSTILE.replace("\ud83d", "")
    folder = anyio.run(lambda: plant(tmp_path, "r", systems, model=text, dataset=text,
                                     prices_source=text, packages={text: text}))  # fmt: skip
    run = anyio.run(data_of, folder)
    for links in (ReportLinks(), ViewLinks("r")):
        for name, html in pages(run, links).items():
            told = [fault for fault in faults(html) if fault != "<form>"]
            allowed = name == "grid"  # which filters by names as they are
            assert told == [] or allowed, name


async def of_systems(tmp_path, systems, **facts):
    folder = await plant(tmp_path, "r", systems, **facts)
    return await data_of(folder)


def test_columns_without_a_figure_and_a_map_of_equal_squares_are_left_out(tmp_path):
    every = {"a__a-1": ["R"], "a__a-2": ["R"]}
    systems = {"single": System(1, "one", every), "other": System(1, "one", every)}
    html = pages(anyio.run(partial(of_systems, tmp_path, systems)), ReportLinks())
    for word in ("Pass@4", "Infra", "Budget"):
        assert word not in html["scores"]
    assert "Avg.@1" in html["scores"]
    assert "<svg" not in html["heat-map"]
    assert "Each of the 2 systems resolves all of its submissions on each of" in html["heat-map"]
    assert "From this run alone no system can be preferred." in html["verdict"]


def test_columns_with_a_figure_and_a_map_of_unlike_squares_are_there(run):
    html = pages(run, ReportLinks())
    assert "Infra" in html["scores"]
    assert "<svg" in html["heat-map"]


def test_the_price_of_a_distinct_patch_stands_beside_every_ratio(tmp_path):
    async def planted():
        rows = {"a__a-1": ["R", "R"], "a__a-2": ["R", "R"]}
        systems = {"single": System(1, "one", rows), "delm": System(2, "shared", rows)}
        return await of_systems(tmp_path, systems)

    run = anyio.run(planted)
    table = [
        row | {"copies": 1, "submissions": 4, "cost_usd": 3.0, "cost_per_instance_usd": 1.0}
        if row["system"] == "delm"
        else row | {"copies": 0, "submissions": 4, "cost_usd": 2.0}
        for row in run.scored.table
    ]
    html = pages(replace(run, scored=replace(run.scored, table=table)), ReportLinks())
    assert re.search(r"delm costs \S+ times \(2\.0 times per distinct patch\)", html["verdict"])
    assert "$1.0000 per distinct patch" in html["scores"]
    assert "2.0 times per<br>distinct patch" in html["pairs"]


def test_a_replay_is_told_once_and_so_is_the_budget(run):
    facts = {**run.facts, "replay": True}
    replayed = replace(run, scored=replace(run.scored, rows=replace(run.rows, facts=facts)))
    html = pages(replayed, ReportLinks())
    told = "".join(html.values())
    assert told.count("replay of recorded answers") == 1
    assert "budget per submission" not in html["scores"]


def test_a_hash_says_of_what_it_is_and_of_which_systems(run):
    record = {"prompts": {"a.md": "1"}, "code": {"a.py": "2"}, "since": "2026"}
    facts = {**run.facts, "systems": {"single": [record], "delm": [record]}}
    planted = replace(run, scored=replace(run.scored, rows=replace(run.rows, facts=facts)))
    told = {fact.name: list(fact.values) for fact in fine_print(planted).facts}
    lines = [line.rpartition(": ")[0] for line in told["hashes (SHA-256)"]]
    assert "all prompt files of the package of single, delm" in lines


# -- the plot --------------------------------------------------------------------------------------


def point(system, usd, share, **known):
    """A row of cost_accuracy.csv."""
    row = dict.fromkeys(COLUMNS) | {
        "system": system, "agents": 1, "equal_submissions": 4, "cost_per_instance_usd": usd,
        "avg_at_1": share, "unfinished": 0, "system_errors": 0,
    }  # fmt: skip
    return row | known


def test_each_mark_has_a_line_in_the_legend_with_a_shape_and_colour_of_its_own():
    """No name stands in the drawing, so none lies on a line or on another one."""
    rows = [point(f"system-{n}", 0.5 + n / 1000, 1.0) for n in range(32)]
    plot = cost_plot(rows)
    assert len({(mark.shape, mark.colour) for mark in plot.marks}) == 32
    html = str(render("cost_plot", plot=plot, links=ReportLinks()))
    drawing, legend = html.split("</svg>\n</div>")
    shown = ElementTree.fromstring(drawing[drawing.index("<svg") :] + "</svg>")
    texts = "".join(each.text or "" for each in shown.iter("text"))
    assert "system-" not in texts
    for mark in plot.marks:
        assert f"<span>{mark.name}: 100.0 % at $" in legend


def test_published_marks_are_said_to_be_of_other_data_and_budgets(run):
    html = pages(run, ReportLinks())["cost-and-score"]
    assert "with other data and budgets, for orientation" in html


def test_every_mark_and_end_is_inside_of_the_axes():
    rows = [
        point("a", 0.001, 0.0, avg_at_1_low=0.0, avg_at_1_high=0.4),
        point("b", 3.0, 1.0, cost_per_instance_usd_low=1.0, cost_per_instance_usd_high=9.0),
        point("c", 0.2, 0.5, published="P", published_model="M", published_avg_at_1=0.7,
              published_cost_per_instance_usd=5.0, published_source="s"),
    ]  # fmt: skip
    plot = cost_plot(rows)
    assert plot.title.endswith("logarithmic")
    for mark in plot.marks:
        across, along = mark.across or (mark.x, mark.x), mark.along or (mark.y, mark.y)
        assert plot.left <= min(across)
        assert max(across) <= plot.right
        assert plot.top <= min(along)
        assert max(along) <= plot.bottom
    assert [mark.published for mark in plot.marks] == [False, False, False, True]
    assert all(plot.left <= tick.at <= plot.right for tick in plot.across)
    assert len(plot.across) >= 3


@pytest.mark.parametrize("usd", [0.0, 1e-7, 0.0042, 0.99, 1.0, 37.0, 1e6])
def test_costs_of_any_size_have_an_axis_with_some_ticks(usd):
    plot = cost_plot([point("a", usd, 0.5)])
    assert 3 <= len(plot.across) <= 14
    assert len({tick.text for tick in plot.across}) == len(plot.across)


def test_dearer_is_further_right_and_better_is_higher_and_the_front_steps_up():
    plot = cost_plot([point("a", 1.0, 0.3), point("b", 2.0, 0.6), point("c", 3.0, 0.5)])
    a, b, c = plot.marks
    assert a.x < b.x < c.x
    assert b.y < c.y < a.y
    places = [tuple(map(float, place.split(","))) for place in plot.front.split()]
    assert places == [(a.x, a.y), (b.x, a.y), (b.x, b.y), (plot.right, b.y)]


def test_without_a_known_cost_there_is_no_plot(run):
    assert cost_plot([]) is None
    assert cost_plot([point("a", None, 0.5), point("b", 1.0, None)]) is None
    html = pages(run, ReportLinks())["cost-and-score"]
    drawing = re.search(r"<svg.*?</svg>", html, re.DOTALL)[0]
    root = ElementTree.fromstring(drawing.replace(" role=", " data-role="))
    assert root.find("title").text.startswith("Dollars per instance against")


# -- scores and fine print -------------------------------------------------------------------------


def test_the_table_shows_what_the_terminal_prints(run):
    shown = score_table(run)
    rows = {row["system"]: row for row in run.scored.table}
    assert [row.system for row in shown.rows] == list(rows)
    for row in shown.rows:
        assert row.scores[0].value == rows[row.system]["avg_at_1"]
        assert row.cost.value == rows[row.system]["cost_per_instance_usd"]
    single = shown.rows[0]
    assert single.resolved == "3 of 11, 1 not run"
    assert any("not finished" in note for note in shown.notes)
    team = next(row for row in shown.rows if row.system == "delm")
    assert [figure.shared for figure in team.scores] == [False, False, True, False]


def test_more_trials_are_foreseen_where_there_are_two_and_more_instances_everywhere(run):
    found = {(gain.system, gain.against): gain.widths for gain in score_table(run).gains}
    assert set(found) == {(name, "") for name in MATRIX} | {
        (name, "single") for name in MATRIX if name != "single"
    }
    assert 0 < found["single", ""].more_trials < found["single", ""].now
    assert found["delm", ""].more_trials is None  # it has one trial on each instance
    assert all(widths.more_instances < widths.now for widths in found.values())


def test_the_fine_print_names_what_was_run_with_what(run):
    told = {fact.name: " | ".join(fact.values) for fact in fine_print(run).facts}
    assert "begun as begun" in told["run"]
    assert told["prices"] == (
        "m, per million tokens: input $0.5, cached input $0.05, output $3 | source: a list of "
        "prices | recorded 2026-01-02"
    )
    assert told["versions"] == f"delm 1.2.3, commit {'b' * 12} with changes, from 2026"
    assert told["machine"] == "Linux, 2 CPUs, Python 3.11"
    assert "a" * 64 in told["hashes (SHA-256)"]
    assert told["budget"].startswith("per submission: ")
    assert " | per instance: " in told["budget"]
    assert "3 instances" in told["dataset"]


def test_a_run_that_recorded_little_has_a_short_fine_print(run):
    little = replace(run.scored, rows=replace(run.rows, facts={}))
    shown = fine_print(replace(run, scored=little))
    assert shown.command == shown.again == ""
    assert {fact.name for fact in shown.facts} <= {"run", "dates", "sandbox", "hashes (SHA-256)"}


def test_the_command_repeats_the_run_and_quotes_what_a_shell_would_read():
    config = {
        "dataset": {"name": "a b.jsonl", "split": "test"}, "systems": ["single", "$(rm)"],
        "instances": ["a__a-1"], "filter": "", "slice": ":3", "shuffle": True, "seed": 7,
        "agents": 2, "trials": 3, "submissions": 0, "workers": 4, "model": {"name": "x/y"},
        "budget": {"cost_usd": 1.5, "run_cost_usd": 0.0},
    }  # fmt: skip
    command = repeat_command({"config": config})
    assert shlex.split(command) == [
        ".venv/bin/delm", "eval", "-m", "x/y", "-d", "a b.jsonl", "-s", "single", "-s", "$(rm)",
        "-i", "a__a-1", "--slice", ":3", "--shuffle", "--seed", "7", "-n", "2", "-k", "3", "-w",
        "4", "--cost-limit", "1.5",
    ]  # fmt: skip
    same = repeat_command({"config": config | {"submissions": 4}})
    assert "-c submissions=4" in same
    assert " -k " not in same
    assert repeat_command({}) == ""
