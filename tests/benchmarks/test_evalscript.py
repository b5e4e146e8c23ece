import subprocess

import pytest
from hub_rows import TEST_PATCH

from harness.benchmarks.swebench.eval_script import eval_script, heredoc_delimiter, touched_files
from harness.errors import UserError


def test_touched_files_are_told_apart_by_what_happens_to_them():
    assert touched_files(TEST_PATCH) == (
        ["tests/gone.py", "tests/test_old.py"],
        ["tests/new file.py"],
    )
    rename = "diff --git a/o.py b/n.py\nsimilarity index 100%\nrename from o.py\nrename to n.py\n"
    assert touched_files(rename) == (["o.py"], ["n.py"])
    quoted = TEST_PATCH.replace("a/tests/gone.py", '"a/t\\303\\244st.py"')
    assert "täst.py" in touched_files(quoted)[0]


@pytest.mark.parametrize("patch", ["", "garbage\n", "--- a/x\n+++ b/x\n@@ -1,3 +1 @@\n-a\n"])
def test_a_test_patch_that_is_none_is_refused(patch):
    with pytest.raises(UserError):
        eval_script(patch, "true")


def test_the_here_document_cannot_be_ended_by_the_patch():
    word = heredoc_delimiter("x\n")
    assert heredoc_delimiter("x\n") == word
    body = "a\n"
    hostile = f"{body}{heredoc_delimiter(body)}\n"
    assert heredoc_delimiter(hostile) not in hostile.splitlines()


def test_the_script_survives_whatever_a_submission_did_to_the_test_files(tmp_path):
    repository = tmp_path / "testbed"
    (repository / "tests").mkdir(parents=True)
    for name, text in (("test_old.py", "old = 1\n"), ("gone.py", "gone = 1\n")):
        (repository / "tests" / name).write_text(text)
    _git(repository, "init", "--quiet")
    _git(repository, "add", "--all")
    _git(repository, "commit", "--quiet", "--message", "base")
    (repository / "tests" / "test_old.py").write_text("cheated = 1\n")
    (repository / "tests" / "new file.py").write_text("cheated = 1\n")
    (repository / "tests" / "gone.py").unlink()
    script = eval_script(TEST_PATCH, "cat tests/*; ls tests").replace("/testbed", str(repository))
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        check=True,
    )
    assert done.stdout.splitlines() == ["new = 1", "old = 2", "new file.py", "test_old.py"]
    assert _git(repository, "status", "--porcelain") == ""


def _git(repository, *arguments):
    identity = ["-c", "user.name=t", "-c", "user.email=t@localhost"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=repository, check=True, capture_output=True, text=True
    ).stdout
