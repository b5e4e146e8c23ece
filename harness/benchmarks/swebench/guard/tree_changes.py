"""What a patch does to the repository: seen in a sandbox, whatever way the patch is written.

All files are listed before and after the official ladder has applied it, ignored ones and `.git`
included, by programs of the image's system folders. Only what differs leaves the sandbox.
"""

import re
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.benchmarks.swebench.guard.added_lines import Lines, added_lines, source_text
from harness.benchmarks.swebench.guard.file_contents import Reading, names
from harness.benchmarks.swebench.official import PATCH_FILE, Log, apply_patch
from harness.errors import SandboxError
from harness.protocols import Sandbox

# What git itself writes when it applies a patch. What the index says of each file is compared.
PACKS = ".git/objects/pack/"  # it says of what it finds in one that it was used now
GIT_ITSELF = re.compile(r"\.git/(index|objects/[0-9a-f]{2}/[0-9a-f]{38,62})")
INDEX = ".git/index"
PYTHON = (".py", ".pyw", ".pyi", ".pyx")
KINDS = {"f": "file", "l": "link"}
NAMES_OF_A_LINK = 5000  # names behind a link that are listed

LISTS = r"""
files() { find . -mindepth 1 ! -type d -printf '%P//%y %m %s %T@ %C@//%l\0' | sort -z; }
marks() { git ls-files -v -z | { grep -z -v '^H ' || true; } | base64 -w 0; }
"""
NOTE = f"""
{LISTS}
mkdir -m 700 FOLDER && files > FOLDER/before && marks > FOLDER/marks || exit 4
git ls-tree -r -z --full-tree HEAD > FOLDER/base || exit 4
git ls-files --others --exclude-standard -z | packed
touch FOLDER/marker && sleep 0.02
"""
COMPARE = rf"""
{LISTS}
files > FOLDER/after || exit 4
comm -z -23 FOLDER/before FOLDER/after | packed
comm -z -13 FOLDER/before FOLDER/after | packed
places=(/)
while read -r _ where kind options _; do
  case $kind:$options in
    proc:*|sysfs:*|cgroup*|mqueue:*|devpts:*|*:ro|*:ro,*) ;;
    *) places+=("$(printf '%b' "$where")") ;;
  esac
done < /proc/self/mounts
{{ find "${{places[@]}}" -xdev \( -path /testbed -o -path FOLDER -o -path {PATCH_FILE} \) -prune \
  -o ! -type d -cnewer FOLDER/marker -print0 2>/dev/null || true
}} | sort -zu | packed
"""
SAME_MARKS = f"""
{LISTS}
[ "$(marks)" = "$(cat FOLDER/marks)" ]; echo $? | packed
"""
FOLLOW = rf"""
while IFS= read -r -d '' link; do
  {{ realpath -z -m -- "$link"
    [ ! -d "$link" ] || find -L "./$link/" -mindepth 1 -maxdepth 12 \
      ! -type d ! -path '*/.tree-*' -printf '%P\0' \
      2>/dev/null | {{ head -z -n {NAMES_OF_A_LINK}; cat > /dev/null; }} || true
  }} | packed
done < FOLDER/paths
"""
REMOVE = "rm -rf FOLDER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One name under /testbed that is not as it was."""

    was: str  # "file", "link", "other"; empty: it was not there
    now: str  # the same; empty: it is gone
    mode: int = 0  # its permission bits now
    target: str = ""  # of a link: the absolute path to which it leads
    link: str = ""  # the changed link through which the name is reached; empty: it is there itself


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeChanges:
    """What differs after a patch was applied. Paths are relative to /testbed."""

    applied: bool
    paths: Mapping[str, Change]
    outside: tuple[str, ...] = ()  # absolute paths elsewhere that were written
    sources: Mapping[str, str]  # the changed Python files that are there now, also through links
    added_lines: Mapping[str, Lines]  # their lines that the base commit does not have
    base_sources: Mapping[str, str] = field(default_factory=dict)  # their texts in the base commit
    cut_short: bool = False  # a limit ended an attempt to apply it

    def without(self, others: Collection[str]) -> "TreeChanges":
        """These changes but for those of the paths `others`."""
        return replace(self, paths={p: c for p, c in self.paths.items() if p not in others})

    def adds(self, paths: Iterable[str]) -> bool:
        """Whether nothing was at any of these changed paths before."""
        return all(path in self.paths and not self.paths[path].was for path in paths)


