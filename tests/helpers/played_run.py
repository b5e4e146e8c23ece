"""A run of played parts: sandboxes, a model and graders without a process of their own."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
from model_bench import SETTINGS

from harness.benchmarks.swebench.benchmark import SweBench
from harness.benchmarks.swebench.grading import PatchGrader
from harness.benchmarks.swebench.items import IssueItem, IssueReference
from harness.board.sqlite.board import SqliteBoard
from harness.config import GradingConfig
from harness.model.call_limit import CallLimit
from harness.model.client import ModelClient
from harness.model.prices import Price
from harness.protocols import Trial
from harness.runner.planning import RunSystem
from harness.runner.run import Run
from harness.store.rows import Standing
from harness.store.sqlite.store import SqliteStore
from harness.types import Issue, Limits, Reply, Usage

PRICE = Price(
    input=1e-6, cached_input=1e-6, cache_write=1e-6, output=1e-6, context_tokens=0,
    max_output_tokens=0, supports_tools=True, source="test",
)  # fmt: skip


UNLIMITED = Limits(steps=0, cost_usd=0, tokens=0, wall_clock_s=0, command_s=1)


def item(name: str) -> IssueItem:
    reference = IssueReference(
        instance_id=name, repo="a/a", version="1", image="i", patch="", test_patch="",
        fail_to_pass=("t",), pass_to_pass=(), eval_script="true", log_parser="parse_log_pytest",
        eval_type="pass_and_fail",
    )  # fmt: skip
    instance = Issue(
        instance_id=name, repo="a/a", base_commit="0", problem_statement="p", version="1", image="i"
    )
    return IssueItem(instance=instance, reference=reference)


class PlayedSandbox:
    audit = "ok"

    def __init__(self, all_of_them: "PlayedSandboxes") -> None:
        self._all = all_of_them

    async def close(self) -> None:
        await anyio.sleep(0)
        self._all.open_now.discard(self)


class PlayedSandboxes:
    """Counts what is open."""

    kind = "played"

    def __init__(self) -> None:
        self.open_now: set[PlayedSandbox] = set()
        self.most = 0
        self.fails: Exception | None = None

    @asynccontextmanager
    async def holding(self, item: IssueItem) -> AsyncIterator[None]:
        yield

    def fingerprint(self, item: IssueItem) -> str:
        return "print"

    async def open(self, item: IssueItem, *, purpose: str) -> PlayedSandbox:
        if self.fails is not None:
            raise self.fails
        made = PlayedSandbox(self)
        self.open_now.add(made)
        self.most = max(self.most, len(self.open_now))
        return made


class Answering:
    """A back end with one answer, or one error."""

    name = "played"

    def __init__(self, answer: Reply | Exception) -> None:
        self._answer = answer

    async def warm_up(self) -> None: ...

    async def attempt(self, *_: Any, **__: Any) -> Reply:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    async def turn(self, key: Any) -> None: ...

    async def aclose(self) -> None: ...


class Playing:
    """A system that does what it is given."""

    def __init__(self, act: Callable[[Trial], Awaitable[None]]) -> None:
        self.run = act


class Silent:
    def trial(self, row: dict, state: str, note: str = "") -> None: ...

    def step(self, row: dict, steps: int, cost: Any, *, resumed: int = 0) -> None: ...

    def stands(self, standing: Standing) -> None: ...


ANSWER = Reply(content="", usage=Usage(prompt_tokens=1000, completion_tokens=0))


def client_of(
    store: SqliteStore, name: str, price: Price, backend: Answering | None = None
) -> ModelClient:
    return ModelClient(
        backend or Answering(ANSWER), name, price=price, ledger=store,
        limit=CallLimit(9), **SETTINGS | {"max_output_tokens": 1000},
    )  # fmt: skip


def make(
    store: SqliteStore,
    act: Callable[[Trial], Awaitable[None]],
    *,
    answer: Reply | Exception = ANSWER,
    instances: Sequence[str] = ("a__a-1",),
    workers: int = 1,
    wanted: int = 1,
    trials: int = 1,
    grader: Any = None,
    backend: Answering | None = None,
    verifier: ModelClient | None = None,
    limits: Limits = UNLIMITED,
    **more: Any,
) -> tuple[Run, PlayedSandboxes]:
    sandboxes, folder = PlayedSandboxes(), store.path.parent
    client = client_of(store, "m", PRICE, backend or Answering(answer))
    run = Run(
        store=store,
        board=SqliteBoard(store.path),
        benchmark=SweBench(),
        items=[item(name) for name in instances],
        run_systems=[
            RunSystem(
                name="s",
                system=Playing(act),
                agents=1,
                wanted=wanted,
                submits="one" if wanted == 1 else "independent",
                trials=trials,
            )
        ],
        client=client,
        verifier=verifier,
        sandboxes=sandboxes,
        grader=grader or PatchGrader(sandboxes, folder, None, GradingConfig()),
        limits=limits,
        agent_tools=("bash", "edit"),
        workers=workers,
        watcher=Silent(),
        **more,
    )
    return run, sandboxes
