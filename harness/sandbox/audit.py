"""Check at the start of every trial that the sandbox leaks neither the answer nor the host.

Repositories in published images have held the fix in later commits, tags, reflogs and unreachable
objects, and newer releases of the project in site-packages; agents have found all of these
(SWE-bench issues 465, 471, 482; OpenHands/benchmarks 687). `scrub` removes what is in the
repository; `audit` looks at everything and trusts nothing that `scrub` said.
"""

import base64
import os
from collections.abc import Mapping

from harness.errors import SandboxUnfit
from harness.sandbox.sandbox import ShellSandbox
from harness.types import ExecResult

# Every commit and tag that is not HEAD or an ancestor of HEAD, one a line
STRANGERS = r"""strangers() {
git cat-file --batch-all-objects --unordered --batch-check='%(objecttype) %(objectname)' \
  | awk '$1 == "commit" || $1 == "tag" {print $2}' | sort > "$scratch/all"
git rev-list HEAD | sort | comm -23 "$scratch/all" -
}
"""
HEAD = r"""
cd /testbed || exit 3
export GIT_CONFIG_GLOBAL=/dev/null GIT_NO_REPLACE_OBJECTS=1 GIT_CONFIG_COUNT=2
export GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=/testbed
export GIT_CONFIG_KEY_1=core.logAllRefUpdates GIT_CONFIG_VALUE_1=false
scratch=$(mktemp -d) && trap 'rm -rf "$scratch"' EXIT
folder=$(git rev-parse --absolute-git-dir) || exit 3
"""
SCRUB = (
    HEAD
    + STRANGERS
    + r"""
needed=
for remote in $(git remote); do git remote remove "$remote"; needed=1; done
current=$(git symbolic-ref -q HEAD)
git for-each-ref --format='delete %(refname)' | grep -vxF "delete $current" > "$scratch/refs"
[ ! -s "$scratch/refs" ] || { git update-ref --no-deref --stdin < "$scratch/refs"; needed=1; }
[ ! -d "$folder/logs" ] || { rm -rf "$folder/logs"; needed=1; }
for name in {FETCH,ORIG,MERGE,CHERRY_PICK,REVERT,BISECT,AUTO_MERGE}_HEAD lost-found worktrees; do
  left=$folder/$name
  [ ! -e "$left" ] && [ ! -L "$left" ] || { rm -rf "$left"; needed=1; }
done
strangers > "$scratch/strangers"
if [ -s "$scratch/strangers" ]; then
  rm -rf "$folder"/objects/{pack/*.keep,info/commit-graph*}
  git repack -q -a -d && git prune --expire=now && git prune-packed -q
  needed=1
fi
echo "scrubbed:$needed"
"""
)
CLEAN = "scrubbed:"  # and more where it was not
LOOK = (
    HEAD
    + STRANGERS
    + r"""
say() { printf '%s\t%s\n' "$1" "$2"; }
for remote in $(git remote); do say history "remote $remote"; done
current=$(git symbolic-ref -q HEAD)
git for-each-ref --format='%(refname)' | grep -vxF "$current" | head -5 | while read -r ref; do
  say history "reference $ref"
done
[ -z "$(find "$folder/logs" -type f -size +0 2>/dev/null | head -1)" ] || say history "reflogs"
strangers | head -3 | while read -r commit; do
  say history "object $commit is not an ancestor of HEAD"
done
if git cat-file -e BASE^{commit} 2>/dev/null; then
  git merge-base --is-ancestor BASE HEAD || say history "HEAD is not the base commit"
  # what the builders of published images commit last, over their own changes
  git log --format='%h %ae' BASE..HEAD | grep -vE ' setup@swebench\.(config|com)$' | head -3 \
    | while read -r commit _; do say history "commit $commit is after the base commit"; done
else
  [ "$(git rev-list --count HEAD)" = 1 ] || say history "the base commit is missing"
fi
[ -z "$(git status --porcelain --untracked-files=no | head -1)" ] || say history "modified files"
if [ NETWORK = 0 ]; then
  awk 'NR > 1' /proc/net/route | grep -q . && say network "there is an IPv4 route"
  awk '$10 != "lo"' /proc/net/ipv6_route 2>/dev/null | grep -q . && say network "an IPv6 route"
fi
env -0 | base64 -w 0 | sed 's/^/environment\t/'; echo
"""
)
# Packages of the repository (by folder) that also lie, as a real folder, on Python's own path.
COPIES = r"""
export PATH="$path_before"
python=$(command -v python || command -v python3) || exit 0
exec "$python" - <<'END'
import os, sys
roots = ("/testbed", "/testbed/src", "/testbed/lib")
common = {"test", "tests", "testing", "doc", "docs", "examples", "benchmarks", "build", "utils"}
names = {
    name for root in roots if os.path.isdir(root) for name in os.listdir(root)
    if os.path.isfile(os.path.join(root, name, "__init__.py")) and name not in common
}
for place in sys.path:
    if place and not place.startswith("/testbed") and os.path.isdir(place):
        for name in sorted(names & set(os.listdir(place))):
            if not os.path.realpath(os.path.join(place, name)).startswith("/testbed"):
                print("copy\t" + os.path.join(place, name))
END
"""
# What an image and a host may well set to the same value on their own
INNOCENT = {
    "PATH", "HOME", "PWD", "OLDPWD", "SHLVL", "SHELL", "TERM", "PAGER", "_", "LANG", "LANGUAGE",
    "TZ", "USER", "LOGNAME", "HOSTNAME", "DEBIAN_FRONTEND", "PYTHONUNBUFFERED", "PYTHONHASHSEED",
    "PYTHONDONTWRITEBYTECODE", "PYTHONIOENCODING", "PYTHONUTF8", "PIP_NO_CACHE_DIR",
}  # fmt: skip
INNOCENT_KINDS = ("LC_", "CONDA_")