async def tree_changes(sandbox: Sandbox, patch: str, log: Log) -> TreeChanges:
    """Apply `patch` as the official grader does, and say what it changed in the sandbox.

    Folders are no changes, what is in them is. Raises `SandboxError` where files cannot be listed.
    """
    reading = Reading(sandbox, f"/tmp/.tree-{secrets.token_hex(8)}")  # noqa: S108 - inside it
    (untracked,) = await reading.run(NOTE)
    applied, cut_short = await apply_patch(sandbox, patch, log)
    found = [names(listed) for listed in await reading.run(COMPARE)]
    if len(found) != 3:
        raise SandboxError("/testbed cannot be listed")
    before, after = _listed(found[0]), _listed(found[1])
    paths = {
        path: _change(before.get(path), after.get(path))
        for path in {*before, *after}
        if not (path.startswith(PACKS) and before.get(path) == after.get(path))
    }
    for path in names(untracked):  # the ladder removes them after its first attempt
        if path in paths and not paths[path].now:
            del paths[path]
    clean = _is_git_clean(paths)  # else git is asked nothing
    paths = await _settled(reading, paths, before, after)
    if clean and INDEX in after and await reading.run(SAME_MARKS) != [b"0\n"]:
        paths[INDEX] = _change(before.get(INDEX), after[INDEX])
    paths |= await _behind_links(reading, paths)
    python = [p for p, c in paths.items() if c.now == "file" and not c.link and p.endswith(PYTHON)]
    linked = _linked_python(paths)
    texts = await reading.contents(sorted({*python, *linked.values()}))
    sources = {p: source_text(texts[linked.get(p, p)]) for p in (*python, *linked)}
    held = await reading.base_contents(python if clean else ())
    base = {path: source_text(data) for path, data in held.items()}
    await reading.run(REMOVE)
    return TreeChanges(
        applied=applied,
        paths=dict(sorted(paths.items())),
        outside=tuple(sorted(found[2])),
        sources=sources,
        added_lines={p: added_lines(base.get(p, ""), text) for p, text in sources.items()},
        base_sources=base,
        cut_short=cut_short,
    )


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: str
    mode: int
    size: int
    target: str


def _listed(entries: Sequence[str]) -> dict[str, _Entry]:
    found = {}
    for entry in entries:
        path, about, target = entry.split("//", 2)
        kind, mode, size, *_ = about.split(" ")
        found[path] = _Entry(KINDS.get(kind, "other"), int(mode, 8), int(size), target)
    return found


def _change(before: _Entry | None, after: _Entry | None) -> Change:
    return Change(
        was=before.kind if before else "",
        now=after.kind if after else "",
        mode=after.mode if after else 0,
    )


def _is_git_clean(paths: Collection[str]) -> bool:
    mine = [path for path in paths if path.split("/")[0] == ".git"]
    return all(GIT_ITSELF.fullmatch(path) for path in mine)


def _linked_python(paths: Mapping[str, Change]) -> dict[str, str]:
    """The changed links that Python would import, and the changed files to which they lead."""
    found = {}
    for path, change in paths.items():
        target = change.target.removeprefix("/testbed/")
        if path.endswith(PYTHON) and target in paths and paths[target].now == "file":
            found[path] = target
    return found


async def _settled(
    reading: Reading,
    paths: Mapping[str, Change],
    before: Mapping[str, _Entry],
    after: Mapping[str, _Entry],
) -> dict[str, Change]:
    """The changes without what git wrote for itself, and without files that are as they were."""
    kept = {path: change for path, change in paths.items() if not GIT_ITSELF.fullmatch(path)}
    both = {path: (before[path], after[path]) for path in kept if path in before and path in after}
    files = [path for path, (old, new) in both.items() if old.kind == new.kind == "file"]
    same = await reading.same_as_base(files)
    for path, (old, new) in both.items():
        if path in same:
            if not (old.mode ^ new.mode) & 0o111:
                del kept[path]
        elif old == new and new.kind == "link":  # made again
            del kept[path]
    return kept


async def _behind_links(reading: Reading, paths: Mapping[str, Change]) -> dict[str, Change]:
    """The changed links with their targets, and the names that each makes reachable."""
    links = [path for path, change in paths.items() if change.now == "link"]
    found: dict[str, Change] = {}
    if not links:
        return found
    for link, listed in zip(links, await reading.run(FOLLOW, links), strict=True):
        target, *inside = names(listed)
        found[link] = replace(paths[link], target=target)
        for name in inside:
            found[f"{link}/{name}"] = Change(was="", now="file", link=link)
    return found
