"""`make lint` holds the sizes and directions of the tree: what is planted against them is found."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CATCHES = "try:\n    pass\nexcept {}:\n    pass\n"


def tree(folder: Path, **texts: str) -> Path:
    """A tree with one broad except, and `texts` by file, `__` for each folder."""
    files = {"harness/__init__.py": "", "agents/__init__.py": "", "scripts/s.py": "",
             "harness/run.py": CATCHES.format("Exception")}  # fmt: skip
    files |= {f"{name.replace('__', '/')}.py": text for name, text in texts.items()}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def check(folder: Path) -> tuple[int, str]:
    """The exit code of the check of a tree, and what it prints."""
    words = [sys.executable, str(ROOT / "scripts" / "check_sizes.py"), str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def function(lines: int) -> str:
    """A function of that many lines."""
    return "def long():\n" + "    pass\n" * (lines - 1)


def test_the_largest_that_is_allowed_passes(tmp_path):
    modules = {f"harness__m{n}": "" for n in range(11)} | {f"agents__m{n}": "" for n in range(10)}
    edge = {"harness__p__file": "\n" * 350, "agents__p__function": function(60)}
    assert check(tree(tmp_path, **modules, **edge)) == (0, "")


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ({f"harness__m{n}": "" for n in range(12)}, "harness/: 13 modules, at most 12"),
        ({f"agents__m{n}": "" for n in range(11)}, "agents/: 11 modules, at most 10"),
        ({"scripts__big": "\n" * 351}, "scripts/big.py: 351 lines, at most 350"),
        ({"harness__p__f": function(61)}, "harness/p/f.py:1: long: 61 lines, at most 60"),
        ({"agents__a": CATCHES.format("(OSError, BaseException)")}, "agents/a.py:3"),
        ({"harness__run": ""}, "broad excepts: none"),
        ({"agents__a": "from contextlib import suppress\nwith suppress(Exception): pass\n"},
         "agents/a.py:2"),
    ],
)  # fmt: skip
def test_what_is_larger_or_catches_all_is_told(tmp_path, texts, told):
    code, printed = check(tree(tmp_path, **texts))
    assert code == 1
    assert told in printed
