"""One agent finds the fault, the others begin with what it found; a finding costs one call."""

import json

import anyio
import pytest
from played_team import diff_of, done, fact, patch, played, said, team, usual, write

from harness.board.evidence import Span
from harness.board.protocols import Proposal
from harness.board.vocabulary import EntryKind
from harness.errors import ContextOverflow, SandboxUnavailable
from harness.model.token_count import count


def opening(trial, conversation: str) -> str:
    return json.dumps(trial.prompts[conversation][0][1:])


def last(prompt) -> str:
    return prompt[-1]["content"]


def made(folder):
    folder.mkdir()
    return folder


def looks(command: str = "ls"):
    return "bash", {"command": command}


def quick(task, turn, prompt):
    """The scout ends with its finding, every seat with its patch."""
    if task.startswith("localize"):
        return said(fact("the fault is in a.py", finish="true"))
    return said(write(task), patch(f"by {task}")) if task.startswith("patch") else said(done())


async def test_one_localizes_and_goes_on_with_its_own_patch_in_the_same_conversation(tmp_path):
    with played(tmp_path, quick, agents=3) as trial:
        await team().run(trial)
        tasks = {task.label: task for task in await trial.queue.tasks()}
    assert [label for label in tasks if not label.startswith("decide")] == [
        "localize-1", "patch-1", "patch-2", "patch-3",
    ]  # fmt: skip
    assert tasks["localize-1"].holder == tasks["patch-1"].holder
    before, after = trial.prompts["localize-1"][-1], trial.prompts["patch-1"][0]
    assert after[: len(before)] == before
    assert "in the same copy" in last(after)
    assert all(fork.closed for fork in trial.pristine.forks)
    calls = {name: len(prompts) for name, prompts in trial.prompts.items()}
    assert calls == {"localize-1": 1, "patch-1": 1, "patch-2": 1, "patch-3": 1}
    assert {text for text, *_ in trial.submitted.values()} == {
        diff_of(f"patch-{n}") for n in (1, 2, 3)
    }


async def test_seats_begin_at_the_first_quotation_and_know_it(tmp_path):
    begun = anyio.Event()

    def say(task, turn, prompt):
        if task == "patch-2":
            begun.set()
        if task == "localize-1":
            if turn == 2:

                async def wait():
                    with anyio.fail_after(5):
                        await begun.wait()
                    return said(done())

                return wait()
            return said(fact("it is line one")) if turn == 0 else said(looks())
        return quick(task, turn, prompt)

    with played(tmp_path, say) as trial:
        await team(head_start=0).run(trial)
    assert "F1 FACT (localize-1): it is line one" in opening(trial, "patch-2")


@pytest.mark.parametrize(("turns", "begins_after"), [(2, 3), (4, 5), (9, 6)])
async def test_the_scout_has_some_turns_for_its_own_patch_before_the_seats_begin(
    tmp_path, turns, begins_after
):
    taken = []

    def say(task, turn, prompt):
        if task != "localize-1":
            return quick(task, turn, prompt)
        taken.append(turn)
        acts = [fact("it is line one"), *[looks(f"ls {n}") for n in range(4)]]
        if turn < len(acts):
            return said(acts[turn])
        return said(write("ours"), patch("ours"))

    waits = turns <= 4

    async def held(task, turn, prompt):
        if waits and task == "localize-1" and turn == begins_after:
            with anyio.fail_after(5):
                await begun.wait()
        if task == "patch-2":
            begun.set()
            seen.append(len(taken))
        return say(task, turn, prompt)

    begun, seen = anyio.Event(), []
    with played(tmp_path, held) as trial:
        await team(head_start=turns).run(trial)
    assert seen[0] == begins_after
    assert ("P2 PATCH" in opening(trial, "patch-2")) == (not waits)


@pytest.mark.parametrize("early", [True, False])
async def test_what_quotes_no_source_or_comes_from_elsewhere_lets_nobody_begin(tmp_path, early):
    order = []
    ran = {"command": "python t.py", "exit_status": "1", "output": "broken", "quote": "",
           "path": ""}  # fmt: skip

    def say(task, turn, prompt):
        order.append(task)
        if task == "localize-1":
            found = fact("it fails", **ran) if early else fact("quoted")
            return [said(found), said(looks()), said(looks()), said(done())][turn]
        return quick(task, turn, prompt)

    with played(tmp_path, say) as trial:
        await team(early_release=early).run(trial)
    assert order[:4] == ["localize-1"] * 4
    assert len(trial.submitted) == 2


async def test_a_scout_that_comes_to_nothing_lets_the_seats_begin(tmp_path):
    def say(task, turn, prompt):
        return ContextOverflow("too long") if task == "localize-1" else quick(task, turn, prompt)

    with played(tmp_path, say) as trial:
        await team(long_tokens=0).run(trial)
        tasks = await trial.tasks()
    assert tasks["localize-1"] == tasks["patch-1"] == tasks["patch-2"] == "done"
    assert "in the same copy" not in opening(trial, "patch-1")  # nothing is carried on


