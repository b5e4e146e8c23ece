"""The version of this program, and the machine that it runs on."""

import os
import platform
from pathlib import Path
from typing import Any

from harness import __version__

ROOT = Path(__file__).parents[2]  # of a checkout


def machine() -> dict[str, Any]:
    """What a run may depend on; nothing that names the machine or its owner."""
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpus": os.cpu_count() or 1,
        "python": platform.python_version(),
    }


def program() -> dict[str, Any]:
    """Version, git commit, and whether its files differ from that commit.

    `commit` is empty and `modified` None where it was installed without a checkout, or git cannot
    tell.
    """
    found: dict[str, Any] = {"version": __version__, "commit": "", "modified": None}
    try:
        from git import GitError, Repo
    except ImportError:  # there is no git on this machine
        return found
    try:
        with Repo(ROOT) as repository:
            commit = repository.head.commit.hexsha
            modified = bool(repository.git.status("--porcelain", "--", "harness", "agents"))
    except (GitError, ValueError, OSError):  # no checkout, no commit yet
        return found
    return found | {"commit": commit, "modified": modified}
