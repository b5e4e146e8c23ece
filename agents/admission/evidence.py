"""What evidence must be for a finding of its kind before anything runs, and which are the same.

Every reason is written to the author of the proposal, who can send it again.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from agents.admission.expected_output import said
from agents.admission.shell_words import normal_command, only_reads, test_id
from harness.board.evidence import Command, Evidence, Part, Patch, Quotations, Span
from harness.board.vocabulary import BASE, EntryKind

ENOUGH = 3  # characters that are not blank
_SHOWN_BY = {
    EntryKind.FAIL: "fails (exit_status and output)",
    EntryKind.CONSTRAINT: "passes now and has to go on passing (exit_status 0)",
}


class Refused(Exception):
    """The proposal does not hold. The message tells its author why, and how to mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """Evidence that was confirmed."""

    key: str  # what makes it the same finding as another
    raw: str  # what the check saw
    shown: str = ""  # the evidence with what was seen, for the model that reads it beside the gist
    cites: Sequence[str] = ()  # labels of entries
    broken_tests: tuple[str, ...] = ()  # of the repository, by a patch
    verified: bool = True  # False: nothing looked at the evidence
    lasting: bool = True  # False: a later trial has to check it again
    remembered: bool = False  # the result was in the check cache: nothing was executed again


def judge_evidence(kind: EntryKind, evidence: Evidence) -> None:
    """Raise `Refused` if `evidence` cannot support an entry of `kind`."""
    if isinstance(evidence, Patch) != (kind == EntryKind.PATCH):
        raise Refused(
            "A PATCH needs evidence of the form 'patch' (diff and command), and nothing else may "
            f"have it; this is a {kind} with the form {evidence.form!r}."
        )
    match evidence:
        case Span():
            _judge_span(kind, evidence)
        case Command():
            _judge_command(kind, evidence)
        case Patch():
            _judge_patch(evidence)


def _judge_span(kind: EntryKind, span: Span) -> None:
    _judge_path(span.path)
    if all(len("".join(line.split())) < ENOUGH for line in span.quote.split("\n")):
        raise Refused(
            f"The quote says nothing: at least one of its lines needs {ENOUGH} characters that "
            "are not blank. Quote the lines that matter, whole."
        )
    if kind != EntryKind.FACT:
        raise Refused(
            f"A quote shows what stands in a file, and a {kind} says what the code does. Give a "
            f"command that {_SHOWN_BY[kind]}; what stands there is a FACT."
        )


def _judge_command(kind: EntryKind, ran: Command) -> None:
    _runnable(ran.command)
    if kind == EntryKind.FAIL and ran.exit_status == 0:
        raise Refused(
            "A FAIL by a command needs one that fails: an exit status that is not 0. What a "
            "command shows while it passes is a FACT."
        )
    if kind == EntryKind.CONSTRAINT and (ran.exit_status != 0 or ran.state != BASE):
        raise Refused(
            "A CONSTRAINT by a command is something that passes at the base commit and has to go "
            "on passing: exit_status 0, state 'base'."
        )
    # of a test suite that has to go on passing, that it passes is all that is said
    suite = kind == EntryKind.CONSTRAINT and not reads_only(ran)
    # what may vary from run to run is judged when that is known
    if ran.exit_status == 0 and not said(ran.output, {}) and not suite:
        raise Refused(
            "`output` says nothing besides blanks and `...`, and an exit status of 0 alone proves "
            "little. Let the command print what it found, and give that."
        )


def _judge_patch(patch: Patch) -> None:
    _runnable(patch.command)
    if not patch.diff.strip():
        raise Refused("The patch is empty. Change the source first, then publish again.")
    if "\n+++ " not in patch.diff and "diff --git " not in patch.diff:
        raise Refused("The patch is no unified diff. Send what `git diff` prints, unchanged.")


def _runnable(command: str) -> None:
    if not command.strip():
        raise Refused("The evidence needs a command. Give one that bash can run in the repository.")


def reads_only(evidence: Command | Patch) -> bool:
    """Whether a command, or a shell script that it brings, only reads or prints text."""
    scripts = [text for name, text in evidence.files.items() if name.endswith(".sh")]
    return only_reads(evidence.command) or any(map(only_reads, scripts))


def _judge_path(path: str) -> None:
    """Raise `Refused` if `path` leads out of the repository or into `.git`."""
    parts = path.split("/")
    if path.startswith("/") or not path or ".." in parts or parts[0] == ".git":
        shown = repr(path)
        raise Refused(
            f"{shown if len(shown) <= 80 else shown[:77] + '…'} is not a file of the repository. "
            "Give its path relative to the repository; show what stands elsewhere by a command."
        )
    if len(path) > 1000 or not path.isprintable():
        raise Refused("The path is no path. Give the file's path relative to the repository.")


def key_of(kind: EntryKind, evidence: Evidence, *, gist: str = "", first: int = 0) -> str:
    """What makes two proposals the same finding. `first`: the line where a span's quote begins.

    The same is also what says the same in `gist`, whatever its evidence: see `Gate`. Quotations are
    no finding without it: one place shows many things. A part of a document is its place.
    """
    match evidence:
        case Span():
            last = first + len(evidence.quote.strip("\r\n").split("\n")) - 1
            what = f"{evidence.state} {evidence.path}:{first}-{last}"
        case Command():
            ran = normal_command(evidence.command)
            if kind == EntryKind.FAIL:
                ran = test_id(f"{evidence.output}\n{evidence.command}") or ran
            if kind == EntryKind.FACT:  # one command can show many things
                ran += "\n" + _digest(evidence.output)
            if evidence.files:
                ran += "\n" + _digest(repr(sorted(evidence.files.items())))
            what = f"{evidence.state} {_digest(ran)}"
            if evidence.changes:
                what += f" {_digest(evidence.changes)}"
        case Patch():
            what = _digest(evidence.diff)
        case Quotations():
            what = _digest(normal_gist(gist))
        case Part():
            what = f"{evidence.start}-{evidence.end}"
    return f"{kind} {evidence.form} {what}"


def normal_gist(gist: str) -> str:
    """The normalized words of a gist, to recognize repetitions."""
    kept = (c if c.isalnum() or c in "_.:/=<>!+-*%" else " " for c in gist.casefold())
    return " ".join(word.rstrip(".:!") for word in "".join(kept).split())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]
