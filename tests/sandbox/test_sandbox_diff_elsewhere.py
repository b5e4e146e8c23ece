"""The diff of a sandbox whose repository is damaged, or that has no room, is taken in a fresh one.

Whatever its files are, it is the diff that it was before; and nothing is done by the host in a
folder that a process inside can change.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
import pytest

from harness.config import SandboxLimits
from harness.errors import SandboxError
from harness.sandbox.difference import CannotCompare, compare

pytestmark = pytest.mark.slow(seconds=50)

GIT = "git -c user.name=x -c user.email=x@x"
DAMAGES = ("rm -rf .git", "find .git -type f -exec sh -c ': > \"$0\"' {} \\;", "mv .git /tmp/git")
CONTENTS = {
    "links out and in circles": "ln -s / all; ln -s loop loop; ln -s ../../tmp up; ln -sf / link",
    "a link for a folder of the repository": "mv pkg /tmp/pkg; ln -s /tmp/pkg pkg",
    "FIFOs, sockets and devices": """
        mkfifo fifo pkg/fifo; rm a.txt; mkfifo a.txt
        python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
        python3 -c 'import os; os.mknod("device", 0o020600, 0)' 2>&-; echo x > x""",
    "large files of holes": """
        for n in {1..24}; do truncate -s 60M hole.$n.ignored; done; truncate -s 9M hole""",
    "many names of one file": """
        head -c 20000 /dev/urandom > one; mkdir names; for n in {1..400}; do ln one names/$n; done
        ln .git/HEAD head; ln a.txt b.txt; echo more >> b.txt""",
    "strange names": r"""
        touch $'new\nline' $'tab\t' 'back\slash' 'back\nslash' -- '-C' '--checkpoint=1' '-T' ' a '
        touch $'\xff\xfe' $'\e[2J' '*' '?' '"' "'" '$(touch x)' '{}' ':(top)x' ü; mkdir $'d\n.git'
        echo x > $'d\n.git/x'; mkdir -p 'd\n'; echo y > 'd\n/y'""",
    "closed modes": """
        echo x >> a.txt; mkdir -p d/e; echo x > d/e/x; chmod 4000 run.sh; chmod 2000 pkg/core.py
        chmod 0 a.txt d/e/x d/e d pkg .""",
    "times that cannot be": """
        for when in 1901-12-14 1969-12-31T23:59:59 2446-05-10; do echo x > $when
        touch -d $when $when a.txt pkg; done""",
    "repositories inside": f"""
        git init -q in; cd in; echo x > x; echo y > y.ignored; echo '*.py' > .gitignore
        echo z > z.py
        {GIT} add x; {GIT} commit -qm x; git init -q deep/er; echo w > deep/er/w
        ln -s /tmp deep/.git; cd ..; echo 'gitdir: /' > pkg/.git""",
    "an archive that looks like the harness's own": """
        mkdir .delm-0; tar -C / -cf .delm-0/0.0000 etc/passwd; echo x > .delm-0/x""",
    "a folder for each file and a file for each folder": """
        for f in *.txt; do rm "$f"; mkdir "$f"; echo x > "$f/x"; done; rm -r pkg; echo x > pkg""",
    "nothing": "rm -rf -- * .gitignore",
    "more than one part": """
        for n in 1 2; do head -c 20000000 /dev/urandom > $n.ignored; done; echo x > x""",
}  # fmt: skip


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("content", CONTENTS)
async def test_it_is_the_diff_that_it_was(kind, bench, content):
    made = await bench.exec(CONTENTS[content], timeout_s=120)
    assert made.exit_status == 0, made.output
    whole = await bench.diff()
    assert whole or content.startswith("links")
    before = kind.leftovers()
    for damage in DAMAGES[: 1 if content == "more than one part" else None]:
        await bench.exec(f"cp -a .git /tmp/kept; {damage}")
        assert await bench.diff() == whole, damage
        await bench.exec("rm -rf .git; mv /tmp/kept .git")
    assert kind.leftovers() == before
    look = await bench.exec("find /testbed /tmp -name '.delm-*' ! -path '*/.delm-0*'; ls .git/HEAD")
    assert look.output == ".git/HEAD\n"


async def test_what_was_untracked_at_the_start_stays_out_of_it_in_a_fork_of_a_fork(bench):
    await bench.exec("echo more >> 'untracked at start.txt'; touch excluded-at-start; echo n > n")
    twin = await bench.fork()
    grandchild = await twin.fork()
    await grandchild.exec("rm -rf .git; mkdir .git")
    patch = await grandchild.diff()
    assert "+n\n" in patch
    assert "at start" not in patch
    assert "excluded" not in patch
    await twin.close()
    await grandchild.close()


async def test_what_lies_deeper_than_a_path_can_name_is_left_out_as_by_git(bench):
    deep = (
        "import os\n"
        "for n in range(20):\n"
        "    os.mkdir('d' * 250); os.chdir('d' * 250); open('x', 'w').close()"
    )
    assert (await bench.exec(f'echo x >> a.txt; python3 -c "{deep}"')).exit_status == 0
    whole = await bench.diff()
    await bench.exec("rm -rf .git")
    assert await bench.diff() == whole


async def test_too_much_is_told_before_it_is_carried(kind):
    before = kind.leftovers()
    sandbox = await kind.open(limits=SandboxLimits(memory_mb=1024))
    much = (
        "head -c 50000000 /dev/urandom > 1.ignored; rm -rf .git\n"
        "for n in 2 3 4 5 6; do cp 1.ignored $n.ignored; done"
    )
    assert (await sandbox.exec(much, timeout_s=120)).exit_status == 0
    with pytest.raises(SandboxError, match="over 256 MB"):
        await sandbox.diff()
    await sandbox.exec("rm *.ignored; echo x > x")
    assert "+x" in await sandbox.diff()
    await sandbox.close()
    assert kind.leftovers() == before


async def test_it_is_done_at_its_deadline(bench):
    await bench.exec("echo x >> a.txt")
    with pytest.raises(CannotCompare, match="takes more"), anyio.fail_after(30):
        await compare(bench._shell, bench._base, until=anyio.current_time())
    assert "+x" in await bench.diff()


FORGED = ("printf '\\377\\n7'", "exit 0", "yes 1 | head -c 9M")


@pytest.mark.parametrize("kind", ["docker"], indirect=True)
async def test_programs_that_were_replaced_harm_nobody_else(kind):
    before = kind.leftovers()
    sandbox = await kind.open()
    await sandbox.exec("echo x >> a.txt; rm -rf .git; cp -a /usr/bin /tmp/bin")
    for program in ("tar", "base64", "wc"):
        for forged in FORGED:
            forge = f'printf "%s\\n" "#!/bin/sh" {forged!r} > /usr/bin/{program}'
            made = await sandbox.exec(f"{forge}; chmod +x /usr/bin/{program}")
            assert made.exit_status == 0, made.output
            with suppress(SandboxError):  # it has harmed itself
                await sandbox.diff()
        await sandbox.exec(f"/tmp/bin/cp -a /tmp/bin/{program} /usr/bin/{program}")
    assert "+x" in await sandbox.diff()
    await sandbox.close()
    assert kind.leftovers() == before


@contextmanager
def swapping(place: Path, target: Path) -> Iterator[None]:
    """As what had outlived a command might: whatever comes new to `place` is a link to `target`."""
    known = set(place.iterdir())
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            for path in set(place.iterdir()) - known:
                if path.name.startswith("tmp."):  # made by a command inside, for itself
                    continue
                away = path.with_name(f"{path.name}.away")
                with suppress(OSError):  # it is gone
                    path.rename(away)
                    path.symlink_to(target)
                    known.update((path, away))
            time.sleep(0)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("kind", ["bubblewrap"], indirect=True)
async def test_a_link_in_the_place_of_what_the_harness_makes_leads_it_nowhere(kind, tmp_path):
    target = tmp_path / "of the host"
    target.mkdir()
    before = kind.leftovers()
    for _ in range(5):
        sandbox = await kind.open()
        try:
            await sandbox.exec("echo x >> a.txt; rm -rf .git")
            with swapping(sandbox._machine._files.path / "tmp", target), suppress(SandboxError):
                assert "+x" in await sandbox.diff()
            assert list(target.iterdir()) == []
        finally:
            await sandbox.close()
    assert kind.leftovers() == before