async def test_without_localizers_every_seat_begins_at_once_with_a_framing_of_its_own(tmp_path):
    with played(tmp_path, quick, agents=4) as trial:
        await team(localizers=0).run(trial)
        tasks = await trial.queue.tasks()
    texts = [task.text for task in tasks if task.kind == "patch"]
    assert len(set(texts)) == len(texts) == 4
    assert not [task for task in tasks if task.kind == "localize"]


async def test_several_localizers_have_different_assignments(tmp_path):
    with played(tmp_path, quick, agents=3) as trial:
        await team(localizers=2).run(trial)
        tasks = await trial.queue.tasks()
    texts = [task.text for task in tasks if task.kind == "localize"]
    assert len(set(texts)) == len(texts) == 2


async def test_a_long_conversation_is_not_carried_on(tmp_path):
    def say(task, turn, prompt):
        if task == "localize-1":
            return said(fact("here", finish="true"), tokens=40_000)
        return quick(task, turn, prompt)

    with played(tmp_path, say) as trial:
        await team().run(trial)
    assert "in the same copy" not in opening(trial, "patch-1")
    assert len(trial.prompts["patch-1"][0]) == 4


async def test_a_verdict_comes_with_the_next_observation_and_does_not_hold_up_its_author(tmp_path):
    told = []

    def say(task, turn, prompt):
        if task == "localize-1":
            told.append(last(prompt))
            found = said(fact("good"), fact("x " * 200), looks())
            return [found, said(looks()), said(done())][min(turn, 2)]
        return quick(task, turn, prompt)

    with played(tmp_path, say) as trial:
        await team().run(trial)
    assert "Admitted" not in told[1]
    assert "<verdicts>" in told[2]
    assert "Admitted as F1: 'good'" in told[2]
    assert "Refused: 'x x" in told[2]
    assert "The gist has 200 tokens" in told[2]


async def test_where_verdicts_come_at_once_an_author_waits_for_them(tmp_path):
    told = []

    def say(task, turn, prompt):
        if task == "localize-1":
            told.append(last(prompt))
            return [said(fact("good")), said(fact("x " * 200)), said(done())][turn]
        return quick(task, turn, prompt)

    with played(tmp_path, say) as trial:
        await team(verdicts="at_once").run(trial)
    assert "Admitted as F1" in told[1]
    assert "<error>" in told[2]
    assert "The gist has 200 tokens" in told[2]


async def test_where_a_patch_ends_no_task_its_author_says_when(tmp_path):
    def say(task, turn, prompt):
        if task == "patch-2":
            return said(write("two"), patch("mended")) if turn == 0 else said(done("said so"))
        return quick(task, turn, prompt) if not turn else said(done())

    with played(tmp_path, say) as trial:
        await team(patch_ends=False).run(trial)
        tasks = {task.label: task for task in await trial.queue.tasks()}
    assert tasks["patch-2"].result["summary"] == "said so"


async def test_a_refused_finding_that_was_to_finish_the_task_does_not(tmp_path):
    told = []

    def say(task, turn, prompt):
        if task == "localize-1":
            told.append(last(prompt))
            return said(fact("x " * 200 if turn == 0 else "short", finish="true"))
        return quick(task, turn, prompt)

    with played(tmp_path, say) as trial:
        await team().run(trial)
    assert len(trial.prompts["localize-1"]) == 2
    assert "The gist has 200 tokens" in told[1]
    assert "The task goes on." in told[1]


async def test_a_patch_that_is_refused_or_kept_open_does_not_end_its_task(tmp_path):
    told = []

    def say(task, turn, prompt):
        if task == "patch-2":
            told.append(last(prompt))
            kept = patch("kept")[1] | {"finish": "false"}
            return [
                said(patch("of nothing")),
                said(write("one"), ("publish", kept)),
                said(write("two"), patch("the end"), looks("after the end")),
            ][turn]
        return quick(task, turn, prompt)

    with played(tmp_path, say) as trial:
        await team().run(trial)
    assert "The patch is empty" in told[1]
    assert "Admitted as P" in told[2]
    assert trial.submitted["patch-2"][0] == diff_of("two")


@pytest.mark.parametrize("what", ["patch", "fact"])
async def test_what_was_refused_beside_it_holds_up_the_end_of_a_finding_and_not_of_a_patch(
    tmp_path, what
):
    def say(task, turn, prompt):
        if task == "patch-2":
            end = patch("mended") if what == "patch" else fact("it is", finish="true", line="7")
            beside = fact("x " * 200)
            return said(write("two"), beside, end) if turn == 0 else said(done("later"))
        return quick(task, turn, prompt)

    with played(tmp_path, say) as trial:
        await team(tests="none").run(trial)
        (task,) = [t for t in await trial.queue.tasks() if t.label == "patch-2"]
    assert task.result["summary"] == ("mended" if what == "patch" else "later")


