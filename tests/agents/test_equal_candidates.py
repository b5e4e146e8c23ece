"""Equal patches are one candidate, and where candidates disagree somebody else looks: played."""

import anyio
import pytest
from played_team import PlayedTrial, diff_of, done, fact, patch, played, said, team, write

from agents.concurrency import together


class Seats:
    """Each seat writes what it is told, with the command it is told; all at the same time."""

    def __init__(self, **wrote: tuple[str, str]) -> None:
        self.wrote = {f"patch-{name[1:]}": what for name, what in wrote.items()}
        self.begun = {seat: anyio.Event() for seat in self.wrote}
        self.test = done()

    def __call__(self, task, turn, prompt):
        if task.startswith("localize"):
            return said(fact("the fault is in a.py", finish="true"))
        if task.startswith("repair"):
            return said(write("mended"), patch(f"by {task}", "python mended.py"))
        if task in self.wrote:
            return self.together(task)
        return said(self.test) if turn == 0 else said(done())

    async def together(self, task):
        self.begun[task].set()
        for event in self.begun.values():
            await event.wait()
        text, command = self.wrote[task]
        return said(write(text), patch(f"by {task}", command))


async def tasks_of(trial: PlayedTrial, kind: str) -> list:
    return [task for task in await trial.queue.tasks() if task.kind == kind]


async def entries_of(trial: PlayedTrial, kind: str) -> list:
    return [entry for entry in await trial.context.entries() if entry.kind == kind]


def good(diff: str, command: str) -> bool:
    return bool(diff)


EQUAL = {"s1": ("y = 1", "python a.py"), "s2": ("y  =  1", "python b.py")}


async def test_equal_patches_are_tested_once_and_by_nobody_who_wrote_one(tmp_path):
    with played(tmp_path, Seats(**EQUAL, s3=("z = 3", "python c.py")), agents=3) as trial:
        trial.pristine.passes = good
        await team(verification=True, tests="each").run(trial)
        tests = await tasks_of(trial, "test")
        patches = {entry.label: entry for entry in await entries_of(trial, "PATCH")}
        results = {t.label: t.result for t in await tasks_of(trial, "patch")}
        links = [link for link in await trial.context.links() if link.kind == "equals"]
    (link,) = links
    twins = {link.source, link.target}
    assert {patches[label].task for label in twins} == {"patch-1", "patch-2"}
    about = [test for test in tests if test.subject in twins]
    assert [test.subject for test in about] == [link.target]
    assert about[0].holder not in {patches[label].author for label in twins}
    marked = {seat: result["equal"] for seat, result in results.items() if "equal" in result}
    assert marked == {patches[link.source].task: link.target}
    assert trial.links["patch-1"] == trial.links["patch-2"] == ("", "")  # written independently


@pytest.mark.parametrize("merged", [True, False])
async def test_equal_patches_that_fail_are_repaired_once_and_the_other_seat_follows(
    tmp_path, merged
):
    def passes(diff, command):
        return "mended" in diff or ("c.py" not in command and bool(diff)) or "z = 3" in diff

    with played(tmp_path, Seats(**EQUAL, s3=("z = 3", "python c.py")), agents=3) as trial:
        trial.pristine.passes = passes
        await team(verification=True, merge_equal=merged, tests="none").run(trial)
        repairs = await tasks_of(trial, "repair")
        failing = {entry.evidence.state for entry in await entries_of(trial, "FAIL")}
        mended = [e.label for e in await entries_of(trial, "PATCH") if "mended" in e.raw]
    assert len(repairs) == (1 if merged else 2)
    assert len(failing) == 2
    assert trial.submitted["patch-1"][0] == trial.submitted["patch-2"][0] == diff_of("mended")
    copies = [copy_of for _, copy_of in trial.links.values() if copy_of]
    assert copies == (mended if merged else [])


async def test_a_failure_of_one_is_executed_with_its_equal_and_holds_for_it(tmp_path):
    """A tester's failure of the first: the second gets its own, executed with its own diff."""

    class Tested(Seats):
        def __call__(self, task, turn, prompt):
            if task.startswith("test") and turn == 0:
                first = prompt[-1]["content"].partition("candidate patch ")[2].split(",")[0]
                failure = {
                    "kind": "FAIL",
                    "gist": "it breaks d",
                    "on": first,
                    "exit_status": "1",
                    "command": "python e.py",
                    "output": "python e.py ends with 1",
                }
                return said(("publish", failure))
            return super().__call__(task, turn, prompt)

    with played(tmp_path, Tested(**EQUAL, s3=("z = 3", "python c.py")), agents=3) as trial:
        trial.pristine.passes = lambda diff, command: (
            "+y" not in diff if "e.py" in command else bool(diff)
        )
        await team(verification=True, tests="each").run(trial)
        failures = {e.evidence.state: e for e in await entries_of(trial, "FAIL")}
        (link,) = [k for k in await trial.context.links() if k.kind == "equals"]
        repairs = await tasks_of(trial, "repair")
    assert failures[link.target].author.startswith("agent")
    assert failures[link.source].author == "board"
    assert failures[link.source].evidence.command == "python e.py"
    assert len(repairs) == 1


DIFFERENT = {"s1": ("y = 1", "python a.py"), "s2": ("z = 2", "python b.py"),
             "s3": ("w = 3", "python c.py")}  # fmt: skip


def only_third_fails_a(diff: str, command: str) -> bool:
    return bool(diff) and not ("w = 3" in diff and "a.py" in command)


