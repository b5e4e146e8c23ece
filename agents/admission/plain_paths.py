"""Whether the files that a Python text opens are plain: its own are written below a temporary
folder, and the repository's are read by a path that is written out."""

import ast
import re
from collections.abc import Iterator

from agents.admission.plain_programs import SCRATCH
from agents.admission.plain_scopes import MOST_PASSES, Origins, chain
from agents.admission.shell_grammar import NotPlain

WRITES = frozenset(
    ("write_text", "write_bytes", "mkdir", "touch", "unlink", "rmdir", "rename", "replace",
     "symlink_to", "hardlink_to", "chmod")
)  # fmt: skip
MOVES = frozenset(("rename", "replace", "symlink_to", "hardlink_to"))
LOOKS = frozenset(("read_text", "read_bytes", "iterdir", "glob", "rglob", "exists", "is_file",
                   "is_dir", "stat"))  # fmt: skip
CHANGES = frozenset(("os.makedirs", "os.mkdir", "shutil.rmtree", "shutil.copy", "shutil.copyfile",
                     "shutil.copytree"))  # fmt: skip
READS = frozenset(("os.listdir", "os.path.exists", "os.path.isdir", "os.path.isfile"))
MAKES = ("tempfile.",)
GIVEN = frozenset(("tmp_path", "tmpdir", "tmp_path_factory", "pytester", "testdir", "app", "self",
                   "tempdir", "rootdir"))  # fmt: skip
JOINS = frozenset(
    ("os.path.join", "pathlib.Path", "pathlib.PurePath", "os.path.abspath", "os.path.realpath",
     "os.path.normpath", "os.path.dirname", "os.fspath")
)  # fmt: skip
HERE = frozenset(("os.path.dirname", "os.getcwd", "pathlib.Path.cwd"))
LEAVES = re.compile(r"^[/~]|(^|[/\\])\.\.([/\\]|$)")

WRITE = (
    "files are written below what tempfile.mkdtemp() or the fixture tmp_path gives, and nowhere "
    "else."
)
READ = (
    "a file is read by a path that is written out and lies in the repository, or below what "
    "tempfile.mkdtemp() or the fixture tmp_path gives."
)


