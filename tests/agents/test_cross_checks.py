"""The board holds candidates to each other's commands, without a model; a played world."""

import json

import anyio
import pytest
from played_team import PlayedTrial, diff_of, done, fact, patch, played, said, team, write

from harness.board.evidence import Command, state_of
from harness.errors import SandboxUnavailable


def wins(*pairs: tuple[str, str]):
    """Commands pass where one of `pairs` says so: a word of the diff, and one of the command."""

    def passes(diff: str, command: str) -> bool:
        return any(text in diff and name in command for text, name in pairs)

    return passes


OWN = (("patch-1", "one.py"), ("patch-2", "two.py"), ("mended", "."))
"""Each passes its own command only, and what is mended passes all."""


def seats(task, turn, prompt):
    """Each seat has a reproduction of its own; a repair mends everything."""
    if task.startswith("localize"):
        return said(fact("the fault is in a.py", finish="true"))
    command = "python one.py" if task == "patch-1" else "python two.py"
    if task.startswith("patch"):
        return said(write(task), patch(f"by {task}", command))
    if task.startswith("repair"):
        return said(write("mended"), patch(f"by {task}", "python mended.py"))
    return said(done())


def opening(trial: PlayedTrial, conversation: str) -> str:
    return str(trial.prompts[conversation][0][-1]["content"])


async def entries_of(trial: PlayedTrial, kind: str) -> list:
    return [entry for entry in await trial.context.entries() if entry.kind == kind]


async def test_who_fails_the_command_of_another_is_told_by_the_board_and_mends_it(tmp_path):
    with played(tmp_path, seats) as trial:
        trial.pristine.passes = wins(*OWN, ("patch-1", "."))  # patch-2 fails one.py
        await team(verification=True).run(trial)
        (failure,) = await entries_of(trial, "FAIL")
        tasks = {task.label: task for task in await trial.queue.tasks()}
        patches = {entry.task: entry for entry in await entries_of(trial, "PATCH")}
    failing, other = patches["patch-2"], patches["patch-1"]
    assert failure.author == "board"
    assert failure.gist == f"{failing.label} does not pass the command of {other.label}."
    assert isinstance(failure.evidence, Command)
    assert failure.evidence.exit_status == 1
    assert failure.evidence.output == "python one.py ends with 1"
    assert state_of(failure.evidence) == failing.label
    assert tasks["repair-1"].subject == "patch-2"
    assert "repair-2" not in tasks
    assert trial.submitted["patch-2"][0] == diff_of("mended")
    text = tasks["repair-1"].text
    assert diff_of("patch-2") in text
    assert "$ python one.py" in text
    assert "python one.py ends with 1" in text


async def test_candidates_that_finish_at_the_same_time_are_held_to_each_other(tmp_path):
    """Each fails the other's command; who comes later finds both failures."""
    with played(tmp_path, seats) as trial:
        trial.pristine.passes = wins(*OWN)
        await team(verification=True).run(trial)
        states = {state_of(entry.evidence) for entry in await entries_of(trial, "FAIL")}
        mended = {t.subject for t in await trial.queue.tasks() if t.kind == "repair"}
        patches = {entry.task: entry.label for entry in await entries_of(trial, "PATCH")}
    assert {patches["patch-1"], patches["patch-2"]} <= states
    assert mended == {"patch-1", "patch-2"}
    assert {text for text, *_ in trial.submitted.values()} == {diff_of("mended")}


async def test_candidates_that_pass_everything_cost_no_turn(tmp_path):
    with played(tmp_path, seats) as trial:
        trial.pristine.passes = lambda diff, command: bool(diff)
        await team(verification=True).run(trial)
        assert not await entries_of(trial, "FAIL")
        kinds = [task.kind for task in await trial.queue.tasks()]
    assert sorted(kinds) == ["decide", "localize", "patch", "patch"]
    assert trial.selected is not None
    assert "2 of 2 checks pass" in trial.selected[1][0]


