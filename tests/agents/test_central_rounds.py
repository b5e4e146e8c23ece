"""`centralized-parallel`: rounds of sub-agents, a barrier, and what is taken; in a played world."""

import itertools
import json

import anyio
import pytest
from played_central import (
    SUBMIT,
    PlayedTrial,
    back,
    diff_of,
    one,
    said,
    script,
    several,
    take,
    write,
)

from agents.centralized.orchestrator import CentralizedParallel
from agents.centralized.sequential import CentralizedOptions
from harness.errors import ContextOverflow, SandboxError, SandboxUnavailable

A, B = diff_of({"a.py": "mended"}), diff_of({"b.py": "mended"})
BOTH = diff_of({"a.py": "mended", "b.py": "mended"})
PAIR = {
    "sub-1.1": [write("a.py"), back("I mended a.")],
    "sub-2.1": [write("b.py"), back("I mended b.")],
}


async def run(plans, agents=2, **options) -> PlayedTrial:
    trial = PlayedTrial(script(plans), agents=agents)
    await CentralizedParallel(CentralizedOptions(**options)).run(trial)
    assert all(fork.closed == 1 for fork in trial.workspace.forks)
    return trial


async def test_all_reports_and_changes_reach_the_main_agent_and_what_it_takes_is_submitted():
    trial = await run(PAIR | {"main": [several("a", "b"), take("sub-1", "sub-2"), SUBMIT]})
    reports, taken = trial.told()
    assert reports.index("sub-1 handed its work back as done") < reports.index("sub-2 handed")
    for words in (
        "I mended a.",
        "I mended b.",
        "- a.py",
        "- b.py",
        A.rstrip(),
        "9 rounds are left.",
    ):
        assert words in reports
    assert "sub-1: taken.\nsub-2: taken." in taken
    assert "- a.py\n- b.py" in taken
    assert trial.submitted == [("main", BOTH, "finished", False)]
    assert trial.agent_of == {"main": "main", "sub-1.1": "sub-1", "sub-2.1": "sub-2"}


async def test_what_is_not_taken_is_dropped_and_the_next_round_starts_from_what_was():
    plans = PAIR | {
        "main": [several("a", "b"), take("sub-2"), several("c", "d"), take("sub-1"), SUBMIT],
        "sub-1.2": [write("c.py"), back()],
        "sub-2.2": [back()],
    }
    trial = await run(plans)
    assert [sorted(fork.files) for fork in trial.workspace.forks] == [
        ["a.py"],
        ["b.py"],
        ["b.py", "c.py"],
        ["b.py"],
    ]
    second = trial.told()[2]
    assert "- c.py" in second
    assert "b.py" not in second
    (_, patch, _, salvaged) = trial.submitted[0]
    assert (patch, salvaged) == (diff_of({"b.py": "mended", "c.py": "mended"}), False)


async def test_sub_agents_of_a_round_run_at_once_and_none_sees_another():
    asked: set[str] = set()
    all_asked = anyio.Event()

    async def meet(name: str):
        asked.add(name)
        if len(asked) == 3:
            all_asked.set()
        await all_asked.wait()
        return said(back(f"I am the one of {name}"))

    plans = {
        "main": [several("apple", "pear", "plum"), SUBMIT],
        "sub-1.1": [lambda: meet("apple")],
        "sub-2.1": [lambda: meet("pear")],
        "sub-3.1": [lambda: meet("plum")],
    }
    with anyio.fail_after(10):
        trial = await run(plans, agents=3)
    words = ("apple", "pear", "plum")
    for number, word in enumerate(words, start=1):
        prompts = json.dumps(trial.prompts[f"sub-{number}.1"])
        assert [other for other in words if other in prompts] == [word]
    assert len(trial.workspace.forks) == 3


async def test_the_main_agent_waits_at_the_barrier_until_the_slowest_is_done():
    slow, quick = anyio.Event(), anyio.Event()

    async def last():
        await quick.wait()
        await anyio.sleep(0.05)
        assert trial.asked.count("main") == 1
        assert ("sub-1", "barrier", "begin") in trial.spans
        assert ("sub-1", "barrier", "end") not in trial.spans
        slow.set()
        return said(back())

    def first():
        quick.set()
        return back()

    plans = {"main": [several("1", "2"), SUBMIT], "sub-1.1": [first], "sub-2.1": [last]}
    trial = PlayedTrial(script(plans))
    with anyio.fail_after(10):
        await CentralizedParallel().run(trial)
    assert slow.is_set()
    assert [span for span in trial.spans if span[1] == "barrier"] == [
        ("sub-1", "barrier", "begin"),
        ("sub-1", "barrier", "end"),
    ]
    assert ("sub-2", "barrier", "begin") not in trial.spans


