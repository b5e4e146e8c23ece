"""What the files of a sandbox may take together, and what happens at that limit."""

import time

import anyio
import pytest
from sandboxes import Bubblewrap, Docker, why_not

from harness.config import SandboxLimits
from harness.errors import SandboxLost
from harness.sandbox import disk_watch
from harness.sandbox.bubblewrap import overlay
from harness.sandbox.disk_limits import Size
from harness.sandbox.disk_watch import DiskWatch

pytestmark = pytest.mark.slow(seconds=75)

SMALL = SandboxLimits(memory_mb=256, processes=128, file_mb=64, disk_mb=32, inodes=2000)
PLACES = "/tmp /root /dev/shm /testbed /var /etc"


@pytest.fixture
def memory(tmp_path):
    """Bubblewrap, where it has the files of its sandboxes in memory."""
    if reason := why_not("bubblewrap"):
        pytest.skip(reason)
    kind = Bubblewrap(tmp_path)
    if overlay.best(kind.store) != "memory":
        pytest.skip("on this kernel the files of a sandbox are not in memory")
    yield kind
    assert kind.leftovers() == set()
    assert kind.mounts() == set()


@pytest.fixture
async def full(memory):
    """A sandbox that has written all it may."""
    opened = await memory.open(limits=SMALL)
    try:
        wrote = await opened.exec(
            f"for at in {PLACES}; do head -c 20M /dev/zero > $at/big; done; "
            "du -cm /*/big /dev/shm/big 2>/dev/null | tail -1"
        )
        assert "No space left on device" in wrote.output
        assert int(wrote.output.split()[-2]) == SMALL.disk_mb
        yield opened
    finally:
        await opened.close()


async def test_all_that_a_sandbox_writes_has_one_limit_wherever_it_is(full):
    again = await full.exec("echo more > /tmp/more")
    assert (again.exit_status, again.timed_out) == (1, False)
    assert "No space left on device" in again.output


async def test_a_full_sandbox_goes_on_when_it_has_removed_something(full):
    await full.exec("rm /tmp/big; echo more >> a.txt")
    assert (await full.exec("tail -1 a.txt")).output == "more\n"
    assert "+more\n" in await full.diff()


async def test_a_full_sandbox_takes_no_room_from_others_and_none_on_the_disk(memory, full):
    other = await memory.open(limits=SMALL)
    try:
        wrote = await other.exec("head -c 20M /dev/zero > /tmp/big; stat -c %s /tmp/big")
        assert wrote.output == f"{20 << 20}\n"
    finally:
        await other.close()
    sizes = [path.stat().st_size for path in memory.store.rglob("*") if path.is_file()]
    assert sum(sizes) < 10_000


async def test_a_full_sandbox_is_forked_with_all_it_has(full):
    twin = await full.fork()
    try:
        look = (
            "find / -xdev -name big -size +0 -exec stat -c '%n %s' {} + | sort; df --output=used /"
        )
        assert (await twin.exec(look)).output == (await full.exec(look)).output
        await twin.exec("rm /tmp/big")
        assert (await twin.exec("echo more > /tmp/more")).exit_status == 0
        assert (await full.exec("echo more > /tmp/more")).exit_status == 1
    finally:
        await twin.close()


async def test_the_number_of_files_folders_and_links_has_a_limit(memory):
    opened = await memory.open(limits=SMALL)
    try:
        made = await opened.exec(
            "mkdir /tmp/d; cd /tmp/d; for n in {1..900}; do : > f$n; mkdir d$n; ln f$n l$n; done"
        )
        assert "No space left on device" in made.output
        assert int((await opened.exec("find / -xdev | wc -l")).output) <= SMALL.inodes
        assert (await opened.exec("rm -r /tmp/d && : > /tmp/again")).exit_status == 0
    finally:
        await opened.close()


async def test_what_a_removed_file_holds_counts_until_it_is_closed(memory):
    opened = await memory.open(limits=SMALL)
    try:
        hidden = await opened.exec(
            "exec 7> /tmp/hidden; rm /tmp/hidden; head -c 60M /dev/zero >&7; echo x > /tmp/x"
        )
        assert hidden.output.count("No space left on device") == 2
        assert (await opened.exec("echo x > /tmp/x")).exit_status == 0
    finally:
        await opened.close()


async def test_nothing_inside_tells_where_the_files_are_on_the_host(memory):
    opened = await memory.open()
    twin = await opened.fork()
    try:
        for each in (opened, twin):
            told = await each.exec("cat /proc/self/mountinfo /proc/self/mounts /proc/1/mountinfo")
            assert " /testbed " in told.output
            for place in (memory.store, memory.prepared.root):
                assert str(place) not in told.output
                assert place.parent.name not in told.output
    finally:
        await opened.close()
        await twin.close()


async def test_open_files_of_a_process_are_limited(kind):
    limits = SandboxLimits(memory_mb=256, processes=128, file_mb=64, open_files=100)
    opened = await kind.open(limits=limits)
    try:
        script = "import os\nn = 3\ntry:\n    while os.open('/dev/null', 0): n += 1\n"
        script += "except OSError as e: print(e.errno, n <= 101)"
        assert (await opened.exec(f"ulimit -n 5000; python3 - <<'E'\n{script}\nE")).output.endswith(
            "24 True\n"
        )
    finally:
        await opened.close()


