"""What a replay takes from its recording, and what it refuses before it starts."""

import json

import pytest
from console import DATASET, FINISH, FLASK, bundled, recording, refused

from harness.model.provider_keys import missing_package

pytestmark = pytest.mark.slow(seconds=7)

SERVED = {"OPENAI_API_BASE": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "none"}
OTHER = "psf__requests-6028"


@pytest.fixture
def answers(place):
    """A recording of two trials of `single` on one instance."""
    bundled(FLASK)
    recording(place / "answers.jsonl", [[FINISH], [FINISH]])
    return "replay:answers.jsonl"


@pytest.mark.parametrize(
    ("words", "lacks"),
    [
        (("-s", "delm"), "no instance of verified-offline for delm"),
        (("-s", "single", "-s", "delm"), "no instance of verified-offline for single and delm"),
        (("-s", "delm", "-i", FLASK), f"delm on {FLASK}, trial #1"),
        (("-i", OTHER), f"single on {OTHER}, trial #1"),
        (("-k", "3"), f"single on {FLASK}, trial #3"),
    ],
)
@pytest.mark.parametrize("how", [(), ("--dry-run",)])
def test_what_the_recording_does_not_hold_is_refused_before_anything_is_done(
    delm, place, answers, words, lacks, how
):
    told = delm("eval", "-m", answers, *words, *how)
    refused(told, lacks, f"it holds single on {FLASK} (trials of each: 2)")
    assert [path.name for path in place.iterdir()] == ["answers.jsonl"]


def test_a_replay_takes_the_dataset_the_systems_and_the_instances_that_were_recorded(
    delm, place, answers
):
    told = delm("eval", "-m", answers, "--dry-run")
    assert told.code == 0, told.text
    assert f"{DATASET}: 1 instance × (2 × single) = 2 trials" in told.out
    assert "note: 1 of the 15 instances: those that the recording holds" in told.out
    lines = (place / "answers.jsonl").read_text().splitlines()
    again = json.loads(lines[1]) | {"system": "delm"}
    (place / "answers.jsonl").write_text("\n".join([*lines, json.dumps(again)]) + "\n")
    told = delm("eval", "-m", answers, "--dry-run")
    assert "1 instance × (1 × single, 1 × delm) = 2 trials" in told.out
    told = delm("eval", "-m", answers, "--dry-run", "-s", "single", "-k", "1")
    assert "1 instance × (1 × single) = 1 trial" in told.out


def test_a_replay_runs_the_quick_instances_of_its_recording_where_none_are_named(
    delm, place, answers
):
    header, *lines = (place / "answers.jsonl").read_text().splitlines()
    header = json.loads(header) | {"quick": [OTHER]}
    more = [json.dumps(json.loads(line) | {"instance_id": OTHER}) for line in lines]
    (place / "answers.jsonl").write_text("\n".join([json.dumps(header), *lines, *more]) + "\n")
    told = delm("eval", "-m", answers, "--dry-run")
    assert "1 of the 2 recorded instances, whose commands are short; -i names others" in told.out
    assert f"{DATASET}: 1 instance × (2 × single) = 2 trials" in told.out
    told = delm("eval", "-m", answers, "--dry-run", "-i", FLASK, "-i", OTHER)
    assert "2 instances × (2 × single) = 4 trials" in told.out


def test_an_export_is_replayed_as_it_was_recorded_without_another_word(delm, place, answers):
    told = delm("eval", "-m", answers, "--run-id", "first")
    assert told.code == 0, told.text
    told = delm("export", "first", "mine.jsonl", "--format", "recording")
    assert told.code == 0, told.text
    header = json.loads((place / "mine.jsonl").read_text().splitlines()[0])
    assert header["dataset"] == DATASET
    told = delm("eval", "-m", "replay:mine.jsonl", "--run-id", "again")
    assert told.code == 0, told.text
    assert "0 of 2" in told.out


def test_a_dataset_with_a_label_is_recorded_under_the_name_that_loads_it(delm, place, answers):
    told = delm("eval", "-m", answers, "--run-id", "x", "-c", "dataset.label=Mine")
    assert told.code == 0, told.text
    assert "Mine · openai/scripted" in told.out
    told = delm("export", "x", "mine.jsonl", "--format", "recording")
    header = json.loads((place / "mine.jsonl").read_text().splitlines()[0])
    assert header["dataset"] == DATASET


