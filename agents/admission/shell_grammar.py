"""A strict reader of shell commands: words, operators, heredocs, and nothing else.

What it cannot read raises `NotPlain`. Pure functions.
"""

import re
from dataclasses import dataclass, field, replace

OPERATORS = ("&&", "||", ";;", ";", "|", "\n", "&", "(", ")")
REDIRECTION = re.compile(r"(\d?)(<<<|<<-?|>>|>&|<|>\||>)|&>>?")
VARIABLE = re.compile(r"\$(?:\?|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})")
SPECIAL = "*?[~{"  # of file names that bash completes


class NotPlain(Exception):
    """What is not in the plain form, and how to write it instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word as the program gets it; `$NAME` and `$(…)` stand in it as `\\0`."""

    text: str
    written: str  # as it stands in the command
    inner: tuple[str, ...] = ()  # the commands of its `$(…)`


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirection:
    """Where a program reads from or writes to."""

    how: str  # ">", ">>", ">&", "<", "<<", "<<<"
    target: Word
    body: str = ""  # of a heredoc
    descriptor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simple:
    """One program with its words. `after`: the operator that ends it."""

    words: tuple[Word, ...]
    redirections: tuple[Redirection, ...] = ()
    after: str = ""


@dataclass(slots=True)
class _Reader:
    text: str
    at: int = 0
    waiting: list[tuple[int, bool]] = field(default_factory=list)  # heredocs whose body is to come
    redirections: list[Redirection] = field(default_factory=list)


def parsed(text: str) -> list[Simple]:
    """The simple commands of a shell text. Raises `NotPlain`."""
    reader = _Reader(text.replace("\r\n", "\n"))
    found: list[tuple[list[Word], int, int, str]] = []
    words: list[Word] = []
    first = 0
    while True:
        _skip_blanks(reader)
        operator = _operator(reader)
        if operator or reader.at >= len(reader.text):
            if operator == "\n":
                _read_bodies(reader)
            if words or len(reader.redirections) > first:
                found.append((words, first, len(reader.redirections), operator))
                words, first = [], len(reader.redirections)
            elif operator not in ("\n", ""):
                raise NotPlain(f"nothing stands before {operator!r}")
            if not operator:
                break
        elif match := REDIRECTION.match(reader.text, reader.at):
            _redirect(reader, match)
        else:
            words.append(_word(reader))
    if reader.waiting:
        raise NotPlain("a heredoc has no end: write its end word alone on the last line")
    every = reader.redirections
    return [
        Simple(words=tuple(words), redirections=tuple(every[begin:end]), after=after)
        for words, begin, end, after in found
    ]


def _skip_blanks(reader: _Reader) -> None:
    text = reader.text
    while reader.at < len(text):
        if text[reader.at] in " \t":
            reader.at += 1
        elif text.startswith("\\\n", reader.at):
            reader.at += 2
        elif text[reader.at] == "#" and (reader.at == 0 or text[reader.at - 1] in " \t\n;"):
            end = text.find("\n", reader.at)
            reader.at = len(text) if end < 0 else end
        else:
            return


def _operator(reader: _Reader) -> str:
    for operator in OPERATORS:
        if reader.text.startswith(operator, reader.at):
            if operator == "&" and reader.text.startswith("&>", reader.at):
                return ""
            if operator in ("&", "(", ")", ";;"):
                raise NotPlain(
                    f"{operator!r} (a part of its own, or in the background): write the commands "
                    "one after the other, with && or line ends"
                )
            reader.at += len(operator)
            return operator
    return ""


def _redirect(reader: _Reader, match: re.Match[str]) -> None:
    reader.at = match.end()
    how = match[2] or match[0].replace("&", "")
    _skip_blanks(reader)
    target = _word(reader)
    if how in ("<<", "<<-"):
        quoted = target.written != target.text
        reader.waiting.append((len(reader.redirections), quoted))
    reader.redirections.append(Redirection(how=how, target=target, descriptor=match[1] or ""))