@pytest.fixture(params=["disk", "copy", "docker"])
def counted(request, tmp_path):
    """Sandboxes whose files lie where no file system bounds them."""
    if request.param == "docker":
        if reason := why_not("docker"):
            pytest.skip(reason)
        docker = Docker(tmp_path)
        yield docker
        docker.close()
        return
    if reason := why_not("bubblewrap"):
        pytest.skip(reason)
    kind = Bubblewrap(tmp_path, place=request.param)
    yield kind
    assert kind.leftovers() == set()


async def test_a_look_that_takes_long_delays_no_time_limit_and_is_not_lost():
    looks = []

    def count() -> Size:
        looks.append(0)
        time.sleep(2)
        return Size(bytes=10, inodes=0)

    async def stop() -> None:
        looks.append(1)

    watch = DiskWatch(Size(bytes=9, inodes=0), count)
    for within_s in (1.5, 2.5):
        began = anyio.current_time()
        with anyio.move_on_after(within_s) as limit:
            await watch.receive(anyio.sleep_forever, stop)
        assert limit.cancelled_caught
        assert anyio.current_time() - began < within_s + 1
    assert looks == [0, 1]


async def test_a_look_that_takes_long_does_not_put_the_next_one_off_for_long(monkeypatch):
    """A command makes it long by many files, and could then write what it likes."""
    monkeypatch.setattr(disk_watch, "LEAST_S", 0.1)
    monkeypatch.setattr(disk_watch, "MOST_S", 0.2, raising=False)
    looks = []

    def count() -> Size:
        looks.append(0)
        time.sleep(0.3)
        return Size(bytes=0, inodes=0)

    async def stop() -> None:
        raise AssertionError("it is within its limit")

    watch = DiskWatch(Size(bytes=9, inodes=9), count)
    with anyio.move_on_after(4):
        await watch.receive(anyio.sleep_forever, stop)
    assert len(looks) >= 3


@pytest.mark.parametrize("kind", ["docker"], indirect=True)
async def test_a_sandbox_whose_copy_would_be_over_the_limit_is_not_copied(kind):
    """An image has blocks where a sparse file has holes."""
    opened = await kind.open(limits=SMALL)
    try:
        await opened.exec("truncate -s 20M one two; ln one three")
        with pytest.raises(SandboxLost, match="takes 40 MB, holes of sparse files included"):
            await opened.fork()
        assert (await opened.exec("rm two; echo goes on")).output == "goes on\n"
        twin = await opened.fork()
        assert (await twin.exec("stat -c %s one")).output == f"{20 << 20}\n"
        await twin.close()
    finally:
        await opened.close()


@pytest.mark.parametrize("kind", ["docker"], indirect=True)
@pytest.mark.parametrize("name", [".wh.a.txt", "pkg/.wh..wh..opq", "pkg/.wh.."])
async def test_a_sandbox_that_no_image_could_hold_is_not_copied(kind, sandbox, name):
    """Docker's layers mark with such names that a file was removed, and refuse some of them."""
    await sandbox.exec(f": > {name}")
    with pytest.raises(SandboxLost, match="no copy holds"):
        await sandbox.fork()
    await sandbox.exec(f"rm {name}; echo more >> a.txt")
    twin = await sandbox.fork()
    assert await twin.diff() == await sandbox.diff() != ""
    await twin.close()


# It goes beyond the limit, and not to twice as much, however late it is looked at.
GROW = "n=0; while sleep 0.03; do n=$((n + 1)); [ $n -gt 24 ] || {{ {}; }}; done"


@pytest.mark.parametrize(
    "grow",
    [
        "head -c 2M /dev/zero > /tmp/f$n",
        "mkdir -p d$n; touch d$n/{1..100}; chmod 0 d$n",
        "(exec 7> /tmp/f; rm /tmp/f; head -c 2M /dev/zero >&7; sleep 60) & :",
        "mkdir -p d$n; touch f; perl -e 'link q(f), qq(d$ARGV[0]/$_) for 1 .. 100' $n",
    ],
    ids=["bytes", "files", "removed and held open", "names of one file"],
)
async def test_a_command_that_writes_too_much_is_ended_and_the_sandbox_goes_on(counted, grow):
    opened = await counted.open(limits=SMALL)
    try:
        result = await opened.exec(GROW.format(grow), timeout_s=60)
        assert (result.exit_status, result.disk_full, result.timed_out) == (None, True, False)
        assert result.cut_short
        again = await opened.exec("chmod 700 d*; rm -rf /tmp/f* d*; sleep 1.5; echo fine")
        assert again.output.endswith("fine\n")
        assert (again.exit_status, again.disk_full) == (0, False)
    finally:
        await opened.close()


async def test_a_sandbox_that_has_written_twice_what_it_may_is_lost_for_what_it_did(counted):
    opened = await counted.open(limits=SMALL)
    try:
        grow = "cd /tmp; for n in 1 2 3 4; do head -c 20M /dev/zero > $$.$n; done; sleep 60"

        async def grown() -> None:
            for _ in range(3):  # a look that comes in between ends the command alone
                await opened.exec(grow)

        with pytest.raises(SandboxLost, match="its files take"):
            await grown()
    finally:
        await opened.close()


async def test_a_command_that_is_within_its_room_is_not_ended(counted):
    opened = await counted.open(limits=SMALL)
    try:
        written = await opened.exec("head -c 20M /dev/zero > /tmp/f; truncate -s 60M s; sleep 1.5")
        assert (written.exit_status, written.cut_short) == (0, False)
    finally:
        await opened.close()
