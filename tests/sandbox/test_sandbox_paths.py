"""What the host does with files that a sandbox has written leads it to nothing else.

A process that had outlived its command is played by a thread of the test, which has the sandbox's
own files before it and exchanges names in them as fast as it can.
"""

import ctypes
import os
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sandboxes import Bubblewrap, why_not

from harness.errors import SandboxUnavailable
from harness.sandbox.bubblewrap import disk_usage, overlay
from harness.sandbox.bubblewrap.confined_programs import remove_tree
from harness.sandbox.bubblewrap.machine import BubblewrapMachine

pytestmark = pytest.mark.slow(seconds=18)

FILES = 30
FORKS, TRIES = 12, 200
AT_CWD, EXCHANGE = -100, 2  # of renameat2(2)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=["memory", "disk", "copy"])
def kind(request, tmp_path_factory):
    """Bubblewrap with its files in each place that this machine has."""
    if reason := why_not("bubblewrap"):
        pytest.skip(reason)
    kind = Bubblewrap(tmp_path_factory.mktemp("files"), place=request.param)
    best = overlay.best(kind.store)
    if (request.param, best) in (("memory", "disk"), ("memory", "copy"), ("disk", "copy")):
        pytest.skip("this kernel does not let the files lie there")
    return kind


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of the host."""
    place = tmp_path / "outside"
    place.mkdir()
    return place


@contextmanager
def exchanging(folder: Path, target: Path) -> Iterator[None]:
    """`folder` is a link to `target` for half of the time."""
    ended = threading.Event()
    link = folder.with_name("link")
    link.symlink_to(target)
    names = (AT_CWD, os.fsencode(folder), AT_CWD, os.fsencode(link), EXCHANGE)
    trial_calls = ctypes.CDLL(None, use_errno=True).renameat2

    def exchange_again() -> None:
        while not ended.is_set():
            assert trial_calls(*names) == 0
            time.sleep(0.05)

    thread = threading.Thread(target=exchange_again)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        if folder.is_symlink():
            trial_calls(*names)
        link.unlink()


def written(folder: Path, text: str) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(1, FILES + 1):
        (folder / f"{number}").write_text(text)


async def test_a_fork_holds_no_file_of_the_host_whatever_links_to_it_meanwhile(
    kind, sandbox, outside
):
    """Most copies fail: what was to be copied is gone when its turn comes."""
    written(outside, "of the host\n")
    await sandbox.exec(f"mkdir /tmp/x; cd /tmp/x; for n in {{1..{FILES}}}; do echo x > $n; done")
    machine = sandbox._machine
    assert isinstance(machine, BubblewrapMachine)
    made = 0
    with exchanging(machine._files.path / "tmp" / "x", outside):
        for _ in range(TRIES):
            with suppress(SandboxUnavailable):  # it harms itself
                twin = await machine.copy("change", used=True)
                files = (twin._files.path / "tmp").rglob("*")
                texts = {path.read_text() for path in files if stat.S_ISREG(path.lstat().st_mode)}
                await twin.destroy()
                assert texts <= {"x\n"}
                made += 1
            if made == FORKS:
                break
    assert made == FORKS


async def test_a_link_into_proc_is_a_link_in_the_fork(kind, sandbox, monkeypatch):
    monkeypatch.setenv("DELM_TEST_SECRET", "the host's")
    for at in ("/tmp", "/root", "/dev/shm", "/testbed", "/var", "/etc"):
        await sandbox.exec(f"ln -s /proc/self/environ {at}/environ; ln -s /proc/self {at}/self")
    twin = await sandbox.fork()
    for at in ("/tmp", "/root", "/dev/shm", "/testbed", "/var", "/etc"):
        links = (await twin.exec(f"readlink {at}/environ {at}/self; cat {at}/environ")).output
        assert links.startswith("/proc/self/environ\n/proc/self\n")
        assert "the host's" not in links
    await twin.close()


async def change(sandbox, script):
    """Change what lies below the mount points, as no command can: they keep it in its place."""
    await sandbox.exec("true")  # from here on a fork is a copy
    machine = sandbox._machine
    assert isinstance(machine, BubblewrapMachine)
    assert machine._files is not None
    subprocess.run(
        ["sh", "-e", "-c", f"cd /proc/self/fd/{machine._files.fd}/root\n{script}"],
        check=True, pass_fds=[machine._files.fd],
    )  # fmt: skip


async def test_no_mount_point_of_a_fork_is_made_through_a_link(kind, sandbox, outside):
    (outside / "kept").write_text("kept\n")
    python = kind.prepared.python_prefix
    tops = sorted({f"/{path.parts[1]}" for path in (Path("/etc/x"), Path("/opt/x"), python)})
    moved = [top for top in tops if top not in ("/usr", "/root", "/tmp", "/testbed")]
    for top in moved:
        await change(sandbox, f"mv .{top} .{top}.away && ln -s {outside} .{top}")
    twin = await sandbox.fork()
    assert {path.name for path in outside.iterdir()} == {"kept"}
    assert (await twin.exec("cat /etc/ld.so.cache > /dev/null; python3 -c 'print(1)'")).output == (
        "1\n"
    )
    assert (await twin.exec("cd /; ls")).output.count(".away") == len(moved)
    await twin.close()


async def test_what_stands_in_the_place_of_a_mount_point_is_out_of_the_forks_way(kind, sandbox):
    await change(
        sandbox,
        "mv etc/ssl etc/ssl.away; ln -s /testbed etc/ssl; mv opt opt.away\n"
        "mkdir -p opt/testbed-venv/x; mkdir opt/other; chmod 0 opt/testbed-venv opt\n"
        "mv etc etc.away; mkdir -p etc/ld.so.cache/a/b etc/services; touch etc/ld.so.cache/c\n"
        "chmod 0 etc/ld.so.cache etc",
    )
    twin = await sandbox.fork()
    grandchild = await twin.fork()
    for each in (twin, grandchild):
        look = "stat -c %F /etc/ld.so.cache /opt/testbed-venv /opt/other; python3 -c 'print(1)'"
        assert (await each.exec(look)).output == "regular file\ndirectory\ndirectory\n1\n"
        await each.close()


async def test_what_is_no_file_is_in_the_fork_and_nothing_waits_for_it(kind, sandbox):
    await sandbox.exec("mkfifo /tmp/fifo /testbed/fifo /root/fifo")
    twin = await sandbox.fork()
    assert (await twin.exec("stat -c %F /tmp/fifo fifo ~/fifo")).output == "fifo\n" * 3
    await twin.close()


def test_removing_a_folder_leaves_what_its_links_lead_to(kind, outside, tmp_path):
    (outside / "kept").write_text("kept\n")
    folder = tmp_path / "removed"
    (folder / "deep" / "er").mkdir(parents=True)
    for place in (folder, folder / "deep", folder / "deep" / "er"):
        (place / "link").symlink_to(outside)
        (place / "file").symlink_to(outside / "kept")
        (place / "\udcff\n-rf").touch()
        os.link(outside / "kept", place / "hard")
    at = os.open(folder, os.O_RDONLY)
    for _ in range(1500):  # deeper than a path can name
        os.mkdir("d" * 9, dir_fd=at)
        deeper = os.open("d" * 9, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = deeper
    os.close(at)
    (folder / "deep").chmod(0)
    remove_tree(folder)
    assert not folder.exists()
    assert (outside / "kept").read_text() == "kept\n"
    remove_tree(folder)


def test_files_of_whatever_user_are_counted(kind, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    (tmp_path / "theirs").mkdir(mode=0o700)
    (tmp_path / "theirs" / "big").write_bytes(b"x" * 5_000_000)
    os.chown(tmp_path / "theirs", 1234, 1234)
    assert disk_usage.written([tmp_path]).bytes > 5_000_000


async def test_an_environment_of_another_owner_is_used_and_forked(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    if reason := why_not("bubblewrap"):
        pytest.skip(reason)
    kind = Bubblewrap(tmp_path)
    for path in (kind.testbed, *kind.testbed.rglob("*")):
        os.chown(path, 1234, 1234, follow_symlinks=False)
    sandbox = await kind.open()
    await sandbox.exec("echo more > /tmp/more")
    twin = await sandbox.fork()
    assert (await twin.exec("cat /tmp/more a.txt")).output == "more\none\ntwo\nthree\n"
    await twin.close()
    await sandbox.close()
    assert kind.leftovers() == set()
