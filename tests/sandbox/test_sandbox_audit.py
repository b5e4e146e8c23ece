"""What the audit finds, what scrubbing removes, and that a leaky sandbox is refused."""

import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest
from sandboxes import LIMITS, Bubblewrap, Docker, Kind

from harness.benchmarks.swebench.items import IssueItem, IssueReference
from harness.config import SandboxConfig
from harness.environments.interpreters import find_python
from harness.environments.rebuild import _key
from harness.errors import LeakFound
from harness.sandbox.audit import audit, scrub
from harness.sandbox.bubblewrap.namespace import VENV
from harness.sandbox.bubblewrap.network import lacks
from harness.sandbox.providers import BubblewrapSandboxes, DockerSandboxes
from harness.sandbox.sandbox import ShellSandbox
from harness.types import Environment, Issue

pytestmark = pytest.mark.slow(seconds=24)

AS = "git -c user.name=x -c user.email=x@example.com"
# A history of three commits, of which the third is HEAD; and the fix, as a later commit, in `fix`.
HISTORY = f"""
set -e
for n in 1 2; do echo $n >> a.txt; {AS} commit -qam $n; done
git checkout -q -b later; echo LEAKED-FIX >> pkg/core.py; {AS} commit -qam fix
fix=$(git rev-parse HEAD); git checkout -q main
forget() {{ git branch -q -D later; rm -rf .git/logs; }}
"""
LEAKS = {
    "a later commit on a branch": "rm -rf .git/logs",
    "an unreachable commit": "forget",
    "an unreachable commit in a pack": "git gc -q; forget",
    "packed references": "git pack-refs --all; rm -rf .git/logs",
    "a kept pack": "git gc -q; for p in .git/objects/pack/*.pack; do : > ${p%.pack}.keep; done\n"
    "forget",
    "a tag": "git tag v2 $fix; forget",
    "an annotated tag": f"{AS} tag -a v2 -m v2 $fix; forget",
    "a tag that is no commit": "git tag secret $fix:pkg/core.py; forget",
    "a remote": "git remote add origin https://example.com/x.git; forget",
    "a remote branch": "git update-ref refs/remotes/origin/main $fix; forget",
    "a pull request": "git update-ref refs/pull/1/head $fix; forget",
    "a note": f"{AS} notes add -m LEAKED-FIX; forget",
    "a replacement": "git replace HEAD $fix; forget",
    "a reflog": "git config core.logAllRefUpdates true; git reset -q --hard $fix\n"
    "git reset -q --hard HEAD~; git branch -q -D later",
    "a stash": f"echo LEAKED-FIX >> a.txt; {AS} stash -q; forget",
    "the head before": "forget; echo $fix > .git/ORIG_HEAD; echo $fix > .git/FETCH_HEAD",
    "another work tree": "git worktree add -q /tmp/other later; rm -rf .git/logs",
    "a detached head": "forget; git checkout -q --detach; git branch later $fix; rm -rf .git/logs",
    "what was found once": "forget; git fsck --lost-found > /dev/null 2>&1",
}
KEPT = """
git rev-parse HEAD; git rev-list HEAD; git status --porcelain; git fsck --no-dangling 2>&1
find . -path ./.git -prune -o -type f -exec sha256sum {} + | sort
"""
LOOK_FOR_IT = """
git cat-file --batch-all-objects --batch 2>&1 | grep -ac LEAKED; grep -rac LEAKED .git | grep -v :0
git log --all --oneline --reflog | grep -c fix; ls .git/*_HEAD .git/lost-found 2>/dev/null
"""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def sandbox(kind: Kind) -> AsyncIterator[ShellSandbox]:
    before = kind.leftovers()  # `bench` may be there
    opened = await kind.open()
    try:
        yield opened
    finally:
        await opened.close()
    assert kind.leftovers() == before


async def run(sandbox: ShellSandbox, command: str) -> str:
    result = await sandbox.exec(command, timeout_s=60)
    assert result.exit_status == 0, result.output
    return result.output


@pytest.mark.parametrize("leak", LEAKS)
async def test_a_leak_in_the_history_is_found_and_removed(bench, leak):
    await run(bench, HISTORY + LEAKS[leak])
    base = (await run(bench, "git --no-replace-objects rev-parse HEAD")).strip()
    before = await run(bench, f"export GIT_NO_REPLACE_OBJECTS=1\n{KEPT}")
    found = await audit(bench, base, network=False, host={})
    assert found
    assert all(line.startswith("history: ") for line in found), found
    assert await scrub(bench)
    assert await audit(bench, base, network=False, host={}) == []
    assert await run(bench, KEPT) == before
    assert (await bench.exec(LOOK_FOR_IT)).output == "0\n0\n"
    assert not await scrub(bench)


