"""A program that starts with every Python of a sandbox and notes who calls the repository's code.

It is put into a sandbox as `sitecustomize.py`, for Python 3.6 and later. A *call into the code* is
one of a function in a file of the repository that is no test. Its caller is, over the library's
frames, the command's own code (a script, `-c`, a test), or else nobody of both ("outer"). What runs
while a module is imported is none.

In `how` "" the calls are noted, with what they give and change. In "like" they do what they do and
give another value of the same type, as true or as false (see `like_values`), but where another call
is given it; in "all like" there, too; in "turned" one that is false where it was true. In "nothing"
they return an object that is false, empty and equal to nothing, in "anything" one that is true and
equal to everything, in "raises" they raise an exception of nearly every class at once. In "same"
everything is as in these, and they give what they give.
"""

from agents.sandbox_scripts.chance_watch import CHANCE_WATCH
from agents.sandbox_scripts.earlier_bodies import TAKE_BACK
from agents.sandbox_scripts.earlier_scopes import MERGED_TREE
from agents.sandbox_scripts.given_values import GIVEN_VALUES
from agents.sandbox_scripts.later import LATER
from agents.sandbox_scripts.like_values import LIKE_VALUES
from agents.sandbox_scripts.other_returns import OTHER_RETURNS
from agents.sandbox_scripts.own_ends import OWN_ENDS
from agents.sandbox_scripts.report_lines import REPORT_LINES
from agents.sandbox_scripts.syntax_nodes import SYNTAX_NODES

FOLDER = "/tmp/.delm-watch"  # noqa: S108 - inside a sandbox
REPORT = f"{FOLDER}/report"
STACKS = f"{FOLDER}/stacks"  # where Pythons were that a signal ended
FIRST = f"export PATH={FOLDER}/bin:$PATH PYTHONPATH={FOLDER}${{PYTHONPATH:+:$PYTHONPATH}}"

# Prints where the wrapped Python lies. What is listed is what git knows: a new file is the
# command's own. A package's own folder of tools for tests is neither code nor a test.
SET_UP = r"""
import os, re, stat, subprocess, sys
folder, test, asked, hook = eval(sys.argv[1])
listed = subprocess.run(["git", "ls-files", "-z"], stdout=subprocess.PIPE).stdout
os.makedirs(folder + "/bin")
with open(folder + "/files", "w", errors="surrogateescape") as files:
    for path in filter(None, listed.decode(errors="surrogateescape").split("\0")):
        if not path.endswith(".py"):
            print("other", path.replace("\n", " "), file=files)
            continue
        name = path.rpartition("/")[2]
        named = re.match(r"(test_.*|.*_tests?|tests?)\.py$", name) or "/tests/" in "/" + path
        if name in ("runtests.py", "conftest.py") or (re.search(test, path) and not named):
            print("tool", path, file=files)
        else:
            print("test" if named else "code", path, file=files)
with open(folder + "/sitecustomize.py", "w") as file:
    file.write(hook)
asked["began"] = os.stat(folder + "/sitecustomize.py").st_ctime
with open(folder + "/asked", "w") as file:
    file.write(repr(asked))
for name in "python", "python3", "python%d.%d" % sys.version_info[:2]:
    with open(folder + "/bin/" + name, "w") as file:
        file.write('#!/bin/sh\nPYTHONPATH=%s${PYTHONPATH:+:$PYTHONPATH} exec "%s" "$@"\n'
                   % (folder, sys.executable))
    os.chmod(folder + "/bin/" + name, 0o755)
for name in "report", "stacks":
    open(folder + "/" + name, "w").close()
    os.chmod(folder + "/" + name, 0o666)
os.chmod(folder, 0o777)
print("\nDELM[true]")
"""

