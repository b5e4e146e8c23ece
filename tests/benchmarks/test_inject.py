"""Faults put into a release of our own by the real command, in real sandboxes."""

import os
from pathlib import Path

import anyio
import pytest
import yaml
from console import Told, delm_here, refused
from sandboxes import git, why_not
from tally import CODE, FILE, SWAPPED, TESTS, UNNOTICED, entry, write

from harness.benchmarks.rows import load
from harness.cache import cache_dir
from harness.environments.rebuild import prepare

pytestmark = pytest.mark.slow(seconds=30)

GOOD, UNSEEN, FLAKY, LEFT = (f"example__tally-injected-{n}" for n in (1, 2, 3, 4))
UNSTABLE = "UNSTABLE=1 python -m pytest -rA {test_files}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("tally")


@pytest.fixture(scope="module")
def told(folder) -> Told:
    """What the command says of a good instance, and of three that cannot be used."""
    if reason := why_not("bubblewrap"):
        pytest.skip(reason)
    entries = {
        GOOD: entry(SWAPPED),
        UNSEEN: entry(UNNOTICED),
        FLAKY: entry(SWAPPED, test_command=UNSTABLE),
        LEFT: entry(SWAPPED, test_files=["setup.py"], test_command=f"python -m pytest -rA {FILE}"),
    }
    done = delm_here("dataset", "inject", write(folder, entries), "--out", folder / "out.yaml",
                     "--sandbox", "bubblewrap")  # fmt: skip
    if "cannot download" in done.text:
        pytest.skip(f"no package index can be reached: {done.text}")
    return done


def test_each_instance_that_cannot_be_used_says_why(told):
    assert told.code == 1, told.text
    lines = dict(line.split(": ", 1) for line in told.out.splitlines() if ": " in line)
    assert lines[GOOD] == "right"
    assert lines[UNSEEN].startswith("no test notices the fault")
    assert lines[FLAKY].startswith("tests differ between two runs of the same tree: tests/test_t")
    assert f"the test {FILE}::TestLabel::test_number fails with the fault and" in lines[LEFT]
    table = [line.split() for line in told.out.splitlines() if line.startswith(f"{GOOD} ")]
    assert table[0][:4] == [GOOD, "1", "2", "22"]
    assert "1 of 4 instances can be used" in told.out


def test_the_lists_are_written_and_nothing_else_of_the_file_changes(told, folder):
    before, after = ((folder / name).read_text() for name in ("mine.yaml", "out.yaml"))
    assert after.startswith("# ours\n")
    content = yaml.safe_load(after)
    good = content["injected"][GOOD]
    assert good.pop("fail_to_pass") == [
        f"{FILE}::TestLabel::test_number", f"{FILE}::test_spread[values1-3]",
    ]  # fmt: skip
    passing = good.pop("pass_to_pass")
    assert f"{FILE}::test_spread[values0-0]" in passing
    assert content == yaml.safe_load(before)


def test_the_repository_that_a_system_gets_holds_the_fault_and_not_its_tests(told, folder):
    item = load_good(folder)
    assert item.environment is not None

    async def root() -> Path:
        return (await prepare(item.environment, cache_dir(), on_progress=print)).root / "testbed"

    tree = anyio.run(root)
    assert git(tree, "rev-list", "--all", "--count") == "1"
    assert "return low - high" in (tree / "tally.py").read_text()
    shown = (tree / FILE).read_text()
    assert "test_mean" in shown
    assert "usual cases" not in shown
    assert "spread" not in shown.replace("import label, mean, spread", "")
    objects = git(tree, "cat-file", "--batch-all-objects", "--batch-check").splitlines()
    texts = {git(tree, "cat-file", "-p", line.split()[0]) for line in objects if " blob " in line}
    assert not {CODE.strip(), TESTS.strip()} & texts
    for _, _, files in os.walk(tree / ".git/logs"):
        assert not files


def load_good(folder: Path):
    content = yaml.safe_load((folder / "out.yaml").read_text())
    content["injected"] = {GOOD: content["injected"][GOOD]}
    (folder / "good.yaml").write_text(yaml.safe_dump(content))
    (item,) = load(str(folder / "good.yaml"), cache=cache_dir()).items
    return item


def test_it_is_graded_as_any_other_dataset(told, folder):
    load_good(folder)
    done = delm_here("dataset", "check", folder / "good.yaml", "--sandbox", "bubblewrap")
    assert done.code == 0, done.text
    assert f"{GOOD}: gold resolves it, empty does not" in done.out


def test_an_instance_whose_lists_are_not_there_yet_is_told(folder):
    done = delm_here("dataset", "check", write(folder, {GOOD: entry(SWAPPED)}), "--rows-only")
    assert done.code == 1
    assert f"injected.{GOOD}: fail_to_pass: it is empty; run: delm dataset inject" in done.out


def test_other_old_lines_are_refused_with_the_hash_that_they_have(folder):
    wrong = entry(SWAPPED | {"old_sha256": "0" * 64})
    done = delm_here("dataset", "inject", write(folder, {GOOD: wrong}))
    right = entry(SWAPPED)["faults"][0]["old_sha256"]
    refused(done, f"injected.{GOOD}.faults.0.old_sha256: lines 8 to 8 of tally.py in", right)
