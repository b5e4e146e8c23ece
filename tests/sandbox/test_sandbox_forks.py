"""Forks of what was not changed since the start or since the last fork, and what they cost."""

import anyio
import pytest
from sandboxes import Docker

from harness.sandbox.audit import scrub

pytestmark = pytest.mark.slow(seconds=16)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


def images_of(kind):
    """How many images of containers there are; none where forks are made in another way."""
    if not isinstance(kind, Docker):
        return 0
    return len(kind.client.api.images(filters=kind.filters(), all=True))


async def test_what_changes_nothing_leaves_a_sandbox_as_its_image(kind, sandbox):
    await sandbox.read("a.txt")
    assert await sandbox.diff() == ""
    assert not await scrub(sandbox)
    twin = await sandbox.fork()
    grandchild = await twin.fork()
    try:
        assert images_of(kind) == 0
        assert (await grandchild.exec("git status --porcelain -uno; cat a.txt")).output == (
            "one\ntwo\nthree\n"
        )
        assert await grandchild.diff() == ""
    finally:
        await twin.close()
        await grandchild.close()


async def test_forks_of_one_state_share_one_image_that_goes_with_the_last(kind, sandbox):
    one = int(isinstance(kind, Docker))
    await sandbox.exec("echo 1 > n")
    first, second = await sandbox.fork(), await sandbox.fork()
    third = await second.fork()
    assert images_of(kind) == one
    await second.close()
    await sandbox.exec("echo 2 > n")
    later = await sandbox.fork()
    assert images_of(kind) == 2 * one
    await first.exec("echo 3 > n")
    await first.read("n")
    last = await first.fork()
    assert images_of(kind) == 3 * one
    await first.close()
    fourth = await third.fork()
    found = [(await each.exec("cat n")).output for each in (sandbox, third, fourth, later, last)]
    assert found == ["2\n", "1\n", "1\n", "2\n", "3\n"]
    for each in (third, fourth, later):
        await each.close()
    assert (await last.exec("cat n")).output == "3\n"
    await last.close()
    assert images_of(kind) == one  # the sandbox is still as it was at its last fork


async def test_a_state_outlives_what_was_committed_on_top_of_it(kind, sandbox):
    await sandbox.exec("echo 1 > n")
    twin = await sandbox.fork()
    await twin.exec("echo 2 > n")
    grandchild = await twin.fork()
    await twin.close()
    await grandchild.close()
    again = await sandbox.fork()
    assert (await again.exec("cat n")).output == "1\n"
    await again.close()


async def test_a_command_that_waits_for_a_fork_is_in_the_next(sandbox):
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sandbox.exec, "sleep 0.3")  # the fork waits, and the next behind it
        await anyio.sleep(0.1)
        twins = []

        async def fork():
            twins.append(await sandbox.fork())

        tasks.start_soon(fork)
        await anyio.sleep(0.05)
        tasks.start_soon(sandbox.exec, "echo late > late")
    twins.append(await sandbox.fork())
    found = [(await twin.exec("cat late 2>&1 | grep -c late$")).output for twin in twins]
    for twin in twins:
        await twin.close()
    assert found == ["0\n", "1\n"]


async def test_a_file_written_is_in_the_next_fork(sandbox):
    await sandbox.exec("true")
    first = await sandbox.fork()
    await sandbox.write("n", b"written\n")
    second = await sandbox.fork()
    assert await second.read("n") == b"written\n"
    assert (await first.exec("cat n")).exit_status == 1
    await first.close()
    await second.close()


async def test_a_fork_that_is_cancelled_midway_leaves_nothing(kind, sandbox):
    """While the files are copied, which takes a while, and as soon as the twin is there."""
    alone = len(kind.leftovers())
    await sandbox.exec("head -c 30000000 /dev/urandom > large")
    ended = False

    async def open_and_close():
        nonlocal ended
        ended = False
        await (await sandbox.fork()).close()
        ended = True

    async def copying():
        await anyio.sleep(0.05)

    async def begun():
        while not ended and len(kind.leftovers()) - images_of(kind) <= alone:
            await anyio.sleep(0.01)

    for midway in (copying, begun):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(open_and_close)
            await midway()
            tasks.cancel_scope.cancel()
    last = await sandbox.fork()
    assert (await last.exec("wc -c < large")).output == "30000000\n"
    await last.close()
    assert images_of(kind) == int(isinstance(kind, Docker))
    assert len(kind.leftovers()) == alone + images_of(kind)


DEEP = 'for (1..60) { mkdir "d" x 200; chdir "d" x 200; open my $file, ">", "x" }'


async def test_what_is_too_deep_to_be_named_ends_neither_a_sandbox_nor_its_fork(sandbox):
    await sandbox.exec(f"(cd /tmp && perl -e '{DEEP}'); echo more >> a.txt")
    twin = await sandbox.fork()
    try:
        for each in (sandbox, twin):
            assert (await each.exec("ls /tmp/d*/d*/x | wc -l")).output == "1\n"
            assert "+more\n" in await each.diff()
    finally:
        await twin.close()
