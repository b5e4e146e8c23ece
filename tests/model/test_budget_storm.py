"""Sixteen agents, answers that are late, dear, billed without being one: no cap is passed.

The server bills by itself, in what it answers and in what it never gets to answer; its sum is what
a provider's invoice would say.
"""

import json
import math
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from console import query
from model_bench import PRICE, SECRET
from played_run import Silent, item
from played_team import PlayedWorkspace
from scripted_model import Cut, Hang, Raw, ScriptedModel, Status
from team_script import task_of, turn_of

from agents.delm.options import DelmOptions
from agents.delm.system import Delm
from agents.single import Independent
from harness.benchmarks.swebench.benchmark import SweBench
from harness.board.sqlite.board import SqliteBoard
from harness.model.budget import TrialBudget
from harness.model.call_limit import CallLimit
from harness.model.client import ModelClient, RetryPolicy
from harness.model.litellm_backend import LitellmBackend
from harness.model.prices import cost
from harness.model.usage import parse_usage
from harness.protocols import System, Trial
from harness.runner.planning import RunSystem
from harness.runner.run import Run
from harness.store.ledger import EndedCall
from harness.store.sqlite.store import SqliteStore
from harness.types import Limits, Verdict

AGENTS = 16
TIMEOUT_S = 2.5
PATIENT = RetryPolicy(attempts=8, base_s=0.001, cap_s=0.005)
WEATHER = {
    "fine": 80,
    "refused": 6,
    "refused and billed": 3,
    "no choice": 3,
    "cut": 2,
    "hang": 1,
    "closed": 1,
}  # what becomes of a request, by weight
USELESS = ("no choice", "cut")
MOST_USELESS = 2  # to one request: the third in a row ends a trial, which another test shows
SHORT = DelmOptions(verification=False, turns={"patch": 6, "other": 4}, lease_s=5.0)
DUST = 1e-9  # floats do not add up in any order
pytestmark = [
    pytest.mark.slow(seconds=26),
    pytest.mark.anyio,
    # litellm makes the request's coroutine in a thread: who is cut off just then never awaits it
    pytest.mark.filterwarnings("ignore:.*OpenAIChatCompletion.acompletion"),
]


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("SCRIPTED_API_KEY", SECRET)


@dataclass
class Biller:
    """Answers as `says`, late and with what goes wrong at a provider, and keeps its own accounts.

    Every draw is the seed's and the request's number's, but no request gets so many useless answers
    that its trial ends.
    """

    seed: int
    says: Callable[[dict[str, Any], random.Random], dict[str, Any]]
    billed: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    useless: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, request: dict[str, Any], n: int) -> Any:
        rng = random.Random(f"{self.seed} {n}")
        time.sleep(rng.uniform(0, 0.1))
        usage = self.usage(request, rng)
        kinds = list(WEATHER)
        kind = kinds[n] if n < len(kinds) else rng.choices(kinds, list(WEATHER.values()))[0]
        kind = self.bearable(kind, json.dumps(request["messages"]))
        if kind != "refused":
            self.bill(request, usage)
        code = rng.choice([429, 500, 529])
        match kind:
            case "fine":
                return self.says(request, rng) | {"usage": usage}
            case "refused":
                return Status(code)
            case "refused and billed":
                return Status(code, usage=usage)
            case "no choice":
                return Raw(json.dumps({"choices": [], "usage": usage}).encode())
            case "cut":
                return Cut()
            case "hang":
                return Hang(4 * TIMEOUT_S)
        return Hang(0.05)  # and closes without a word

    def bearable(self, kind: str, asked: str) -> str:
        if kind not in USELESS:
            return kind
        with self.lock:
            self.useless[asked] += 1
            return kind if self.useless[asked] <= MOST_USELESS else "fine"

    def usage(self, request: dict[str, Any], rng: random.Random) -> dict[str, Any]:
        """Anything between next to nothing and all that the request allows."""
        most = len(json.dumps(request["messages"]).encode()) + 1000
        prompt = rng.choice([rng.randint(1, most), most])
        cached = rng.randint(0, prompt)
        written = rng.randint(0, prompt - cached)
        completion = rng.choice([rng.randint(0, request["max_tokens"]), request["max_tokens"]])
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": cached, "cache_creation_tokens": written},
        }

    def bill(self, request: dict[str, Any], usage: dict[str, Any]) -> None:
        instance = next(
            word for word in json.dumps(request["messages"]).split("#") if word.startswith("storm-")
        )
        with self.lock:
            self.billed[instance].append(cost(parse_usage(usage), PRICE))


