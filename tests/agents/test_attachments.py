"""Files that a finding's command needs are shared with it, and lie in every copy of the trial."""

import json
from functools import partial

import anyio
import pytest
from played_team import done, fact, patch, played, said, team, usual, write

from agents.admission.executed import ExecutedEvidence
from agents.admission.gate import Gate
from agents.copies.attachments import named_in
from harness.board.evidence import Command, Patch
from harness.board.protocols import Proposal
from harness.board.sqlite.board import SqliteBoard

SCRIPT = """import sys
from pkg.core import add
print("the sum is", add(2, 1))
sys.exit(add(1, 1) != 2)
"""
RUN = "python /tmp/board/repro.py"
REAL = f"PYTHONPATH=. {RUN}"
MEND = """\
--- a/pkg/core.py
+++ b/pkg/core.py
@@ -1,2 +1,2 @@
 def add(a, b):
-    return a - b
+    return a + b
"""
NEW_FILE = """\
diff --git a/pkg/new.py b/pkg/new.py
new file mode 100644
--- /dev/null
+++ b/pkg/new.py
@@ -0,0 +1 @@
+NEW = 1
"""


def share(name: str, text: str):
    return "bash", {"command": f"share {name} {text}"}


def ran(gist: str, command: str = RUN, **more: str):
    given = {"command": command, "exit_status": "1", "output": "broken", "path": "", "quote": ""}
    return fact(gist, **given | more)


def told(trial, conversation: str) -> str:
    return json.dumps(trial.prompts[conversation][-1][1:])


def test_the_files_that_a_command_names():
    assert named_in("python /tmp/board/a.py; pytest /tmp/board/t/test_x.py::test_y -q") == [
        "a.py", "t/test_x.py",
    ]  # fmt: skip
    assert named_in("ls /tmp/board/ /tmp/boards/b.py; cat /tmp/board/../x /tmp/board/a.") == ["a"]


async def test_a_file_comes_to_copies_made_later_and_to_those_at_work_before_they_are_told(
    tmp_path,
):
    begun, found = anyio.Event(), anyio.Event()

    async def when(event, answer):
        with anyio.fail_after(5):
            await event.wait()
        return answer

    def say(task, turn, prompt):
        look = ("bash", {"command": "ls"})
        if task == "localize-1":
            if turn == 1:
                return when(begun, said(share("repro.py", "one"), ran("it")))
            if turn == 3:
                found.set()
            return [said(fact("here")), None, said(look), said(look), said(done())][turn]
        if task == "patch-2":
            if turn == 0:
                begun.set()
                return said(share("repro.py", "mine"), look)
            if turn == 1:
                return when(found, said(look))
            return [said(write(task)), said(patch()), said(done())][min(turn - 2, 2)]
        return usual(task, turn, prompt)

    with played(tmp_path, say, agents=2) as trial:
        await team(head_start=0).run(trial)
        entries = await trial.context.entries()
    shared = next(entry for entry in entries if entry.gist == "it")
    assert shared.evidence.files == {"repro.py": "one"}
    copy = next(f for f in trial.pristine.forks if f"{RUN[7:]}.own" in f.shared)
    assert copy.shared == {RUN[7:]: b"one", f"{RUN[7:]}.own": b"mine"}
    assert f"/tmp/board/repro.py is {shared.label}'s; what you had there is" in told(
        trial, "patch-2"
    )
    for fork in trial.pristine.forks:
        assert fork.shared.get(RUN[7:]) in (b"one", None)


@pytest.mark.parametrize(
    ("calls", "refused"),
    [
        ((share("repro.py", "one"), ran("a"), share("repro.py", "two"), ran("b")),
         "/tmp/board/repro.py is F"),
        ((ran("a"),), "there is no /tmp/board/repro.py; the command needs it"),
        ((share("repro.py", "x" * 50_001), ran("a")), "has 50,001 characters; at most 50,000"),
        ((*(share(f"f{n}", "x") for n in range(6)),
          ran("a", " ".join(f"/tmp/board/f{n}" for n in range(6)))), "at most 5"),
    ],
)  # fmt: skip
async def test_what_cannot_be_shared_is_refused_with_the_reason(tmp_path, calls, refused):
    def say(task, turn, prompt):
        if task == "localize-1":
            steps = [*map(said, calls), said(("bash", {"command": "ls"})), said(done())]
            return steps[min(turn, len(steps) - 1)]
        return usual(task, turn, prompt)

    with played(tmp_path, say) as trial:
        await team(carry_tokens=0).run(trial)
    assert refused in told(trial, "localize-1")


