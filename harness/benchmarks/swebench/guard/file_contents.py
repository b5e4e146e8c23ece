"""The contents of changed files in a sandbox, and of the base commit's. Reading changes nothing.

The repository inside is asked only by the hashes of its own objects, or those of the base commit.
"""

import base64
import gzip
import io
import os
import tarfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.errors import SandboxError
from harness.protocols import Sandbox

WITHIN_S = 300
MOST_CHARS = 50_000_000
# Programs of the system's folders come first: a folder of /testbed may be on the PATH.
HEAD = r"""
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH LC_ALL=C
unset TMPDIR ${!GIT_@}
set -o pipefail
cd /testbed || exit 3
packed() { gzip -1 | base64 -w 0; echo; }
"""
# Of the base commit's list that was made before anything was changed: its entries for `paths`.
BLOBS = r"""
blobs() {
  perl -0 -ne 'if (!$in) { $wanted{$_} = 1; $in = eof; next } print if /\t(.*)/s && $wanted{$1}' \
    FOLDER/paths FOLDER/base
}
"""
HASHES = rf"""
{BLOBS}
blobs | packed
sed -z 's|^|/testbed/|' FOLDER/paths \
  | (cd / && xargs -0 -r git hash-object --no-filters --) | packed
"""
CONTENTS = "tar --null --no-recursion -T FOLDER/paths -cf - | packed"
OBJECTS = rf"""
{BLOBS}
blobs | packed
blobs | perl -0 -ne 'print "$1\n" if /^\S+ \S+ (\w+)\t/' | git cat-file --batch | packed
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """A sandbox and a folder in it for lists of names, `base` among them: of the base commit."""

    sandbox: Sandbox
    folder: str

    async def run(self, script: str, paths: Iterable[str] = ()) -> list[bytes]:
        """What a trusted script has `packed`, each. It finds `paths` in a list of that name.

        Raises `SandboxError` where it fails.
        """
        listed = base64.b64encode(os.fsencode("".join(f"{path}\0" for path in paths))).decode()
        text = f"base64 -d > FOLDER/paths <<'END'\n{listed}\nEND\n" if listed else ""
        text = (HEAD + text + script).replace("FOLDER", self.folder)
        done = await self.sandbox.exec(text, timeout_s=WITHIN_S, max_output_chars=MOST_CHARS)
        if done.exit_status != 0:
            raise SandboxError(f"/testbed cannot be looked at: {done.output[-300:]}")
        return [_unpacked(line) for line in done.output.splitlines()]

    async def same_as_base(self, paths: Sequence[str]) -> set[str]:
        """Those of the regular files `paths` with the content that the base commit has."""
        if not paths:
            return set()
        listed, hashed = await self.run(HASHES, paths)
        blobs, hashes = _blobs(listed), hashed.decode().split()
        if len(hashes) != len(paths):
            raise SandboxError("changed files cannot be read")
        return {path for path, now in zip(paths, hashes, strict=True) if blobs.get(path) == now}

    async def contents(self, paths: Sequence[str]) -> dict[str, bytes]:
        """The contents of these regular files."""
        if not paths:
            return {}
        (data,) = await self.run(CONTENTS, paths)
        found = {}
        with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as archive:
            for member in archive:
                stream = archive.extractfile(member) if member.isreg() else None
                if stream is not None:
                    found[member.name] = stream.read()
        return found

    async def base_contents(self, paths: Sequence[str]) -> dict[str, bytes]:
        """The contents that the base commit has of `paths`, of those that are in it."""
        if not paths:
            return {}
        listed, data = await self.run(OBJECTS, paths)
        return dict(zip(_blobs(listed), _objects(data), strict=True))


def names(listed: bytes) -> list[str]:
    """The names in a list with a NUL at the end of each."""
    return [os.fsdecode(name) for name in listed.split(b"\0")[:-1]]


def _blobs(listed: bytes) -> dict[str, str]:
    found = {}
    for entry in names(listed):
        about, _, path = entry.partition("\t")
        found[path] = about.split(" ")[2]
    return found


def _unpacked(line: str) -> bytes:
    try:
        return gzip.decompress(base64.b64decode(line, validate=True))
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise SandboxError(f"/testbed cannot be looked at: {error}") from None


def _objects(data: bytes) -> list[bytes]:
    """The contents in what `git cat-file --batch` writes."""
    found, at = [], 0
    while at < len(data):
        end = data.index(b"\n", at)
        size = int(data[at:end].split(b" ")[2])
        found.append(data[end + 1 : end + 1 + size])
        at = end + 1 + size + 1
    return found
