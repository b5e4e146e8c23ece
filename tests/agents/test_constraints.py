"""A patch keeps what has to go on passing, or says that it need not: in a played world."""

from played_team import PlayedTrial, diff_of, done, fact, patch, played, said, team, write

from harness.board.protocols import Mark
from harness.board.vocabulary import MarkKind

KEEP = "python old.py"
KEEPS = (
    "publish",
    {"kind": "CONSTRAINT", "gist": "the old tests pass", "summary": "s", "command": KEEP,
     "exit_status": "0", "output": "python old.py ends with 0"},
)  # fmt: skip


def passes(diff: str, command: str) -> bool:
    """What is rash solves the issue and breaks the old tests."""
    if command == KEEP:
        return "rash" not in diff
    return bool(diff)


class Script:
    """Seat 1 is rash at first; what it does then is given."""

    def __init__(self, *then) -> None:
        self.then = then
        self.told: list[str] = []

    def __call__(self, task, turn, prompt):
        if task.startswith("localize"):
            return said(KEEPS, fact("the fault is in a.py", finish="true"))
        if task == "patch-1":
            self.told.append(prompt[-1]["content"])
            return [said(write("rash"), patch("rashly", "python new.py")), *self.then][turn]
        return (
            said(write(task), patch(f"by {task}", "python new.py")) if turn == 0 else said(done())
        )


async def run(folder, script: Script, **options) -> tuple[PlayedTrial, list, dict, list]:
    """A trial, with its entries, its tasks and its links."""
    with played(folder, script) as trial:
        trial.pristine.passes = passes
        await team(verification=True, **options).run(trial)
        entries = await trial.context.entries()
        tasks = {task.label: task for task in await trial.queue.tasks()}
        return trial, entries, tasks, await trial.context.links()


async def test_a_patch_that_breaks_a_constraint_is_refused_with_its_command_and_output(tmp_path):
    script = Script(said(write("careful"), patch("carefully", "python new.py")))
    trial, entries, _, _ = await run(tmp_path, script)
    assert "The patch breaks C1 (the old tests pass)" in script.told[1]
    assert f"$ {KEEP}" in script.told[1]
    assert "python old.py ends with 1" in script.told[1]
    assert "`refutes`: C1" in script.told[1]
    assert trial.submitted["patch-1"][0] == diff_of("careful")
    assert all("rash" not in entry.raw for entry in entries)


async def test_one_that_refutes_the_constraint_is_admitted_and_nothing_follows_from_it(tmp_path):
    against = patch("the old tests are wrong", "python new.py")[1] | {"refutes": "C1"}
    script = Script(said(("publish", against)))
    trial, entries, tasks, links = await run(tmp_path, script)
    (label,) = [entry.label for entry in entries if "rash" in entry.raw]
    # the constraint holds at the base commit, so that it is contradicted and goes on for others
    assert (label, "C1", "contradicts") in {(k.source, k.target, k.kind) for k in links}
    assert not [entry for entry in entries if entry.kind == "FAIL"]
    assert not [task for task in tasks.values() if task.kind == "repair"]
    assert trial.submitted["patch-1"][0] == diff_of("rash")
    assert trial.selected is not None
    assert "1 of 1 checks pass" in trial.selected[1][0]  # it counts for nobody


async def test_where_constraints_do_not_bind_the_board_says_what_is_broken(tmp_path):
    script = Script(said(done()))
    _, entries, tasks, _ = await run(tmp_path, script, binding=False)
    (failure,) = [entry for entry in entries if entry.kind == "FAIL"]
    assert failure.gist.endswith("breaks C1.")
    assert [t.subject for t in tasks.values() if t.kind == "repair"] == ["patch-1"]


async def test_a_constraint_that_was_vetoed_binds_no_patch(tmp_path):
    class Vetoing(Script):
        def __call__(self, task, turn, prompt):
            answer = super().__call__(task, turn, prompt)

            async def vetoes():
                await trial.context.mark(
                    Mark(label="C1", kind=MarkKind.VETOED, by="Ada", reason="the issue says so")
                )
                return answer

            return vetoes() if task == "patch-1" and turn == 0 else answer

    with played(tmp_path, Vetoing(said(done()))) as trial:
        trial.pristine.passes = passes
        await team(verification=True).run(trial)
        entries = await trial.context.entries()
    assert entries[0].label == "C1"
    assert any("rash" in entry.raw for entry in entries)
    assert trial.submitted["patch-1"][0] == diff_of("rash")
