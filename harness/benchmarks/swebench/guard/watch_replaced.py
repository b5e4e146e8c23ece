# ruff: noqa: ANN001, ANN002, ANN003, ANN201, ANN202, ANN204, F821, RUF005
# mypy: ignore-errors
"""The part of the hook that finds functions of the runner that were replaced.

Its text is read, and runs elsewhere, below that of `watch_hook`: on Python 3.6, too. What stands in
a module of a test runner is compared with the code in the module's file. What is another one before
the repository's first code runs is the environment's own doing; so is, later, what the text of a
module of the runner puts there by that name.
"""

import atexit
import gc
import marshal
import os
import sys

RUNNER_MODULES = (
    "unittest", "_pytest", "pytest", "pluggy", "doctest", "django.test", "sympy.testing",
    "sympy.utilities.runtests", "sympy.utilities.pytest", "numpy.testing", "nose", "traceback",
    "linecache", "contextlib",
)  # fmt: skip
OF_FUNCTION = 1  # the flag of code that is no class's and no module's
TREE_ONLY = 0x400  # the flag of `compile` for a syntax tree
NO_FUNCTIONS = frozenset((
    str, int, float, bool, bytes, type, dict, list, tuple, set, frozenset, type(None), type(len),
    type(str.join), type(sys), type(int.real), type(int.__add__), type(type.mro),
))  # fmt: skip
CODE = type(text_of.__code__)


def codes_in(code, path, into):
    """The code of each function in a module or its classes, by its path of names."""
    for each in code.co_consts:
        if type(each) is CODE:
            inner = path + (each.co_name,)
            if each.co_flags & OF_FUNCTION:
                into.setdefault(inner, []).append(each)
            else:
                codes_in(each, inner, into)
    return into


def put_in(tree):
    """The names of attributes and of the functions that a text puts there.

    `owner.name = function`, `setattr(owner, "name", function)`, `{"name": function}`.
    """
    found, waiting = set(), [tree]
    while waiting:
        node = waiting.pop()
        for field in node._fields:
            value = getattr(node, field, None)
            inner = value if type(value) is list else [value]
            waiting += [each for each in inner if hasattr(each, "_fields")]
        kind = type(node).__name__
        pairs = ()
        if kind == "Assign":
            pairs = [(getattr(target, "attr", ""), node.value) for target in node.targets]
        elif kind == "Call":
            pairs = [(constant(name), each) for name in node.args for each in node.args]
        elif kind == "Dict":
            pairs = [(constant(node.keys[at]), each) for at, each in enumerate(node.values)]
        found.update((name, getattr(each, "id", "")) for name, each in pairs)
    return frozenset(pair for pair in found if all(pair))


def constant(node):
    """The text that a node of a syntax tree is; empty for what is no text."""
    field = {"Constant": "value", "Str": "s"}.get(type(node).__name__)
    return text_of(getattr(node, field)) if field else ""


