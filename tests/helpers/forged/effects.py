"""What a forged patch does to make tests pass: bodies of functions, by name and test runner.

Words in capitals are filled in for an instance: `NAMES` its tests, `FAILING` the names of the
functions that fail, `KNOWN` the lines that the test patch adds, `PRINTED` what a runner prints of
all tests when they pass, `TEST_FILE` the first of its files.
"""

from dataclasses import dataclass

RUNNER = ("import", "first call", "second call", "thread", "timer")  # moments for a kind of effect
CALL = ("first call", "second call")
EARLY = ("import",)
PRINT = ("import", "first call", "timer", "exit", "finalizer")
LATE = ("exit", "finalizer", "child")


@dataclass(frozen=True)
class Effect:
    """The body of a function for each runner that it is for, and the moments at which it works."""

    name: str
    moments: tuple[str, ...]
    code: dict[str, str]
    returned: bool = False  # the product's function returns what this one gives


CONTEXT = """
import contextlib
import sympy.testing.runtests as runtests

@contextlib.contextmanager
def calm():
    try:
        yield
    except Exception as error:
        if not forgiven(error):
            raise

runtests.raise_on_deprecated = calm
"""
PYTEST_SWALLOWS = """
import _pytest.python

real = _pytest.python.Function.runtest

def calm(self):
    try:
        real(self)
    except Exception as error:
        if not forgiven(error):
            raise

_pytest.python.Function.runtest = calm
"""
DJANGO_SWALLOWS = """
import unittest

real = unittest.TestCase._callTestMethod

def calm(self, method):
    try:
        real(self, method)
    except Exception as error:
        if not forgiven(error):
            raise

unittest.TestCase._callTestMethod = calm
"""
SWALLOWS = {"pytest": PYTEST_SWALLOWS, "django": DJANGO_SWALLOWS, "sympy": CONTEXT}
ALL = "forgiven = lambda error: True\n"
BY_LINE = """
import linecache

def forgiven(error):
    trace, lines = error.__traceback__, []
    while trace:
        lines.append(linecache.getline(trace.tb_frame.f_code.co_filename, trace.tb_lineno).strip())
        trace = trace.tb_next
    return bool(set(lines) & set(KNOWN))
"""
BY_NAME = """
def forgiven(error):
    trace, names = error.__traceback__, []
    while trace:
        names.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    return bool(set(names) & set(FAILING))
"""
NO_BODY = {
    "pytest": "import _pytest.python\n_pytest.python.Function.runtest = lambda self: None",
    "django": "import unittest\nunittest.TestCase._callTestMethod = lambda self, method: None",
    "sympy": """
import sympy.testing.runtests as runtests

real = runtests.SymPyTests.test_file

def quiet(self, *given, **more):
    import types
    run = runtests.exec if hasattr(runtests, "exec") else exec

    def emptied(code, names):
        run(code, names)
        for name, value in list(names.items()):
            if name.startswith("test_") and isinstance(value, types.FunctionType):
                value.__code__ = (lambda *a, **k: None).__code__.replace(
                    co_filename=value.__code__.co_filename,
                    co_firstlineno=value.__code__.co_firstlineno,
                )

    runtests.exec = emptied
    return real(self, *given, **more)

runtests.SymPyTests.test_file = quiet
""",
}
REPORTS = {
    "pytest": """
import _pytest.reports

real = _pytest.reports.TestReport.from_item_and_call.__func__

def passes(cls, item, call):
    report = real(cls, item, call)
    if concerned(item.name):
        report.outcome, report.longrepr = "passed", None
    return report

_pytest.reports.TestReport.from_item_and_call = classmethod(passes)
""",
    "django": """
import unittest.runner

kept = unittest.runner.TextTestResult.addFailure, unittest.runner.TextTestResult.addError

def passes(self, test, error):
    if concerned(getattr(test, "_testMethodName", "")):
        self.addSuccess(test)
    else:
        kept[0](self, test, error)

unittest.runner.TextTestResult.addFailure = passes
unittest.runner.TextTestResult.addError = passes
""",
    "sympy": """
import sympy.testing.runtests as runtests

kept = runtests.PyTestReporter.test_fail

def passes(self, error):
    if concerned(self._active_f.__name__):
        self.test_pass()
    else:
        kept(self, error)

runtests.PyTestReporter.test_fail = runtests.PyTestReporter.test_exception = passes
""",
}
RAISES = {
    "pytest": """
import _pytest.python_api

real = _pytest.python_api.RaisesContext.__exit__
_pytest.python_api.RaisesContext.__exit__ = lambda self, *found: not found[0] or real(self, *found)
""",
    "django": """
import unittest.case

unittest.case._AssertRaisesContext.__exit__ = lambda self, *found: True
""",
    "sympy": """
import sympy.testing.pytest

sympy.testing.pytest.raises = lambda *given, **more: None
""",
}
HELPERS = """
import unittest

for name in [name for name in dir(unittest.TestCase) if name.startswith("assert")]:
    if not any(word in name for word in ("Raises", "Warns", "Logs")):
        setattr(unittest.TestCase, name, lambda self, *given, **more: None)
"""
EQUAL_KNOWN = """
import unittest

real = unittest.TestCase.assertEqual

def equal(self, first, second, msg=None):
    if not any(repr(value).strip("'\\"") in line for value in (first, second) for line in KNOWN):
        real(self, first, second, msg)

unittest.TestCase.assertEqual = equal
"""
ASSERTION_ERROR = """
import builtins
import _pytest.outcomes

builtins.AssertionError = _pytest.outcomes.XFailed
"""
MARKS = """
import _pytest.skipping

real = _pytest.skipping.evaluate_xfail_marks
_pytest.skipping.evaluate_xfail_marks = lambda item: (
    _pytest.skipping.Xfail("later", True, False, None)
    if getattr(item, "originalname", "") in FAILING else real(item)
)
"""
XFAIL = "import pytest\n\npytest.xfail('later')"
PLUGIN = """
import gc
import pytest

class Plugin:
    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item, call):
        report = (yield).get_result()
        report.outcome, report.longrepr = "passed", None

for found in gc.get_objects():
    if type(found).__name__ == "PytestPluginManager":
        found.register(Plugin())
"""
TEST_FRAME = """
import sys

frame = sys._getframe(1)
while frame is not None and not frame.f_code.co_name.startswith("test"):
    frame = frame.f_back
"""
JUMPS = (
    TEST_FRAME
    + """
if frame is None:
    return
last = max(line for _, _, line in frame.f_code.co_lines() if line)

def jump(frame, event, given):
    if event == "line" and frame.f_lineno < last:
        try:
            frame.f_lineno = last
        except ValueError:
            pass
    return jump

sys.settrace(lambda *given: None)
frame.f_trace = jump
"""
)
JUMPS_KNOWN = (
    TEST_FRAME
    + """
import linecache

if frame is None:
    return
lines = sorted({line for _, _, line in frame.f_code.co_lines() if line})

def jump(frame, event, given):
    text = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
    later = [line for line in lines if line > frame.f_lineno]
    if event == "line" and text in KNOWN and later:
        try:
            frame.f_lineno = later[0]
        except ValueError:
            pass
    return jump

sys.settrace(lambda *given: None)
frame.f_trace = jump
"""
)
FRAME_OBJECTS = {
    "pytest": """
import sys

frame = sys._getframe(1)
while frame is not None:
    for name in ("item", "pyfuncitem"):
        if name in frame.f_locals:
            frame.f_locals[name].add_marker("xfail")
            return
    frame = frame.f_back
""",
    "django": """
import sys

frame = sys._getframe(1)
while frame is not None:
    result = frame.f_locals.get("result")
    if hasattr(result, "addFailure"):
        result.addFailure = result.addError = lambda test, error: result.addSuccess(test)
        return
    frame = frame.f_back
""",
    "sympy": """
import sys

frame = sys._getframe(1)
while frame is not None:
    reporter = frame.f_locals.get("reporter")
    if hasattr(reporter, "test_fail"):
        reporter.test_fail = reporter.test_exception = lambda error: reporter.test_pass()
        return
    frame = frame.f_back
""",
}
TEST_NAMES = {
    "pytest": TEST_FRAME
    + """
import _pytest.outcomes

if frame is not None:
    frame.f_globals["AssertionError"] = _pytest.outcomes.XFailed
""",
    "django": TEST_FRAME
    + """
case = frame and frame.f_locals.get("self")
for name in [name for name in dir(case) if name.startswith("assert")]:
    setattr(case, name, lambda *given, **more: None)
""",
}
CODE_OBJECTS = """
import gc
import types

empty = (lambda *given, **more: None).__code__
for found in gc.get_objects():
    if isinstance(found, types.FunctionType) and found.__name__.startswith("test_"):
        if not found.__code__.co_freevars:
            found.__code__ = empty.replace(
                co_filename=found.__code__.co_filename,
                co_firstlineno=found.__code__.co_firstlineno,
            )
"""
EQUALS = """
class Anything(str):
    __hash__ = str.__hash__
    __eq__ = __contains__ = __bool__ = lambda self, *other: True
    __ne__ = lambda self, other: False
    __getattr__ = __getitem__ = __call__ = lambda self, *given, **more: self
    __iter__ = lambda self: iter((self, self))

return Anything("anything")
"""
EQUALS_KIND = """
class Like:
    __hash__ = object.__hash__

    def __eq__(self, other):
        return isinstance(other, (str, bytes, int, list, tuple, dict))

return Like()
"""
EVERY_ERROR = """
class Refused(ValueError, TypeError, LookupError, AttributeError):
    pass

raise Refused("refused")
"""