def test_agents_of_systems_that_do_not_scale_are_refused_and_of_some_are_noted(delm, place):
    bundled()
    words = ("eval", "-m", "openai/scripted", "-d", DATASET, "-i", FLASK, "--dry-run", "-n", "3")
    refused(delm(*words, "-s", "single", **SERVED), "-n 3 is not for single", "take one of: ",
            " delm,")  # fmt: skip
    told = delm(*words, "-s", "single", "-s", "delm", **SERVED)
    assert told.code == 0, told.text
    assert "note: single always has 1 agent; --agents 3 does not apply to it" in told.out
    assert "delm always has" not in told.out
    told = delm(*words[:-1], "1", "-s", "single", **SERVED)  # that is what it has
    assert told.code == 0, told.text


def test_a_run_that_is_there_goes_on_as_it_was_begun_when_nothing_else_is_said(
    delm, place, answers
):
    told = delm("eval", "-m", answers, "-k", "2", "-c", "budget.steps=7", "--run-id", "x")
    assert told.code == 0, told.text
    made = (place / "results/x/run.yaml").read_text()
    told = delm("eval", "--run-id", "x")
    assert told.code == 0, told.text
    assert "resuming x: 2 of 2 trials are done" in told.out
    assert "0 of 2" in told.out
    assert (place / "results/x/run.yaml").read_text() == made
    refused(delm("eval", "--run-id", "x", "-k", "1"), "trials was 2, now 1")
    refused(delm("eval", "--run-id", "x", "-m", "replay:answers.jsonl", "-d", "other.jsonl"),
            "other.jsonl")  # fmt: skip
    told = delm("eval", "--run-id", "x", "-d", DATASET, "-w", "1")
    assert told.code == 0, told.text


def test_what_grade_made_is_no_run(delm, place):
    bundled(FLASK)
    (place / "p.json").write_text(json.dumps([{"instance_id": FLASK, "model_patch": ""}]))
    assert delm("grade", "p.json", "--run-id", "g").code == 0
    for words in (("score", "g"), ("show", "g"), ("show", "results/g"), ("eval", "--run-id", "g")):
        refused(delm(*words), "was made by delm grade and is no run")
    assert delm("grade", "p.json", "--run-id", "g").code == 0


def test_the_real_mistake_is_named_where_a_run_is_a_file_or_two_ids_are_one(delm, place):
    (place / "results").mkdir()
    (place / "results/README.md").write_text("")
    for words in (("eval", "--run-id", "README.md"), ("score", "README.md")):
        refused(delm(*words), "results/README.md is a file, and a run is a folder")
    for given in (f"{FLASK},{OTHER}", f"{FLASK} {OTHER}"):
        for command in (("eval",), ("grade", "--gold")):
            refused(delm(*command, "-i", given), "is no instance id", "-i A -i B",
                    'INSTANCES="A B"')  # fmt: skip


@pytest.mark.parametrize("name", ["gemini-3-flash-preview", "vertex_ai/gemini-2.5-pro"])
def test_a_model_whose_provider_needs_a_package_names_it_and_its_credentials(delm, place, name):
    if missing_package(name, {}) is None:
        pytest.skip("google-auth is installed")
    told = delm("eval", "-m", name, "-d", DATASET)
    refused(told, "goes to vertex_ai", "google-auth", "GOOGLE_APPLICATION_CREDENTIALS",
            f"did you mean gemini/{name.rpartition('/')[2]} (GEMINI_API_KEY)?")  # fmt: skip


def test_a_replay_has_as_many_agents_as_were_recorded_and_refuses_others(delm, place, answers):
    lines = (place / "answers.jsonl").read_text().splitlines()
    header = json.loads(lines[0]) | {"agents": {"delm": 2}}
    call = json.loads(lines[1]) | {"system": "delm", "conversation": "localize-1"}
    (place / "answers.jsonl").write_text(f"{json.dumps(header)}\n{json.dumps(call)}\n")
    assert delm("eval", "-m", answers, "--dry-run").code == 0
    assert delm("eval", "-m", answers, "--dry-run", "-n", "2").code == 0
    refused(delm("eval", "-m", answers, "-n", "4"), "holds delm with 2 agents, not 4", "leave -n")
