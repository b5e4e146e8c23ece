"""`ship`: the trial ends when one finished patch passes every admitted command."""

import anyio
from played_team import diff_of, done, fact, patch, played, said, team, write

from harness.system_files import system_config

SHIP = {"ship": True, "verification": True, "tests": "none", "cross_checks": 0}


async def hang():
    await anyio.sleep(60)


def one_is_slow(task, turn, prompt):
    """patch-2 never comes to its end."""
    if task.startswith("localize"):
        return said(fact("the fault is in a.py", finish="true"))
    if task == "patch-2":
        return said(write("half")) if turn == 0 else hang()
    if task.startswith("patch"):
        return said(write(task), patch(f"by {task}", "python one.py"))
    return said(done())


def test_of_ship_has_its_own_system():
    ship = system_config("delm-ship")
    assert (ship.submissions, ship.options["ship"], ship.scales) == ("one", True, True)


async def test_the_first_patch_that_passes_everything_ends_the_trial_and_is_its_one_submission(
    tmp_path,
):
    with played(tmp_path, one_is_slow) as trial:
        trial.pristine.passes = passes
        with anyio.fail_after(20):
            await team(**SHIP).run(trial)
        tasks = await trial.tasks()
    assert list(trial.submitted) == ["patch-1"]
    text, _, reason, salvaged = trial.submitted["patch-1"]
    assert (text, reason, salvaged) == (diff_of("patch-1"), "finished", False)
    assert trial.selected[0] == "patch-1"
    assert tasks["patch-2"] != "done"


def passes(diff, command):
    """Every reproduction fails at the base commit, and two.py with patch-1 as well."""
    return "patch" in diff and not ("two.py" in command and "patch-1" in diff)


async def test_a_patch_that_fails_an_admitted_command_is_not_shipped(tmp_path):
    known, tried = anyio.Event(), anyio.Event()

    async def first():
        await known.wait()
        return said(write("patch-1"), patch("by patch-1", "python one.py"))

    async def second():
        await tried.wait()
        return said(done())

    def say(task, turn, prompt):
        if task == "patch-1":
            return first()
        if task != "patch-2":
            return said(done())
        if turn == 0:
            kind, given = patch("by patch-2", "python two.py")
            return said(write(task), (kind, given | {"finish": "false"}))
        known.set()
        return second()

    async def let_go(trial):
        """patch-2 goes on when patch-1 is done."""
        while (await trial.tasks()).get("patch-1") != "done":
            await anyio.sleep(0.02)
        await anyio.sleep(0.2)
        assert not await trial.queue.closed(), "patch-1 was shipped"
        tried.set()

    with played(tmp_path, say) as trial:
        trial.pristine.passes = passes
        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                group.start_soon(let_go, trial)
                await team(**SHIP).run(trial)
    assert list(trial.submitted) == ["patch-2"]


async def test_without_the_switch_every_seat_is_submitted(tmp_path):
    def say(task, turn, prompt):
        if task.startswith("patch"):
            return said(write(task), patch(f"by {task}", "python one.py"))
        return said(done())

    with played(tmp_path, say) as trial:
        trial.pristine.passes = passes
        await team(verification=True, tests="none", cross_checks=0).run(trial)
    assert sorted(trial.submitted) == ["patch-1", "patch-2"]
