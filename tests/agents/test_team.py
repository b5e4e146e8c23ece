"""The rules of a team on a real board in a played world: who does what, who learns what, and when.

Most are seen where two localize and every patch is tested; `test_scout` has the default.
"""

import itertools
import json
import re

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from played_team import (
    PlayedTrial,
    diff_of,
    done,
    fact,
    patch,
    pipeline,
    played,
    said,
    usual,
    write,
)

from harness.errors import LimitReached, ModelUnavailable, SandboxUnavailable


def opening(trial: PlayedTrial, conversation: str) -> str:
    """All that a conversation knows before it begins."""
    return "\n".join(str(message["content"]) for message in trial.prompts[conversation][0][1:])


async def test_a_trial_localizes_patches_tests_and_ends_with_every_submission(tmp_path):
    with played(tmp_path) as trial:
        await pipeline().run(trial)
        assert await trial.tasks() == {
            "localize-1": "done", "localize-2": "done", "patch-1": "done", "patch-2": "done",
            "test-1": "done", "test-2": "done", "decide-1": "done",
        }  # fmt: skip
    assert {author: (text, salvaged) for author, (text, _, _, salvaged) in
            trial.submitted.items()} == {
        "patch-1": (diff_of("patch-1"), False), "patch-2": (diff_of("patch-2"), False),
    }  # fmt: skip
    assert trial.selected is not None
    assert all(fork.closed for fork in trial.pristine.forks)


async def test_every_agent_but_its_author_tests_a_patch(tmp_path):
    with played(tmp_path, agents=3) as trial:
        await pipeline().run(trial)
        tasks = {task.label: task for task in await trial.queue.tasks()}
        for test in (task for task in tasks.values() if task.kind == "test"):
            tested = await trial.context.entry(test.subject)
            assert test.holder != tested.author


async def test_what_one_agent_found_stands_before_the_next_begins_and_comes_to_those_at_work(
    tmp_path,
):
    found = anyio.Event()

    def say(task, turn, prompt):
        if task == "localize-1":
            if turn == 2:  # it knows by now that the finding was admitted
                found.set()
            look = ("bash", {"command": "ls"})
            return [said(fact("only agent one found it")), said(look), said(done())][turn]
        if task == "localize-2" and turn == 0:

            async def wait():
                await found.wait()
                return said(("bash", {"command": "ls"}))

            return wait()
        return (
            usual(task, max(turn - 1, 0), prompt)
            if task == "localize-2"
            else usual(task, turn, prompt)
        )

    with played(tmp_path, say) as trial:
        await pipeline().run(trial)
    assert "F1 FACT (localize-1): only agent one found it" in opening(trial, "patch-2")
    working = trial.prompts["localize-2"]
    assert "only agent one" not in json.dumps(working[0])
    assert "only agent one" in working[1][-1]["content"]
    assert "F1 FACT" not in json.dumps(trial.prompts["localize-1"][1][-1])  # its own


async def test_at_dispatch_only_an_agent_at_work_hears_nothing(tmp_path):
    with played(tmp_path) as trial:
        await pipeline(refresh="dispatch").run(trial)
    for prompts in trial.prompts.values():
        told = [m for m in prompts[-1][4:] if m["role"] == "tool"]
        assert not any("<shared_context>" in m["content"] for m in told)
    assert "F1" in opening(trial, "patch-1") + opening(trial, "patch-2")


async def test_without_sharing_nobody_sees_what_another_published(tmp_path):
    with played(tmp_path) as trial:
        await pipeline(sharing=False).run(trial)
        authors = {e.label: e.author for e in await trial.context.entries()}
        for task in await trial.queue.tasks():
            for prompts in [p for c, p in trial.prompts.items() if c == task.label]:
                for label, author in authors.items():
                    assert author == task.holder or f"{label} FACT" not in json.dumps(prompts)


async def test_without_a_queue_each_agent_does_its_whole_issue(tmp_path):
    with played(tmp_path) as trial:
        await pipeline(queue=False).run(trial)
        tasks = await trial.queue.tasks()
    assert [t.label for t in tasks if t.kind != "decide"] == ["patch-1", "patch-2"]
    assert {t.holder for t in tasks if t.kind == "patch"} == {"agent-1", "agent-2"}
    assert len(trial.submitted) == 2


@pytest.mark.parametrize("agents", [1, 2, 4])
async def test_prompts_do_not_change_with_the_number_of_agents(tmp_path, agents):
    with played(tmp_path, agents=agents) as trial:
        await pipeline().run(trial)
    texts = [opening(trial, name) for name in trial.prompts]
    assert not any("agent-" in text for text in texts)
    firsts = {json.dumps(prompts[0][:3]) for prompts in trial.prompts.values()}
    assert len(firsts) == 1  # tools, system and issue are the same for all
    assert str(agents) not in json.loads(next(iter(firsts)))[1]["content"].split()


