"""Archives are unpacked safely, also by Pythons whose tarfile has no filters."""

import io
import tarfile

import pytest

from harness.environments.source_archive import harmless


def member(name, *, kind=tarfile.REGTYPE, link="", mode=0o644):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, mode
    return info


@pytest.mark.parametrize(
    "bad",
    [
        member("../outside"),
        member("top/../../outside"),
        member("/etc/passwd"),
        member("top/link", kind=tarfile.SYMTYPE, link="/etc"),
        member("top/link", kind=tarfile.SYMTYPE, link="../../etc"),
        member("top/hard", kind=tarfile.LNKTYPE, link="../etc/passwd"),
        member("top/device", kind=tarfile.CHRTYPE),
        member("top/pipe", kind=tarfile.FIFOTYPE),
    ],
    ids=lambda info: f"{info.name}→{info.linkname}",
)
def test_a_member_that_reaches_outside_or_is_no_file_is_refused(bad):
    with pytest.raises(tarfile.TarError):
        harmless([member("top", kind=tarfile.DIRTYPE), bad])


def test_nothing_may_lie_behind_a_link_of_the_archive():
    with pytest.raises(tarfile.TarError):
        harmless([member("top/a", kind=tarfile.SYMTYPE, link="b"), member("top/a/file")])


def test_links_inside_are_kept_and_modes_are_made_ordinary(tmp_path):
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, "w") as tar:
        tar.addfile(member("top", kind=tarfile.DIRTYPE, mode=0o777))
        info = member("top/file", mode=0o6777)
        info.size = 2
        tar.addfile(info, io.BytesIO(b"hi"))
        tar.addfile(member("top/link", kind=tarfile.SYMTYPE, link="file"))
    with tarfile.open(archive) as tar:
        kept = harmless(tar.getmembers())
    assert [info.name for info in kept] == ["top", "top/file", "top/link"]
    assert [info.mode for info in kept[:2]] == [0o755, 0o755]