async def test_a_clean_one_is_clean_and_stays_as_it_is(bench):
    await run(bench, f"{HISTORY} forget; git gc -q --prune=now; rm -rf .git/logs .git/ORIG_HEAD")
    base = (await run(bench, "git rev-parse HEAD")).strip()
    before = await run(bench, KEPT)
    assert await audit(bench, base, network=False) == []
    assert not await scrub(bench)
    assert await audit(bench, base, network=False) == []
    assert await run(bench, KEPT) == before


async def test_a_rebuilt_repository_of_one_commit_is_clean(bench):
    assert await audit(bench, "0" * 40, network=False) == []


async def test_the_commit_of_an_images_builder_is_no_leak(bench):
    base = (await run(bench, "git rev-parse HEAD")).strip()
    builder = "git -c user.name=SWE-bench -c user.email=setup@swebench.config"
    await run(bench, f"{builder} commit -q --allow-empty -am SWE-bench; rm -rf .git/logs")
    assert await audit(bench, base, network=False) == []


@pytest.mark.parametrize(
    ("plant", "word"),
    [
        (f"echo fix >> a.txt; {AS} commit -qam fix", "after the base commit"),
        ("echo fix >> a.txt", "modified"),
        ("git add -f x.ignored 2>&-; echo fix > n; git add n", "modified"),
    ],
)
async def test_what_cannot_be_scrubbed_is_still_found(bench, plant, word):
    base = (await run(bench, "git rev-parse HEAD")).strip()
    await run(bench, f"{plant}; git branch -q -D main; rm -rf .git/logs; true")
    await scrub(bench)
    found = await audit(bench, base, network=False)
    assert any(word in line for line in found), found


async def test_a_head_that_does_not_descend_from_the_base_is_found(bench):
    base = (await run(bench, "git rev-parse HEAD")).strip()
    await run(bench, f"git checkout -q --orphan x; {AS} commit -qm x; rm -rf .git/logs")
    found = await audit(bench, base, network=False)
    assert "history: HEAD is not the base commit" in found


async def test_objects_from_elsewhere_are_found_though_they_cannot_be_removed(bench):
    await run(bench, f"{HISTORY} forget")
    base = (await run(bench, "git rev-parse HEAD")).strip()
    await run(
        bench, "cp -a .git /tmp/other; echo /tmp/other/objects > .git/objects/info/alternates"
    )
    await scrub(bench)
    assert any("not an ancestor" in line for line in await audit(bench, base, network=False))


async def test_a_variable_of_the_host_is_found(bench):
    host = {"VIRTUAL_ENV": VENV, "PATH": "/usr/bin", "HOME": "/root", "LANG": "C.UTF-8"}
    found = await audit(bench, "0" * 40, network=False, host=host)
    assert found == ["environment: VIRTUAL_ENV has the host's value"]
    assert await audit(bench, "0" * 40, network=False, host={"VIRTUAL_ENV": "/other"}) == []


async def test_a_network_is_found(kind):
    if isinstance(kind, Bubblewrap) and (reason := lacks()):
        pytest.skip(reason)
    opened = await kind.open(network=True)
    try:
        found = await audit(opened, "0" * 40, network=False)
        assert any(line.startswith("network: ") for line in found)
        assert await audit(opened, "0" * 40, network=True) == []
        names = await opened.exec("test -s /etc/resolv.conf")
        assert names.exit_status == 0
    finally:
        await opened.close()


async def test_a_fork_of_a_scrubbed_one_is_scrubbed(sandbox):
    await run(sandbox, HISTORY)
    base = (await run(sandbox, "git rev-parse HEAD")).strip()
    first = await sandbox.fork()  # a start of its own, so that only the scrubbing touched it
    try:
        await scrub(first)
        twin = await first.fork()
        try:
            assert await audit(twin, base, network=False) == []
        finally:
            await twin.close()
    finally:
        await first.close()


async def test_a_large_history_takes_little_time(bench):
    many = (
        "python3 - <<'E' | git fast-import --quiet\n"
        "for n in range(2000):\n"
        "    branch = f'b{n // 10}'\n"
        "    print(f'commit refs/heads/{branch}\\ncommitter x <x@x> {n + 1500000000} +0000')\n"
        "    print(f'data 1\\nx\\nM 644 inline f{n}\\ndata 3\\n{n % 100:03}\\n')\n"
        "    print(f'reset refs/tags/t{n}\\nfrom refs/heads/{branch}\\n')\n"
        "E"
    )
    await run(bench, many)
    result = await bench.exec("git for-each-ref | wc -l")
    assert int(result.output) > 2000

    with anyio.fail_after(40):
        assert await audit(bench, "0" * 40, network=False)
        assert await scrub(bench)
        assert await audit(bench, "0" * 40, network=False) == []


