# ruff: noqa: ANN001, ANN002, ANN201, ANN202, ANN204, RUF005, SLF001
# mypy: ignore-errors
"""The part of the hook that notes what a product looks at, by the interpreter's audit events.

Its text is read, and runs elsewhere: first in every Python of a watched run. It has to run on
Python 3.6, imports only what an interpreter has at its start, and its names are nobody's: it runs
in a namespace of its own that is no module.
"""

import _thread
import os
import sys

TROUBLE = (OSError, ValueError, TypeError, AttributeError, LookupError, RuntimeError, EOFError,
           SyntaxError)  # fmt: skip
# Events whose nearest caller counts, whatever it is; and files of callers that are passed over.
NEAR = {
    "sys._getframe": ("/inspect.py", "/traceback.py"),
    "sys._getframemodulename": (), "compile": (), "exec": (), "object.__getattr__": (),
    "object.__setattr__": (),
}  # fmt: skip
ATTRIBUTES = frozenset((
    "f_code", "tb_frame", "__code__", "gi_frame", "gi_code", "cr_frame", "cr_code", "ag_frame",
    "ag_code",
))  # fmt: skip
PLAIN = frozenset((
    "sys._current_frames", "sys._current_exceptions", "sys.setprofile", "sys.settrace",
    "sys.addaudithook", "gc.get_objects", "gc.get_referrers", "gc.get_referents", "code.__new__",
    "function.__new__", "os.fork", "os.forkpty", "os.exec", "os.kill", "os.killpg",
    "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen", "pty.spawn",
    "signal.pthread_kill", "_thread.start_new_thread", "_thread.start_joinable_thread",
    "ctypes.dlopen", "ctypes.cdata", "ctypes.cdata/buffer", "ctypes.PyObj_FromPtr", "ctypes.dlsym",
    "ctypes.memoryview_at", "ctypes.string_at", "ctypes.call_function", "ctypes.addressof",
    "marshal.loads", "marshal.load",
))  # fmt: skip
ON_FILES = frozenset((
    "open", "os.listdir", "os.scandir", "os.remove", "os.rename", "os.truncate", "os.chmod",
    "os.link", "os.symlink",
))  # fmt: skip
LISTS = ("os.listdir", "os.scandir")
WATCHED = PLAIN | ON_FILES | frozenset(NEAR) | frozenset(("os.putenv",))
DEVICES = ("/proc/", "/dev/fd", "/dev/tty", "/dev/std", "/dev/pts")
RUNNERS = ("PYTEST", "PYTHON", "DJANGO", "LD_", "CI")


def text_of(value):
    """A path or a name of an event as text; empty for everything that is neither."""
    if type(value) is bytes:
        return value.decode("utf-8", "replace")
    return value if type(value) is str else ""


class Report:
    """Writes lines, each once per process, and opens its file for each."""

    def __init__(self, path, nonce):
        self.path = path
        self._nonce = nonce
        self._said = set()
        self._flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._open, self._write, self._close = os.open, os.write, os.close
        self._process = os.getpid

    def say(self, kind, *words):
        """Write one line of fields that are separated by tabs."""
        plain = tuple(" ".join(word.split()) for word in words)
        line = "\t".join((self._nonce, kind) + plain)
        if (self._process(), line) in self._said:
            return
        try:
            descriptor = self._open(self.path, self._flags, 0o666)
        except OSError:
            return
        try:
            self._write(descriptor, ("\n" + line + "\n").encode("utf-8", "backslashreplace"))
            self._said.add((self._process(), line))
        finally:
            self._close(descriptor)


