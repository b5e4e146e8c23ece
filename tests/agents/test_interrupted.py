"""Agents that end between an admitted patch and the end of their task, and leases then: played."""

from contextlib import suppress

import anyio
from played_team import diff_of, done, fact, patch, played, said, team, write

from agents.delm.system import hand_in
from agents.delm.worker import Worker
from harness.errors import LimitReached, SandboxUnavailable

KEPT = {"finish": "false"}
KEEPS = {"kind": "CONSTRAINT", "gist": "it keeps", "summary": "", "command": "python keeps.py",
         "exit_status": "0", "output": "python keeps.py ends"}  # fmt: skip
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
    assert ", verified," in " ".join(t.selected[1])


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
