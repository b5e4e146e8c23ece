"""The built wheel holds all that it needs, and is the one that runs, wherever one is."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from console import Told, refused

pytestmark = pytest.mark.slow(seconds=3)

ROOT = Path(__file__).parents[2]
PARTS = ("harness", "agents", "configs", "results/reference")
IGNORED = shutil.ignore_patterns("__pycache__")


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The wheel's content, built from a copy of the tree: what an earlier build left is not in it.

    Its dependencies are those of this environment.
    """
    place = tmp_path_factory.mktemp("wheel")
    for part in PARTS:
        shutil.copytree(ROOT / part, place / "tree" / part, symlinks=True, ignore=IGNORED)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, place / "tree")
    words = ["pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index", "-w", str(place)]
    subprocess.run(
        [sys.executable, "-m", *words, str(place / "tree")], check=True, capture_output=True
    )
    (wheel,) = place.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(place / "site")
    shutil.rmtree(place / "tree")
    (place / "empty").mkdir()
    return place


def run(place: Path, *words: str, first: Path | None = None) -> Told:
    """`delm` of the wheel in an empty folder; `first` is looked into before it."""
    path = os.pathsep.join(map(str, [*([first] if first else []), place / "site"]))
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", *words],
        cwd=place / "empty", env=os.environ | {"PYTHONPATH": path}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return Told(done.returncode, done.stdout, done.stderr)


def files(root: Path, folder: str) -> set[str]:
    found = (path for path in (root / folder).rglob("*") if path.is_file())
    return {str(path.relative_to(root / folder)) for path in found if path.suffix != ".pyc"}


def test_the_wheel_holds_every_file_of_the_packages_and_what_ships_with_them(installed):
    site = installed / "site"
    for package in ("harness", "agents"):
        here = {name for name in files(ROOT, package) if not name.startswith("shipped/")}
        assert here <= files(site, package)
    assert files(site, "harness/shipped/configs") == files(ROOT, "configs")
    for name in ("published.csv", "measured.csv"):
        assert (site / "harness/shipped" / name).is_file()
    assert (site / "harness/py.typed").is_file()


def test_the_wheel_replays_a_recording_outside_of_any_checkout(installed):
    recording = installed / "site/harness/shipped/configs/recordings/longbench-offline.jsonl"
    told = run(installed, "eval", "-m", f"replay:{recording}", "-s", "base", "-i", "offline-1",
               "-c", "plots=false", "--run-id", "x")  # fmt: skip
    assert told.code == 0, told.text
    made = (installed / "empty/results/x/run.yaml").read_text()
    assert "commit: ''" in made, "it was the wheel that ran, not this checkout"
    assert told.out.splitlines()[-1] == "report: results/x/report.html"
    report = (installed / "empty/results/x/report.html").read_text()
    assert '<h2 id="verdict"' in report
    assert report.count('<script type="text/plain" id="cell-') == 1


def test_a_system_of_the_folder_is_found_by_its_name(installed):
    mine = installed / "empty/configs/systems/mine.yaml"
    mine.parent.mkdir(parents=True)
    mine.write_text("extends: base\nname: mine\noptions: {token: 3}\n")
    told = run(installed, "eval", "-s", "mine", "--dry-run")
    assert "system mine: its options do not fit: unknown key 'token'" in told.err


def test_another_package_called_agents_is_told_in_one_line(installed, tmp_path):
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents/__init__.py").write_text("class Runner: ...\n")
    told = run(installed, "eval", "-s", "single", "--dry-run", first=tmp_path)
    refused(told, "'agents' is not that of delm-harness", str(tmp_path), "openai-agents")
