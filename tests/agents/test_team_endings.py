"""What one agent of a team runs into is no end of the others; what was refuted counts for nothing;
nobody tests what it has written itself."""

import json
import re

import anyio
import pytest
from played_team import diff_of, done, fact, patch, pipeline, played, said, usual, write

from agents.admission.command_runner import CommandOutcome
from agents.delm.candidates import SeatState
from agents.delm.matrix import CrossCheck, Matrix
from agents.delm.system import outcomes
from agents.selection import Candidate, select
from harness.board.evidence import EVIDENCE
from harness.board.protocols import Link
from harness.errors import ContextOverflow, ConversationRefused, SandboxUnavailable
from harness.types import ExecResult


def failure(label: str, gist: str = "") -> tuple[str, dict[str, str]]:
    return "publish", {
        "kind": "FAIL", "gist": gist or f"{label} breaks it", "summary": "s", "on": label,
        "command": "python u.py", "exit_status": "1", "output": "broken",
    }  # fmt: skip


def candidate_of(prompt) -> str:
    return re.search(r"candidate patch (P\d+)", json.dumps(prompt))[1]


@pytest.mark.parametrize(
    ("problem", "reason"),
    [(ContextOverflow("too long"), "context"), (ConversationRefused("filtered"), "refused")],
)
async def test_a_refused_conversation_ends_its_own_task_and_the_others_go_on(
    tmp_path, problem, reason
):
    def say(task, turn, prompt):
        if task == "patch-1":
            return said(write("half")) if turn == 0 else problem
        return usual(task, turn, prompt)

    with played(tmp_path, say) as trial:
        await pipeline(rounds=0, long_tokens=0).run(trial)
        states = await trial.tasks()
    assert trial.submitted["patch-2"][::2] == (diff_of("patch-2"), "finished")
    assert trial.submitted["patch-1"][::2] == (diff_of("half"), reason)
    assert trial.submitted["patch-1"][3]  # salvaged
    assert states["patch-1"] == "done"


async def test_what_the_patch_of_a_seat_cannot_hold_is_said_with_it(tmp_path):
    with played(tmp_path) as trial:
        trial.pristine.left_out = ("git~1",)
        await pipeline(rounds=0).run(trial)
    for _, _, reason, salvaged in trial.submitted.values():
        assert reason == "finished; not in the patch, git refuses it: 'git~1'"
        assert not salvaged


async def test_a_conversation_that_outgrows_the_model_goes_on_in_a_short_one(tmp_path):
    def say(task, turn, prompt):
        if task == "patch-1" and turn == 1 and "starts anew" not in json.dumps(prompt):
            return ContextOverflow("too long")
        return usual(task, turn, prompt)

    with played(tmp_path, say) as trial:
        await pipeline().run(trial)
    assert [name for name in trial.prompts if name.startswith("patch-1")] == ["patch-1", "patch-1+"]
    assert trial.submitted["patch-1"][::2] == (diff_of("patch-1"), "finished")


async def test_a_finish_behind_a_refused_finding_waits_until_the_refusal_was_read(tmp_path):
    told = []

    def say(task, turn, prompt):
        if task != "localize-1":
            return usual(task, turn, prompt)
        if turn == 0:
            return said(fact("x " * 200), done())  # the gist is too long
        told.extend(m["content"] for m in prompt[-2:])
        return said(fact("short enough", line="7"), done("F1"))

    with played(tmp_path, say) as trial:
        await pipeline(verdicts="later").run(trial)
        (task,) = [t for t in await trial.queue.tasks() if t.label == "localize-1"]
        gists = [entry.gist for entry in await trial.context.entries()]
    assert told[0] == "It is being checked; the verdict comes after your next answer."
    assert "Not finished. Refused: " in told[1]
    assert "The gist has 200 tokens" in told[1]
    assert "short enough" in gists
    assert task.result["summary"] == "F1"
    assert len(trial.prompts["localize-1"]) == 2  # an admitted one ends in the same answer