def fails_once(task, turn, prompt, always=False):
    if task.startswith("test") and turn == 0 and (task == "test-1" or always):
        label = re.search(r"candidate patch (P\d+)", prompt[2]["content"])[1]
        failure = {"kind": "FAIL", "gist": f"{label} breaks it", "summary": "s", "on": label,
                   "command": "python u.py", "exit_status": "1", "output": "broken"}  # fmt: skip
        return said(("publish", failure))
    if task.startswith("repair"):
        return [said(write("mended")), said(patch("mended now")), said(done())][min(turn, 2)]
    return usual(task, turn, prompt)


async def test_a_failure_of_a_candidate_opens_its_repair_for_its_author(tmp_path):
    with played(tmp_path, fails_once) as trial:
        await pipeline().run(trial)
        tasks = {task.label: task for task in await trial.queue.tasks()}
        repair = tasks["repair-1"]
        assert tasks[repair.subject].holder == repair.preferred
        assert trial.submitted[repair.subject][0] == diff_of("mended")
        assert sum(task.kind == "test" for task in tasks.values()) == 3  # the mended one, too


async def test_repairs_of_a_submission_are_bounded(tmp_path):
    def never_right(task, turn, prompt):
        if task.startswith("test"):
            return fails_once(task, turn, prompt, always=True)
        if task.startswith("repair"):
            return [said(write(task)), said(patch(f"again {task}")), said(done())][min(turn, 2)]
        return usual(task, turn, prompt)

    with played(tmp_path, never_right) as trial:
        await pipeline(repairs=1, rounds=0).run(trial)
        assert sum(task.startswith("repair") for task in await trial.tasks()) == 2


async def test_an_agent_is_asked_once_for_a_patch_that_was_admitted(tmp_path):
    def careless(task, turn, prompt):
        if task == "patch-1":
            return said(done()) if turn != 1 else said(write("late"), done())
        return usual(task, turn, prompt)

    with played(tmp_path, careless) as trial:
        await pipeline(rounds=0).run(trial)
    asked = trial.prompts["patch-1"][1][-1]["content"]
    assert "empty patch" in asked
    assert trial.submitted["patch-1"][0] == diff_of("late")


async def test_an_empty_queue_with_something_open_is_thought_about_by_one_agent(tmp_path):
    def empty(task, turn, prompt):
        if task == "patch-1":
            return said(done())
        if task.startswith("decide"):
            again = {"kind": "repair", "text": "Try again, from F1.", "about": "patch-1"}
            return said(("add_task", again)) if turn == 0 else said(done())
        return usual(task, turn, prompt)

    with played(tmp_path, empty, agents=3) as trial:
        await pipeline().run(trial)
        tasks = await trial.tasks()
    assert tasks["decide-1"] == tasks["repair-1"] == "done"
    assert trial.submitted["patch-1"][0] == diff_of("repair-1")
    assert "patch-1 came to no patch" in opening(trial, "decide-1")


async def test_a_limit_salvages_what_every_agent_has(tmp_path):
    def limited(task, turn, prompt):
        if task.startswith("patch"):
            return said(write(f"half of {task}")) if turn == 0 else LimitReached("cost", "over")
        return usual(task, turn, prompt)

    with played(tmp_path, limited) as trial, pytest.raises(LimitReached):
        await pipeline(localizers=1).run(trial)
    salvaged = {author: (text, kept) for author, (text, _, _, kept) in trial.submitted.items()}
    assert (diff_of("half of patch-1"), True) in salvaged.values() or (
        diff_of("half of patch-2"),
        True,
    ) in salvaged.values()
    assert len(salvaged) == 2
    assert all(kept for _, kept in salvaged.values())
    assert all(fork.closed for fork in trial.pristine.forks)


async def test_a_cancelled_trial_hands_in_what_there_is(tmp_path):
    working = anyio.Event()

    def slow(task, turn, prompt):
        if task.startswith("patch") and turn == 1:

            async def wait():
                working.set()
                await anyio.sleep_forever()

            return wait()
        return usual(task, turn, prompt)

    with played(tmp_path, slow) as trial:
        async with anyio.create_task_group() as group:
            group.start_soon(pipeline().run, trial)
            await working.wait()
            group.cancel_scope.cancel()
    assert len(trial.submitted) == 2
    assert any("+patch-" in text for text, *_ in trial.submitted.values())


async def test_a_model_that_stays_away_ends_the_trial_as_what_it_is(tmp_path):
    gone = ModelUnavailable("gone")
    with played(tmp_path, lambda *_: gone) as trial, pytest.raises(ModelUnavailable):
        await pipeline().run(trial)
    assert len(trial.submitted) == 2


