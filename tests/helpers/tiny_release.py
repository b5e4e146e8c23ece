"""A release small enough to rebuild in a test, on an index in a folder."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
from local_index import publish, tar_gz

from harness.types import Environment

PINS = ("pip==23.2.1", "setuptools==65.7.0", "wheel==0.38.4")
FILES = {
    "tiny-1.0/setup.py": (
        "from setuptools import setup\nsetup(name='tiny', version='1.0', py_modules=['tiny'])\n"
    ),
    "tiny-1.0/tiny.py": "ANSWER = 42\n",
    "tiny-1.0/.gitignore": "*.py\n",
    "tiny-1.0/tiny.egg-info/PKG-INFO": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
}


def download_pins(folder: Path) -> list[Path]:
    """The wheels that every environment needs, from the index that pip is configured for."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        str(folder),
    ]
    done = subprocess.run([*command, *PINS], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("pip cannot download wheels here: no package index can be reached")
    return sorted(folder.glob("*.whl"))


def tiny_index(index: Path, wheels: list[Path]) -> Environment:
    """Put the release and the wheels on the index in `index`; how to rebuild it."""
    for wheel in wheels:
        publish(index, wheel.name.partition("-")[0], wheel.name, wheel.read_bytes())
    sha256 = publish(index, "tiny", "tiny-1.0.tar.gz", tar_gz(FILES))
    return Environment(
        name="tiny-1.0",
        python=f"{sys.version_info[0]}.{sys.version_info[1]}",
        sdist_name="tiny",
        sdist_version="1.0",
        sdist_filename="tiny-1.0.tar.gz",
        sdist_sha256=sha256,
        requirements=PINS,
    )


def as_text(environment: Environment) -> str:
    """Python text that makes `environment`, for a process of its own."""
    return f"Environment(**{dataclasses.asdict(environment)!r})"
