# What differs in /testbed from the tree $tree: as base64 the patch, and in a line of its own the
# paths that it leaves out. Before it stand `scripts.HEAD` and the variables (`diff_script.py`).
#
# git opens no file of /testbed by itself: it is told which paths to add, and finds their bytes in a
# folder of its own. So neither a name, nor a FIFO, nor a repository inside another, nor rules that
# contradict each other can stop it, or keep a file from it, or add one.
umask 022
set -o pipefail
scratch=$(mktemp -d) && mkdir "$scratch"/{tree,rules_tree,hidden_tree} || exit 33
exec 2> "$scratch/errors"  # the output is the answer
trap '[ $? = 0 ] || tail -n 1 "$scratch/errors"; rm -rf "$scratch"' EXIT
export tree scratch max_files most_left_out HOME=$scratch XDG_CONFIG_HOME=$scratch
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_ATTR_NOSYSTEM=1 GIT_OPTIONAL_LOCKS=0
git init -q --template= "$scratch/own" || exit 33
export GIT_DIR="$scratch/own/.git" GIT_WORK_TREE="$scratch/tree"
export GIT_NO_REPLACE_OBJECTS=1
mkdir -p "$GIT_DIR/info" && printf '%s\n' "$exclude" > "$GIT_DIR/info/exclude" \
  && printf '%s\n' "$attributes" > "$GIT_DIR/info/attributes" \
  && cat >> "$GIT_DIR/config" << END || exit 33
[core]
quotePath = $quote_paths
excludesFile = /dev/null
attributesFile = /dev/null
fileMode = true
symlinks = true
ignoreCase = false
protectNTFS = true
END

inside() { (cd /testbed && "$@"); }  # git reads attributes and rules in the working directory
step() { perl -f -e "$program" "$1"; }
# Reads the repository inside, which can be anything.
origin() { GIT_ALTERNATE_OBJECT_DIRECTORIES=/testbed/.git/objects timeout -k 1 20 "$@"; }
# Copies the objects whose ids it reads. They get the names that their content gives them: one that
# was forged is missing then.
take() {
  origin git pack-objects -q --stdout --window=0 --compression=0 > "$scratch/pack" \
    && git index-pack --stdin < "$scratch/pack" > /dev/null || exit 31
}
# Copies the files and links of a list from /testbed into a folder.
copy() {
  [ -s "$scratch/$1" ] || return 0
  tar --directory=/testbed --create --numeric-owner --sparse --null --no-unquote --no-recursion \
    --files-from="$scratch/$1" --file=- \
    | tar --directory="$scratch/$2" --extract --no-same-owner --no-same-permissions --touch \
      --file=- || exit 33
}
ignored() {  # which of the new files are
  (cd "$scratch/rules_tree" \
    && timeout -k 1 30 git --work-tree=. check-ignore --no-index -z --stdin) \
    < "$scratch/new" > "$scratch/ignored" || [ $? = 1 ]
}
base_rules() {  # git cannot read those that are there now, or it takes too long
  rm -rf "$scratch/rules_tree" && mkdir "$scratch/rules_tree" || exit 33
  (cd "$scratch/rules_tree" && git --work-tree=. checkout-index -z --stdin) < "$scratch/base rules"
}
add() { git --work-tree=. update-index --add --replace -z --stdin < "$scratch/$1"; }

# 1. The base.
base64 -d <<< "$start" | gzip -dc > "$scratch/start" || exit 33
cd "$scratch/tree" || exit 33
[ -z "$(find /testbed/.git/objects/ ! -type f ! -type d -print -quit)" ] || exit 31
origin git ls-tree -r -t -z "$tree" > "$scratch/origin" || exit 31
step skeleton > "$scratch/trees" || exit
take < "$scratch/trees"
git read-tree "$tree" && git ls-files -s -z > "$scratch/base" || exit 31

# 2. What there is, and which of it differs. A file that was there at the start stays out by its
# exact name; one that is new is ignored as the .gitignore files say that are there now.
inside find . -xdev -mindepth 1 -name .git -prune \
  -o -type f -printf 'f%P\0' -o -type l -printf 'l%P\0' > "$scratch/found" || exit 33
inside step sort_out || exit
inside git hash-object --no-filters --stdin-paths < "$scratch/names" > "$scratch/hashes" || exit 32
: > "$scratch/ignored"
if [ -s "$scratch/new" ]; then
  copy rules rules_tree
  ignored || { base_rules && ignored; } || exit 32
fi
inside step choose || exit

# 3. Its content. The attributes that convert it (line ends) are those of the base.
[ ! -s "$scratch/objects" ] || take < "$scratch/objects"
for batch in "$scratch"/batch.*; do
  [ -s "$batch" ] || continue
  cd "$scratch" && rm -rf tree && mkdir tree && cd tree || exit 33
  copy "${batch##*/}" tree
  add "${batch##*/}" || {
    echo '* !working-tree-encoding' >> "$GIT_DIR/info/attributes" && add "${batch##*/}"
  } || exit 32
done
if [ -s "$scratch/attributes" ]; then
  export alias=${scratch##*/}
  copy attributes hidden_tree
  cd "$scratch/hidden_tree" || exit 33
  step hide_attributes || exit
  add hidden && git ls-files -s -z > "$scratch/index" || exit 32
  step show_attributes > "$scratch/shown" && cd "$scratch/tree" || exit
fi
if [ -s "$scratch/gone" ]; then
  git update-index --force-remove -z --stdin < "$scratch/gone" || exit 32
fi
if [ -s "$scratch/attributes" ]; then
  git update-index --replace -z --index-info < "$scratch/shown" || exit 32
fi

# 4. The patch, and what git has refused.
git diff --cached --binary --full-index --no-renames --no-color --no-ext-diff \
  --no-textconv --src-prefix=a/ --dst-prefix=b/ "$tree" \
  | head -c "$((max_patch + 1))" > "$scratch/patch"
status=${PIPESTATUS[0]}
[ "$(stat -c %s "$scratch/patch")" -le "$max_patch" ] || exit 25
[ "$status" = 0 ] || exit 31
base64 -w 0 < "$scratch/patch" && echo || exit 33
git ls-files -z > "$scratch/index" || exit 33
step left_out | base64 -w 0