async def test_an_agent_whose_workspaces_break_gives_its_task_back_and_then_up(tmp_path):
    with played(tmp_path) as trial:
        trial.pristine.problem = SandboxUnavailable("gone")
        with pytest.raises(SandboxUnavailable):
            await pipeline(rounds=0).run(trial)
        assert len(trial.submitted) == 2


async def test_a_long_conversation_is_compacted_once_and_keeps_what_was_verified(tmp_path):
    def long(task, turn, prompt):
        if task == "patch-1" and len(prompt) < 9 and "starts anew" not in json.dumps(prompt):
            return said(("bash", {"command": f"write v{turn}"}), content=f"thought {turn}",
                        tokens=100 if turn < 2 else 5000)  # fmt: skip
        return usual(task, turn, prompt)

    with played(tmp_path, long) as trial:
        await pipeline(long_tokens=1000, localizers=1).run(trial)
    assert [name for name in trial.prompts if name.startswith("patch-1")] == ["patch-1", "patch-1+"]
    anew = opening(trial, "patch-1+")
    assert "F1 FACT" in anew
    assert "write v1" in anew
    assert "thought 2" in anew
    assert trial.prompts["patch-1+"][0][:3] == trial.prompts["patch-1"][0][:3]  # the shared prefix
    assert trial.submitted["patch-1"][0] == diff_of("patch-1")


ACTIONS = st.sampled_from(
    [
        ("bash", {"command": "write a"}),
        fact("one thing"),
        fact("another thing", quote="y = 2"),
        fact("x" * 5000),
        patch(),
        ("publish", {"kind": "GUESS", "gist": "g", "summary": "s"}),
        ("unfold", {"label": "F1"}),
        ("unfold", {"label": "F99"}),
        ("add_task", {"kind": "check", "text": "look"}),
        ("add_task", {"kind": "patch", "text": "mine"}),
        ("view", {"path": "a.py"}),
        ("nonsense", {}),
        done(),
    ]
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.lists(ACTIONS, max_size=3), min_size=1, max_size=8), st.integers(1, 4))
def test_every_call_of_a_conversation_extends_the_one_before(tmp_path_factory, plan, agents):
    def random(task, turn, prompt):
        calls = plan[turn % len(plan)]
        return said(*calls, content="so", tokens=100 + 300 * turn)

    async def main():
        with played(tmp_path_factory.mktemp("team"), random, agents=agents) as trial:
            rules = pipeline(turns={"other": 6}, long_tokens=1500, max_tasks=20)
            await rules.run(trial)
            for prompts in trial.prompts.values():
                for before, after in itertools.pairwise(prompts):
                    assert after[: len(before)] == before
                    assert len(after) > len(before)
            assert len(trial.submitted) == agents

    anyio.run(main)


async def test_a_task_whose_agent_is_cancelled_is_taken_over_by_another(tmp_path):
    from agents.delm.worker import Worker

    held, over = anyio.Event(), []

    def say(task, turn, prompt):
        if task == "patch-2" and not over:

            async def wait():
                held.set()
                over.append(task)
                await anyio.sleep_forever()

            return wait()
        return usual(task, turn, prompt)

    with played(tmp_path, say) as trial:
        assembled = await pipeline().assemble(trial)
        await assembled.seed()
        async with anyio.create_task_group() as group:
            doomed = anyio.CancelScope()

            async def die():
                with doomed:
                    await Worker(assembled, "agent-2").live()

            group.start_soon(die)
            await held.wait()
            group.start_soon(Worker(assembled, "agent-1").live)
            doomed.cancel()
        (task,) = [t for t in await trial.queue.tasks() if t.label == "patch-2"]
        assert (task.state, task.holder, task.attempts) == ("done", "agent-1", 2)
        assert {work.seat: work.patch for work in await assembled.works()} == {
            "patch-1": diff_of("patch-1"),
            "patch-2": diff_of("patch-2"),
        }


async def test_tasks_that_agents_add_are_bounded_and_never_of_the_kinds_of_the_rules(tmp_path):
    told = []

    def flood(task, turn, prompt):
        if task == "localize-1" and turn < 7:
            told.extend(m["content"] for m in prompt[-1:] if m["role"] == "tool")
            kind = "patch" if turn == 0 else "check"
            return said(("add_task", {"kind": kind, "text": f"number {turn}"}))
        return usual(task, max(turn - 7, 0) if task == "localize-1" else turn, prompt)

    with played(tmp_path, flood) as trial:
        await pipeline().run(trial)
        assert sum(task.startswith("check") for task in await trial.tasks()) == 4
    assert "cannot be the kind" in told[0]
    assert "which is the most" in told[-1]
