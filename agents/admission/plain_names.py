"""What the plain form of a command knows by name. What is not in these lists is not plain."""

import sys

ANY = frozenset(("*",))


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


STANDARD = dict.fromkeys(_names(
    "__future__ abc argparse array ast bisect calendar cmath collections collections.abc "
    "configparser csv dataclasses decimal enum fractions heapq html html.parser http.cookies "
    "itertools json math numbers pprint re statistics string textwrap typing unicodedata "
    "urllib.parse xml.etree.ElementTree ipaddress http graphlib difflib email email.message "
    "struct hashlib keyword token tokenize html.entities shlex fnmatch"
), ANY) | {
    "asyncio": _names(
        "run gather sleep wait_for TimeoutError iscoroutinefunction create_task Event Lock"
    ),
    "contextlib": _names(
        "closing contextmanager ExitStack nullcontext redirect_stderr redirect_stdout suppress "
        "asynccontextmanager AsyncExitStack"
    ),
    "copy": _names(
        "copy deepcopy"
    ),
    "datetime": _names(
        "date datetime time timedelta timezone tzinfo UTC MINYEAR MAXYEAR"
    ),
    "functools": _names(
        "cached_property cmp_to_key lru_cache partial reduce singledispatch total_ordering"
    ),
    "inspect": _names(
        "signature getdoc isclass isfunction ismethod iscoroutinefunction isgeneratorfunction "
        "isabstract Parameter Signature cleandoc getfullargspec"
    ),
    "io": _names(
        "BytesIO StringIO TextIOWrapper"
    ),
    "logging": _names(
        "basicConfig captureWarnings CRITICAL DEBUG ERROR Formatter getLevelName getLogger "
        "Handler INFO Logger LogRecord NOTSET NullHandler StreamHandler WARNING debug error info "
        "warning exception log critical"
    ),
    "operator": _names(
        "add and_ contains eq floordiv ge gt index inv invert is_ is_not le lshift lt matmul mod "
        "mul ne neg not_ or_ pos pow rshift sub truediv truth xor itemgetter"
    ),
    "os": _names(
        "environ getcwd linesep listdir makedirs mkdir path sep PathLike fspath"
    ),
    "os.path": _names(
        "abspath basename dirname exists isabs isdir isfile join relpath sep splitext realpath "
        "normpath"
    ),
    "pathlib": _names(
        "Path PurePath PurePosixPath PureWindowsPath PosixPath"
    ),
    "pickle": _names(
        "dumps loads HIGHEST_PROTOCOL PicklingError"
    ),
    "posixpath": _names(
        "basename dirname join normpath splitext"
    ),
    "random": _names("Random choice randint random randrange sample seed shuffle uniform"),
    "shutil": _names(
        "rmtree copy copyfile copytree"
    ),
    "sys": _names(
        "byteorder exit float_info getrecursionlimit getsizeof hash_info maxsize maxunicode path "
        "setrecursionlimit stderr stdout version version_info platform"
    ),
    "tempfile": _names(
        "gettempdir mkdtemp mkstemp NamedTemporaryFile TemporaryDirectory TemporaryFile"
    ),
    "time": _names(
        "monotonic perf_counter time"
    ),
    "traceback": _names(
        "format_exc format_exception format_exception_only print_exc print_exception"
    ),
    "uuid": _names(
        "NAMESPACE_DNS NAMESPACE_URL UUID uuid3 uuid5"
    ),
    "types": _names(
        "SimpleNamespace MappingProxyType GeneratorType NoneType"
    ),
    "unittest": _names(
        "IsolatedAsyncioTestCase main SkipTest skip skipIf skipUnless TestCase TestSuite"
    ),
    "warnings": _names(
        "catch_warnings filterwarnings simplefilter warn resetwarnings"
    ),
    "wsgiref.util": _names(
        "setup_testing_defaults"
    ),
    "weakref": _names(
        "ref"
    ),
    "zoneinfo": _names(
        "ZoneInfo"
    ),
}  # fmt: skip
"""By module of the standard library what of it is plain."""

PYTEST = _names(
    "approx deprecated_call ExceptionInfo fail fixture importorskip mark param raises skip warns "
    "xfail"
)
PATCHING = frozenset(("mocker", "monkeypatch"))
"""Fixtures that replace parts of the code."""
SETS_VARIABLES = frozenset(("chdir", "delenv", "setenv"))
"""What `monkeypatch` may be used for."""
STDLIB = frozenset(sys.stdlib_module_names)
REPLACING = _names("freezegun mock pexpect psutil responses time_machine")
"""Libraries that stand in for others, which a repository's tests may import."""

