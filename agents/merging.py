"""Bringing what was changed in a copy of a workspace back into it: a three-way merge by git."""

from agents.inside import GIT
from harness.errors import SandboxUnavailable
from harness.protocols import Sandbox

AT = "/tmp/.delm-merge"  # noqa: S108 - inside a sandbox
START, THEIRS, OURS = f"{AT}-start", f"{AT}-theirs", f"{AT}-ours"
CONFLICT, BROKEN = 41, 42
SHOWN = 3000  # bytes of what contradicts

# Everything is put together in an index and an object store of its own; the files are touched last,
# and only when the merge is clean.
MERGE = (
    GIT
    + f"""
scratch=$(mktemp -d) && trap 'rm -rf "$scratch" {START} {THEIRS} {OURS}' EXIT || exit {BROKEN}
export GIT_ALTERNATE_OBJECT_DIRECTORIES=$(git rev-parse --path-format=absolute --git-path objects)
export GIT_OBJECT_DIRECTORY=$scratch/objects GIT_INDEX_FILE=$scratch/index
mkdir "$GIT_OBJECT_DIRECTORY"
tree() {{
  git read-tree HEAD && {{ [ ! -s "$1" ] || git apply --cached "$1"; }} && git write-tree
}}
between() {{ git diff --binary --full-index --no-renames --no-color --no-ext-diff --no-textconv \\
  --src-prefix=a/ --dst-prefix=b/ "$@"; }}
start=$(tree {START}) && theirs=$(tree {THEIRS}) && ours=$(tree {OURS}) || exit {BROKEN}
between "$start" "$theirs" > "$scratch/change" || exit {BROKEN}
[ -s "$scratch/change" ] || exit 0
if ! git apply --cached --3way "$scratch/change" > "$scratch/said" 2>&1; then
  git ls-files -u -z | cut -z -f 2 | sort -zu > "$scratch/paths"
  [ -s "$scratch/paths" ] || {{ cat "$scratch/said"; exit {CONFLICT}; }}
  while IFS= read -r -d '' path; do
    printf '%s\\n' "$path"
    for stage in 1 2 3; do git show ":$stage:$path" > "$scratch/$stage" 2> /dev/null; done
    git merge-file -p -L 'main workspace' -L before -L 'not taken' \\
      "$scratch/2" "$scratch/1" "$scratch/3" 2> /dev/null \\
      | sed -n '/^<<<<<<< /,/^>>>>>>> /p'
  done < "$scratch/paths" | head -c {SHOWN}
  exit {CONFLICT}
fi
new=$(git write-tree) && between "$ours" "$new" > "$scratch/change" || exit {BROKEN}
[ -s "$scratch/change" ] || exit 0
unset GIT_INDEX_FILE
git apply "$scratch/change" || exit {BROKEN}
"""
)


async def merge(workspace: Sandbox, *, start: str, theirs: str) -> str:
    """Bring into `workspace` what lies between `start` and `theirs`, patches of the base commit.

    Returns what contradicts, and changes nothing then; or "" when it is done. Nobody else may have
    made commits in `workspace`. Raises `SandboxUnavailable` where git itself does not work there.
    """
    for path, patch in ((START, start), (THEIRS, theirs), (OURS, await workspace.diff())):
        await workspace.write(path, patch.encode())
    result = await workspace.exec(MERGE, timeout_s=120, max_output_chars=2 * SHOWN)
    if result.exit_status == 0:
        return ""
    if result.exit_status == CONFLICT:
        return result.output.strip() or "(git does not say where)"
    raise SandboxUnavailable(f"changes could not be merged: {result.output[-300:]}")
