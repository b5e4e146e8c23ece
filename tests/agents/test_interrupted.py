"""Agents that end between an admitted patch and the end of their task, and leases then: played."""

import json
import re
from contextlib import suppress

import anyio
from played_team import diff_of, done, fact, patch, played, said, team, write

from agents.concurrency import together
from agents.delm.system import hand_in
from agents.delm.worker import Worker
from harness.errors import LimitReached, SandboxUnavailable

KEPT = {"finish": "false"}
KEEPS = {"kind": "CONSTRAINT", "gist": "it keeps", "summary": "", "command": "python keeps.py",
         "exit_status": "0", "output": "python keeps.py ends"}  # fmt: skip
FAILS = {"exit_status": "1", "command": "python fails.py", "output": "python fails.py ends with 1"}
SHIP = {"ship": True, "verification": True, "binding": False, "tests": "none", "cross_checks": 0}


def kept_open(gist: str):
    name, given = patch(gist)
    return name, given | KEPT


def admitted_and_then(then):
    """Seat 1 has its patch admitted, goes on with the task, and `then` happens."""

    def say(task, turn, prompt):
        if task.startswith("localize"):
            return said(fact("the fault is in a.py", finish="true"))
        if task == "patch-1":
            return said(write("one"), kept_open("by one")) if turn == 0 else then()
        return said(done())

    return say


async def test_a_patch_that_was_admitted_before_a_limit_is_handed_in_as_that(tmp_path):
    with played(tmp_path, admitted_and_then(lambda: LimitReached("cost", "over")), agents=1) as t:
        whole = await team().assemble(t)
        await whole.seed()
        with suppress(LimitReached):
            await Worker(whole, "agent-1").live()
        (work,) = await whole.last_works()
        (entry,) = [e for e in await t.context.entries() if e.kind == "PATCH"]
        await hand_in(whole, "cost")
    assert (work.patch, work.entry, work.finished) == (diff_of("one"), entry.label, False)
    assert t.submitted["patch-1"] == (diff_of("one"), "agent-1", "cost", True)
    said = " ".join(t.selected[1])
    assert "its own command fails without it and passes with it" in said


async def test_an_admitted_patch_outlives_the_copy_in_which_it_was_made(tmp_path):
    def lost():
        for fork in trial.pristine.forks:
            fork.problem = SandboxUnavailable("gone")
            fork.diff = gone
        return LimitReached("cost", "over")

    async def gone():
        raise SandboxUnavailable("gone")

    with played(tmp_path, admitted_and_then(lost), agents=1) as trial:
        whole = await team().assemble(trial)
        await whole.seed()
        with suppress(LimitReached):
            await Worker(whole, "agent-1").live()
        await hand_in(whole, "cost")
    assert trial.submitted["patch-1"] == (diff_of("one"), "agent-1", "cost", True)


async def test_a_task_that_is_finished_needs_no_lease_for_what_follows_from_it(tmp_path):
    """To ship, commands are run when the task is done; that may take longer than a lease."""

    def say(task, turn, prompt):
        if task.startswith("patch"):
            return said(write(task), patch(f"by {task}", "python one.py"))
        return said(("publish", KEEPS), fact("the fault is in a.py", finish="true"))

    async def slow():
        if (await trial.tasks())["patch-1"] == "done":
            await anyio.sleep(0.5)

    with played(tmp_path, say, agents=1) as trial:
        trial.pristine.passes = lambda diff, command: bool(diff) or "keeps" in command
        trial.pristine.slow = slow
        whole = team(**SHIP, lease_s=0.6)
        with anyio.fail_after(20):
            await whole.run(trial)
        tasks = {task.label: task.attempts for task in await trial.queue.tasks()}
    assert trial.submitted["patch-1"][2:] == ("finished", False)
    assert set(tasks) == {"localize-1", "patch-1"}  # no decision was needed to end it


async def test_who_takes_over_may_hand_in_what_was_admitted_before_its_agent_ended(tmp_path):
    held, asked = anyio.Event(), []

    async def hang():
        held.set()
        await anyio.sleep_forever()

    def say(task, turn, prompt):
        if task.startswith("localize"):
            return said(fact("the fault is in a.py", finish="true"))
        if task != "patch-2":
            return said(write(task), patch(f"by {task}"))
        asked.append(turn)
        if len(asked) == 1:
            return said(write("two"), kept_open("by two"))
        return hang() if len(asked) == 2 else said(write("two"), patch("by two"))

    with played(tmp_path, say) as trial:
        whole = await team(rounds=0).assemble(trial)
        await whole.seed()
        async with anyio.create_task_group() as group:
            scopes = {name: anyio.CancelScope() for name in ("agent-1", "agent-2")}

            async def life(name: str) -> None:
                with scopes[name]:
                    await Worker(whole, name).live()

            for name in scopes:
                group.start_soon(life, name)
            await held.wait()
            (task,) = [t for t in await trial.queue.tasks() if t.label == "patch-2"]
            scopes[task.holder].cancel()
        labels = [e.label for e in await trial.context.entries() if e.task == "patch-2"]
        (work,) = [w for w in await whole.works() if w.seat == "patch-2"]
    assert [work.entry] == labels  # admitted once, for the agent that ended
    assert (work.patch, work.finished, work.agent == task.holder) == (diff_of("two"), True, False)
    assert all(fork.closed for fork in trial.pristine.forks)


