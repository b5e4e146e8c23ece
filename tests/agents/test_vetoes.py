"""What a person says of an entry: a veto takes it out of everything that comes later, a pin shows
it whatever the room; what a prompt has said stays said."""

import json
from itertools import pairwise
from typing import Any

import anyio
import pytest
from played_team import diff_of, done, fact, patch, pipeline, played, said, usual, write

from agents.selection import Candidate, select
from harness.board.protocols import BoardRefused, Mark
from harness.board.vocabulary import MarkKind
from harness.errors import AgentLimitReached

VETOED = "F1 was vetoed by a person: it is about another file."


def mark(label: str, kind: MarkKind = MarkKind.VETOED) -> Mark:
    return Mark(label=label, kind=kind, by="Ada", reason="it is about another file")


def last_of(prompt: list[dict[str, Any]]) -> str:
    return str(prompt[-1]["content"])


async def test_who_saw_a_vetoed_finding_is_told_once_and_who_comes_later_does_not_see_it(tmp_path):
    """The first localizer publishes F1 and is told with its next observation; no seat sees F1."""

    def say(task, turn, prompt):
        async def vetoes():
            await trial.context.mark(mark("F1"))
            return said(("bash", {"command": "ls"}))

        if task == "localize-1" and turn == 1:
            return vetoes()
        return usual(task, turn, prompt)

    with played(tmp_path, say) as trial:
        await pipeline(localizers=1, rounds=0).run(trial)
        events = await trial.board.events(1)
    told = [last_of(prompt) for prompt in trial.prompts["localize-1"]]
    assert [VETOED in text for text in told] == [False, False, True]
    for seat in ("patch-1", "patch-2"):
        whole = json.dumps(trial.prompts[seat][-1])
        assert "the fault is in a.py" not in whole
        assert "vetoed" not in whole
    assert [each["subject"] for each in events if each["what"] == "vetoed"] == ["F1"]


async def test_prompts_stay_append_only_across_a_veto_and_a_pin(tmp_path):
    def say(task, turn, prompt):
        async def marks(kind):
            await trial.context.mark(mark("F1", kind))
            return said(("bash", {"command": "ls"}))

        if task == "patch-1" and turn == 0:
            return marks(MarkKind.PINNED)
        if task == "patch-1" and turn == 1:
            return marks(MarkKind.VETOED)
        return usual(task, turn - 2 if task == "patch-1" else turn, prompt)

    with played(tmp_path, say) as trial:
        await pipeline(localizers=1, rounds=0).run(trial)
    assert any(VETOED in last_of(prompt) for prompt in trial.prompts["patch-1"])
    for prompts in trial.prompts.values():
        for before, after in pairwise(prompts):
            assert after[: len(before)] == before


async def test_a_vetoed_patch_is_not_selected_and_its_seat_is_submitted_all_the_same(tmp_path):
    """Both seats hand in a patch; the one that would be chosen by name is vetoed at the end."""

    def say(task, turn, prompt):
        async def vetoes():
            await trial.context.mark(mark(await label_of(trial, "patch-1")))
            return said(done())

        if task == "test-1":
            return vetoes()
        return usual(task, turn, prompt)

    with played(tmp_path, say) as trial:
        await pipeline(rounds=0).run(trial)
    assert set(trial.submitted) == {"patch-1", "patch-2"}
    author, reasons = trial.selected
    assert author == "patch-2"
    assert "patch-2 was not vetoed, unlike patch-1" in reasons


async def test_nothing_is_selected_where_every_patch_was_vetoed(tmp_path):
    def say(task, turn, prompt):
        async def vetoes():
            for entry in await trial.context.entries():
                await trial.context.mark(mark(entry.label))
            return said(done())

        if task == "test-2":
            return vetoes()
        return usual(task, turn, prompt)

    with played(tmp_path, say) as trial:
        await pipeline(rounds=0).run(trial)
    assert set(trial.submitted) == {"patch-1", "patch-2"}
    assert trial.selected is None


async def test_a_vetoed_patch_cannot_be_taken_over_applied_or_looked_at(tmp_path):
    told: list[str] = []

    def say(task, turn, prompt):
        async def tries(number):
            told.append(last_of(prompt))
            while not (label := await label_of(trial, "patch-1")):
                await anyio.sleep(0.01)
            if number == 0:
                await trial.context.mark(mark(label))
            return [
                said(("unfold", {"label": label})),
                said(("apply", {"label": label})),
                said(("finish", {"summary": "the same", "same": label})),
                said(write("own")), said(patch("own")), said(done()),
            ][number]  # fmt: skip

        if task == "patch-2":
            return tries(min(turn, 5))
        return usual(task, turn, prompt)

    with played(tmp_path, say, agents=2) as trial:
        await pipeline(rounds=0, localizers=1).run(trial)
    assert ["was vetoed by a person" in text for text in told[1:4]] == [True] * 3
    assert trial.submitted["patch-2"][0] == diff_of("own")
    assert trial.links["patch-2"] == ("", "")