async def test_the_time_line_says_who_waits_for_whom():
    plans = {"main": [several("1"), SUBMIT], "sub-1.1": [write("a.py"), back()]}
    trial = await run(plans)
    assert trial.spans[:-2] == [
        ("sub-1", "main", "begin"),
        ("sub-2", "main", "begin"),
        ("main", "peer", "begin"),
        ("sub-1", "main", "end"),
        ("sub-1", "command", "begin"),
        ("sub-1", "command", "end"),
        ("sub-1", "main", "begin"),
        ("main", "peer", "end"),
    ]
    assert set(trial.spans[-2:]) == {("sub-1", "main", "end"), ("sub-2", "main", "end")}


async def test_changes_that_contradict_are_told_and_nothing_of_them_is_taken():
    plans = {
        "main": [several("1", "2"), take("sub-1", "sub-2"), SUBMIT],
        "sub-1.1": [write("a.py", "one"), back()],
        "sub-2.1": [[write("a.py", "two"), write("c.py")], back()],
    }
    trial = await run(plans)
    told = trial.told()[1]
    assert "sub-1: taken." in told
    assert "sub-2: NOT taken" in told
    assert "<<<<<<< one two" in told
    assert trial.submitted[0][1] == diff_of({"a.py": "one"})


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, 'needs \'subtasks\' as a list: {"subtasks": [{"instruction": "…", "context"'),
        ({"subtasks": "look and mend"}, "needs 'subtasks' as a list"),
        ({"subtasks": {"instruction": "a", "context": "b"}}, "needs 'subtasks' as a list"),
        ({"subtasks": ["look", "mend"]}, "needs 'subtasks' as a list"),
        ({"subtasks": [{"instruction": "a"}]}, "needs 'subtasks' as a list"),
        ({"subtasks": [{"instruction": "a", "context": None}]}, "needs 'subtasks' as a list"),
        ({"subtasks": []}, "1 to 2 subtasks, not 0"),
        ({"subtasks": [{"instruction": "a", "context": ""}] * 3}, "1 to 2 subtasks, not 3"),
        ({"subtasks": [{"instruction": " ", "context": ""}]}, "The instruction is empty"),
        (one("a")[1], "needs 'subtasks' as a list"),
        ("[", "not valid JSON"),
    ],
)
async def test_a_round_that_cannot_be_started_is_explained_and_costs_nothing(arguments, says):
    bad = ("delegate", arguments)
    trial = await run(PAIR | {"main": [bad, several("a", "b"), take("sub-1"), SUBMIT]}, attempts=2)
    assert trial.told()[0].startswith("<error>")
    assert says in trial.told()[0]
    assert "One round is left." in trial.told()[1]
    assert len(trial.workspace.forks) == 2


async def test_a_list_that_comes_as_text_is_read():
    given = json.dumps(several("a", "b")[1]["subtasks"])
    plans = PAIR | {
        "main": [
            ("delegate", {"subtasks": given}),
            ("take", {"agents": '["sub-1"]'}),
            SUBMIT,
        ]
    }
    trial = await run(plans)
    assert trial.submitted == [("main", A, "finished", False)]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (take("sub-3"), "'sub-3' was not in the last round, nothing was taken"),
        (take("main", "sub-1"), "What can be taken is of: sub-1, sub-2."),
        (take(), "Name whose changes to take: sub-1, sub-2."),
        (("take", {"agents": "sub-1"}), 'needs \'agents\' as a list: {"agents": ["…", …]}'),
        (("take", {"agents": [1]}), "needs 'agents' as a list"),
    ],
)
async def test_what_cannot_be_taken_is_explained(call, says):
    trial = await run(PAIR | {"main": [several("a", "b"), call, take(" sub-2 "), SUBMIT]})
    assert says in trial.told()[1]
    assert trial.submitted == [("main", B, "finished", False)]


async def test_taking_twice_is_taking_once_and_nothing_is_nothing():
    plans = {
        "main": [several("a", "b"), take("sub-1", "sub-1"), take("sub-1", "sub-2"), SUBMIT],
        "sub-1.1": [write("a.py"), back()],
        "sub-2.1": [back()],
    }
    trial = await run(plans)
    assert "sub-1: is taken already.\nsub-2: changed nothing" in trial.told()[2]
    assert trial.submitted[0][1] == A


async def test_before_the_first_round_there_is_nothing_to_take():
    trial = await run(PAIR | {"main": [take("sub-1"), several("a", "b"), take("sub-1"), SUBMIT]})
    assert "What can be taken is of: nobody." in trial.told()[0]


