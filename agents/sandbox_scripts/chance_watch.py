"""The part of the watching program that tells what asks chance or a clock.

See `agents.sandbox_scripts.watch`.
"""

CHANCE_WATCH = r"""
def chance_watch(kind_of, get_frame, say):
    # Says when code of the command, of a test or of the repository asks a clock or chance. What
    # cannot be replaced is told by the names that a function uses.
    import os, time
    drawing = ("/random.py", "/uuid.py", "/secrets.py", "/tempfile.py", "/datetime.py")

    def note(frame, name):
        while frame is not None and frame.f_code.co_filename.endswith(drawing):
            frame = frame.f_back
        if frame is not None and kind_of(frame) in ("own", "test", "code"):
            say("chance", name)

    def noted(name, plain, few):
        def asking(*args, **more):
            if len(args) < few:
                note(get_frame(1), name)
            return plain(*args, **more)
        asking.__name__ = asking.__qualname__ = name
        return asking

    for module, names, few in (
        (time, "time time_ns perf_counter perf_counter_ns monotonic monotonic_ns process_time "
               "process_time_ns localtime gmtime ctime", 1),
        (time, "strftime", 2),
        (os, "getpid getppid getloadavg", 1),
        (os, "urandom getrandom", 9),
    ):
        for name in names.split():
            if hasattr(module, name):
                setattr(module, name, noted(name, getattr(module, name), few))
    drawn = {"random", "secrets", "uuid"}
    dates = {"now", "utcnow", "today"}

    def called(frame, kind):
        # Once for each function.
        names = set(frame.f_code.co_names)
        for name in names & drawn if kind == "own" else ():
            say("chance", name)
        for name in names & dates:
            if names & {"datetime", "date"} or any(
                getattr(each, "__module__", "") == "datetime" for each in frame.f_globals.values()
            ):
                say("chance", name)
        if kind == "own" and "id" in names:
            say("chance", "id")

    def in_library(frame):
        # A function of a module of the standard library that draws.
        if frame.f_code.co_name[0] != "<":
            note(frame, frame.f_code.co_name)

    return called, in_library, drawing[:3]
"""
