"""A run that works is followed; one that has ended is not."""

import threading
import time
from contextlib import contextmanager

import anyio
import pytest
from page_server import TOKEN, page_server
from planted import INSTANCES, PRICE, System, plant

from harness.config import resolve
from harness.model.prices import cost
from harness.results.run_folder import RunFolder
from harness.runner.processes import join
from harness.store.ledger import EndedCall, NewCall
from harness.store.sqlite.store import SqliteStore
from harness.types import Reply, ToolCall, Usage

PLAN = [
    {"system": "single", "instance_id": each["instance_id"], "number": 0, "agents": 1,
     "wanted": 1, "submits": "one"}
    for each in INSTANCES
]  # fmt: skip
USED = Usage(prompt_tokens=1000, cached_tokens=600, completion_tokens=50)


@pytest.fixture
def folder(tmp_path):
    """A run of three trials that have not begun."""
    made = RunFolder(tmp_path / "results", "live")
    made.create()
    store = SqliteStore(made.path / "run.db")

    async def describe() -> None:
        config = resolve([{"budget": {"run_cost_usd": 2.0}}]).model_dump(mode="json")
        await store.describe(dataset="d", model="m", config=config, replay=False, prices={"m": {}})
        await store.plan(INSTANCES, PLAN)

    anyio.run(describe)
    store.close()
    return made


class Heard:
    """The events of a stream, read by a thread."""

    def __init__(self, client, path):
        self.events = []
        self._news = threading.Condition()
        self.thread = threading.Thread(target=self._read, args=(client, path), daemon=True)
        self.thread.start()

    def _read(self, client, path):
        for name, data in client.events(path):
            with self._news:
                self.events.append((name, data))
                self._news.notify_all()

    def until(self, said, timeout_s=10):
        """The first event, from now on or before, whose header says so."""
        with self._news:
            found = self._news.wait_for(
                lambda: next((d for n, d in self.events if n == "state" and said(d)), None),
                timeout_s,
            )
        assert found, [data["html"] for _, data in self.events[-1:]]
        return found


@contextmanager
def following(folder):
    with page_server(folder.path.parent) as client:
        yield client, Heard(client, "/runs/live/live")


async def work(store, say):
    """One trial from its claim to its end, a step for each of the waits of `say`."""
    row = await store.claim_trial()
    trial = row["trial_id"]
    say("1 running")
    call = await store.begin_call(NewCall(
        trial_id=trial, conversation="talk", agent="agent-1", position=0, model="m",
        prompt_sha256="", repeated=0.0, reserved_usd=0.5, moment=1,
    ))  # fmt: skip
    say("waits for the model")
    asked = ToolCall(id="1", name="bash<b>", arguments="{}")
    reply = Reply(content="", tool_calls=[asked], usage=USED, finish_reason="tool_calls")
    await store.end_call(call, EndedCall(
        outcome="ok", reply=reply, usage=USED, latency_s=1, attempts=1, error="",
        cost_usd=cost(USED, PRICE), moment=2,
    ))  # fmt: skip
    say("bash&lt;b&gt;")
    await store.say(trial, "talk", [{"role": "user", "content": "x"}])
    await store.finish_trial(trial, "error", reason="model: away", seconds=1.0,
                             detail="Traceback\n  …\nValueError: <no>")  # fmt: skip
    say("ValueError: &lt;no&gt;")
    return trial


def test_a_run_is_followed_from_its_first_call_to_its_end(folder):
    with join(folder.path), following(folder) as (client, heard):
        first = heard.until(lambda d: "3 waiting" in d["html"])
        assert "of $2.0000" in first["html"]
        page = client.page("/runs/live")
        assert 'data-follow="/runs/live/live"' in page
        assert 'data-follow="/runs/live/live"' in client.page("/runs/live/rows/calls")
        assert 'data-trial="1"' in client.page("/runs/live/trials/1")
        store = SqliteStore(folder.path / "run.db")
        trial = anyio.run(
            work, store, lambda words: heard.until(lambda d: words in d["html"])
        )  # fmt: skip
        last = heard.until(lambda d: "1 infrastructure error" in d["html"])
        assert "<b>" not in last["html"]
        assert "Calls a minute</dt><dd>1<" in last["html"]
        assert "Tokens a minute</dt><dd>1,050<" in last["html"]
        assert trial in {each for _, data in heard.events for each in data["trials"]}
        store.close()
        versions = [data["version"] for _, data in heard.events]
        befores = [data["before"] for _, data in heard.events]
        assert befores[1:] == versions[:-1]
    ended = time.monotonic()
    heard.thread.join(10)
    assert time.monotonic() - ended < 5


