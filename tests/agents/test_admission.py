"""The gate on a played sandbox: what is asked of it, in which order, and what becomes of it."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import anyio
import pytest

from agents import sandbox_scripts
from agents.admission.command_runner import MOST_RUNS
from agents.admission.evidence import Refused
from agents.admission.executed import ExecutedEvidence
from agents.admission.gate import Gate
from agents.admission.gist_check import (
    EACH_AGAIN,
    EVIDENCE_CHARS,
    SAID_CHARS,
    answer_checker,
    read_verdicts,
)
from harness.board.evidence import EVIDENCE
from harness.board.protocols import Link, Proposal
from harness.board.sqlite.board import SqliteBoard
from harness.board.vocabulary import BOARD
from harness.errors import (
    ConversationRefused,
    ModelUnavailable,
    SandboxError,
    SandboxLost,
    SandboxUnavailable,
)
from harness.runner.check_cache import FileCheckCache
from harness.types import ExecResult, Reply, ToolCall

SOURCE = b"import os\n\n\ndef add(a, b):\n    return a - b\n"
QUOTE = {"form": "span", "path": "core.py", "line": 4, "quote": "def add(a, b):\n    return a - b"}
DIFF = "--- a/core.py\n+++ b/core.py\n@@ -5 +5 @@\n-    return a - b\n+    return a + b\n"
SHOWS = "python -c 'import core; assert core.add(1, 1) == 2'"
PATCH = {"form": "patch", "diff": DIFF, "command": SHOWS}

Act = Callable[["Played", str, dict[str, str]], ExecResult]


def ran(output: str = "", status: int | None = 0, seconds: float = 1.2, **more: Any) -> ExecResult:
    return ExecResult(
        exit_status=status, output=output, output_bytes=len(output), seconds=seconds, **more
    )


def failing_at_base(box: "Played", command: str, env: dict[str, str]) -> ExecResult:
    return ran("1 passed in 0.1s") if box.diff_applied else ran("AssertionError: it is 0", 1)


class Played:
    """A sandbox whose commands are answered by `act`; git's part of admission is played too."""

    def __init__(self, act: Act = failing_at_base, parent: "Played | None" = None) -> None:
        self.act = parent.act if parent else act
        self.parent = parent
        self.open: set[Played] = parent.open if parent else set()
        self.asked: list[tuple[str, str, str]] = parent.asked if parent else []
        self.forks = 0
        self.most = 0  # that were open at a time
        self.broken = False
        self.delay = parent.delay if parent else 0.0
        self.diff_applied = ""
        self._written = ""

    async def fork(self) -> "Played":
        await anyio.lowlevel.checkpoint()
        assert self.parent is None, "only the pristine one is forked"
        if self.broken:
            raise SandboxUnavailable("the daemon is gone")
        self.forks += 1
        child = Played(parent=self)
        self.open.add(child)
        self.most = max(self.most, len(self.open))
        return child

    async def close(self) -> None:
        await anyio.lowlevel.checkpoint()
        self.open.discard(self)

    async def read(self, path: str, **_: Any) -> bytes:
        if path != "core.py":
            raise SandboxError(f"{path}: there is no such file")
        plus = SOURCE.replace(b"a - b", b"a + b")
        return plus if self.diff_applied else SOURCE

    async def write(self, path: str, data: bytes) -> None:
        assert self.parent is not None, "nothing is written into the pristine one"
        self._written = data.decode()

    async def exec(self, command: str, *, env: Any = None, **_: Any) -> ExecResult:
        assert self.parent is not None, "nothing runs in the pristine one"
        if command.startswith(sandbox_scripts.APPLY):
            if "does not apply" in self._written:
                return ran("error: patch failed: core.py:5", sandbox_scripts.CANNOT_APPLY)
            self.diff_applied = self._written
            return ran()
        if command == sandbox_scripts.CHANGES:
            return ran("OjEwMDY0NCAxMDA2NDQgYSBiIE0AY29yZS5weQA=")  # M core.py
        if command.startswith("python - "):
            return ran("\nDELM[]")
        if command in (sandbox_scripts.EMPTY, "true"):
            return ran()
        self.asked.append((self.diff_applied, command, env["PYTHONHASHSEED"]))
        await anyio.sleep(self.delay)
        return self.act(self, command, env)


