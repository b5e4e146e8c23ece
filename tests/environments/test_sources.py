"""Archives are unpacked safely, also by Pythons whose tarfile has no filters."""

import io
import os
import tarfile

import pytest

from harness.environments import source_archive
from harness.environments.source_archive import harmless
from harness.errors import UserError
from harness.text.file_patch import patch_of


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


async def test_a_patched_tree_does_not_tell_which_files_were_patched(tmp_path):
    tree = tmp_path / "tree"
    (tree / "pkg").mkdir(parents=True)
    for number, name in enumerate(["pkg/a.py", "pkg/b.py", "c.txt"]):
        (tree / name).write_text(f"{number}\n")
        os.utime(tree / name, (1_600_000_000 + number,) * 2)
    before = {path: path.stat().st_ino for path in tree.rglob("*")}
    patch = patch_of({"pkg/a.py": "0\n", "c.txt": "2\n"}, {"pkg/a.py": "9\n", "c.txt": "8\n"})
    await source_archive.commit(tree, "tiny 1.0", patch=patch)
    assert [(tree / name).read_text() for name in ("pkg/a.py", "pkg/b.py", "c.txt")] == [
        "9\n", "1\n", "8\n",
    ]  # fmt: skip
    assert {path: path.stat().st_ino for path in before} == before
    assert len({path.stat().st_mtime for path in before}) == 1
    assert (tree / "pkg/a.py").stat().st_ctime_ns <= (tree / "pkg").stat().st_ctime_ns
    listed = await source_archive.git(tree, "cat-file", "--batch-all-objects", "--batch-check")
    contents = [
        await source_archive.git(tree, "cat-file", "-p", line.split()[0])
        for line in listed.splitlines()
        if " blob " in line
    ]
    assert sorted(contents) == ["1\n", "8\n", "9\n"]


async def test_a_patch_that_does_not_fit_is_told(tmp_path):
    (tmp_path / "a.py").write_text("other\n")
    patch = patch_of({"a.py": "0\n"}, {"a.py": "9\n"})
    with pytest.raises(UserError, match="git apply failed"):
        await source_archive.commit(tmp_path, "tiny 1.0", patch=patch)