@pytest.mark.parametrize("second", [several("c"), take("sub-1"), SUBMIT])
async def test_reports_are_read_before_anything_is_decided_on_them(second):
    plans = PAIR | {"main": [[several("a", "b"), second], take("sub-1"), SUBMIT]}
    trial = await run(plans)
    assert "eports" in trial.told()[1].removeprefix("<error>\n")[:120]
    assert trial.told()[1].startswith("<error>")
    assert trial.submitted == [("main", A, "finished", False)]
    assert len(trial.workspace.forks) == 2


async def test_nothing_is_submitted_by_mistake_where_nothing_was_taken():
    trial = await run(PAIR | {"main": [several("a", "b"), SUBMIT, take("sub-2"), SUBMIT]})
    assert "Nothing differs in the main workspace" in trial.told()[1]
    assert trial.submitted == [("main", B, "finished", False)]


async def test_after_the_last_round_what_is_good_can_still_be_taken():
    plans = PAIR | {"main": [several("a", "b"), several("c"), take("sub-1"), SUBMIT]}
    trial = await run(plans, attempts=1)
    assert "No round is left." in trial.told()[0]
    assert "No round is left. Take what is good" in trial.told()[1]
    assert trial.submitted == [("main", A, "finished", False)]


async def test_a_sub_agent_whose_context_is_full_is_told_about_and_its_work_can_be_taken():
    plans = PAIR | {
        "main": [several("a", "b"), take("sub-1", "sub-2"), SUBMIT],
        "sub-1.1": [write("a.py"), ContextOverflow("long")],
    }
    trial = await run(plans)
    assert "sub-1 outgrew what the model can read" in trial.told()[0]
    assert trial.submitted == [("main", BOTH, "finished", False)]


async def test_a_sub_agent_that_loses_its_workspace_does_not_stop_the_others():
    plans = PAIR | {"main": [several("a", "b"), take("sub-2"), SUBMIT]}
    trial = PlayedTrial(script(plans))

    def breaks():
        trial.workspace.forks[0].problem = SandboxUnavailable("gone")
        return write("a.py")

    plans["sub-1.1"] = [breaks]
    await CentralizedParallel().run(trial)
    assert "sub-1 lost its workspace" in trial.told()[0]
    assert "What it changed cannot be read: gone." in trial.told()[0]
    assert trial.submitted == [("main", B, "finished", False)]


async def test_changes_that_cannot_be_read_are_told_and_not_offered():
    plans = PAIR | {"main": [several("a", "b"), take("sub-1"), take("sub-2"), SUBMIT]}
    trial = PlayedTrial(script(plans))

    def much():
        trial.workspace.forks[0].unreadable = SandboxError("too large")
        return back()

    plans["sub-1.1"] = [write("a.py"), much]
    await CentralizedParallel().run(trial)
    assert "What it changed cannot be read: too large." in trial.told()[0]
    assert "sub-1: changed nothing" in trial.told()[1]
    assert trial.submitted == [("main", B, "finished", False)]


async def test_each_prompt_extends_the_one_before_it():
    plans = PAIR | {
        "main": [several("a", "b"), take("nobody"), take("sub-1"), several("c"), SUBMIT],
        "sub-1.2": [write("c.py"), ("bash", "{"), said(content="?"), back(status="?"), back()],
    }
    trial = await run(plans)
    assert set(trial.prompts) == {"main", "sub-1.1", "sub-2.1", "sub-1.2"}
    for conversation, prompts in trial.prompts.items():
        for sooner, later in itertools.pairwise(prompts):
            assert later[: len(sooner)] == sooner
            assert len(later) > len(sooner)
        assert all(offered == trial.tools[conversation][0] for offered in trial.tools[conversation])
    first = [trial.prompts[name][0][:2] for name in ("sub-1.1", "sub-2.1", "sub-1.2")]
    assert first[0] == first[1] == first[2]


async def test_a_round_is_offered_as_a_list_of_objects():
    trial = await run(PAIR | {"main": [several("a", "b"), take("sub-1"), SUBMIT]})
    delegate, taking, submit = (tool["function"] for tool in trial.tools["main"][0])
    assert [each["name"] for each in (delegate, taking, submit)] == ["delegate", "take", "submit"]
    subtasks = delegate["parameters"]["properties"]["subtasks"]
    assert delegate["parameters"]["required"] == ["subtasks"]
    assert (subtasks["type"], subtasks["items"]["type"]) == ("array", "object")
    assert subtasks["items"]["required"] == ["instruction", "context"]
    assert "One to 2 subtasks" in subtasks["description"]
    agents = taking["parameters"]["properties"]["agents"]
    assert (agents["type"], agents["items"]) == ("array", {"type": "string"})
