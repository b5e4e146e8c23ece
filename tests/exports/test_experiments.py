"""A submission to SWE-bench/experiments: whole, honest, and refused as soon as it is not."""

import json
import secrets
import shutil
from functools import partial
from pathlib import Path

import anyio
import pytest
import yaml
from console import DATASET, FLASK, query, refused
from exported import HINTS, Played, play, write_rows
from planted import MATRIX, plant
from stores import handed_in, read

from harness.benchmarks.rows import load
from harness.cache import cache_dir
from harness.exports import prompt_leaks
from harness.exports.experiments import DISCLAIMERS, cautions, shipped

pytestmark = pytest.mark.slow(seconds=7)

FILES = {
    "README.md", "all_preds.jsonl", "metadata.yaml",
    *(f"logs/{FLASK}/{name}" for name in
      ("eval.sh", "patch.diff", "report.json", "run_instance.log", "test_output.txt")),
    *(f"results/{name}.json" for name in ("results", "resolved_by_repo", "resolved_by_time")),
    f"trajs/{FLASK}.json",
}  # fmt: skip
REPLAYED = "This is a replay of recorded answers: no benchmark result."
REBUILT = (
    "The instances are those of `verified-offline`, which is not the official dataset with its "
    "images: this is no leaderboard result."
)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Played:
    return play(tmp_path_factory.mktemp("experiments"))


@pytest.fixture
def made(run, delm, tmp_path) -> Path:
    """A fresh submission folder of the run, as if that were no replay of a rebuilt instance."""
    told = delm("export", run.folder, tmp_path / "fork", "--format", "experiments")
    assert told.code == 0, told.text
    (folder,) = (tmp_path / "fork" / "evaluation" / "verified").iterdir()
    for line in (REPLAYED, REBUILT):
        readme = (folder / "README.md").read_text()
        assert f"\n{line}\n" in readme
        (folder / "README.md").write_text(readme.replace(f"{line}\n", ""))
    return folder


def test_a_run_that_was_renamed_and_moved_is_exported_with_all_its_logs(run, delm, tmp_path):
    moved = tmp_path / "Läufe vom Mai" / "flask (Kopie)"
    shutil.copytree(run.folder, moved)
    told = delm("export", moved, tmp_path / "fork", "--format", "experiments")
    assert told.code == 0, told.text
    (folder,) = (tmp_path / "fork" / "evaluation" / "verified").iterdir()
    logs = {path.name for path in (folder / "logs" / FLASK).iterdir()}
    assert logs == {Path(name).name for name in FILES if name.startswith("logs/")}