def _read_bodies(reader: _Reader) -> None:
    for number, quoted in reader.waiting:
        asked = reader.redirections[number]
        lines: list[str] = []
        while True:
            if reader.at >= len(reader.text):
                raise NotPlain("a heredoc has no end: write its end word alone on the last line")
            end = reader.text.find("\n", reader.at)
            end = len(reader.text) if end < 0 else end
            line = reader.text[reader.at : end]
            reader.at = min(end + 1, len(reader.text))
            line = line.lstrip("\t") if asked.how == "<<-" else line
            if line == asked.target.text:
                break
            lines.append(line)
        body = "".join(f"{line}\n" for line in lines)
        if not quoted and re.search(r"[$`]|\\[\\$`\n]", body):
            raise NotPlain(
                f"bash changes the heredoc <<{asked.target.written}: put its end word in quotes, "
                f"<<'{asked.target.text}'"
            )
        reader.redirections[number] = replace(asked, how="<<", body=body)
    reader.waiting.clear()


def _word(reader: _Reader) -> Word:
    text, begin = reader.text, reader.at
    made: list[str] = []
    inner: list[str] = []
    while reader.at < len(text) and text[reader.at] not in " \t\n;|&()<>":
        c = text[reader.at]
        if c == "'":
            end = text.find("'", reader.at + 1)
            if end < 0:
                raise NotPlain("a quote ' has no end")
            made.append(text[reader.at + 1 : end])
            reader.at = end + 1
        elif c == '"':
            reader.at += 1
            _double_quoted(reader, made, inner)
        elif c == "\\":
            following = text[reader.at + 1 : reader.at + 2]
            made.append("" if following == "\n" else following)
            reader.at += 2
        elif c in "$`":
            _expanded(reader, made, inner)
        else:
            made.append(c)
            reader.at += 1
    if reader.at == begin:
        raise NotPlain(f"no word stands before {text[begin : begin + 10]!r}")
    return Word(text="".join(made), written=text[begin : reader.at], inner=tuple(inner))


def _double_quoted(reader: _Reader, made: list[str], inner: list[str]) -> None:
    text = reader.text
    while reader.at < len(text):
        c = text[reader.at]
        if c == '"':
            reader.at += 1
            return
        if c == "\\" and text[reader.at + 1 : reader.at + 2] in ("$", "`", '"', "\\", "\n"):
            made.append(text[reader.at + 1].replace("\n", ""))
            reader.at += 2
        elif c in "$`":
            _expanded(reader, made, inner)
        else:
            made.append(c)
            reader.at += 1
    raise NotPlain('a quote " has no end')


def _expanded(reader: _Reader, made: list[str], inner: list[str]) -> None:
    """What bash puts in: a variable, or the output of a command."""
    text, at = reader.text, reader.at
    if text.startswith("$(", at) and not text.startswith("$((", at):
        depth, end = 1, at + 2
        while end < len(text) and depth:
            if text[end] in "'\"":
                closing = text.find(text[end], end + 1)
                end = len(text) if closing < 0 else closing
            depth += {"(": 1, ")": -1}.get(text[end : end + 1], 0)
            end += 1
        if depth:
            raise NotPlain("$( has no end")
        inner.append(text[at + 2 : end - 1])
        made.append("\0")
        reader.at = end
    elif match := VARIABLE.match(text, at):
        made.append("\0")
        reader.at = match.end()
    elif text[at] == "$" and text[at + 1 : at + 2] in ("", " ", "\n", '"', "'", ")", "|"):
        if text[at + 1 : at + 2] == "'" or (text[at + 1 : at + 2] == '"' and not made):
            raise NotPlain("$'…' hides what it says: write the letters themselves in '…'")
        made.append("$")
        reader.at += 1
    else:
        raise NotPlain(
            f"bash puts something else in for {text[at : at + 12]!r}: write Python in '…' or "
            "behind <<'EOF'"
        )
