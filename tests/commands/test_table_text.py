"""The printed table, at the widths of terminals: nothing is cut, and every number is there."""

import io
import re
from typing import Any

import pytest
from planted import plant
from rich.console import Console
from stores import derived

from harness.benchmarks.swebench.footnotes import missing_systems
from harness.commands.table import print_run
from harness.config import resolve
from harness.text.text_table import Line, Table, breadth, written

WIDTHS = (80, 100, 160)
FLASH = "gemini/gemini-3-flash-preview"


def row(system: str, agents: int, **more: Any) -> dict[str, Any]:
    """A row of table.csv in which no two numbers are alike."""
    at = len(system) + agents  # differs from system to system
    return {
        "system": system, "agents": agents, "main_agents": 0, "instances": 500, "wanted": 2000,
        "resolved": 1000 + at, "infra_errors": 300 + at,
        "avg_at_1": 0.5 + at / 1000, "avg_at_1_low": 0.4 + at / 1000,
        "avg_at_1_high": 0.6 + at / 1000, "pass_at_2": 0.61 + at / 1000,
        "pass_at_2_low": 0.51 + at / 1000, "pass_at_2_high": 0.71 + at / 1000,
        "pass_at_2_kind": "independent", "pass_at_4": 0.72 + at / 1000,
        "pass_at_4_low": 0.62 + at / 1000, "pass_at_4_high": 1.0, "pass_at_4_kind": "independent",
        "selected_at_1": None, "selected_at_1_low": None, "selected_at_1_high": None,
        "cost_per_instance_usd": 0.8 + at / 1000, "cost_per_instance_usd_low": 0.7 + at / 1000,
        "cost_per_instance_usd_high": 0.9 + at / 1000, "equal_submissions": 4,
        "cost_per_task_usd": 0.2 + at / 1000, "cost_per_task_usd_low": 0.1 + at / 1000,
        "cost_per_task_usd_high": 10.3 + at / 1000, "cost_per_submission_usd": 0.01 + at / 1000,
        "cost_per_submission_usd_low": 0.005 + at / 1000,
        "cost_per_submission_usd_high": 0.015 + at / 1000,
        "latency_mean_s": 100.0 + at, "latency_last_s": 200.0 + at,
        "budget_per_instance_usd": 12.0, "budget_per_instance_steps": 1000,
        "budget_per_instance_tokens": None, "budget_wall_clock_s": 3600.0,
    } | more  # fmt: skip


def numbers(each: dict[str, Any]) -> list[str]:
    """What must be readable of a row, as a person reads it."""
    leaders = f"{each['main_agents']}+" if each["main_agents"] else ""
    found = [f"{leaders}{each['agents']}", f"{each['resolved']} of 2000", str(each["infra_errors"])]
    for name in ("avg_at_1", "pass_at_2", "pass_at_4", "selected_at_1"):
        if each[name] is not None:
            found.append(f"{100 * each[name]:.1f} %")
            found.append(f"{100 * each[f'{name}_low']:.1f}–{100 * each[f'{name}_high']:.1f}")
    for name in ("cost_per_instance_usd", "cost_per_task_usd", "cost_per_submission_usd"):
        found.append(f"{each[name]:.4f}")
        found.append(f"{each[f'{name}_low']:.4f}–{each[f'{name}_high']:.4f}")
    found += [f"{each['latency_mean_s']:.0f} s", f"{each['latency_last_s']:.0f} s"]
    return [*found, f"${each['budget_per_instance_usd']:g}"]


ROWS = [
    row("single", 1),
    row("mini-swe-agent", 1),
    row("independent", 4),
    row("centralized", 1, main_agents=1),
    row("centralized-parallel", 4, main_agents=1),
    row("delm-n2", 2, pass_at_2_kind="shared", pass_at_4=None, pass_at_4_kind=None,
        selected_at_1=0.555, selected_at_1_low=0.222, selected_at_1_high=0.888),
    row("delm", 4, pass_at_4_kind="shared", pass_at_2=None, pass_at_2_kind=None),
]  # fmt: skip
FACTS = {
    "dataset": "SWE-bench Verified", "model": FLASH, "replay": False, "prices_source": "a list",
    "config": resolve([{"dataset": {"name": "d"}}]).model_dump(mode="json"),
}  # fmt: skip
PUBLISHED = {
    "mini-SWE-agent": ["54.7 %", "65.6 %", "75.1 %", "±2.37", "0.26", "92 s"],
    "AOrchestra": ["55.3 %", "64.5 %", "73.2 %", "±2.03", "0.24", "90 s"],
    "AOrchestra-Parallel": ["56.4 %", "63.2 %", "71.8 %", "0.25"],
    "DeLM n=2": ["63.7 %", "72.9 %†", "0.24", "0.12", "72 s"],
    "DeLM n=4": ["66.1 %", "77.4 %†", "0.47", "0.12", "61 s"],
}


