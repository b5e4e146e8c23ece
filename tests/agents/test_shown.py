"""What an agent is shown of the board: a context within its room, other tasks, their reports."""

import json
import re

import anyio
import pytest
from played_team import done, fact, patch, played, said, team, usual, write

from agents.board.shown import cited, found, in_turn, near
from harness.board.evidence import Command, Patch, Span
from harness.board.protocols import Entry

PATHS = "--- a/pkg/b.py\n+++ b/pkg/b.py\n"


def entry(label: str, evidence, gist: str = "", position: int = 0) -> Entry:
    kinds = {"F": "FACT", "X": "FAIL", "C": "CONSTRAINT", "P": "PATCH"}
    return Entry(
        label=label, position=position or int(label[1:]), key=label, kind=kinds[label[0]],
        gist=gist or f"finding {label}", summary="s", evidence=evidence, raw="", author="a",
        task="t",
    )  # fmt: skip


def opening(trial, conversation: str) -> str:
    return json.dumps(trial.prompts[conversation][0][1:])


def context_of(prompt) -> str:
    """All that a prompt holds of the shared context."""
    blocks = re.findall(r"<shared_context>\n(.*?)</shared_context>",
                        "\n".join(str(m["content"]) for m in prompt[1:]), re.DOTALL)  # fmt: skip
    return "".join(blocks)


def test_patches_failures_and_constraints_come_first_then_facts_that_are_near():
    ran = Command(command="pytest pkg/b.py", exit_status=1, output="x")
    there = [
        entry("F1", Span(path="pkg/a.py", quote="x")),
        entry("F2", Span(path="pkg/b.py", quote="x")),
        entry("C3", ran),
        entry("F4", ran),
        entry("P5", Patch(diff=PATHS, command="c")),
        entry("F6", Span(path="z.py", quote="x")),
    ]
    text = "The candidate breaks it; see F6."
    named = [each for each in there if each.label in cited(text, "P5")]
    about = near(text, named)
    assert [each.label for each in in_turn(there, about)] == ["C3", "P5", "F2", "F4", "F6", "F1"]


def test_entries_are_found_by_words_the_best_and_newest_first():
    there = [
        entry("F1", Span(path="a", quote="x"), "the parser drops a blank"),
        entry("F2", Span(path="a", quote="x"), "the Parser keeps quotes"),
        entry("F3", Span(path="a", quote="x"), "nothing of that"),
    ]
    assert [each.label for each in found(there, "parser blank!")] == ["F1", "F2"]
    assert [each.label for each in found(there, "PARSER")] == ["F2", "F1"]
    assert found(there, "- ' x") == []


def scout_of(count: int):
    """A scout that publishes `count` facts and ends; a seat that searches, unfolds and ends."""
    told = []

    def say(task, turn, prompt):
        if task == "localize-1":
            facts = [fact(f"number{n} is at fault, says the scout", line=str(n)) for n in
                     range(1, count + 1)]  # fmt: skip
            return said(*facts) if turn == 0 else said(done("saw them all"))
        if task == "patch-2":
            told.append("\n".join(m["content"] for m in prompt if m["role"] != "assistant"))
            return [
                said(("search", {"words": "number7 scout"}), ("unfold", {"label": f"F{count}"})),
                said(write(task), patch(f"by {task} F{count}")),
            ][turn]
        return said(write(task), patch(f"by {task}"))

    return say, told


async def test_the_shared_context_of_every_prompt_stays_under_its_tokens_and_the_rest_is_counted(
    tmp_path,
):
    say, told = scout_of(30)
    with played(tmp_path, say, agents=2) as trial:
        await team(context_tokens=100, early_release=False, carry_tokens=0).run(trial)
        shown = [trial.count_tokens(context_of(p)) for c in trial.prompts.values() for p in c]
        cited = [link.target for link in await trial.context.links() if link.kind == "cites"]
    assert max(shown) <= 100
    assert max(shown) > 40
    first = context_of(trial.prompts["patch-2"][0])
    assert "F1 FACT (localize-1)" in first
    left_out = int(re.search(r"(\d+) more facts: `search` finds them.", first)[1])
    assert left_out + first.count("FACT") == 30
    hits = told[1].split("<entries>")[1]
    assert hits.index("F7 FACT") < hits.index("F30 FACT")  # two words, then the newest
    assert hits.count(" FACT (localize-1): number") == 10 + 1
    assert "20 more have one of these words." in told[1]
    assert "F30" in cited


