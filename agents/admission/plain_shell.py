"""Whether the shell text of a command is in the plain form: programs that run the repository's
code, and filters of what they print.

Gives the Python texts that it brings, so that these are looked at, too. Pure functions.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from agents.admission.changes import is_test
from agents.admission.plain_names import (
    CONSOLE_SCRIPTS,
    GIT,
    OTHER_RUNNERS,
    STDLIB,
    TEST_RUNNERS,
)
from agents.admission.plain_programs import (
    DOCTEST,
    PROGRAM,
    RELATIVE,
    SCRATCH,
    after_the_time,
    judge_name,
    judge_own_program,
    judge_tests,
    judge_tool,
)
from agents.admission.shell_grammar import NotPlain, Redirection, Simple, Word, parsed
from harness.board.evidence import ATTACHED

PYTHON = re.compile(r"(?:/[\w./-]+/)?python(?:\d(?:\.\d+)?)?")
OWN_PROGRAM = re.compile(r"(?:\./)?\w[\w.-]*(?:/\w[\w.-]*)+|\./\w[\w.-]*")
ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
RULED = re.compile(
    r"(PATH|HOME|IFS|ENV|SHELL|SHELLOPTS|PS\d|TMPDIR|PROMPT_COMMAND)$|LD_|BASH|GIT_|PYTEST|DELM|"
    r"PYTHON(?!PATH$|WARNINGS$|IOENCODING$|UTF8$|DONTWRITEBYTECODE$|UNBUFFERED$|HASHSEED$)"
)
SEARCHED = re.compile(r"(?:/testbed|\.|src|lib|/tmp/\w[\w-]*|tests)(?:/[\w-][\w.-]*)*/?")
LIMITS = re.compile(r"\[ \0 (=|==|-eq|!=|-ne) \d+ \]|test \0 (=|==|-eq|!=|-ne) \d+")
PYTHON_OPTIONS = re.compile(r"-[uBOqbvd]+|-W\S+|-X(?:dev|utf8|utf8=1)")
DEEPEST = 3
TMP = "/tmp/"  # noqa: S108 - inside a sandbox
ADDED = re.compile(
    r"(?:diff --git .*\n)?(?:new file mode 100644\n)?(?:index .*\n)?--- /dev/null\n"
    r"\+\+\+ b/([\w./-]+)\n@@ -0,0 \+1(?:,(\d{1,6}))? @@\n((?:\+.*\n)+)"
)
MOST = 300  # simple commands, with those of scripts
CHANGED_TWICE = "{} is written twice. Write each file once, under a name of its own."


@dataclass(slots=True)
class Brought:
    """What a command brings.

    `written` are its own files by path, `printed` the files with what programs print.
    """

    scripts: dict[str, str] = field(default_factory=dict)  # Python texts by their names
    modules: list[str] = field(default_factory=list)  # of the repository, run by `-m`
    written: dict[str, str] = field(default_factory=dict)
    printed: set[str] = field(default_factory=set)
    folder: str = ""  # where the commands run; the repository: nothing
    left: bool = False  # for a folder of the repository
    tests: bool = False  # whether a test runner runs
    commands: int = 0


def shell_texts(command: str, files: Mapping[str, str]) -> Brought:
    """The Python texts that a shell text brings. Raises `NotPlain`.

    `files`: the attached files by name.
    """
    brought = Brought()
    _Shell(files, brought, 0).read(command)
    for name, text in files.items():
        judge_name(f"{ATTACHED}{name}")
        if name.endswith(".py"):
            brought.scripts[f"{ATTACHED}{name}"] = text
    own = [*brought.written.values(), *files.values()]
    if brought.tests and any(DOCTEST in text for text in own):
        raise NotPlain(f"a doctest ({DOCTEST}) of the command's own is not read. Write a test.")
    return brought


class _Shell:
    def __init__(self, files: Mapping[str, str], brought: Brought, depth: int) -> None:
        self._files = files
        self._brought = brought
        self._depth = depth

    def read(self, text: str) -> None:
        """Look at all simple commands of a text."""
        if self._depth > DEEPEST:
            raise NotPlain("commands in commands. Write them one after the other.")
        before = ""
        for simple in parsed(text):
            self._brought.commands += 1
            if self._brought.commands > MOST:
                raise NotPlain("there are too many commands. Keep what shows the one thing.")
            try:
                self._simple(simple, piped=before == "|")
            except NotPlain as fault:
                said = " ".join(word.written for word in simple.words)[:80]
                raise fault if "`" in str(fault)[:2] else NotPlain(f"{said!r}: {fault}") from None
            before = simple.after

    def _simple(self, simple: Simple, *, piped: bool) -> None:
        words = list(simple.words)
        while words and words[0].text == "!":
            words.pop(0)
        while words and (found := ASSIGNMENT.fullmatch(words[0].text)):
            self._assign(words.pop(0), found, alone=not words)
        for word in words:
            if word.inner:
                raise NotPlain('$(…) may only be assigned: OUT=$(…); echo "$OUT".')
        self._redirected(simple.redirections, words)
        if words:
            self._program(words, simple.redirections, piped=piped)

    def _assign(self, word: Word, found: re.Match[str], *, alone: bool) -> None:
        name, value = found.groups()
        if word.inner:
            if not alone or value != "\0":
                raise NotPlain("$(…) may only be assigned whole: OUT=$(…).")
            for text in word.inner:
                _Shell(self._files, self._brought, self._depth + 1).read(text)
        elif RULED.match(name):
            raise NotPlain(f"{name} changes what runs. Leave it out.")
        elif name == "PYTHONPATH" and not all(
            not folder or SEARCHED.fullmatch(folder)
            for folder in value.replace("\0", ".").split(":")
        ):
            raise NotPlain("PYTHONPATH has folders of the repository: PYTHONPATH=.:src.")

    def _redirected(self, redirections: tuple[Redirection, ...], words: list[Word]) -> None:
        reads = [each for each in redirections if each.how in ("<", "<<", "<<<")]
        if len(reads) > 1 or any(each.descriptor not in ("", "0") for each in reads):
            raise NotPlain("a program reads one file or heredoc, and no numbered one.")
        for each in redirections:
            target = each.target.text
            if each.how in ("<<", "<<<") or (each.how == ">&" and target in ("1", "2")):
                continue
            if each.how == "<":
                if not (RELATIVE.fullmatch(target) or SCRATCH.fullmatch(target)):
                    raise NotPlain(f"{target} is no file of the repository.")
            elif target != "/dev/null":
                writes = [word.text for word in words[:1]] == ["cat"] and not words[1:]
                body = next((r.body for r in redirections if r.how == "<<"), None)
                self._written(target, body if writes else None)

    def _written(self, path: str, body: str | None) -> None:
        """A file that the command writes: its own text, or what a program prints."""
        if not (SCRATCH.fullmatch(path) or (RELATIVE.fullmatch(path) and body is not None)):
            raise NotPlain(f"output goes to a file in /tmp, not to {path}.")
        full = self._full(path)
        if body is None:
            if not path.endswith((".txt", ".log", ".out", ".json", ".xml")) and "." in path:
                raise NotPlain(f"{path} is written by a program. Write it by cat > … <<'EOF'.")
            if full in self._brought.written:
                raise NotPlain(CHANGED_TWICE.format(path))
            self._brought.printed.add(full)
            return
        if self._brought.left and not path.startswith(TMP):
            raise NotPlain(f"{path} is written in a folder of the repository. Write it before cd.")
        if "/" in full and not SCRATCH.fullmatch(full) and not is_test(full):
            raise NotPlain(f"{path} is no test. A command leaves the repository as it is.")
        self._bring(full, body)

    def _bring(self, path: str, body: str) -> None:
        """Note a file of the command's own; Python is judged also where nothing runs it."""
        judge_name(path)
        if path in self._brought.written or path in self._brought.printed:
            raise NotPlain(CHANGED_TWICE.format(path))
        self._brought.written[path] = body
        if path.endswith(".py"):
            self._brought.scripts[path] = body

    def _full(self, path: str) -> str:
        """A path from the repository, or from / where it lies outside."""
        path = path.removeprefix("/testbed/").removeprefix("./")
        return (
            path
            if path.startswith("/") or not self._brought.folder
            else (f"{self._brought.folder}/{path}")
        )

    def _cd(self, path: str) -> None:
        path = path.rstrip("/")
        if path.startswith("/") or path == "":
            self._brought.folder = "" if path == "/testbed" else path.removeprefix("/testbed/")
        elif path != ".":
            self._brought.folder = self._full(path)
        folder = self._brought.folder
        self._brought.left |= folder != "" and not f"{folder}/".startswith(TMP)

    def _texts(self, path: str) -> list[str]:
        """The command's own texts that a path to run may mean; none: a file of the repository.

        Where a `cd` fails the path means another file of the same name.
        """
        full, name = self._full(path), path.rpartition("/")[2]
        own = {f"{ATTACHED}{each}": text for each, text in self._files.items()}
        own |= self._brought.written
        if any(each.rpartition("/")[2] == name for each in self._brought.printed):
            raise NotPlain(f"{path} is what a program printed. Write it by cat > … <<'EOF'.")
        if full not in own and full.startswith(ATTACHED):
            raise NotPlain(f"{path} is not attached: publish it with `files`.")
        if full not in own and full.startswith(TMP):
            raise NotPlain(f"{path} is written nowhere. Attach it, or write it by cat <<'EOF'.")
        if full not in own and not RELATIVE.fullmatch(full):
            raise NotPlain(f"{path} is no script of the repository. Attach it.")
        return [text for each, text in own.items() if each.rpartition("/")[2] == name]

    def _program(
        self, words: list[Word], redirections: tuple[Redirection, ...], *, piped: bool
    ) -> None:
        name, given = words[0].text, [word.text for word in words[1:]]
        if LIMITS.fullmatch(" ".join([name, *given])):
            return
        if name in ("timeout", "env"):
            self._wrapped(name, words, redirections)
        elif name == "export":
            self._exported(words[1:])
        elif name == "git":
            self._git(given, redirections)
        elif name in ("bash", "sh"):
            self._script(given)
        elif PYTHON.fullmatch(name):
            self._python(words[1:], redirections)
        elif name in TEST_RUNNERS:
            self._tests(given)
        elif name in CONSOLE_SCRIPTS or name in OTHER_RUNNERS or OWN_PROGRAM.fullmatch(name):
            judge_own_program(name, given)
        else:
            judge_tool(name, given, piped=piped)
            if name == "cd":
                self._cd(given[0])

    def _tests(self, given: list[str]) -> None:
        judge_tests(given)
        self._brought.tests = True

    def _wrapped(self, name: str, words: list[Word], redirections: tuple[Redirection, ...]) -> None:
        rest = words[1:] if name == "env" else after_the_time(words[1:])
        if name == "env" and rest and rest[0].text.startswith("-"):
            raise NotPlain("`env` only sets variables here: NAME=value program.")
        self._simple(Simple(words=tuple(rest), redirections=redirections), piped=False)

    def _exported(self, words: list[Word]) -> None:
        for word in words:
            found = ASSIGNMENT.fullmatch(word.text)
            if found is None:
                raise NotPlain("`export` is plain as export NAME=value.")
            self._assign(word, found, alone=True)

    def _git(self, given: list[str], redirections: tuple[Redirection, ...]) -> None:
        rest = given[1:] if given[:1] == ["--no-pager"] else given
        if (
            not rest
            or rest[0] not in GIT
            or any(re.match(r"-O|--(open|ext-diff|output|textconv)", g) for g in rest)
        ):
            raise NotPlain("`git` only shows: diff, log, show, status, grep, ls-files.")
        if rest[0] != "apply":
            return
        body = next((each.body for each in redirections if each.how == "<<"), None)
        if body is None or set(rest[1:]) - {"-", "-v", "--index", "-p1"}:
            raise NotPlain("`git apply` takes a patch of test files from <<'EOF'.")
        if self._brought.folder:
            raise NotPlain("`git apply` comes before `cd`.")
        at = 0
        while found := ADDED.match(body, at):
            path, lines, text = found.groups()
            added = [line[1:] for line in text.split("\n")[:-1]]
            if not is_test(path) or int(lines or 1) != len(added):
                break
            self._bring(path, "\n".join([*added, ""]))
            at = found.end()
        if body[at:].strip() or not body.strip():
            raise NotPlain(
                "`git apply` may only add whole test files here. Write a new test file, use "
                "`changes` of a FAIL, or a PATCH."
            )

    def _script(self, given: list[str]) -> None:
        rest = [each for each in given if each not in ("-e", "-x", "-eu", "-ex", "-u")]
        if len(rest) < 1 or rest[0].startswith("-"):
            raise NotPlain("`bash` runs a script by its path. Write its commands out.")
        for text in self._texts(rest[0]):
            _Shell(self._files, self._brought, self._depth + 1).read(text)

    def _python(self, words: list[Word], redirections: tuple[Redirection, ...]) -> None:
        rest = [word.text for word in words]
        while rest and (PYTHON_OPTIONS.fullmatch(rest[0]) or rest[0] in ("-W", "-X")):
            rest = rest[2:] if rest[0] in ("-W", "-X") else rest[1:]
        bodies = [
            each.body or each.target.text for each in redirections if each.how in ("<<", "<<<")
        ]
        if any("\0" in each for each in rest[:2]):
            raise NotPlain("bash puts something into the Python text: write it in '…' or <<'EOF'.")
        if not rest or rest[0] == "-":
            if not bodies:
                raise NotPlain("Python reads its script from <<'EOF' here.")
            self._script_of("the heredoc", bodies[0])
        elif rest[0] == "-c" and rest[1:]:
            self._script_of("-c", rest[1])
        elif rest[0] == "-m" and rest[1:]:
            self._module(rest[1], rest[2:])
        elif rest[0] in ("--version", "-V", "-VV"):
            return
        elif rest[0].startswith("-"):
            raise NotPlain(
                f"the option {rest[0]} of Python is not plain, since it cannot be watched then. "
                "Start it without -S, -E, -I and -i."
            )
        else:
            for text in self._texts(rest[0]):
                self._script_of(self._full(rest[0]), text)

    def _script_of(self, kind: str, text: str) -> None:
        if self._brought.scripts.get(kind) == text:
            return
        number = 1 + sum(key.startswith(kind) for key in self._brought.scripts)
        self._brought.scripts[kind if number == 1 else f"{kind} number {number}"] = text

    def _module(self, name: str, given: list[str]) -> None:
        first = name.partition(".")[0]
        if first in ("pytest", "unittest"):
            self._tests(given)
        elif first in STDLIB or first in (
            "pip",
            "coverage",
            "virtualenv",
            "setuptools",
            "ensurepip",
        ):
            raise NotPlain(f"`python -m {name}` runs no code of the repository. {PROGRAM}")
        else:
            self._brought.modules.append(first)