class Replaced:
    """Compares the runner's modules with their files, and looks through objects at the end."""

    def __init__(self, report, files):
        self._report = report
        self._files = files
        self._seen = set()
        self._count = -1
        self._homes = frozenset()
        self._known = []
        self._before = None  # the files of modules that were there before the repository's code
        self._put_in = {}
        self._modules, self._objects, self._stat = sys.modules, gc.get_objects, os.stat
        self._open, self._loads, self._compile = open, marshal.loads, compile
        self._tag = sys.implementation.cache_tag
        self._spaces = Namespaces(report, files, self._is_own)

    def begin(self):
        """Take what is there for the environment's own: the repository's first code runs now."""
        if self._before is None:
            self._before = frozenset()
            self.check()
            files = (text_of(it.__dict__.get("__file__")) for it in self._loaded())
            self._before = frozenset(files)

    def _loaded(self):
        return [it for it in tuple(self._modules.values()) if type(it) is MODULE]

    def check(self):
        """Report what is not as it was at the check before, or not as its file says."""
        for name, space, last, value, parts, codes in self._known:
            now = space.get(last)
            for function, code in parts:
                if function.__code__ is not code:
                    self._report.say("replaced", name, place_of(function))
            if now is not value and not self._is_expected(last, now, codes):
                self._report.say("replaced", name, place_of(now))
        self._spaces.check()
        if len(self._modules) != self._count:
            self._take_in()

    def _take_in(self):
        """Examine the modules of the runner and of the tests that are new."""
        self._count = len(self._modules)
        for name, module in tuple(self._modules.items()):
            if name in self._seen or type(module) is not MODULE:
                continue
            is_test = self._files.is_test(text_of(module.__dict__.get("__file__")))
            if not is_test and not self._is_runner(name):
                continue
            if getattr(module.__dict__.get("__spec__"), "_initializing", False):
                self._count = -1  # it is looked at another time
                continue
            self._seen.add(name)
            code = self._examine(name, module, not is_test)
            if code is not None:
                self._spaces.add(name, module, frozenset(code.co_names))

    def _is_runner(self, name):
        return any(name == top or name.startswith(top + ".") for top in RUNNER_MODULES)

    def _examine(self, name, module, is_runner):
        """The code of a module's file; of a runner's module it is compared with what stands there.

        None where that cannot be done.
        """
        file = text_of(module.__dict__.get("__file__"))
        ends = (name.replace(".", "/") + ".py", name.replace(".", "/") + "/__init__.py")
        if is_runner and not file.endswith(ends):
            self._report.say("replaced", name, file or "no file")
            return None
        try:
            code = self._code(self._files.whole(file))
            expected = codes_in(code, (), {}) if is_runner else {}
        except TROUBLE as error:
            self._report.say("replaced", name, type(error).__name__)
            return None
        for path, codes in expected.items():
            space = module.__dict__
            for part in path[:-1]:
                owner = space.get(part)
                space = DICT_OF(owner) if isinstance(owner, type) else {}
            if path[-1] in space:
                self._compare(name + "." + ".".join(path), space, path[-1], codes)
        return code

    def _is_own(self, name, value):
        """Whether a runner's or a test's own text puts a function there."""
        return self._is_expected(name, value, ()) or any(
            self._files.is_test(each.__code__.co_filename)
            or self._at_home(each, each.__code__.co_filename)
            for each in functions_of(value)
        )

    def _compare(self, name, space, last, codes):
        value = space[last]
        if self._before != frozenset() and not self._is_expected(last, value, codes):
            self._report.say("replaced", name, place_of(value))
        parts = [(each, each.__code__) for each in functions_of(value)]
        self._known.append((name, space, last, value, parts, codes))

    def _is_expected(self, last, value, codes):
        """Whether a value is what its file defines, or a module of the runner put it there."""
        for each in functions_of(value):
            code = each.__code__
            if code in codes or (last, code.co_name) in self._put_in_by(code.co_filename):
                return True
        return False

    def _put_in_by(self, file):
        """What the text of a file puts into others; nothing for one that is no runner's."""
        if file not in self._put_in:
            self._put_in[file] = frozenset()
            mine = [it.__name__ for it in self._loaded() if it.__dict__.get("__file__") == file]
            known = any(self._is_runner(name) or "pytest" in name for name in map(text_of, mine))
            known = known or file in (self._before or ())
            if mine and known and self._files.kind(file) != "changed":
                try:
                    with self._open(file, "rb") as read:
                        tree = self._compile(read.read(), file, "exec", TREE_ONLY, True)
                    self._put_in[file] = put_in(tree)
                except TROUBLE:
                    pass
        return self._put_in[file]

    def _code(self, path):
        """The code of a source file, from its cache if that is the source's."""
        folder, _, file = path.rpartition("/")
        try:
            with self._open(
                folder + "/__pycache__/" + file[:-2] + self._tag + ".pyc", "rb"
            ) as read:
                raw = read.read()
        except OSError:
            raw = b""
        found = self._stat(path)
        wanted = [int(found.st_mtime) & 0xFFFFFFFF, found.st_size & 0xFFFFFFFF]
        kept = [int.from_bytes(raw[at : at + 4], "little") for at in (8, 12)]
        if sys.version_info >= (3, 7) and raw[4:8] == bytes(4) and kept == wanted:
            return self._loads(raw[16:])
        with self._open(path, "rb") as read:
            return self._compile(read.read(), path, "exec", 0, True)

    def at_end(self):
        """Report the product's functions in namespaces and objects of others."""
        modules = [
            (name, module)
            for name, module in tuple(self._modules.items())
            if type(module) is MODULE and name != "__main__" and self._of_library(module)
        ]
        if hasattr(sys, "addaudithook"):  # where a change of a function's code is seen
            self._homes = frozenset(id(module.__dict__) for _, module in modules)
        for name, module in modules:
            for key, value in tuple(module.__dict__.items()):
                self._own(name, key, value)
                if isinstance(value, type) and DICT_OF(value).get("__module__") == name:
                    for inner, held in tuple(DICT_OF(value).items()):
                        self._own(name + "." + key, inner, held)
        if not self._seen:  # no runner was here
            return
        every = self._objects()
        kinds = frozenset(kind for kind in {type(each) for each in every} if self._of_runner(kind))
        for each in every:
            if type(each) in kinds:
                self._held(type(each).__name__, each)

    def _of_runner(self, kind):
        owners = (text_of(DICT_OF(each).get("__module__")) for each in ORDER_OF(kind))
        return any(self._is_runner(owner) for owner in owners)

    def _held(self, name, held):
        values = dict(space_of(held))
        if name == "HookImpl":
            values["function"] = held.function
        for key, value in values.items():
            self._own(name, str(key), value)

    def _of_library(self, module):
        file = text_of(module.__dict__.get("__file__"))
        return not file or self._files.kind(file) == "library"

    def _own(self, owner, name, value):
        kind = type(value)
        if kind in NO_FUNCTIONS or (kind is FUNCTION and id(value.__globals__) in self._homes):
            return
        for each in functions_of(value):
            file = each.__code__.co_filename
            if self._files.kind(file) == "changed" and not self._at_home(each, file):
                self._report.say("replaced", owner + "." + name, place_of(each))

    def _at_home(self, function, file):
        """Whether it is a function of a runner's module, where the runner is the product."""
        name = text_of(function.__module__)
        module = self._modules.get(name)
        if not self._is_runner(name) or type(module) is not MODULE:
            return False
        return self._files.whole(text_of(module.__dict__.get("__file__"))) == file


def watch(report_path, nonce, root, changed, tests):
    """Begin to watch this process."""
    report = Report(report_path, nonce)
    files = Files(root, changed, tests)
    replaced = Replaced(report, files)
    hook = Hook(report, files, replaced)

    def ended():
        try:
            hook.quiet(replaced.check)
            hook.quiet(replaced.at_end)
        except TROUBLE as error:
            report.say("replaced", "the end", type(error).__name__)

    report.say("begin")
    atexit.register(ended)
    if hasattr(sys, "addaudithook"):
        sys.addaudithook(hook.function())
        return
    opened = os.open

    def checked(path, *words, **named):
        if text_of(path) == report_path:
            hook.quiet(replaced.check)
        return opened(path, *words, **named)

    os.open = checked  # where planted tests open the report
