"""Rulings come in the order in which they were asked for, however long the checks take."""

import anyio
from played_team import fact, patch, played, said, team, write

from agents.board.verdicts import Verdicts


async def test_an_answer_is_ruled_on_after_the_answer_before_it():
    done, begun = [], []
    first_may_end = anyio.Event()

    async def judge(proposals):
        begun.append(proposals)
        if proposals == ["slow"]:
            await first_may_end.wait()
        done.append(proposals)
        return [f"ruling on {each}" for each in proposals]

    async with anyio.create_task_group() as group:
        verdicts = Verdicts(judge, group)
        for each in ("slow", "quick"):
            verdicts.put(each)
            verdicts.start()
        await anyio.wait_all_tasks_blocked()
        assert begun == [["slow"]]
        first_may_end.set()
        with anyio.fail_after(5):
            rulings = await verdicts.settled()
    assert done == [["slow"], ["quick"]]
    assert [ruling for _, ruling in rulings] == ["ruling on slow", "ruling on quick"]


async def test_labels_do_not_depend_on_how_long_a_check_takes(tmp_path):
    def say(task, turn, prompt):
        if task.startswith("localize"):
            kept = {"kind": "CONSTRAINT", "gist": "slow passes", "command": "python slow.py",
                    "exit_status": "0", "output": "python slow.py ends with 0"}  # fmt: skip
            answers = [
                said(fact("the fault is in a.py"), ("publish", kept)),
                said(write("ours"), patch("mended", "python quick.py")),
            ]
            return answers[turn]
        return said(("finish", {"summary": "as theirs", "same": "P3"}))

    with played(tmp_path, say, agents=2) as trial:
        trial.pristine.passes = lambda diff, command: bool(diff) or "slow" in command
        trial.pristine.slow = lambda: anyio.sleep(0.05)
        await team(verification=True, tests="none").run(trial)
        entries = [entry.label for entry in await trial.context.entries()]
    assert entries == ["F1", "C2", "P3"]

    assert trial.links == {"patch-1": ("", ""), "patch-2": ("", "P3")}
