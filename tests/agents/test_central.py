"""`centralized`: a main agent over one sub-agent at a time, in a world that is played."""

import itertools
import json

import pytest
from played_central import SUBMIT, PlayedTrial, back, diff_of, one, said, script, write
from pydantic import ValidationError

from agents.centralized.orchestrator import NO_CALL, Centralized
from agents.centralized.report import DIFF_CHARS
from agents.centralized.sequential import CentralizedOptions
from agents.loop import PATIENCE
from harness.config import resolve
from harness.errors import ContextOverflow, SandboxError

MENDED = diff_of({"a.py": "mended"})


async def run(plans, **options) -> PlayedTrial:
    trial = PlayedTrial(script(plans), agents=1)
    await Centralized(CentralizedOptions(**options)).run(trial)
    return trial


USUAL = {
    "main": [one("Find it.", "The issue names f."), one("Mend it.", "It is in a.py."), SUBMIT],
    "sub-1.1": [("bash", {"command": "grep f"}), back("The fault is in a.py, line 3.")],
    "sub-1.2": [write("a.py"), back("Mended; the tests pass.")],
}


async def test_work_is_delegated_in_order_and_what_differs_is_submitted():
    trial = await run(USUAL)
    assert list(dict.fromkeys(trial.asked)) == ["main", "sub-1.1", "sub-1.2"]
    assert trial.asked == ["main", "sub-1.1", "sub-1.1", "main", "sub-1.2", "sub-1.2", "main"]
    assert trial.submitted == [("main", MENDED, "finished", False)]
    assert trial.agent_of == {"main": "main", "sub-1.1": "sub-1", "sub-1.2": "sub-1"}


async def test_the_main_agent_has_no_shell_and_a_sub_agent_no_say():
    trial = await run(USUAL)
    names = {
        conversation: [tool["function"]["name"] for tool in offered[0]]
        for conversation, offered in trial.tools.items()
    }
    assert names["main"] == ["delegate", "submit"]
    assert names["sub-1.1"] == names["sub-1.2"] == ["bash", "edit", "finish"]


async def test_an_instruction_reaches_the_sub_agent_and_its_report_the_main_agent():
    trial = await run(USUAL)
    first = json.dumps(trial.prompts["sub-1.1"][0])
    assert "Find it." in first
    assert "The issue names f." in first
    assert "It fails {{ when }} <it> & should not." in first
    seen = trial.told()[0]
    assert "handed its work back as done" in seen
    assert "The fault is in a.py, line 3." in seen
    assert "It changed no file." in seen
    assert "9 delegations are left." in seen
    assert "- a.py" in trial.told()[1]


async def test_a_sub_agent_starts_anew_in_the_workspace_as_the_one_before_left_it():
    seen = []
    plans = {
        "main": [one("Write."), one("Read."), SUBMIT],
        "sub-1.1": [write("secret.py", "words"), back("The word is xyzzy.")],
        "sub-1.2": [("view", {"path": "secret.py"}), back()],
    }
    trial = PlayedTrial(script(plans), agents=1, agent_tools=("bash", "view"))

    async def read(path: str, **_: object) -> bytes:
        seen.append(trial.workspace.files[path])
        return seen[-1].encode()

    trial.workspace.read = read  # type: ignore[attr-defined]
    await Centralized().run(trial)
    assert seen == ["words"]
    assert not trial.workspace.forks
    assert "xyzzy" not in json.dumps(trial.prompts["sub-1.2"])
    assert "xyzzy" in json.dumps(trial.prompts["main"][-1])


async def test_only_what_a_delegation_changed_is_listed_and_what_it_undid_is():
    plans = {
        "main": [one("1"), one("2"), one("3"), SUBMIT],
        "sub-1.1": [[write("a.py"), write("b.py")], back()],
        "sub-1.2": [write("b.py", "again"), back()],
        "sub-1.3": [back()],
    }
    trial = PlayedTrial(script(plans), agents=1)
    plans["sub-1.3"] = [lambda: trial.workspace.files.pop("a.py") and back()]
    await Centralized().run(trial)
    first, second, third = trial.told()
    assert "- a.py\n- b.py" in first
    assert "- b.py" in second
    assert "a.py" not in second
    assert "- a.py (as at the start again)" in third
    assert "b.py" not in third
    assert "+mended" in first.partition("<diff>")[2]
    assert "+again" in second.partition("<diff>")[2]
    assert "<diff>" not in third