class Bench:
    """A gate, its sandbox and its context."""

    def __init__(
        self, folder: Any, act: Act = failing_at_base, *, checker: Any = None, **how: Any
    ) -> None:
        self.box = Played(act)
        self.board = SqliteBoard(folder / f"{id(self)}.db")
        self.context = self.board.of(1).context
        settings = {"command_s": 9, "time_limit_s": 9, "count_tokens": lambda s: len(s.split())}
        self.checks = ExecutedEvidence(self.box, self.context, **settings | how)
        self.gate = Gate(self.context, self.checks.by_form(), checker=checker)
        self._count = 0

    async def say(self, kind: Any, evidence: Any, gist: str = "", **more: Any) -> Any:
        return await self.gate.submit(self._proposal(kind, evidence, gist, **more))

    async def say_all(self, *findings: tuple[Any, Any, str]) -> list[Any]:
        return await self.gate.submit_all([self._proposal(*finding) for finding in findings])

    def _proposal(self, kind: Any, evidence: Any, gist: str = "", **more: Any) -> Proposal:
        self._count += 1
        fields = {"summary": "", "author": "agent-1", "task": "localize-1"} | more
        gist = gist or f"Finding {self._count}"
        made = EVIDENCE.validate_python(evidence)
        return Proposal(kind=kind, gist=gist, evidence=made, **fields)

    async def refusal(self, *args: Any, **more: Any) -> str:
        ruling = await self.say(*args, **more)
        assert (ruling.settled, ruling.entry) == ("rejected", None)
        assert ruling.reason
        return ruling.reason


@pytest.fixture
def bench(tmp_path):
    made: list[Bench] = []

    def make(act: Act = failing_at_base, **how: Any) -> Bench:
        made.append(Bench(tmp_path, act, **how))
        return made[-1]

    yield make
    for one in made:
        assert one.box.open == set()
        one.board.close()


def command(
    text: str = SHOWS, status: int = 1, output: str = "it is 0", state: str = "base"
) -> Any:
    return {
        "form": "command", "command": text, "exit_status": status, "output": output, "state": state,
    }  # fmt: skip


async def test_a_span_that_stands_there_is_admitted_with_the_lines_around_it(bench):
    here = bench()
    ruling = await here.say("FACT", QUOTE, gist="`add` subtracts.")
    assert (ruling.settled, ruling.entry.label) == ("admitted", "F1")
    assert ruling.entry.raw.startswith("core.py:4-5 (base)\n     1  import os\n")
    assert here.box.forks == 0


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"line": 3}, "not begin at line 3 of core.py but at 4"),
        ({"quote": "def add(a, b):\n    return a + b"}, "does not stand in core.py"),
        ({"path": "other.py"}, "other.py: there is no such file"),
        ({"state": "P7"}, "neither 'base' nor the label of a PATCH entry"),
    ],
)
async def test_a_span_that_does_not_is_refused_with_what_stands_there(bench, change, why):
    assert why in await bench().refusal("FACT", QUOTE | change)


async def test_a_command_runs_in_new_forks_with_hash_seeds_that_nobody_can_know(bench):
    here = bench(lambda *_: ran("AssertionError: it is 0", 1, seconds=1.5))
    assert (await here.say("FACT", command())).settled == "admitted"
    assert [(diff, text) for diff, text, _ in here.box.asked] == [("", SHOWS)] * 2
    cheap = bench(lambda *_: ran("the value is 7", seconds=0.01))
    claim = command(status=0, output="the value is 7")
    assert (await cheap.say("FACT", claim)).settled == "admitted"
    seeds = [seed for *_, seed in cheap.box.asked]
    assert seeds[0] == "0"
    assert len(set(seeds)) == MOST_RUNS
    asked = 2  # one whose calls cannot be watched here, and one for the names of its modules
    assert cheap.box.forks == MOST_RUNS + asked


async def test_the_same_question_is_not_run_again_and_askers_at_once_share_the_answer(bench):
    here = bench()
    here.box.delay = 0.02
    async with anyio.create_task_group() as group:
        for number in range(4):
            group.start_soon(here.say, "FACT", command(), f"gist {number}")
    await here.say("FACT", command(output="AssertionError"))
    assert await here.checks.run_on("", SHOWS)
    assert len(here.box.asked) == 2


