"""Rows of a board made by hand, and boards that were driven by chance."""

import random
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import anyio

from harness.analysis.narrative import TrialRecord
from harness.analysis.run_costs import TrialCost
from harness.board.evidence import Command, Patch, Quotations, Span
from harness.board.protocols import BoardRefused, LeaseLost, Link, NewTask, Proposal
from harness.board.sqlite.board import SqliteBoard
from harness.pages.trial_data import TrialData
from harness.store.rows import RunRows

KINDS = ("localize", "patch", "test")


def event(number: int, what: str, actor: str, subject: str, **detail: Any) -> dict[str, Any]:
    return {"number": number, "at": 100.0 + number, "actor": actor, "what": what,
            "subject": subject, "detail": detail}  # fmt: skip


def task(label: str, **more: Any) -> dict[str, Any]:
    plain = {"label": label, "kind": label.partition("-")[0], "text": "do it", "state": "open",
             "priority": 0, "after": (), "preferred": "", "excluded": "[]", "subject": "",
             "created_by": "", "holder": "", "attempts": 0, "result": {}}  # fmt: skip
    return plain | more


def entry(label: str, work: str, author: str, **more: Any) -> dict[str, Any]:
    kinds = {"F": "FACT", "X": "FAIL", "C": "CONSTRAINT", "P": "PATCH"}
    plain = {"trial_id": 1, "position": int(label[1:]), "label": label, "key": label,
             "proposal": int(label[1:]), "at": 110.0, "author": author, "task": work,
             "kind": kinds[label[0]], "gist": f"gist of {label}", "summary": "", "raw": "x = 1",
             "evidence": Span(path="a.py", line=3, quote="x = 1")}  # fmt: skip
    return plain | more


def proposal(number: int, author: str, work: str, **more: Any) -> dict[str, Any]:
    plain = {"trial_id": 1, "number": number, "at": 105.0, "author": author, "task": work,
             "kind": "FACT", "gist": f"gist of F{number}", "summary": "",
             "evidence": Span(path="a.py", line=3, quote="x = 1"), "refutes": "",
             "settled": "admitted", "settled_at": 110.0, "seconds": 0.5, "entry": f"F{number}",
             "unverified": 0, "remembered": 0, "reason": ""}  # fmt: skip
    return plain | more


def call(number: int, conversation: str, agent: str, **more: Any) -> dict[str, Any]:
    plain = {"call_id": number, "trial_id": 1, "system": "delm", "instance_id": "a__a-1",
             "trial": 0, "attempt": 0, "conversation": conversation, "agent": agent,
             "position": number, "model": "m", "prompt_sha256": "0" * 64, "repeated": 0.5,
             "attempts": 1, "latency_s": 1.5, "error": "", "reply": None,
             "started_at": "2026-01-01T00:00:00.000+00:00",
             "ended_at": "2026-01-01T00:00:02.000+00:00", "began": 1, "ended": 2,
             "paid_call": None, "cut": 0, "tools_sha256": None, "outcome": "ok",
             "cost_usd": 0.25, "charged_usd": 0.25, "reserved_usd": 1.0, "prompt_tokens": 1000,
             "cached_tokens": 400, "cache_write_tokens": 100, "completion_tokens": 50,
             "reasoning_tokens": 10}  # fmt: skip
    return plain | more


def record(**rows: Any) -> TrialRecord:
    nothing: dict[str, Any] = dict.fromkeys(
        ("tasks", "entries", "links", "events", "proposals", "calls", "submissions", "shown"), ()
    )
    return TrialRecord(**nothing | rows)


def trial_of(
    found: TrialRecord, messages: Mapping[str, Any] | None = None, costs: Any = (), **more: Any
) -> TrialData:
    """The trial 1 with these rows."""
    trial: Any = {"trial_id": 1, "system": "delm", "instance_id": "a__a-1", "number": 0,
                  "attempt": 0, "state": "done", "repo": "a/a", "difficulty": "", "length": "",
                  "agents": 2, "wanted": 2, "submits": "shared", "owner": "", "reason": "",
                  "detail": "", "sandbox": "", "image": "", "audit": "", "started_at": None,
                  "finished_at": None, "seconds": 10.0, "position": 0} | more  # fmt: skip
    run = RunRows(
        facts={"id": "run"}, trials=[trial], calls=found.calls, submissions=found.submissions,
        spans=(),
    )  # fmt: skip
    kept: dict[str, Any] = {"trial": trial, "messages": messages or {}, "record": found,
                            "costs": costs, "kinds": {}}  # fmt: skip
    cost = TrialCost(**{each.name: () for each in fields(TrialCost)} | kept)
    others: dict[str, Any] = {each.name: () for each in fields(TrialData)}
    return TrialData(**others | {"run": run, "cost": cost, "text": None, "first_checks": {}})


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


