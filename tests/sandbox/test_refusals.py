"""Every mistake of the person at the keyboard: exit code 2, one line that says what to do.

Here: models, systems, datasets, configuration, and mistyped commands.
"""

import json

import console
import pytest
from console import DATASET, bundled, refused

pytestmark = pytest.mark.slow(seconds=6)

SERVED = {"OPENAI_API_BASE": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "none"}
SCRIPTED = ("eval", "-m", "openai/scripted", "-s", "single", "-d", DATASET)
ROW = {
    "instance_id": "a__a-1",
    "repo": "a/a",
    "base_commit": "0" * 40,
    "problem_statement": "it fails",
    "version": "1",
    "patch": "gold",
    "test_patch": "",
    "FAIL_TO_PASS": ["t"],
    "PASS_TO_PASS": [],
    "eval_script": "true",
    "log_parser": "parse_log_pytest",
    "eval_type": "pass_and_fail",
}


def test_the_console_script_ends_as_its_function_does(delm, place):
    words = ("show", "x")
    told = delm(*words)
    refused(told, "there is no run results/x")
    assert console.delm(*words, cwd=place) == told


def test_an_unknown_model_is_refused_with_names_that_are_near(delm):
    told = delm("eval", "-m", "gemni/gemini-2.5-flash", "-d", DATASET)
    refused(
        told, "unknown model 'gemni/gemini-2.5-flash'", "gemini/gemini-2.5-flash", "models.yaml"
    )


def test_a_mistyped_model_of_a_known_provider_has_no_price_and_is_told_the_nearest(delm):
    told = delm("eval", "-m", "gemini/gemini-2.5-flsh", "-d", DATASET, GEMINI_API_KEY="x")
    refused(told, "no price is known", "did you mean gemini/gemini-2.5-flash")


def test_a_model_without_its_key_names_the_variable(delm, place):
    told = delm("eval", "-m", "gemini/gemini-2.5-flash", "-d", DATASET)
    refused(told, "needs a key", "export GEMINI_API_KEY=")


def test_an_endpoint_without_its_address_names_the_variable(delm, place):
    told = delm(*SCRIPTED, OPENAI_API_KEY="none")
    refused(told, "needs an address", "export OPENAI_API_BASE=")


def test_a_model_of_unknown_price_is_refused_and_told_both_ways_out(delm, place):
    told = delm("eval", "-m", "openai/nobody-knows-it", "-d", DATASET, **SERVED)
    refused(told, "no price is known for openai/nobody-knows-it", "configs/models.yaml",
            "--allow-unknown-price")  # fmt: skip
    told = delm("eval", "-m", "openai/nobody-knows-it", "-d", DATASET, "--allow-unknown-price",
                "--dry-run", **SERVED)  # fmt: skip
    assert told.code == 0, told.text
    assert "the cost is unknown" in told.out


def test_a_key_in_the_configuration_is_refused_for_it_would_be_written_down(delm):
    told = delm(*SCRIPTED, "-c", "model.extra.api_key=sk-planted-0000", **SERVED)
    refused(told, "model.extra.api_key would be written into the run's files")
    assert "sk-planted" not in told.text


def test_an_unknown_system_is_refused_with_the_known_ones(delm, place):
    refused(
        delm(*SCRIPTED, "-s", "singel", **SERVED),
        "'singel'",
        "'single'",
        "systems for swe-bench: single",
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: x\nsystem: agents.nothing:Single\n", ("x", "cannot be imported", "PYTHONPATH")),
        ("name: x\nsystem: agents.single:Nothing\n", ("x", "cannot be imported")),
        ("name: x\nsystem: agents.single:Single\noptions: {a: 1}\n", ("options do not fit",)),
        ("name: ../x\nsystem: agents.single:Single\n", ("name", "../x")),
        ("name: x\nsystem: agents.single:Single\nagent: 3\n", ("'agent'", "'agents'")),
        ("name: x\n", ("system", "missing")),
    ],
)
def test_a_wrong_file_of_a_system_is_refused(delm, place, text, says):
    (place / "mine.yaml").write_text(text)
    refused(delm(*SCRIPTED, "-s", "mine.yaml", **SERVED), *says)


def test_two_systems_of_one_name_are_refused(delm, place):
    (place / "mine.yaml").write_text("name: single\nsystem: agents.single:Single\n")
    told = delm(*SCRIPTED, "-s", "single", "-s", "mine.yaml", **SERVED)
    refused(told, "two systems are called single")


