"""The part of the watching program that takes back what a patch's functions do; nothing else of it.

All that a patch brings stays to be seen: its text, its names, signatures, docstrings, new files,
what it does at import. But a function that was there before has its earlier body, a new one that
the code calls is away, and what the code reads, a table or a template, is as it was. See
`agents.sandbox_scripts.watch`; for Python 3.6 and later.
"""

# Reports "ran" for what the patch changes and somebody calls, "equal" for what equals anything,
# "unimportable". `back`: "all"; "functions": not what they read; "": everything is as with "all",
# and nothing is taken back.
TAKE_BACK = r"""
def take_back(folder, root, listed, kind_of, say, back):
    import builtins, io, os, re, sys
    from importlib.machinery import SourceFileLoader
    abspath, get_frame, plain_open, plain_compile = os.path.abspath, sys._getframe, open, compile
    plain_code = SourceFileLoader.get_code
    with plain_open(folder + "/patch") as file:
        patch = eval(file.read())
    texts, words = patch["texts"], patch["issue"]
    as_a_module(root, texts)
    functions, data, trees, ran, kept, likes, probing = [], set(), {}, set(), {}, {}, []

    def text_of(name):
        with plain_open(name, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()

    def place_of(frame):
        return abspath(frame.f_code.co_filename)[len(root):]

    def outside(frame):
        # Whether it runs for somebody, and not while a module of the code is imported.
        while frame is not None:
            kind = kind_of(frame)
            if kind in ("own", "test"):
                return True
            if kind == "code" and not frame.f_code.co_flags & 1:
                return False
            frame = frame.f_back
        return True

    def ran_now(key, frame=None):
        if key not in ran and outside(frame or get_frame(2).f_back):
            ran.add(key)
            say("ran", key if isinstance(key, str) else functions[key][1])

    def is_new(frame):
        path, line = place_of(frame), frame.f_code.co_firstlineno
        return any(new and there == path and first <= line <= last
                   for there, _, new, first, last in functions)

    def by_code(frame):
        # Whether code that the patch did not bring calls.
        while frame is not None:
            kind = kind_of(frame)
            if kind in ("own", "test") or (kind == "code" and not frame.f_code.co_flags & 1):
                return False
            if kind == "code" and not is_new(frame):
                return True
            frame = frame.f_back
        return False

    def absent(key, kind=None, first=None):
        last = functions[key][1].rpartition(".")[2]
        special = last[:2] == last[-2:] == "__"
        away = words is None or (last in words and not special)
        if kind is not None:
            away = away or special or hasattr(super(kind, first), last)
        away = away or by_code(get_frame(2).f_back)
        if away:
            ran_now(key, get_frame(2).f_back)
        return away

    def parent(key, kind=None, first=None):
        name = functions[key][1].rpartition(".")[2]
        if kind is not None and hasattr(super(kind, first), name):
            return getattr(super(kind, first), name)
        raise (TypeError if name[:2] == "__" else AttributeError)(name)

    def keep(key, name, *value):
        if value:
            kept[key, name] = value[0]
        return kept[key, name]

    def like(key, made):
        try:
            vars(made).update(vars(likes.setdefault(key, made)))
        except (TypeError, AttributeError):
            pass

    def inherited(kind, names):
        # What a class did not have of its own, and its bases have, is theirs again.
        for name in names:
            if name in vars(kind) and any(name in vars(each) for each in kind.__mro__[1:]):
                say("ran", name)
                delattr(kind, name)

    def asks_for_code(event, given):
        # A look at the code of what the patch changes, by the command's own code.
        if event == "object.__getattr__" and given[1] == "__code__":
            frame = get_frame(1)
            by = frame.f_globals.get("__name__")
            if by in ("dis", "marshal", "pickle") or kind_of(frame) in ("own", "test"):
                name = getattr(given[0], "__qualname__", "")
                if any(there[1] == name for there in functions):
                    say("asked", "__code__ of " + name)
        elif event.startswith(("gc.get_", "ctypes.")) and kind_of(get_frame(1)) in ("own", "test"):
            say("asked", event)

    def compared(function):
        if type(function) is not type(like):
            return function

        def asked(one, other):
            said = function(one, other)
            if not probing and said is not NotImplemented and said:
                probing.append(said)
                try:
                    pairs = {int: (-70913, 70913), float: (-7e9, 7e9), str: ("", "\U0010ffff")}
                    others = pairs.get(type(other), (other,))
                    if function.__name__ in ("__eq__", "__contains__", "__instancecheck__",
                                             "__subclasscheck__"):
                        others = pairs[str][1], object()
                    if len(others) > 1 and all(function(one, each) is True for each in others):
                        say("equal", function.__qualname__)
                except Exception:
                    pass
                finally:
                    probing.pop()
            return said
        return asked

    def for_code(function):
        # What stands in the code tells nobody else which run it is.
        def asked(*given):
            if kind_of(get_frame(1)) not in ("code", "library"):
                say("looked", "its functions")
            return function(*given)
        return asked

    for name, value in (("ran", ran_now), ("absent", absent), ("parent", parent), ("kept", keep),
                        ("like", like), ("compared", compared), ("inherited", inherited),
                        ("changed", lambda name: say("ran", name))):
        setattr(builtins, "__%s__" % name, for_code(value))

    for path in sorted(texts):
        old = texts[path] and text_of(folder + "/" + texts[path])
        try:
            trees[path] = merged_tree(path, old or "", text_of(root + path), back, patch["unread"],
                                      functions, data)
        except (SyntaxError, ValueError, RecursionError):
            trees[path] = old or None if back else None
    data = {name.rpartition(".")[2] for name in data}
    word = re.compile(r"\b(?:%s)\b" % "|".join(map(re.escape, sorted(data)))) if data else None

    def compiled(source, filename, mode, flags=0, dont_inherit=False, *more, **named):
        if mode == "exec" and isinstance(filename, str) and abspath(filename).startswith(root):
            path = abspath(filename)[len(root):]
            if trees.get(path) is not None:
                source = trees[path]
                if isinstance(source, str):
                    say("ran", path)
            if word and listed.get(path) == "code":
                source = with_readers(source, data)
        return plain_compile(source, filename, mode, flags, dont_inherit, *more, **named)

    def get_code(self, name):
        path = abspath(self.path)
        if path.startswith(root) and listed.get(path[len(root):]) == "code":
            source = self.get_data(self.path)
            if path[len(root):] in trees or (word and word.search(source.decode("latin-1"))):
                return compiled(source, self.path, "exec", dont_inherit=True)
        return plain_code(self, name)

    def failed(path):
        if listed.get(abspath(path)[len(root):]) == "code":
            say("unimportable", abspath(path)[len(root):])

    # under importlib's own name, so that a warning at import is where it was
    importing = {"plain": SourceFileLoader.exec_module, "failed": failed}
    exec(plain_compile('''def exec_module(self, module):
    try:
        return plain(self, module)
    except Exception:
        failed(self.path)
        raise''', "<frozen importlib._bootstrap_external>", "exec"), importing)

    def opened(file, mode="r", *more, **named):
        try:
            path = abspath(os.fsdecode(file))
        except TypeError:
            path = ""
        if path.startswith(root) and path[len(root):] in patch["files"] and "r" in mode:
            frame = get_frame(1)
            while frame is not None and kind_of(frame) == "library":
                frame = frame.f_back
            if frame is not None and kind_of(frame) == "code":
                ran_now(path[len(root):], frame)
                before = patch["files"][path[len(root):]]
                if back == "all":
                    file = folder + "/" + before if before else folder + "/none/" + path
        return plain_open(file, mode, *more, **named)

    if hasattr(sys, "addaudithook"):
        sys.addaudithook(asks_for_code)
    builtins.compile = compiled
    SourceFileLoader.get_code = get_code
    SourceFileLoader.exec_module = importing["exec_module"]
    if patch["files"]:
        builtins.open = io.open = opened


def with_readers(source, names):
    # Functions that name what the patch changes, an attribute or a table, say that they run.
    import ast
    tree = ast.parse(source) if isinstance(source, (str, bytes)) else source
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found = [name for name in (getattr(each, "id", getattr(each, "attr", ""))
                                       for each in ast.walk(node)) if name in names]
            if found:
                line = ast.parse("__ran__(%r)" % found[0]).body[0]
                for part in ast.walk(line):
                    if hasattr(part, "lineno"):
                        part.lineno = part.end_lineno = node.lineno
                node.body.insert(1 if ast.get_docstring(node, False) is not None else 0, line)
    return ast.fix_missing_locations(tree)


def as_a_module(root, texts):
    # A changed file that is started as a program is compiled by no loader: start it by one.
    import os, sys
    with open("/proc/self/cmdline", "rb") as file:
        words = os.fsdecode(file.read()).split("\0")[:-1]
    place = 1
    while place < len(words) and words[place][:1] == "-" and words[place] != "-":
        if words[place][1:2] in ("c", "m"):
            return
        place += 2 if words[place] in ("-W", "-X") else 1
    path = os.path.abspath(words[place]) if place < len(words) else ""
    if path.startswith(root) and path[len(root):] in texts:
        text = ("import os, runpy, sys; del sys.argv[0]; sys.path[0] = os.path.dirname(%r)\n"
                "runpy.run_path(sys.argv[0], run_name='__main__')" % path)
        os.execv(sys.executable, words[:place] + ["-c", text] + words[place:])
"""