class Files:
    """Knows whose a file of code is: of the change, of a library, or another one's."""

    def __init__(self, root, changed, tests):
        self._root = root + "/"
        self._changed = tuple(self._root + path + "/" for path in changed)
        self._tests = frozenset(self._root + path for path in tests)
        self._kinds = {}
        self._normal = os.path.normpath
        roots = (os.__file__ + "/..", sys.prefix, sys.base_prefix)
        self._library = tuple(self._normal(root) + "/" for root in roots)

    def whole(self, path):
        """A path from the root; relative ones are below the repository."""
        return self._normal(path if path[:1] == "/" else self._root + path)

    def in_library(self, path):
        """Whether a whole path lies where Python or its packages are."""
        return path.startswith(self._library) and not path.startswith(self._root)

    def kind(self, name):
        """Of a file name of code: "changed", "library", "text" (that was executed), or "other"."""
        if name not in self._kinds:
            path = self.whole(name)
            kind = "library" if self.in_library(path) or name[:7] == "<frozen" else "other"
            kind = "text" if name[:1] == "<" and name[:7] != "<frozen" else kind
            mine = (path + "/").startswith(self._changed)  # or what a changed archive holds
            self._kinds[name] = "changed" if mine else kind
        return self._kinds[name]

    def is_test(self, name):
        """Whether a file name of code is that of a test file of the instance."""
        return name != "" and self.whole(name) in self._tests

    def is_product(self, name):
        """Whether a file name of code is that of a file of the repository which is no test."""
        return self.whole(name).startswith(self._root) and not self.is_test(name)

    def is_of_repository(self, event, args):
        """Whether code of the repository begins to run, or a changed file is read."""
        if event == "exec":
            return self.kind(text_of(getattr(args[0], "co_filename", "<"))) in ("changed", "other")
        return self.kind(text_of(args[0])) == "changed"

    def caller(self, frame, passed):
        """The nearest frame in a changed file; None if one that is no library's is nearer.

        Frames of libraries are passed over; where `passed` is given only those of these files. What
        an import does is the import's own; its functions are passed over elsewhere. A text that was
        executed counts as a changed file above it; where `passed` is given, otherwise as itself.
        """
        for _ in range(80):
            if frame is None:
                return None
            name = frame.f_code.co_filename
            kind = self.kind(name)
            if kind == "changed":
                return frame
            if kind == "other":
                return None
            if kind == "text":
                found = self._executed(frame)
                return found if passed is not None or self._is_changed(found) else None
            if "importlib" in name:
                if frame.f_code.co_name == "_find_and_load":
                    return None
            elif passed is not None and not name.endswith(passed or ("\0",)):
                return None
            frame = frame.f_back
        return None

    def asks_for(self, frame, wanted):
        """The nearest frame that is no library's, if it is in a changed file and the frame that is
        `wanted` in its name is another one's: that frame, or how far it is."""
        if type(wanted) is int:
            found = frame
            for _ in range(wanted):
                found = found and found.f_back
            wanted = found
        if wanted is None or self.kind(wanted.f_code.co_filename) not in ("other", "text"):
            return None
        return self.caller(frame, None)

    def _is_changed(self, frame):
        return frame is not None and self.kind(frame.f_code.co_filename) == "changed"

    def _executed(self, text):
        """The nearest frame in a changed file above a text's, or the text's own.

        None for a program of its own, as `python -c` runs one.
        """
        frame = text.f_back
        if frame is None:
            return None
        while frame is not None and self.kind(frame.f_code.co_filename) != "changed":
            frame = frame.f_back
        return frame or text

    def forbidden(self, event, args, report):
        """The path of an event that is no business of a product's; empty: there is none.

        `report`: the folder and the name of the report file.
        """
        for path in (text_of(value) for value in args[:2]):
            whole = self.whole(path) if path else ""
            if whole in self._tests or whole.endswith("/conftest.py"):
                return path
            if report[1] in path or (event in LISTS and whole + "/" == report[0]):
                return path
            if whole.startswith(DEVICES) or ".pth" in whole:
                return path
            if event != "open" and event not in LISTS and self.in_library(whole):
                return path
        mode = text_of(args[1]) if len(args) > 1 else ""
        written = event == "open" and frozenset(mode) & frozenset("wax+")
        path = text_of(args[0])
        return path if written and self.in_library(self.whole(path)) else ""


class Hook:
    """Notes the events whose caller is in a changed file."""

    def __init__(self, report, files, replaced):
        self._report = report
        self._files = files
        self._replaced = replaced
        self._busy = set()
        self._thread, self._frame = _thread.get_ident, sys._getframe
        folder, _, self._name = report.path.rpartition("/")
        self._place = (folder + "/", self._name)

    def quiet(self, function):
        """Call a function whose own events are not looked at."""
        self._busy.add(self._thread())
        try:
            function()
        finally:
            self._busy.discard(self._thread())

    def function(self):
        """The function to be called with each event; it refuses a product the report."""
        busy, thread, watched, note = self._busy, self._thread, WATCHED, self._note
        trouble = self._trouble

        def hook(event, args):
            if event not in watched:
                return
            here = thread()
            if here in busy:
                return
            busy.add(here)
            try:
                refused = note(event, args)
            except RecursionError:  # what would not be noted is not done
                raise
            except TROUBLE as error:
                trouble(event, error)
                return
            finally:
                busy.discard(here)
            if refused:
                raise PermissionError(13, "Permission denied")

        return hook

    def _trouble(self, event, error):
        """Report that the watch could not look at an event."""
        self._report.say("replaced", "the watch", event + ": " + type(error).__name__)

    def _note(self, event, args):
        if event == "open" and text_of(args[0]) == self._report.path:
            self._replaced.check()
        elif event in ("open", "exec") and self._files.is_of_repository(event, args):
            self._replaced.begin()
        shown = self._shown(event, args)
        if not shown:
            return False
        frame = self._frame(1).f_back
        found = self._files.caller(frame, NEAR.get(event))
        if found is None and event[:13] == "sys._getframe" and args:
            found = self._files.asks_for(frame, args[0])
        if found is not None:
            code = found.f_code
            self._report.say("look", shown, code.co_filename, str(found.f_lineno), code.co_name)
        return event in ON_FILES and self._is_of_report(event, args, frame)

    def _is_of_report(self, event, args, frame):
        """Whether the report is touched otherwise than by a test or the watch; that is told."""
        if not any(self._name in text_of(value) for value in args[:2]):
            return False
        while frame is not None and self._files.kind(frame.f_code.co_filename) == "library":
            frame = frame.f_back
        place = frame.f_code.co_filename if frame is not None else ""
        if event == "open" and not self._files.is_product(place or "/"):
            return False
        self._report.say("replaced", "the report", place + ":" + event)
        return True

    def _shown(self, event, args):
        """What an event shows if its caller is in a changed file; empty: nothing."""
        if event in ON_FILES:
            path = self._files.forbidden(event, args, self._place)
            return event + " " + path if path else ""
        if event in ("object.__getattr__", "object.__setattr__"):
            return event + " " + text_of(args[1]) if args[1] in ATTRIBUTES else ""
        if event == "compile":
            return event if args[0] is not None else ""
        if event == "exec":
            name = text_of(getattr(args[0], "co_filename", "<"))
            return event if self._files.kind(name) != "changed" else ""
        if event == "os.putenv":
            name = text_of(args[0])
            return event + " " + name if name.startswith(RUNNERS) else ""
        return event
