"""The words that agents and harness share, and that stand in stored rows, prompts and recordings.

All code takes them from here. A value never changes: rows of earlier runs
hold it, and recordings are found by it.
"""

import re
from collections.abc import Mapping
from enum import StrEnum


class Word(StrEnum):
    """One of a closed set of words; compared, hashed, printed and stored as its text."""

    __repr__ = str.__repr__


class TaskKind(Word):
    """What a task is for. Agents may invent others."""

    LOCALIZE = "localize"
    PATCH = "patch"  # make a submission
    REPAIR = "repair"  # make a submission that was refuted anew
    TEST = "test"  # look for what an admitted patch breaks
    DECIDE = "decide"  # whether something more is to be done
    READ = "read"  # prepare a part of a document
    PLAN = "plan"  # what is to be found out in a document
    FIND = "find"  # find something out in a document


class TaskState(Word):
    """`open → claimed → done | failed | cancelled`, and `claimed → open` when a lease is lost."""

    OPEN = "open"
    CLAIMED = "claimed"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ResultKey(Word):
    """The keys of a finished task's result."""

    SUMMARY = "summary"  # what its agent said, unchecked
    REASON = "reason"  # how its conversation ended
    PATCH = "patch"  # the diff that it hands in
    LEFT_OUT = "left_out"  # paths that differ and that no patch can hold
    EQUAL = "equal"  # label of the PATCH of another seat that makes the same change
    REPORT = "report"  # what its agent finished it with, unchecked; only where it did
    BUILT_ON = "built_on"  # labels of other seats' PATCHes that it contains
    COPY = "copy"  # label of the PATCH of another seat that its agent took as its own
    ENTRY = "entry"  # label of the PATCH as which exactly that diff was admitted; empty: none


class EntryKind(Word):
    """What an entry of the shared context claims."""

    FACT = "FACT"
    FAIL = "FAIL"
    CONSTRAINT = "CONSTRAINT"  # what passes and has to go on passing
    PATCH = "PATCH"


class EvidenceForm(Word):
    """What a proposal brings as proof: see `harness.board.evidence`."""

    SPAN = "span"  # lines of a file, quoted
    COMMAND = "command"  # a command and what comes of it
    PATCH = "patch"  # a diff, and a command that fails without it and passes with it
    PART = "part"  # a part of a document, as it was prepared
    QUOTATIONS = "quotations"  # places of a document


MINE = "mine"
"""What an agent calls the state of its own copy; evidence holds what differs in it."""
BASE = "base"
"""The `state` of evidence that holds at the base commit; else it is the label of a PATCH."""


class Settled(Word):
    """How a proposal was ruled on."""

    ADMITTED = "admitted"
    MERGED = "merged"  # an earlier entry says the same
    REJECTED = "rejected"


class LinkKind(Word):
    """How a task or an entry names an entry."""

    CITES = "cites"
    REFUTES = "refutes"
    CONTRADICTS = "contradicts"
    REPLACES = "replaces"  # a later PATCH of the same seat
    EQUALS = "equals"  # a PATCH that makes the same change


class MarkKind(Word):
    """What a person has said of an entry."""

    PINNED = "pinned"  # every opening shows it
    VETOED = "vetoed"  # it does not count any more, and no opening shows it


class Level(Word):
    """How much of an entry is shown."""

    GIST = "gist"
    SUMMARY = "summary"
    RAW = "raw"


class EventKind(Word):
    """What an event of a board says has happened."""

    PUT = "put"
    CLAIMED = "claimed"
    LOST = "lost"
    RELEASED = "released"
    UNBLOCKED = "unblocked"  # it waits no longer for a task that has not ended
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    JOINED = "joined"
    LEFT = "left"
    CLOSED = "closed"
    PROPOSED = "proposed"
    ADMITTED = "admitted"
    MERGED = "merged"
    REJECTED = "rejected"
    LINKED = "linked"
    PINNED = "pinned"
    VETOED = "vetoed"


class ToolName(Word):
    """The tools that agents are given."""

    BASH = "bash"
    VIEW = "view"
    EDIT = "edit"
    FINISH = "finish"
    UNFOLD = "unfold"
    PUBLISH = "publish"
    ADD_TASK = "add_task"
    DELEGATE = "delegate"
    SUBMIT = "submit"
    TAKE = "take"
    LOOK_UP = "look_up"
    REPORT = "report"
    GIST = "gist"
    ANSWER = "answer"
    CHECK = "check"
    APPLY = "apply"
    SEARCH = "search"


COORDINATING = frozenset(
    {
        ToolName.FINISH, ToolName.UNFOLD, ToolName.PUBLISH, ToolName.ADD_TASK, ToolName.DELEGATE,
        ToolName.SUBMIT, ToolName.TAKE, ToolName.SEARCH,
    }
)  # fmt: skip
"""Tools with which an agent works on nothing itself: it tells, asks, hands over or ends."""


class Tag(Word):
    """The tags of a prompt that say what the text between them is."""

    ISSUE = "issue"
    QUESTION = "question"
    DOCUMENT = "document"  # of a question
    TEXT = "text"  # the same, or a part of it
    PARTS = "parts"  # the gists of a document's parts
    TASK = "task"
    SHARED_CONTEXT = "shared_context"
    REPORTS = "reports"  # what finished tasks were finished with, unchecked
    VERDICTS = "verdicts"  # on what the agent published


# -- names --------------------------------------------------------------------------------------

BOARD = "board"
"""The author of what the board itself has executed."""
MAIN = "main"
"""The agent that leads the others and is not counted among them; also its submission's author."""
DOCUMENT = "document"
"""In the place of an entry's label: words of the whole document, which is no entry then."""
GIST_CHECK = "gist-check"
"""In the place of a task's label: conversations that compare findings with their evidence."""
CARRIED = "carried"
"""A key of a kept message: true where an earlier conversation of the agent holds the message, and
this one goes on with it."""
NO_ANSWER = "(no answer)"
"""What stands in a conversation for an answer without text and calls."""

LETTERS: Mapping[EntryKind, str] = {
    EntryKind.FACT: "F",
    EntryKind.FAIL: "X",
    EntryKind.CONSTRAINT: "C",
    EntryKind.PATCH: "P",
}
"""An entry's label is its kind's letter and its number among all entries of the trial: `F12`."""
ENTRY_LABEL = re.compile(rf"\b[{''.join(LETTERS.values())}][1-9]\d{{0,4}}\b")
TASK_LABEL = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
TASK_KIND = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")  # room for a number behind it

_CLAIM, _COMPACTED = ".", "+"


def agent_name(number: int) -> str:
    """What the agent of that number, from 1 on, is called."""
    return f"agent-{number}"


def numbered_label(kind: str, number: int) -> str:
    """The label of the task of that kind and number, from 1 on."""
    return f"{kind}-{number}"


def conversation_name(task: str, claim: int, part: str = "") -> str:
    """The conversation about a task under its first, second, … claim; `part`: another one there."""
    again = f"{_CLAIM}{claim}" if claim > 1 else ""
    return f"{task}{again}{f'{_CLAIM}{part}' if part else ''}"


def gist_check_name(task: str, number: int) -> str:
    """The conversation in which findings of a task's answer, from 1 on, are compared with their
    evidence."""
    return f"{GIST_CHECK}{_CLAIM}{task}{_CLAIM}{number}"


def compacted_name(conversation: str) -> str:
    """The conversation that goes on after the compaction of another."""
    return conversation + _COMPACTED


def task_of(conversation: str) -> str:
    """The label of the task that a conversation is about."""
    return conversation.rstrip(_COMPACTED).partition(_CLAIM)[0]