def same_patch(task, turn, prompt):
    """Both agents write the same; a test of it finds a failure."""
    if task.startswith("patch"):
        return [said(write("same")), said(patch(f"by {task}")), said(done())][min(turn, 2)]
    if task.startswith("repair"):
        return [said(write(task)), said(patch(f"by {task}")), said(done())][min(turn, 2)]
    return usual(task, turn, prompt)


async def test_what_every_agent_has_written_is_tested_by_nobody(tmp_path):
    begun = {"patch-1": anyio.Event(), "patch-2": anyio.Event()}

    def say(task, turn, prompt):
        if task in begun and turn == 0:  # each waits for the other, so that they are two agents

            async def together():
                begun[task].set()
                for event in begun.values():
                    await event.wait()
                return same_patch(task, turn, prompt)

            return together()
        return same_patch(task, turn, prompt)

    with played(tmp_path, say) as trial:
        await pipeline().run(trial)
        states = await trial.tasks()
    assert not any(label.startswith("test") and s == "done" for label, s in states.items())
    assert "0 tests of it by others found nothing wrong" in trial.selected[1][0]


async def test_only_who_has_not_written_the_same_patch_tests_it(tmp_path):
    def say(task, turn, prompt):
        return (usual if task == "patch-3" else same_patch)(task, turn, prompt)

    with played(tmp_path, say, agents=3) as trial:
        await pipeline().run(trial)
        tasks = await trial.queue.tasks()
    testers = [t for t in tasks if t.kind == "test" and t.state == "done"]
    assert testers
    for test in testers:
        written = {
            t.holder for t in tasks if t.kind == "patch" and t.result["entry"] == test.subject
        }
        assert test.holder not in written


@pytest.mark.parametrize("merged", [True, False])
async def test_of_two_equal_patches_one_is_repaired_and_the_other_follows(tmp_path, merged):
    def say(task, turn, prompt):
        if task == "patch-3":
            return usual(task, turn, prompt)
        if task.startswith("test") and turn == 0:
            return said(failure(candidate_of(prompt)))
        return same_patch(task, turn, prompt)

    with played(tmp_path, say, agents=3) as trial:
        await pipeline(repairs=1, rounds=0, merge_equal=merged).run(trial)
        mended = [t.subject for t in await trial.queue.tasks() if t.kind == "repair"]
    assert len({"patch-1", "patch-2"} & set(mended)) == (1 if merged else 2)
    assert sorted(bool(copy_of) for _, copy_of in trial.links.values()) == [False, False, merged]
    assert diff_of("same") not in {trial.submitted[seat][0] for seat in ("patch-1", "patch-2")}


async def test_a_refuted_failure_counts_against_nobody_and_its_repair_is_dropped(tmp_path):
    with played(tmp_path) as trial:
        assembled = await pipeline().assemble(trial)
        await assembled.seed()
        queue, context = trial.queue, trial.context
        claim = await queue.claim("agent-1", lease_s=50)
        while claim is not None and claim.task.kind != "patch":
            await queue.finish(claim)
            claim = await queue.claim("agent-1", lease_s=50)
        seat = claim.task.label
        evidence = {"form": "patch", "diff": diff_of("one"), "command": "python t.py"}
        ruling = await judged(assembled, "PATCH", "mended", evidence, task=seat)
        mine = ruling.entry.label
        await queue.finish(
            claim, result={"patch": diff_of("one"), "entry": mine, "reason": "finished"}
        )
        wrong = {"form": "command", "command": "python u.py", "exit_status": 1,
                 "output": "broken", "state": mine}  # fmt: skip
        failed = await judged(assembled, "FAIL", "it breaks", wrong, task="test-1")
        repair = next(t for t in await queue.tasks() if t.kind == "repair")
        assert (repair.subject, repair.state) == (seat, "open")
        assert [line for line in await assembled.unsettled() if seat in line] == [
            f"{seat} ({mine}) fails: {failed.entry.label}."
        ]
        # unverified gates mark what is refuted as they are told: here it is shown by a link
        await context.link(Link(source="F9", target=failed.entry.label, kind="refutes"))
        right = {"form": "span", "path": "a.py", "line": 1, "quote": "x = 1", "state": "base"}
        await judged(
            assembled, "FACT", "it does not", right, task="test-1", refutes=failed.entry.label
        )
        assert next(t for t in await queue.tasks() if t.kind == "repair").state == "cancelled"
        assert not [line for line in await assembled.unsettled() if seat in line]


