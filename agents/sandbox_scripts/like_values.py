"""The part of the watching program that gives other values of the same type.

See `agents.sandbox_scripts.watch`.
"""

LIKE_VALUES = r"""
def like_maker(shift, word, other_kind):
    # A function that gives another value of the same type, as true or as false as the one that it
    # is given. What has no such value (True, False, 0, None, what is empty) stays as it is.
    yes, no = other_kind(True, equal=False), other_kind(False)
    most = 2000  # items of what is changed
    tail = word[-3:]  # drawn digits: a value that somebody compares with is not met by chance
    letters = {}
    for first, count in ((48, 10), (65, 26), (97, 26)):
        for at in range(count):
            letters[first + at] = first + (at + shift) % count

    def text_like(value):
        new = value.translate(letters)
        last = max((at for at, c in enumerate(new) if c.isalnum()), default=-1)
        more = tail if new[last:last + 1].isdigit() else "".join(chr(97 + int(c)) for c in tail)
        return new[:last + 1] + more + new[last + 1:]

    def digits_like(text):
        head, _, power = text.partition("e")
        head = "".join(str((int(c) - 1 + shift) % 9 + 1) if c in "123456789" else c for c in head)
        return head + tail + (_ and _ + power)

    def plain_like(value, kind):
        if issubclass(kind, str):
            return text_like(str(value))
        if issubclass(kind, (bytes, bytearray)):
            return text_like(value.decode("latin-1")).encode("latin-1")
        if issubclass(kind, complex):
            return complex(plain_like(value.real, float), plain_like(value.imag, float))
        if issubclass(kind, float) and value - value != 0:
            return None
        base = int if issubclass(kind, int) else float
        return base(digits_like(base.__repr__(value))) if value else value

    def items_like(value, kind, depth):
        if issubclass(kind, dict):
            return like_dict(value, depth)
        items = [like(each, depth - 1) for each in value]
        same = all(one is other for one, other in zip(items, value))
        if issubclass(kind, (set, frozenset)):
            return items + [word]
        if issubclass(kind, list) or same:
            items.append(items[-1])
        return items

    class Renamed(dict):
        # Has other keys, and gives what it had under the old ones.
        def __init__(self, old, new):
            dict.__init__(self, new)
            self.__dict__["_old"] = old

        def __missing__(self, key):
            return self._old[key]

        def __contains__(self, key):
            return dict.__contains__(self, key) or key in self._old

        def get(self, key, default=None):
            return self[key] if key in self else default

        def pop(self, key, *default):
            if key in self._old:
                return self._old.pop(key)
            return dict.pop(self, key, *default)

    def like_dict(value, depth):
        old = {key: like(each, depth - 1) for key, each in value.items()}
        new = {like(key, 1): each for key, each in old.items()}
        if type(value) is dict:
            new[word] = word
            return Renamed(old, new)
        return old

    def made_as(kind, value, made):
        if type(made) is kind or isinstance(made, Renamed):
            return made
        try:
            return kind._make(made) if hasattr(kind, "_make") else kind(made)
        except Exception:
            return stand_in(value)

    class Named(yes):
        # In place of a function or a class: with another signature.
        @property
        def __signature__(self):
            import inspect
            return inspect.Signature([inspect.Parameter(word, inspect.Parameter.VAR_POSITIONAL)])

    def named(value):
        made = Named()
        for name in ("__name__", "__qualname__", "__doc__", "__module__"):
            if isinstance(getattr(value, name, None), str):
                setattr(made, name, like(getattr(value, name)))
        return made

    def stand_in(value):
        try:
            true = bool(value)
        except Exception:
            true = True
        base, kind = (yes if true else no), type(value)
        if kind.__name__ in ("function", "type", "ABCMeta"):
            return named(value)
        told = any("__init_subclass__" in vars(each) for each in kind.__mro__[:-1])
        if told or type(kind) is not type or kind.__module__ == "builtins":
            return base()
        names = {"__module__": kind.__module__, "__getattribute__": lambda self, name: (
            object.__getattribute__(self, name)  # what somebody sets stays set
            if name[:2] == "__" or name in object.__getattribute__(self, "__dict__") else self)}
        names["__setattr__"] = lambda self, name, held: object.__setattr__(self, name, held)
        try:
            return object.__new__(type(kind.__name__, (base, kind), names))
        except TypeError:
            return base()

    def like(value, depth=3):
        kind = type(value)
        if value is None or kind.__name__ in ("bool", "module", "ellipsis", "NotImplementedType"):
            return value
        if issubclass(kind, (str, bytes, bytearray, int, float, complex)):
            if not value or issubclass(kind, bool):
                return value
            made = plain_like(value, kind)
            return stand_in(value) if made is None else made_as(kind, value, made)
        if issubclass(kind, (list, tuple, set, frozenset, dict)):
            if not depth or not 0 < len(value) <= most:
                return value
            return made_as(kind, value, items_like(value, kind, depth))
        return stand_in(value)

    def state(value):
        # What can be changed in an object: itself, and what its attributes hold.
        names = getattr(value, "__dict__", None)
        found = {"": value} if type(names) is not dict else dict(names, **{"": value})
        return {name: (held, type(held)(held) if type(held) in (list, dict, set, bytearray)
                       and len(held) <= most else None) for name, held in found.items()}

    def change_items(value, before):
        kind = type(value)
        if kind in (list, bytearray) and len(value) <= most:
            kept = list(before or ())
            value[:] = kind(each if at < len(kept) and kept[at] is each else like(each)
                            for at, each in enumerate(value)) + kind(like(kind(value[-1:])))
        elif kind is set:
            value.add(word)
        elif kind is dict:
            for key in value:
                if before is None or key not in before or before[key] is not value[key]:
                    value[key] = like(value[key], 2)

    def change(value, before=None):
        # The same, of an object that a function has changed: in its place. `before`: its state
        # then; what it had already stays.
        old = before or {}
        if type(value) in (list, bytearray, set, dict):
            change_items(value, old.get("", (value, None))[1])
        elif not issubclass(type(value), type) and type(value).__module__ != "builtins":
            names = getattr(value, "__dict__", None)
            for name, held in list(names.items()) if type(names) is dict else ():
                was, items = old.get(name, (None, None))
                if was is not held or name not in old:
                    if type(held) in (str, bytes, int, float, complex, list, tuple, set, dict):
                        names[name] = like(held)
                elif items is not None and items != held:
                    change_items(held, items)

    def turned(value):
        # A value of the same type, false where it was true, and true where it was false.
        kind = type(value)
        if value is None or kind is bool:
            return 70913 + shift if value is None else not value
        if issubclass(kind, (str, bytes, bytearray, int, float, complex)):
            text = word if issubclass(kind, str) else word.encode()
            plain = issubclass(kind, (int, float, complex))
            return made_as(kind, value, type(text)() if value and not plain else 0 if value
                           else 70913 + shift if plain else text)
        if issubclass(kind, (list, tuple, set, frozenset)):
            return made_as(kind, value, [] if value else [word])
        if issubclass(kind, dict):
            return made_as(kind, value, {} if value else {word: word})
        return value

    def error(old):
        # One of a class of its own, below the class of the other.
        try:
            kind = type(word + "Error", (type(old),), {})
            new = kind.__new__(kind)
            new.args = tuple(like(each) for each in old.args) or (word,)
            for name, held in vars(old).items():
                setattr(new, name, like(held) if isinstance(held, (str, int, list)) else held)
        except Exception:
            new = type(word + "Error", (Exception,), {})(word)
        return new

    like.change, like.error, like.state, like.turned = change, error, state, turned
    return like
"""