async def scrub(sandbox: ShellSandbox) -> bool:
    """Remove remotes, tags, reflogs, other branches and unreachable commits; True if any was there.

    Where none was, nothing is changed. Raises `SandboxUnfit` when git itself fails.
    """
    result = await sandbox.amend(SCRUB, timeout_s=600, changed=lambda it: _last(it) != CLEAN)
    if result.exit_status != 0 or not _last(result).startswith(CLEAN):
        raise SandboxUnfit(f"the history could not be removed: {result.output[-300:]}")
    return _last(result) != CLEAN


async def audit(
    sandbox: ShellSandbox, base_commit: str, *, network: bool, host: Mapping[str, str] | None = None
) -> list[str]:
    """What leaks, one short line each ("history: tag v2"); empty when nothing does.

    `host` is the environment whose values must not be found inside, `os.environ` by default.
    """
    if not base_commit.isalnum():
        return [f"history: {base_commit!r} is not a commit"]
    script = LOOK.replace("BASE", base_commit).replace("NETWORK", str(int(network)))
    looked = await sandbox.inspect(script)
    if looked.exit_status != 0:
        raise SandboxUnfit(f"the audit failed: {looked.output[-300:]}")
    copies = await sandbox.inspect(COPIES)
    if copies.exit_status != 0:
        raise SandboxUnfit(f"the audit failed: {copies.output[-300:]}")
    findings = []
    for line in (looked.output + copies.output).splitlines():
        kind, _, what = line.partition("\t")
        if kind == "environment":
            findings += _leaked(what, os.environ if host is None else host)
        elif kind in {"history", "network"}:
            findings.append(f"{kind}: {what}")
        elif kind == "copy":
            findings.append(f"copy: {what} may hold the fix")
    return findings


def _last(result: ExecResult) -> str:
    return (result.output.strip().splitlines()[-1:] or [""])[0]


def _leaked(encoded: str, host: Mapping[str, str]) -> list[str]:
    inside = dict(
        pair.partition("=")[::2]
        for pair in base64.b64decode(encoded).decode(errors="replace").split("\0")
    )
    return [
        f"environment: {name} has the host's value"
        for name, value in inside.items()
        if len(value) > 3 and host.get(name) == value
        if name not in INNOCENT and not name.startswith(INNOCENT_KINDS)
    ]
