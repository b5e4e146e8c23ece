"""The plots of a run, and the table of their points."""

import csv
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import anyio
import pytest
from fake_run import TEAM, fake_run
from planted import MATRIX, System, plant
from stores import __file__ as stores_file
from stores import derived

from harness.analysis.timeline import MODEL, WHAT, Interval, words_of
from harness.board.vocabulary import MAIN
from harness.report import agent_timeline, plot_style
from harness.report.agent_timeline import since_first_errand
from harness.report.plots import any_of_n, aside, curve, draw, pass_by_k
from harness.score.cost_accuracy import COLUMNS, cost_accuracy, front

pytestmark = pytest.mark.slow(seconds=12)

SVG = "{http://www.w3.org/2000/svg}"


async def drawn(folder):
    """Draw the plots of a run; their names, and the folder."""
    paths = draw(folder.path, await derived(folder))
    assert sorted(paths) == sorted((folder.path / "plots").iterdir())
    return {path.stem for path in paths}, folder.path / "plots"


def words(path) -> str:
    """All that can be read in an SVG."""
    return "\n".join(text.text or "" for text in ElementTree.parse(path).iter(f"{SVG}text"))


def size(path) -> tuple[int, int]:
    """Of a PNG, in pixels."""
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG")
    return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")


@pytest.fixture
async def folder(tmp_path):
    return await fake_run(tmp_path, instances=6)


async def test_a_run_of_many_systems_has_every_plot_in_both_formats(folder):
    names, there = await drawn(folder)
    several = ("independent", "centralized-parallel", "delm-n2", "delm")
    lanes = {f"timeline_{name}_project__repo-1000_0" for name in several}
    assert names == {"cost_accuracy", "pass_at_k", "cost_by_instance"} | lanes
    for name in names:
        assert min(size(there / f"{name}.png")) > 200
        assert ElementTree.parse(there / f"{name}.svg").getroot().tag == f"{SVG}svg"


def test_every_cause_of_a_time_line_has_its_words_and_its_ink():
    led = Interval(agent=MAIN, what=MODEL, start_s=0, seconds=1)
    assert set(words_of([])) == set(words_of([led])) == set(agent_timeline.INKS) == set(WHAT)
    assert len(set(agent_timeline.INKS.values())) == len(WHAT)


async def test_every_axis_says_what_it_is_and_in_what_unit(folder):
    _, there = await drawn(folder)
    for name, said in {
        "cost_accuracy": ("cost per instance (USD, 4 submissions of every system", "Avg.@1 (% of",
                          "Pareto front of this run"),
        "pass_at_k": ("k (submissions)", "Pass@k (% of instances)", "any of N, shared"),
        "cost_by_instance": ("cost per instance (USD", "the bar is the median"),
        "timeline_delm_project__repo-1000_0": ("seconds since the trial began", "agent-4",
                                               "asking the model", "running a command"),
    }.items():  # fmt: skip
        text = words(there / f"{name}.svg")
        for word in said:
            assert word in text, (name, word)
    for name in ("cost_accuracy", "pass_at_k", "cost_by_instance"):
        text = words(there / f"{name}.svg")
        assert all(system in text for system in TEAM)
    published = words(there / "cost_accuracy.svg")
    for label in ("mini-SWE-agent", "AOrchestra-Parallel", "DeLM n=2", "DeLM n=4"):
        assert f"published: {label}," in published


@pytest.mark.parametrize(
    ("least", "most"), [(0.016, 0.48), (0.03, 3.1), (0.03, 9.1), (0.11, 90.0), (0.001, 99)]
)
def test_a_logarithmic_axis_can_be_read(least, most):
    figure, axes = plot_style.new_figure(6, 4)
    plot_style.dollar_axis(axes, "x", [least, most * 1.01])
    figure.canvas.draw()
    low, high = axes.get_xlim()
    labels = [text.get_text() for text in axes.get_xticklabels()]
    there = [label for label in labels if label and low <= float(label) <= high]
    assert 3 <= len(there) <= 10


async def test_the_same_run_gives_the_same_bytes_in_another_process(folder):
    _, there = await drawn(folder)
    before = {path.name: path.read_bytes() for path in there.glob("*.svg")}
    for path in list(there.iterdir()):
        path.unlink()
    code = (
        "import anyio, sys\nfrom pathlib import Path\nfrom stores import derived\n"
        "from harness.report.plots import draw\nfrom harness.results.run_folder import RunFolder\n"
        "folder = RunFolder(Path(sys.argv[1]), sys.argv[2])\n"
        "draw(folder.path, anyio.run(derived, folder))\n"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(folder.path.parent), folder.run_id], check=True,
        env=os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(stores_file).parent)},
        timeout=120,
    )  # fmt: skip
    assert {path.name: path.read_bytes() for path in there.glob("*.svg")} == before
    assert b"<dc:date>" not in b"".join(before.values())