class Checked(SqliteStore):
    """A ledger that looks at every budget after each call that was settled."""

    def __init__(self, path: Path, cap_usd: float) -> None:
        super().__init__(path, cap_usd=cap_usd)
        self.cap_usd = cap_usd
        self.watched: list[TrialBudget] = []
        self.passed: list[str] = []

    async def end_call(self, call_id: int, end: EndedCall) -> None:
        taken = await self.spent()
        if self.cap_usd and taken > self.cap_usd + DUST:
            self.passed.append(f"run_cost: {taken} of {self.cap_usd}")
        for budget in (trial.dollars for trial in self.watched):
            taken = budget.spent + budget.reserved
            if budget.limit_usd and taken > budget.limit_usd + DUST:
                self.passed.append(f"{budget.limit_name}: {taken} of {budget.limit_usd}")
        for trial in self.watched:
            tokens = trial.tokens + sum(trial.held_tokens.values())
            if trial.limits.tokens and tokens > trial.limits.tokens:
                self.passed.append(f"tokens: {tokens} of {trial.limits.tokens}")
        await super().end_call(call_id, end)


class Watched:
    """A system whose trials' budgets are watched, down to each agent's share."""

    def __init__(self, system: System, store: Checked) -> None:
        self._system, self._store = system, store

    async def run(self, trial: Trial) -> None:
        self._store.watched.append(trial._budget)
        try:
            await self._system.run(trial)
        finally:
            self._store.watched += trial._shares.values()


class Workspaces:
    """Sandboxes that are played."""

    kind = "played"

    @asynccontextmanager
    async def holding(self, _: Any):
        yield

    def fingerprint(self, _: Any) -> str:
        return "print"

    async def open(self, _: Any, *, purpose: str) -> PlayedWorkspace:
        return PlayedWorkspace("diff --git a/x b/x\n")


class Unresolved:
    """A grader that is never pleased."""

    async def grade(self, *_: Any, **__: Any) -> Verdict:
        return Verdict(outcome="unresolved", reason="played", report={}, seconds=0)


@dataclass
class Storm:
    """What became of a run."""

    store: Checked
    run: Run
    limits: Limits
    server: Biller

    async def check(self) -> None:
        """Nothing was passed: not by our accounts, not by the ledger's, not by the server's."""
        assert self.store.passed == []
        (money,) = query(self.store.path.parent, "SELECT spent, reserved FROM money")
        assert money["reserved"] == pytest.approx(0)
        invoices = {name: math.fsum(each) for name, each in self.server.billed.items()}
        trial_usd = self.limits.cost_usd * AGENTS
        whole = math.fsum(invoices.values())
        assert whole <= money["spent"] + DUST
        if self.store.cap_usd:
            assert money["spent"] <= self.store.cap_usd + DUST
        charged: dict[tuple, float] = defaultdict(float)
        for row in await self.store.calls():
            charged[row["instance_id"], row["agent"]] += row["charged_usd"]
        assert money["spent"] == pytest.approx(sum(charged.values()))
        of_instance: dict[str, float] = defaultdict(float)
        for (instance, _), usd in charged.items():
            of_instance[instance] += usd
            if self.limits.cost_usd:
                assert usd <= self.limits.cost_usd + DUST
        for instance, invoice in invoices.items():
            assert invoice <= of_instance[f"a__{instance}"] + DUST
            if trial_usd:
                assert invoice <= trial_usd + DUST
        authors = defaultdict(set)
        for row in await self.store.submissions():
            authors[row["trial_id"]].add(row["author"])
        for trial in await self.store.trials():
            if trial["state"] != "waiting":
                assert len(authors[trial["trial_id"]]) == AGENTS, trial["reason"]


@asynccontextmanager
async def storm(
    folder: Path,
    system: System,
    server: Biller,
    *,
    trials: int = 2,
    workers: int = 2,
    run_usd: float = 0,
    **limits: Any,
):
    """A run of so many trials, worked to its end; within a minute and a half, or it hangs."""
    nothing = {"steps": 0, "cost_usd": 0, "tokens": 0, "wall_clock_s": 60, "command_s": 5}
    store = Checked(folder / "run.db", run_usd)
    with ScriptedModel(server) as model:
        own = {"openai/scripted": {"api_base": model.base_url, "api_key_env": "SCRIPTED_API_KEY"}}
        backend = LitellmBackend("openai/scripted", overrides=own)
        client = ModelClient(
            backend, "openai/scripted", price=PRICE, ledger=store, timeout_s=TIMEOUT_S,
            limit=CallLimit(12), retry=PATIENT, max_output_tokens=200,
        )  # fmt: skip
        board = SqliteBoard(store.path)
        of_one = Limits(**nothing | limits)
        run = Run(
            store=store, board=board, benchmark=SweBench(),
            items=[stormy(n) for n in range(trials)],
            run_systems=[
                RunSystem(name="s", system=Watched(system, store), agents=AGENTS, wanted=AGENTS,
                           submits="independent")
            ],
            client=client, sandboxes=Workspaces(), grader=Unresolved(), limits=of_one,
            workers=workers, watcher=Silent(), agent_tools=("bash", "edit"),
        )  # fmt: skip
        await backend.warm_up()
        try:
            await run.plan()
            with anyio.fail_after(90):
                await run.work()
            yield Storm(store, run, of_one, server)
        finally:
            board.close()
            store.close()
            await backend.aclose()


