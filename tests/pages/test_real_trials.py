"""Trials of real runs, opened: what `delm cost` says of their instance is on the page."""

import json
import subprocess

import anyio
import pytest
from console import DELM
from hostile_texts import balanced, faults, parsed
from shared_run import INSTANCE, QUESTIONED, REPLAYED, shared_run

from harness.pages.links import ReportLinks, ViewLinks
from harness.pages.rendering import usd
from harness.pages.trial import trial_html
from harness.pages.trial_data import trials_of
from harness.results.run_folder import RunFolder

pytestmark = pytest.mark.slow(seconds=60)


async def read_all(folder):
    async with folder.open(read_only=True) as store, folder.boards(read_only=True) as boards:
        run = await store.read()
        reader = await trials_of(store, boards, run)
        return [await reader.read(trial["trial_id"]) for trial in run.trials]


def opened(factory, name):
    path = shared_run(factory, name)
    return anyio.run(read_all, RunFolder(path.parent, name)), path


@pytest.fixture(scope="module")
def replayed(tmp_path_factory):
    return opened(tmp_path_factory, REPLAYED)


def text_of(data):
    return " ".join("".join(parsed(str(trial_html(data, ReportLinks()))).text).split())


def test_the_page_says_why_delm_cost_what_it_did_with_the_numbers_of_delm_cost(replayed):
    trials, path = replayed
    words = [DELM, "cost", path.name, "-o", path.parent, "-i", INSTANCE, "--json"]
    told = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)["parts"]
    systems = {row["system"]: row for row in told if row["part"] == "system"}
    delm = next(data for data in trials if data.trial["system"] == "delm")
    html, text = str(trial_html(delm, ReportLinks())), text_of(delm)
    for row in told:
        if row["cost_per_submission_usd"] and row["part"] != "overhead":
            assert usd(row["cost_per_submission_usd"]) in html, row["name"]
    ratio = systems["delm"]["ratio"]
    spent = usd(systems["delm"]["cost_usd"])
    assert f"delm spent {spent} here for 2 submissions" in text
    assert f"{ratio:.2f} of single's {usd(systems['single']['cost_per_submission_usd'])}" in text
    assert "which is resolved, rests on" in text or "o resolved submission rests on" in text


def test_issue_gold_patch_and_tests_are_there_without_the_dataset(replayed):
    trials, _ = replayed
    for data in trials:
        assert data.text["asked"]
        assert data.text["gold"].startswith("diff --git")
        text = text_of(data)
        assert "Gold patch" in text
        assert "FAIL_TO_PASS" in text
        assert "tests/test_blueprints.py::test_nesting_url_prefixes[" in text


def test_a_question_has_answers_and_nothing_of_patches(tmp_path_factory):
    trials, _ = opened(tmp_path_factory, QUESTIONED)
    assert {data.trial["system"] for data in trials} > {"delm-documents"}
    for data in trials:
        html, text = str(trial_html(data, ReportLinks())), text_of(data)
        assert "Right answer" in text
        assert "A: " in data.text["asked"]
        assert "diff-file" not in html
        assert "FAIL_TO_PASS" not in html
        assert "Gold patch" not in text
        assert faults(html) == []


def test_no_trial_breaks_the_page(replayed):
    trials, _ = replayed
    for data in trials:
        for links in (ReportLinks(), ViewLinks("r")):
            html = str(trial_html(data, links))
            assert [each for each in faults(html) if each != "<form>"] == []
            assert balanced(html)