async def test_one_system_on_one_instance_has_the_plots_that_mean_something(tmp_path):
    matrix = {"single": System(1, "one", {"a__a-1": ["R"]})}
    names, there = await drawn(await plant(tmp_path, matrix=matrix))
    assert names == {"cost_accuracy", "cost_by_instance"}
    assert "Pass@k" not in "".join(words(path) for path in there.glob("*.svg"))


async def test_without_a_price_there_is_no_plot_of_costs(tmp_path):
    names, _ = await drawn(await plant(tmp_path, price=None))
    assert names == {"pass_at_k"}


async def test_a_run_that_never_ran_has_none_and_old_ones_are_removed(tmp_path):
    matrix = {"single": System(1, "one", {"a__a-1": ["E"]})}
    folder = await plant(tmp_path, matrix=matrix, price=None)
    there = folder.path / "plots"
    there.mkdir()
    (there / "pass_at_k.png").write_bytes(b"old")
    assert draw(folder.path, await derived(folder)) == []
    assert list(there.iterdir()) == []


async def test_a_cost_of_nothing_is_drawn_and_not_divided_by(tmp_path):
    from harness.model.prices import Price

    free = Price(input=0, cached_input=0, cache_write=0, output=0, context_tokens=0,
                 max_output_tokens=0, supports_tools=True, source="free")  # fmt: skip
    names, _ = await drawn(await plant(tmp_path, price=free))
    assert "cost_accuracy" in names
    assert "cost_by_instance" not in names


async def test_curves_are_the_estimator_and_shared_points_are_any_of_n(tmp_path):
    folder = await plant(tmp_path)
    scores = (await derived(folder)).scores
    mine = {name: [each for each in scores if each.system == name] for name in MATRIX}
    # RU, UU and RR, UU and UU, UR: of 4 submissions on each instance 1, 2 and 1 are resolved
    ks, values = zip(*curve(mine["independent"]), strict=True)
    assert ks == (1, 2, 3, 4)
    assert values == pytest.approx([1 / 3, (1 / 2 + 5 / 6 + 1 / 2) / 3, (3 / 4 + 1 + 3 / 4) / 3, 1])
    assert any_of_n(mine["delm"]) == [(1, pytest.approx(1 / 4)), (4, pytest.approx(2 / 3))]


async def test_systems_with_the_same_curve_are_told_apart(tmp_path):
    each = {"a__a-1": ["R", "R"]}
    matrix = {name: System(1, "one", each) for name in ("one", "two", "three")}
    folder = await plant(tmp_path, matrix=matrix)
    scores = (await derived(folder)).scores
    with plot_style.ink():
        figure = pass_by_k({each.system: [each] for each in scores})
    lines = figure.axes[0].get_lines()
    assert len(lines) == 3
    assert len({tuple(line.get_xdata()) for line in lines}) == 3
    assert len({line.get_linestyle() for line in lines}) == 3
    for line in lines:
        assert [round(x) for x in line.get_xdata()] == [1, 2]
        assert list(line.get_ydata()) == [100, 100]  # a value is never moved


def test_marks_are_moved_aside_evenly_and_never_to_another_k():
    assert aside(0, 1) == 0
    assert [aside(at, 3) for at in range(3)] == pytest.approx([-0.05, 0, 0.05])
    assert [aside(0, 24), aside(23, 24)] == pytest.approx([-0.2, 0.2])


def test_a_sub_agent_does_not_wait_before_it_was_given_anything():
    def was(agent, what, start_s, seconds):
        return Interval(agent=agent, what=what, start_s=start_s, seconds=seconds)

    first = was("sub-1", "main", 0, 3)
    never = was("sub-2", "main", 0, 9)
    later = [was("main", "peer", 3, 4), was("sub-1", "command", 3, 2), was("sub-1", "main", 5, 4)]
    assert since_first_errand([first, never, *later]) == later


async def test_a_main_agent_waits_for_a_sub_agent_and_not_for_a_peer():
    from harness.report.agent_timeline import lanes

    trial = {"system": "s", "instance_id": "i", "number": 0}
    waits = [Interval(agent=agent, what="peer", start_s=0, seconds=1) for agent in ("a", "main")]
    for mine, word in ((waits, "waiting for a sub-agent"), (waits[:1], "waiting for a peer")):
        with plot_style.ink():
            figure = lanes(trial, mine)
        assert [text.get_text() for text in figure.legends[0].get_texts()] == [word]


def test_the_front_is_what_nothing_beats():
    points = {
        "cheap": (1.0, 0.2), "good": (2.0, 0.6), "dear": (3.0, 0.6), "worse": (2.5, 0.5),
        "twin": (2.0, 0.6), "best": (9.0, 0.9), "unpriced": (None, 1.0), "unscored": (0.1, None),
    }  # fmt: skip
    assert front(points) == ["cheap", "good", "twin", "best"]
    assert front({}) == []


