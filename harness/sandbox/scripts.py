"""The bash that reads, writes and compares files inside a sandbox. Exit statuses are answers."""

ROOT = "/testbed"
UNRESOLVED, OUTSIDE, MISSING, NO_FILE, TOO_LARGE = 21, 22, 23, 24, 25
NO_BASE, NOT_ADDED, NO_SCRATCH = 31, 32, 33

# Before each: PATH of the system only, nothing that an agent put into its own folders runs here;
# no variable of the image steers git; /tmp is there, whatever was done to it.
HEAD = r"""
path_before=$PATH
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
unset TMPDIR ${!GIT_@}
cd /
[ -d /tmp ] && [ ! -L /tmp ] && [ -w /tmp ] && [ -x /tmp ] \
  || { rm -f /tmp; mkdir -p /tmp; chmod 1777 /tmp; } 2>/dev/null
"""
RESOLVE = r"""
target={path}
case $target in /testbed|/testbed/*)
  real=$(realpath -m -- {checked}) || exit 21
  case $real in /testbed|/testbed/*) ;; *) exit 22 ;; esac ;;
esac
"""
READ = (
    RESOLVE
    + r"""
[ -e "$target" ] || exit 23
[ -f "$target" ] || exit 24
[ "$(stat -L -c %s -- "$target")" -le {max_bytes} ] || exit 25
set -o pipefail
head -c {stop_at} -- "$target" | base64 -w 0
"""
)
APPEND = "base64 -d <<< {text} >> {part} || {{ rm -f {part}; exit 1; }}"
WRITE = (
    "trap 'rm -f {part}' EXIT"
    + RESOLVE
    + r"""
[ -L "$target" ] || [ ! -d "$target" ] || exit 24
mkdir -p -- "$(dirname -- "$target")" || exit 1
[ -e {part} ] || : > {part} || exit 1
[ -L "$target" ] || [ ! -f "$target" ] || chmod --reference="$target" -- {part}
mv -fT -- {part} "$target"
"""
)
# A git folder of our own beside the repository's objects: no index, no configuration, no hook, no
# attribute of the tree can change what is compared with what. {attributes} tell binary from text.
# git takes a repository in the tree for a submodule, or fails on it: its files are added by name.
DIFF = r"""
scratch=$(mktemp -d) || exit 33
trap 'rm -rf "$scratch"' EXIT
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_ATTR_NOSYSTEM=1 GIT_OPTIONAL_LOCKS=0
git init -q --template= "$scratch/git" || exit 33
export GIT_DIR="$scratch/git/.git" GIT_WORK_TREE=/testbed GIT_NO_REPLACE_OBJECTS=1
export GIT_ALTERNATE_OBJECT_DIRECTORIES=/testbed/.git/objects
cd /testbed || exit
git config core.quotePath {quote_paths}
git config core.excludesFile /dev/null; git config core.attributesFile /dev/null
git read-tree {base} || exit 31
mkdir -p "$GIT_DIR/info" && printf '%s' {attributes} > "$GIT_DIR/info/attributes" || exit 33
printf '%s\n' {exclude} > "$GIT_DIR/info/exclude" || exit 33
find . -path ./.git -prune -o -name .git -prune -printf '%h\0' > "$scratch/found" || exit 33
while IFS= read -r -d '' inner; do
  git ls-files --error-unmatch -- ":(literal)$inner" || git check-ignore -q -- "$inner" \
    || printf '%s\0' "$inner" >> "$scratch/inner"
done < "$scratch/found" > /dev/null 2>&1
if [ -s "$scratch/inner" ]; then
  sed -z 's/[][*?\\ !#]/\\&/g; s/\n/?/g; s,^[.],,' "$scratch/inner" | tr '\0' '\n' \
    >> "$GIT_DIR/info/exclude"
  xargs -0 -I DIR find DIR -name .git -prune -o \( -type f -o -type l \) -print0 \
    < "$scratch/inner" > "$scratch/files"
fi
git add -A . 2> "$scratch/errors" || {{ cat "$scratch/errors"; exit 32; }}
[ ! -s "$scratch/files" ] || git update-index --add -z --stdin < "$scratch/files" || exit 32
git diff --cached --binary --full-index --no-renames --no-color --no-ext-diff --no-textconv \
  --src-prefix=a/ --dst-prefix=b/ {base} | head -c {stop_at} > "$scratch/patch"
status=${{PIPESTATUS[0]}}
[ "$(stat -c %s "$scratch/patch")" -le {max_bytes} ] || exit 25
[ "$status" = 0 ] || exit 31
base64 -w 0 < "$scratch/patch"
"""
# A part of an archive of /testbed, and in a line of its own how many bytes follow. The archive is
# made anew for each part: nothing is written, so a sandbox without room can be packed, too. What is
# nothing to git is left out: a FIFO, a device, what lies deeper than a path can name.
PACK = r"""
set -o pipefail
cd /testbed || exit
exec 3>&1
said=$({{
  find . -mindepth 1 -path ./.git -prune -o \( -type f -o -type l -o -type d \) -printf '%P\0' \
    | perl -0 -n -e 'print if length() <= 4096' \
    | tar --create --sparse --null --no-unquote --no-recursion --files-from=- --file=- \
    | gzip -n -1 | tail -c +{first} | {{ head -c {most} | base64 -w 0 >&3; wc -c; }}
}} 2>&1)
status=$?
[ "$status" = 0 ] || said=${{said%$'\n'*}}
printf '\n%s' "$said"
exit "$status"
"""
EMPTY = r"""
mkdir -m 700 {folder} && cd /testbed || exit
find . -mindepth 1 -maxdepth 1 ! -name .git -exec rm -rf -- {{}} +
"""
UNPACK = r"""
set -o pipefail
cd /testbed || exit
for part in {folder}/*; do cat "$part" && rm "$part" || exit; done | gzip -dc \
  | tar --extract --preserve-permissions --no-same-owner --touch --exclude=./.git --file=- || exit
rm -rf {folder}
"""
TRUST = r"""
cd /testbed || exit
git config --global --get-all safe.directory | grep -qxF /testbed \
  || git config --global --add safe.directory /testbed
"""
START = (
    TRUST
    + r"""
git rev-parse 'HEAD^{commit}' || exit
git ls-files --others --exclude-standard -z 2>/dev/null | base64 -w 0 && echo
[ ! -f .git/info/exclude ] || base64 -w 0 .git/info/exclude
"""
)
