"""What was changed in copies of a workspace comes back into it: real git in real sandboxes."""

import pytest
from court import ONE_KIND

from agents.copies.merging import merge
from harness.errors import SandboxUnavailable

pytestmark = pytest.mark.slow(seconds=25)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


async def changed_by(sandbox, command: str) -> str:
    """The patch of a fork in which `command` ran."""
    fork = await sandbox.fork()
    try:
        ran = await fork.exec(command)
        assert ran.exit_status == 0, ran.output
        return await fork.diff()
    finally:
        await fork.close()


async def read(sandbox, path: str) -> str:
    return (await sandbox.read(f"/testbed/{path}")).decode()


async def test_changes_of_two_copies_come_together_in_one_file_and_in_many(sandbox):
    one = await changed_by(sandbox, "sed -i 1s/.*/ONE/ pkg/extra.py; echo new > n.txt; rm a.txt")
    two = await changed_by(
        sandbox,
        "sed -i 40s/.*/FORTY/ pkg/extra.py; chmod +x pkg/core.py; printf '\\0\\1' > data.bin",
    )
    assert await merge(sandbox, start="", theirs=one) == ""
    assert await merge(sandbox, start="", theirs=two) == ""
    extra = (await read(sandbox, "pkg/extra.py")).splitlines()
    assert (extra[0], extra[39], len(extra)) == ("ONE", "FORTY", 40)
    assert await read(sandbox, "data.bin") == "\0\1"
    told = await sandbox.exec("ls a.txt; ls n.txt; test -x pkg/core.py && echo runs; git status")
    assert "cannot access 'a.txt'" in told.output
    assert "n.txt\nruns\n" in told.output
    assert "Changes to be committed" not in told.output  # the index is left alone


async def test_changes_of_a_later_round_are_those_since_its_start(sandbox):
    first = await changed_by(sandbox, "sed -i 1s/.*/ONE/ pkg/extra.py; echo 1 > n.txt")
    assert await merge(sandbox, start="", theirs=first) == ""
    start = await sandbox.diff()
    assert start == first
    second = await changed_by(
        sandbox,
        "sed -i 2s/.*/TWO/ pkg/extra.py; rm n.txt; git config user.name a; "
        "git config user.email b; git commit -qam x",
    )
    other = await changed_by(sandbox, "git checkout pkg/extra.py; echo 2 > m.txt")
    assert await merge(sandbox, start=start, theirs=second) == ""
    assert (await read(sandbox, "pkg/extra.py")).splitlines()[:3] == ["ONE", "TWO", "EXTRA = 1"]
    said = await merge(sandbox, start=start, theirs=other)  # it undoes what is beside TWO
    assert said.startswith("pkg/extra.py\n<<<<<<< main workspace\nONE\nTWO\n")
    assert (await sandbox.exec("ls n.txt m.txt")).exit_status != 0


async def test_the_same_change_twice_is_no_contradiction(sandbox):
    one = await changed_by(sandbox, "sed -i 1s/.*/ONE/ a.txt; echo new > n.txt")
    two = await changed_by(sandbox, "sed -i 1s/.*/ONE/ a.txt; echo new > n.txt; echo 2 > m.txt")
    assert await merge(sandbox, start="", theirs=one) == ""
    assert await merge(sandbox, start="", theirs=two) == ""
    assert await sandbox.diff() == two


@ONE_KIND
@pytest.mark.parametrize(
    ("mine", "theirs", "says"),
    [
        ("sed -i 1s/.*/x/ a.txt", "sed -i 1s/.*/y/ a.txt", ["a.txt", "x", "y", "one"]),
        ("echo x > n.txt", "echo y > n.txt", ["n.txt", "x", "y"]),
        ("rm a.txt", "sed -i 1s/.*/y/ a.txt", ["a.txt"]),
        ("sed -i 1s/.*/x/ a.txt", "rm a.txt", ["a.txt"]),
        ("echo x > data.bin", "echo y > data.bin", ["data.bin"]),
        ("echo x > 'no newline.txt'", "echo y > 'no newline.txt'", ["no newline.txt"]),
        ("mkdir n; echo x > n/m", "echo y > n", []),
    ],
)
async def test_a_contradiction_is_shown_and_leaves_everything_as_it_was(
    sandbox, mine, theirs, says
):
    one = await changed_by(sandbox, mine)
    two = await changed_by(sandbox, f"{theirs}; sed -i 1s/.*/TWO/ pkg/extra.py; echo z > other.txt")
    assert await merge(sandbox, start="", theirs=one) == ""
    said = await merge(sandbox, start="", theirs=two)
    assert said
    assert len(said) < 7000
    for words in says:
        assert words in said
    assert await sandbox.diff() == one
    left = await sandbox.exec("ls -A /tmp; git status --porcelain; git fsck --unreachable")
    assert "delm-merge" not in left.output
    assert "UU" not in left.output


async def test_what_is_not_taken_leaves_no_object_behind(sandbox):
    before = (await sandbox.exec("find .git/objects -type f | sort")).output
    theirs = await changed_by(sandbox, "echo secret > a.txt")
    assert await merge(sandbox, start="", theirs=theirs) == ""
    assert (await sandbox.exec("find .git/objects -type f | sort")).output == before


async def test_no_change_is_nothing_to_do(sandbox):
    assert await merge(sandbox, start="", theirs="") == ""
    assert await sandbox.diff() == ""


async def test_a_workspace_without_git_is_broken_and_no_contradiction(sandbox):
    theirs = await changed_by(sandbox, "echo x > a.txt")
    await sandbox.exec("rm -rf .git")
    with pytest.raises(SandboxUnavailable, match="could not be merged"):
        await merge(sandbox, start="", theirs=theirs)
