"""The part of the watching program that tells how the command's own code ends, and who is to blame.

See `agents.sandbox_scripts.watch`. Its own code is the main module, where that is none of the
repository, and test functions of its own.
"""

OWN_ENDS = r"""
def ends_watch(kind_of, say, ends):
    # `follows(frame)`: whether it is such code. `local`: its trace function, which says "fault" for
    # an error that ends it, with the instruction, and "cut" for an exit with 0 before its end.
    import builtins, dis
    idle = ("CACHE", "EXTENDED_ARG", "JUMP_ABSOLUTE", "JUMP_FORWARD", "LOAD_CONST", "NOP",
            "NOT_TAKEN", "POP_BLOCK", "POP_TOP")
    named = ("LOAD_NAME", "LOAD_GLOBAL", "LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_DEREF",
             "LOAD_ATTR", "LOAD_METHOD")
    harmless = ("print", "sys", "exit", "quit", "stderr", "SystemExit", "Exception")
    lost = ("gaierror", "herror", "ConnectionError")
    errors = {}

    def follows(frame):
        name = frame.f_code.co_name
        if name == "<module>":
            return frame.f_globals.get("__name__") == "__main__" or not above(frame)
        return name[:4].lower() == "test" and kind_of(frame.f_back or frame) == "library"

    def above(frame):
        frame = frame.f_back
        while frame is not None:
            if kind_of(frame) not in ("library", "import"):
                return True
            frame = frame.f_back
        return False

    def at_the_end(frame):
        # Whether nothing is left to do after the instruction at which it stands.
        steps = list(dis.get_instructions(frame.f_code))
        places = {step.offset: number for number, step in enumerate(steps)}
        at = sum(step.offset <= frame.f_lasti for step in steps)
        for _ in steps:
            if at == len(steps):  # a module whose last statement raises returns nowhere
                return True
            step = steps[at]
            if step.opname in ("RETURN_VALUE", "RETURN_CONST"):
                return True
            if step.opname not in idle:
                return False
            at = places[step.argval] if step.opname[:4] == "JUMP" else at + 1
        return False

    def comes_again(steps, places, at):
        # Whether what follows an instruction can lead to it again: it stands in a loop.
        if steps[at].opname == "RAISE_VARARGS":
            return False
        left, seen = [at + 1], set()
        while left:
            number = left.pop()
            if number in seen or number >= len(steps):
                continue
            seen.add(number)
            name = steps[number].opname
            if "JUMP" in name or name == "FOR_ITER":
                left.append(places.get(steps[number].argval, len(steps)))
            if name[:4] not in ("RETU", "RAIS", "RERA") and not (
                    name[:4] == "JUMP" and "_IF_" not in name):
                left.append(number + 1)
        return at in seen

    def only_fails_behind(frame):
        # Whether what stands behind it in the text can only print and fail, as the line does that
        # says that nothing was raised, or that asks for a value which there is none of then.
        bound = set(frame.f_locals) | set(frame.f_globals) | set(vars(builtins))
        steps, line, lines = list(dis.get_instructions(frame.f_code)), 0, []
        starts = dict(dis.findlinestarts(frame.f_code))
        for step in steps:
            line = starts.get(step.offset) or line
            lines.append(line)
        at = sum(step.offset <= frame.f_lasti for step in steps) - 1
        if comes_again(steps, {step.offset: n for n, step in enumerate(steps)}, at):
            return False
        for number, step in enumerate(steps):
            if (lines[number], number) <= (lines[at], at):
                continue
            name, before = step.opname, steps[number - 1]
            matched = before.opname == "CHECK_EXC_MATCH" or before.argval == "exception match"
            if name == "FOR_ITER" or ("_IF_" in name and "_EXC_" not in name and not matched):
                return False
            if name in named[:5] and step.argval not in bound:
                return True
            if name in named and not (step.argval in harmless or step.argval[-5:] == "Error"
                                      or steps[number + 1].opname[:6] == "FORMAT"):
                return False
        return True

    def blamed(traceback):
        # The kind of the last place that is no library's, and whether it raises an error itself.
        found, raises = "own", False
        while traceback is not None:
            kind = kind_of(traceback.tb_frame)
            if kind in ("own", "test", "code"):
                code = traceback.tb_frame.f_code.co_code
                found = kind
                raises = dis.opname[code[traceback.tb_lasti]] == "RAISE_VARARGS"
            traceback = traceback.tb_next
        return found, raises

    def of_the_network(value):
        for _ in range(9):
            if value is None:
                return False
            if issubclass(type(value), OSError) and any(
                    kind.__name__ in lost for kind in type(value).__mro__):
                return True
            value = value.__cause__ or value.__context__
        return False

    def ended(frame, kind, value, traceback):
        if issubclass(kind, SystemExit):
            no_error = getattr(value, "code", None) in (0, None, False)
            if no_error and not at_the_end(frame) and not only_fails_behind(frame):
                say("cut", frame.f_code.co_name)
            return
        by, raises = blamed(traceback)
        given = value.args[0] if type(value.args) is tuple and value.args else ""
        if of_the_network(value):
            say("network", kind.__name__)
        asserts = issubclass(kind, AssertionError) or any(
            each.__name__ == "OutcomeException" for each in kind.__mro__)
        say("fault", kind.__name__, given[:500] if type(given) is str else "", by,
            "asserts" if asserts else "raises" if raises else "",
            "%s:%d" % (frame.f_code.co_name, traceback.tb_lasti if traceback else -1))

    def local(frame, event, arg):
        if event == "exception":
            errors[id(frame)] = arg
        elif event == "return":
            error = errors.pop(id(frame), None)
            if error and frame.f_code.co_code[frame.f_lasti] not in ends:
                ended(frame, *error)
        return local

    def followed(frame):
        if not follows(frame):
            return None
        if hasattr(frame, "f_trace_lines"):
            frame.f_trace_lines = False
        return local

    return followed


def tools_watch(kind_of, get_frame, say):
    # Says which tools print: test runners, and Python where an error ends it; and what the
    # command's own code prints.
    import builtins, sys
    plain_print, plain_hook = builtins.print, sys.excepthook
    runners = (("/unittest/runner.py", "run", "unittest"), ("/_pytest/main.py", "wrap_session",
                                                             "pytest"))

    line = []

    def print(*values, **how):
        if kind_of(get_frame(1)) in ("own", "test"):
            shown = [str(value) if type(value) in (str, int, float, bool) else "\0"
                     for value in values]
            between, end = (other if how.get(name) is None else str(how[name])
                            for name, other in (("sep", " "), ("end", "\n")))
            line.append(between.join(shown) + end)
            if "\n" in end:
                say("printed", "".join(line).rstrip("\n")[:2000])
                del line[:]
        return plain_print(*values, **how)

    def excepthook(kind, value, traceback):
        say("tool", "python")
        return plain_hook(kind, value, traceback)

    def ran(code):
        for path, name, tool in runners:
            if code.co_name == name and code.co_filename.endswith(path):
                say("tool", tool)

    print.__qualname__ = "print"
    builtins.print, sys.excepthook = print, excepthook
    return ran, tuple(path for path, _, _ in runners)


def network_watch(say):
    # Says which other machines are asked.
    import sys
    near = ("localhost", "", "::1", "0.0.0.0", "::")

    def asked(event, given):
        if event in ("socket.connect", "socket.getaddrinfo"):
            to = given[0]
            if event == "socket.connect":  # a local one is a path
                to = given[1][0] if isinstance(given[1], tuple) and given[1] else ""
            to = to.decode("latin-1") if isinstance(to, bytes) else to
            if type(to) is str and to not in near and not to.startswith("127."):
                say("network", to[:200])

    if hasattr(sys, "addaudithook"):
        sys.addaudithook(asked)


def thread_watch(kind_of, get_frame, say):
    # A thread past `threading` is not traced: says where the command starts one.
    import _thread
    plain = _thread.start_new_thread

    def start_new_thread(*given, **named):
        if kind_of(get_frame(1)) in ("own", "test"):
            say("thread")
        return plain(*given, **named)

    _thread.start_new_thread = _thread.start_new = start_new_thread


def stacks_watch(path):
    # Where it is when a time limit ends it.
    import faulthandler, os, signal
    stacks = os.open(path, os.O_WRONLY | os.O_APPEND)
    faulthandler.register(signal.SIGTERM, stacks, all_threads=False, chain=True)
"""
