"""The part of the watching program that says what calls into the code give, to compare two runs.

See `agents.sandbox_scripts.watch`.
"""

GIVEN_VALUES = r"""
def value_state(depth=4, most=400):
    # A function that describes a value, whatever it holds, without asking it: nothing of it runs.
    import io
    plain = (int, float, bool, complex, bytes, type(None))
    described = ("function", "type", "module", "builtin_function_or_method", "method")

    def state(value):
        left, seen, simple = [most], {}, [True]

        def names_of(value):
            held = {}
            try:
                held.update(object.__getattribute__(value, "__dict__"))
            except (AttributeError, TypeError):
                pass
            for kind in type(value).__mro__:
                for name, each in list(vars(kind).items()):
                    if type(each).__name__ == "member_descriptor":
                        try:
                            held[name] = each.__get__(value)
                        except AttributeError:
                            pass
            return held

        def part(value, depth):
            kind = type(value)
            left[0] -= 1
            if kind in plain or kind is str:
                return repr(value)[:2000]
            if left[0] < 0 or not depth or id(value) in seen:
                return kind.__name__
            seen[id(value)] = value
            if kind.__name__ in described:
                return "%s %s" % (kind.__name__, getattr(value, "__name__", ""))
            found = [kind.__name__]
            if issubclass(kind, (str, int, float)):
                base = next(each for each in (str, int, float) if issubclass(kind, each))
                found.append(base.__repr__(value))
            elif issubclass(kind, (list, tuple)):
                base = list if issubclass(kind, list) else tuple
                found += [part(each, depth - 1) for each in base.__iter__(value)]
            elif issubclass(kind, (set, frozenset)):
                base = set if issubclass(kind, set) else frozenset
                found += sorted(part(each, depth - 1) for each in base.__iter__(value))
            elif issubclass(kind, dict):
                found += [part(key, depth - 1) + ": " + part(each, depth - 1)
                          for key, each in dict.items(value)]
            elif issubclass(kind, BaseException):
                found.append(part(BaseException.args.__get__(value), depth - 1))
            elif kind in (io.StringIO, io.BytesIO) and not value.closed:
                found.append(repr(value.getvalue()))
            if kind not in (list, tuple, set, frozenset, dict):
                simple[0] = simple[0] and issubclass(kind, BaseException)
                found += ["%s=%s" % (name, part(each, depth - 1))
                          for name, each in sorted(names_of(value).items())]
            return "(%s)" % " ".join(found)

        return part(value, depth), simple[0]

    return state


def value_watch(root, kind_of, owner_of, ends, say, shown, own_frame, seen_enough, stopped,
                most):
    # A trace function that says "gave" for each call into the code by the command, and for each of
    # a function of its own, which may get values of the code by a library: where it calls, the
    # arguments, and how often it did; the name that is called; what that gives or raises; what
    # is left in its arguments; whether all of what it gives is plain. What the code prints, warns
    # and logs are such calls.
    import builtins, os, sys, zlib
    abspath, state, counts, plain_print = os.path.abspath, value_state(), {}, builtins.print
    said_by = ("/warnings.py", "/logging/__init__.py")

    def short(text):
        return text if len(text) < 200 else "%s#%x" % (text[:150], zlib.crc32(text.encode(
            errors="replace")))

    def held_by(frame):
        code = frame.f_code
        count = code.co_argcount + code.co_kwonlyargcount
        names = code.co_varnames[:count + bool(code.co_flags & 4) + bool(code.co_flags & 8)]
        return [frame.f_locals[name] for name in names if name in frame.f_locals]

    def number_of(*key):
        counts[key] = counts.get(key, 0) + 1
        return counts[key]

    def site_of(frame, code):
        # Where the command's own code, or a test, calls.
        while frame is not None and kind_of(frame) not in ("own", "test"):
            frame = frame.f_back
        if frame is None:
            return "%s %s" % (abspath(code.co_filename)[len(root):], code.co_name)
        name = os.path.basename(frame.f_code.co_filename)
        return "%s %s:%d" % (name, frame.f_code.co_name, frame.f_lasti)

    def gave(frame, owner):
        code, held = frame.f_code, held_by(frame)
        if owner == "test" and number_of("test") > most // 2:
            return None
        site, given = site_of(frame.f_back, code), short(", ".join(map(shown, held)))
        number = number_of(site, given)
        error = [None]
        if hasattr(frame, "f_trace_lines"):
            frame.f_trace_lines = False

        def local(frame, event, arg):
            if event == "exception":
                error[0] = arg
            elif event == "return":
                raised = frame.f_code.co_code[frame.f_lasti] not in ends
                text, simple = state(error[0] and error[0][1] if raised else arg)
                left = [state(each)[0] for each in held]
                say("gave", site, given, number, code.co_name,
                    ("raises " if raised else "") + short(text), short(" ".join(left)), simple)
            return local

        return local

    def said(how, values):
        text = short(" ".join(state(each)[0] for each in values))
        say("gave", how, "", number_of(how), how, text, "", True)

    def print(*values, **how):
        frame = sys._getframe(1)
        if kind_of(frame) == "code":
            said("print", values)
        return plain_print(*values, **how)

    print.__qualname__ = "print"
    builtins.print = print

    def both(one, other):
        def local(frame, event, arg):
            one(frame, event, arg)
            other(frame, event, arg)
            return local

        return local

    def trace(frame, event, arg):
        if stopped:
            sys.settrace(None)
            return None
        kind, caller, code = kind_of(frame), frame.f_back, frame.f_code
        if kind == "code":
            if caller and kind_of(caller) != "code" and (
                code.co_name[0] != "<" or code.co_name == "<lambda>"
            ):
                owner = owner_of(caller)
                seen_enough(owner)
                return gave(frame, owner) if owner else None
        elif kind == "own":
            if code.co_flags & 1 or frame.f_globals.get("__name__") == "__main__":
                say("own")
            ended = own_frame(frame)
            given = gave(frame, "own") if code.co_flags & 1 else None
            return both(ended, given) if ended and given else ended or given
        elif caller and code.co_filename.endswith(said_by) and kind_of(caller) == "code":
            if code.co_name in ("_showwarnmsg", "_log", "debug", "info", "warning", "error"):
                said(code.co_name, held_by(frame)[-3:])

    return trace
"""
