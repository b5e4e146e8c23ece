"""Single text files of a release archive, without unpacking it; kept in the cache."""

import hashlib
import json
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.cache import write_beside
from harness.environments import package_index
from harness.errors import UserError
from harness.types import Environment


def read_texts(environment: Environment, paths: Sequence[str], cache: Path) -> Mapping[str, str]:
    """The text of the files at `paths`, which begin below the archive's one top folder.

    The archive is downloaded if it is not in the cache. A path that is no file of the archive, or
    no UTF-8 text, is left out. Line ends stay as they are. Blocking. Raises `UserError`.
    """
    wanted = sorted(set(paths))
    digest = hashlib.sha256(json.dumps(wanted).encode()).hexdigest()[:12]
    cached = cache / "rows" / f"{environment.sdist_sha256[:16]}-{digest}.json"
    try:
        return dict(json.loads(cached.read_bytes()))
    except (OSError, ValueError):
        pass  # not there, or damaged: made again below
    archive = package_index.fetch(
        project=environment.sdist_name,
        filename=environment.sdist_filename,
        sha256=environment.sdist_sha256,
        cache=cache,
    )
    texts = _texts(archive, frozenset(wanted))
    write_beside(cached, json.dumps(texts).encode())
    return texts


def _texts(archive: Path, wanted: frozenset[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                path = member.name.removeprefix("./").partition("/")[2]
                if path not in wanted or not member.isreg():
                    continue
                file = tar.extractfile(member)
                assert file is not None  # it is a regular file
                try:
                    found[path] = file.read().decode()
                except UnicodeDecodeError:
                    continue
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise UserError(f"cannot read {archive.name}: {error}") from error
    return found