@pytest.mark.parametrize(
    ("claim", "why"),
    [
        (command(output="it is 3"), "'it is 3' is not there"),
        (command(status=0), "exit status 0 is claimed, and in a clean copy in the state 'base' it"),
        (command(output=""), "printed something; give in `output` what of it matters"),
        (command(status=127, output="not found"), "ran nothing at all"),
    ],
)
async def test_a_command_that_does_something_else_is_refused_with_what_it_did(bench, claim, why):
    reason = await bench().refusal("FACT", claim)
    assert why in reason


async def test_runs_that_disagree_are_flaky(bench):
    def by_hash(box: Any, command: str, env: dict[str, str]) -> ExecResult:
        return ran("['a', 'b']" if env["PYTHONHASHSEED"] in "012" else "['b', 'a']", seconds=0.1)

    here = bench(by_hash)
    assert "flaky" in await here.refusal("FACT", command(status=0, output="['a', 'b']"))
    flips = iter([0, 1, 0, 1])
    coin = bench(lambda *_: ran("it came", next(flips)))
    assert "flaky" in await coin.refusal("FACT", command(status=0, output="it came"))
    assert not (await coin.checks.run_on("", SHOWS)).stable
    assert len(coin.box.asked) == 2


async def test_a_command_that_says_the_same_without_the_code_is_refused(bench):
    here = bench(lambda *_: ran("the bug is in core.py", seconds=1))
    claim = command("echo the bug is in core.py", 0, "the bug is in core.py")
    assert "spells its own expected output" in await here.refusal("FACT", claim)


async def test_a_patch_that_fails_before_and_passes_after_is_a_state_from_then_on(bench):
    here = bench()
    patch = await here.say("PATCH", PATCH)
    assert (patch.settled, patch.entry.label, patch.entry.raw) == ("admitted", "P1", DIFF)
    assert [(diff, cmd) for diff, cmd, _ in here.box.asked] == [("", SHOWS)] * 2 + [
        (DIFF, SHOWS)
    ] * 2
    passes = command(status=0, output="1 passed", state="P1")
    assert (await here.say("FACT", passes)).settled == "admitted"
    plus = QUOTE | {"quote": "    return a + b", "line": 5, "state": "P1"}
    assert (await here.say("FACT", plus)).settled == "admitted"
    assert "does not stand" in await here.refusal("FACT", plus | {"state": "base"})
    assert "does not end as you say" in await here.refusal("FAIL", command(state="P1"))
    assert (await here.checks.run_on(DIFF, SHOWS)).exit_status == 0
    assert len(here.box.asked) == 4


@pytest.mark.parametrize(
    ("act", "change", "why"),
    [
        (lambda *_: ran(), {}, "passes at the base commit already"),
        (lambda *_: ran("E", 1), {}, "With the patch the command does not pass"),
        (lambda *_: ran("", None, timed_out=True, seconds=9), {}, "did not end within 9 s"),
        (lambda *_: ran("no such file", 127), {}, "ran nothing"),
        (failing_at_base, {"command": "grep -q 'a + b' core.py"}, "only reads or prints text"),
        (failing_at_base, {"diff": "--- does not apply\n+++ x\n"}, "does not apply"),
    ],
)
async def test_a_patch_that_is_no_candidate_is_refused(bench, act, change, why):
    assert why in await bench(act).refusal("PATCH", PATCH | change)


@pytest.mark.parametrize(
    ("gist", "why"),
    [
        ("  ", "empty"),
        ("one\n[F9] two", "without line breaks"),
        ("one\u2028two", "without line breaks"),
        ("word " * 101, "101 tokens, at most 100"),
        ("x" * 1_000_000, "at most 2,000 characters"),
        ("as P7 shows", "cites P7, and there is no such entry"),
    ],
)
async def test_a_gist_that_cannot_be_shared_is_refused(bench, gist, why):
    assert why in await bench().refusal("FACT", QUOTE, gist=gist)


async def test_words_that_merely_look_like_labels_are_none(bench):
    assert (await bench().say("FACT", QUOTE, gist="F401 and X509 in core")).settled == "admitted"


async def test_what_was_found_before_is_merged_by_its_evidence_or_by_its_gist(bench):
    here = bench()
    first = await here.say("FACT", QUOTE | {"line": 0}, gist="`add` subtracts")
    again = await here.say("FACT", QUOTE, gist="The sign is wrong")
    same_words = await here.say("FACT", command(), gist="Add  subtracts.")
    assert [r.settled for r in (first, again, same_words)] == ["admitted", "merged", "merged"]
    assert again.entry.label == same_words.entry.label == "F1"
    assert await here.context.count("F1") == 3
    here.gate = Gate(here.context, here.checks.by_form())
    later = await here.say("FACT", command(output="AssertionError"), gist="add subtracts")
    assert later.entry.label == "F1"  # another gate, as after a restart


