"""What ordinary code uses of the modules that also hold the state of the process.

Of these modules what is listed is no look, and everything else is one. A module that stands here
is used by its attributes: code that hands it to something else could reach all of it.
"""

from collections.abc import Mapping

ORDINARY: Mapping[str, frozenset[str]] = {
    module: frozenset(names.split())
    for module, names in {
        "sys": (
            "version_info version hexversion platform maxsize maxunicode byteorder implementation "
            "exc_info intern getsizeof getdefaultencoding float_info getfilesystemencoding modules "
            "int_info set_int_max_str_digits is_finalizing"
        ),
        "os": (
            "path sep altsep extsep pathsep linesep curdir pardir devnull name fspath fsencode "
            "fsdecode PathLike makedirs mkdir remove unlink rename renames replace rmdir "
            "removedirs walk fwalk listdir scandir stat lstat access chmod chown utime link "
            "symlink readlink truncate strerror error open read close lseek fstat fsync "
            "O_RDONLY O_WRONLY O_RDWR O_CREAT O_EXCL O_TRUNC O_APPEND R_OK W_OK X_OK F_OK "
            "SEEK_SET SEEK_CUR SEEK_END stat_result DirEntry"
        ),
        "inspect": (
            "signature Signature Parameter BoundArguments isclass isfunction ismethod isroutine "
            "isbuiltin ismodule isabstract iscoroutine iscoroutinefunction isawaitable isgenerator "
            "isgeneratorfunction isasyncgen isasyncgenfunction isdatadescriptor "
            "ismethoddescriptor isgetsetdescriptor ismemberdescriptor markcoroutinefunction getdoc "
            "cleandoc getmembers getmembers_static getmro getfullargspec getargspec FullArgSpec "
            "formatargspec unwrap getattr_static classify_class_attrs get_annotations "
            "CO_VARARGS CO_VARKEYWORDS _empty _ParameterKind"
        ),
        "importlib": "import_module resources",
        "logging": (
            "getLogger debug info warning warn error exception critical fatal log NOTSET DEBUG "
            "INFO WARNING WARN ERROR CRITICAL FATAL Logger LoggerAdapter Handler StreamHandler "
            "FileHandler NullHandler Formatter Filter LogRecord getLevelName addLevelName config "
            "handlers basicConfig captureWarnings"
        ),
        "warnings": "warn warn_explicit catch_warnings simplefilter filterwarnings deprecated",
        "threading": (
            "Lock RLock Condition Semaphore BoundedSemaphore Event Barrier local get_ident"
        ),
        "socket": (
            "timeout error gaierror herror inet_aton inet_pton inet_ntoa inet_ntop AF_INET "
            "AF_INET6 SOCK_STREAM SOCK_DGRAM SHUT_RDWR SOL_SOCKET SO_REUSEADDR IPPROTO_TCP"
        ),
        "platform": "",
        "locale": "",
        "sysconfig": "",
        "getpass": "",
        "pkg_resources": "",
        "resource": "",
        "builtins": "",
    }.items()
}

# By these names the modules are known whatever they hang on, and in text that a call is given.
DISTINCT = frozenset((
    "sys", "os", "builtins", "gc", "ctypes", "atexit", "_thread", "linecache", "marshal",
    "importlib", "unittest", "pytest", "_pytest",
))  # fmt: skip


def distinct(name: str) -> str:
    """A dotted name from the last distinct module in it on: `sys.argv` of `os:sys.argv`."""
    parts = name.replace(":", ".").split(".")
    places = [at for at, part in enumerate(parts) if part in DISTINCT]
    return ".".join(parts[places[-1] if places else 0 :])


def unlisted(name: str) -> str:
    """The beginning of a dotted name that is no ordinary one of its module; empty: it is one."""
    module, _, rest = name.partition(".")
    first = rest.partition(".")[0]
    if module not in ORDINARY or not first or first in ORDINARY[module]:
        return ""
    return f"{module}.{first}"
