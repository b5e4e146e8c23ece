"""Some instances of a synthetic run, written as a run writes them: see `make_big_run.py`."""

import json
import random
import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from harness.board.evidence import Command, Patch, Span
from harness.board.protocols import Link, NewTask, Proposal
from harness.board.sqlite.board import SqliteBoard
from harness.config import resolve
from harness.model.prices import Price, cost
from harness.results.run_folder import RunFolder
from harness.store.ledger import EndedCall, NewCall
from harness.store.rows import ClaimedTrial
from harness.store.sqlite.store import SqliteStore
from harness.types import Activity, Message, Reply, ToolCall, Usage, Verdict

TEMPLATES = 8  # instances that are written one by one
MODEL = "synthetic/model"
PRICE = Price(
    input=5e-7, cached_input=5e-8, cache_write=5e-7, output=3e-6, context_tokens=1_048_576,
    max_output_tokens=65_536, supports_tools=True, source="make_big_run",
)  # fmt: skip
BEGAN = "2026-01-01 00:00:00"
ZERO = 1_767_225_600.0  # the same moment
TURN_S = 20.0
_NAMES = (
    "array axis buffer cache column context cursor default encode field filter format handler "
    "header index iterator key kernel limit mask matrix merge model name node option order parse "
    "path pattern query range reader record request result row scale schema session shape slice "
    "source state stream string table test token tree type value version view window writer"
)
WORDS = _NAMES.split()
TOOLS = json.dumps([
    {"type": "function", "function": {"name": name, "description": name, "parameters": {}}}
    for name in ("bash", "edit", "view", "publish", "unfold", "search", "finish")
])  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """A system: `agents` and `submits` as in `trial`, and its trials on an instance."""

    name: str
    agents: int
    submits: str
    trials: int

    @property
    def wanted(self) -> int:
        """Submissions of a trial."""
        return 1 if self.submits == "one" else self.agents


async def template_run(folder: RunFolder, teams: list[Team], calls: int) -> None:
    """Write the run's facts and the trials of `TEMPLATES` instances."""
    names = [f"template-{number}" for number in range(TEMPLATES)]
    with (
        closing(SqliteStore(folder.path / "run.db")) as store,
        closing(SqliteBoard(folder.path / "run.db", clock=lambda: Script.moment)) as boards,
    ):
        await store.describe(**facts(folder.run_id, teams))
        await store.plan(
            [{"instance_id": name, "repo": "template/template", "difficulty": "", "length": ""}
             for name in names],
            [{"system": team.name, "instance_id": name, "number": number, "agents": team.agents,
              "wanted": team.wanted, "submits": team.submits}
             for name in names for team in teams for number in range(team.trials)],
        )  # fmt: skip
        known = {team.name: team for team in teams}
        while (claimed := await store.claim_trial()) is not None:
            await Script(store, boards, claimed, known[claimed["system"]], calls).play()
    with closing(sqlite3.connect(folder.address)) as database, database:
        spread_times(database)


def facts(run_id: str, teams: list[Team]) -> dict[str, Any]:
    """What the run says of itself."""
    since = "2026-01-01T00:00:00.000+00:00"
    names = [team.name for team in teams]
    layer = {"dataset": {"name": "synthetic"}, "systems": names, "submissions": teams[0].trials}
    return {
        "id": run_id, "created_at": since, "benchmark": "swe-bench", "dataset": "synthetic",
        "model": MODEL, "replay": False, "identity": "0" * 64, "version": "0.1.0",
        "config": resolve([layer]).model_dump(mode="json"), "packages": {"swebench": "5.0.2"},
        "prices": {MODEL: asdict(PRICE)}, "prices_source": PRICE.source, "prices_sha256": "0" * 64,
        "systems": {
            team.name: [{"since": since, "name": team.name, "system": f"synthetic:{team.name}",
                         "agents": team.agents, "submissions": team.submits, "options": {},
                         "benchmark": "swe-bench", "package": "", "code": {}}]
            for team in teams
        },
    }  # fmt: skip


def spread_times(database: sqlite3.Connection) -> None:
    """A call a turn, as if each had taken its time."""
    stamp = "strftime('%Y-%m-%dT%H:%M:%f+00:00', '" + BEGAN + "', (position * {s}) || ' seconds')"
    database.execute(
        f"UPDATE call SET started_at = {stamp.format(s=TURN_S)},"
        f" ended_at = {stamp.format(s=TURN_S).replace('(position', '(7 + position')}"
    )
    database.execute("UPDATE trial SET started_at = ?", (f"{BEGAN.replace(' ', 'T')}.000+00:00",))
    database.execute(
        "UPDATE submission SET created_at = strftime('%Y-%m-%dT%H:%M:%f+00:00', ?,"
        " (SELECT seconds FROM trial WHERE trial_id = submission.trial_id) || ' seconds')",
        (BEGAN,),
    )


