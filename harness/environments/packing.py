"""Software of one's own as a release archive in the cache: the same bytes for the same files."""

import gzip
import hashlib
import io
import os
import tarfile
from pathlib import Path

from harness.cache import write_beside
from harness.errors import UserError

LEFT_OUT = {".git", ".hg", ".svn", ".venv", "venv", "__pycache__", ".pytest_cache", "node_modules"}

TOP = "source"  # the one folder in an archive; its name is dropped when that is unpacked


def pack(path: Path, name: str, cache: Path) -> str:
    """The SHA-256 of the archive of a folder, or of an archive as it is.

    It lies in the cache where a download called `name` would lie. Of a folder the repository,
    virtual environments and caches are left out; what counts is the files, the links and who may
    execute them, on any machine and under any name of the folder. Raises `UserError`.
    """
    try:
        if (
            path.exists()
            and not path.is_dir()
            and not (path.is_file() and tarfile.is_tarfile(path))
        ):
            raise UserError(f"source: {path} is neither a folder nor a .tar archive")
        content = _archive(path) if path.is_dir() else path.read_bytes()
    except OSError as error:
        raise UserError(f"source: cannot read {error.filename}: {error.strerror}") from None
    sha256 = hashlib.sha256(content).hexdigest()
    there = cache / "files" / sha256 / name
    if not there.is_file():
        write_beside(there, content)
    return sha256


def _archive(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", filename="", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        tar.addfile(_plain(tarfile.TarInfo(TOP), is_folder=True))
        for path in _files(folder):
            member = tar.gettarinfo(str(path), f"{TOP}/{path.relative_to(folder).as_posix()}")
            if member.isreg():
                with path.open("rb") as file:
                    tar.addfile(_plain(member), file)
            elif member.issym():
                tar.addfile(_plain(member))
    return buffer.getvalue()


def _files(folder: Path) -> list[Path]:
    found = []
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if Path(place, name).is_symlink()]
        folders[:] = sorted(n for n in folders if n not in LEFT_OUT and not n.endswith(".egg-info"))
        found += [Path(place, name) for name in (*links, *files) if not name.endswith(".pyc")]
    return sorted(found)


def _plain(member: tarfile.TarInfo, *, is_folder: bool = False) -> tarfile.TarInfo:
    """Without owner, time and rights of this machine."""
    if is_folder:
        member.type = tarfile.DIRTYPE
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    member.mode = 0o755 if is_folder or member.mode & 0o100 else 0o644
    member.pax_headers = {}
    return member