# ---------------------------------------------------------------------------- the providers

ENVIRONMENT = Environment(
    name="tiny", python="3.11", sdist_name="tiny", sdist_version="1", sdist_filename="",
    sdist_sha256="", requirements=(),
)  # fmt: skip


def item(image: str, environment: Environment | None) -> IssueItem:
    instance = Issue(
        instance_id="tiny-1", repo="tiny/tiny", base_commit="0" * 40, problem_statement="",
        version="1", image=image, environment=environment.name if environment else "",
    )  # fmt: skip
    reference = IssueReference(
        instance_id="tiny-1", repo="tiny/tiny", version="1", image=image, patch="", test_patch="",
        fail_to_pass=(), pass_to_pass=(), eval_script="", log_parser="", eval_type="",
    )  # fmt: skip
    return IssueItem(instance=instance, reference=reference, environment=environment)


@contextlib.contextmanager
def leaky_image(kind: Docker) -> Iterator[str]:
    """An image with a copy of the package where Python finds it."""
    script = (
        "d=$(python3 -c 'import site; print(site.getsitepackages()[0])'); mkdir -p $d\n"
        "cp -r /testbed/pkg $d/; cd /testbed; git tag future; git remote add origin x"
    )
    made = kind.client.containers.create(kind.image, ["/bin/bash", "-c", script])
    name = f"{kind.image}-leaky"
    try:
        made.start()
        assert made.wait()["StatusCode"] == 0
        made.commit(*name.split(":"))
    finally:
        made.remove(force=True)
    try:
        yield name
    finally:
        kind.client.images.remove(name, force=True)


@contextlib.asynccontextmanager
async def provided(kind: Kind, config: SandboxConfig, tmp_path: Path, *, leaky: bool):
    """The provider of that kind over a clean or a leaky instance, and the instance."""
    if isinstance(kind, Docker):
        with contextlib.ExitStack() as stack:
            image = stack.enter_context(leaky_image(kind)) if leaky else kind.image
            sandboxes = DockerSandboxes(
                kind.client, config, tmp_path, labels=kind.labels, grading_network=False
            )
            yield sandboxes, item(image, None)
        return
    python = await find_python(ENVIRONMENT.python)
    key = _key(ENVIRONMENT, python)
    root = tmp_path / "environments" / key
    shutil.copytree(kind.prepared.root, root, symlinks=True)
    (root / "environment.json").write_text(json.dumps({}))
    if leaky:
        packages = next((root / "venv/lib").glob("python3*/site-packages"))
        shutil.copytree(root / "testbed/pkg", packages / "pkg")
    yield BubblewrapSandboxes(config, tmp_path, grading_network=False), item("", ENVIRONMENT)
    assert list((tmp_path / "sandboxes").iterdir()) == []


@pytest.mark.parametrize("leaky", [False, True])
async def test_a_leaky_sandbox_is_opened_for_agents_only_on_demand(kind, tmp_path, leaky):
    before = kind.leftovers()
    config = SandboxConfig(kind=kind.name, limits=LIMITS)
    async with provided(kind, config, tmp_path, leaky=leaky) as (sandboxes, tiny):
        await sandboxes.prepare([tiny], lambda line: None)
        assert sandboxes.fingerprint(tiny)
        if leaky:
            with pytest.raises(LeakFound, match=r"leaks: copy: \S*/pkg may hold the fix"):
                await sandboxes.open(tiny, purpose="agents")
            config = SandboxConfig(kind=kind.name, limits=LIMITS, on_leak="record")
            sandboxes._config = config
        opened = await sandboxes.open(tiny, purpose="agents")
        assert opened.audit.startswith("copy: ") if leaky else opened.audit == "ok"
        there = len(kind.leftovers())
        twin, other = await opened.fork(), await opened.fork()
        if isinstance(kind, Docker):  # two containers, and an image where something was removed
            assert len(kind.leftovers()) == there + 2 + leaky
        await other.close()
        assert twin.audit == opened.audit
        assert (await twin.exec("git tag; git remote; cat a.txt")).output == "one\ntwo\nthree\n"
        await twin.close()
        await opened.close()
        grading = await sandboxes.open(tiny, purpose="grading")
        assert grading.audit == ""
        await grading.close()
    assert kind.leftovers() == before
