"""The gate between a proposed entry and the shared context: what it says is executed again.

Not covered: whether a gist says more than its evidence shows. `gist_checker` makes the optional
checker that asks a model for that.
"""

import json
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import anyio

from agents.admission.checks import CheckResult, check, unchecked
from agents.admission.command_runner import CommandOutcome, CommandRunner
from agents.admission.evidence import (
    Command,
    Evidence,
    Patch,
    Refused,
    Span,
    normal_gist,
    parse,
)
from agents.admission.gist_check import GIST_TOKENS, Checker, gist_checker
from harness.board.protocols import BoardRefused, Entry, Link, Proposal, Ruling, SharedContext
from harness.board.vocabulary import BASE, ENTRY_LABEL, EntryKind, LinkKind, Settled
from harness.errors import LimitReached, ModelError, SandboxError, SandboxLost, SandboxUnavailable
from harness.protocols import CheckCache, Sandbox
from harness.types import ExecResult

__all__ = ["Checker", "CommandOutcome", "Gate", "Refused", "TooLong", "gist_checker"]

AT_ONCE = 2  # checks
RECIPE = 1  # raise it when a check changes: what was kept before is not believed then
SUMMARY_CHARS = 8_000
MOST_LIKELY = 99  # a number beyond it that names no entry is something else: X509, F401
LINE_END = re.compile("[\n\r\v\f\x00\x1c-\x1e\x85\u2028\u2029]")