@pytest.mark.parametrize("switch", ["cross_checks", "sharing", "verification"])
async def test_without_it_nobody_is_held_to_anything(tmp_path, switch):
    options = {"verification": True, switch: 0 if switch == "cross_checks" else False}
    with played(tmp_path, seats) as trial:
        trial.pristine.passes = wins(*OWN)
        await team(**options).run(trial)
        assert not await entries_of(trial, "FAIL")
        assert not any(task.kind == "repair" for task in await trial.queue.tasks())


async def test_what_was_executed_for_a_candidate_is_not_executed_again_to_select(tmp_path):
    with played(tmp_path, seats) as trial:
        trial.pristine.passes = lambda diff, command: bool(diff)
        await team(verification=True).run(trial)
    assert trial.pristine.ran.count((diff_of("patch-2"), "python one.py")) == 1


async def test_no_candidate_is_held_to_more_commands_than_allowed(tmp_path):
    with played(tmp_path, seats, agents=4) as trial:
        trial.pristine.passes = lambda diff, command: bool(diff)

        def say(task, turn, prompt):
            if task.startswith("patch"):
                return said(write(task), patch(f"by {task}", f"python {task}.py"))
            return seats(task, turn, prompt)

        trial.say_what = say
        assembled = team(verification=True, cross_checks=1)
        crossed: list[tuple[str, str]] = []
        whole = await assembled.assemble(trial)
        again = whole.matrix.outcome

        async def noted(diff, check):
            crossed.append((diff, check.command))
            return await again(diff, check)

        whole.matrix.outcome = noted
        await whole.seed()
        await assembled._live(whole)
    assert crossed
    assert max(sum(diff == each for each, _ in crossed) for diff, _ in crossed) == 1


@pytest.mark.parametrize(("cores", "checks"), [(1, 2), (4, 4), (64, 8)])
async def test_the_checks_at_a_time_follow_the_machine(tmp_path, cores, checks):
    running = most = 0

    async def slow():
        nonlocal running, most
        running, most = running + 1, max(most, running + 1)
        await anyio.sleep(0.01)
        running -= 1

    with played(tmp_path) as trial:
        trial.cores = cores
        whole = await team(verification=True).assemble(trial)
        trial.pristine.slow = slow
        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(whole.checks.run_on, "", f"python {number}.py")
    assert most == checks


async def test_a_sandbox_that_breaks_says_nothing_of_a_candidate_and_ends_nothing(tmp_path):
    with played(tmp_path, seats) as trial:
        trial.pristine.passes = wins(*OWN)
        system = team(verification=True)
        whole = await system.assemble(trial)

        async def broken(diff, command):
            raise SandboxUnavailable("gone")

        whole.checks.run_briefly = broken
        await whole.seed()
        await system._live(whole)
        assert not await entries_of(trial, "FAIL")
        tasks = await trial.tasks()
    assert tasks["patch-1"] == tasks["patch-2"] == "done"


async def test_a_test_begins_with_the_diff_and_a_long_one_is_only_said_to_be_there(tmp_path):
    def say(task, turn, prompt):
        if task == "patch-2":
            return said(write("x" * 7_000), patch("long", "python two.py"))
        return seats(task, turn, prompt)

    with played(tmp_path, say) as trial:
        trial.pristine.passes = lambda diff, command: bool(diff)
        await team(verification=True, tests="each").run(trial)
        texts = {t.subject: t.text for t in await trial.queue.tasks() if t.kind == "test"}
        patches = {entry.task: entry.label for entry in await entries_of(trial, "PATCH")}
    assert diff_of("patch-1") in texts[patches["patch-1"]]
    assert "`git diff` shows it." in texts[patches["patch-2"]]
    assert "xxx" not in texts[patches["patch-2"]]
    assert json.dumps(diff_of("patch-1"))[1:-1] in json.dumps(trial.prompts)