BUILTINS = _names(
    "ArithmeticError AssertionError AttributeError BaseException BlockingIOError BytesWarning "
    "DeprecationWarning EOFError Ellipsis Exception False FileExistsError FileNotFoundError "
    "FloatingPointError FutureWarning ImportError IndexError IsADirectoryError KeyError "
    "LookupError ModuleNotFoundError NameError None NotADirectoryError NotImplemented "
    "NotImplementedError OSError OverflowError PendingDeprecationWarning PermissionError "
    "RecursionError ReferenceError ResourceWarning RuntimeError RuntimeWarning "
    "StopAsyncIteration StopIteration SyntaxError SyntaxWarning SystemExit TimeoutError True "
    "TypeError UnboundLocalError UnicodeDecodeError UnicodeEncodeError UnicodeError "
    "UnicodeWarning UserWarning ValueError Warning ZeroDivisionError __name__ __file__ abs all "
    "any ascii bin bool bytearray bytes callable chr classmethod complex dict dir divmod "
    "enumerate exit filter float format frozenset getattr hasattr hash hex int isinstance "
    "issubclass iter len list map max memoryview min next object oct open ord pow print property "
    "quit range repr reversed round set slice sorted staticmethod str sum super tuple type vars "
    "zip"
)
DUNDERS = _names(
    "__all__ __annotations__ __bases__ __call__ __cause__ __class__ __contains__ __context__ "
    "__doc__ __enter__ __eq__ __exit__ __file__ __getitem__ __hash__ __html__ __init__ __iter__ "
    "__len__ __lt__ __module__ __mro__ __name__ __next__ __path__ __qualname__ __repr__ __str__ "
    "__suppress_context__ __version__ __main__ __traceback__ __aenter__ __aexit__ __aiter__ "
    "__anext__ __add__ __mul__ __sub__ __neg__ __bool__ __int__ __float__ __index__ __slots__ "
    "__tablename__ __test__ __wrapped__"
)
OWN_DUNDERS = DUNDERS - _names("__class__ __bases__ __mro__ __wrapped__ __bool__")
"""That a class of the command's own may have."""
MUTATORS = _names(
    "append appendleft clear discard extend insert pop popitem popleft remove reverse setdefault "
    "sort update"
)
NOWS = _names("fromtimestamp now today utcfromtimestamp utcnow")
POWERS = _names(
    "_getframe _thread atexit builtins ctypes gc importlib marshal mock monkeypatch "
    "multiprocessing os pdb posix pty pytest runpy subprocess sys threading"
)
"""Modules that a module of the repository may hold, and through which a command does not go."""
FRAMES = _names(
    "getfixturevalue f_back f_builtins f_code f_globals f_lasti f_lineno f_locals f_trace "
    "func_code func_globals func_defaults"
)
FRAME_PARTS = ("gi_", "cr_", "ag_", "co_", "tb_")

# The shell.
TEST_RUNNERS = _names("pytest py.test nosetests trial")
TEST_OPTIONS = _names(
    "-- --assert --buffer --cache-clear --capture --catch --co --collect-only --color --deselect "
    "--continue-on-collection-errors --disable-pytest-warnings --disable-warnings --durations "
    "--exitfirst --failed-first --failfast --ff --fixtures --full-trace --help --ignore "
    "--import-mode --last-failed --lf --locals --maxfail --no-cov --no-header --no-summary "
    "--override-ini --quiet --remote-data --runslow --runxfail --setup-show --show-capture "
    "--showlocals --slow --strict --strict-config --strict-markers --tb --timeout --verbose "
    "--verbosity --version"
)
CONSOLE_SCRIPTS = _names(
    "astropy black django-admin epylint fits2bitmap fitscheck fitsdiff fitsheader "
    "fitsinfo flake8 flask isympy pylint pyreverse sphinx-apidoc sphinx-autogen sphinx-build "
    "sphinx-quickstart symilar volint"
)
OTHER_RUNNERS = _names("cargo ctest go gradle make mvn node npm npx pnpm yarn")
"""Programs that build and test what is no Python."""
READERS = _names(
    "basename cat cmp cut diff dirname egrep fgrep grep head ls nl pwd sort stat tail uniq wc"
)
GIT = _names("apply blame diff grep log ls-files rev-parse show status")
IDLE = _names(": true")
SETTINGS = frozenset(
    _names(
        "conftest.py pytest.ini .pytest.ini tox.ini setup.cfg setup.py pyproject.toml "
        "sitecustomize.py usercustomize.py"
    )
)
"""Files that set test runners and Python: a command does not write them."""
DATA = (
    ".cfg", ".conf", ".csv", ".css", ".html", ".ini", ".js", ".json", ".md", ".po", ".rst", ".tex",
    ".toml", ".txt", ".xml", ".yaml", ".yml", ".svg", ".bib", ".inc", ".css_t", ".tmpl", ".jinja",
)  # fmt: skip