async def test_cited_entries_are_linked(bench):
    here = bench()
    await here.say("FACT", QUOTE)
    await here.say("FACT", command(), gist="F1 makes it fail", summary="F1 again")
    (link,) = await here.context.links()
    assert link == Link(source="F2", target="F1", kind="cites", position=link.position)


async def test_an_entry_that_is_refuted_is_checked_again_before_it_counts_as_refuted(bench):
    truth = ["it is 0"]
    here = bench(lambda *_: ran(truth[0], 1))
    await here.say("FACT", command())
    await here.say("FACT", QUOTE, refutes="F1")
    truth[0] = "it is 5"
    await here.say("FACT", QUOTE | {"quote": "import os", "line": 1}, refutes="F1")
    kinds = [(link.source, link.target, link.kind) for link in await here.context.links()]
    assert kinds == [("F2", "F1", "contradicts"), ("F3", "F1", "refutes")]
    assert "names 'F9', which is no entry" in await here.refusal("FACT", QUOTE, refutes="F9")


async def test_a_check_that_takes_too_long_is_refused_and_leaves_nothing(bench):
    here = bench(time_limit_s=0.05)
    here.box.delay = 5
    with anyio.fail_after(3):
        assert "longer than 0.05 s" in await here.refusal("FACT", command())
        with pytest.raises(Refused, match=re.escape("longer than 0.05 s")):
            await here.checks.run_on("", SHOWS)
    assert here.box.open == set()


async def test_a_cancelled_check_closes_its_forks_and_the_next_one_asks_anew(bench):
    here = bench()
    here.box.delay = 5
    with anyio.move_on_after(0.05):
        await here.say("FACT", command())
    assert here.box.open == set()
    here.box.delay = 0
    assert (await here.say("FACT", command())).settled == "admitted"


@pytest.mark.parametrize("at_once", [2, 4])
async def test_so_many_checks_run_at_a_time(bench, at_once):
    here = bench(at_once=at_once)
    here.box.delay = 0.02
    async with anyio.create_task_group() as group:
        for number in range(5):
            group.start_soon(here.say, "FACT", command(f"{SHOWS} {number}"))
    assert here.box.most == at_once


async def test_a_broken_machine_is_raised_and_the_row_says_why(bench):
    here = bench()
    here.box.broken = True
    with pytest.raises(SandboxUnavailable):
        await here.say("FACT", command())
    with pytest.raises(SandboxUnavailable):
        await here.checks.run_on("", SHOWS)
    here.box.broken = False
    assert (await here.say("FACT", command())).settled == "admitted"


async def test_a_command_that_ends_its_sandbox_is_the_commands_fault_not_the_machines(bench):
    def dies(*_: Any) -> ExecResult:
        raise SandboxLost("the sandbox ended")

    assert "it was killed" in await bench(dies).refusal("FACT", command())


async def test_without_verification_whatever_parses_is_admitted_and_still_merged(bench):
    here = bench(verify=False)
    wrong = QUOTE | {"quote": "not there"}
    assert (await here.say("FACT", wrong, gist="a thing that cites X7")).settled == "admitted"
    assert (await here.say("FACT", wrong)).settled == "merged"
    assert (await here.say("PATCH", PATCH, refutes="F1")).settled == "admitted"
    assert [link.kind for link in await here.context.links()] == ["refutes"]
    assert [row["unverified"] for row in await here.board.proposals(1)] == [1, 1, 1]
    assert "100 are taken" in await here.refusal("FACT", wrong, gist="word " * 101)
    assert here.box.asked == []


class Answers:
    """A model that gives its answers in turn."""

    def __init__(self, *answers: str | Reply | Exception) -> None:
        self.answers = list(answers)
        self.conversations: list[tuple[str, str]] = []
        self.asked: list[Any] = []

    def __call__(self, conversation: str, agent: str) -> "Answers":
        self.conversations.append((conversation, agent))
        return self

    async def complete(self, messages: Any, tools: Any) -> Reply:
        assert tools == []
        self.asked.append(list(messages))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Reply) else Reply(content=answer)


