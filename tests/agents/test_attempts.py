"""A failure of an agent's own copy is a finding: in a played world."""

import json

from played_team import diff_of, done, fact, patch, played, said, team, write

TRIED = {
    "kind": "FAIL", "gist": "doubling it breaks e", "summary": "s", "on": "mine",
    "command": "python e.py", "exit_status": "1", "output": "python e.py ends with 1",
}  # fmt: skip


class Tries:
    """Seat 1 tries something first; seat 2 begins when that has failed."""

    def __init__(self, *first) -> None:
        self.first = first
        self.told: list[str] = []

    def __call__(self, task, turn, prompt):
        self.told.append(prompt[-1]["content"])
        if task.startswith("localize"):
            look = said(("bash", {"command": "ls"}))  # it learns the verdict before it goes on
            return [said(*self.first), look, said(fact("here", finish="true"))][min(turn, 2)]
        if task.startswith("patch"):
            return [said(("unfold", {"label": "X1"})), said(write(task), patch(task))][turn]
        return said(done())


async def test_others_learn_of_it_with_what_was_tried(tmp_path):
    with played(tmp_path, Tries(write("x = 2"), ("publish", TRIED))) as trial:
        trial.pristine.passes = lambda diff, command: bool(diff) and "e.py" not in command
        await team(verification=True).run(trial)
        failure = await trial.context.entry("X1")
        prompts = {name: json.dumps(each) for name, each in trial.prompts.items()}
        assert not any(task.kind == "repair" for task in await trial.queue.tasks())
    assert failure.evidence.changes == diff_of("x = 2")
    assert failure.evidence.state == "base"
    assert (diff_of("x = 2"), "python e.py") in trial.pristine.ran
    assert "X1 FAIL on an attempt (localize-1): doubling it breaks e" in prompts["patch-2"]
    assert "with these changes:" in prompts["patch-2"]
    assert "+x = 2" in prompts["patch-2"]


async def test_an_attempt_that_does_not_fail_so_is_refused(tmp_path):
    script = Tries(write("x = 2"), ("publish", TRIED))
    with played(tmp_path, script) as trial:
        trial.pristine.passes = lambda diff, command: bool(diff)
        await team(verification=True).run(trial)
        assert await trial.context.entry("X1") is None
    assert any("does not end as you say" in told for told in script.told)


async def test_only_a_failure_of_what_differs_speaks_of_the_own_copy(tmp_path):
    script = Tries(("publish", TRIED))
    other = Tries(write("x = 2"), ("publish", TRIED | {"kind": "FACT"}))
    for number, each in enumerate((script, other)):
        folder = tmp_path / str(number)
        folder.mkdir()
        with played(folder, each) as trial:
            await team().run(trial)
    assert any("Nothing differs in your copy" in told for told in script.told)
    assert any("Only a FAIL speaks of your own copy" in told for told in other.told)