async def judged(assembled, kind, gist, evidence, *, task, refutes=""):
    from harness.board.protocols import Proposal

    proposal = Proposal(
        kind=kind, gist=gist, summary=gist, evidence=EVIDENCE.validate_python(evidence),
        author="agent-1", task=task, refutes=refutes,
    )  # fmt: skip
    (ruling,) = await assembled.judge([proposal])
    return ruling


class SlowChecks:
    """Checks whose commands take their time, or lose their sandbox."""

    def __init__(self, plan) -> None:
        self.plan = plan

    async def run_briefly(self, diff, command):
        answer = self.plan[command]
        if isinstance(answer, Exception):
            raise answer
        await anyio.sleep(answer)
        status = 0 if "one" in diff else 1
        run = ExecResult(exit_status=status, output="", output_bytes=0, seconds=answer)
        return CommandOutcome(runs=(run,))


async def test_a_long_patch_or_report_is_handed_in_and_ends_nobodys_trial(tmp_path):
    def say(task, turn, prompt):
        if task.startswith("patch"):
            return said(write("\x01" * 300_000)) if turn == 0 else said(done("é" * 300_000))
        return usual(task, turn, prompt)

    with played(tmp_path, say) as trial:
        await pipeline().run(trial)
        results = {task.label: task.result for task in await trial.queue.tasks()}
    long = diff_of("\x01" * 300_000)
    assert [patch for patch, *_ in trial.submitted.values()] == [long, long]
    assert results["patch-1"]["patch"] == long
    assert len(results["patch-1"]["summary"]) < 21_000


async def test_selection_at_its_time_limit_keeps_what_it_has_seen(tmp_path):
    with played(tmp_path) as trial:
        assembled = await pipeline(selection_s=0.3).assemble(trial)
        assembled.matrix = Matrix(
            SlowChecks({"quick": 0, "broken": SandboxUnavailable("gone"), "slow": 60})
        )
        works = [
            SeatState(seat="patch-1", patch=diff_of("one")),
            SeatState(seat="patch-2", patch="other"),
        ]
        checks = [CrossCheck(label="P1", command=name) for name in ("quick", "broken", "slow")]
        found = await outcomes(assembled, works, checks)
    assert found == {"patch-1": {"quick": True}, "patch-2": {"quick": False}}
    told = [
        Candidate(author=w.seat, patch=w.patch, verified=False, failures=0, passed_peers=0,
                  checks=found[w.seat]) for w in works
    ]  # fmt: skip
    assert select(told).author == "patch-1"


async def test_agents_add_no_task_beyond_the_most_of_a_trial(tmp_path):
    told = []

    def say(task, turn, prompt):
        if task == "localize-1" and turn == 0:
            return said(("add_task", {"kind": "check", "text": "one more"}))
        if task == "localize-1":
            told.append(prompt[-1]["content"])
        return usual(task, 1 if task == "localize-1" else turn, prompt)

    with played(tmp_path, say) as trial:
        await pipeline(max_tasks=4).run(trial)
        assert not any(label.startswith("check") for label in await trial.tasks())
    assert "The trial has 4 tasks, which is the most" in told[0]


async def test_what_a_short_conversation_begins_with_is_short_whatever_was_said(tmp_path):
    def say(task, turn, prompt):
        if task != "patch-1" or "starts anew" in json.dumps(prompt):
            return usual(task, turn, prompt)
        calls = [("bash", {"command": "x" * 50_000})] * 3
        return ContextOverflow("too long") if turn else said(*calls, content="w " * 100_000)

    with played(tmp_path, say) as trial:
        await pipeline().run(trial)
    assert len(json.dumps(trial.prompts["patch-1+"][0])) < 60_000