def test_the_points_hold_the_published_counterpart_as_shares():
    numbers = {f"{name}{end}": 0.5
               for name in ("cost_per_instance_usd", "cost_per_task_usd", "avg_at_1")
               for end in ("", "_low", "_high")}  # fmt: skip
    numbers |= {"equal_submissions": 4, "unfinished": 0, "system_errors": 0}
    rows = [
        {"system": "delm-n2", "agents": 2} | numbers,
        {"system": "centralized-parallel", "agents": 4} | numbers | {"cost_per_instance_usd": 0.6},
        {"system": "single", "agents": 1} | numbers | {"cost_per_instance_usd": None},
    ]
    two, parallel, single = cost_accuracy(rows, "gemini/gemini-3-flash-preview")
    assert tuple(two) == COLUMNS
    assert (two["published"], two["published_avg_at_1"]) == ("DeLM n=2", 0.6372)
    assert (two["published_cost_per_task_usd"], two["on_front"]) == (0.24, 1)
    assert two["published_cost_per_instance_usd"] == pytest.approx(4 * 0.12)
    assert two["published_source"] == "arXiv 2606.10662v2"
    assert (parallel["published_cost_per_task_usd"], parallel["on_front"]) == (0.25, 0)
    assert parallel["published_source"] == "arXiv 2606.10662v1"
    assert (single["published"], single["on_front"]) == (None, None)


def test_the_front_compares_like_with_like():
    points = ("equal_submissions", "cost_per_instance_usd", "cost_per_task_usd", "avg_at_1")
    ends = {f"{name}{end}": None for name in points[1:] for end in ("_low", "_high")}
    rows = [
        {"system": name, "agents": 1, "unfinished": unfinished, "system_errors": failed} | ends
        | dict(zip(points, (4, instance, task, score), strict=True))
        for name, unfinished, failed, instance, task, score in (
            ("four-trials", 0, 0, 1.0, 0.25, 0.5),  # a task is cheaper, and no submission is
            ("one-of-four", 0, 0, 0.8, 0.8, 0.5),
            ("lucky-start", 3, 0, 0.1, 0.1, 1.0),  # the little that it ran
            ("broken", 0, 4, 0.0, 0.0, 0.0),  # in its own code, for nothing
            ("nothing", 4, 0, None, None, None),
        )
    ]  # fmt: skip
    assert [row["on_front"] for row in cost_accuracy(rows, "m")] == [0, 1, None, None, None]


async def test_a_plot_of_an_unfinished_run_says_so(tmp_path):
    matrix = {"single": System(1, "one", {"a__a-1": ["R", "R"], "a__a-2": ["R", "C"]}),
              "later": System(1, "one", {"a__a-1": ["C", "C"]})}  # fmt: skip
    names, there = await drawn(await plant(tmp_path, matrix=matrix))
    assert names == {"cost_accuracy", "cost_by_instance"}  # three submissions make no Pass@2
    for name in names:
        assert "not finished: 3 of 6 trials run, 3 not run" in words(there / f"{name}.svg")
    text = words(there / "cost_accuracy.svg")
    assert "single (not finished)" in text
    assert "later" not in text
    assert "Pareto" not in text


async def test_the_csv_has_one_row_a_system_in_the_order_of_the_table(folder):
    await drawn(folder)
    with (folder.path / "cost_accuracy.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert tuple(rows[0]) == COLUMNS
    assert [row["system"] for row in rows] == list(TEAM)
    assert {row["on_front"] for row in rows} == {"0", "1"}
    with (folder.path / "table.csv").open(newline="") as lines:
        table = list(csv.DictReader(lines))
    assert [row["avg_at_1_low"] for row in rows] == [row["avg_at_1_low"] for row in table]


def test_an_axis_of_dollars_begins_at_nothing_unless_that_hides_the_small_ones():
    with plot_style.ink():
        _, axes = plot_style.new_figure(2, 2)
        plot_style.dollar_axis(axes, "x", [0.1, 1.0])
        plot_style.dollar_axis(axes, "y", [0.001, 1.0])
    assert (axes.get_xlim()[0], axes.get_xscale()) == (0, "linear")
    assert axes.get_yscale() == "log"
    assert axes.get_ylim()[0] < 0.001
    with plot_style.ink():
        _, axes = plot_style.new_figure(2, 2)
        plot_style.dollar_axis(axes, "x", [0.0, 1.0])  # nothing has no logarithm
    assert axes.get_xscale() == "linear"


def test_no_two_of_many_systems_look_alike():
    looks = [(plot_style.colour(at), plot_style.marker(at)) for at in range(24)]
    assert len(set(looks)) == 24


def test_score_draws_them_and_says_where(tmp_path, delm):
    folder = anyio.run(partial(fake_run, tmp_path, instances=6))
    told = delm("score", folder.path)
    assert told.code == 0, told.text
    assert f"plots: {folder.path / 'plots'}: cost_accuracy, pass_at_k" in told.out
    assert (folder.path / "plots" / "cost_accuracy.svg").exists()


def test_every_column_of_the_points_is_explained():
    from pathlib import Path

    text = (Path(__file__).parents[2] / "results" / "README.md").read_text()
    section = text.partition("## cost_accuracy.csv")[2].partition("\n## ")[0]
    for column in COLUMNS:
        name = column.removesuffix("_low").removesuffix("_high")
        assert f"`{name}`" in section, column
