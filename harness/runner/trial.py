"""One running trial, as its system sees it: on the run's store, board and sandboxes."""

import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
from anyio import to_thread

from harness.board.protocols import SharedContext, TaskQueue
from harness.errors import DelmError, LeakFound, SandboxUnavailable, StoreConflict
from harness.model.backend import CallKey
from harness.model.budget import TrialBudget
from harness.model.call_gate import CallGate
from harness.model.client import ModelClient
from harness.model.conversation import start_conversation
from harness.model.resume_cache import ResumeCache
from harness.model.trial_calls import TrialCalls
from harness.protocols import Model, Sandbox
from harness.runner.services import TrialServices
from harness.runner.trial_gate import TrialGate, VerifierGate
from harness.sandbox.trial_sandbox import TimedSandbox
from harness.score.cost import Spent
from harness.store.ledger import PaidRow
from harness.store.rows import ClaimedTrial
from harness.text.timestamps import now
from harness.types import Activity, Instance, Item, Limits, Message


class LiveTrial:
    """A `harness.protocols.Trial` for one running trial."""

    def __init__(
        self,
        services: TrialServices,
        row: ClaimedTrial,
        item: Item,
        budget: TrialBudget,
        paid: Sequence[PaidRow] = (),
    ) -> None:
        """`paid` holds the answers that earlier attempts received."""
        self.instance: Instance = item.instance
        self.agents: int = row["agents"]
        self.agent_tools: Sequence[str] = services.agent_tools
        self.submitted: list[tuple[int, str]] = []  # id, author
        self.endings: list[str] = []
        self._services = services
        self._row = row
        self._item = item
        self._budget = budget
        self._trial_calls = TrialCalls()
        self._shares: dict[str, TrialBudget] = {}
        self._sandboxes: list[Sandbox] = []
        place = CallKey(
            system=row["system"],
            instance_id=row["instance_id"],
            trial=row["number"],
            conversation="",
            position=0,
        )
        self._paid = ResumeCache(place, paid, services.clock)
        board = services.board.of(row["trial_id"])
        self.check_cache = services.check_cache(item)
        self.queue: TaskQueue = board.queue
        self.context: SharedContext = board.context
        self.gate = TrialGate(services.store, services.clock, row["trial_id"], board.context)

    @property
    def limits(self) -> Limits:
        """See `harness.protocols.Trial.limits`."""
        return self._budget.limits

    def raise_to(self, limits: Limits) -> None:
        """Go on with limits of which none is lower."""
        self._budget.raise_to(limits)

    @property
    def cost(self) -> Spent:
        """The USD of its calls so far, with what unanswered requests may add."""
        dollars = self._budget.dollars
        return Spent(usd=max(0.0, dollars.spent - dollars.unsure), unsure_usd=dollars.unsure)

    @property
    def cores(self) -> int:
        """See `harness.protocols.Trial.cores`."""
        return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1

    def count_tokens(self, text: str) -> int:
        """See `harness.protocols.Trial.count_tokens`."""
        return self._services.client.count_tokens(text)

    @property
    def context_tokens(self) -> int:
        """See `harness.protocols.Trial.context_tokens`."""
        price = self._services.client.price
        return price.context_tokens if price else 0

    def model(self, conversation: str, *, agent: str = "", shared: bool = False) -> Model:
        """See `harness.protocols.Trial.model`."""
        client = self._services.client
        return self._conversation(client, conversation, agent, self.gate, shared=shared)

    def verifier(self, conversation: str, agent: str) -> Model:
        """See `harness.protocols.Trial.verifier`."""
        gate = VerifierGate(self.gate, self._services.clock)
        return self._conversation(self._services.verifier, conversation, agent, gate)

    def _conversation(
        self,
        client: ModelClient,
        conversation: str,
        agent: str,
        gate: CallGate,
        *,
        shared: bool = False,
    ) -> Model:
        budget, wanted = self._budget, self._row["wanted"]
        if agent and wanted > 1:  # what one submission may cost is the agent's own
            budget = self._shares.setdefault(agent, self._budget.share(wanted))
        return start_conversation(
            client,
            self._row["trial_id"],
            system=self._row["system"],
            instance_id=self.instance.instance_id,
            trial=self._row["number"],
            conversation=conversation,
            agent=agent,
            budget=budget,
            trial_calls=self._trial_calls,
            paid=self._paid,
            shared=self._services.shared if shared else None,
            gate=gate,
        )

    def budget_left(self, agent: str) -> float:
        """See `harness.protocols.Trial.budget_left`."""
        return self._shares.get(agent, self._budget).left

    @asynccontextmanager
    async def doing(self, agent: str, what: Activity) -> AsyncIterator[None]:
        """See `harness.protocols.Trial.doing`."""
        at, began = now(), anyio.current_time()
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await self._services.store.note_span(
                    self._row["trial_id"],
                    agent=agent,
                    what=what,
                    started_at=at,
                    seconds=anyio.current_time() - began,
                )

    async def sandbox(self) -> Sandbox:
        """See `harness.protocols.Trial.sandbox`."""
        sandboxes = self._services.sandboxes
        try:
            sandbox = await sandboxes.open(self._item, purpose="agents")
        except LeakFound as error:
            await self._note(str(error))
            raise
        except SandboxUnavailable:
            await self._note("")
            raise
        self._sandboxes.append(sandbox)
        await self._note(sandbox.audit)
        self._services.watcher.trial(self._row, "working")
        clock = self._services.clock
        return TimedSandbox(sandbox, lambda: self._budget.remaining_s, lambda: clock.lost_s)

    async def _note(self, audit: str) -> None:
        await self._services.store.note_sandbox(
            self._row["trial_id"],
            sandbox=self._services.sandboxes.kind,
            image=self._services.sandboxes.fingerprint(self._item),
            audit=audit,
        )

    async def document(self) -> str:
        """See `harness.protocols.Trial.document`."""
        self._services.watcher.trial(self._row, "working")
        return await to_thread.run_sync(self._services.benchmark.document, self._item)

    async def say(self, conversation: str, *messages: Message) -> None:
        """See `harness.protocols.Trial.say`."""
        await self._services.store.say(self._row["trial_id"], conversation, messages)
        self._services.watcher.step(
            self._row, self._budget.steps, self.cost, resumed=self._budget.resumed_steps
        )

    async def submit(
        self,
        author: str,
        submission: str,
        *,
        reason: str,
        salvaged: bool = False,
        agent: str = "",
        built_on: str = "",
        copy_of: str = "",
    ) -> None:
        """See `harness.protocols.Trial.submit`."""
        try:
            made = await self._services.store.submit(
                self._row["trial_id"],
                author,
                submission,
                agent=agent,
                reason=reason,
                salvaged=salvaged,
                built_on=built_on,
                copy_of=copy_of,
            )
        except StoreConflict:
            raise DelmError(f"{author} has submitted already") from None
        self.submitted.append((made, author))
        self.endings.append(reason)

    async def select(self, author: str, reasons: Sequence[str]) -> None:
        """See `harness.protocols.Trial.select`."""
        chosen = next((each for each, by in self.submitted if by == author), None)
        if chosen is None:
            raise DelmError(f"{author} has submitted nothing that could be selected")
        await self._services.store.select(chosen, reasons)

    async def close(self) -> None:
        """Close every sandbox that the system opened."""
        with anyio.CancelScope(shield=True):
            for sandbox in self._sandboxes:
                await sandbox.close()
