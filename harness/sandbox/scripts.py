"""The bash that reads, writes and compares files inside a sandbox. Exit statuses are answers."""

ROOT = "/testbed"
UNRESOLVED, OUTSIDE, MISSING, NO_FILE, TOO_LARGE = 21, 22, 23, 24, 25

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
    | tar --create --numeric-owner --sparse --null --no-unquote --no-recursion --files-from=- \
      --file=- \
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
git rev-parse 'HEAD^{tree}' || exit
{
  git ls-files -z && printf '\0'
  find . -mindepth 1 -name .git -prune -o \( -type f -o -type l \) -printf '%P\0'
} | perl -f -0 -n -e '
  if ($_ eq "\0") { $found = 1 } elsif (not $found) { $tracked{$_} = 1 }
  elsif (not $tracked{$_}) { print }
' | gzip -n | base64 -w 0 && echo
[ ! -f .git/info/exclude ] || base64 -w 0 .git/info/exclude
"""
)
