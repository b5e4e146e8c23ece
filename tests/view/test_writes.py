"""What is written from the page: the same as by `delm ctl` and `delm label`, or nothing at all."""

import json
import shutil
import sqlite3
import threading
from contextlib import aclosing, closing

import anyio
import pytest
from page_server import TOKEN, page_server
from planted import INSTANCES, plant, plant_board

from harness.config import resolve
from harness.results.run_folder import RunFolder
from harness.store.sqlite import file
from harness.store.sqlite.store import SqliteStore

GOOD = {"x-delm-token": TOKEN}
PLAN = {"system": "delm", "instance_id": "a__a-1", "number": 0, "agents": 1, "wanted": 1,
        "submits": "one"}  # fmt: skip
WHO = {"by": "Ada", "reason": "to see"}


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    made = tmp_path_factory.mktemp("writes")

    async def make() -> None:
        await plant_board(await plant(made, "r"), 9, verified_s=7.5)

    anyio.run(make)
    return made


@pytest.fixture(scope="module")
def client(output):
    with page_server(output) as asked:
        yield asked


def rows(output, run="r"):
    async def read():
        async with RunFolder(output, run).open(read_only=True) as store:
            return await store.interventions(), await store.labels()

    return anyio.run(read)


def waiting(client):
    """The id of a trial that was never started."""
    told = client.page("/runs/r/rows/trials.csv?state=waiting").splitlines()
    return told[1].split(",")[0]