async def test_what_an_agent_did_to_the_folder_ends_nothing(tmp_path):
    def say(task, turn, prompt):
        if task == "localize-1":
            return said(share("repro.py", "one"), ran("it", finish="true"))
        return usual(task, turn, prompt)

    with played(tmp_path, say) as trial:
        fork = trial.pristine.fork

        async def forked():
            made = await fork()
            if len(trial.pristine.forks) > 1:
                made.full = True
            return made

        trial.pristine.fork = forked
        await team(carry_tokens=0).run(trial)
    assert "F1's files could not be written: the disk is full" in told(trial, "patch-2")
    assert len(trial.submitted) == 2


async def test_of_two_at_once_under_one_name_one_is_refused(tmp_path):
    board = SqliteBoard(tmp_path / "board.db")
    context = board.of(1).context
    checks = ExecutedEvidence(
        None, context, command_s=1, time_limit_s=1, count_tokens=len, verify=False
    )
    gate = Gate(context, checks.by_form())
    proposals = [
        Proposal(
            kind="FACT", gist=text, summary="", author=text, task="t",
            evidence=Command(command=RUN, exit_status=1, output="b", files={"repro.py": text}),
        )
        for text in ("one", "two")
    ]  # fmt: skip
    rulings = await gate.submit_all(proposals)
    board.close()
    assert [ruling.settled for ruling in rulings] == ["admitted", "rejected"]
    assert rulings[1].reason == "/tmp/board/repro.py is F1's; name yours otherwise."


class Kept(dict):
    """A check cache."""

    def __bool__(self):
        return True

    async def recall(self, key):
        return self.get(key)

    async def keep(self, key, text):
        self[key] = text


@pytest.mark.slow(seconds=20)
@pytest.mark.parametrize("kind", ["bubblewrap"], indirect=True, scope="session")
async def test_a_file_lies_in_every_clean_copy_of_a_check(sandbox, kind, tmp_path):
    board, kept = SqliteBoard(tmp_path / "board.db"), Kept()
    context = board.of(1).context
    checks = ExecutedEvidence(
        sandbox, context, command_s=10, time_limit_s=60, count_tokens=lambda t: len(t.split()),
        check_cache=kept,
    )  # fmt: skip
    gate = Gate(context, checks.by_form())

    async def submit(kind, evidence):
        gist = f"g{len(kept)} {kind}"
        return await gate.submit(
            Proposal(kind=kind, gist=gist, summary="", author="a", task="t", evidence=evidence)
        )

    ran = partial(Command, command=REAL, exit_status=1, output="the sum is 1")
    missing = await submit("FACT", ran())
    assert "is not attached: publish it with `files`" in missing.reason
    admitted = await submit("FACT", ran(files={"repro.py": SCRIPT}))
    assert admitted.settled == "admitted", admitted.reason
    other = await submit("FACT", ran(files={"repro.py": f"{SCRIPT}#"}))
    assert other.reason == "/tmp/board/repro.py is F1's; name yours otherwise."
    only_prints = {"p.py": "print('the sum is 1'); raise SystemExit(1)"}
    spelt = ran(command="python /tmp/board/p.py", files=only_prints)
    assert "runs no code of the repository" in (await submit("FACT", spelt)).reason
    good = await submit("PATCH", Patch(diff=MEND, command=REAL, files={"repro.py": SCRIPT}))
    assert good.settled == "admitted", good.reason
    reads = {"look.sh": "grep -q 'a + b' pkg/core.py\n"}
    looks = await submit("PATCH", Patch(diff=MEND, command="bash /tmp/board/look.sh", files=reads))
    assert "this one only reads or prints text" in looks.reason
    new = f"{MEND}{NEW_FILE}"
    finds = {"there.py": "import os\nassert os.path.exists('pkg/new.py')"}
    there = Patch(diff=new, command="python /tmp/board/there.py", files=finds)
    assert "names pkg/new.py, which only the patch brings" in (await submit("PATCH", there)).reason
    before = len(kept)
    # the command is enough: a name has one content
    assert (await checks.run_briefly("", REAL)).exit_status == 1
    assert (await checks.run_briefly(MEND, REAL)).exit_status == 0
    assert len(kept) == before + 2
    assert (await checks.run_briefly(MEND, REAL)).output == "the sum is 3\n"
    assert len(kept) == before + 2
    assert (await checks.run_on(MEND, REAL)).exit_status == 0
    board.close()