async def test_where_all_has_room_openings_begin_with_the_same_lines(tmp_path):
    say, _ = scout_of(5)
    with played(tmp_path, say, agents=3) as trial:
        await team(early_release=False, carry_tokens=0).run(trial)
    one, two = (context_of(trial.prompts[c][0]).split("\n") for c in ("patch-2", "patch-3"))
    shorter, longer = sorted((one[:-1], two[:-1]), key=len)
    assert longer[: len(shorter)] == shorter
    assert len(shorter) >= 5
    assert "more fact" not in "\n".join(longer)


async def test_an_opening_says_who_works_on_what_and_what_was_reported_unchecked(tmp_path):
    say, _ = scout_of(1)
    with played(tmp_path, say, agents=3) as trial:
        await team(early_release=False, carry_tokens=0).run(trial)
        names = {"agent-1", "agent-2", "agent-3"}
    texts = [opening(trial, f"patch-{n}") for n in (1, 2, 3)]
    assert "At work" not in opening(trial, "localize-1")
    assert "Not begun: patch-1, patch-2, patch-3." in opening(trial, "localize-1")
    assert any(re.search(r"At work: patch-\d(, patch-\d)?\.", text) for text in texts)
    for text in texts:
        assert "Reports of finished tasks, not checked:" in text
        assert "<reports>\\nlocalize-1: saw them all\\n</reports>" in text
        assert not any(name in text for name in names)
        assert "saw them all" not in context_of(json.loads(text))


async def test_without_sharing_there_are_no_reports(tmp_path):
    say, _ = scout_of(1)
    with played(tmp_path, say, agents=2) as trial:
        await team(early_release=False, carry_tokens=0, sharing=False).run(trial)
    assert "saw them all" not in opening(trial, "patch-1") + opening(trial, "patch-2")


async def test_an_idle_agent_takes_what_a_busy_one_splits_off_in_the_order_that_it_asks_for(
    tmp_path,
):
    order, looked = [], anyio.Event()

    def say(task, turn, prompt):
        if turn == 0:
            order.append(task)
        if task == "localize-1":
            if turn == 0:
                return said(
                    ("add_task", {"kind": "look", "text": "Look at it."}),
                    ("add_task", {"kind": "weigh", "text": "Weigh it.", "after": "look-1"}),
                    ("add_task", {"kind": "other", "text": "x", "after": "nothing-9"}),
                    ("add_task", {"kind": "last", "text": "y", "after": "localize-1, weigh-1"}),
                )

            async def wait():
                with anyio.fail_after(5):
                    await looked.wait()
                return said(fact("here", finish="true"))

            return wait()
        if task == "weigh-1":
            looked.set()
        return usual(task, turn, prompt)

    with played(tmp_path, say, agents=2) as trial:
        await team().run(trial)
        tasks = {task.label: task for task in await trial.queue.tasks()}
    assert order[:3] == ["localize-1", "look-1", "weigh-1"]
    assert tasks["look-1"].holder != tasks["localize-1"].holder
    assert tasks["weigh-1"].after == ("look-1",)
    assert order.index("last-1") > order.index("weigh-1")
    assert "other-1" not in tasks
    told = json.dumps(trial.prompts["localize-1"][1])
    assert "The task was not added" in told
    assert "At work: localize-1. Not begun: " in opening(trial, "look-1")


@pytest.mark.parametrize(("chars", "shown"), [(2_000, True), (50, False)])
async def test_who_writes_a_patch_is_shown_the_short_diffs_of_others(tmp_path, chars, shown):
    async def say(task, turn, prompt):
        if task == "patch-2" and turn == 0:
            while not [e for e in await trial.context.entries() if e.kind == "PATCH"]:
                await anyio.sleep(0.01)
            return said(("bash", {"command": "ls"}))
        if task.startswith("test"):
            return said(done())
        return said(write(f"by {task}"), patch(f"by {task}", f"python {task}.py"))

    with played(tmp_path, say, agents=2) as trial:
        await team(localizers=0, diff_chars=chars, tests="each").run(trial)
        told = context_of(trial.prompts["patch-2"][1])
        tests = [prompts[0] for name, prompts in trial.prompts.items() if name.startswith("test")]
    assert ("+by patch-1\n" in told) == shown
    assert "P1 PATCH (patch-1): by patch-1" in told
    assert len(tests) == 2
    for opening_of_test in tests:
        assert "+by " not in context_of(opening_of_test)
        assert json.dumps(opening_of_test).count("+by ") == 1