class Paths:
    """The paths of one text."""

    def __init__(self, names: Origins) -> None:
        self._names = names
        self._own: dict[str, bool] = {}  # by name; no while it is asked
        self._begins_here: dict[str, bool] = {}
        self._made_as_paths = self._path_names()

    def _path_names(self) -> set[str]:
        """The names that are given something that is made as a path."""
        self._made_as_paths = found = set(GIVEN)
        for _ in range(MOST_PASSES):
            before = len(found)
            for name in self._names.valued():
                if name not in found and any(map(self._path, self._names.given(name))):
                    found.add(name)
            if len(found) == before:
                return found
        raise NotPlain("Its paths are given to too many names. Use fewer names.")

    def faults(self, call: ast.Call) -> Iterator[str]:
        """What of a call opens or changes another file than it may."""
        name = self._names.dotted(call.func)
        first = call.args[0] if call.args else None
        if isinstance(call.func, ast.Name) and call.func.id == "open":
            if not self._names.binds("open"):
                yield from self._opened(call, first, call.args[1:2], keyword(call, "file"))
        elif name.startswith(MAKES) and keyword(call, "dir") is not None:
            yield WRITE
        elif name in CHANGES:
            if not self.own(call.args[-1] if "copy" in name and call.args else first):
                yield WRITE
        elif name in READS:
            if not self.readable(first):
                yield READ
        elif isinstance(call.func, ast.Attribute):
            yield from self._method(call, call.func)

    def _method(self, call: ast.Call, func: ast.Attribute) -> Iterator[str]:
        where = func.value
        if func.attr in ("write_text", "write_bytes") or (
            func.attr in WRITES and self._path(where)
        ):
            elsewhere = call.args[:1] if func.attr in MOVES else []
            if not all(map(self.own, [where, *elsewhere])):
                yield WRITE
        elif func.attr in LOOKS:
            if self._path(where) and not self.readable(where):
                yield READ
        elif func.attr == "open" and self._path(where):
            yield from self._opened(call, where, call.args[:1], None)

    def _opened(
        self, call: ast.Call, path: ast.expr | None, modes: list[ast.expr], named: ast.expr | None
    ) -> Iterator[str]:
        path = path or named
        mode = modes[0] if modes else keyword(call, "mode")
        writes = mode is not None and not (
            isinstance(mode, ast.Constant) and not set(str(mode.value)) - set("rbt")
        )
        if writes and not self.own(path):
            yield WRITE
        elif not writes and not self.readable(path):
            yield READ

    def _path(self, node: ast.expr) -> bool:
        """Whether a value is made as a path."""
        match node:
            case ast.Name(id=name):
                return name in self._made_as_paths
            case ast.Call(func=func):
                return self._names.dotted(func).startswith("pathlib.") or (
                    isinstance(func, ast.Attribute) and self._path(func.value)
                )
            case ast.BinOp(left=left, op=ast.Div()):
                return self._path(left)
            case ast.Attribute(value=value):
                return self._path(value)
        return False

    def own(self, node: ast.expr | None) -> bool:
        """Whether a path lies below a temporary folder of the command's own."""
        if node is None or _leaves(node):
            return False
        match node:
            case ast.Name(id=name):
                if name in GIVEN and not self._names.given(name):
                    return True
                if name not in self._own:
                    self._own[name] = False
                    values = self._given(name)
                    self._own[name] = bool(values) and all(map(self.own, values))
                return self._own[name]
            case ast.Call(func=func, args=args):
                return self._made(func, args)
            case ast.BinOp(left=value) | ast.Attribute(value=value) | ast.Subscript(value=value):
                return self.own(value)
            case ast.JoinedStr(values=[ast.FormattedValue(value=value), *_]):
                return self.own(value)
        return False

    def _made(self, func: ast.expr, args: list[ast.expr]) -> bool:
        full = self._names.dotted(func)
        if full in JOINS or (isinstance(func, ast.Name) and func.id == "str"):
            return bool(args) and self.own(args[0])
        if full.startswith(MAKES):
            return full != "tempfile.gettempdir"
        return isinstance(func, ast.Attribute) and self.own(func.value)

    def readable(self, node: ast.expr | None) -> bool:
        """Whether a path is one that a command may read."""
        if isinstance(node, ast.Constant):
            path = str(node.value)
            return (
                not LEAVES.search(path) or re.match(r"/(testbed|tmp/board)/[\w]", path) is not None
            )
        return node is not None and (self.own(node) or self._here(node))

    def _here(self, node: ast.expr) -> bool:
        """Whether a path begins beside the text's own file, a module's, or in the repository."""
        match node:
            case ast.Name(id="__file__"):
                return True
            case ast.Constant(value=str() as text):
                return not LEAVES.search(text) or SCRATCH.fullmatch(text) is not None
            case ast.Name(id=name):
                if name not in self._begins_here:
                    self._begins_here[name] = False
                    values = self._given(name)
                    self._begins_here[name] = bool(values) and all(map(self._here, values))
                return self._begins_here[name]
            case ast.Attribute(value=value, attr=name):
                return (name == "__file__" and self._names.root(value) is not None) or (
                    name in ("parent", "parents") and self._here(value)
                )
            case ast.Subscript(value=value) | ast.BinOp(left=value, op=ast.Div()):
                return self._here(value)
            case ast.Call(func=func, args=args):
                full = self._names.dotted(func)
                if full in HERE or full in JOINS:
                    return not _leaves_any(args) and (not args or self._here(args[0]))
                return isinstance(func, ast.Attribute) and self._here(func.value)
        return False

    def _given(self, name: str) -> list[ast.expr]:
        """What a name is given besides its own parts."""
        return [value for value in self._names.given(name) if name not in _first(value)]


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """An argument that is given by its name."""
    return next((each.value for each in call.keywords if each.arg == name), None)


def _first(node: ast.expr) -> tuple[str, ...]:
    first, _ = chain(node)
    return (first,) if first else ()


def _leaves(node: ast.expr) -> bool:
    """Whether some part of a path, but its beginning, leads elsewhere."""
    texts = [
        each.value
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    ]
    joined = isinstance(node, ast.JoinedStr | ast.BinOp | ast.Constant)
    begins = () if joined else ("/", "~")
    return any(".." in text or (text.startswith(begins) and len(text) > 1) for text in texts)


def _leaves_any(nodes: list[ast.expr]) -> bool:
    return any(isinstance(n, ast.Constant) and LEAVES.search(str(n.value)) for n in nodes)