async def test_what_follows_an_end_in_the_same_answer_is_answered_and_not_done(tmp_path):
    def say(task, turn, prompt):
        if task == "localize-1":
            return said(fact("here", finish="true"), write("late"))
        return quick(task, turn, prompt)

    with played(tmp_path, say) as trial:
        await team().run(trial)
    carried = trial.prompts["patch-1"][0]
    assert [m["role"] for m in carried[-4:]] == ["assistant", "tool", "tool", "user"]
    assert "Not carried out" in carried[-2]["content"]


@pytest.mark.parametrize("tokens", [100, 40_000])
async def test_a_scout_that_publishes_its_patch_has_done_both_tasks(tmp_path, tokens):
    def say(task, turn, prompt):
        if task == "localize-1":
            return said(fact("here"), write("both"), patch("mended at once"), tokens=tokens)
        return quick(task, turn, prompt)

    with played(tmp_path, say) as trial:
        await team().run(trial)
        tasks = {task.label: task for task in await trial.queue.tasks()}
    assert "patch-1" not in trial.prompts
    assert len(trial.prompts["localize-1"]) == 1
    assert trial.submitted["patch-1"][0] == diff_of("both")
    assert tasks["patch-1"].result["entry"] == "P2"


async def test_where_nothing_is_carried_on_a_scout_is_not_asked_for_a_patch(tmp_path):
    texts = []
    for tokens in (0, 1000):
        with played(made(tmp_path / str(tokens)), quick) as trial:
            await team(carry_tokens=tokens).run(trial)
            texts += [t.text for t in await trial.queue.tasks() if t.kind == "localize"]
    assert ["PATCH" in text for text in texts] == [False, True]


async def test_a_check_that_breaks_ends_the_agent_that_waits_for_it(tmp_path):
    """The sandbox of a check is gone: the agent learns it, however much later it asks."""

    def say(task, turn, prompt):
        if task == "localize-1":
            return said(fact("here")) if turn == 0 else said(looks())
        return quick(task, turn, prompt)

    with played(tmp_path, say) as trial:
        system = team()
        assembled = await system.assemble(trial)

        async def broken(proposals):
            raise SandboxUnavailable("gone")

        assembled.gate.submit_all = broken
        await assembled.seed()
        from agents.delm.worker import Worker

        with pytest.raises(SandboxUnavailable, match="gone"):
            await Worker(assembled, "agent-1").live()


async def test_every_prompt_of_a_trial_begins_with_the_same_tools_system_text_and_issue(tmp_path):
    with played(tmp_path, usual, agents=4) as trial:
        await team(tests="each").run(trial)
    assert len({json.dumps(prompts[0][:3]) for prompts in trial.prompts.values()}) == 1


async def test_the_tools_are_the_same_in_every_conversation_and_they_and_the_system_text_are_short(
    tmp_path,
):
    with played(tmp_path, usual, agents=3) as trial:
        await team(tests="each").run(trial)
    lists = {json.dumps(prompts[0][0]) for prompts in trial.prompts.values()}
    assert len(lists) == 1
    tools = json.loads(lists.pop())
    assert [tool["function"]["name"] for tool in tools] == [
        "bash", "edit", "publish", "check", "apply", "unfold", "search", "add_task", "finish",
    ]  # fmt: skip
    sent = json.dumps(tools, separators=(",", ":"))  # as clients put it into a request
    assert count(sent) <= 650
    (system,) = {prompts[0][1]["content"] for prompts in trial.prompts.values()}
    assert count(system) <= 480
    assert "/tmp/board/" in system


async def test_where_seats_do_not_wait_all_tasks_are_open_at_once(tmp_path):
    with played(tmp_path) as trial:
        made = await team(localizers=2, seats_wait=False).assemble(trial)
        await made.seed()
        tasks = await trial.queue.tasks()
        first = await trial.queue.claim("agent-3", lease_s=5)
    assert {task.label for task in tasks if not task.after} == {
        "localize-1", "localize-2", "patch-1", "patch-2",
    }  # fmt: skip
    assert first.task.kind == "localize", "they are claimed first"


async def test_entries_are_read_once_and_in_order_however_many_ask(tmp_path):
    read = []
    with played(tmp_path) as trial:
        made = await team().assemble(trial)
        entries = made.context.entries

        async def counted(after: int = 0):
            found = await entries(after=after)
            read.extend(found)
            await anyio.sleep(0)  # another one asks meanwhile
            return found

        made.context.entries = counted
        async with anyio.create_task_group() as group:
            for n in range(3):
                await made.judge([proposal(n)])
                group.start_soon(made.standing)
                group.start_soon(made.standing)
        known = await made.standing()
        assert [entry.position for entry in known] == [1, 2, 3]
        read.clear()
        assert [entry.gist for entry in await made.standing()] == [f"finding {n}" for n in range(3)]
    assert read == []


def proposal(number: int) -> Proposal:
    gist = f"finding {number}"
    evidence = Span(path=f"{number}.py", line=1, quote=gist, state="base")
    return Proposal(
        kind=EntryKind.FACT, gist=gist, summary="", evidence=evidence, author="agent-1",
        task="localize-1",
    )  # fmt: skip