class Gate:
    """Admits what holds when it is executed in a clean fork of `pristine`, and says why not.

    `command_s` is for one run of a command, `time_limit_s` for one whole check after it has begun.
    Any number of tasks may call; two checks run at a time. `apart`: what one agent has found is
    none of another's business, so that nothing is merged into another agent's entry. What held is
    kept in `check_cache`, and believed when the same is asked in the same state again.
    """

    def __init__(
        self,
        pristine: Sandbox,
        context: SharedContext,
        *,
        command_s: float,
        time_limit_s: float,
        count_tokens: Callable[[str], int],
        verify: bool = True,
        apart: bool = False,
        checker: Checker | None = None,
        check_cache: CheckCache | None = None,
    ) -> None:
        self._context = context
        self._runs = CommandRunner(pristine, command_s=command_s)
        self._time_limit_s = time_limit_s
        self._count_tokens = count_tokens
        self._verify = verify
        self._apart = apart
        self._checker = checker
        self._check_cache = check_cache
        self._command_s = command_s
        self._slots = anyio.Semaphore(AT_ONCE)
        self._settling = anyio.Lock()  # two equal gists: the second has to find the first
        self._keys: dict[str, str] = {}  # by label

    async def submit(self, proposal: Proposal) -> Ruling:
        """Keep a proposal, check it, and settle it.

        Raises `SandboxUnavailable`, and what the checker raises, after rejecting it: that the
        machine or the model failed says nothing of the proposal.
        """
        try:
            number = await self._context.propose(proposal)
        except BoardRefused as refusal:  # more than the board keeps: there is no row of it
            return Ruling(settled=Settled.REJECTED, entry=None, reason=f"{refusal}. Shorten it.")
        began = anyio.current_time()
        try:
            seen = await self._judge(proposal)
        except (Refused, SandboxError, SandboxLost) as refusal:
            return await self._context.reject(
                number, reason=str(refusal), seconds=anyio.current_time() - began
            )
        except (SandboxUnavailable, ModelError, LimitReached) as broken:
            reason = f"It could not be checked: {broken}"
            with anyio.CancelScope(shield=True):
                await self._context.reject(
                    number, reason=reason, seconds=anyio.current_time() - began
                )
            raise
        async with self._settling:
            key = await self._key(proposal, seen.key)
            ruling = await self._context.admit(
                number,
                key=key,
                raw=seen.raw,
                seconds=anyio.current_time() - began,
                verified=self._verify,
            )
            if ruling.entry is not None:
                self._keys.setdefault(ruling.entry.label, key)
        await self._link(proposal, ruling)
        return ruling

    async def run(self, state: str, command: str) -> CommandOutcome:
        """What `command` does at `base` or with the PATCH entry `state`.

        `Refused`: there is no such entry, or it took longer than the time limit.
        """
        return await self.run_on(await self._diff(state), command)

    async def run_on(self, diff: str, command: str) -> CommandOutcome:
        """What `command` does with `diff` and nothing else; an empty one is the base commit.

        `Refused`: the diff does not apply, or it took longer than the time limit.
        """
        question = self._question("run", diff, command)
        if (kept := await self._recall(question)) is not None:
            return CommandOutcome(runs=tuple(ExecResult(**run) for run in kept))
        async with self._slots:
            with anyio.move_on_after(self._time_limit_s):
                outcome = await self._runs.outcome(diff, command)
                if outcome.stable and not outcome.cut_short:
                    await self._keep(question, [asdict(run) for run in outcome.runs])
                return outcome
        raise self._too_long()

    def _question(self, what: str, diff: str, asked: Any) -> str:
        return json.dumps([RECIPE, what, self._command_s, diff, asked], sort_keys=True)

    async def _recall(self, question: str) -> Any:
        kept = await self._check_cache.recall(question) if self._check_cache else None
        return None if kept is None else json.loads(kept)

    async def _keep(self, question: str, answer: Any) -> None:
        if self._check_cache:
            await self._check_cache.keep(question, json.dumps(answer))

    async def _judge(self, proposal: Proposal) -> CheckResult:
        self._judge_words(proposal)
        evidence = parse(proposal.kind, proposal.evidence)
        if not self._verify:
            seen = unchecked(proposal.kind, evidence)
            return await self._judge_gist(proposal, evidence, seen, anyio.current_time())
        await self._judge_labels(proposal)
        async with self._slots:
            began = anyio.current_time()
            seen = await self._within(began, proposal.kind, evidence)
        return await self._judge_gist(proposal, evidence, seen, began)

    def _judge_words(self, proposal: Proposal) -> None:
        gist = proposal.gist.strip()
        if not gist:
            raise Refused("The gist is empty. Say in one sentence what was found.")
        if LINE_END.search(gist):
            raise Refused("The gist is one paragraph without line breaks. Put more into `summary`.")
        if len(proposal.summary) > SUMMARY_CHARS:
            raise Refused(f"The summary is longer than {SUMMARY_CHARS} characters. Shorten it.")
        tokens = len(gist) if len(gist) > 100 * GIST_TOKENS else self._count_tokens(gist)
        if tokens > GIST_TOKENS:
            raise Refused(
                f"The gist has {tokens} tokens, at most {GIST_TOKENS} are taken. Say the one thing "
                "that matters and put the rest into `summary`."
            )

    async def _judge_labels(self, proposal: Proposal) -> None:
        if proposal.refutes and await self._context.entry(proposal.refutes) is None:
            raise Refused(
                f"`refutes` names {proposal.refutes[:40]!r}, which is no entry. Give the label of "
                "the entry that this one contradicts, or leave it out."
            )
        for label in _cited(proposal):
            if int(label[1:]) <= MOST_LIKELY and await self._context.entry(label) is None:
                raise Refused(
                    f"The text cites {label}, and there is no such entry. Cite entries by the "
                    "labels that you were shown; spell it otherwise if it is not meant as one."
                )

    async def _within(
        self, began: float, kind: EntryKind, evidence: Evidence, *, fresh: bool = False
    ) -> CheckResult:
        with anyio.CancelScope(deadline=began + self._time_limit_s):
            state = BASE if isinstance(evidence, Patch) else evidence.state
            diff = await self._diff(state)
            question = self._question(kind, diff, asdict(evidence))
            if not fresh and (kept := await self._recall(question)) is not None:
                return CheckResult(**kept)
            seen = await check(self._runs, kind, evidence, diff, fresh=fresh)
            await self._keep(question, asdict(seen))
            return seen
        raise self._too_long()

    async def _judge_gist(
        self, proposal: Proposal, evidence: Evidence, seen: CheckResult, began: float
    ) -> CheckResult:
        if self._checker is None:
            return seen
        with anyio.CancelScope(deadline=began + self._time_limit_s):
            reason = await self._checker(proposal.gist, in_words(evidence, seen.raw))
            if reason:
                raise Refused(reason)
            return seen
        raise self._too_long()

    async def _diff(self, state: str) -> str:
        if state == BASE:
            return ""
        entry = await self._context.entry(state)
        if entry is None or entry.kind != EntryKind.PATCH:
            raise Refused(
                f"The state {state[:40]!r} is neither 'base' nor the label of a PATCH entry. Give "
                "one of these; changes in your own workspace are no state."
            )
        patch = parse(EntryKind.PATCH, entry.evidence)
        return patch.diff if isinstance(patch, Patch) else ""

    async def _key(self, proposal: Proposal, key: str) -> str:
        """`key`, or that of an entry of the same kind with the same gist."""
        gist = normal_gist(proposal.gist)
        if self._apart:
            key = f"{proposal.author}:{key}"
        for entry in await self._context.entries():
            if self._apart and entry.author != proposal.author:
                continue
            if entry.kind == proposal.kind and normal_gist(entry.gist) == gist:
                return self._keys.get(entry.label) or _key_again(entry) or key
        return key

    async def _link(self, proposal: Proposal, ruling: Ruling) -> None:
        if ruling.entry is None:
            return
        source = ruling.entry.label
        if ruling.settled == Settled.ADMITTED:
            for label in _cited(proposal):
                if label != source and await self._context.entry(label) is not None:
                    await self._context.link(Link(source=source, target=label, kind=LinkKind.CITES))
        refuted = await self._context.entry(proposal.refutes) if proposal.refutes else None
        if refuted is not None and refuted.label != source:
            holds = self._verify and await self._still_holds(refuted)
            await self._context.link(
                Link(
                    source=source,
                    target=refuted.label,
                    kind=LinkKind.CONTRADICTS if holds else LinkKind.REFUTES,
                )
            )

    async def _still_holds(self, entry: Entry) -> bool:
        """Check an entry's own evidence again; one that takes too long is not shown to be wrong."""
        async with self._slots:
            try:
                evidence = parse(entry.kind, entry.evidence)
                await self._within(anyio.current_time(), entry.kind, evidence, fresh=True)
            except TooLong:
                return True
            except (Refused, SandboxError, SandboxLost):
                return False
        return True

    def _too_long(self) -> "TooLong":
        return TooLong(
            f"The check took longer than {self._time_limit_s:g} s. Give a quicker command: one "
            "test instead of a whole suite."
        )


class TooLong(Refused):
    """A check was given up at its time limit."""


def in_words(evidence: Evidence, raw: str) -> str:
    """Evidence that holds, and what was seen, for whoever reads it beside its gist."""
    match evidence:
        case Span():
            return f"These lines of {evidence.path} in the state {evidence.state}:\n{raw}"
        case Command():
            return (
                f"In the state {evidence.state} the command\n{evidence.command}\nended with exit "
                f"status {evidence.exit_status} and printed:\n{raw}"
            )
        case Patch():
            return (
                f"The command\n{evidence.command}\nfails at the base commit and passes with this "
                f"patch:\n{raw[:20_000]}"
            )


def _cited(proposal: Proposal) -> list[str]:
    return list(dict.fromkeys(ENTRY_LABEL.findall(f"{proposal.gist}\n{proposal.summary}")))


def _key_again(entry: Entry) -> str:
    """The key under which another gate admitted `entry`, as far as it can be told."""
    try:
        evidence = parse(entry.kind, entry.evidence)
    except Refused:
        return ""
    heading = re.match(r".*:(\d+)-\d+ \(", entry.raw)
    if isinstance(evidence, Span) and heading:
        evidence = replace(evidence, line=int(heading[1]))
    return unchecked(entry.kind, evidence).key
