"""A run that works is followed to its end on its page, and changed from there, by a person."""

import re
import threading
import time

import pytest
from browsing import chromium, needed, open_page, served
from console import (
    DATASET,
    FINISH,
    FLASK,
    UNGUARDED,
    bash,
    bundled,
    end,
    own_cache,
    query,
    start,
    wait_for,
)
from scripted_model import ScriptedModel
from team_script import FACT, calls, finish, team

pytestmark = pytest.mark.slow(seconds=27)
LIVE = "/runs/live"
PATIENCE = 20_000  # ms, of a machine that is busy


class World:
    """A scripted model that answers when it is told to."""

    def __init__(self) -> None:
        self.all, self.team, self.alone = (threading.Event() for _ in range(3))
        look = calls(("bash", {"command": "true"}))
        plans = {"localize": lambda _: [look, FACT, self.held, finish("F1.")],
                 "patch": lambda _: [self.held, finish("Nothing.")]}  # fmt: skip
        self._team = team(plans)

    def held(self, request):
        """The team goes on when it may."""
        self.team.wait(120)
        return bash("true")

    def answer(self, request, n):
        self.all.wait(120)
        try:
            return self._team(request, n)
        except AssertionError:  # no task: it is the one that works alone
            if len(request["messages"]) > 3:
                self.alone.wait(120)
                return FINISH
            return bash("true")

    def go(self) -> None:
        for each in (self.all, self.team, self.alone):
            each.set()


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """The folder of a run that has begun, its model, its process and its page."""
    needed()
    bundled(FLASK)
    output, world = tmp_path_factory.mktemp("live"), World()
    cache = own_cache(output / "cache")
    words = ["eval", "-m", "openai/scripted", "-d", DATASET, "-i", FLASK, "-s", "single", "-s",
             "delm", "-n", "2", "-w", "2", "--run-id", "live", "-o", output / "runs", "--yes",
             *UNGUARDED]  # fmt: skip
    with ScriptedModel(world.answer) as model:
        process = start(*words, OPENAI_API_BASE=model.base_url, OPENAI_API_KEY="none",
                        DELM_CACHE=str(cache))  # fmt: skip
        try:
            wait_for(lambda: len(model.requests) >= 2, "a request of each system")
            with served(output / "runs") as server, chromium() as browser:
                yield output / "runs/live", world, model, process, server, browser
        finally:
            world.go()
            if process.poll() is None:
                process.kill()
            process.communicate()


def press(page, form: str, button: str, reason: str) -> str:
    """Fill a form that changes the run, and what it is told."""
    place = page.locator(f"form[data-write]:has(button[value={button}])").first
    page.evaluate("document.querySelectorAll('details.control').forEach((d) => { d.open = true; })")
    place.locator("[name=by]").fill("Ada")
    place.locator("[name=reason]").fill(reason)
    place.locator(f"button[value={button}]").click()
    told = place.locator("[role=status]")
    wait_for(lambda: told.inner_text().strip(), "an answer to the form", PATIENCE / 1000)
    assert "told-bad" not in (told.get_attribute("class") or ""), told.inner_text()
    return told.inner_text()


def trial_of(run, system: str) -> int:
    rows = query(run, "SELECT max(trial_id) AS n FROM trial WHERE system = ?", system)
    return rows[0]["n"]


def test_a_form_without_the_token_changes_nothing_and_asks_for_it(live):
    run, _, _, _, server, browser = live
    before = query(run, "SELECT count(*) AS n FROM intervention")
    with open_page(browser, allowed="status of 403") as page:
        page.goto(server.at(LIVE))
        form = page.locator("form[data-write]:has(button[value=stop])").first
        page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        form.locator("[name=by]").fill("Eve")
        form.locator("[name=reason]").fill("no reason")
        form.locator("button[value=stop]").click()
        form.locator("input.token").fill("a-wrong-token")
        form.locator("button[value=stop]").click()
        page.wait_for_selector("text=/token is missing or wrong/")
    assert query(run, "SELECT count(*) AS n FROM intervention") == before