_WATCH = r"""
def watch():
    import atexit, opcode, operator, os, sys, threading, time
    folder = os.path.dirname(os.path.abspath(__file__))
    with open(folder + "/asked") as file:
        asked = eval(file.read())
    root, how = asked["root"] + "/", asked["how"]
    with open(folder + "/files", errors="surrogateescape") as file:
        tracked = [line.rstrip("\n").split(" ", 1) for line in file]
    listed = {path: kind for kind, path in tracked if kind != "other"}
    library = tuple({os.path.dirname(os.__file__) + "/", sys.prefix + "/", sys.base_prefix + "/"})
    kinds = {}
    abspath, get_frame = os.path.abspath, sys._getframe
    say = report_writer(folder + "/report", asked["key"], asked["most"])

    def kind_of_file(name):
        if name[:1] in ("<", ""):
            kind = "import" if "importlib" in name else "text"
        else:
            path = abspath(name)
            if path.startswith(folder) or "/site-packages/" in path:
                kind = "library"
            elif path.startswith(root):
                kind = listed.get(path[len(root):], "own")
            else:
                kind = "library" if path.startswith(library) else "own"
            if kind == "tool":
                kind = "library"
        kinds[name] = kind
        return kind

    def kind_of(frame):
        code = frame.f_code
        kind = kinds.get(code.co_filename) or kind_of_file(code.co_filename)
        main = frame.f_globals.get("__name__") == "__main__"
        if kind == "text":
            return "own" if main else "library"
        if kind == "code" and main and code.co_name == "<module>":
            return "library"
        return kind

    def owner_of(frame):
        for _ in range(100):
            if frame is None:
                return "outer"
            kind = kind_of(frame)
            if kind in ("import", "code"):
                return ""
            if kind in ("own", "test"):
                if not frame.f_code.co_flags & 1 and frame.f_globals.get("__name__") != "__main__":
                    return ""
                return kind
            frame = frame.f_back
        return ""

    def shown(value, depth=2):
        kind = type(value)
        if kind in (int, float, bool, str, bytes, complex, type(None)):
            return repr(value)[:200]
        for plain in (str, bytes, int, float):
            if issubclass(kind, plain):
                return plain.__repr__(value)[:200]
        if kind in (list, tuple, set, frozenset, dict) and depth and len(value) < 20:
            if kind is dict:
                return repr([(shown(k, 0), shown(v, depth - 1)) for k, v in value.items()])
            return kind.__name__ + repr([shown(each, depth - 1) for each in value])
        return kind.__name__

    def note(frame, owner):
        code = frame.f_code
        count = code.co_argcount + code.co_kwonlyargcount
        names = code.co_varnames[:count + bool(code.co_flags & 4) + bool(code.co_flags & 8)]
        given = frame.f_locals
        held = [given[name] for name in names if name in given]
        path = abspath(code.co_filename)[len(root):]
        line = path, code.co_firstlineno, code.co_name, ", ".join(map(shown, held))[:600], owner
        if owner == "test":  # the last one is said at the end
            calls.append(line)
            if len(calls) > asked["most"] // 4:
                calls.pop(0)
                line = line[:3] + ("", owner)
        say("call", *line)
        return path, code.co_firstlineno, held

    def contents(held):
        # What can be changed in the arguments of a call.
        found = []
        for value in held:
            kind = type(value)
            names = None if issubclass(kind, type) else getattr(value, "__dict__", None)
            for each in [value] + (list(names.values()) if type(names) is dict else []):
                if type(each) in (list, dict, set, bytearray) and len(each) < 1000:
                    found += list(each) + (list(each.values()) if type(each) is dict else [])
                found.append(each)
        return found

    def giving(noted):
        # Says what a call gives, or what it changes: see `CodeCall`. What it is given may come from
        # an earlier one.
        path, line, held = noted
        before = contents(held)
        for value in held:
            if id(value) in given_out:
                say("gives", given_out[id(value)][1], given_out[id(value)][2], "fed")

        def at_end(frame, arg):
            what = "value"
            if frame.f_code.co_code[frame.f_lasti] not in ends:
                what = "raised"
            elif arg is None:
                after = contents(held)
                same = len(before) == len(after) and all(map(operator.is_, before, after))
                what = "none" if same else "effect"
            say("gives", path, line, what)
            name = frame.f_code.co_name
            made = held[0] if name == "__init__" and held else arg
            if type(made) not in (int, str, bool, float, bytes, type(None)):
                given_out[id(made)] = made, path, line

        return at_end

    def followed(frame, at_end):
        if hasattr(frame, "f_trace_lines"):
            frame.f_trace_lines = False

        def local(frame, event, arg):
            if event == "return":
                at_end(frame, arg)
            return local

        return local

    def compiled(path):
        with open(path, "rb") as file:
            return compile(file.read(), path, "exec", 0, True)

    def looked(event, given):
        if event in ("open", "os.listdir", "os.scandir") and isinstance(given[0], str):
            if given[0].startswith(folder) and given[0] != own_file:
                by = get_frame(1).f_code.co_filename
                if by != own_file and "importlib" not in by:
                    say("looked", given[0])

    own_file = get_frame().f_code.co_filename
    functions, idle = {}, set()
    ends = {opcode.opmap.get(name) for name in (
        "RETURN_VALUE", "RETURN_CONST", "YIELD_VALUE", "RETURN_GENERATOR", "YIELD_FROM", "SEND")}
    calls, given_out, own, stopped, cpu_s = [], {}, [], [], time.process_time
    began_s = cpu_s()

    def trace(frame, event, arg):
        code, caller = frame.f_code, frame.f_back
        name = code.co_filename
        if stopped:  # and put back by a test
            sys.settrace(None)
        if stopped or name in idle:
            return None
        kind = kinds.get(name) or kind_of_file(name)
        if kind in ("library", "import"):
            if name.endswith(sources):
                in_library(frame)
            elif name.endswith(runners):
                ran(code)
            else:
                idle.add(name)
            return None
        if id(code) not in functions:
            functions[id(code)] = code
            if kind != "text":
                called(frame, kind)
                ran(code)
        if kind == "code":
            if caller and kinds.get(caller.f_code.co_filename) == "code":
                if caller.f_code.co_name != "<module>":
                    return None  # most calls are such ones
            if code.co_name == "<module>":
                path = abspath(name)
                say("imported")
                if os.stat(path).st_ctime > asked["began"] or (
                    code != compiled(path) and "@pytest_ar" not in code.co_names
                ):
                    say("edited", path[len(root):])
            elif caller and kind_of(caller) != "code" and (
                code.co_name[0] != "<" or code.co_name == "<lambda>"
            ):
                owner = owner_of(caller)
                if owner:
                    noted = note(frame, owner)
                    seen_enough(owner)
                    if owner != "test" or len(calls) < asked["most"] // 4:
                        return followed(frame, giving(noted))
        elif kind_of(frame) in ("own", "test"):
            if code.co_flags & 1 or frame.f_globals.get("__name__") == "__main__":
                say("own")
            return own_frame(frame) if kind_of(frame) == "own" else None

    def own_frame(frame):
        caller = frame
        while not own:
            caller = caller.f_back
            if caller is None:
                own.append(True)
            elif kind_of(caller) == "test":  # which has written it
                break
        return ends_of(frame)

    def seen_enough(owner):
        # Of a process in which nothing runs but the repository's tests so much is seen and no more:
        # what is traced takes several times as long.
        if owner == "test" and not own and cpu_s() > began_s + asked["tests_s"]:
            stopped.append(True)
            threading.settrace(None)
            sys.settrace(None)

    def code_in(name):
        return kind_of_file(name) == "code"

    def at_exit():
        if calls:
            say("call", *calls[-1])
        say("ended", bool(stopped) or not traces or sys.gettrace() is traces[0])

    traces = []
    say("began")
    atexit.register(at_exit)
    if hasattr(sys, "addaudithook"):
        sys.addaudithook(looked)
    ends_of = ends_watch(kind_of, say, ends)
    if not how:
        stacks_watch(folder + "/stacks")
    if "earlier" in asked:
        take_back(folder, root, listed, kind_of, say, asked["earlier"])
        traces.append(value_watch(root, kind_of, owner_of, ends, say, shown, own_frame,
                                  seen_enough, stopped, asked["most"]))
    elif how:
        def kind(yes, equal=None):
            return other_kind(yes, equal, asked["word"])

        other = kind(how in ("anything", "like", "all like", "turned"), how == "anything")
        like = like_maker(asked["shift"], asked["word"], kind)
        if asked["later"]:
            later_watch(asked["later"])
        if asked["targets"]:
            break_calls(asked, root, kind_of, owner_of,
                        (lambda: raised(code_in)) if how == "raises" else other, like, say)
        else:
            break_modules(root, kind_of, kind_of_file, listed, other, how, like)
    else:
        called, in_library, sources = chance_watch(kind_of, get_frame, say)
        ran, runners = tools_watch(kind_of, get_frame, say)
        network_watch(say)
        thread_watch(kind_of, get_frame, say)
        traces.append(trace)
    for each in traces:
        threading.settrace(each)
        sys.settrace(each)
"""

HOOK = "\n\n".join(
    (_WATCH, REPORT_LINES, OWN_ENDS, CHANCE_WATCH, LIKE_VALUES, OTHER_RETURNS, LATER, "watch()\n")
)
EARLIER_HOOK = "\n\n".join(
    (
        _WATCH,
        REPORT_LINES,
        OWN_ENDS,
        GIVEN_VALUES,
        SYNTAX_NODES,
        MERGED_TREE,
        TAKE_BACK,
        "watch()\n",
    )
)
