"""What an agent's own copy passes of what was admitted, and another's patch in it."""

import pytest
from played_team import diff_of, done, fact, patch, played, said, team, usual, write

from agents.delm.candidate_tools import CHECKED

CHECK, LOOK = ("check", {}), ("bash", {"command": "ls"})
KEPT = {"kind": "CONSTRAINT", "command": "python old.py", "exit_status": "0",
        "output": "ends with 0", "path": "", "quote": ""}  # fmt: skip


def apply(label: str):
    return "apply", {"label": label}


def last(prompt) -> str:
    return prompt[-1]["content"]


def candidate(gist: str, command: str):
    return "publish", patch(gist)[1] | {"command": command}


def after_first(second):
    """`patch-1` hands in its patch, then `patch-2` does `second`, by turn and prompt."""

    def say(task, turn, prompt):
        if task == "localize-1":
            return said(fact("here"), fact("old", **KEPT), write(task), patch("the first"))
        if task.startswith("patch"):
            return second(turn, prompt)
        return said(done())

    return say


async def test_check_says_of_each_label_whether_it_passes_and_what_was_seen(tmp_path):
    told = []

    def second(turn, prompt):
        told.append(last(prompt))
        steps = [said(CHECK), said(write("half"), CHECK), said(CHECK), said(patch("whole"))]
        return steps[min(turn, 3)]

    with played(tmp_path, after_first(second)) as trial:
        trial.pristine.passes = lambda text, command: (
            "old" in command or ("half" not in text and text != "")
        )
        await team(tests="none", turns={"other": 9}).run(trial)
    assert "Nothing differs in your copy yet" in told[1]
    assert "P3 fails: exit status 1, 0 is expected. It printed: python t.py ends with 1" in told[2]
    assert "C2 passes." in told[2]
    assert "P3" in told[2].split("C2")[0]  # the newest first


async def test_check_is_bounded_in_number_and_says_what_it_left_out(tmp_path):
    told = []

    def second(turn, prompt):
        told.append(last(prompt))
        return [said(write("x"), CHECK), said(patch("second"))][min(turn, 1)]

    def say(task, turn, prompt):
        if task == "localize-1" and turn == 0:
            kept = [fact(f"c{n}", **KEPT | {"command": f"python old.py {n}"}) for n in range(20)]
            return said(fact("here"), *kept)
        return after_first(second)(task, max(turn - 1, 0) if "local" in task else turn, prompt)

    with played(tmp_path, say) as trial:
        await team(tests="none", early_release=False, turns={"other": 9}).run(trial)
    assert told[1].count("passes.") == CHECKED
    assert "older ones were not run." in told[1]


async def test_a_candidate_is_brought_into_ones_copy_and_the_submission_says_so(tmp_path):
    told = []

    def second(turn, prompt):
        told.append(last(prompt))
        return [said(apply("P3"), apply("C2")), said(patch("on P3"))][min(turn, 1)]

    with played(tmp_path, after_first(second)) as trial:
        await team(tests="none", turns={"other": 9}).run(trial)
        tasks = {task.label: task for task in await trial.queue.tasks()}
    assert "C2 is a CONSTRAINT, not a PATCH." in told[1]
    assert trial.submitted["patch-2"][0] == diff_of("localize-1")
    assert tasks["patch-2"].result["built_on"] == ["P3"]
    assert trial.links == {"patch-1": ("", ""), "patch-2": ("P3", "")}


async def test_a_conflict_is_told_and_leaves_the_copy_as_it_was(tmp_path):
    told = []

    def second(turn, prompt):
        told.append(last(prompt))
        return [said(write("mine"), apply("P3")), said(patch("mine"))][min(turn, 1)]

    with played(tmp_path, after_first(second)) as trial:
        await team(tests="none", turns={"other": 9}).run(trial)
    assert "P3 contradicts your changes, and your copy is as it was:\na.py" in told[1]
    assert trial.submitted["patch-2"][0] == diff_of("mine")
    assert trial.links["patch-2"] == ("", "")


async def test_ones_own_patch_applied_again_is_no_other_work(tmp_path):
    def say(task, turn, prompt):
        if task == "patch-2":
            kept = patch("first")[1] | {"finish": "false"}
            return [
                said(write("mine"), ("publish", kept)),
                said(("apply", {"label": "P2"}), ("apply", {"label": "P3"})),
                said(patch("again")),
            ][min(turn, 2)]
        if task == "localize-1":
            return said(fact("here", finish="true"))
        return usual(task, turn, prompt) if task == "patch-1" and turn else said(LOOK)

    with played(tmp_path, say) as trial:
        await team(tests="none", turns={"other": 9}).run(trial)
        own = [e.label for e in await trial.context.entries() if e.task == "patch-2"]
    assert own
    assert trial.links["patch-2"] == ("", "")


@pytest.mark.slow(seconds=40)
@pytest.mark.parametrize("kind", ["bubblewrap"], indirect=True, scope="session")
async def test_on_real_copies(sandbox, kind, tmp_path):
    """Two seats; the second checks its own half, meets a conflict, and builds on the first."""
    script = "from pkg.core import add\nassert add(1, 1) == 2, add(1, 1)\n"
    keep = ("edit", {"path": "/tmp/board/repro.py", "old": "", "new": script})
    add = "PYTHONPATH=. python /tmp/board/repro.py"
    mend = ("bash", {"command": "sed -i 's/a - b/a + b/' pkg/core.py"})
    wrong = ("bash", {"command": "sed -i 's/a - b/a * b/' pkg/core.py"})
    other = ("bash", {"command": "git checkout -q pkg/core.py; echo 'MORE = 1' >> pkg/extra.py"})
    told = []

    def say(task, turn, prompt):
        if task == "localize-1":
            found = fact("here", path="pkg/core.py", quote="    return a - b")
            return said(found, mend, keep, candidate("mended", add))
        if task == "patch-2":
            told.append("\n".join(m["content"] for m in prompt if m["role"] == "tool"))
            return [
                said(("bash", {"command": add}), wrong, CHECK, apply("P2")),
                said(other, apply("P2"), CHECK),
                said(candidate("built on it", add)),
            ][min(turn, 2)]
        return said(done())

    with played(tmp_path, say) as trial:
        trial.pristine = sandbox
        await team(verification=True, tests="none", turns={"other": 9}).run(trial)
    assert "AssertionError: 0" in told[1].split("</output>")[0]  # the first's script, in its copy
    assert "P2 fails: exit status 1, 0 is expected." in told[1]
    assert "AssertionError: 1" in told[1].split("<checks>")[1]
    assert "P2 contradicts your changes" in told[1]
    assert "pkg/core.py" in told[1]
    assert "P2 passes." in told[2]
    text, *_ = trial.submitted["patch-2"]
    assert "+    return a + b" in text
    assert "+MORE = 1" in text
    assert trial.links["patch-2"] == ("P2", "")