def test_a_run_is_followed_paused_resumed_cancelled_requeued_and_vetoed_from_its_page(live):
    run, world, model, process, server, browser = live
    with open_page(browser) as page, open_page(browser) as other:
        for each in (page, other):
            each.set_default_timeout(PATIENCE)
        page.goto(server.at(LIVE) + server.with_token)
        assert "token" not in page.url
        page.wait_for_selector("#live .badge.running")
        page.wait_for_selector("#live-agents >> text=waits for the model")
        page.evaluate("window.neverLoadedAgain = true")

        press(page, "run", "pause", "to look at it")
        page.wait_for_selector("#live >> text=paused by Ada: to look at it")
        wait_for(lambda: query(run, "SELECT 1 FROM intervention_applied"), "the pause")
        world.all.set()
        wait_for(lambda: len(query(run, "SELECT 1 FROM call WHERE outcome = 'ok'")) >= 2,
                 "the answers to what was in flight")  # fmt: skip
        sent = len(model.requests)
        time.sleep(1.5)
        assert len(model.requests) == sent  # no new call while it is paused
        press(page, "run", "resume", "seen enough")
        wait_for(lambda: len(model.requests) > sent, "a new request")
        page.wait_for_selector("#live .badge.running")

        _cancel_and_requeue(run, world, model, server, other)
        _veto(run, server, other)
        world.go()
        page.wait_for_selector("#live .badge.good >> text=ended", timeout=4 * PATIENCE)
        assert page.evaluate("window.neverLoadedAgain")  # it was followed, and not loaded anew
        assert "2 of 2" in page.inner_text("#live")
    ended = end(process)
    assert ended.code == 0, ended.text
    rows = query(run, "SELECT action, by, reason FROM intervention ORDER BY intervention_id")
    assert [tuple(row.values()) for row in rows] == [
        ("pause", "Ada", "to look at it"), ("resume", "Ada", "seen enough"),
        ("cancel", "Ada", "it hangs"), ("requeue", "Ada", "once more"), ("veto", "Ada", "wrong"),
    ]  # fmt: skip
    states = query(run, "SELECT state FROM trial WHERE system = 'single' ORDER BY attempt")
    assert [row["state"] for row in states] == ["cancelled", "done"]


def _cancel_and_requeue(run, world, model, server, page) -> None:
    first = trial_of(run, "single")
    waiting = "SELECT 1 FROM call WHERE trial_id = ? AND outcome = 'started' AND position = 1"
    wait_for(lambda: query(run, waiting, first), "a call in flight")
    page.goto(server.at(f"{LIVE}/trials/{first}") + server.with_token)
    press(page, "trial", "cancel", "it hangs")
    wait_for(lambda: query(run, "SELECT 1 FROM trial WHERE trial_id = ? AND state = 'cancelled'",
                           first), "the cancel")  # fmt: skip
    page.reload()
    press(page, "trial", "requeue", "once more")
    wait_for(lambda: trial_of(run, "single") != first, "another attempt")
    world.alone.set()


def _veto(run, server, page) -> None:
    trial = trial_of(run, "delm")
    admitted = "SELECT 1 FROM board_entry WHERE trial_id = ? AND label = 'F1'"
    wait_for(lambda: query(run, admitted, trial), "an entry")
    page.goto(server.at(f"{LIVE}/trials/{trial}/entries/F1") + server.with_token)
    press(page, "entry", "veto", "wrong")
    wait_for(lambda: query(run, "SELECT 1 FROM board_mark"), "the run's process")
    page.reload()
    assert re.search(r"Veto(ed)? by\s+Ada, .*: wrong", page.inner_text("main"))
    page.goto(server.at(f"{LIVE}/trials/{trial}"))
    assert re.search("vetoed", page.inner_text("#entry-F1"))
