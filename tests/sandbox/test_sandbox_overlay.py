"""/testbed in bubblewrap: as an overlay and as a copy it is what a plain folder would be."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from sandboxes import Bubblewrap, why_not

from harness.sandbox.bubblewrap import overlay

pytestmark = pytest.mark.slow(seconds=47)

SOON_S = 15
PLACES = ("memory", "disk", "copy")  # of the files, the best first

MANIFEST = """
import hashlib, os, stat, sys
os.chdir(sys.argv[1])
for folder, folders, files in os.walk("."):
    folders[:] = sorted(name for name in folders if name != ".git")
    for name in sorted([*files, *folders]):
        path = os.path.join(folder, name)
        it = os.lstat(path)
        what = ""
        if stat.S_ISREG(it.st_mode):
            what = hashlib.sha256(open(path, "rb").read()).hexdigest(), it.st_nlink
        elif stat.S_ISLNK(it.st_mode):
            what = os.readlink(path)
        print(ascii(path), oct(it.st_mode), what)
"""

CHANGES = {
    "a file removed": "rm a.txt pkg/core.py",
    "a file removed and made again": "rm a.txt; echo again > a.txt",
    "a folder removed": "rm -r pkg",
    "a folder removed and made again": "rm -r pkg; mkdir pkg; echo new > pkg/new.py",
    "a folder made again, twice": "for n in 1 2; do rm -r pkg; mkdir pkg; echo $n > pkg/$n; done",
    "a folder for a file": "rm a.txt; mkdir a.txt; echo x > a.txt/x",
    "a file for a folder": "rm -r pkg; echo x > pkg",
    "a link for a folder": "mv pkg other; ln -s other pkg",
    "a folder renamed": "mv pkg other; echo more >> other/core.py",
    "a folder renamed and made again": "mv pkg other; mkdir pkg; echo new > pkg/core.py",
    "a folder renamed and back": "mv pkg other; rm other/extra.py; mv other pkg",
    "two folders exchanged": "mkdir b; echo b > b/b; mv pkg c; mv b pkg; mv c b",
    "a folder moved into another": "mkdir -p a/b; mv pkg a/b; echo x > a/b/pkg/x; mv a/b .",
    "a file renamed": "mv a.txt b.txt; mv run.sh pkg/; mv data.bin a.txt",
    "modes": "chmod 600 a.txt; chmod 755 pkg/core.py; chmod 700 pkg",
    "hard links": "ln a.txt b.txt; echo more >> b.txt; echo x > x; ln x pkg/y; ln x z; rm x",
    "a hard link's first name removed": "ln data.bin pkg/data; rm data.bin; echo x >> pkg/data",
    "parts of files": "printf X | dd of=data.bin bs=1 seek=9 conv=notrunc; truncate -s 9 a.txt",
    "a big file": "head -c 30000000 /dev/zero > big; cat big data.bin > bigger; rm big",
    "many files": "mkdir many; cd many; for n in {1..500}; do echo $n > $n; done; rm 1*",
    "strange names": "mkdir $'a\\nb' 'c d'; touch $'a\\nb/\\xff' -- 'c d/-rf'; rm -r untracked*",
    "no file": "mkfifo fifo; ln -s nowhere dangling; rm link; ln -s pkg link",
    "everything": "rm -rf -- * .gitignore; echo alone > alone",
}  # fmt: skip


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=PLACES)
def kind(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bubblewrap]:
    """Every place of the files, in folders with a comma, a colon and a space in the name."""
    if reason := why_not("bubblewrap"):
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("files")
    kind = Bubblewrap(folder, place=request.param)
    kind.store = folder / "a:b, c"
    there = overlay.best(kind.store)
    if PLACES.index(request.param) < PLACES.index(there):
        pytest.skip(f"on this kernel the best place for the files is {there}")
    before = manifest(kind.testbed)
    yield kind
    assert manifest(kind.testbed) == before
    assert kind.mounts() == set()


def manifest(folder: Path) -> str:
    words = [sys.executable, "-", str(folder)]
    done = subprocess.run(words, input=MANIFEST, capture_output=True, text=True, check=True)
    return done.stdout


async def listed(sandbox):
    result = await sandbox.exec(
        f"python3 - /testbed <<'E'\n{MANIFEST}\nE", max_output_chars=1 << 20
    )
    assert result.exit_status == 0, result.output
    return result.output


@pytest.mark.parametrize("change", CHANGES)
async def test_every_change_is_there_and_in_the_fork_and_in_its_fork(
    kind, sandbox, tmp_path, change
):
    tree = tmp_path / "tree"
    shutil.copytree(kind.testbed, tree, symlinks=True)
    await anyio.run_process(["bash", "-euc", CHANGES[change]], cwd=tree)
    wanted = manifest(tree)
    made = await sandbox.exec(f"set -eu\n{CHANGES[change]}")
    assert made.exit_status == 0, made.output
    assert await listed(sandbox) == wanted
    patch = await sandbox.diff()
    twin = await sandbox.fork()
    try:
        assert await listed(twin) == wanted
        await sandbox.exec("rm -rf .git pkg; mkdir pkg; echo parent > pkg/core.py; chmod 0 .")
        assert await listed(twin) == wanted
        grandchild = await twin.fork()
        await twin.exec("rm -rf -- *; echo twin > a.txt")
        await twin.close()
        try:
            assert await listed(grandchild) == wanted
            assert await grandchild.diff() == patch
            assert (await grandchild.exec("git status --porcelain")).exit_status == 0
        finally:
            await grandchild.close()
    finally:
        await twin.close()


async def test_it_is_what_was_asked_for_and_has_the_mode_and_owner_of_the_environment(
    kind, sandbox
):
    mode = f"{kind.testbed.stat().st_mode & 0o7777:o}"
    for opened in (sandbox, twin := await sandbox.fork()):
        found = await opened.exec("stat -c '%a %u %g' . pkg a.txt; touch n; stat -c '%u %g' n")
        assert found.output == f"{mode} 0 0\n755 0 0\n644 0 0\n0 0\n"
        name = (await opened.exec("stat -f -c %T .")).output
        assert (name == "overlayfs\n") == (kind.place != "copy")
    await twin.close()


async def test_closed_folders_are_forked_and_removed(kind, sandbox):
    await sandbox.exec("chmod 0 run.sh pkg/core.py; chmod 0 pkg; echo x >> a.txt; chmod 0 a.txt .")
    twin = await sandbox.fork()
    look = "stat -c %a . pkg run.sh a.txt pkg/core.py; cat a.txt"
    assert (await twin.exec(look)).output == "0\n0\n0\n0\n0\none\ntwo\nthree\nx\n"
    await twin.close()


async def test_what_the_repository_lost_is_lent_to_a_fork_of_a_fork(kind, sandbox):
    await sandbox.exec("echo more >> a.txt; rm -rf .git; mkdir .git")
    twin = await sandbox.fork()
    grandchild = await twin.fork()
    assert await grandchild.diff() == await sandbox.diff()
    assert "+more\n" in await grandchild.diff()
    await twin.close()
    await grandchild.close()


async def test_git_renames_a_folder(kind, sandbox):
    if kind.place != "copy" and os.geteuid() != 0:
        pytest.skip("an ordinary user's overlay renames no folder, nor does Docker's")
    result = await sandbox.exec("git mv pkg other && git status --porcelain -uno | wc -l")
    assert result.output == "3\n"


async def test_the_kernels_notes_on_a_file_can_be_neither_seen_nor_forged(kind, sandbox):
    script = (
        "import os\n"
        "os.rename('a.txt', 'b.txt'); os.makedirs('d'); open('run.sh', 'a').write('#')\n"
        "for path in ('.', 'd', 'b.txt', 'run.sh'):\n"
        "    print([name for name in os.listxattr(path) if 'overlay' in name])\n"
        "for name in ('trusted.overlay.redirect', 'trusted.overlay.opaque'):\n"
        "    try: print('set', os.setxattr('d', name, b'/'))\n"
        "    except OSError: pass\n"
        "for name in ('user.overlay.redirect', 'user.overlay.opaque'):\n"
        "    try: os.setxattr('pkg', name, b'y')\n"
        "    except OSError: pass\n"
        "try: os.mknod('whiteout', 0o020000, 0)\n"
        "except OSError: pass\n"
    )
    assert (await sandbox.exec(f"python3 - <<'E'\n{script}E")).output == "[]\n" * 4
    there = await sandbox.exec("ls -A")
    twin = await sandbox.fork()
    assert (await twin.exec("ls -A")).output == there.output
    assert (await twin.exec("ls pkg")).output == "__init__.py\ncore.py\nextra.py\n"
    assert (await twin.exec("ls / d")).exit_status == 0
    await twin.close()


async def test_twenty_forks_at_once_part_while_their_parent_goes_on(kind, sandbox):
    await sandbox.exec("echo shared > shared; rm run.sh; mkdir more; cp -r pkg more")
    seen = {}

    async def one(number):
        twin = await sandbox.fork()
        kind.leftovers()
        try:
            await twin.exec(f"echo {number} > mine; rm shared; rm -r pkg; mkdir pkg")
            look = "cat mine; ls shared run.sh 2>&1 | wc -l; ls pkg | wc -l; ls more/pkg | wc -l"
            seen[number] = (await twin.exec(look)).output
        finally:
            await twin.close()

    with anyio.fail_after(20 * SOON_S):
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(one, number)
                tasks.start_soon(sandbox.exec, f"echo {number} >> parent; touch more/{number}")
    assert seen == {number: f"{number}\n2\n0\n3\n" for number in range(20)}
    assert (await sandbox.exec("sort -u parent | wc -l; cat shared")).output == "20\nshared\n"


async def test_a_big_file_of_the_environment_is_bounded_like_any_other(kind, sandbox):
    result = await sandbox.exec("head -c 200M /dev/zero >> data.bin; stat -c %s data.bin")
    assert int(result.output.split()[-1]) <= 64 << 20


async def test_no_mount_is_seen_outside_and_none_stays(kind, sandbox):
    await sandbox.exec("echo x > x")
    twin = await sandbox.fork()
    assert kind.store.name[:3] not in Path("/proc/self/mountinfo").read_text()
    assert kind.mounts()
    for opened in (twin, sandbox):
        await opened.close()
    with anyio.fail_after(SOON_S):
        while kind.mounts():
            await anyio.sleep(0.05)


async def test_a_killed_sandbox_leaves_no_mount(kind, sandbox):
    kind.kill(sandbox)
    with anyio.fail_after(SOON_S):
        while kind.mounts():
            await anyio.sleep(0.05)


async def test_the_environment_of_another_owner_is_copied(kind, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    theirs = tmp_path / "theirs"
    (theirs / "testbed").mkdir(parents=True)
    assert overlay.place(kind.store, theirs) == overlay.best(kind.store)
    os.chown(theirs / "testbed", 1234, 1234)
    assert overlay.place(kind.store, theirs) == "copy"
