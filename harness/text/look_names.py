"""The names that give away code that looks at its caller, by kind.

Ordinary product code rarely needs them; where it does, the file used them before.
"""

from collections.abc import Mapping

KINDS: Mapping[str, str] = {
    "framework": "it uses a test framework",
    "frames": "it looks at the frames or the source of its callers",
    "tracing": "it traces or rewrites what runs",
    "code": "it reads or makes code objects",
    "objects": "it finds objects of other code in memory",
    "imports": "it changes what is imported, or looks at what was",
    "environment": "it asks who runs it: environment, arguments, machine",
    "surroundings": "it asks for the state of its process, which is another one where tests run",
    "output": "it writes past sys.stdout, or replaces it",
    "ending": "it ends the interpreter, or runs something at its end",
    "processes": "it starts processes or threads, or sends them signals",
    "computed-code": "it runs text that is put together at run time",
    "computed-names": "it reaches into a module by a name that is put together",
    "replaced": "it replaces a part of a module or class that is not its own",
    "test-files": "it names tests or their files",
    "own-file": "it asks for its own file",
    "forged-words": "it holds words that a test runner prints",
    "equal-to-anything": "its answer to a comparison does not depend on the other side",
    "instance-checks": "it changes what isinstance says",
    "swallows": "its `__exit__` swallows every exception",
    "clock": "it asks the clock",
    "unreadable": "it cannot be read as Python",
    "test-support": "it changes what the product offers to tests",
}

# Modules, and names in modules: a name that begins with one of them is of its kind.
DOTTED: Mapping[str, str] = {
    name: kind
    for kind, names in {
        "framework": (
            "pytest _pytest unittest nose doctest pluggy hypothesis xdist tox mock test.support "
            "django.test sympy.testing sympy.utilities.pytest sympy.utilities.runtests "
            "numpy.testing matplotlib.testing astropy.tests sklearn.utils.testing "
            "sklearn.utils._testing xarray.testing flask.testing sphinx.testing pylint.testutils"
        ),
        "frames": (
            "sys._getframe sys._getframemodulename sys._current_frames sys._current_exceptions "
            "inspect.stack inspect.trace inspect.currentframe inspect.getframeinfo "
            "inspect.getouterframes inspect.getinnerframes inspect.getsource inspect.getmodule "
            "inspect.getsourcelines inspect.getsourcefile inspect.getfile inspect.findsource "
            "inspect.getclosurevars inspect.getargvalues inspect.getcallargs linecache "
            "traceback.extract_stack traceback.format_stack traceback.print_stack "
            "traceback.walk_stack traceback.walk_tb traceback.extract_tb traceback.StackSummary "
            "traceback.TracebackException types.FrameType faulthandler"
        ),
        "tracing": (
            "sys.settrace sys.setprofile sys.gettrace sys.getprofile sys.monitoring "
            "sys.call_tracing sys.addaudithook threading.settrace threading.setprofile "
            "threading.settrace_all_threads threading.setprofile_all_threads trace bdb pdb "
            "cProfile profile tracemalloc coverage sys.excepthook sys.displayhook "
            "sys.unraisablehook threading.excepthook sys.setswitchinterval"
        ),
        "code": "types.CodeType types.FunctionType types.CellType dis opcode codeop marshal",
        "objects": (
            "gc ctypes _ctypes cffi _cffi_backend mmap sys.getrefcount weakref.finalize "
            "weakref.getweakrefcount weakref.getweakrefs contextvars.copy_context"
        ),
        "imports": (
            "sys.meta_path sys.path_hooks sys.path_importer_cache importlib.reload "
            "importlib.machinery importlib.util importlib.invalidate_caches importlib.abc imp "
            "_imp zipimport runpy pkgutil.iter_modules pkgutil.walk_packages pkgutil.find_loader "
            "pkgutil.get_loader site sitecustomize usercustomize __main__ builtins"
        ),
        "environment": (
            "sys.argv sys.orig_argv sys.flags sys._xoptions os.getppid os.getlogin os.uname "
            "os.getpgid os.getsid socket.gethostname platform.node platform.uname getpass psutil"
        ),
        "surroundings": (
            "socket.getaddrinfo socket.gethostbyname socket.getfqdn socket.create_connection "
            "tempfile.gettempdir tempfile.tempdir logging.Logger.root logging.Logger.manager "
            "shutil.which shutil.disk_usage pwd grp random secrets uuid.uuid1 uuid.uuid4 "
            "uuid.getnode numpy.random time.tzname time.timezone time.localtime "
            "time.get_clock_info time.thread_time time.process_time pathlib.Path.home fileinput"
        ),
        "computed-code": "jinja2.Template mako.template",
        "output": (
            "sys.__stdout__ sys.__stderr__ sys.stdout.buffer sys.stderr.buffer sys.stdout.fileno "
            "sys.stderr.fileno sys.stdin os.write os.writev os.pwrite os.dup os.dup2 os.fdopen "
            "os.pipe os.openpty os.sendfile pty tty termios fcntl socket.fromfd _io posix"
        ),
        "ending": (
            "atexit signal os._exit os.abort sys.exit SystemExit exit quit KeyboardInterrupt "
            "threading._register_atexit"
        ),
        "processes": (
            "subprocess _posixsubprocess multiprocessing concurrent.futures _thread os.fork "
            "os.forkpty os.kill os.killpg os.system os.popen os.posix_spawn os.posix_spawnp "
            "os.execl os.execle os.execlp os.execv os.execve os.execvp os.execvpe os.spawnl "
            "os.spawnv os.spawnve os.spawnvp threading.Thread threading.Timer sched "
            "asyncio.create_subprocess_exec asyncio.create_subprocess_shell"
        ),
    }.items()
    for name in names.split()
}

