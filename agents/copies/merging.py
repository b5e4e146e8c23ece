"""Merge changes from a copy of a workspace back into it, three-way, with git."""

from agents.sandbox_scripts import GIT
from harness.errors import SandboxLost
from harness.protocols import Sandbox

AT = "/tmp/.delm-merge"  # noqa: S108 - inside a sandbox
START, THEIRS, OURS = f"{AT}-start", f"{AT}-theirs", f"{AT}-ours"
CONFLICT, BROKEN = 41, 42
SHOWN = 3000  # bytes of what contradicts

# Everything is put together in an index and an object store of its own; the files are touched last,
# and only when the merge is clean.
MERGE = (
    GIT
    + rf"""
scratch=$(mktemp -d) && trap 'rm -rf "$scratch" {START} {THEIRS} {OURS}' EXIT || exit {BROKEN}
export GIT_ALTERNATE_OBJECT_DIRECTORIES=$(git rev-parse --absolute-git-dir)/objects
export GIT_OBJECT_DIRECTORY=$scratch/objects GIT_INDEX_FILE=$scratch/index
mkdir "$GIT_OBJECT_DIRECTORY"
tree() {{
  git read-tree HEAD && {{ [ ! -s "$1" ] || git apply --cached "$1"; }} && git write-tree
}}
side() {{ # mode and blob of what one side has at $path
  git ls-files -s -z -- ":(literal)$path" | sed -zn "s/^\([0-9]* [0-9a-f]*\) $1\t.*/\1/p" \
    | tr -d '\0'
}}
content() {{ [ -z "$1" ] || git cat-file blob "$1"; }}

start=$(tree {START}) && theirs=$(tree {THEIRS}) && ours=$(tree {OURS}) || exit {BROKEN}
git read-tree -i -m --aggressive "$start" "$ours" "$theirs" || exit {BROKEN}
git ls-files -u -z | cut -z -f 2 | sort -zu > "$scratch/paths"
said=
while IFS= read -r -d '' path; do
  read -r mode1 blob1 <<< "$(side 1)"
  read -r mode2 blob2 <<< "$(side 2)"
  read -r mode3 blob3 <<< "$(side 3)"
  if [ -z "$blob2" ] || [ -z "$blob3" ]; then
    said+="$path"$'\nis gone on one side and changed on the other\n'
    continue
  fi
  content "$blob1" > "$scratch/1"; content "$blob2" > "$scratch/2"; content "$blob3" > "$scratch/3"
  if git merge-file -q -p --diff3 -L "$HERE" -L before -L 'not taken' \
    "$scratch/2" "$scratch/1" "$scratch/3" > "$scratch/merged" 2> /dev/null
  then
    [ "$mode2" != "$mode1" ] && mode=$mode2 || mode=$mode3
    git update-index --cacheinfo "$mode,$(git hash-object -w "$scratch/merged"),$path"
  else
    said+="$path"$'\n'$(sed -n '/^<<<<<<< /,/^>>>>>>> /p' "$scratch/merged" | tr -d '\0')$'\n'
  fi
done < "$scratch/paths"
[ -z "$said" ] || {{ printf %s "$said" | head -c {SHOWN}; exit {CONFLICT}; }}
new=$(git write-tree) || exit {CONFLICT}
git diff --binary --full-index --no-renames --no-color --no-ext-diff --no-textconv \
  --src-prefix=a/ --dst-prefix=b/ "$ours" "$new" > "$scratch/change" || exit {BROKEN}
[ -s "$scratch/change" ] || exit 0
unset GIT_INDEX_FILE
git apply "$scratch/change" || exit {BROKEN}
"""
)


async def merge(
    workspace: Sandbox, *, start: str, theirs: str, here: str = "main workspace"
) -> str:
    """Bring into `workspace` what lies between `start` and `theirs`, patches of the base commit.

    Returns what contradicts, and changes nothing then; or "" when it is done. `here` is what the
    workspace is called there. Nobody else may have
    made commits in `workspace`. Raises `SandboxLost` where git itself does not work there.
    """
    for path, patch in ((START, start), (THEIRS, theirs), (OURS, await workspace.diff())):
        await workspace.write(path, patch.encode())
    result = await workspace.exec(
        MERGE, timeout_s=120, env={"HERE": here}, max_output_chars=2 * SHOWN
    )
    if result.exit_status == 0:
        return ""
    if result.exit_status == CONFLICT:
        return result.output.strip() or "(git does not say where)"
    raise SandboxLost(f"changes could not be merged: {result.output[-300:]}")
