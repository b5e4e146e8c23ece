"""What a proposal brings as proof, in three forms, read from JSON or refused in words.

    span     {"form": "span", "path": …, "line": 12, "quote": …, "state": "base"}
    command  {"form": "command", "command": …, "exit_status": 1, "output": …, "state": "base"}
    patch    {"form": "patch", "diff": …, "command": …}

`state` is `base` or the label of a PATCH entry; `line` is 0 where it is not known. Every reason is
written to the author of the proposal, who can send it again.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from agents.admission.matching import said
from agents.admission.shell_words import normal_command, only_reads, test_id
from harness.board.vocabulary import BASE, FORM, EntryKind, EvidenceForm

QUOTE_LINES, QUOTE_CHARS = 100, 10_000
COMMAND_CHARS, OUTPUT_CHARS, DIFF_CHARS = 20_000, 10_000, 180_000
ENOUGH = 3  # characters that are not blank


class Refused(Exception):
    """The proposal does not hold. The message tells its author why, and how to mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Whole lines that stand in a file."""

    path: str  # relative to the repository
    line: int  # of the first line of `quote`; 0: anywhere
    quote: str
    state: str = BASE


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command, and what comes of it."""

    command: str
    exit_status: int
    output: str  # lines that are parts of its output's lines, in order; `...` is anything
    state: str = BASE


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A change to the base commit, and a command that fails without it and passes with it."""

    diff: str
    command: str


Evidence = Span | Command | Patch
FIELDS: Mapping[str, Mapping[str, type]] = {
    EvidenceForm.SPAN: {"path": str, "line": int, "quote": str, "state": str},
    EvidenceForm.COMMAND: {"command": str, "exit_status": int, "output": str, "state": str},
    EvidenceForm.PATCH: {"diff": str, "command": str},
}
OPTIONAL: Mapping[str, Any] = {"line": 0, "output": "", "state": BASE}


def parse(kind: EntryKind, evidence: Mapping[str, Any]) -> Evidence:
    """The evidence of a proposal of `kind`. `Refused` when it can prove nothing of that kind."""
    form = evidence.get(FORM)
    if not isinstance(form, str) or form not in FIELDS:
        raise Refused(
            f"Evidence has the form 'span', 'command' or 'patch', not {_short(form)}. Give one of "
            "them with its fields: " + "; ".join(f"{f}: {', '.join(n)}" for f, n in FIELDS.items())
        )
    if (form == EvidenceForm.PATCH) != (kind == EntryKind.PATCH):
        raise Refused(
            "A PATCH needs evidence of the form 'patch' (diff and command), and nothing else may "
            f"have it; this is a {kind} with the form {form!r}."
        )
    fields = _fields(form, evidence)
    if form == EvidenceForm.PATCH:
        return _patch(Patch(**fields))
    fields["state"] = fields["state"].strip() or BASE
    return _span(kind, fields) if form == EvidenceForm.SPAN else _command(kind, fields)


def _fields(form: str, evidence: Mapping[str, Any]) -> dict[str, Any]:
    wanted = FIELDS[form]
    unknown = [name for name in evidence if name != FORM and name not in wanted]
    if unknown:
        raise Refused(
            f"Evidence of the form {form!r} has no field {_short(unknown[0])}; "
            f"it has {', '.join(wanted)}."
        )
    return {name: _field(form, name, of, evidence) for name, of in wanted.items()}


def _field(form: str, name: str, of: type, evidence: Mapping[str, Any]) -> Any:
    value = evidence.get(name, OPTIONAL.get(name))
    if value is None:
        raise Refused(f"Evidence of the form {form!r} needs the field {name!r}.")
    if of is int:
        return _number(name, value)
    if not isinstance(value, str):
        raise Refused(f"The field {name!r} of the evidence must be text, not {_short(value)}.")
    if "\0" in value:
        raise Refused(f"The field {name!r} of the evidence holds a NUL character. Leave it out.")
    return value


def _number(name: str, value: Any) -> int:
    """Models send numbers as text."""
    text = str(value).strip()
    if isinstance(value, bool | float) or len(text) > 9 or not text.isascii():
        text = ""
    if not text.removeprefix("-").isdigit():
        raise Refused(f"The field {name!r} of the evidence must be a whole number.")
    return int(text)


def _span(kind: EntryKind, fields: dict[str, Any]) -> Span:
    span = Span(**fields | {"path": repository_path(fields["path"])})
    if len(span.quote) > QUOTE_CHARS or span.quote.count("\n") > QUOTE_LINES:
        raise Refused(
            f"The quote is too long; at most {QUOTE_LINES} lines and {QUOTE_CHARS} characters are "
            "taken. Quote the few lines that matter."
        )
    if all(len("".join(line.split())) < ENOUGH for line in span.quote.split("\n")):
        raise Refused(
            f"The quote says nothing: at least one of its lines needs {ENOUGH} characters that "
            "are not blank. Quote the lines that matter, whole."
        )
    if kind == EntryKind.FAIL and span.state == BASE:
        raise Refused(
            "A FAIL by a span speaks of a candidate: give the label of its PATCH entry as "
            "`state`. What stands in the base commit is a FACT."
        )
    return span


def _command(kind: EntryKind, fields: dict[str, Any]) -> Command:
    claim = Command(**fields)
    _runnable(claim.command)
    if len(claim.output) > OUTPUT_CHARS:
        raise Refused(
            f"The expected output is too long; at most {OUTPUT_CHARS} characters are taken. Give "
            "the few lines that matter."
        )
    if kind == EntryKind.FAIL and claim.exit_status == 0:
        raise Refused(
            "A FAIL by a command needs one that fails: an exit status that is not 0. What a "
            "command shows while it passes is a FACT."
        )
    if kind == EntryKind.CONSTRAINT and (claim.exit_status != 0 or claim.state != BASE):
        raise Refused(
            "A CONSTRAINT by a command is something that passes at the base commit and has to go "
            "on passing: exit_status 0, state 'base'."
        )
    # of a test suite that has to go on passing, that it passes is all the claim
    suite = kind == EntryKind.CONSTRAINT and not only_reads(claim.command)
    if claim.exit_status == 0 and said(claim.output) < ENOUGH and not suite:
        raise Refused(
            f"`output` needs at least {ENOUGH} characters besides blanks and `...`, because an "
            "exit status of 0 alone proves little. Let the command print what it found, and give "
            "that."
        )
    return claim


def _patch(patch: Patch) -> Patch:
    _runnable(patch.command)
    if not patch.diff.strip():
        raise Refused("The patch is empty. Change the source first, then send `git diff`.")
    if len(patch.diff) > DIFF_CHARS:
        raise Refused(f"The patch is longer than {DIFF_CHARS} characters. Leave out made files.")
    if "\n+++ " not in patch.diff and "diff --git " not in patch.diff:
        raise Refused("The patch is no unified diff. Send what `git diff` prints, unchanged.")
    return patch if patch.diff.endswith("\n") else replace(patch, diff=patch.diff + "\n")


def _runnable(command: str) -> None:
    if not command.strip():
        raise Refused("The evidence needs a command. Give one that bash can run in the repository.")
    if len(command) > COMMAND_CHARS:
        raise Refused(f"The command is too long; at most {COMMAND_CHARS} characters are taken.")


def repository_path(path: str) -> str:
    """`path` relative to the repository. `Refused` when it leads out of it, or into `.git`."""
    inner = path.strip()
    if inner.startswith("/testbed/"):
        inner = inner.removeprefix("/testbed/")
    parts = [part for part in inner.split("/") if part not in ("", ".")]
    if inner.startswith("/") or not parts or ".." in parts or parts[0] == ".git":
        raise Refused(
            f"{_short(path)} is not a file of the repository. Give its path relative to the "
            "repository; show what stands elsewhere by a command."
        )
    if len(inner) > 1000 or not inner.isprintable():
        raise Refused("The path is no path. Give the file's path relative to the repository.")
    return "/".join(parts)


def key_of(kind: EntryKind, evidence: Evidence, first: int) -> str:
    """What makes two proposals the same finding. `first`: the line where a span's quote begins."""
    match evidence:
        case Span():
            last = first + len(evidence.quote.strip("\r\n").split("\n")) - 1
            what = f"{evidence.state} {evidence.path}:{first}-{last}"
            return f"{kind} span {what}"
        case Command():
            what = normal_command(evidence.command)
            if kind == EntryKind.FAIL:
                what = test_id(f"{evidence.output}\n{evidence.command}") or what
            if kind == EntryKind.FACT:  # one command can show many things
                what += "\n" + _digest(evidence.output)
            return f"{kind} command {evidence.state} {_digest(what)}"
        case Patch():
            return f"{kind} patch {_digest(evidence.diff)}"


def normal_gist(gist: str) -> str:
    """The words of a gist, to find the same one said again."""
    kept = (c if c.isalnum() or c in "_.:/=<>!+-*%" else " " for c in gist.casefold())
    return " ".join(word.rstrip(".:!") for word in "".join(kept).split())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"
