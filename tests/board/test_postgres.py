"""What is particular to boards in a PostgreSQL server."""

import asyncio
import socket
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import asyncpg
import pytest
from board_statements import REFUSED
from postgres_servers import Server, programs, run_on

from harness.board.evidence import Span
from harness.board.opening import open_boards
from harness.board.protocols import Link, NewTask, Proposal
from harness.errors import StoreConflict
from harness.store.opening import open_store
from harness.store.postgres.opening import store_database
from harness.store.postgres.store import PostgresStore

SOCKET = ".s.PGSQL.5432"


def task(label: str, **more: object) -> NewTask:
    return NewTask(kind="work", text=f"do {label}", label=label, **more)


def proposal() -> Proposal:
    seen = Span(path="a.py", line=3, quote="x = 1")
    return Proposal(kind="FACT", gist="so", summary="", evidence=seen, author="ann", task="one")


class Relay:
    """Stands between this process and a server, and can lose what is sent or answered."""

    def __init__(self, folder: Path, server: Path) -> None:
        self.folder = folder
        self._server = server
        self.lose = b""  # the connection ends when these bytes are sent
        self.arrives = True  # whether what is sent then still reaches the server
        self.lost = 0
        self.swallow = b""  # from these bytes on a connection delivers nothing, and does not end

    @asynccontextmanager
    async def running(self):
        server = await asyncio.start_unix_server(self._serve, self.folder / SOCKET)
        async with server:
            yield

    async def _serve(self, reader, writer):  # noqa: C901 - what a relay does in one place
        there, back = await asyncio.open_unix_connection(self._server / SOCKET)
        swallows = False

        async def answers():
            while data := await there.read(65536):
                if not swallows:
                    writer.write(data)
            writer.close()

        answering = asyncio.ensure_future(answers())
        try:
            while data := await reader.read(65536):
                if swallows or self._swallows(data):
                    if not swallows and self.arrives:
                        back.write(data)
                    swallows = True
                    continue
                losing = self.lose and self.lose in data
                if losing:
                    answering.cancel()
                    self.lose, self.lost = b"", self.lost + 1
                if not losing or self.arrives:
                    back.write(data)
                    await back.drain()
                if losing:
                    await asyncio.sleep(0.2)  # the server does it
                    break
        except ConnectionError:
            pass  # the client has gone
        finally:
            answering.cancel()
            writer.transport.abort()
            back.close()

    def _swallows(self, data: bytes) -> bool:
        if not self.swallow or self.swallow not in data:
            return False
        self.swallow, self.lost = b"", self.lost + 1
        return True


@pytest.fixture
def own_tcp_server():
    """A server that is reached over TCP."""
    found = programs()
    if found is None:
        pytest.skip("no PostgreSQL: apt-get install postgresql")
    server = Server(found, host="127.0.0.1")
    yield server
    server.remove()


@pytest.fixture
async def relay(tmp_path, postgres_server):
    relay = Relay(tmp_path, postgres_server.folder)
    async with relay.running():
        yield relay


@pytest.fixture
async def board(relay, postgres_server):
    url = postgres_server.url.replace(str(postgres_server.folder), str(relay.folder))
    _, _, run = run_on(postgres_server).partition("#")
    board = await open_boards(f"{url}#{run}")
    yield board
    await board.aclose()


class TestLostAnswers:
    """Where a connection breaks nothing is applied twice, and nothing is lost."""

    @pytest.mark.parametrize("arrives", [True, False])
    async def test_a_transaction_whose_commit_is_not_answered(self, relay, board, arrives):
        relay.lose, relay.arrives = b"COMMIT", arrives
        context = board.of(1).context
        assert await context.propose(proposal()) == 1
        assert relay.lost == 1
        assert [row["number"] for row in await board.proposals(1)] == [1]
        assert await context.propose(proposal()) == 2

    @pytest.mark.parametrize("arrives", [True, False])
    async def test_a_claim_that_is_not_answered_is_the_same_claim(self, relay, board, arrives):
        queue = board.of(1).queue
        await queue.put(task("one"), task("two"), by="")
        assert await queue.claim("warm", lease_s=60)
        relay.lose, relay.arrives = b"ann", arrives
        claim = await queue.claim("ann", lease_s=60)
        assert relay.lost == 1
        assert (claim.task.label, claim.fence) == ("two", 1)
        claimed = [e["actor"] for e in await board.events(1) if e["what"] == "claimed"]
        assert claimed == ["warm", "ann"]

    @pytest.mark.parametrize("arrives", [True, False])
    async def test_an_end_that_is_not_answered_was_one(self, relay, board, arrives):
        queue = board.of(1).queue
        await queue.put(task("one"), task("two", after=["one"]), by="")
        claim = await queue.claim("ann", lease_s=60)
        relay.lose, relay.arrives = b"whole result", arrives
        _, following = await queue.finish_and_claim(claim, result={"a": "whole result"}, lease_s=60)
        assert relay.lost == 1
        assert (following.task.label, following.fence) == ("two", 1)
        done = [e["subject"] for e in await board.events(1) if e["what"] == "done"]
        assert done == ["one"]

    async def test_a_call_of_the_ledger_is_begun_once(self, relay, postgres_server):
        url = postgres_server.url.replace(str(postgres_server.folder), str(relay.folder))
        store = await open_store(f"{url}#{run_on(postgres_server).partition('#')[2]}")
        relay.lose = b"COMMIT"
        await store.describe(name="one")
        await store.note_first_call({"n": 1}, 0.5)
        relay.lose = b"COMMIT"
        await store.note_first_call({"n": 2}, 0.5)
        assert relay.lost == 2
        assert (await store.description())["first_calls"] == [{"n": 1}, {"n": 2}]
        assert await store.spent() == 1.0
        await store.aclose()