class Left:
    """Seat 1 has a patch that fails; its repair is another one, which nobody admitted. Then seat 2
    has its patch admitted, whose command the first one does not pass."""

    def __init__(self) -> None:
        self.left = anyio.Event()

    def __call__(self, task, turn, prompt):
        if task.startswith("localize"):
            return said(fact("the fault is in a.py", finish="true"))
        if task.startswith("repair"):
            return said(write("else")) if turn == 0 else said(done())
        if task.startswith("test") and turn == 0 and "+one" in (told := json.dumps(prompt)):
            on = re.search(r"candidate patch (P\d+)", told)[1]
            return said(("publish", {"kind": "FAIL", "gist": "it breaks", "on": on} | FAILS))
        return self.patch(task) if task.startswith("patch") else said(done())

    async def patch(self, task):
        if task == "patch-2":
            with anyio.move_on_after(5):
                await self.left.wait()
        text = {"patch-1": "one", "patch-2": "two", "patch-3": "three"}[task]
        return said(write(text), patch(f"by {text}", f"python {text}.py"))


async def test_what_a_seat_has_left_is_held_to_nothing_any_more(tmp_path):
    script = Left()
    with played(tmp_path, script, agents=3) as trial:
        trial.pristine.passes = lambda diff, command: (
            bool(diff) and not ("+one" in diff and ("two" in command or "fails" in command))
        )
        whole = await team(verification=True, tests="each", rounds=0).assemble(trial)
        finish = trial.queue.finish_and_claim

        async def noted(claim, **more):
            ended = await finish(claim, **more)
            if claim.task.kind == "repair":
                script.left.set()
            return ended

        trial.queue.finish_and_claim = noted
        await whole.seed()
        await together(Worker(whole, f"agent-{n}").live for n in (1, 2, 3))
        fails = [e.gist for e in await trial.context.entries() if e.kind == "FAIL"]
        works = {work.seat: (work.patch, work.entry) for work in await whole.works()}
    assert works["patch-1"] == (diff_of("else"), "")
    assert fails == ["it breaks"]


class Copied:
    """Seat 2 hands in the patch of seat 1, which goes on until then; it had written another one."""

    def __init__(self) -> None:
        self.copied = anyio.Event()

    def __call__(self, task, turn, prompt):
        if task.startswith("localize"):
            return said(fact("the fault is in a.py", finish="true"))
        if task == "patch-1":
            return said(write("one"), kept_open("by one")) if turn == 0 else self.later()
        if task == "patch-2" and "P2 PATCH" not in json.dumps(prompt):
            return self.mine()
        if task == "patch-2":
            return said(("finish", {"summary": "the same", "same": "P2"}))
        return said(done("as it is"))

    async def later(self):
        await self.copied.wait()
        return said(patch("by one"))

    async def mine(self):
        await anyio.sleep(0.05)
        return said(write("mine"))


async def test_a_repair_begins_with_the_patch_of_its_seat_also_where_that_is_a_copy(tmp_path):
    script = Copied()
    with played(tmp_path, script) as trial:
        whole = await team(rounds=0).assemble(trial)
        look = whole.new_task("repair", "Look.", subject="patch-2", excluded=("agent-1",))
        finish = trial.queue.finish_and_claim

        async def noted(claim, **more):
            if claim.task.label == "patch-1":
                await trial.queue.put(look, by="")
            ended = await finish(claim, **more)
            if claim.task.label == "patch-2":
                script.copied.set()
            return ended

        trial.queue.finish_and_claim = noted
        await whole.seed()
        await together(Worker(whole, f"agent-{n}").live for n in (1, 2))
        tasks = {task.label: task for task in await trial.queue.tasks()}
    assert tasks["patch-2"].result["copy"] == "P2"
    assert tasks["repair-1"].holder == tasks["patch-2"].holder
    assert tasks["repair-1"].result["patch"] == diff_of("one")