def test_a_trial_is_cancelled_and_requeued_once_whoever_asks_at_once(client, output):
    trial = waiting(client)
    answers = []

    def cancel():
        fields = WHO | {"action": "cancel", "trial_id": trial}
        answers.append(client.post("/runs/r/control", json=fields, headers=GOOD))

    both = [threading.Thread(target=cancel) for _ in range(4)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert all(answer.json()["told"] for answer in answers)
    found, _ = rows(output)
    assert [(row["action"], row["by"], row["reason"]) for row in found] == [
        ("cancel", "Ada", "to see")
    ]
    fields = WHO | {"action": "requeue", "trial_id": trial}
    assert client.post("/runs/r/control", json=fields, headers=GOOD).status_code == 200
    assert [row["action"] for row in rows(output)[0]] == ["cancel", "requeue"]
    assert "requeue" in client.page("/runs/r/rows/interventions")


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ("{", 400, "not JSON"),
        ("[" * 100_000, 413, "at most"),
        ("[" * 5_000, 400, "not JSON"),
        ("[]", 400, "object"),
        ('{"action": 1}', 400, "texts"),
        ('{"action": "explode", "by": "a", "reason": "b"}', 400, "no action 'explode'"),
        ('{"action": "cancel", "trial_id": "x", "by": "a", "reason": "b"}', 400, "whole number"),
        ('{"action": "cancel", "trial_id": "²", "by": "a", "reason": "b"}', 400, "whole number"),
        ('{"action": "cancel", "trial_id": "999", "by": "a", "reason": "b"}', 409, "refused"),
        ('{"action": "cancel", "trial_id": "1", "by": "a", "reason": "b"}', 409, "refused"),
        ('{"action": "cancel", "trial_id": "1", "by": "", "reason": "b"}', 409, "refused"),
        ('{"action": "cancel", "trial_id": "1", "by": "a", "reason": ""}', 409, "refused"),
        ('{"action": "pause", "trial_id": "1", "by": "a", "reason": "b"}', 409, "refused"),
        ('{"action": "veto", "trial_id": "9", "target": "Z", "by": "a", "reason": "b"}', 409, "Z"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_in_a_sentence_and_nothing_is_written(
    client, output, body, status, says
):
    before = rows(output)
    headers = GOOD | {"content-type": "application/json"}
    answer = client.post("/runs/r/control", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert says in answer.text
    assert "Traceback" not in answer.text
    assert rows(output) == before


@pytest.mark.parametrize("name", ["\u200b", "\ufeff \u2060", "\x00", "\u202e", " \u00a0"])
def test_a_name_that_nobody_can_see_is_no_name(client, output, name):
    before = rows(output)
    for more in ({"by": name}, {"reason": name}):
        fields = WHO | {"action": "workers", "value": "2"} | more
        assert client.post("/runs/r/control", json=fields, headers=GOOD).status_code == 409
    fields = {"label": "unclear", "by": name}
    assert client.post("/runs/r/trials/9/labels", json=fields, headers=GOOD).status_code == 409
    assert rows(output) == before


def test_a_run_whose_database_is_a_link_is_no_run(client, output, tmp_path):
    anyio.run(plant, tmp_path, "elsewhere")
    before = rows(tmp_path, "elsewhere")
    (output / "linked").mkdir()
    (output / "linked" / "run.db").symlink_to(tmp_path / "elsewhere" / "run.db")
    try:
        fields = WHO | {"action": "workers", "value": "2"}
        answer = client.post("/runs/linked/control", json=fields, headers=GOOD)
        assert answer.status_code == 404
        assert client.get("/runs/linked").status_code == 404
        assert rows(tmp_path, "elsewhere") == before
    finally:
        shutil.rmtree(output / "linked")


def test_a_database_that_another_process_holds_is_said_to_be_held(client, output, monkeypatch):
    with closing(sqlite3.connect(output / "r" / "run.db", isolation_level=None)) as other:
        monkeypatch.setattr(file, "WAIT_S", 0.1)
        other.execute("BEGIN IMMEDIATE")
        fields = WHO | {"action": "workers", "value": "2"}
        answer = client.post("/runs/r/control", json=fields, headers=GOOD)
    assert answer.status_code == 409
    assert "another process holds it" in answer.text


@pytest.mark.parametrize("run", ["x", "..", "%2E%2E", "r%2F..%2Fr", "r%00", ""])
def test_a_forged_run_id_changes_nothing(client, output, run):
    before = rows(output)
    fields = json.dumps(WHO | {"action": "pause"})
    headers = GOOD | {"content-type": "application/json"}
    answer = client.post(f"/runs/{run}/control", content=fields, headers=headers)
    assert answer.status_code in {404, 405}
    assert rows(output) == before
    assert {path.name for path in output.iterdir()} <= {"r", "running"}


def test_a_form_of_a_foreign_page_is_no_json(client, output):
    before = rows(output)
    for kind in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data; b=1"):
        answer = client.post("/runs/r/control", content=json.dumps(WHO | {"action": "pause"}),
                             headers=GOOD | {"content-type": kind})  # fmt: skip
        assert answer.status_code == 400
    assert rows(output) == before


def test_a_label_is_added_and_a_quotation_that_does_not_stand_there_is_refused(client, output):
    good = {"label": "unclear", "by": "Ada", "confidence": "0.5", "comment": "<b>",
            "submission": "", "place": "", "quote": ""}  # fmt: skip
    answer = client.post("/runs/r/trials/9/labels", json=good, headers=GOOD)
    assert answer.status_code == 200, answer.text
    for wrong in ({"label": "nice"}, {"by": " "}, {"confidence": "7"}, {"confidence": "nan"},
                  {"place": "trial", "quote": "it says so"}, {"submission": "99999"}):  # fmt: skip
        answer = client.post("/runs/r/trials/9/labels", json=good | wrong, headers=GOOD)
        assert answer.status_code == 409, (wrong, answer.text)
    assert client.post("/runs/r/trials/99/labels", json=good, headers=GOOD).status_code == 404
    assert [row["label"] for row in rows(output)[1]] == ["unclear"]
    assert "unclear" in (output / "r" / "labels.csv").read_text()
    page = client.page("/runs/r/trials/9")
    assert "&lt;b&gt;" in page


def test_an_entry_of_a_running_trial_is_vetoed_once(output, client):
    async def begin() -> None:
        folder = RunFolder(output, "running").create()
        async with aclosing(SqliteStore(folder.path / "run.db", owner="x")) as store:
            await store.describe(config=resolve([]).model_dump(mode="json"))
            await store.plan(INSTANCES[:1], [PLAN])
            await store.claim_trial()
        await plant_board(folder, 1, verified_s=7.5)

    anyio.run(begin)
    fields = WHO | {"action": "veto", "trial_id": "1", "target": "F1"}
    answer = client.post("/runs/running/control", json=fields, headers=GOOD)
    assert answer.status_code == 200, answer.text
    assert client.post("/runs/running/control", json=fields, headers=GOOD).status_code == 409
    assert [row["target"] for row in rows(output, "running")[0]] == ["F1"]
    page = client.page("/runs/running/trials/1")
    assert 'value="cancel"' in page
    assert 'value="stop-agent"' in page
    assert 'value="veto"' in client.page("/runs/running/trials/1/entries/F1")
    assert 'value="veto"' not in client.page("/runs/r/trials/9/entries/F1")
