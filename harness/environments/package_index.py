"""Download one named file of a release from the package index that pip is configured for.

Not covered: choosing a file. The caller names it and knows its hash, so a mirror, a proxy or a
local folder is as good as the index itself.
"""

import ast
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from filelock import FileLock

from harness.errors import UserError
from harness.secrets import child_environment

if TYPE_CHECKING:
    from pypi_simple import ProjectPage, PyPISimple

CONNECT_READ_SECONDS = (10.0, 60.0)
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSettings:
    """The indexes that pip is configured for. An empty `index_url` means pip's default."""

    index_url: str = ""
    extra_index_urls: tuple[str, ...] = ()
    cert: str = ""


def pip_settings() -> IndexSettings:
    """What `pip config list` says: files and `PIP_*` variables, the latter winning, as in pip.

    Without a pip to ask, the `PIP_*` variables alone.
    """
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        capture_output=True,
        text=True,
        check=False,
        env=child_environment.installer(),
    )
    if asked.returncode == 0:
        return parse_pip_config(asked.stdout)
    return IndexSettings(
        index_url=os.environ.get("PIP_INDEX_URL", ""),
        extra_index_urls=tuple(os.environ.get("PIP_EXTRA_INDEX_URL", "").split()),
        cert=os.environ.get("PIP_CERT", ""),
    )


def parse_pip_config(listing: str) -> IndexSettings:
    """Read the output of `pip config list`: one `section.key='value'` a line.

    Of the sections `global`, `download` and `:env:` the later wins, which is pip's own order.
    """
    found: dict[tuple[str, str], str] = {}
    for line in listing.splitlines():
        name, equals, quoted = line.partition("=")
        section, dot, key = name.strip().rpartition(".")
        if equals and dot:
            try:
                found[section, key] = str(ast.literal_eval(quoted.strip()))
            except (ValueError, SyntaxError):
                continue  # a value that pip prints without quotes is none of ours

    def value(key: str) -> str:
        sections = (":env:", "download", "global")
        return next((found[section, key] for section in sections if (section, key) in found), "")

    return IndexSettings(
        index_url=value("index-url").strip(),
        extra_index_urls=tuple(value("extra-index-url").split()),
        cert=value("cert").strip(),
    )


def fetch(
    *, project: str, filename: str, sha256: str, cache: Path, settings: IndexSettings | None = None
) -> Path:
    """The verified local copy of `filename`; downloaded at most once, whoever else asks meanwhile.

    Raises `UserError`: no index has the file, none can be reached, or what came has another hash.
    """
    target = cache / "files" / sha256 / filename
    if target.is_file() and _sha256(target) == sha256:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.parent / ".lock"):
        if target.is_file() and _sha256(target) == sha256:
            return target
        beside = target.with_name(f"{filename}.part")
        try:
            source = _download(project, filename, beside, settings or pip_settings())
            if (actual := _sha256(beside)) != sha256:
                raise UserError(
                    f"{filename} from {source} has sha256 {actual}, not {sha256}: "
                    "the file is not the one that was measured; use another index"
                )
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    return target


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(project: str, filename: str, to: Path, settings: IndexSettings) -> str:
    """Download the file to `to` from the first index that has it; return that index."""
    from pypi_simple import PYPI_SIMPLE_ENDPOINT

    failures: list[str] = []
    urls = (settings.index_url or PYPI_SIMPLE_ENDPOINT, *settings.extra_index_urls)
    with _session(settings) as client:
        for url in urls:
            reason = (
                _copy_local(url, project, filename, to)
                if url.startswith("file:")
                else _download_from(client, url, project, filename, to)
            )
            if not reason:
                return _without_password(url)
            failures.append(f"{_without_password(url)}: {reason}")
    raise UserError(
        f"cannot download {filename} ({'; '.join(failures)}); "
        "check the network and pip's index-url (`pip config list`)"
    )


@contextmanager
def _session(settings: IndexSettings) -> Iterator["PyPISimple"]:
    from pypi_simple import PyPISimple
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    again = Retry(total=3, backoff_factor=0.2, status_forcelist=(429, 500, 502, 503, 504))
    with PyPISimple() as client:
        for scheme in ("http://", "https://"):
            client.s.mount(scheme, HTTPAdapter(max_retries=again))
        if settings.cert:
            client.s.verify = settings.cert
        yield client


def _download_from(
    client: "PyPISimple", index_url: str, project: str, filename: str, to: Path
) -> str:
    """Download the file to `to`; return an empty string, or the reason of the failure."""
    import requests
    from pypi_simple import (
        NoSuchProjectError,
        UnsupportedContentTypeError,
        UnsupportedRepoVersionError,
    )

    client.endpoint = index_url.rstrip("/") + "/"
    try:
        page = client.get_project_page(project, timeout=CONNECT_READ_SECONDS)
        url = _file_url(page, filename)
        if not url:
            return f"has no file {filename}"
        with client.s.get(url, stream=True, timeout=CONNECT_READ_SECONDS) as response:
            response.raise_for_status()
            with to.open("wb") as file:
                for chunk in response.iter_content(CHUNK_BYTES):
                    file.write(chunk)
    except NoSuchProjectError:
        return f"has no project {project}"
    except (UnsupportedContentTypeError, UnsupportedRepoVersionError):
        return "is not a simple index"
    except requests.HTTPError as error:
        return f"HTTP status {error.response.status_code}"
    except requests.Timeout:
        return "does not answer in time"
    except requests.RequestException as error:
        return f"cannot be reached ({type(error).__name__})"
    return ""


def _copy_local(index_url: str, project: str, filename: str, to: Path) -> str:
    """As `_download_from`, for an index in a folder of this machine."""
    from packaging.utils import canonicalize_name
    from pypi_simple import ProjectPage

    listing = _local_path(index_url) / canonicalize_name(project) / "index.html"
    if not listing.is_file():
        return f"has no project {project}"
    page = ProjectPage.from_html(
        project, listing.read_text(encoding="utf-8"), base_url=listing.as_uri()
    )
    url = _file_url(page, filename)
    if not url or not (source := _local_path(url)).is_file():
        return f"has no file {filename}"
    to.write_bytes(source.read_bytes())
    return ""


def _file_url(page: "ProjectPage", filename: str) -> str:
    return next((package.url for package in page.packages if package.filename == filename), "")


def _local_path(file_url: str) -> Path:
    return Path(unquote(urlsplit(file_url).path))


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
