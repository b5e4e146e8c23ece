"""What a patch makes of the pristine tree, beside what is in a sandbox."""

import shutil
import subprocess
import sys
from pathlib import Path

from sandboxes import Kind, git

from harness.sandbox.sandbox import ShellSandbox

MANIFEST = r"""
import hashlib, os, subprocess, sys
top = sys.argv[1]
for folder, folders, files in os.walk(os.fsencode(top)):
    folders[:] = sorted(f for f in folders if f not in (b".git", b"__pycache__"))
    links = [f for f in folders if os.path.islink(os.path.join(folder, f))]
    for name in sorted(files + links):
        path = os.path.join(folder, name)
        shown = os.path.relpath(path, os.fsencode(top))
        if name == b".git" or shown.startswith((b"untracked", b"excluded")) or b".ignored" in shown:
            continue
        if os.path.islink(path):
            print(repr(shown), "link", repr(os.readlink(path)))
        elif os.path.isfile(path):
            with open(path, "rb") as file:
                content = hashlib.sha256(file.read()).hexdigest()
            print(repr(shown), os.stat(path).st_mode & 0o100, content)
"""


async def inside(sandbox: ShellSandbox) -> list[str]:
    """A line for each file and link in /testbed that a patch is to have."""
    look = f"chmod -R u+rX .; python3 - /testbed <<'E'\n{MANIFEST}\nE"
    found = await sandbox.exec(look, max_output_chars=1_000_000)
    assert found.exit_status == 0, found.output
    return found.output.splitlines()


def patched(kind: Kind, tmp_path: Path, patch: str) -> list[str]:
    """The same of the pristine tree to which `patch` was applied."""
    tree = tmp_path / "tree"
    shutil.copytree(kind.testbed, tree, symlinks=True)
    if patch:
        (tmp_path / "patch").write_bytes(patch.encode())
        git(tree, "apply", "--whitespace=nowarn", str(tmp_path / "patch"))
    found = subprocess.run(
        [sys.executable, "-", str(tree)], input=MANIFEST, capture_output=True, text=True, check=True
    )
    return found.stdout.splitlines()