async def test_a_diff_that_is_too_long_is_shown_by_whole_files_and_the_rest_by_name():
    long = "x" * DIFF_CHARS
    calls = [write("a.py"), write("b.py", long), write("c.py")]
    plans = {"main": [one("1"), SUBMIT], "sub-1.1": [calls, back()]}
    (told,) = (await run(plans)).told()
    assert told.count("+mended") == 2
    assert "+xxx" not in told
    assert "Not shown for its length: the diff of b.py." in told


async def test_of_one_long_diff_both_ends_are_shown():
    plans = {"main": [one("1"), SUBMIT], "sub-1.1": [write("a.py", "x" * 9 * DIFF_CHARS), back()]}
    (told,) = (await run(plans)).told()
    assert "+xxx" in told
    assert "characters left out" in told
    assert len(told) < 2 * DIFF_CHARS
    assert "Not shown" not in told


async def test_a_main_agent_that_comes_to_no_end_is_ended_by_its_own_turns():
    plans = {"main": [("nothing", {}), SUBMIT, [("submit", {}), ("submit", {})], ("submit", {})]}
    trial = await run(plans, main_turns=2)
    assert trial.asked.count("main") == 2
    assert trial.submitted == [("main", "", "turns", True)]


def test_ten_subagents_of_fifty_turns_and_a_main_agent_fit_into_the_budget():
    options, steps = CentralizedOptions(), resolve([]).budget.steps
    assert steps >= options.attempts * options.turns + options.main_turns


async def test_the_last_delegation_forces_a_submission():
    plans = {"main": [one("Go on.")]} | {
        f"sub-1.{n}": [write("a.py", f"try {n}"), back(status="partial")] for n in (1, 2, 3, 4)
    }
    trial = await run(plans, attempts=3)
    assert trial.submitted == [("main", diff_of({"a.py": "try 3"}), "delegations", True)]
    assert trial.asked.count("main") == 3
    assert "One delegation is left." in trial.told()[-1]


async def test_ten_delegations_of_fifty_turns_are_the_default():
    plans = {"main": [one("Go on.")]} | {f"sub-1.{n}": [write("a.py")] for n in range(1, 12)}
    trial = await run(plans)
    assert trial.asked.count("main") == 10
    assert [trial.asked.count(f"sub-1.{n}") for n in range(1, 12)] == [50] * 10 + [0]


async def test_a_sub_agent_without_a_report_is_told_about_with_its_last_words():
    plans = {
        "main": [one("Go."), one("Go."), SUBMIT],
        "sub-1.1": [said(write("a.py"), content="I think it is the parser.")],
        "sub-1.2": [said(content="I am silent now.")],
    }
    trial = await run(plans, turns=6)
    used_up, silent = trial.told()
    assert "used up its turns without a report" in used_up
    assert "I think it is the parser." in used_up
    assert "- a.py" in used_up
    assert "ended without a report" in silent
    assert "I am silent now." in silent
    assert trial.asked.count("sub-1.1") == 6
    warned = [told for told in trial.told("sub-1.1") if "turn" in told]
    assert ["5 turns left" in warned[0], "last turn" in warned[1], len(warned)] == [True, True, 2]


async def test_a_long_report_is_cut_in_the_middle():
    report = "begin " + "x" * 50_000 + " end"
    trial = await run(
        {"main": [one("Go."), SUBMIT], "sub-1.1": [write("a.py"), back(report)]}, report_chars=400
    )
    (seen,) = trial.told()
    assert "begin x" in seen
    assert "x end" in seen
    assert f"{len(report) - 400} characters left out" in seen
    assert len(seen) < 800