EVIDENCE = (
    Span(path="a.py", line=3, quote="é = 1"),
    Command(command="true", exit_status=0, output="ok"),
    Patch(diff="--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x\n+y\n", command="false"),
    Quotations(quotations=()),
)


def driven(path: Path, seed: int, moves: int = 80) -> TrialRecord:
    """What a board in a new file holds after so many moves of three agents, made by chance."""
    return anyio.run(_driven, path, seed, moves)


async def _driven(path: Path, seed: int, moves: int) -> TrialRecord:
    chance, clock = random.Random(seed), Clock()
    boards = SqliteBoard(path, clock=clock)
    try:
        queue, context = boards.of(1).queue, boards.of(1).context
        claims: dict[str, Any] = {}
        waiting: list[int] = []
        for number in range(moves):
            clock.now += chance.choice((0.1, 1.0, 9.0))
            agent = chance.choice(("ann", "bob", "cid"))
            move = chance.randrange(9)
            try:
                await _move(move, number, agent, queue, context, chance, claims, waiting)
            except (BoardRefused, LeaseLost):
                claims.pop(agent, None)
        return TrialRecord(
            tasks=await boards.tasks(1), entries=await boards.entries(1),
            links=await boards.links(1), events=await boards.events(1),
            proposals=await boards.proposals(1), shown=await boards.shown(1),
            calls=[call(n, f"talk-{who}", who) for n, who in enumerate(("ann", "bob", "cid"))],
            submissions=(),
        )  # fmt: skip
    finally:
        boards.close()


async def _move(
    move: int, number: int, agent: str, queue: Any, context: Any, chance: random.Random,
    claims: dict[str, Any], waiting: list[int],
) -> None:  # fmt: skip
    if move == 0:
        known = [one.label for one in await queue.tasks()]
        after = tuple(chance.sample(known, min(len(known), chance.randrange(3))))
        await queue.put(NewTask(kind=chance.choice(KINDS), text=f"{number}", after=after), by=agent)
    elif move in (1, 2):
        claim = await queue.claim(agent, lease_s=10.0)
        claims |= {agent: claim} if claim else {}
    elif move == 3 and agent in claims:
        await queue.finish(claims.pop(agent), state=chance.choice(("done", "done", "failed")))
    elif move == 4 and agent in claims:
        await queue.release(claims.pop(agent), reason="tired")
    elif move == 5:
        evidence, kind = chance.choice(EVIDENCE), chance.choice(("FACT", "PATCH", "FAIL"))
        made = Proposal(kind=kind, gist=f"g{number}", summary="", evidence=evidence, author=agent,
                        task="localize-1")  # fmt: skip
        waiting.append(await context.propose(made))
    elif move in (6, 7) and waiting:
        one = waiting.pop(0)
        if chance.random() < 0.3:
            await context.reject(one, reason="no", seconds=0.1)
        else:
            await context.admit(one, key=str(one % 5), raw="raw", seconds=0.1)
    elif move == 8 and (entries := await context.entries()):
        label = chance.choice(entries).label
        await context.note_shown(f"talk-{agent}", [label], chance.choice(("gist", "raw")))
        await context.link(Link(source="localize-1", target=label, kind="cites"))
        await _cancel_or_release(agent, queue, chance)


async def _cancel_or_release(agent: str, queue: Any, chance: random.Random) -> None:
    tasks = await queue.tasks()
    open_ones = [one.label for one in tasks if one.state == "open"]
    if open_ones and chance.random() < 0.2:
        await queue.cancel(chance.choice(open_ones), by=agent, reason="not needed")
    elif open_ones:
        await queue.release_waiting(chance.choice(tasks).label)
