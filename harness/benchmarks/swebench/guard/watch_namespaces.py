# ruff: noqa: ANN001, ANN201, ANN202, ANN204, F821
# mypy: ignore-errors
"""The part of the hook that compares whole namespaces with what stood there when they were new.

Its text is read, and runs elsewhere, below that of `watch_hook`: on Python 3.6, too. The namespaces
are those of the runner's modules, of the tests' modules, and of the classes in them.
"""

import sys

DATA = frozenset((
    str, int, float, bool, bytes, type(None), dict, list, tuple, set, frozenset,
))  # fmt: skip
DICT_OF, ORDER_OF = type.__dict__["__dict__"].__get__, type.__dict__["__mro__"].__get__
WRAPPED = ("__wrapped__", "func", "fget")  # where what decorates a function has it
MODULE, FUNCTION, METHOD = type(sys), type(text_of), type(Report("", "").say)
OF_EVERY_MODULE = frozenset(("__name__", "__doc__", "__package__", "__loader__", "__spec__"))


def space_of(value):
    """The namespace of an object; empty for a class, and where it has none or hides it."""
    try:
        space = {} if isinstance(value, type) else value.__dict__
    except TROUBLE:
        return {}
    return space if type(space) is dict else {}


def functions_of(value):
    """The Python functions that a value of a namespace runs, without what wraps them."""
    kind = type(value)
    if kind in (staticmethod, classmethod):
        value = value.__func__
    parts = (value.fget, value.fset, value.fdel) if kind is property else (value,)
    for part in parts:
        inner = part
        for _ in range(5):
            space = space_of(inner)
            for name in WRAPPED:
                inner = space.get(name, inner)
        if type(inner) is METHOD:
            inner = inner.__func__
        if type(inner) is FUNCTION:
            yield inner


def place_of(value):
    """The file and the name of a value's code; of other values the type."""
    for each in functions_of(value):
        return each.__code__.co_filename + ":" + each.__code__.co_name
    return type(value).__name__


class Namespaces:
    """Reports names that are put into a module or a class, or stand for something else there."""

    def __init__(self, report, files, is_expected):
        self._report = report
        self._files = files
        self._is_expected = is_expected  # of a name and a value: a runner's own text puts it there
        self._held = []
        self._modules = sys.modules
        self._hidden = frozenset(sys.modules["builtins"].__dict__) - OF_EVERY_MODULE
        self._callable = callable

    def add(self, name, module, names):
        """Keep what stands in a module, whose text has the `names`, and in its classes."""
        space = module.__dict__
        for key, value in tuple(space.items()):
            if key not in names and (key in self._hidden or self._is_of_change(value)):
                self._tell(name, key, value)
            if isinstance(value, type) and DICT_OF(value).get("__module__") == name:
                self._keep(name + "." + key, DICT_OF(value), ORDER_OF(value)[1:])
        self._keep(name, space, None)

    def _keep(self, name, space, bases):
        self._held.append((name, space, bases, [dict(space), tuple(map(id, space.values()))]))

    def check(self):
        """Report what is not as it was at the check before."""
        for name, space, bases, last in self._held:
            kept, places = last
            now = tuple(map(id, space.values()))
            if now == places:
                continue
            for key, value in tuple(space.items()):
                if key not in kept or kept[key] is not value:
                    known = key in kept or self._is_hidden(key, bases)
                    if self._is_of_change(value) or (known and self._acts(name, key, value)):
                        self._tell(name, key, value)
            last[:] = [dict(space), now]

    def _tell(self, name, key, value):
        own = self._is_expected(key, value) or self._is_made_there(name, value)
        if type(value) not in DATA and not own:
            self._report.say("replaced", name + "." + key, place_of(value))

    def _is_made_there(self, name, value):
        """Whether a value is a class of the module itself, all of whose functions are no change."""
        if not isinstance(value, type):
            return False
        home = text_of(DICT_OF(value).get("__module__"))
        inside = (each for held in DICT_OF(value).values() for each in functions_of(held))
        codes = [each.__code__.co_filename for each in inside]
        changed = any(self._files.kind(file) == "changed" for file in codes)
        return bool(codes) and not changed and (name + ".").startswith(home + ".")

    def _is_hidden(self, key, bases):
        """Whether a new name comes before one of a base class, or of the builtins."""
        if bases is None:
            return key in self._hidden
        return any(key in DICT_OF(base) for base in bases)

    def _acts(self, name, key, value):
        """Whether a value is something to call, or a module that is no part of this one."""
        if type(value) is MODULE:
            return self._modules.get(name + "." + key) is not value
        return self._callable(value) or bool(tuple(functions_of(value)))

    def _is_of_change(self, value):
        """Whether a function of a changed file would run where the value is called."""
        if type(value) in DATA or isinstance(value, type):
            return False
        codes = [each.__code__.co_filename for each in functions_of(value)]
        if not codes and self._callable(value):
            module = self._modules.get(text_of(DICT_OF(type(value)).get("__module__")))
            codes = [text_of(module.__dict__.get("__file__"))] if type(module) is MODULE else []
        return any(self._files.kind(file) == "changed" for file in codes if file)
