import dataclasses
import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import anyio
import pytest
from local_index import tar_gz
from midway import cancelled_when
from tiny_release import as_text, download_pins, tiny_index

from harness.cache import cache_dir, write_beside
from harness.environments import programs, source_archive
from harness.environments.build_once import scratch
from harness.environments.interpreters import find_python, fits
from harness.environments.rebuild import VENV, environment_key, prepare
from harness.errors import UserError

pytestmark = pytest.mark.slow(seconds=20)

ROOT = Path(__file__).parents[2]
needs_bubblewrap = pytest.mark.skipif(
    shutil.which("bwrap") is None
    or subprocess.run(
        ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"], capture_output=True, check=False
    ).returncode
    != 0,
    reason="bubblewrap is not installed, or may not make namespaces here",
)


@pytest.fixture(scope="session")
def pins(tmp_path_factory):
    return download_pins(tmp_path_factory.mktemp("pins"))


@pytest.fixture
def tiny(tmp_path, pins, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "index").as_uri())
    return tiny_index(tmp_path / "index", pins)


@needs_bubblewrap
async def test_a_prepared_environment_runs_is_clean_and_is_built_once(tmp_path, tiny):
    said = []
    prepared = await prepare(tiny, tmp_path / "cache", on_progress=said.append)
    assert said
    assert _inside(prepared, "python -c 'import tiny; print(tiny.__file__, tiny.ANSWER)'") == (
        "/testbed/tiny.py 42\n"
    )
    assert _inside(prepared, "git status --porcelain; git remote; git tag; git reflog") == ""
    assert _inside(prepared, "git log --format='%an %aI %s'") == (
        "delm 2000-01-01T00:00:00+00:00 tiny 1.0\n"
    )
    assert _inside(prepared, "git ls-files").split() == [
        ".gitignore",
        "setup.py",
        "tiny.egg-info/PKG-INFO",
        "tiny.py",
    ]
    said.clear()
    assert await prepare(tiny, tmp_path / "cache", on_progress=said.append) == prepared
    assert said == []


@needs_bubblewrap
def test_two_processes_that_prepare_at_once_build_once(tmp_path, tiny):
    with _preparing(tiny, tmp_path) as first, _preparing(tiny, tmp_path) as second:
        outputs = [first.communicate()[0], second.communicate()[0]]
    assert first.returncode == second.returncode == 0, outputs
    assert sum("unpacking" in output for output in outputs) == 1
    assert sum("waiting for another builder" in output for output in outputs) == 1


@needs_bubblewrap
async def test_a_killed_builder_leaves_nothing_that_the_next_could_take_for_whole(tmp_path, tiny):
    with _preparing(tiny, tmp_path) as builder:
        for line in builder.stdout:
            if "installing" in line:
                os.killpg(builder.pid, signal.SIGKILL)
                break
    folder = tmp_path / "cache" / "environments"
    assert [path.suffix for path in folder.iterdir() if path.is_dir()] == [".building"]
    prepared = await prepare(tiny, tmp_path / "cache", on_progress=lambda _: None)
    assert [path for path in folder.iterdir() if path.is_dir()] == [prepared.root]
    assert _inside(prepared, "python -c 'import tiny'") == ""


@needs_bubblewrap
async def test_a_pin_that_no_index_has_fails_in_one_line_and_leaves_no_folder(tmp_path, tiny):
    wrong = dataclasses.replace(tiny, requirements=(*tiny.requirements, "tiny==99"))
    with pytest.raises(UserError, match="tiny==99") as caught:
        await prepare(wrong, tmp_path / "cache", on_progress=lambda _: None)
    assert "\n" not in str(caught.value)
    assert not [path for path in (tmp_path / "cache" / "environments").iterdir() if path.is_dir()]


async def test_the_commit_is_the_same_wherever_and_whenever_it_is_made(tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".gitconfig").write_text("[user]\nname=Other\n[core]\nautocrlf=true\n")
    hashes = []
    for name, umask in (("a", 0o022), ("b", 0o077)):
        before = os.umask(umask)
        tree = _unpacked(tmp_path / name, tar_gz({"t-1/a.txt": "x\r\n", "t-1/.gitignore": "a*\n"}))
        hashes.append(await source_archive.commit(tree, "t 1"))
        os.umask(before)
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody")
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize("name", ["../evil", "/evil", "t-1/../../evil"])
def test_an_archive_cannot_write_outside_its_folder(tmp_path, name):
    (tmp_path / "in").mkdir()
    with pytest.raises(UserError, match=r"cannot unpack|2 entries at its top"):
        _unpacked(tmp_path / "in" / "deep", tar_gz({"t-1/a": "x", name: "x"}))
    assert not (tmp_path / "evil").exists()
    assert not (tmp_path / "in" / "evil").exists()
    assert not Path("/evil").exists()