class Script:
    """One trial: what its agents say and do, what they find, and what they submit."""

    moment = ZERO  # of the board's clock

    def __init__(
        self, store: SqliteStore, boards: SqliteBoard, trial: ClaimedTrial, team: Team, calls: int
    ) -> None:
        self._store, self._boards, self._team, self._calls = store, boards, team, calls
        self._trial = trial["trial_id"]
        self._instance = trial["instance_id"]
        self._rng = random.Random(self._trial)
        self._moment = 0

    async def play(self) -> None:
        """Write everything, and end the trial."""
        team = self._team
        await self._store.note_sandbox(self._trial, sandbox="docker", image="0" * 64, audit="ok")
        if team.name == "centralized":
            seats = [("main", "main"), *((f"sub-1.{n + 1}", "sub-1") for n in range(2))]
        else:
            seats = [(f"patch-{n + 1}", f"agent-{n + 1}") for n in range(team.agents)]
        for conversation, agent in seats:
            await self._converse(conversation, agent, self._calls // (3 if len(seats) == 3 else 1))
        if team.submits == "shared":
            await self._share([agent for _, agent in seats])
        await self._submit()
        await self._store.finish_trial(
            self._trial, "done", reason="finished", seconds=self._calls * TURN_S
        )

    async def _converse(self, conversation: str, agent: str, turns: int) -> None:
        said: list[Message] = [
            {"role": "system", "content": self._prose(260)},
            {"role": "user", "content": f"<issue>\n{self._prose(180)}\n</issue>\n\nSolve it."},
        ]
        await self._store.say(self._trial, conversation, said)
        tokens = 1200
        for turn in range(turns):
            last = turn == turns - 1
            name, arguments = self._tool(last)
            asked = ToolCall(id=f"call_{turn}", name=name, arguments=json.dumps(arguments))
            reply = Reply(content=self._prose(12), tool_calls=(asked,), finish_reason="tool_calls")
            await self._call(conversation, agent, turn, tokens, reply)
            function = {"name": name, "arguments": asked.arguments}
            await self._store.say(self._trial, conversation, [
                {"role": "assistant", "content": reply.content,
                 "tool_calls": [{"id": asked.id, "type": "function", "function": function}]},
                {"role": "tool", "tool_call_id": asked.id, "content": self._output()},
            ])  # fmt: skip
            tokens += self._rng.randint(200, 900)
            await self._store.note_span(
                self._trial, agent=agent, what=Activity.COMMAND, seconds=self._rng.uniform(0.2, 9),
                started_at=f"2026-01-01T00:{int(turn * TURN_S + 8) // 60 % 60:02}:"
                f"{int(turn * TURN_S + 8) % 60:02}.000+00:00",
            )  # fmt: skip

    async def _call(
        self, conversation: str, agent: str, turn: int, tokens: int, reply: Reply
    ) -> None:
        usage = Usage(prompt_tokens=tokens, cached_tokens=int(tokens * 0.8) if turn else 0,
                      completion_tokens=self._rng.randint(40, 400))  # fmt: skip
        usd = cost(usage, PRICE)
        self._moment += 2
        call = await self._store.begin_call(NewCall(
            trial_id=self._trial, conversation=conversation, agent=agent, position=turn,
            model=MODEL, prompt_sha256=f"{self._rng.getrandbits(256):064x}",
            repeated=0.8 if turn else 0.0, reserved_usd=0.0, moment=self._moment - 1, tools=TOOLS,
        ))  # fmt: skip
        await self._store.end_call(call, EndedCall(
            outcome="ok", reply=reply, usage=usage, cost_usd=usd, charged_usd=usd,
            latency_s=self._rng.uniform(2, 7), attempts=1, error="", moment=self._moment,
        ))  # fmt: skip

    async def _share(self, agents: list[str]) -> None:
        """The board: a scout, a patch task for each seat, and what they find."""
        board, count = self._boards.of(self._trial), len(agents)
        labels = [f"patch-{seat + 1}" for seat in range(count)]
        Script.moment = ZERO
        await board.queue.put(NewTask(kind="localize", text="Find the fault.", label="localize-1",
                                      priority=9), by="")  # fmt: skip
        await board.queue.put(*(
            NewTask(kind="patch", text="Make a patch.", label=label) for label in labels
        ), by="")  # fmt: skip
        for agent in agents:
            await board.queue.join(agent, lease_s=3600)
        claim = await board.queue.claim(agents[0], lease_s=3600)
        assert claim is not None
        for number in range(3):
            await self._find(agents[0], "localize-1", number)
        await board.queue.finish(claim, result={"summary": self._prose(10)})
        for seat, agent in enumerate(agents):
            claim = await board.queue.claim(agent, lease_s=3600)
            assert claim is not None
            await self._find(agent, claim.task.label, 3 + seat)
            await board.queue.finish(claim, result={"patch": self._diff(), "reason": "finished"})
        entries = [entry.label for entry in await board.context.entries()]
        for agent in agents:
            await board.context.note_shown(labels[agents.index(agent)], entries, "gist")
        if len(entries) > 3:
            await board.context.link(Link(source=entries[-1], target=entries[0], kind="cites"))
            await board.context.link(Link(source=entries[-1], target=entries[1], kind="refutes"))
        await board.queue.close(by=agents[0], reason="every submission is made")

    async def _find(self, agent: str, task: str, number: int) -> None:
        context = self._boards.of(self._trial).context
        path = f"src/{self._rng.choice(WORDS)}.py"
        kind, evidence = [
            ("FACT", Span(path=path, line=self._rng.randint(1, 900), quote=self._code(3))),
            ("FAIL", Command(command=f"pytest -q {path}", exit_status=1, output=self._code(2))),
            ("CONSTRAINT", Command(command="pytest -q", exit_status=0, output="passed")),
        ][min(number, 2)]
        if number > 2:
            kind, evidence = "PATCH", Patch(diff=self._diff(), command=f"pytest -q {path}")
        Script.moment += self._rng.uniform(5, 30)
        proposal = await context.propose(Proposal(
            kind=kind, gist=self._prose(14), summary=self._prose(40), evidence=evidence,
            author=agent, task=task,
        ))  # fmt: skip
        Script.moment += 2.5
        if self._rng.random() < 0.15:
            await context.reject(proposal, reason="The command passed.", seconds=2.5)
        else:
            await context.admit(proposal, key=f"{agent}-{number}", raw=self._output(), seconds=2.5)

    async def _submit(self) -> None:
        tests = [f"tests/test_{word}.py::test_{word}_{n}" for word in WORDS[:20] for n in "ab"]
        first = 0
        for seat in range(self._team.wanted):
            made = await self._store.submit(
                self._trial, f"patch-{seat + 1}", self._diff(), reason="finished", salvaged=False,
                agent=f"agent-{seat + 1}",
                copy_of="F3" if seat and self._rng.random() < 0.1 else "",
            )  # fmt: skip
            first = first or made
            status = {"FAIL_TO_PASS": {"success": tests[:1], "failure": tests[1:2]},
                      "PASS_TO_PASS": {"success": tests[2:], "failure": []}}  # fmt: skip
            report = {self._instance: {"resolved": False, "tests_status": status}}
            await self._store.grade(made, Verdict(
                outcome="unresolved", reason="1 test fails", report=report, seconds=30.0,
                official="unresolved",
            ))  # fmt: skip
        if self._team.submits == "shared":
            await self._store.select(first, ["It passes the most commands."])

    def _tool(self, last: bool) -> tuple[str, dict[str, Any]]:
        path = f"src/{self._rng.choice(WORDS)}.py"
        if last:
            return "finish", {"summary": self._prose(20)}
        return self._rng.choice([
            ("bash", {"command": f"grep -rn {self._rng.choice(WORDS)} src | head -40"}),
            ("bash", {"command": f"python -m pytest -q tests/test_{self._rng.choice(WORDS)}.py"}),
            ("view", {"path": path}),
            ("edit", {"path": path, "old": self._code(3), "new": self._code(4)}),
        ])  # fmt: skip

    def _output(self) -> str:
        return self._code(self._rng.randint(8, 40))

    def _diff(self) -> str:
        path, line = f"src/{self._rng.choice(WORDS)}.py", self._rng.randint(1, 900)
        old, new = self._lines(2), self._lines(5)
        body = "".join(f"-{text}\n" for text in old) + "".join(f"+{text}\n" for text in new)
        return (f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n"
                f"@@ -{line},2 +{line},5 @@\n{body}")  # fmt: skip

    def _code(self, lines: int) -> str:
        return "\n".join(self._lines(lines))

    def _lines(self, count: int) -> list[str]:
        words = self._rng.choices(WORDS, k=4 * count)
        return [
            f"    {a}.{b} = {c}({d}, {number})"
            for number, (a, b, c, d) in enumerate(zip(*[iter(words)] * 4, strict=True))
        ]

    def _prose(self, words: int) -> str:
        return " ".join(self._rng.choices(WORDS, k=words)).capitalize() + "."