class TestSilence:
    """A connection that takes what is sent, and delivers nothing, without a word."""

    @pytest.fixture
    async def database(self, relay, postgres_server):
        url = postgres_server.url.replace(str(postgres_server.folder), str(relay.folder))
        address = f"{url}#{run_on(postgres_server).partition('#')[2]}"
        database = await store_database(address, silence_s=0.5)
        yield database
        await database.aclose()

    @pytest.mark.parametrize("arrives", [True, False])
    @pytest.mark.parametrize("at", [b"BEGIN", b"first_calls", b"COMMIT"])
    async def test_it_is_noticed_and_the_transaction_is_applied_once(
        self, relay, database, at, arrives
    ):
        store = PostgresStore(database)
        await store.describe(name="one")
        relay.swallow, relay.arrives = at, arrives
        with anyio.fail_after(30):
            await store.note_first_call({"n": 1}, 0.5)
        assert relay.lost == 1
        assert (await store.description())["first_calls"] == [{"n": 1}]
        assert await store.spent() == 0.5

    async def test_the_server_holds_no_lock_for_it(self, relay, database, postgres_server):
        store = PostgresStore(database)
        await store.plan([], [])
        relay.swallow, relay.arrives = b"COMMIT", False
        with anyio.fail_after(30):
            await store.take_over([])
            await store.take_over([])
        open_ = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
        assert await database.tuples(open_, []) == [(0,)]

    async def test_a_statement_that_takes_its_time_is_left_alone(self, relay, database):
        began = asyncio.get_running_loop().time()
        assert await database.tuples("SELECT pg_sleep(1.5) IS NULL, pg_backend_pid() > 0", [])
        assert asyncio.get_running_loop().time() - began >= 1.5

        async def hold(connection):
            await connection.execute("LOCK TABLE run IN ACCESS EXCLUSIVE MODE")
            held.set()
            await anyio.sleep(1.2)

        held = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(database.transaction, hold)
            await held.wait()
            pids = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'delm'"
            before = await database.tuples(pids, [])
            await PostgresStore(database).describe(name="waited")
            assert await database.tuples(pids, []) == before

    async def test_both_sides_of_tcp_look_for_each_other(self, own_tcp_server):
        database = await store_database(f"{own_tcp_server.remote_url}#run", silence_s=9)
        try:
            asked = (
                "SELECT current_setting('tcp_keepalives_idle'), current_setting('tcp_user_timeout')"
            )
            assert await database.tuples(asked, []) in ([("9", "18000")], [("9", "18s")])
            connection = await database.connection()
            used = connection._transport.get_extra_info("socket")
            assert used.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert used.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 9
            assert used.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 18_000
            await connection.close()
        finally:
            await database.aclose()


class TestClaims:
    async def test_the_statement_that_is_exact_on_sqlite_claims_twice(self, postgres_server):
        """Why claims lock rows and pass over locked ones."""
        naive = (
            "UPDATE naive SET holder = $1 WHERE id = "
            "(SELECT id FROM naive WHERE holder IS NULL ORDER BY id LIMIT 1) RETURNING id"
        )
        one, two = [await asyncpg.connect(postgres_server.url) for _ in range(2)]
        await one.execute("CREATE TABLE naive (id int PRIMARY KEY, holder text)")
        await one.execute("INSERT INTO naive VALUES (1), (2)")
        begun = one.transaction()
        await begun.start()
        assert await one.fetchval(naive, "ann") == 1
        second = asyncio.ensure_future(two.fetchval(naive, "bob"))
        await asyncio.sleep(0.1)  # it waits for the row
        await begun.commit()
        assert await second == 1
        assert await one.fetchval("SELECT holder FROM naive WHERE id = 1") == "bob"
        await one.execute("DROP TABLE naive")
        await one.close()
        await two.close()

    async def test_a_claim_passes_over_what_another_one_has_locked(self, board):
        queue = board.of(1).queue
        await queue.put(*(task(f"t{n}") for n in range(40)), by="")
        found = []

        async def work(name: str) -> None:
            claim = await queue.claim(name, lease_s=60)
            found.append(claim and claim.task.label)

        async with anyio.create_task_group() as group:
            for n in range(40):
                group.start_soon(work, f"agent-{n}")
        assert sorted(found) == sorted(f"t{n}" for n in range(40))

    async def test_one_agent_that_asks_twice_at_once_has_one_claim(self, board):
        queue = board.of(1).queue
        await queue.put(task("one"), task("two"), by="")
        found = []

        async def ask() -> None:
            found.append(await queue.claim("ann", lease_s=60))

        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(ask)
        assert [claim.task.label for claim in found if claim] == ["one"]


class TestRows:
    """The tables themselves refuse what cannot be, whoever writes."""

    @pytest.mark.parametrize("statement", REFUSED)
    async def test_the_server_refuses_it(self, board, statement):
        queue, context = board.of(1).queue, board.of(1).context
        await queue.put(task("one"), task("two"), by="")
        await queue.claim("ann", lease_s=60)
        number = await context.propose(proposal())
        await context.admit(number, key="k", raw="", seconds=0)
        await context.link(Link(source="one", target="F1", kind="cites"))
        with pytest.raises(StoreConflict):
            await board._database.transaction(lambda connection: connection.execute(statement))
