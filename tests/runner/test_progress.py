"""What is shown while a run goes on: nothing in it is ever obeyed by the terminal."""

import io
from contextlib import closing
from typing import Any

import anyio
import pytest
from rich.console import Console

from harness.runner.progress import Progress
from harness.score.cost import Spent
from harness.store.rows import Standing
from harness.store.sqlite.store import SqliteStore

HOSTILE = "\x1b]0;owned\x07 \x1b[31m [red]x[/red] [/nothing] \u202e \\"


def row(number: int = 0, **more: Any) -> dict[str, Any]:
    return {"trial_id": number, "system": "single", "instance_id": "a__a-1",
            "number": number} | more  # fmt: skip


def made(*, terminal: bool, total: int = 2) -> tuple[Progress, io.StringIO]:
    out = io.StringIO()
    console = Console(
        file=out, force_terminal=terminal, width=200, color_system="standard", legacy_windows=False
    )
    return Progress(console, total), out


def cost(usd: float, unsure: float = 0.0) -> Spent:
    return Spent(usd=usd, unsure_usd=unsure)


@pytest.mark.parametrize("terminal", [False, True])
def test_hostile_text_is_shown_disarmed(terminal):
    progress, out = made(terminal=terminal)
    with progress.showing():
        progress.trial(row(), "preparing")
        progress.trial(row(), "error", f"model: {HOSTILE}")
        progress.say(HOSTILE)
    said = out.getvalue()
    assert "\x1b]0;" not in said
    assert "\x07" not in said
    assert "\x1b[31m" not in said
    assert "\u202e" not in said
    assert said.count("[red]x[/red] [/nothing]") == 2


def test_names_in_the_live_table_are_no_markup():
    progress, out = made(terminal=True)
    with progress.showing():
        progress.trial(row(system="[red]s[/]", instance_id="[bold]i[/x]"), "working")
        progress.step(row(), 3, cost(0.5))
        assert progress._live is not None
        progress._live.refresh()
    assert "[red]s[/]" in out.getvalue()
    assert "[bold]i[/x]" in out.getvalue()


def test_without_a_terminal_there_is_one_plain_line_a_trial():
    progress, out = made(terminal=False)
    with progress.showing():
        for number in (0, 1):
            progress.trial(row(number), "preparing")
            progress.trial(row(number), "working")
            progress.step(row(number), 4, cost(0.25))
            progress.trial(row(number), "grading")
            progress.trial(row(number), "done", "finished")
    first, second = out.getvalue().splitlines()
    assert first.startswith("single a__a-1 #1: done (finished), 4 steps, $0.2500, ")
    assert first.endswith("[1/2]")
    assert second.startswith("single a__a-1 #2: ")
    assert second.endswith("[2/2]")
    assert "\x1b" not in out.getvalue()


def test_money_that_may_or_may_not_be_billed_is_told_as_a_range():
    progress, out = made(terminal=False)
    progress.trial(row(), "working")
    progress.step(row(), 4, cost(0.25, 0.5))
    progress.trial(row(), "cancelled", "interrupted")
    assert "cancelled (interrupted), 4 steps, $0.2500 to $0.7500, " in out.getvalue()
    live, shown = made(terminal=True)
    with live.showing():
        live.trial(row(), "working")
        live.step(row(), 4, cost(0.25, 0.5))
        assert live._live is not None
        live._live.refresh()
    assert "at most $0.7500" in shown.getvalue()


def test_what_was_made_before_a_resume_is_told_apart():
    progress, out = made(terminal=False, total=2)
    progress.trial(row(), "working")
    progress.step(row(), 6, cost(0.25), resumed=4)
    progress.trial(row(), "done", "finished")
    graded = row(1, state="grading")
    progress.trial(graded, "grading")
    progress.step(graded, 0, cost(0.0))
    progress.trial(graded, "done", "finished")
    first, second = out.getvalue().splitlines()
    assert "6 steps (4 of them before the run was interrupted), $0.2500, " in first
    assert "only graded now: its agents had ended before the run was interrupted, " in second
    assert "step" not in second


def test_the_live_table_counts_what_was_spent_and_what_failed():
    progress, out = made(terminal=True, total=3)
    with progress.showing():
        progress.trial(row(0), "working")
        progress.step(row(0), 1, cost(0.5))
        progress.trial(row(0), "error", "x")
        progress.trial(row(1), "working")
        progress.step(row(1), 7, cost(0.25))
        assert progress._live is not None
        progress._live.refresh()
    assert "1/3 trials, 1 failed or cut short, $0.7500" in out.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
def test_a_call_that_is_sent_again_says_so_until_it_is_answered(terminal):
    progress, out = made(terminal=terminal)
    why = "attempt 2 of 8 (cannot connect)"
    with progress.showing():
        progress.waiting(0, why)  # of a trial that nobody knows: nothing
        progress.trial(row(), "working")
        progress.waiting(0, why)
        if terminal:
            assert progress._live is not None
            progress._live.refresh()
            before = len(out.getvalue())
            progress.step(row(), 1, cost(0.1))
            progress._live.refresh()
            assert why not in out.getvalue()[before:]
    assert f"waiting: {why}" in out.getvalue()
    if not terminal:
        assert out.getvalue() == f"single a__a-1 #1: waiting: {why}\n"


def test_a_run_that_goes_on_counts_from_what_earlier_starts_and_other_processes_have_done():
    progress, out = made(terminal=False, total=9)
    progress.stands(Standing(ended=5, failed=1, usd=2.0))
    progress.trial(row(), "working")
    progress.stands(Standing(ended=7, failed=1, usd=2.0))  # another process has ended one meanwhile
    progress.trial(row(), "done")
    assert out.getvalue().rstrip().endswith("[7/9]")
    live, shown = made(terminal=True, total=9)
    live.stands(Standing(ended=5, failed=1, usd=2.0))
    with live.showing():
        live.trial(row(), "working")
        live.step(row(), 2, cost(0.9))  # 0.4 of it were paid for before
        live.stands(Standing(ended=5, failed=1, usd=2.5))  # the store has each call once
        assert live._live is not None
        live._live.refresh()
    assert "5/9 trials, 1 failed or cut short, $2.5000" in shown.getvalue()


async def test_the_live_table_shows_how_far_the_store_says_that_the_run_is(tmp_path):
    progress, out = made(terminal=True)
    with closing(SqliteStore(tmp_path / "run.db")) as store:
        asked = {"repo": "a/a", "difficulty": "", "length": ""}
        planned = row() | {"agents": 1, "wanted": 1, "submits": "one"}
        await store.plan([{"instance_id": "a__a-1"} | asked], [planned])
        trial = await store.claim_trial()
        assert trial is not None
        progress.stands(await store.standing())
        with progress.showing():
            progress.trial(trial, "working")
            for until in ("0/2 trials", "1/2 trials"):
                with anyio.fail_after(30):  # the thread draws it
                    while until not in out.getvalue():
                        await anyio.sleep(0.05)
                if until == "0/2 trials":
                    key = trial["trial_id"]
                    await store.finish_trial(key, "done", reason="finished", seconds=1.0)
                    progress.stands(await store.standing())
                    progress.trial(trial, "done")