async def test_where_two_disagree_somebody_who_wrote_neither_finds_out(tmp_path):
    seats = Seats(**DIFFERENT)
    with played(tmp_path, seats, agents=4) as trial:
        seats.wrote["patch-4"] = ("v = 4", "python d.py")
        seats.begun["patch-4"] = anyio.Event()
        trial.pristine.passes = only_third_fails_a
        await team(verification=True, repairs=0).run(trial)
        tests = await tasks_of(trial, "test")
        patches = {entry.task: entry for entry in await entries_of(trial, "PATCH")}
        (failure,) = await entries_of(trial, "FAIL")
    failing = patches["patch-3"]
    (test,) = tests
    passing = next(p for p in patches.values() if f": {p.label} passes" in test.text)
    assert test.subject == failing.label
    assert f"the command of {patches['patch-1'].label}, and {failing.label} does not" in test.text
    assert "python a.py" in test.text
    assert failure.label in test.text
    assert failing.raw in test.text
    assert passing.raw in test.text
    assert test.holder not in {failing.author, passing.author}


async def test_where_all_have_written_one_of_two_nobody_is_asked(tmp_path):
    seats = Seats(s1=("y = 1", "python a.py"), s2=("w = 3", "python b.py"))
    with played(tmp_path, seats, agents=2) as trial:
        trial.pristine.passes = only_third_fails_a
        await team(verification=True, repairs=0).run(trial)
        assert await entries_of(trial, "FAIL")
        assert not await tasks_of(trial, "test")


@pytest.mark.parametrize("tests", ["none", "disagreement"])
async def test_where_candidates_agree_or_nobody_is_to_test_there_is_no_test(tmp_path, tests):
    with played(tmp_path, Seats(**DIFFERENT), agents=3) as trial:
        trial.pristine.passes = good if tests == "disagreement" else only_third_fails_a
        await team(verification=True, tests=tests, repairs=0).run(trial)
        assert not await tasks_of(trial, "test")


async def test_a_seat_that_publishes_again_is_said_to_have_replaced_its_patch(tmp_path):
    def say(task, turn, prompt):
        if task == "patch-1" and turn == 0:
            kept = patch("at first")[1] | {"finish": "false"}
            return said(write("first"), ("publish", kept))
        if task == "patch-1":
            return said(write("second"), patch("at last"))
        if task.startswith("localize"):
            return said(fact("the fault is in a.py", finish="true"))
        return said(write(task), patch(f"by {task}")) if task.startswith("patch") else said(done())

    with played(tmp_path, say) as trial:
        await team(tests="each").run(trial)
        labels = [e.label for e in await entries_of(trial, "PATCH") if e.task == "patch-1"]
        told = [str(prompts[0]) for name, prompts in trial.prompts.items() if "test" in name]
    assert any(f"{labels[0]} is replaced by {labels[1]}." in text for text in told)


async def test_what_failed_with_one_is_executed_with_an_equal_that_comes_later(tmp_path):
    """Seat 2 hands in the same change when a failure of the first stands already."""
    failed = anyio.Event()

    class Later(Seats):
        def __call__(self, task, turn, prompt):
            if task == "patch-1":
                return said(write("y = 1"), patch("by one", "python a.py"))
            if task == "patch-2":
                return self.second()
            if task.startswith("test"):
                first = prompt[-1]["content"].partition("candidate patch ")[2].split(",")[0]
                failure = {
                    "kind": "FAIL",
                    "gist": "it breaks e",
                    "on": first,
                    "exit_status": "1",
                    "command": "python e.py",
                    "output": "python e.py ends with 1",
                }
                if turn == 0:
                    return said(("publish", failure))
                failed.set()
            return super().__call__(task, turn, prompt)

        async def second(self):
            await failed.wait()
            return said(write("y  =  1"), patch("by two", "python b.py"))

    with played(tmp_path, Later(), agents=3) as trial:
        trial.pristine.passes = lambda diff, command: (
            "+y" not in diff if "e.py" in command else bool(diff)
        )
        whole = await team(verification=True, tests="each", repairs=0).assemble(trial)
        whole.seats = whole.seats[:2]  # the third agent tests
        await whole.seed()
        await team(verification=True)._live(whole)
        patches = {entry.task: entry.label for entry in await entries_of(trial, "PATCH")}
        failing = {e.evidence.state: e.author for e in await entries_of(trial, "FAIL")}
    assert failing[patches["patch-1"]].startswith("agent")
    assert failing[patches["patch-2"]] == "board"


async def test_equal_patches_of_agents_in_two_processes_are_one(tmp_path):
    """The second process reads of the first one's candidate on the board alone."""

    class InTurn(Seats):
        async def together(self, task):
            while task == "patch-2" and not await self.done("patch-1"):
                await anyio.sleep(0.01)
            text, command = self.wrote[task]
            return said(write(text), patch(f"by {task}", command))

        async def done(self, label):
            return any(t.label == label and t.state == "done" for t in await tasks.tasks())

    with played(tmp_path, InTurn(**EQUAL), agents=2) as trial:
        tasks = trial.queue
        trial.pristine.passes = good
        made = team(verification=True, tests="each")
        await (await made.assemble(trial)).seed()
        await together(
            lambda name=name: team(verification=True, tests="each").join(trial, [name])
            for name in ("agent-1", "agent-2")
        )
        results = {t.label: t.result for t in await tasks_of(trial, "patch")}
        links = [link for link in await trial.context.links() if link.kind == "equals"]
        tests = await tasks_of(trial, "test")
    (link,) = links
    assert (link.source, link.target) == (results["patch-2"]["entry"], results["patch-1"]["entry"])
    assert results["patch-2"]["equal"] == link.target
    assert "equal" not in results["patch-1"]
    assert not [test for test in tests if test.subject == link.source]
