"""A release archive as a git repository of one commit, the same bytes and hash on every machine."""

import os
import posixpath
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from anyio import to_thread

from harness.environments import programs
from harness.errors import UserError
from harness.text.unified_diff import parse

PATCHED_AT = 946_684_800  # of the files of a patched tree, the time of its commit
FIXED_AUTHOR = {
    "GIT_AUTHOR_NAME": "delm",
    "GIT_AUTHOR_EMAIL": "delm@localhost",
    "GIT_AUTHOR_DATE": "2000-01-01T00:00:00Z",
    "GIT_COMMITTER_NAME": "delm",
    "GIT_COMMITTER_EMAIL": "delm@localhost",
    "GIT_COMMITTER_DATE": "2000-01-01T00:00:00Z",
}


def unpack(archive: Path, to: Path) -> None:
    """Unpack the one top folder of a release archive as `to`, which must not exist.

    Raises `UserError` for an archive that is damaged, reaches outside its folder, or brings a
    repository of its own (whose hooks would run here).
    """
    unpacked = to.with_name(f"{to.name}.unpacked")
    try:
        with tarfile.open(archive) as tar:
            if hasattr(tarfile, "data_filter"):
                tar.extractall(unpacked, filter="data")
            else:  # Python 3.11.0 to 3.11.3, which Debian 12 has
                tar.extractall(unpacked, members=harmless(tar.getmembers()))  # noqa: S202
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise UserError(f"cannot unpack {archive.name}: {error}") from error
    tops = list(unpacked.iterdir()) if unpacked.is_dir() else []
    if len(tops) != 1 or tops[0].is_symlink() or not tops[0].is_dir():
        raise UserError(f"{archive.name} has {len(tops)} entries at its top, not one folder")
    if os.path.lexists(tops[0] / ".git"):
        raise UserError(f"{archive.name} brings a .git of its own: it is no release archive")
    tops[0].rename(to)
    unpacked.rmdir()


def harmless(members: Iterable[tarfile.TarInfo]) -> list[tarfile.TarInfo]:
    """`members` if each is a file, a folder or a link that stays inside, with ordinary modes.

    Stricter than `tarfile.data_filter`, for Pythons without it: nothing may lie behind a link.
    Raises `tarfile.TarError` for the first that is not.
    """
    kept, links = [], set[str]()
    for member in members:
        name = posixpath.normpath(member.name)
        target = member.linkname
        if member.issym():
            target = posixpath.join(posixpath.dirname(name), target)
        inside = not (
            _leads_out(name) or ((member.issym() or member.islnk()) and _leads_out(target))
        )
        behind = any(str(parent) in links for parent in PurePosixPath(name).parents)
        if not inside or behind or not (member.isreg() or member.isdir() or member.issym()
                                        or member.islnk()):  # fmt: skip
            raise tarfile.TarError(f"{member.name!r} is not a plain member")
        if member.issym():
            links.add(name)
        member.mode = (member.mode & 0o755) | (0o700 if member.isdir() else 0o600)
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        kept.append(member)
    return kept


def _leads_out(path: str) -> bool:
    return posixpath.isabs(path) or posixpath.normpath(path).split("/")[0] == ".."


async def commit(tree: Path, message: str, *, patch: str = "") -> str:
    """Make `tree` a repository with everything in it in one commit on `main`; the commit's hash.

    `patch` is applied before, so that the repository holds nothing of the files as they were. The
    hash depends on the files and on `message` alone. No remote, tag, reflog or hook.
    """
    await git(tree, "init", "--quiet", "--template=", "--initial-branch=main")
    if patch:
        await _apply(tree, patch)
    await git(tree, "config", "gc.auto", "0")  # nothing may start in the background of a sandbox
    # what is compressed here is compressed again by the repack
    await git(tree, "-c", "core.looseCompression=0", "add", "--all", "--force")
    await git(
        tree, "-c", "core.logAllRefUpdates=false", "commit", "--quiet", "--no-verify",
        "--no-gpg-sign", "--allow-empty", "--message", message,
    )  # fmt: skip
    await git(tree, "repack", "-a", "-d", "--quiet")  # one file to copy instead of thousands
    return (await git(tree, "rev-parse", "HEAD")).strip()


async def _apply(tree: Path, patch: str) -> None:
    """Change the files that `patch` changes; it adds and removes none.

    They are written in place, and afterwards all files of the tree have the same time: neither
    times nor inode numbers tell which were changed.
    """
    paths = [file.path for file in parse(patch)]
    with tempfile.TemporaryDirectory(prefix="delm-patch-") as folder:
        aside, file = Path(folder, "tree"), Path(folder, "patch.diff")
        await to_thread.run_sync(file.write_bytes, patch.encode())
        await to_thread.run_sync(_copy, tree, aside, paths)
        await git(aside, "init", "--quiet", "--template=")
        await git(aside, "apply", "--whitespace=nowarn", str(file))
        await to_thread.run_sync(_write_in_place, aside, tree, paths)
    await to_thread.run_sync(_same_time, tree)


def _copy(tree: Path, to: Path, paths: Iterable[str]) -> None:
    for path in paths:
        (to / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(tree / path, to / path)


def _write_in_place(tree: Path, to: Path, paths: Iterable[str]) -> None:
    for path in paths:
        (to / path).write_bytes((tree / path).read_bytes())


def _same_time(tree: Path) -> None:
    for folder, folders, files in os.walk(tree, topdown=False):
        for name in (*files, *folders):
            os.utime(Path(folder, name), (PATCHED_AT, PATCHED_AT), follow_symlinks=False)


async def git(tree: Path, *arguments: str) -> str:
    """Run git in `tree` with no configuration but the repository's own."""
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        **FIXED_AUTHOR,
    }
    verb = next((word for word in arguments if not word.startswith("-")), "")
    return await programs.run(
        [shutil.which("git") or "git", *arguments], doing=f"git {verb}", cwd=tree, env=env
    )