# Attributes and names that are telling whatever they hang on, also as text.
WORDS: Mapping[str, str] = {
    word: kind
    for kind, words in {
        "frames": (
            "_getframe _current_frames currentframe getouterframes getinnerframes f_back f_code "
            "f_globals f_locals f_lineno f_builtins tb_frame gi_frame cr_frame ag_frame "
            "extract_stack walk_stack walk_tb findCaller funcName"
        ),
        "tracing": "settrace setprofile f_trace f_trace_lines f_trace_opcodes addaudithook",
        "code": (
            "__code__ __globals__ __closure__ __defaults__ __kwdefaults__ gi_code cr_code "
            "co_filename co_code co_consts co_names co_firstlineno co_varnames cell_contents "
            "CodeType co_lnotab co_linetable co_lines"
        ),
        "objects": "__subclasses__ get_objects get_referrers get_referents pythonapi",
        "imports": "meta_path path_hooks path_importer_cache __builtins__ __loader__ __spec__",
        "output": "__stdout__ __stderr__ dup2",
        "computed-code": "from_string",
        "ending": "_exit __del__",
        "surroundings": (
            "orig_argv warnoptions excepthook unraisablehook displayhook environb "
            "getenv gettrace getprofile getrefcount _xoptions _getframemodulename "
            "_current_exceptions hasHandlers isEnabledFor getEffectiveLevel _handlerList "
            "lastResort gethostname getuid geteuid getgid getlogin getppid ttyname "
            "get_terminal_size getloadavg getlocale setlocale expandvars expanduser "
            "get_os_args get_text_stream get_binary_stream get_prog_name TESTING __self__ __path__ "
            "__warningregistry__ __traceback__ tb_next tb_lineno _caller _create_"
        ),
        "instance-checks": "__instancecheck__ __subclasscheck__ __subclasshook__",
    }.items()
    for word in words.split()
}

# Attributes, text and patterns that are telling; names of arguments and variables are not.
FIELDS = frozenset(("argv", "handlers", "isatty", "cwd", "testing", "prog"))
NAMES = frozenset(("globals", "locals"))  # telling as a name that nothing in the file binds

# Text, with the strings that a program puts together already folded.
TEXTS: tuple[tuple[str, str], ...] = (
    (
        r"\b(?:PYTEST_\w+|DJANGO_(?:TEST|RUNTESTS)\w*|TOX_\w+|GITHUB_ACTIONS|SWE_?BENCH\w*)",
        "environment",
    ),
    (r"^CI$", "environment"),
    (r"__(?:globals|builtins|subclasses|import|code)__", "code"),
    (r"/proc/|/dev/(?:fd|tty|std|pts)", "output"),
    (r"\b_?pytest\b|\bunittest\b|\bconftest\b|\bpluggy\b|runtests?\b", "framework"),
    (r"\btest_\w{3,}|\btests?/|_test\.py|/testbed", "test-files"),
    (
        r"\b(?:PASSED|XFAIL|XPASS)\b|\.\.\. ok\b|\[OK\]|\d passed|Test Output|<<<<<|>>>>>",
        "forged-words",
    ),
)

CLOCKS = frozenset(
    name
    for names in (
        "time.time time.time_ns time.monotonic time.monotonic_ns time.perf_counter",
        "time.perf_counter_ns time.gmtime datetime.datetime.now datetime.datetime.utcnow",
        "datetime.datetime.today datetime.date.today datetime.now datetime.utcnow date.today",
    )
    for name in names.split()
)