def shown(rows, width, **more: Any) -> str:
    out = io.StringIO()
    print_run(Console(file=out, width=width), rows, FACTS | more)
    return out.getvalue()


def of_system(text: str, name: str) -> str:
    """The lines of one system, of both tables where there are two."""
    mine, inside = [], False
    for line in text.splitlines():
        if line and not line.startswith(" "):
            inside = line.split()[0] == name
        if inside:
            mine.append(line)
    return "\n".join(mine)


@pytest.mark.parametrize("width", WIDTHS)
def test_every_number_is_there_and_no_line_is_wider_than_the_terminal(width):
    text = shown(ROWS, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for each in ROWS:
        mine = of_system(text, each["system"])
        for number in numbers(each):
            assert re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", mine), (number, mine)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_published_row_is_below_ours_and_is_called_that(width):
    text = shown(ROWS, width)
    systems = ("mini-swe-agent", "centralized", "centralized-parallel", "delm-n2", "delm")
    for name, (label, expected) in zip(systems, PUBLISHED.items(), strict=True):
        mine = of_system(text, name)
        _, _, theirs = mine.partition(f"published: {label}, Gemini 3 Flash")
        assert theirs, (name, mine)
        for number in expected:
            assert number in theirs.replace("\n", " "), (name, number)
    for name in ("single", "independent"):
        assert "published" not in of_system(text, name)


@pytest.mark.parametrize("width", WIDTHS)
def test_only_what_shares_a_context_is_marked_as_any_of_n(width):
    text = shown(ROWS, width)
    two, four = ROWS[-2], ROWS[-1]
    assert f"{100 * two['pass_at_2']:.1f} %†" in text
    assert f"{100 * four['pass_at_4']:.1f} %†" in text
    assert "† any of N: the submissions of one trial share" in text
    alone = shown(ROWS[:2], width)
    assert "†" not in alone


@pytest.mark.parametrize("width", [80, 100, 140, 160])
def test_below_a_row_is_nothing_but_what_its_name_says(width):
    text = shown(ROWS, width)
    for line in text.splitlines():
        if line.startswith("  95 % interval"):
            assert re.fullmatch(r"  95 % interval( +[\d.]+–[\d.]+)+", line), line
        if line.startswith("  sd over runs"):
            assert re.fullmatch(r"  sd over runs( +±[\d.]+)+", line), line
    cells = [line for line in text.splitlines() if re.search(r"\d \d|[%s]  ", line)]
    assert all(line[:3].strip() for line in cells)


def test_a_main_agent_is_counted_beside_those_that_it_leads():
    text = shown(ROWS, 80)
    assert of_system(text, "centralized").split()[1] == "1+1"
    assert of_system(text, "centralized-parallel").split()[1] == "1+4"
    assert "1+N agents: an orchestrator, and up to N subagents at a time." in text
    assert "1+N" not in shown(ROWS[:3], 80)


def test_one_instance_is_no_instances():
    assert f"{FLASH} · 1 instance\n" in shown([ROWS[0] | {"instances": 1}], 160)
    assert f"{FLASH} · 500 instances\n" in shown(ROWS, 160)


def test_a_terminal_that_is_wide_enough_has_one_table():
    assert shown(ROWS, 160).count("\nsystem ") == 1
    assert shown(ROWS, 100).count("\nsystem ") == 2


def test_a_budget_that_is_not_the_others_is_marked_and_said():
    rows = [*ROWS[:3], ROWS[3] | {"budget_per_instance_usd": 16.0}]
    text = shown(rows, 160)
    assert "≠ $16" in of_system(text, "centralized")
    assert (
        "budget per instance: $12 · 1000 steps · 3600 s a trial (single, mini-swe-agent, "
        "independent); $16 · 1000 steps · 3600 s a trial (centralized)\n"
    ) in text
    assert "≠" not in of_system(text, "single")
    assert "≠ this budget differs from the other rows" in text
    assert "≠" not in shown(ROWS, 160)


def test_where_no_budget_is_the_usual_one_each_is_marked():
    text = shown([ROWS[0], ROWS[1] | {"budget_wall_clock_s": 60.0}], 160)
    assert "≠" in of_system(text, "single")
    assert "≠" in of_system(text, "mini-swe-agent")


def test_no_limit_and_an_unknown_budget_are_not_the_same():
    names = [name for name in ROWS[0] if name.startswith("budget_")]
    assert of_system(shown([ROWS[0] | dict.fromkeys(names)], 160), "single").count("$") == 0
    free = ROWS[0] | {"budget_per_instance_usd": None, "budget_per_instance_tokens": 2_000_000}
    text = shown([free], 160)
    assert of_system(text, "single").splitlines()[0].endswith("any $")
    assert "budget per instance: any $ · 1000 steps · 2M tokens · 3600 s a trial\n" in text


def test_the_leaderboard_and_what_else_must_be_known_stand_below():
    text = " ".join(shown(ROWS, 80).split())
    assert "mini-SWE-agent with Gemini 3 Flash, 75.8 % (250 steps, $3), a larger budget" in text
    assert "arXiv 2606.10662v2 and arXiv 2606.10662v1, on SWE-bench Verified, at" in text
    assert "at other budgets: mini-SWE-agent unknown; AOrchestra 10 × 50 steps;" in text
    assert "DeLM n=4 480 s · 6 × 50 steps · 1M tokens (results/reference/published.csv)" in text
    other = " ".join(shown(ROWS, 80, dataset="verified-offline").split())
    assert "on SWE-bench Verified, not on verified-offline, at" in other
    assert "leaderboard" not in shown(ROWS[:1], 160)


def test_systems_that_were_not_run_are_named_with_what_they_need():
    names = "independent, centralized, centralized-parallel, delm-n2, delm"
    assert f"name a model (make eval MODEL=…): {names}" in shown(ROWS[:2], 160, replay=True)
    assert f"systems of configs/table.yaml not in this run: {names}" in shown(ROWS[:2], 160)
    assert missing_systems(ROWS, {}) == []


def test_a_name_too_long_for_its_column_is_whole_on_a_line_of_its_own():
    name = "x" * 60
    text = shown([row(name, 99), *ROWS], 80)
    assert max(map(len, text.splitlines())) <= 80
    assert text.splitlines().count(name) == text.count("\nsystem ")
    for number in numbers(row(name, 99)):
        assert number in text


def test_nothing_is_known_of_an_empty_run_and_nothing_is_made_up():
    text = shown([], 80, config=FACTS["config"])
    assert "%" not in text
    assert "published" not in text
    assert "not in this run" not in text


CUT = {"instances": 4, "trials": 4, "wanted": 4, "wanted_run": 3, "resolved": 3, "unfinished": 1}
NONE = {name: None for name in ROWS[0]
        if name.startswith(("avg", "pass", "sel", "cost", "lat", "res"))}  # fmt: skip


@pytest.mark.parametrize("width", WIDTHS)
def test_what_is_unfinished_does_not_look_final(width):
    rows = [
        row("single", 1, **CUT, unfinished_usd=0.25),
        row("centralized-parallel", 4, wanted_run=1999, unfinished=1, main_agents=1),
        row("delm", 4, **CUT | NONE | {"wanted_run": 0, "unfinished": 4}),
        row("independent", 4, **CUT | NONE | {"wanted_run": 0, "unfinished_usd": 0.5}),
    ]
    text = shown(rows, width)
    assert max(map(len, text.splitlines())) <= width
    assert "3 of 3 run, 1 not run" in of_system(text, "single")
    nothing = of_system(text, "delm").partition("published")[0]
    assert "4 not run" in nothing
    assert "%" not in nothing
    cut = of_system(text, "independent").partition("published")[0]
    assert "0 of 4, interrupted" in cut
    assert "not run" not in cut
    said = " ".join(text.split())
    assert (
        "not finished (single, centralized-parallel, delm, independent): scores and costs cover"
        in said
    )
    assert "Interrupted trials cost, in no column: single $0.2500, independent $0.5000." in said
    assert "not finished" not in shown(ROWS, width)


def test_a_cost_that_is_unknown_is_not_the_least_of_anything():
    mine = row("single", 1, cost_unsure_usd=0.5, cost_per_submission_usd=None)
    assert "≥–" not in shown([mine], 160)
    assert "≥" in shown([mine], 160)
    cut = row("single", 1, cost_unsure_usd=0.5, unfinished_unsure_usd=0.5)  # of no column
    assert "≥" not in shown([cut], 160)


def test_dollars_that_were_brought_to_equal_submissions_are_said():
    rows = [row("single", 1, wanted=500), row("delm", 4)]
    text = " ".join(shown(rows, 160).split())
    assert "$/instance: scaled to 4 submissions of every system; single was asked for 1." in text
    assert "$/instance: of" not in shown(ROWS, 160)


def test_answers_that_had_been_paid_for_are_said_to_take_no_time():
    text = " ".join(shown([row("single", 1, served_calls=12)], 160).split())
    assert "model calls answered from the ledger, without a new request: single 12;" in text


@pytest.mark.parametrize("width", WIDTHS)
def test_dollars_to_which_cut_off_calls_may_add_are_marked_and_said(width):
    mine = row("single", 1, cost_unsure_usd=0.5), row("delm", 4, cost_unsure_usd=0.0)
    text = shown(mine, width)
    unsure = of_system(text, "single")
    assert f"≥{mine[0]['cost_per_instance_usd']:.4f}" in unsure
    assert f"≥{mine[0]['cost_per_task_usd']:.4f}" in unsure
    assert f"≥{mine[0]['cost_per_submission_usd']:.4f}" in unsure
    assert "≥" not in of_system(text, "delm")
    said = " ".join(text.split())
    assert "more of the finished trials, as spent (not scaled): single $0.5000." in said


def test_what_is_flagged_or_fails_unstable_tests_only_is_said_below_and_else_nothing():
    known = {"resolved": 1, "wanted": 4, "official_resolved": 3, "flagged": 2,
             "flake_adjusted_resolved": 2}  # fmt: skip
    text = " ".join(shown([row("single", 1, **known), row("delm", 4)], 120).split())
    assert (
        "single: 3 resolved by the official grader alone, 2 submissions flagged (see "
        "submissions.csv)." in text
    )
    assert "single: 2 of 4 resolved without tests that are unstable" in text
    plain = shown(
        [row("single", 1, **known | {"flagged": 0, "flake_adjusted_resolved": None})], 120
    )
    assert "flagged" not in plain
    assert "unstable" not in plain


def test_copies_are_said_with_the_cost_of_a_submission_without_them():
    known = {"submissions": 4, "copies": 3, "cost_usd": 0.5}
    single = row("single", 1, submissions=4, copies=0, cost_usd=0.8)
    text = " ".join(shown([row("delm", 4, **known), single], 120).split())
    assert (
        "delm: 3 of 4 submissions are copies of another agent's patch; a distinct patch costs "
        "$0.5000, 2.50 times one of single ($0.2000)." in text
    )
    assert text.count("copies of another") == 1
    alone = " ".join(shown([row("delm", 4, **known)], 120).split())
    assert "a distinct patch costs $0.5000." in alone
    unknown = " ".join(shown([row("delm", 4, **known | {"cost_usd": None})], 120).split())
    assert "3 of 4 submissions are copies of another agent's patch." in unknown


def test_undefined_is_a_dash_and_not_a_zero():
    names = [n for n in ROWS[0] if n.startswith(("avg", "pass", "sel", "cost", "lat", "budget"))]
    mine = of_system(shown([ROWS[0] | dict.fromkeys(names)], 160), "single")
    assert mine.split()[5:] == ["–"] * 9 + [str(ROWS[0]["infra_errors"]), "–"]


def test_control_characters_are_never_printed_and_markup_is_not_obeyed():
    text = shown([row("[red]x[/red]", 1)], 160)
    assert "[red]x[/red]" in text


def test_columns_are_aligned_whatever_is_in_them():
    head = Line(name="a", more="b", cells=("one", "two"))
    lines = (
        Line(name="short", more="1", cells=("1", "22")),
        Line(name="a label that is longer", short="a label", cells=("333", "")),
    )
    table = Table(head=head, lines=lines)
    assert [text for text, _ in written(table, 80)] == [
        "a     b" + " " * 17 + "one  two",
        "short 1" + " " * 17 + "  1   22",
        "a label that is longer  333",
    ]
    assert [text for text, _ in written(table, 20)] == [
        "a     b  one  two",
        "short 1    1   22",
        "a label that is longer",
        "a label  333",
    ]
    assert breadth(written(table, 20)) == 22


async def test_the_rows_of_a_real_run_are_printed_as_they_are(tmp_path):
    scored = await derived(await plant(tmp_path))
    rows, out = scored.table, io.StringIO()
    print_run(Console(file=out, width=80), rows, scored.rows.facts)
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    for each in rows:
        mine = of_system(text, each["system"])
        if each["unfinished"]:
            assert f"{each['resolved']} of {each['wanted_run']} run, 1 not run" in mine
        else:
            assert f"{each['resolved']} of {each['wanted']}" in mine
        assert f"{100 * each['avg_at_1']:.1f} %" in mine