def _lines(*rows: object) -> str:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ("is empty",)),
        ("\n\n", ("has no rows",)),
        (_lines(ROW, json.dumps(ROW)[:50]), ("line 2", "cut short")),
        (_lines({k: v for k, v in ROW.items() if k != "patch"}), ("line 1", "no field patch")),
        (_lines({k: v for k, v in ROW.items() if k != "eval_script"}), ("eval_script", "5.x")),
        (_lines(ROW, ROW), ("line 2", "twice")),
        (_lines(ROW | {"instance_id": "../../etc"}), ("line 1", "instance_id")),
        (_lines([1]), ("line 1", "not an object")),
    ],
)
def test_a_wrong_dataset_file_is_refused_with_the_line(delm, place, text, says):
    (place / "rows.jsonl").write_text(text)
    told = delm("eval", "-m", "openai/scripted", "-s", "single", "-d", "rows.jsonl", **SERVED)
    refused(told, "rows.jsonl", *says)


@pytest.mark.parametrize("name", ["none.jsonl", "none.json", "none.parquet", "none.yaml"])
def test_a_dataset_file_that_is_not_there_is_refused(delm, place, name):
    told = delm("eval", "-m", "openai/scripted", "-s", "single", "-d", name, **SERVED)
    refused(told, f"{name}: no such file")


def test_a_dataset_that_nobody_knows_is_refused_with_what_there_is(delm, place):
    told = delm("eval", "-m", "openai/scripted", "-s", "single", "-d", "verified", **SERVED)
    refused(told, "no dataset 'verified'", "verified-offline", "SWE-bench/SWE-bench_Verified")


def test_an_instance_that_does_not_exist_is_refused_with_the_nearest(delm, place):
    bundled()
    told = delm(*SCRIPTED, "-i", "pallets__flask-5015", **SERVED)
    refused(told, "no instance pallets__flask-5015", "nearest is pallets__flask-5014")


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--filter", "nothing-begins-so"), "nothing-begins-so"),
        (("--filter", "("), "no regular expression"),
        (("--slice", "99:"), "selects nothing"),
        (("--slice", "1-2"), "no slice"),
    ],
)
def test_a_choice_of_nothing_is_refused(delm, place, flags, says):
    bundled()
    refused(delm(*SCRIPTED, *flags, **SERVED), says)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("budget:\n  steps: [1\n", ("mine.yaml", "line 3")),
        ("budget: {steps: 1\nmodel: x\n", ("mine.yaml", "line 2")),
        ("- a\n- b\n", ("mine.yaml", "mapping")),
        ("budgets: {steps: 1}\n", ("'budgets'", "'budget'")),
        ("budget: {step: 1}\n", ("'budget.step'", "'budget.steps'")),
        ("sandbox: {limits: {memory: 1}}\n", ("'sandbox.limits.memory_mb'",)),
        ("budget: {steps: many}\n", ("budget.steps", "'many'")),
        ("budget: 5\n", ("budget", "5")),
        ("sandbox: {kind: podman}\n", ("sandbox.kind", "'podman'", "'docker'")),
        ("dataset: verified-offline\n", ("dataset",)),
        ("\x00", ("mine.yaml",)),
    ],
)
def test_a_wrong_configuration_file_is_refused_with_the_place(delm, place, text, says):
    (place / "mine.yaml").write_text(text)
    refused(delm("eval", "-c", "mine.yaml", "--dry-run"), *says)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("none.yaml", "none.yaml: no such file"),
        ("budget.stepz=1", "did you mean 'budget.steps'"),
        ("budget.step", "write -c budget.steps=VALUE"),
        ("budget.steps=[1", "not valid YAML"),
        ("budget.steps=-1", "budget.steps"),
        ("=1", "unknown key"),
        (".", "cannot be read"),
    ],
)
def test_a_wrong_setting_is_refused(delm, place, spec, says):
    refused(delm("eval", "-c", spec, "--dry-run"), says)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("eval", "--nope"), "--nope"),
        (("eval", "-w", "0"), "--workers"),
        (("eval", "-k", "x"), "--trials"),
        (("eval", "--cost-limit", "-1"), "--cost-limit"),
        (("evil",), "evil"),
        (("show",), "run"),
        (("grade",), "--gold"),
        (("grade", "x.jsonl", "--gold"), "give one of"),
        (("grade", "--gold", "--empty"), "give one of"),
        (("images", "pulll"), "pulll"),
    ],
)
def test_a_mistyped_command_is_one_line_too(delm, place, words, says):
    refused(delm(*words), says)