async def test_a_model_may_refuse_a_gist_that_says_more_than_its_evidence(bench):
    model = Answers("APPROVED", "WRONG: it says always.", "Hm.", "1: APPROVED", "Hm.", "Hm.")
    here = bench(checker=answer_checker(model))
    said = await here.say("FACT", QUOTE, gist="`add` subtracts", summary="With `-`.")
    assert said.settled == "admitted"
    prompt = model.asked[0][0]["content"]
    assert "<finding>\n`add` subtracts\n\nSummary: With `-`.\n</finding>" in prompt
    assert "     5      return a - b" in prompt
    reason = await here.refusal("FACT", command(), gist="It always fails")
    assert reason == "The gist says more than its evidence: it says always."
    assert (await here.say("FACT", command(), gist="It fails")).settled == "admitted"
    assert "unreadable" in await here.refusal(
        "FACT", command(output="AssertionError..."), gist="It is broken"
    )
    assert len(set(model.conversations)) == 4


async def test_all_findings_of_an_answer_are_compared_in_one_call_under_their_author(bench):
    model = Answers("1. APPROVED\n2. WRONG: it was read in one place.")
    here = bench(checker=answer_checker(model))
    true, false, unseen = await here.say_all(
        ("FACT", QUOTE, "`add` subtracts"),
        ("FACT", command(), "All of it fails"),
        ("FACT", QUOTE | {"line": 1}, "it stands elsewhere"),
    )
    assert true.settled == "admitted"
    assert false.reason == "The gist says more than its evidence: it was read in one place."
    assert "not begin at line 1" in unseen.reason
    (asked,) = model.asked
    assert asked[0]["content"].count("<finding>") == 2
    assert "it stands elsewhere" not in asked[0]["content"]
    assert model.conversations == [("gist-check.localize-1.1", "agent-1")]
    assert await here.say_all(("FACT", QUOTE | {"line": 2}, "no")) != []
    assert len(model.asked) == 1, "what does not hold is compared with nothing"


async def test_what_the_board_itself_says_is_compared_with_nothing(bench):
    model = Answers()
    here = bench(checker=answer_checker(model))
    assert (await here.say("FACT", command(), author=BOARD)).settled == "admitted"
    assert model.asked == []


async def test_a_finding_that_says_more_is_admitted_in_words_that_its_evidence_shows(bench):
    model = Answers(
        "1 REWRITE: `add` subtracts, see F7\n2 REWRITE: \n3 REWRITE:  It  fails. ",
        f"1 REWRITE: `add` subtracts\n2 REWRITE: {'x' * 2_000}",
        "APPROVED",
    )
    here = bench(checker=answer_checker(model))
    cited = await here.say_all(
        ("FACT", QUOTE, "`add` is the fault everywhere"),
        ("FACT", command(output="AssertionError..."), "All of it is broken"),
        ("FACT", command(), "It always fails"),
    )
    assert [ruling.settled for ruling in cited] == ["rejected", "rejected", "admitted"]
    assert "unreadable" in cited[0].reason, "it names an entry that its author did not name"
    assert cited[2].entry.gist == "It fails."
    assert cited[2].entry.summary == ""
    (kept,) = [row for row in await here.board.proposals(1) if row["settled"] == "admitted"]
    assert kept["gist"] == "It always fails", "what its author said is kept"


async def test_what_will_be_merged_is_compared_with_nothing(bench):
    model = Answers("APPROVED", "APPROVED")
    here = bench(checker=answer_checker(model))
    await here.say("PATCH", PATCH, gist="mended")
    again = await here.say("PATCH", PATCH, gist="the best of all patches")
    assert again.settled == "merged"
    assert len(model.asked) == 1
    other = PATCH | {"diff": DIFF.replace("a + b", "b + a")}
    assert (await here.say("PATCH", other, gist="mended the other way")).settled == "admitted"
    assert len(model.asked) == 2


async def test_a_patch_is_compared_with_its_diff_and_its_command_within_bounds(bench):
    model = Answers("APPROVED")
    here = bench(checker=answer_checker(model))
    long = DIFF.replace("+    return a + b", "+    return a + b" + "  # much" * 4_000)
    assert (await here.say("PATCH", PATCH | {"diff": long})).settled == "admitted"
    prompt = model.asked[0][0]["content"]
    assert SHOWS in prompt
    assert "+    return a + b" in prompt
    assert len(prompt) < 2 * EVIDENCE_CHARS + SAID_CHARS


