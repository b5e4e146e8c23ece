"""A seat may end with the patch of another, and is a copy then: in a played world."""

import anyio
import pytest
from played_team import PlayedTrial, diff_of, done, fact, patch, played, said, team, write


class Seats:
    """Seat 1 hands in a patch; seat 2 begins when it has, and says what it is told."""

    def __init__(self, *then) -> None:
        self.then = then
        self.told: list[str] = []
        self.made = anyio.Event()

    def __call__(self, task, turn, prompt):
        if task == "localize-1":
            return said(fact("the fault is in a.py", finish="true"))
        if task == "patch-1":
            return said(write("one"), patch("by one", "python one.py"))
        if task == "patch-2":
            self.told.append(str(prompt[-1]["content"]))
            return self.second(turn)
        if task.startswith("repair"):
            return said(write("mended"), patch("mended", "python mended.py"))
        return said(done())

    async def second(self, turn):
        await self.made.wait()
        return self.then[turn]


@pytest.fixture
def run(tmp_path):
    async def made(seats: Seats, passes=lambda diff, command: bool(diff), **options) -> PlayedTrial:
        with played(tmp_path, seats) as trial:
            trial.pristine.passes = passes
            finish = trial.queue.finish_and_claim

            async def noted(claim, **more):
                ended = await finish(claim, **more)
                if claim.task.label == "patch-1":
                    seats.made.set()
                return ended

            trial.queue.finish_and_claim = noted
            await team(verification=True, **options).run(trial)
            trial.results = {task.label: task for task in await trial.queue.tasks()}
            trial.entries = await trial.context.entries()
        return trial

    return made


def same(label: str):
    return "finish", {"summary": "I would write it, too", "same": label}


async def test_its_submission_is_the_patch_of_the_other_and_says_so(run):
    trial = await run(Seats(said(same("P2"))), tests="each")
    assert trial.submitted["patch-2"][0] == diff_of("one")
    assert trial.links == {"patch-1": ("", ""), "patch-2": ("", "P2")}
    assert trial.results["patch-2"].result["copy"] == "P2"
    assert trial.submitted["patch-2"][1] == trial.results["patch-2"].holder
    assert [entry.label for entry in trial.entries if entry.kind == "PATCH"] == ["P2"]
    assert not trial.submitted["patch-2"][3]  # it is finished, not salvaged


async def test_a_copy_follows_the_repair_of_what_it_is_a_copy_of(run):
    """The failure is found later: the first seat mends it, and the copy is what comes of it."""

    class Failing(Seats):
        def __call__(self, task, turn, prompt):
            if task.startswith("decide") and turn == 0:
                return said(("add_task", {"kind": "look", "text": "look once more"}))
            if task.startswith("look") and turn == 0:
                failure = {
                    "kind": "FAIL",
                    "gist": "it breaks",
                    "on": "P2",
                    "exit_status": "1",
                    "command": "python fail.py",
                    "output": "python fail.py ends with 1",
                }
                return said(("publish", failure))
            return super().__call__(task, turn, prompt)

    seats = Failing(said(("add_task", {"kind": "look", "text": "look"}), same("P2")))
    trial = await run(
        seats,
        lambda diff, command: (
            "mended" in diff or (not diff if "fail.py" in command else bool(diff))
        ),
    )
    repairs = [task.subject for task in trial.results.values() if task.kind == "repair"]
    assert repairs == ["patch-1"]
    (mended,) = [e.label for e in trial.entries if e.kind == "PATCH" and "mended" in e.raw]
    assert trial.submitted["patch-1"][0] == trial.submitted["patch-2"][0] == diff_of("mended")
    assert trial.links == {"patch-1": ("", ""), "patch-2": ("", mended)}


@pytest.mark.parametrize(
    ("label", "why"),
    [("F1", "F1 is a FACT, not a PATCH."), ("P9", "There is no entry 'P9'"), ("P3", "own patch")],
)
async def test_only_an_admitted_patch_of_another_can_be_taken(run, label, why):
    kept = patch("by two", "python two.py")[1] | {"finish": "false"}
    seats = Seats(said(write("two"), ("publish", kept)), said(same(label)), said(done()))
    trial = await run(seats)
    assert why in seats.told[2]
    assert trial.submitted["patch-2"][0] == diff_of("two")
    assert trial.links["patch-2"] == ("", "")


async def test_a_task_without_a_patch_takes_none(run):
    class Looks(Seats):
        def __call__(self, task, turn, prompt):
            if task.startswith("test"):
                self.told.append(str(prompt[-1]["content"]))
                return said(same("P2")) if turn == 0 else said(done())
            return super().__call__(task, turn, prompt)

    seats = Looks(said(write("two"), patch("by two", "python two.py")))
    await run(seats, tests="each")
    assert any("hands in no patch: leave `same` out." in told for told in seats.told)