# Puts the earlier texts of a patch that is applied and not committed beside the watching program.
# "unread": names that are bound otherwise than before and stand nowhere else.
SET_UP = r"""
import ast, json, os, re, subprocess, sys
folder, test, settings = json.loads(sys.argv[1])

def git(*words):
    done = subprocess.run(("git",) + words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout if done.returncode == 0 else None

def names_of(text):
    found = {}
    left = list(ast.parse(text).body)
    while left:
        node = left.pop()
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            for each in getattr(node, "targets", [getattr(node, "target", None)]):
                for part in ast.walk(each):
                    name = getattr(part, "attr", getattr(part, "id", ""))
                    found.setdefault(name, set()).add(ast.dump(node))
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            left += [each for each in ast.iter_child_nodes(node) if isinstance(each, ast.stmt)]
    return found

texts, files, names = {}, {}, set()
fields = git("diff", "--cached", "--name-status", "--no-renames", "-z", "HEAD").decode(
    errors="surrogateescape").split("\0")
for number, (status, path) in enumerate(zip(fields[::2], fields[1::2])):
    name = path.rpartition("/")[2]
    if re.search(test, path) or re.search(settings, name) or status == "D":
        continue
    before = git("show", "HEAD:" + path)
    (texts if path.endswith(".py") else files)[path] = before is not None and "before%d" % number
    if before is not None:
        with open(folder + "/before%d" % number, "wb") as file:
            file.write(before)
    if path.endswith(".py"):
        try:
            with open(path, "rb") as file:
                now = names_of(file.read())
            was = names_of(before or b"")
            names |= {name for name in was if was[name] != now.get(name)} - {""}
        except (SyntaxError, ValueError):
            pass
count = dict.fromkeys(names, 0)
if names:
    words = git("grep", "-whIoE", "|".join(map(re.escape, sorted(names))), "--", "*.py") or b""
    for name in words.decode(errors="replace").split():
        count[name] = count.get(name, 0) + 1
try:
    with open(folder + "/issue", encoding="utf-8", errors="replace") as file:
        issue = set(re.findall(r"\w+", file.read()))
except FileNotFoundError:
    issue = None
with open(folder + "/patch", "w") as file:
    file.write(repr({"texts": texts, "files": files, "issue": issue,
                     "unread": {name for name in names if count[name] < 2}}))
new = [path for path, before in files.items() if before is False]
print("\nDELM" + json.dumps({"texts": sorted(texts), "files": sorted(files), "new": new}))
"""
