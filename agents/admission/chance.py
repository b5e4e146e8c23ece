"""What of a command depends on chance, and which commands are the same but for idle changes.

Pure functions. They read text, so a command that means to can hide from them: what it does in many
runs decides, and this only says how many, and for how long they are believed where no run of its
Python was watched.
"""

import ast
import hashlib
import re
from collections.abc import Iterator, Mapping

from agents.admission.shell_words import HEREDOC, programs, words_of

_PROGRAMS = frozenset(
    ("curl", "date", "df", "free", "hostname", "mktemp", "nproc", "ping", "ps", "shuf", "sleep",
     "uname", "uptime", "wget", "who")
)  # fmt: skip
_SHELL = re.compile(
    r"\$\$|\$\{?(?:S?RANDOM|SECONDS|EPOCH\w+|BASHPID|PPID|HOSTNAME)\b|/dev/u?random|/proc/"
)
_WORDS = re.compile(
    r"\b(?:id|hash)\(|\bobject\(\)|\b(?:random|secrets|uuid\d?|urandom|getrandom|time|time_ns|"
    r"datetime|perf_counter|monotonic|process_time|strftime|localtime|gmtime|utcnow|today|"
    r"now|sleep|getpid|getppid|get_ident|gethostname|getnode|socket|urllib|urlopen|"
    r"tempfile|mkdtemp|mkstemp|getloadavg|cpu_count|psutil|st_[acm]time|getmtime|"
    r"shuffle|randint)\b"
)
_PATH = re.compile(r"(?<!\S)[\w.-]*(?:/[\w.-]+)+/?(?:::\S*)?(?!\S)")
_IDLE = frozenset((":", "echo", "true"))
_OPERATORS = frozenset("();<>|&\n")


def by_chance(command: str, files: Mapping[str, str], asked: bool | None = None) -> bool:
    """Whether a command or its files ask a clock, chance, a process, the host or the network.

    `asked`: whether its Python was seen to; None where nobody saw it: then their names tell.
    """
    if asked or not _PROGRAMS.isdisjoint(programs(command)):
        return True
    text = "\n".join([_PATH.sub(" ", command), *files.values()])
    return bool(_SHELL.search(text) or (asked is None and _WORDS.search(text)))


def form_of(command: str, files: Mapping[str, str]) -> str:
    """What a command has in common with one that differs in comments, blanks, quotes, names of
    variables, docstrings and idle commands only."""
    text = command.replace("\\\n", " ")
    for name, content in files.items():
        text = text.replace(name, _digest(_python(content)))
    text = HEREDOC.sub(lambda found: f" {_digest(_body(found[0]))} {found[3]}\n", text)
    try:
        words = words_of(text, comments="#")
    except ValueError:
        return " ".join(text.split())
    commands = [_simple(simple) for simple in _commands(words)]
    last = len(commands) - 1
    kept = (
        simple
        for number, simple in enumerate(commands)
        if simple and (number == last or simple[0] not in _IDLE) and simple != ["cd", "/testbed"]
    )
    return "\n".join(" ".join(simple) for simple in kept)


def _body(heredoc: str) -> str:
    return _python("\n".join(heredoc.split("\n")[1:-1]))


def _commands(words: list[str]) -> Iterator[list[str]]:
    """The commands between `;`, `&&`, `||` and line ends; pipes and redirections stay in them."""
    simple: list[str] = []
    for word in words:
        if word and set(word) <= _OPERATORS and not set(word) & set("<>") and word != "|":
            yield simple
            simple = []
        else:
            simple.append(word)
    yield simple


def _simple(words: list[str]) -> list[str]:
    """The words of a command; Python behind `-c`, as in a heredoc, is its form."""
    return [
        _digest(_python(word)) if before == "-c" else word
        for before, word in zip(["", *words], words, strict=False)
        if word not in ("-", "-c")
    ]


def _python(source: str) -> str:
    """Python without comments, docstrings, idle statements and the names that it gives."""
    try:
        tree = ast.parse(source)
        return ast.dump(_Plain(tree).visit(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return " ".join(source.split())


class _Plain(ast.NodeTransformer):
    """Numbers the names that a script gives, and takes out what does nothing."""

    def __init__(self, tree: ast.AST) -> None:
        names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        used = {node.id for node in names if isinstance(node.ctx, ast.Load)}
        given = (node.id for node in names if isinstance(node.ctx, ast.Store))
        arguments = (node.arg for node in ast.walk(tree) if isinstance(node, ast.arg))
        self._numbers = {name: f"_{n}" for n, name in enumerate(dict.fromkeys([*given, *arguments]))
                         if name in used}  # fmt: skip
        self._used = used

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_Pass(self, node: ast.Pass) -> None:
        return None

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        names = [target for target in node.targets if isinstance(target, ast.Name)]
        idle = len(names) == len(node.targets) and self._used.isdisjoint(n.id for n in names)
        if idle and isinstance(node.value, ast.Constant):
            return None
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._numbers.get(node.id, node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.arg = self._numbers.get(node.arg, node.arg)
        return self.generic_visit(node)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]