def test_the_stream_ends_with_the_run_and_nobody_watches_any_more(folder):
    with page_server(folder.path.parent) as client:
        with join(folder.path):
            heard = [Heard(client, "/runs/live/live") for _ in range(3)]
            for each in heard:
                each.until(lambda d: "3 waiting" in d["html"])
            assert client.followed() == ["live"]
        for each in heard:
            each.thread.join(10)
            assert each.events[-1][0] == "end"
            assert "not finished, not running" in each.events[-2][1]["html"]
        assert client.followed() == []
        page = client.page("/runs/live")
        assert "data-follow" not in page


def test_a_pause_is_told_with_who_and_why(folder):
    with join(folder.path), following(folder) as (client, heard):
        heard.until(lambda d: "3 waiting" in d["html"])
        fields = {"action": "pause-now", "by": "Ada <b>", "reason": "too dear"}
        answer = client.post(
            "/runs/live/control", json=fields, headers={"x-delm-token": TOKEN}
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        told = heard.until(lambda d: "paused</span>" in d["html"])
        assert "by Ada &lt;b&gt;" in told["html"]
        assert "too dear" in told["html"]
        assert told["version"] != told["before"]


def test_a_browser_that_goes_away_ends_the_watching(folder):
    with join(folder.path), page_server(folder.path.parent) as client:
        stream = client.events("/runs/live/live")
        next(stream)
        assert client.followed() == ["live"]
        stream.close()
        deadline = time.monotonic() + 10
        while client.followed() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert client.followed() == []


def test_a_run_that_has_ended_says_so_at_once_and_an_unknown_one_is_not_there(server):
    events = list(server.events("/runs/first/live"))
    assert [name for name, _ in events] == ["state", "end"]
    assert server.get("/runs/nothing/live").status_code == 404
    assert server.get("/runs/..%2Ffirst/live").status_code == 404
    assert list(server.events("/runs/broken/live")) == []


def test_following_leaves_no_log_behind_and_holds_no_run_open(folder):
    with join(folder.path), following(folder) as (_, heard):
        heard.until(lambda d: "3 waiting" in d["html"])
        store = SqliteStore(folder.path / "run.db")
        anyio.run(store.claim_trial)
        store.close()
        heard.until(lambda d: "1 running" in d["html"])
    assert not (folder.path / "run.db-wal").exists()


def test_a_page_of_a_run_that_grows_is_made_again_and_one_that_does_not_is_not(folder, monkeypatch):
    from harness.view import run_pages

    made = []
    sections = run_pages.page_sections
    monkeypatch.setattr(
        run_pages, "page_sections", lambda *of, **more: made.append(1) or sections(*of, **more)
    )
    with page_server(folder.path.parent) as client:
        time.sleep(0.1)  # older than what may change without a new time
        first = client.page("/runs/live")
        assert client.page("/runs/live") == first
        assert len(made) == 1
        store = SqliteStore(folder.path / "run.db")
        anyio.run(store.claim_trial)
        assert client.page("/runs/live") != first
        store.close()
        assert len(made) == 2


def test_two_runs_are_two_pages(tmp_path):
    matrix = {"single": System(1, "one", {"a__a-1": ["R"]})}

    async def make() -> None:
        await plant(tmp_path, "one", matrix)
        await plant(tmp_path, "two", {"other-system": matrix["single"]})

    anyio.run(make)
    with page_server(tmp_path) as client:
        one, two = client.page("/runs/one"), client.page("/runs/two")
        assert "other-system" not in one
        assert "other-system" in two
        assert client.page("/runs/one/rows/trials") != client.page("/runs/two/rows/trials")
