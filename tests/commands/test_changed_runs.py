"""A run knows what it ran, and does not go on as something else unless it is told to."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from console import QUESTIONS, query, refused
from scripted_model import ScriptedModel, Status

from harness.commands.configure import configure
from harness.commands.resumed_endpoint import followed, has_moved, in_models_file
from harness.config import layer, resolve
from harness.runner.changes import system_changes, told

pytestmark = pytest.mark.slow(seconds=4)

FILE = "{{name: base, system: 'agents.documents:FullContext', benchmark: longbench-v2, agents: 1, submissions: one, options: {{{}}}}}"  # noqa: E501
RUN = ("eval", "-m", f"replay:{QUESTIONS}", "-s", "mine.yaml", "-i", "offline-1", "--run-id", "x")


def write(options: str) -> None:
    Path("mine.yaml").write_text(FILE.format(options))


def facts(folder: Path) -> dict:
    return {row["key"]: json.loads(row["value"]) for row in query(folder, "SELECT * FROM run")}


@pytest.fixture
def begun(delm, place):
    """A finished run of a system with a file of its own."""
    write("")
    told = delm(*RUN)
    assert told.code == 0, told.text
    return place / "results" / "x"


def test_what_ran_is_in_the_store_and_in_run_yaml(begun):
    found = facts(begun)
    (record,) = found["systems"]["base"]
    assert record["options"] == {"tokens": 120_000}, "defaults are part of what ran"
    assert (record["system"], record["agents"]) == ("agents.documents:FullContext", 1)
    assert "agents/documents/full_context.py" in record["code"]
    assert "agents/prompts/question_base.j2" in record["prompts"]
    assert found["harness"][0]["version"]
    written = yaml.safe_load((begun / "run.yaml").read_text())
    (short,) = written["record"]["systems"]["base"]
    assert short["options"] == {"tokens": 120_000}
    assert len(short["code"]) == len(short["prompts"]) == 64
    again = configure(model="", dataset="", specs=[str(begun / "run.yaml")], flags={})
    assert again.systems == ["mine.yaml"], "run.yaml can be given to -c"


def test_a_system_whose_file_was_edited_is_refused_and_taken_only_deliberately(delm, begun):
    write("tokens: 110000")
    refused(delm(*RUN), "base: options.tokens was 120000, now 110000", "--accept-changes")
    refused(delm(*RUN, "--dry-run"), "base: options.tokens was 120000, now 110000")
    assert len(facts(begun)["systems"]["base"]) == 1, "nothing is written by what is refused"
    told = delm(*RUN, "--accept-changes")
    assert told.code == 0, told.text
    records = facts(begun)["systems"]["base"]
    assert [each["options"]["tokens"] for each in records] == [120_000, 110_000]
    for words in (RUN, ("score", "x")):  # from now on it is what the run is
        told = delm(*words)
        assert told.code == 0, told.text
        line = " ".join(told.out.split())
        assert "(--accept-changes): base: options.tokens was 120000, now 110000." in line
    write("")
    refused(delm(*RUN), "base: options.tokens was 110000, now 120000")


def test_settings_may_be_accepted_and_what_makes_other_trials_may_not(delm, begun):
    budget = ("-c", "budget.steps=7")
    refused(delm(*RUN, *budget), "budget.steps was 1000, now 7", "--accept-changes")
    told = delm(*RUN, *budget, "--accept-changes")
    assert told.code == 0, told.text
    refused(delm(*RUN, "--seed", "3", "-k", "2", "--accept-changes"), "trials was 1, now 2",
            "a run cannot be extended", "delm compare")  # fmt: skip
    assert "budget.steps was 1000, now 7" in facts(begun)["accepted"][0]["changes"]


def test_a_run_from_before_there_were_records_is_scored_and_resumed_with_a_word(delm, begun):
    with closing(sqlite3.connect(begun / "run.db")) as database, database:
        database.execute("DELETE FROM run WHERE key IN ('systems', 'harness', 'accepted')")
    told = delm("score", "x")
    assert told.code == 0, told.text
    assert "not recorded (an older version of delm started the run): base." in _line(told)
    told = delm(*RUN)
    assert told.code == 0, told.text
    assert "note: options and code of base at the start of this run are not recorded" in _line(told)
    assert "not recorded (an older version of delm started the run): base." in _line(told)
    assert "agents/documents/full_context.py" in facts(begun)["systems"]["base"][0]["code"]


def _line(told) -> str:
    return " ".join(told.out.split())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("token: 5", "unknown key 'token'; did you mean 'tokens'?"),
        ("tokens: many", "tokens: 'many' is not a whole number"),
        ("tokens: 0", "tokens: 0 is less than 1"),
    ],
)
def test_an_option_that_a_system_does_not_have_is_refused_before_anything_is_done(
    delm, place, options, says
):
    write(options)
    refused(delm(*RUN), f"system base: its options do not fit: {says}")
    assert not (place / "results").exists()


def test_a_run_goes_on_at_another_address_than_the_one_that_it_was_begun_with(delm, place):
    def at(server: ScriptedModel, name: str) -> tuple[str, str]:
        entry = {"api_base": server.base_url, "api_key_env": "THE_KEY"}
        Path(name).write_text(yaml.safe_dump({"models": {"openai/scripted": entry}}))
        return "-c", name

    def script(request, n):
        return {"content": "The correct answer is (A)."} if n else Status(402, "no money")

    asks = ("eval", "-m", "openai/scripted", "-s", "base", "-d", "longbench-offline",
            "-i", "offline-1", "--run-id", "x", "--yes", "-c", "model.allow_unknown_price=true",
            "-c", "model.attempts=1")  # fmt: skip
    with ScriptedModel(script) as server:
        told = delm(*asks, *at(server, "old.yaml"), THE_KEY="sk-1")
    assert told.code == 1, told.text
    told = delm("eval", "--run-id", "x", "--yes", THE_KEY="sk-2")  # the server has ended
    refused(told, "with another endpoint, add -c models.openai/scripted.api_base=URL")
    resumed = ("eval", "--run-id", "x", "--yes")
    with ScriptedModel(script) as server:
        told = delm(*resumed, *at(server, "new.yaml"), THE_KEY="sk-2")
        assert told.code == 1, told.text
        assert len(server.requests) == 1, "the question went to the new address"
        assert "note: the model's endpoint has changed" in told.text
        Path("configs").mkdir()
        at(server, "configs/models.yaml")
    with ScriptedModel(lambda request, n: script(request, 1)) as server:
        at(server, "configs/models.yaml")
        told = delm(*resumed, THE_KEY="sk-2")
        assert told.code == 0, told.text
        assert len(server.requests) == 1, "models.yaml has changed, and is followed"
    assert query(place / "results/x", "SELECT state FROM trial ORDER BY trial_id")[-1] == {
        "state": "done"
    }


def test_a_changed_file_is_named_once_with_all_that_it_is_part_of():
    def record(name: str, **code: str) -> dict:
        return {"name": name, "code": code, "prompts": {}, "options": {"turns": 5}}

    found = [
        change
        for name in ("delm", "single")
        for change in system_changes(
            record(name, loop="a" * 64, old="b" * 64), record(name, loop="c" * 64, new="d" * 64)
        )
    ]
    assert told(found) == (
        "the file loop has changed (part of delm, single); the file new is new (part of delm, "
        "single); the file old is gone (part of delm, single)"
    )
    changed = record("delm") | {"options": {"turns": 6}}
    (other,) = system_changes(record("delm"), changed)
    assert told([*found, other]).endswith("; delm: options.turns was 5, now 6")


def test_a_resumed_run_follows_models_yaml_only_where_that_has_changed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    price = {"input": 1, "output": 2}
    run = {"model": {"name": "own/x"}, "models": {"own/x": {**price, "api_base": "http://a/v1"}}}
    assert followed(run, {}) == run, "the file says nothing of it"
    Path("configs").mkdir()
    entry = {"input": 3, "output": 3, "api_base_env": "GATEWAY"}
    Path("configs/models.yaml").write_text(yaml.safe_dump({"models": {"own/x": entry}}))
    said = in_models_file("own/x")
    assert said == {"api_base_env": "GATEWAY"}
    assert followed(run, None) == run, "an older delm did not record it"
    assert followed(run, said) == run, "it stood there when the run was started"
    moved = followed(run, {"api_base": "http://b/v1"})
    assert moved["models"] == {"own/x": {**price, "api_base_env": "GATEWAY"}}, "not its price"
    assert has_moved(run, moved["models"], "own/x")
    assert not has_moved(run, run["models"], "own/x")


def test_the_record_in_a_run_yaml_is_no_part_of_a_configuration(tmp_path):
    (tmp_path / "run.yaml").write_text("seed: 4\nrecord: {systems: {}}\n")
    assert resolve([layer(str(tmp_path / "run.yaml"))]) == resolve([{"seed": 4}])
