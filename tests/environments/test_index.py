import threading

import pytest
from local_index import publish, served

from harness.environments.package_index import IndexSettings, fetch, parse_pip_config, pip_settings
from harness.errors import UserError

pytestmark = pytest.mark.slow(seconds=5)

CONTENT = b"the bytes of a release" * 1000


def test_a_file_is_downloaded_once_and_then_comes_from_the_cache(tmp_path):
    sha256 = publish(tmp_path / "index", "thing", "thing-1.tar.gz", CONTENT)
    with served(tmp_path / "index") as (url, asked):
        for _ in range(2):
            path = _fetch(tmp_path, url, sha256)
    assert path.read_bytes() == CONTENT
    assert asked.count("/thing/thing-1.tar.gz") == 1


def test_a_damaged_cached_file_is_downloaded_again(tmp_path):
    sha256 = publish(tmp_path / "index", "thing", "thing-1.tar.gz", CONTENT)
    with served(tmp_path / "index") as (url, _):
        _fetch(tmp_path, url, sha256).write_bytes(b"bit rot")
        assert _fetch(tmp_path, url, sha256).read_bytes() == CONTENT


def test_a_file_with_another_hash_is_refused_and_leaves_nothing(tmp_path):
    publish(tmp_path / "index", "thing", "thing-1.tar.gz", CONTENT)
    with served(tmp_path / "index") as (url, _), pytest.raises(UserError, match="has sha256"):
        _fetch(tmp_path, url, "0" * 64)
    assert [path.name for path in tmp_path.glob("cache/files/*/*")] == [".lock"]


def test_concurrent_askers_share_one_download(tmp_path):
    sha256 = publish(tmp_path / "index", "thing", "thing-1.tar.gz", CONTENT)
    with served(tmp_path / "index") as (url, asked):
        threads = [threading.Thread(target=_fetch, args=(tmp_path, url, sha256)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert asked.count("/thing/thing-1.tar.gz") == 1


@pytest.mark.parametrize(
    ("project", "filename", "message"),
    [
        ("other", "thing-1.tar.gz", "no project other"),
        ("thing", "thing-2.tar.gz", "no file thing-2"),
    ],
)
def test_what_the_index_lacks_is_named(tmp_path, project, filename, message):
    publish(tmp_path / "index", "thing", "thing-1.tar.gz", CONTENT)
    with served(tmp_path / "index") as (url, _), pytest.raises(UserError, match=message):
        fetch(
            project=project,
            filename=filename,
            sha256="0" * 64,
            cache=tmp_path / "cache",
            settings=IndexSettings(index_url=url),
        )


def test_an_index_that_cannot_be_reached_is_named_in_one_line_without_its_password(tmp_path):
    with pytest.raises(UserError) as caught:
        _fetch(tmp_path, "http://user:secret@127.0.0.1:9/simple", "0" * 64)
    message = str(caught.value)
    assert "127.0.0.1:9" in message
    assert "cannot be reached" in message
    assert "secret" not in message
    assert "\n" not in message


def test_an_extra_index_in_a_folder_is_asked_when_the_first_lacks_the_file(tmp_path):
    (tmp_path / "empty").mkdir()
    sha256 = publish(tmp_path / "index", "thing", "thing-1.tar.gz", CONTENT)
    settings = IndexSettings(
        index_url=(tmp_path / "missing").as_uri(),
        extra_index_urls=((tmp_path / "empty").as_uri(), (tmp_path / "index").as_uri()),
    )
    path = fetch(
        project="Thing",
        filename="thing-1.tar.gz",
        sha256=sha256,
        cache=tmp_path / "cache",
        settings=settings,
    )
    assert path.read_bytes() == CONTENT


def test_pip_variables_win_over_its_files():
    settings = parse_pip_config(
        "global.index-url='https://from.file/simple'\n"
        ":env:.index-url='https://from.env/simple'\n"
        "global.extra-index-url='file:///a file:///b'\n"
        "global.cert='/etc/cert.pem'\n"
        "install.user='true'\n"
        "nonsense\n"
    )
    assert settings == IndexSettings(
        index_url="https://from.env/simple",
        extra_index_urls=("file:///a", "file:///b"),
        cert="/etc/cert.pem",
    )


def test_the_index_that_pip_is_told_of_is_the_index_asked(monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    assert pip_settings().index_url == "http://127.0.0.1:9/simple"


def _fetch(tmp_path, url, sha256):
    return fetch(
        project="thing",
        filename="thing-1.tar.gz",
        sha256=sha256,
        cache=tmp_path / "cache",
        settings=IndexSettings(index_url=url),
    )
