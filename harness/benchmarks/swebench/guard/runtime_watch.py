"""Watch a run of tests from inside its Python: what the product looks at, what it replaces.

A hook runs first in every Python of the run and writes to one report. It stands in a `.pth` file
of the site folder; where that cannot be written, in a `sitecustomize` on PYTHONPATH, which some
runners (tox) drop and which hides an environment's own. On Python before 3.8 there are no audit
events: then only what was replaced is seen.
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.text.caller_looks import Look

TOKEN = re.compile(r"[0-9a-f]{32}")
KINDS = {
    "sys._getframe": "frames", "sys._getframemodulename": "frames",
    "sys._current_frames": "frames", "sys._current_exceptions": "frames",
    "object.__getattr__": "frames", "object.__setattr__": "code", "code.__new__": "code",
    "function.__new__": "code", "marshal.loads": "code", "compile": "computed-code",
    "exec": "computed-code", "os.putenv": "environment", "gc.get_objects": "objects",
    "gc.get_referrers": "objects", "gc.get_referents": "objects", "sys.settrace": "tracing",
    "sys.setprofile": "tracing", "sys.addaudithook": "tracing",
}  # fmt: skip
FILES = ("open", "os.listdir", "os.scandir", "os.remove", "os.rename", "os.truncate", "os.chmod",
         "os.link", "os.symlink")  # fmt: skip
INSTALL = """\
import marshal, os, sys, sysconfig
source, name = sys.argv[1:]
with open(source, encoding="utf-8") as file:
    code = marshal.dumps(compile(file.read(), "<watch>", "exec"))
os.remove(source)
run = (
    "sys.hexversion == %d and exec(marshal.loads(%a),"
    " {'__builtins__': dict(vars(builtins)), '__name__': 'watch'})" % (sys.hexversion, code)
)
try:
    with open(os.path.join(sysconfig.get_path("purelib"), name + ".pth"), "w") as file:
        file.write(  # site reads it twice in a virtual environment
            "import builtins, marshal, sys; "
            "globals().setdefault(%a, 0) or (globals().update({%a: 1}), %s)\\n"
            % (name, name, run)
        )
except OSError:  # the environment cannot be written
    folder = os.path.join(os.path.dirname(source), name + ".pth")
    os.mkdir(folder)
    with open(os.path.join(folder, "sitecustomize.py"), "w") as file:
        file.write(
            "import builtins, marshal, sys\\n%s\\n"
            "sys.path[:] = [path for path in sys.path if path != %a]\\n" % (run, folder)
        )
    print(folder)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchReport:
    """What one run's report says."""

    tokens: Mapping[str, int]  # that planted tests wrote, and how often
    looks: tuple[Look, ...]  # without the text of the line, which the hook does not know
    replaced: tuple[str, ...]  # `module.Class.name ← file:function`, sorted
    began: bool = False  # whether the hook said so
    unread: int = 0  # lines that neither the hook nor a planted test wrote


def hook_source(
    report_path: str,
    nonce: str,
    changed_files: Collection[str],
    test_files: Collection[str] = (),
    *,
    root: str = "/testbed",
) -> str:
    """The text of a Python program that watches whatever runs after it in the same process.

    `changed_files` and `test_files` are paths below the repository's `root`. The report is written
    at `report_path`, outside of it; each line of the hook's begins with `nonce`.
    """
    parts = ("watch_hook.py", "watch_namespaces.py", "watch_replaced.py")
    text = "\n\n".join(Path(__file__).with_name(part).read_text("utf-8") for part in parts)
    changed, tests = sorted(changed_files), sorted(test_files)
    return f"{text}\n\nwatch({report_path!a}, {nonce!a}, {root!a}, {changed!a}, {tests!a})\n"


def install_command(source_path: str, name: str) -> str:
    """Shell lines that put the hook in front of every start of the `python` in PATH.

    `source_path` holds `hook_source`'s text, and is gone afterwards; `name` is the new file's, to
    be drawn by the caller: names that begin with a digit run before most others. It ends with
    another status than 0 where the hook could not be put there.
    """
    return (
        f"watch_folder=\"$(python -I - {source_path} {name} <<'EOF_INSTALL'\n{INSTALL}"
        'EOF_INSTALL\n)"\n'
        'if [ -n "$watch_folder" ]; then\n'
        '  export PYTHONPATH="$watch_folder${PYTHONPATH:+:$PYTHONPATH}"\nfi\n'
    )


def read_report(text: str, nonce: str, *, root: str = "/testbed") -> WatchReport:
    """What a report says."""
    tokens: Counter[str] = Counter()
    looks: set[tuple[str, int, str, str]] = set()
    replaced: set[str] = set()
    began, unread = False, 0
    for line in filter(None, text.split("\n")):
        match line.split("\t"):
            case [token] if TOKEN.fullmatch(token):
                tokens[token] += 1
            case [mark, "begin"] if mark == nonce:
                began = True
            case [mark, "look", what, path, number, _] if mark == nonce and number.isdecimal():
                looks.add((path.removeprefix(root + "/"), int(number), _kind(what), what))
            case [mark, "replaced", name, place] if mark == nonce:
                replaced.add(f"{name} ← {place.removeprefix(root + '/')}")
            case _:
                unread += 1
    return WatchReport(
        tokens=tokens,
        looks=tuple(
            Look(line=line, text="", kind=kind, what=what, path=path)
            for path, line, kind, what in sorted(looks)
        ),
        replaced=tuple(sorted(replaced)),
        began=began,
        unread=unread,
    )


def _kind(what: str) -> str:
    event = what.split(" ")[0]
    if event in KINDS:
        return KINDS[event]
    if event in FILES:
        outside = "/proc/" in what or "/dev/" in what
        return "output" if outside else "test-files"
    return "objects" if event.startswith("ctypes") else "processes"