def stormy(number: int) -> Any:
    made = item(f"a__storm-{number}")
    told = type(made.instance)(
        instance_id=f"a__storm-{number}", repo="a/a", base_commit="0", version="1", image="i",
        problem_statement=f"It fails: #storm-{number}# says it.",
    )  # fmt: skip
    return type(made)(instance=told, reference=made.reference)


def alone(request: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """Commands, now and then idle words, at the end perhaps `finish`."""
    name = rng.choices(["bash", "finish", ""], [85, 10, 5])[0]
    arguments = {"bash": {"command": "true"}, "finish": {"summary": "Done."}}.get(name, {})
    calls = [{"name": name, "arguments": arguments}] if name else []
    return {"content": "x" * rng.randint(0, 300), "tool_calls": calls}


def together(request: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """Each task in two or three turns."""
    label = task_of(request)
    turn = turn_of(request)
    if label.startswith("patch") and turn == 0:
        calls = [{"name": "bash", "arguments": {"command": f"write {label}"}}]
    elif label.startswith(("patch", "localize")) and turn == 1:
        given = {"kind": "FACT", "gist": f"{label} is so.", "summary": "It is.", "path": "a.py",
                 "quote": f"x = {rng.random()}"}  # fmt: skip
        calls = [{"name": "publish", "arguments": given}]
    else:
        calls = [{"name": "finish", "arguments": {"summary": "Done."}}]
    return {"content": "", "tool_calls": calls}


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_sixteen_agents_stay_within_the_cap_of_each_and_all_submit(tmp_path, seed):
    server = Biller(seed, alone)
    async with storm(tmp_path, Independent(), server, cost_usd=0.012) as told:
        await told.check()
        trials = await told.store.trials()
        assert {row["state"] for row in trials} == {"done"}, [row["reason"] for row in trials]
        ended = {row["reason"] for row in await told.store.submissions()}
        assert {"agent_cost", "finished"} <= ended, "some came to the cap, and some did not"


@pytest.mark.parametrize("seed", [4, 5])
async def test_the_runs_cap_stops_new_trials_and_those_that_run_submit_what_they_have(
    tmp_path, seed
):
    server = Biller(seed, alone)
    async with storm(
        tmp_path, Independent(), server, run_usd=0.12, trials=5, steps=100, cost_usd=0.05
    ) as told:
        await told.check()
        states = [row["state"] for row in await told.store.trials()]
        assert states.count("waiting") >= 1
        assert states.count("cancelled") >= 1
        assert set(states) <= {"waiting", "cancelled", "done"}
        assert told.run.stopped.startswith("run_cost")
        most = max(row["reserved_usd"] for row in await told.store.calls())
        assert await told.store.spent() > 0.12 - 2 * most, "calls under way are no reason to stop"
        made = [row for row in await told.store.submissions() if row["outcome"] is None]
        assert {row["patch"] for row in made} == {"diff --git a/x b/x\n"}
        assert {row["salvaged"] for row in made} >= {1}


async def test_a_whole_team_stays_within_its_caps_and_all_its_seats_submit(tmp_path):
    server = Biller(6, together)
    system = Delm(SHORT)
    async with storm(tmp_path, system, server, trials=1, cost_usd=0.02, tokens=60_000) as told:
        await told.check()
        (trial,) = await told.store.trials()
        assert trial["state"] == "done", trial["detail"]
        assert sum(row["selected"] for row in await told.store.submissions()) == 1


async def test_a_team_that_the_runs_cap_cuts_submits_from_every_seat(tmp_path):
    server = Biller(7, together)
    system = Delm(SHORT)
    async with storm(tmp_path, system, server, trials=2, workers=1, run_usd=0.06) as told:
        await told.check()
        assert [row["state"] for row in await told.store.trials()] == ["cancelled", "waiting"]
        assert {row["reason"] for row in await told.store.submissions()} >= {"run_cost"}