async def test_what_stays_unanswered_is_asked_again_and_the_rest_is_known(bench):
    model = Answers("1 APPROVED\n2 APPROVED\n2 WRONG: no", "2 APPROVED")
    here = bench(checker=answer_checker(model))
    first, second = await here.say_all(
        ("FACT", QUOTE, "`add` subtracts"), ("FACT", command(), "It fails")
    )
    assert (first.settled, second.settled) == ("admitted", "admitted")
    assert model.asked[1][2] == {"role": "user", "content": EACH_AGAIN}


async def test_one_text_that_the_provider_refuses_takes_no_other_finding_with_it(bench):
    model = Answers(
        ConversationRefused("no"), "APPROVED", ConversationRefused("no"),
    )  # fmt: skip
    here = bench(checker=answer_checker(model))
    first, second = await here.say_all(
        ("FACT", QUOTE, "`add` subtracts"), ("FACT", command(), "It fails")
    )
    assert first.settled == "admitted"
    assert "refuses this text" in second.reason


async def test_a_checking_model_that_calls_a_tool_is_asked_again_without_the_call(bench):
    calls = (ToolCall(id="c1", name="bash", arguments="{}"),)
    model = Answers(Reply(content="I look.", tool_calls=calls), "APPROVED")
    here = bench(checker=answer_checker(model))
    assert (await here.say("FACT", QUOTE, gist="`add` subtracts")).settled == "admitted"
    assert model.asked[1][1] == {"role": "assistant", "content": "I look."}


async def test_a_false_proposal_is_never_shown_to_the_model(bench):
    model = Answers()
    await bench(checker=answer_checker(model)).refusal("FACT", QUOTE | {"line": 1})
    assert model.asked == []


async def test_a_model_that_fails_is_raised_and_the_row_is_settled(bench):
    here = bench(checker=answer_checker(Answers(ModelUnavailable("down"), "APPROVED")))
    with pytest.raises(ModelUnavailable):
        await here.say("FACT", QUOTE)
    assert (await here.say("FACT", QUOTE)).settled == "admitted"


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("1 APPROVED\n2 WRONG: no", {1: "", 2: "The gist says more than its evidence: no"}),
        (
            "1) APPROVED.\n\n**2.** WRONG - no",
            {1: "", 2: "The gist says more than its evidence: no"},
        ),
        ("Finding 1: APPROVED", {1: ""}),
        ("APPROVED\nAPPROVED", {}),
        ("1 APPROVED\n1 WRONG: no\n3 APPROVED\n0 APPROVED", {}),
        ("1 APPROVED\n1 APPROVED", {1: ""}),
    ],
)
def test_an_answer_counts_by_numbered_lines_and_contradictions_not_at_all(answer, found):
    read = {number: compared.reason for number, compared in read_verdicts(answer, 2).items()}
    assert read == found


async def test_an_entry_says_whether_its_check_was_executed_or_remembered(bench, tmp_path):
    folder = tmp_path / "checks"
    rows = []
    for _ in range(2):  # as two trials would ask
        here = bench(check_cache=FileCheckCache(folder))
        await here.say("FACT", command())
        rows += await here.board.proposals(1)
        (admitted,) = [e for e in await here.board.events(1) if e["what"] == "admitted"]
        assert admitted["detail"]["remembered"] == rows[-1]["remembered"]
        assert bool(here.box.asked) == (not rows[-1]["remembered"])
    assert [row["remembered"] for row in rows] == [0, 1]
    assert "exit status" in await here.refusal("FACT", command(status=0))
    assert (await here.board.proposals(1))[-1]["remembered"] is None


@pytest.mark.parametrize(
    ("ends", "kept"),
    [
        ({}, True),
        ({"exit_status": None, "timed_out": True}, False),
        ({"exit_status": None, "flooded": True}, False),
        ({"exit_status": 137, "memory_kills": 1}, False),
        ({"exit_status": None}, False),  # it ended its sandbox
    ],
)
async def test_what_a_limit_ended_is_not_kept_for_later_trials(bench, tmp_path, ends, kept):
    def act(box: Played, command: str, env: Any) -> ExecResult:
        return replace(ran(), **ends)

    check_cache = tmp_path / "memo"
    for _ in range(2):  # as two trials would ask
        here = bench(act, check_cache=FileCheckCache(check_cache))
        outcome = await here.checks.run_on("", SHOWS)
        assert outcome.cut_short == (not kept)
    asked_again = bool(here.box.asked)
    assert asked_again == (not kept)