async def test_the_same_finding_is_refused_with_the_reason_of_the_veto(tmp_path):
    told: list[str] = []

    def say(task, turn, prompt):
        async def vetoes():
            await trial.context.mark(mark("F1"))
            return said(fact("the fault is in a.py, says localize-1", quote="x = localize-1"))

        if task == "localize-1" and turn == 1:
            return vetoes()
        if task == "localize-1" and turn == 2:
            told.append(last_of(prompt))
        return usual(task, turn, prompt)

    with played(tmp_path, say) as trial:
        await pipeline(localizers=1, rounds=0).run(trial)
    assert "F1 says the same, and a person has vetoed it: it is about another file" in told[0]


@pytest.mark.parametrize("pinned", [True, False])
async def test_a_pinned_fact_is_in_an_opening_that_has_no_room_for_it(tmp_path, pinned):
    words = " ".join(f"w{n}" for n in range(30))

    def say(task, turn, prompt):
        async def pins():
            if pinned:
                await trial.context.mark(mark("F1", MarkKind.PINNED))
            return said(done())

        if task == "localize-1":
            found = [fact(f"old {words}", quote="x = 1"), fact(f"new {words}", quote="x = 2")]
            return said(*found) if turn == 0 else pins()
        return usual(task, turn, prompt)

    with played(tmp_path, say) as trial:
        await pipeline(localizers=1, rounds=0, context_tokens=20).run(trial)
    opening = json.dumps(trial.prompts["patch-1"][0])
    assert (f"old {words}" in opening) == pinned
    assert f"new {words}" not in opening


async def test_an_entry_is_marked_once_and_only_where_it_is_there(tmp_path):
    with played(tmp_path) as trial:
        with pytest.raises(BoardRefused, match="there is no entry 'F9'"):
            await trial.context.mark(mark("F9"))
        await pipeline(localizers=1, rounds=0).run(trial)
        assert await trial.context.mark(mark("F1"))
        assert not await trial.context.mark(mark("F1"))
        assert await trial.context.mark(mark("F1", MarkKind.PINNED))
        (veto, pin) = await trial.context.marks()
        assert (veto.kind, pin.kind, pin.position) == (MarkKind.VETOED, MarkKind.PINNED, 2)
        assert await trial.context.marks(after=1) == [pin]


def test_selection_takes_a_vetoed_patch_only_where_there_is_no_other():
    def candidate(author: str, *, vetoed: bool, checks: int) -> Candidate:
        return Candidate(
            author=author, patch=f"{author}\n", verified=True, failures=0, passed_peers=0,
            checks=dict.fromkeys(map(str, range(checks)), True), vetoed=vetoed,
        )  # fmt: skip

    best, other = candidate("a", vetoed=True, checks=5), candidate("b", vetoed=False, checks=0)
    assert select([best, other]).author == "b"
    assert select([best]).reasons == ("a: a person has vetoed every submission",)


async def test_a_stopped_agents_seat_goes_to_another_one_and_the_trial_ends_well(tmp_path):
    def say(task, turn, prompt):
        if task == "patch-1" and turn == 1 and not said_once:
            said_once.append(task)
            return AgentLimitReached("agent_stopped", "agent_stopped: Ada: it goes in circles")
        return usual(task, turn, prompt)

    said_once: list[str] = []
    with played(tmp_path, say) as trial:
        await pipeline(rounds=0).run(trial)
    assert {reason for _, _, reason, _ in trial.submitted.values()} == {"finished"}
    assert len({agent for _, agent, _, _ in trial.submitted.values()}) == 1


async def test_where_every_agent_was_stopped_the_patches_are_salvaged_and_it_is_said(tmp_path):
    def say(task, turn, prompt):
        if turn == 1 and task.startswith("patch"):
            return AgentLimitReached("agent_stopped", "agent_stopped: Ada: enough")
        return usual(task, turn, prompt)

    with played(tmp_path, say) as trial:
        await pipeline(rounds=0).run(trial)
    assert trial.submitted["patch-1"][::2] == (diff_of("patch-1"), "agent_stopped")
    assert trial.submitted["patch-1"][3]
    assert trial.submitted["patch-2"][::2] == (diff_of("patch-2"), "agent_stopped")


async def label_of(trial: Any, task: str) -> str:
    """The label of the PATCH that was admitted on a task; empty: none yet."""
    found = [entry.label for entry in await trial.context.entries() if entry.task == task]
    return found[-1] if found else ""