def edit(path: Path, change) -> None:
    """Read the JSON file, change it in place, write it."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def complained(delm, run: Played, folder: Path, *says: str, count: int = 1) -> None:
    """`delm validate` lists exactly `count` problems, one a line, and ends with 1."""
    told = delm("validate", folder, "-d", run.rows)
    assert told.code == 1, told.text
    lines = [line for line in told.out.splitlines() if not line.startswith("note: ")]
    assert lines[-1].startswith(f"{count} problem"), told.out
    assert len(lines) == count + 1, told.out
    for words in says:
        assert words in told.out


def prompt_of(content: dict) -> dict:
    """The first user message of a trajectory in ATIF."""
    steps = content["steps"]
    return next(step for step in steps if step["source"] == "user")


def test_a_run_becomes_a_folder_that_the_checklist_has_nothing_against(delm, run, made):
    day = query(run.folder, "SELECT value FROM run WHERE key = 'created_at'")[0]["value"]
    assert made.name == f"{json.loads(day)[:10].replace('-', '')}_single_scripted"
    assert {p.relative_to(made).as_posix() for p in made.rglob("*") if p.is_file()} == FILES
    told = delm("validate", made, "-d", run.rows)
    assert told.code == 0, told.text
    assert "no problems" in told.out
    told = delm("validate", made, "-d", DATASET)
    assert "hints were not looked for" in told.out  # the bundled rows carry none


def test_a_replay_of_rebuilt_instances_is_no_submission_and_export_and_checklist_say_so(
    delm, run, tmp_path
):
    told = delm("export", run.folder, tmp_path / "fork", "--format", "experiments")
    assert told.code == 0, told.text
    lines = told.out.splitlines()
    assert {f"note: {REPLAYED}", f"note: {REBUILT}"} < set(lines)
    complained(delm, run, tmp_path / "fork", f"README.md says: {REPLAYED}",
               f"README.md says: {REBUILT}", count=2)  # fmt: skip


def test_instances_that_nobody_asked_for_are_missed(delm, run, made):
    others = [item.instance.instance_id for item in load(DATASET, cache=cache_dir()).items]
    others.remove(FLASK)
    told = delm("validate", made, "-d", DATASET)
    assert told.code == 1
    missed, *_ = told.out.splitlines()
    assert missed.startswith(
        f"{len(others)} of the dataset's {len(others) + 1} instances are neither"
    )
    edit(made / "results" / "results.json", lambda content: content.update(no_generation=others))
    told = delm("validate", made, "-d", DATASET)
    assert (told.code, "are neither" in told.out) == (0, False), told.text


def test_what_speaks_against_a_run_is_said_of_subsets_of_the_official_dataset_too():
    config = {"dataset": {"name": "SWE-bench/SWE-bench_Verified"}}
    official = {"config": config, "dataset": "SWE-bench Verified", "replay": False}
    assert cautions(official, 500, 500) == []
    assert cautions(official, 4, 0) == []  # nobody knows how many there are
    (line,) = cautions(official, 4, 500)
    assert line.startswith("The system ran on 4 of the dataset's 500 instances")
    assert line.endswith(DISCLAIMERS)
    assert cautions(official | {"replay": True}, 500, 500) == [REPLAYED]
    assert cautions(official, 500, 500, touched=2) == [
        "People interfered with 2 trials while the system worked: this is no leaderboard result."
    ]


def test_export_says_which_system_and_which_submission_it_took(delm, tmp_path):
    folder = anyio.run(partial(plant, tmp_path / "runs", **FACTS))
    for kind, which in (
        ("experiments", "the one that the first trial ships"),
        ("predictions", "what the first trial ships; preds/ of the run has all"),
    ):
        told = delm("export", folder.path, tmp_path / kind, "--format", kind)
        assert told.code == 0, told.text
        assert "note: this is single; with -s there is: " in told.out
        assert f", it has {which}" in told.out
        told = delm("export", folder.path, tmp_path / f"{kind}2", "--format", kind, "-s", "delm")
        assert told.code == 0, told.text
        assert "with -s" not in told.out


def test_what_is_submitted_is_the_first_trial_with_its_own_logs(run, made):
    (row,) = (json.loads(line) for line in (made / "all_preds.jsonl").read_text().splitlines())
    first = query(run.folder, "SELECT patch FROM submission JOIN trial USING (trial_id) "
                              "WHERE number = 0")  # fmt: skip
    assert row["model_patch"] == first[0]["patch"] != ""
    assert (made / "logs" / FLASK / "patch.diff").read_text() == row["model_patch"]
    results = json.loads((made / "results" / "results.json").read_text())
    assert results == {"no_generation": [], "no_logs": [], "resolved": [FLASK]}
    by_repo = json.loads((made / "results" / "resolved_by_repo.json").read_text())
    assert by_repo == {"pallets/flask": {"resolved": 1, "total": 1}}
    metadata = yaml.safe_load((made / "metadata.yaml").read_text())
    assert metadata["tags"]["system"]["attempts"] == 1
    readme = (made / "README.md").read_text()
    assert readme.count("- [x] ") == 4
    assert "Resolved 1 of 1 instances" in readme


def test_a_trajectory_can_be_read_and_tells_no_verdict(made):
    content = json.loads((made / "trajs" / f"{FLASK}.json").read_text())
    assert content["schema_version"] == "ATIF-v1.7"
    assert prompt_leaks.answers(content) == 3
    (handed_in,) = content["extra"]["submissions"]
    assert [handed_in[name] for name in ("outcome", "official", "flags")] == [None] * 3


def test_no_secret_gets_into_a_folder(delm, run, made, tmp_path):
    value = "Agent Trajectory Interchange Format 1.7"
    assert value in (made / "README.md").read_text()
    told = delm(
        "export", run.folder, tmp_path / "other", "--format", "experiments",
        MY_API_KEY=value,
    )  # fmt: skip
    refused(told, "$MY_API_KEY")
    assert value not in told.text
    assert not list((tmp_path / "other").rglob("*.jsonl"))
    key = f"sk-{secrets.token_hex(16)}"
    with (made / "README.md").open("a") as readme:
        readme.write(key)
    complained(delm, run, made, "README.md holds what looks like an API key")


def test_a_folder_that_exists_is_not_written_over(delm, run, made):
    (made / "README.md").write_text("mine")
    told = delm("export", run.folder, made.parents[2], "--format", "experiments")
    refused(told, made.name, "exists")
    assert (made / "README.md").read_text() == "mine"
    assert [path.name for path in made.parent.iterdir()] == [made.name]


def test_a_missing_or_silent_trajectory_is_refused(delm, run, made):
    path = made / "trajs" / f"{FLASK}.json"
    kept = path.read_text()
    path.unlink()
    complained(delm, run, made, f"{FLASK}: there is no trajectory")
    for text in ("", "{}", '{"messages": []}', '{"messages": [{"role": "user", "content": "x"}]}'):
        path.write_text(text)
        complained(delm, run, made, "holds no answer of a model")
    silent = json.loads(kept)
    silent["steps"] = [step for step in silent["steps"] if step["source"] != "agent"]
    path.write_text(json.dumps(silent))
    complained(delm, run, made, "holds no answer of a model")
    path.write_text(kept)
    path.rename(path.with_name(f"{FLASK}1.json"))  # of another instance
    complained(delm, run, made, "there is no trajectory", "is of no instance", count=2)


@pytest.mark.parametrize("later", [False, True])
def test_a_hint_in_a_prompt_is_refused(delm, run, made, later):
    piece = HINTS[20:130]

    def plant_hint(content):
        step = prompt_of(content)
        if later:
            steps = content["steps"]
            step = {"step_id": len(steps) + 1, "source": "user", "message": ""}
            steps.append(step)
        step["message"] += f"\n\nSomebody says: {piece.upper()}"

    edit(made / "trajs" / f"{FLASK}.json", plant_hint)
    complained(delm, run, made, f"{FLASK}: a prompt holds hints")


def test_a_hint_in_a_trajectory_of_another_harness_is_refused(delm, run, made):
    path = made / "trajs" / f"{FLASK}.json"
    said = [{"role": "user", "content": f"Mend it. {HINTS}"}, {"role": "assistant", "content": "x"}]
    for content in (said, {"messages": said}, {"history": {"prompt": HINTS}}):
        path.write_text(json.dumps(content))
        complained(delm, run, made, "a prompt holds hints")
    path.write_text(f"# What was said\n\n{HINTS}\n")
    complained(delm, run, made, "a prompt holds hints")
    path.write_text("# What was said\n\nNothing of it.\n")
    assert delm("validate", made, "-d", run.rows).code == 0


def test_the_issue_itself_is_no_hint_even_where_the_hints_repeat_it(delm, run, made, tmp_path):
    repeated = write_rows(
        tmp_path / "rows.jsonl", run.item, hints_text=run.item.instance.problem_statement
    )
    told = delm("validate", made, "-d", repeated)
    assert told.code == 0, told.text


def test_the_name_of_a_hidden_test_in_the_opening_is_refused(delm, run, made):
    path = made / "trajs" / f"{FLASK}.json"
    name = run.item.reference.fail_to_pass[0].rpartition("::")[2]

    def name_it(content):
        prompt_of(content)["message"] += f" See {name}."

    edit(path, name_it)
    complained(delm, run, made, f"a prompt names the hidden test {name}")


def test_a_test_that_an_agent_names_itself_is_no_leak(delm, run, made):
    path = made / "trajs" / f"{FLASK}.json"
    name = run.item.reference.fail_to_pass[0].rpartition("::")[2]

    def say_it(content):
        next(step for step in content["steps"] if step["source"] == "agent")["message"] = (
            f"I add {name}."
        )
        later = json.loads(json.dumps(content))
        later["trajectory_id"] += "-2"
        later["steps"] = [
            {"step_id": 1, "source": "user", "message": f"A peer added {name}."},
            {"step_id": 2, "source": "agent", "message": "x", "timestamp": "2999-01-01T00:00:00Z"},
        ]
        content["subagent_trajectories"] = [later]

    edit(path, say_it)
    assert delm("validate", made, "-d", run.rows).code == 0
    edit(path, lambda content: content["subagent_trajectories"][0]["steps"][1].update(
        timestamp="2000-01-01T00:00:00Z"))  # fmt: skip
    complained(delm, run, made, "names the hidden test")


def test_a_verdict_that_disagrees_with_its_log_is_refused(delm, run, made):
    log = made / "logs" / FLASK / "test_output.txt"
    name = run.item.reference.fail_to_pass[0]
    text = log.read_text()
    assert f"PASSED {name}" in text
    log.write_text(text.replace(f"PASSED {name}", f"FAILED {name}"))
    complained(
        delm, run, made, "report.json says resolved, and test_output.txt says not resolved",
        "results.json says resolved, and its log does not", count=2,
    )  # fmt: skip


def test_a_report_or_a_result_that_was_turned_round_is_refused(delm, run, made):
    report = made / "logs" / FLASK / "report.json"
    edit(report, lambda content: content[FLASK].update(resolved=False))
    complained(delm, run, made, "report.json says not resolved, and test_output.txt says resolved")
    edit(report, lambda content: content[FLASK].update(resolved=True))
    edit(made / "results" / "results.json", lambda content: content.update(resolved=[]))
    complained(
        delm, run, made, "its log says resolved, and results.json does not",
        "resolved_by_repo.json adds up to 1 resolved, and results.json lists 0", count=2,
    )  # fmt: skip
    edit(made / "results" / "results.json",
         lambda content: content.update(resolved=[FLASK, FLASK, "a__a-1"]))  # fmt: skip
    complained(
        delm, run, made, f"{FLASK}: results.json has it twice in resolved",
        "a__a-1: results.json says resolved, and there is no prediction of it",
        "adds up to 1", count=3,
    )  # fmt: skip


def test_logs_of_another_patch_are_refused(delm, run, made):
    (made / "logs" / FLASK / "patch.diff").write_text(run.item.reference.patch)
    complained(delm, run, made, "patch.diff is not the patch that is predicted")


def test_a_byte_that_is_no_text_is_a_problem_with_its_place(delm, run, made):
    spoilt = ("all_preds.jsonl", "README.md", f"trajs/{FLASK}.json", f"logs/{FLASK}/patch.diff",
              f"logs/{FLASK}/test_output.txt", "metadata.yaml")  # fmt: skip
    for name in spoilt:
        content = (made / name).read_bytes()
        (made / name).write_bytes(content.removesuffix(b"\n") + b"\n\xe9\n")
    told = delm("validate", made, "-d", run.rows)
    assert told.code == 1, told.text
    for name in spoilt:
        size = (made / name).stat().st_size
        assert f"{name} is not UTF-8 text: byte {size - 2}, in line " in told.out
    assert told.out.count("is 0xe9") == len(spoilt)
    assert "patch.diff is not the patch that is predicted" in told.out
    assert "its log does not" not in told.out  # the log is read all the same


def test_a_logged_patch_is_compared_byte_for_byte(delm, run, made):
    preds, logged = made / "all_preds.jsonl", made / "logs" / FLASK / "patch.diff"
    row = json.loads(preds.read_text())
    row["model_patch"] = row["model_patch"].replace("\n", "\r\n")
    preds.write_text(json.dumps(row) + "\n")
    logged.write_bytes(row["model_patch"].encode())
    assert delm("validate", made, "-d", run.rows).code == 0
    logged.write_bytes(row["model_patch"].encode().replace(b"\r", b""))
    complained(delm, run, made, "patch.diff is not the patch that is predicted")
    row["model_patch"] += "\ud800"
    preds.write_text(json.dumps(row) + "\n")
    told = delm("validate", made, "-d", run.rows)
    assert f"line 1: the patch of {FLASK} is no text" in told.out


@pytest.mark.parametrize("name", ["patch.diff", "report.json"])
def test_a_missing_log_is_refused(delm, run, made, name):
    (made / "logs" / FLASK / name).unlink()
    complained(delm, run, made, f"logs/{FLASK}/{name} is missing")


def test_without_the_test_log_nothing_is_resolved(delm, run, made):
    (made / "logs" / FLASK / "test_output.txt").unlink()
    complained(delm, run, made, "test_output.txt is missing", "its log does not", count=2)


def test_two_rows_of_an_instance_and_two_models_are_refused(delm, run, made):
    path = made / "all_preds.jsonl"
    line = path.read_text()
    path.write_text(line + line)
    complained(delm, run, made, f"line 2: {FLASK} has a row already")
    path.write_text(line + line.replace("single.openai", "other.openai"))
    complained(delm, run, made, "has a row already", "2 model names: other.", count=2)


def test_rows_that_are_no_predictions_are_refused_one_by_one(delm, run, made):
    path = made / "all_preds.jsonl"
    row = json.loads(path.read_text())
    lines = ["not json", "[]", json.dumps({"instance_id": FLASK}),
             json.dumps(row | {"instance_id": "a__a-1"}), json.dumps(row)]  # fmt: skip
    path.write_text("\n".join(lines))
    complained(
        delm, run, made, "line 1 is no prediction", "line 2 is no", "line 3 is no",
        "line 4: a__a-1 is not in the dataset", count=4,
    )  # fmt: skip


def test_more_than_one_attempt_and_an_unticked_checklist_are_refused(delm, run, made):
    metadata = made / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace("attempts: 1", "attempts: 4"))
    readme = made / "README.md"
    readme.write_text(readme.read_text().replace("- [x] Is a pass@1", "- [ ] Is a pass@1"))
    complained(delm, run, made, "attempts is 4", "does not tick: Is a pass@1", count=2)
    metadata.write_text("[")
    readme.unlink()
    complained(delm, run, made, "README.md is missing", "metadata.yaml: not valid YAML", count=2)
    metadata.write_text("tags: {system: {attempts: 4}}\ninfo: {name: a}\ntags: {}\n")
    complained(delm, run, made, "README.md is missing", "line 3: tags is there twice", count=2)
    metadata.write_text("{}")
    complained(delm, run, made, "README.md is missing", "no info.name", "attempts is None", count=3)


def test_a_folder_without_predictions_and_no_folder_are_told_apart(delm, run, place):
    (place / "empty").mkdir()
    complained(delm, run, place / "empty", "all_preds.jsonl is missing", count=4)
    refused(delm("validate", place / "nowhere", "-d", run.rows), "nowhere is no folder")
    refused(delm("validate", place / "empty", "-d", "nothing"), "nothing")


def test_an_empty_patch_is_allowed_and_needs_no_logs(delm, run, made):
    path = made / "all_preds.jsonl"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_patch": ""}) + "\n")
    complained(delm, run, made, "logs of an empty patch", "says resolved", "no_generation lacks it",
               count=3)  # fmt: skip
    shutil.rmtree(made / "logs" / FLASK)
    edit(made / "results" / "results.json",
         lambda content: content.update(resolved=[], no_generation=[FLASK]))  # fmt: skip
    edit(made / "results" / "resolved_by_repo.json",
         lambda content: content["pallets/flask"].update(resolved=0))  # fmt: skip
    told = delm("validate", made, "-d", run.rows)
    assert told.code == 0, told.text


FACTS = {"id": "r", "version": "0.1", "created_at": "2026-02-03T04:05:06.000+00:00"}
YEARS = {"a__a-1": "2019", "a__a-2": "2020"}


async def test_of_several_submissions_the_selected_one_of_the_first_trial_ships(tmp_path):
    folder = await plant(tmp_path, matrix=MATRIX, **FACTS)
    run = await read(folder.path / "run.db")
    chosen = {name: shipped(run, name) for name in MATRIX}
    outcome = {
        name: {key: one.submission["outcome"] for key, one in found.items()}
        for name, found in chosen.items()
    }
    assert outcome["single"] == {"a__a-1": "resolved", "a__a-2": "resolved", "b__b-3": "unresolved"}
    assert outcome["delm"] == {
        "a__a-1": "resolved", "a__a-2": "unresolved", "b__b-3": "unresolved",
    }  # fmt: skip
    assert outcome["delm-n2"] == {
        "a__a-1": "resolved", "a__a-2": "resolved", "b__b-3": "unresolved",
    }  # fmt: skip
    assert chosen["delm"]["a__a-2"].submission["author"] == "patch-2"
    assert {one.trial["number"] for found in chosen.values() for one in found.values()} == {0}
    path = await handed_in(folder, "delm", tmp_path / "out", YEARS)
    assert path == tmp_path / "out" / "evaluation" / "verified" / "20260203_delm_m"
    rows = [json.loads(line) for line in (path / "all_preds.jsonl").read_text().splitlines()]
    assert len({row["instance_id"] for row in rows}) == len(rows) == 3
    assert {row["model_name_or_path"] for row in rows} == {"delm.m"}
    assert (
        "one was shipped, chosen without sight of the hidden tests"
        in (path / "README.md").read_text()
    )
    by_time = json.loads((path / "results" / "resolved_by_time.json").read_text())
    assert by_time == {"2019": {"resolved": 1, "total": 1}, "2020": {"resolved": 0, "total": 1}}
    by_repo = json.loads((path / "results" / "resolved_by_repo.json").read_text())
    assert by_repo == {"a/a": {"resolved": 1, "total": 2}, "b/b": {"resolved": 0, "total": 1}}


async def test_an_instance_whose_first_trial_failed_counts_and_another_trial_does_not_help(
    tmp_path,
):
    from planted import System

    matrix = {"single": System(1, "one", {"a__a-1": ["E>E", "R"], "b__b-3": ["E>R", "U"]})}
    folder = await plant(tmp_path, matrix=matrix, **FACTS)
    path = await handed_in(folder, "single", tmp_path / "out")
    results = json.loads((path / "results" / "results.json").read_text())
    assert results["no_generation"] == ["a__a-1"]
    assert results["resolved"] == ["b__b-3"]
    by_repo = json.loads((path / "results" / "resolved_by_repo.json").read_text())
    assert by_repo["a/a"] == {"resolved": 0, "total": 1}
    readme = (path / "README.md").read_text()
    assert "Resolved 1 of 2 instances" in readme
    assert "run again: 1" in readme


def test_short_or_common_words_are_no_hints():
    said = [
        prompt_leaks.Said(text="please fix this bug now, thank you", by="harness", opening=True)
    ]
    assert prompt_leaks.hints_in(said, "fix this bug", "") == ""
    assert prompt_leaks.hints_in(said, "Please FIX: this bug now!!! Thank you", "") != ""
    assert prompt_leaks.hints_in(said, "please fix this bug now thanks a lot", "") == ""


def test_what_a_tool_or_an_agent_said_is_no_prompt():
    said = [prompt_leaks.Said(text=HINTS, by=by) for by in ("agent", "tool")]
    assert prompt_leaks.hints_in(said, HINTS, "") == ""
    assert prompt_leaks.hints_in([prompt_leaks.Said(text=HINTS, by="harness")], HINTS, "") != ""


def test_hidden_tests_are_known_by_name_however_a_framework_writes_them():
    patch = "+    def test_new_thing(self):\n     def test_old_thing(self):\n+  test_old_thing\n"
    for name in ("t/t.py::T::test_new_thing[a::b]", "test_new_thing (t.T)", "t.T.test_new_thing"):
        said = [prompt_leaks.Said(text="run test_new_thing", by="harness", opening=True)]
        assert prompt_leaks.tests_in(said, (name,), patch, "") == "test_new_thing"
        assert prompt_leaks.tests_in(said, (name,), patch, "see test_new_thing") == ""
    said = [prompt_leaks.Said(text="test_old_thing test_new_thing_2", by="harness", opening=True)]
    for name in ("t.py::test_old_thing", "t.py::test_new_thing"):
        assert prompt_leaks.tests_in(said, (name,), patch, "") == ""