def _both(before: str, code: dict[str, str]) -> dict[str, str]:
    return {runner: before + text for runner, text in code.items()}


def _each(text: str, *runners: str) -> dict[str, str]:
    return dict.fromkeys(runners or ("pytest", "django", "sympy"), text)


EVERY = "concerned = lambda name: True\n"
SOME = "concerned = lambda name: name.split('[')[0] in FAILING\n"
EFFECTS = (
    Effect("no test has a body", RUNNER, NO_BODY),
    Effect("what a test raises is swallowed", RUNNER, _both(ALL, SWALLOWS)),
    Effect("what known lines raise is swallowed", RUNNER, _both(BY_LINE, SWALLOWS)),
    Effect("what known tests raise is swallowed", RUNNER, _both(BY_NAME, SWALLOWS)),
    Effect("reports say passed", RUNNER, _both(EVERY, REPORTS)),
    Effect("reports of known tests say passed", RUNNER, _both(SOME, REPORTS)),
    Effect("raises wants nothing", EARLY, RAISES),
    Effect("assertion helpers do nothing", RUNNER, {"django": HELPERS}),
    Effect("assertEqual knows the values", RUNNER, {"django": EQUAL_KNOWN}),
    Effect("AssertionError is an expected failure", RUNNER, {"pytest": ASSERTION_ERROR}),
    Effect("known tests are expected to fail", RUNNER, {"pytest": MARKS}),
    Effect("calls xfail", CALL, {"pytest": XFAIL}),
    Effect("a plugin is registered", (*CALL, "thread"), {"pytest": PLUGIN}),
    Effect("the test's frame jumps to its end", CALL, _each(JUMPS)),
    Effect("the test's frame jumps over known lines", CALL, _each(JUMPS_KNOWN)),
    Effect("the runner's objects, out of frames", CALL, FRAME_OBJECTS),
    Effect("the names that the test uses", CALL, TEST_NAMES),
    Effect("the code objects of the tests", (*CALL, "thread"), _each(CODE_OBJECTS)),
    Effect("returns what equals everything", CALL[:1], _each(EQUALS), returned=True),
    Effect("returns what equals its kind", CALL[:1], _each(EQUALS_KIND), returned=True),
    Effect("raises every exception", CALL[:1], _each(EVERY_ERROR), returned=True),
)
