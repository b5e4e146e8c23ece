"""The part of the watching program that makes calls into the code return, or raise, something else.

See `agents.sandbox_scripts.watch`.
"""

OTHER_RETURNS = r"""
def other_kind(yes, equal=None, word="something else"):
    # An object that takes part in whatever is done with it.
    equal = yes if equal is None else equal

    def itself(self, *_, **__):
        return self

    class Other:
        def __init__(self, *_, **__):
            pass

        def __new__(cls, *_, **__):
            return object.__new__(cls)

        def __getattr__(self, name):
            if name[:2] == "__":
                raise AttributeError(name)
            return self

        def __iter__(self):
            return iter((self,) if yes else ())

        def __await__(self):
            return self
            yield

        def __next__(self):
            raise StopIteration

        def __setitem__(self, key, value):  # what somebody puts in stays in
            self.__dict__.setdefault("_items", []).append((key, value))

        def __getitem__(self, key):
            found = [value for other, value in self.__dict__.get("_items", ()) if other is key
                     or (type(other) is type(key) and other == key)]
            return found[-1] if found else self

        def __exit__(self, *_):
            return None

        def __repr__(self):
            return word

        def __format__(self, _):
            return word

        def __hash__(self):
            return 7

        __str__ = __fspath__ = __repr__

    for name in (
        "call enter add radd sub rsub mul rmul truediv rtruediv floordiv rfloordiv mod "
        "rmod pow rpow neg pos abs and rand or ror xor rxor invert lshift rlshift rshift rrshift "
        "matmul rmatmul iadd isub imul round aiter"
    ).split():
        setattr(Other, "__%s__" % name, itself)
    for name, said in (("eq", equal), ("ne", not equal), ("lt", equal), ("le", equal),
                       ("gt", equal), ("ge", equal), ("bool", yes), ("contains", yes),
                       ("len", int(yes)),
                       ("int", 70913 + yes), ("index", 70913 + yes), ("float", 70913.5 + yes),
                       ("delitem", None), ("bytes", word.encode()),
                       ("instancecheck", yes), ("subclasscheck", yes)):
        setattr(Other, "__%s__" % name, lambda self, *_, said=said: said)
    return Other


def raised(code_in):
    # An exception of as many classes as one can be of; none of them ends a test or a loop.
    import sys
    bases = ()
    left = [Exception]
    while left:
        kind = left.pop(0)
        left += kind.__subclasses__()
        module = sys.modules.get(kind.__module__)
        ours = kind.__module__ == "builtins" or code_in(getattr(module, "__file__", None) or "<>")
        if not ours or issubclass(kind, (StopIteration, StopAsyncIteration)):
            continue
        try:
            tried = tuple(each for each in bases if not issubclass(kind, each)) + (kind,)
            type("Raised", tried, {})
            bases = tried
        except TypeError:
            pass
    made = type("Raised", bases, {"__init__": lambda self, *_: None,
                                  "__str__": lambda self: "something else"})
    return made.__new__(made)


def break_calls(asked, root, kind_of, owner_of, other, like, say):
    # `other`: the class of what is returned, or raised where it is an exception. `like`: what makes
    # of a value another one, where the calls do what they do and give something else.
    import ast, builtins, os, sys
    from importlib.machinery import SourceFileLoader
    get_frame, abspath = sys._getframe, os.path.abspath
    plain = SourceFileLoader.get_code
    how, targets, owners = asked["how"], asked["targets"], asked["owners"]
    likes = how in ("like", "all like", "turned")
    gives = {(path, line): what for path, line, what in asked["gives"]}
    typed = {"__str__": str, "__repr__": str, "__format__": str, "__len__": len, "__bool__": bool,
             "__hash__": hash, "__int__": int, "__index__": int, "__float__": float,
             "__iter__": iter, "__contains__": bool, "__bytes__": bytes}

    def by_own(frame):
        caller = frame.f_back
        return (caller is None or kind_of(caller) != "code") and owner_of(caller) in owners

    def what_of(frame):
        code = frame.f_code
        return gives.get((abspath(code.co_filename)[len(root):], code.co_firstlineno), ())

    def asked_by_code():
        # What the watch put into the code tells nobody else which run it is.
        if kind_of(get_frame(2)) == "code":
            return True
        say("looked", "its functions")
        return False

    def skips():
        # Whether the function is left at its beginning.
        frame = get_frame(1)
        if not asked_by_code() or how == "same" or not by_own(frame):
            return False
        if likes and "effect" in what_of(frame):
            held = (frame.f_locals[name] for name in frame.f_code.co_varnames
                    [:frame.f_code.co_argcount] if name in frame.f_locals)
            before[id(frame)] = [(value, like.state(value)) for value in held]
        return not likes or what_of(frame) == ("none",)

    def instead(name, first=None):
        if not isinstance(other, type):
            raise other()
        if likes:
            return None
        if name == "__init__":
            try:
                first.__class__ = other
            except TypeError:
                pass
            return None
        return typed.get(name, lambda value: value)(other())

    def given(value):
        frame = get_frame(1)
        if not asked_by_code() or not likes or not by_own(frame):
            return value
        held = before.pop(id(frame), ())
        if how != "all like" and "fed" in what_of(frame):
            return value
        if value is None and frame.f_code.co_name == "__init__":
            held = [(frame.f_locals[frame.f_code.co_varnames[0]], None)]
        if value is None and held:
            for each in held:
                like.change(*each)
            return None
        return like.turned(value) if how == "turned" else like(value)

    def raising():
        # Whether what is raised is passed over.
        error = sys.exc_info()[1]
        if not asked_by_code() or not likes or not by_own(get_frame(1)):
            return False
        if isinstance(error, Exception) and how != "turned":
            raise like.error(error) from None
        return isinstance(error, Exception)

    before = {}
    mine = {name: "__%s_%d__" % (name, os.getpid()) for name in ("skips", "instead", "given",
                                                                 "raising")}
    for function in skips, instead, given, raising:
        setattr(builtins, mine[function.__name__], function)

    def yields(node):
        left = list(node.body)
        while left:
            each = left.pop()
            if isinstance(each, (ast.Yield, ast.YieldFrom)):
                return True
            if not isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                left += ast.iter_child_nodes(each)
        return False

    def written(text, line, column=0):
        made = ast.parse("def f():\n " + text.replace("\n", "\n ")).body[0].body
        for node in made:
            for part in ast.walk(node):
                if hasattr(part, "lineno"):
                    part.lineno = part.end_lineno = line
                    part.col_offset = part.end_col_offset = column
        return made

    def prologue(node):
        first = node.args.args[0].arg if node.args.args else "None"
        text = "if %s(): " % mine["skips"]
        text += "return " if not yields(node) else "yield "
        text += "%s(%r, %s)" % (mine["instead"], node.name, first)
        if yields(node):
            text += "; return"
        return written(text, node.lineno)

    class Giving(ast.NodeTransformer):
        def wrapped(self, value, like_it):
            (made,) = written("%s(0)" % mine["given"], like_it.lineno, like_it.col_offset)
            made.value.args = [value]
            return made.value

        def visit_Return(self, node):
            self.generic_visit(node)
            if node.value is None:
                if self.generates[-1]:
                    return node
                node.value = written("None", node.lineno)[0].value
            node.value = self.wrapped(node.value, node.value)
            return node

        def visit_Yield(self, node):
            self.generic_visit(node)
            if node.value is not None:
                node.value = self.wrapped(node.value, node.value)
            return node

        def visit_Lambda(self, node):
            self.generic_visit(node)
            (test,) = written("%s('') if %s() else 0" % (mine["instead"], mine["skips"]),
                              node.lineno)
            test.value.orelse = self.wrapped(node.body, node.body)
            node.body = test.value
            return node

        def visit_FunctionDef(self, node):
            generates = yields(node)
            self.generates.append(generates)
            self.generic_visit(node)
            self.generates.pop()
            docstring = ast.get_docstring(node, False) is not None
            body = node.body[docstring:]
            first = min([node.lineno] + [each.lineno for each in node.decorator_list])
            if not generates and not (body and isinstance(body[-1], ast.Return)):
                last = max(getattr(part, "lineno", 0) for part in ast.walk(node))
                body = body + written("return %s(None)" % mine["given"], last)
            if "raised" in gives.get((self.path, first), ()):
                text = "try: pass\nexcept:\n if %s(): return\n raise" % mine["raising"]
                (tried,) = written(text, first)
                tried.body, body = body, [tried]
            node.body[docstring:] = prologue(node) + body
            return node

        visit_AsyncFunctionDef = visit_FunctionDef

    def breaking(source, path):
        giving = Giving()
        giving.path, giving.generates = abspath(path)[len(root):], []
        tree = giving.visit(ast.parse(source))
        return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)

    def get_code(self, name):
        path = abspath(self.path)
        if path.startswith(root) and path[len(root):] in targets:
            return breaking(self.get_data(self.path), self.path)
        return plain(self, name)

    SourceFileLoader.get_code = get_code


def break_modules(root, kind_of, kind_of_file, listed, other, how, like):
    import builtins, sys, types
    plain, get_frame = builtins.__import__, sys._getframe
    likes = how in ("like", "all like", "turned")
    names = {path[:-3].replace("/__init__", "").rpartition("/")[2]
             for path, kind in listed.items() if kind == "code"}

    as_they_are = ("__all__", "__path__", "__spec__", "__loader__", "__package__")

    class View(types.ModuleType):
        def __init__(self, module):
            types.ModuleType.__init__(self, like(module.__name__), like(module.__doc__))
            held = self.__dict__
            if likes:
                held.update({like(name): None for name in vars(module) if name[:1] != "_"})
            held["_of"] = module

        def __getattr__(self, name):
            found = self.__dict__["_of"]
            try:
                value = getattr(found, name)
            except AttributeError as error:
                if not likes:
                    raise
                raise like.error(error) from None
            if isinstance(value, types.ModuleType):
                return View(value) if likes else value
            if likes:
                return value if name in as_they_are else like(value)
            return value if callable(value) else other()

    def importing(name, globals=None, locals=None, fromlist=(), level=0):
        caller = get_frame(0).f_back
        owner = kind_of(caller) if caller else ""
        if how == "same" or owner not in ("own", "test"):
            return plain(name, globals, locals, fromlist, level)
        try:
            found = plain(name, globals, locals, fromlist, level)
        except ImportError as error:
            if owner == "own" and name.split(".")[0] in names:
                if likes:
                    raise like.error(error) from None
                return other()
            raise
        if kind_of_file(getattr(found, "__file__", None) or "<none>") != "code":
            return found
        return other() if owner == "own" and not likes else View(found)

    builtins.__import__ = importing
"""