async def test_each_prompt_extends_the_one_before_and_equals_the_story():
    trial = await run(
        {
            "main": [said(content="hm"), one("Go."), ("oops", {}), one(""), one("Go."), SUBMIT],
            "sub-1.1": [write("a.py"), ("bash", "{"), said(content="?"), back(status="?"), back()],
            "sub-1.2": [write("a.py")],
        },
        turns=7,
    )
    assert len(trial.prompts["main"]) == 6
    for conversation, prompts in trial.prompts.items():
        for sooner, later in itertools.pairwise(prompts):
            assert later[: len(sooner)] == sooner
            assert len(later) > len(sooner)
        assert prompts[-1] == trial.story[conversation][: len(prompts[-1])]
        assert all(offered == trial.tools[conversation][0] for offered in trial.tools[conversation])


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (("delegate", {"instruction": "x"}), "needs the text argument 'context'"),
        (("delegate", {"instruction": ["x"], "context": ""}), "needs the text argument"),
        (("delegate", {"instruction": " \n", "context": "c"}), "The instruction is empty"),
        (("delegate", "{"), "not valid JSON"),
        (("bash", {"command": "ls"}), "The tools are: delegate, submit."),
        (("submit", {"summary": ""}), "that would be an empty patch. If you leave it so"),
    ],
)
async def test_a_call_that_cannot_be_carried_out_is_explained_and_costs_no_delegation(call, says):
    trial = await run(
        {"main": [call, one("Go."), SUBMIT], "sub-1.1": [write("a.py"), back()]}, attempts=2
    )
    assert trial.told()[0].startswith("<error>")
    assert says in trial.told()[0]
    assert "One delegation is left." in trial.told()[1]
    assert trial.submitted == [("main", MENDED, "finished", False)]


async def test_an_empty_patch_is_submitted_when_the_main_agent_insists():
    trial = await run({"main": [SUBMIT]})
    assert trial.submitted == [("main", "", "finished", False)]
    assert len(trial.told()) == 1


async def test_a_main_agent_that_falls_silent_is_told_its_tools_and_then_salvaged():
    trial = await run(
        {"main": [one("Go."), said(content="Done?")], "sub-1.1": [write("a.py"), back()]}
    )
    assert trial.submitted == [("main", MENDED, "no_tool_calls", True)]
    assert trial.asked.count("main") == 1 + PATIENCE
    assert trial.story["main"][-1] == {"role": "user", "content": NO_CALL}


@pytest.mark.parametrize(
    ("status", "report", "says"),
    [("finished", "r", "The status is done or partial"), ("done", " ", "The report is empty")],
)
async def test_a_sub_agent_that_hands_back_badly_is_told_how_to(status, report, says):
    trial = await run(
        {"main": [one("Go."), SUBMIT], "sub-1.1": [write("a.py"), back(report, status), back("ok")]}
    )
    assert says in trial.told("sub-1.1")[-1]
    assert "ok" in trial.told()[0]


async def test_a_sub_agent_whose_context_is_full_is_a_failed_delegation():
    trial = await run(
        {
            "main": [one("Go."), SUBMIT],
            "sub-1.1": [write("a.py"), ContextOverflow("long")],
        }
    )
    assert "ended without a report" in trial.told()[0]
    assert "- a.py" in trial.told()[0]
    assert trial.submitted == [("main", MENDED, "finished", False)]


async def test_what_the_patch_cannot_hold_is_said_with_it():
    plan = {"main": [one("Go."), SUBMIT], "sub-1.1": [write("a.py"), back()]}
    trial = PlayedTrial(script(plan), agents=1)
    trial.workspace.left_out = ("git~1",)
    await Centralized().run(trial)
    ((_, _, reason, salvaged),) = trial.submitted
    assert (reason, salvaged) == ("finished; not in the patch, git refuses it: 'git~1'", False)


async def test_a_difference_that_cannot_be_read_is_told_and_submitted_as_nothing():
    trial = PlayedTrial(
        script({"main": [one("Go."), SUBMIT], "sub-1.1": [write("a.py"), back()]}), agents=1
    )
    trial.workspace.unreadable = SandboxError("too large")
    await Centralized().run(trial)
    assert "What it changed cannot be read: too large." in trial.told()[0]
    assert "cannot be handed in: too large" in trial.told()[1]
    assert trial.submitted == [("main", "", "finished; no patch: too large", False)]


async def test_the_time_line_says_who_waits_for_whom():
    trial = await run(USUAL)
    assert trial.spans == [
        ("sub-1", "main", "begin"),
        ("main", "peer", "begin"),
        ("sub-1", "main", "end"),
        ("sub-1", "command", "begin"),
        ("sub-1", "command", "end"),
        ("sub-1", "main", "begin"),
        ("main", "peer", "end"),
        ("main", "peer", "begin"),
        ("sub-1", "main", "end"),
        ("sub-1", "command", "begin"),
        ("sub-1", "command", "end"),
        ("sub-1", "main", "begin"),
        ("main", "peer", "end"),
        ("sub-1", "main", "end"),
    ]


def test_options_that_make_no_sense_are_refused():
    for options in ({"attempts": 0}, {"attempt": 3}):
        with pytest.raises(ValidationError, match="attempt"):
            Centralized(CentralizedOptions(**options))
