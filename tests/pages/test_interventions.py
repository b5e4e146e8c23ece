"""What people did, on pages and below tables: in words, escaped, and as a warning about figures."""

from types import SimpleNamespace

import pytest
from played_run import make

from harness.analysis.interventions import (
    left_cancelled,
    line,
    of_trial,
    sentences,
    told,
    touched,
)
from harness.pages.interventions import interventions_html
from harness.pages.links import ReportLinks, ViewLinks
from harness.store.interventions import Action, NewIntervention
from harness.store.sqlite.store import SqliteStore

HOSTILE = '<script>alert(1)</script>\x1b[31m" onload="x'


@pytest.fixture
async def run(tmp_path):
    """Two trials: one cancelled and requeued, one that waits, of a run that was paused."""
    store = SqliteStore(tmp_path / "run.db")
    made, _ = make(store, lambda trial: None, trials=2)
    await made.plan()

    async def do(action: Action, by: str = "Ada", reason: str = "to see", **more):
        new = NewIntervention(action=action, by=by, reason=reason, **more)
        await store.intervene(new, alive={"p"}, cap=5)

    await do(Action.PAUSE, value=True)
    await do(Action.RESUME, by=HOSTILE, reason=HOSTILE)
    await do(Action.CANCEL, trial_id=1)
    await do(Action.REQUEUE, trial_id=1, by="Bob")
    await do(Action.CANCEL, trial_id=3)
    await do(Action.RAISE, trial_id=2, target="steps", value=9)
    await store.note_applied(1, "calls and answers are held")
    rows = await store.read()
    store.close()
    return rows


async def test_a_reader_of_figures_is_told_what_people_changed_and_where(run):
    first, second = sentences(run)
    assert first == (
        "people interfered (2 cancelled trials, 1 requeued trial, 1 raised cap, by Ada, Bob), on "
        "2 trials (s 2): this changes what is measured there."
    )
    assert second.startswith("people changed how the run went (1 pause, 1 resume, by Ada, ")


async def test_the_trials_of_a_system_that_people_changed_are_counted_once_each(run):
    assert (touched(run, "s"), touched(run, "another")) == (2, 0)


async def test_only_the_last_attempt_that_a_person_cancelled_is_not_run_again(run):
    assert left_cancelled(run.trials, run.interventions) == {3}


async def test_an_intervention_on_an_earlier_attempt_is_one_on_the_trial(run):
    trials = {trial["trial_id"]: trial for trial in run.trials}
    assert [row["intervention_id"] for row in of_trial(run, trials[3])] == [3, 4, 5]
    assert [row["intervention_id"] for row in of_trial(run, trials[2])] == [6]


async def test_each_is_a_line_with_name_reason_and_what_came_of_it(run):
    lines = [line(each) for each in told(run)]
    assert "Ada paused the run, answers too: to see (calls and answers are held, " in lines[0]
    assert "Bob requeued trial 1: to see (attempt 2 waits: trial 3, " in lines[3]
    assert lines[5].endswith(
        "Ada raised the cap on steps of trial 2 to 9: to see (nobody has acted on it)"
    )


@pytest.mark.parametrize("links", [ReportLinks(), ViewLinks("run")])
async def test_a_page_shows_them_and_nothing_that_people_wrote_is_markup(run, links):
    page = str(interventions_html(SimpleNamespace(rows=run), links))
    assert "<script>" not in page
    assert "\x1b" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert f'<a href="{links.trial(3)}">cancelled trial 3</a>' in page
    assert "attempt 2 waits: trial 3" in page
    assert page.count("<tr id=") == 6
    assert "no process has acted on it yet" in page


async def test_a_run_that_nobody_touched_has_no_such_section_and_no_warning(tmp_path):
    store = SqliteStore(tmp_path / "run.db")
    made, _ = make(store, lambda trial: None)
    await made.plan()
    rows = await store.read()
    store.close()
    assert interventions_html(SimpleNamespace(rows=rows), ReportLinks()) is None
    assert sentences(rows) == []