def test_an_archive_cannot_write_through_a_link(tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        link = tarfile.TarInfo("t-1/link")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        tar.addfile(link)
        tar.addfile(tarfile.TarInfo("t-1/link/evil"))
    with pytest.raises(UserError, match="cannot unpack"):
        _unpacked(tmp_path / "in", buffer.getvalue())
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (tar_gz({"a/x": "", "b/x": ""}), "2 entries at its top"),
        (tar_gz({"a": ""}), "1 entries at its top"),
        (tar_gz({"a/.git/hooks/pre-commit": "evil"}), "a .git of its own"),
        (tar_gz({"a/x": "text" * 1000})[:60], "cannot unpack"),
        (b"not an archive", "cannot unpack"),
    ],
    ids=["two folders", "a file", "a repository", "cut off", "no archive"],
)
def test_what_is_no_release_archive_is_refused(tmp_path, content, message):
    with pytest.raises(UserError, match=message):
        _unpacked(tmp_path / "in", content)


async def test_cancelling_kills_the_program_and_its_children(tmp_path):
    mark = tmp_path / "pid"
    words = ["sh", "-c", f"sleep 100 & echo $! > {mark}; wait"]
    await cancelled_when(
        lambda: mark.exists() and mark.read_text(),
        lambda: programs.run(words, doing="sleeping", env={}),
    )
    for _ in range(50):
        if not _alive(int(mark.read_text())):
            return
        await anyio.sleep(0.1)
    pytest.fail("the child outlived the cancelled call")


async def test_a_program_that_fails_is_quoted_and_a_missing_one_is_named():
    with pytest.raises(UserError, match=r"trying failed with exit status 3: first \| second"):
        await programs.run(
            ["sh", "-c", "echo first; echo second >&2; exit 3"], doing="trying", env={}
        )
    with pytest.raises(UserError, match="no-such-program is not installed"):
        await programs.run(["no-such-program"], doing="trying", env={})


async def test_a_python_that_is_not_here_yields_the_running_one():
    python = await find_python("3.99")
    assert not fits(python, "3.99")
    assert python.version == ".".join(map(str, sys.version_info[:3]))
    assert python.path.is_file()
    assert python.prefix == Path(sys.base_prefix)


async def test_a_builder_waits_for_the_other_and_may_be_cancelled_while_it_does(tmp_path):
    said = []
    async with scratch(tmp_path / "thing", on_progress=said.append):
        with anyio.move_on_after(0.5) as scope:
            async with scratch(tmp_path / "thing", on_progress=said.append):
                pytest.fail("two builders at once")
        assert scope.cancelled_caught
        (tmp_path / "other.building").mkdir()
    assert said == ["waiting for another builder of thing"]
    async with scratch(tmp_path / "thing", on_progress=said.append) as beside:
        assert list(beside.iterdir()) == []
        assert not (tmp_path / "other.building").exists()  # a dead builder's
    assert not beside.exists()


def test_the_key_stands_for_the_specification_alone(tmp_path):
    tiny = tiny_index(tmp_path / "index", [])
    assert environment_key(tiny) == environment_key(dataclasses.replace(tiny))
    for change in ({"requirements": ()}, {"sdist_sha256": "1" * 64}, {"python": "3.12"}):
        assert environment_key(dataclasses.replace(tiny, **change)) != environment_key(tiny)


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("DELM_CACHE", raising=False)
    assert cache_dir() == tmp_path / "delm"
    monkeypatch.setenv("DELM_CACHE", str(tmp_path / "mine"))
    assert cache_dir() == tmp_path / "mine"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("DELM_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir() == tmp_path / ".cache" / "delm"


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path):
    write_beside(tmp_path / "a" / "b", b"one")
    write_beside(tmp_path / "a" / "b", b"two")
    assert [path.read_bytes() for path in (tmp_path / "a").iterdir()] == [b"two"]


def _unpacked(folder, content):
    folder.mkdir()
    (folder / "t-1.tar.gz").write_bytes(content)
    source_archive.unpack(folder / "t-1.tar.gz", folder / "testbed")
    return folder / "testbed"


def _preparing(environment, tmp_path):
    """A process of its own that prepares `environment` and prints its progress."""
    program = (
        "import anyio, functools, pathlib\n"
        "from harness.environments.rebuild import prepare\n"
        "from harness.types import Environment\n"
        f"anyio.run(functools.partial(prepare, {as_text(environment)},"
        f" pathlib.Path({str(tmp_path / 'cache')!r}),"
        " on_progress=functools.partial(print, flush=True)))\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _inside(prepared, command):
    """What `command` prints in a sandbox that shows the environment, read-only."""
    prefix = str(prepared.python_prefix)
    words = ["bwrap", "--unshare-all", "--unshare-user", "--uid", "0", "--gid", "0", "--clearenv"]
    words += ["--setenv", "PATH", f"{VENV}/bin:/usr/bin:/bin", "--ro-bind", "/usr", "/usr"]
    for name in ("bin", "lib", "lib64"):
        words += ["--symlink", f"usr/{name}", f"/{name}"]
    words += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--ro-bind", prefix, prefix]
    words += ["--ro-bind", str(prepared.root / "testbed"), "/testbed"]
    words += ["--ro-bind", str(prepared.root / "venv"), VENV, "--chdir", "/testbed"]
    done = subprocess.run(
        [*words, "sh", "-c", command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
