"""What `bench_board.py` compares: our board, and the queues of others, each as a worker uses it.

A side fills a queue in a place (the path of a file, or the URL of a database) and works on it until
nothing is left. A step is a task finished and the next one claimed. Ours has lease, fence, events
and result in it on both databases. Theirs: a lease by heartbeats (pgqueuer, awa) or by the worker's
life (procrastinate), one transaction for the claim and one for the end (huey: none); awa claims
ahead in batches inside its own runtime, and has no call for a single claim.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import anyio

from harness.board.protocols import NewTask
from harness.board.records import Boards

PATIENCE_S = 60.0
BATCH = 1_000  # tasks that are put at a time
IDLE_S = 8.0  # without a job awa's worker has no more
Begin = Callable[[], None]
Moments = list[float]


class Side:
    """One of those that are compared."""

    name: ClassVar[str]

    async def fill(self, place: str, tasks: int) -> None:
        """Put so many tasks into a new queue."""
        raise NotImplementedError

    async def work(self, place: str, worker: str, begin: Begin) -> Moments:
        """Step until nothing is left; the moments between steps, on the machine's clock."""
        raise NotImplementedError


class Ours(Side):
    """Boards of one kind of database."""

    name = "delm-harness"

    async def boards(self, place: str) -> Boards:
        raise NotImplementedError

    async def fill(self, place: str, tasks: int) -> None:
        boards = await self.boards(place)
        for first in range(0, tasks, BATCH):
            made = [
                NewTask(kind="bench", text=f"task {n}", label=f"task-{n}")
                for n in range(first, min(first + BATCH, tasks))
            ]
            await boards.of(1).queue.put(*made, by="bench")
        await boards.aclose()

    async def work(self, place: str, worker: str, begin: Begin) -> Moments:
        boards = await self.boards(place)
        queue = boards.of(1).queue
        await queue.join(worker, lease_s=PATIENCE_S)
        begin()
        moments = [time.monotonic()]
        claim = await queue.claim(worker, lease_s=PATIENCE_S)
        while claim is not None:
            _, claim = await queue.finish_and_claim(
                claim, result={"worker": worker}, lease_s=PATIENCE_S
            )
            moments.append(time.monotonic())
        await boards.aclose()
        return moments


class OursInSqlite(Ours):
    """A file."""

    async def boards(self, place: str) -> Boards:
        from harness.board.sqlite.board import SqliteBoard

        return SqliteBoard(Path(place), max_tasks=1_000_000)


class OursInPostgres(Ours):
    """A schema of a server."""

    async def boards(self, place: str) -> Boards:
        from harness.board.postgres.board import open_postgres_boards

        return await open_postgres_boards(f"{place}#bench", max_tasks=1_000_000)


class Huey(Side):
    """`dequeue` and `put_result` of SqliteHuey, with the same durability as ours."""

    name = f"huey {version('huey')}"

    def _queue(self, place: str) -> tuple[Any, Any]:
        from huey import SqliteHuey

        huey = SqliteHuey("bench", filename=place, journal_mode="wal", timeout=PATIENCE_S)
        huey.storage.conn.execute("PRAGMA synchronous = NORMAL")

        @huey.task()
        def bench(text: str) -> None:
            """Never run: what is compared is the queue."""

        return huey, bench

    async def fill(self, place: str, tasks: int) -> None:
        huey, bench = self._queue(place)
        for n in range(tasks):
            huey.enqueue(bench.s(f"task {n}"))
        huey.storage.close()

    async def work(self, place: str, worker: str, begin: Begin) -> Moments:
        huey, _ = self._queue(place)
        begin()
        moments = [time.monotonic()]
        while (task := huey.dequeue()) is not None:
            huey.put_result(task.id, {"worker": worker})
            moments.append(time.monotonic())
        return moments


class PgQueuer(Side):
    """`dequeue` of one job and `log_jobs` of pgqueuer, which keeps no result but success."""

    name = "pgqueuer"

    async def _queries(self, place: str) -> Any:
        import asyncpg
        from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
        from pgqueuer.queries import Queries

        return Queries(AsyncpgDriver(await asyncpg.connect(place)))

    async def fill(self, place: str, tasks: int) -> None:
        queries = await self._queries(place)
        await queries.install()
        payloads = [f"task {n}".encode() for n in range(tasks)]
        await queries.enqueue(["bench"] * tasks, payloads, [0] * tasks)

    async def work(self, place: str, worker: str, begin: Begin) -> Moments:
        import uuid
        from datetime import timedelta

        from pgqueuer.ports.repository import EntrypointExecutionParameter

        queries, me = await self._queries(place), uuid.uuid4()
        kinds = {"bench": EntrypointExecutionParameter(concurrency_limit=0)}
        begin()
        moments = [time.monotonic()]
        while jobs := await queries.dequeue(1, kinds, me, None, timedelta(seconds=PATIENCE_S)):
            await queries.log_jobs([(jobs[0], "successful", None)])
            moments.append(time.monotonic())
        return moments


class Procrastinate(Side):
    """`fetch_job` and `finish_job` of procrastinate."""

    name = "procrastinate"

    def _app(self, place: str) -> Any:
        from procrastinate import App, PsycopgConnector

        return App(connector=PsycopgConnector(conninfo=place, min_size=1, max_size=1))

    async def fill(self, place: str, tasks: int) -> None:
        app = self._app(place)
        async with app.open_async():
            await app.schema_manager.apply_schema_async()

            @app.task(name="bench", queue="bench")
            def bench(text: str) -> None:
                """Never run: what is compared is the queue."""

            await bench.batch_defer_async(*({"text": f"task {n}"} for n in range(tasks)))

    async def work(self, place: str, worker: str, begin: Begin) -> Moments:
        from procrastinate.jobs import Status

        app = self._app(place)
        async with app.open_async():
            me = await app.job_manager.register_worker()
            begin()
            moments = [time.monotonic()]
            while (job := await app.job_manager.fetch_job(["bench"], me)) is not None:
                await app.job_manager.finish_job(job, Status.SUCCEEDED, False)
                moments.append(time.monotonic())
        return moments


@dataclass
class AwaTask:
    """The arguments of a job of awa."""

    n: int


class Awa(Side):
    """The runtime of awa-pg with one job at a time; its moments are those of the handler."""

    name = "awa-pg"

    async def fill(self, place: str, tasks: int) -> None:
        import awa

        client = awa.AsyncClient(place)
        await client.migrate()
        for first in range(0, tasks, 1000):
            made = [AwaTask(n) for n in range(first, min(first + 1000, tasks))]
            await client.insert_many_copy(made, queue="bench")
        await client.close()

    async def work(self, place: str, worker: str, begin: Begin) -> Moments:
        import awa

        client = awa.AsyncClient(place, max_connections=4)
        moments: Moments = []

        @client.task(AwaTask, queue="bench")
        async def handle(job: Any) -> dict[str, str]:
            moments.append(time.monotonic())
            return {"worker": worker}

        begin()
        began = time.monotonic()
        await client.start([("bench", 1)], poll_interval_ms=20)
        idle_from = lambda: moments[-1] if moments else began + PATIENCE_S / 6  # noqa: E731
        while time.monotonic() - idle_from() < IDLE_S:  # noqa: ASYNC110
            await anyio.sleep(0.1)
        await client.shutdown()
        await client.close()
        return [began, *moments]


SIDES: dict[str, list[Side]] = {
    "sqlite": [OursInSqlite(), Huey()],
    "postgresql": [OursInPostgres(), PgQueuer(), Procrastinate(), Awa()],
}
"""Ours first."""
