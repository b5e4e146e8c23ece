"""The values that pass between the parts. Frozen, keyword-only, without behaviour of their own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

Message = dict[str, Any]
"""One chat message in the OpenAI form: role, content, and tool_calls or tool_call_id; and of an
answer, where there is any, what the provider wants back with it: opaque."""

CUT = "length"
"""`Reply.finish_reason` of an answer that was cut at the output limit."""

Outcome = Literal["resolved", "unresolved", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """What a system may know of one benchmark item. A benchmark's own kind has more fields."""

    instance_id: str
    problem_statement: str
    difficulty: str = ""
    image: str = ""  # of its sandbox: the Docker image that holds the repository at /testbed
    environment: str = ""  # name of the `Environment` it can be rebuilt from; empty: image only
    base_commit: str = ""  # of the repository in its sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue(Instance):
    """An issue of a repository, to be resolved by a patch."""

    repo: str
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question(Instance):
    """A question about a long document, to be answered by the letter of a choice."""

    domain: str  # Legal, Financial, ...: what LongBench-v2 calls the sub-domain
    choices: Mapping[str, str]  # by letter
    document: str  # SHA-256 of the text, which `Trial.document` reads
    length: str  # short, medium or long, as the benchmark has it


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What only grading may know, such as a gold patch. A benchmark's own kind has the fields.

    Never handed to a system.
    """

    instance_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """How to rebuild an instance's software without its published image."""

    name: str
    python: str  # "3.11"
    sdist_name: str
    sdist_version: str
    sdist_filename: str
    sdist_sha256: str
    requirements: tuple[str, ...]  # every one pinned with ==
    patch: str = ""  # what is changed in the release before it is committed


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One benchmark item: its public half, its secret half, and how to rebuild it, if known."""

    instance: Instance
    reference: Reference
    environment: Environment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecResult:
    """What a command did. `output` is stdout and stderr in the order in which they were written."""

    exit_status: (
        int | None
    )  # None: it was killed for its time, its output or with its sandbox's shell
    output: str  # head and tail, with a line between them that says how much was left out
    output_bytes: int  # all that was written, kept or not
    seconds: float
    timed_out: bool = False
    flooded: bool = False  # killed because it wrote more than the hard bound
    disk_full: bool = False  # killed because its sandbox's files took more than they may
    memory_kills: int = 0  # processes of it that the kernel killed at the sandbox's memory limit

    @property
    def cut_short(self) -> bool:
        """Whether a limit ended it, or some of it: another time it could end otherwise."""
        return self.timed_out or self.flooded or self.disk_full or bool(self.memory_kills)

    @property
    def out_of_memory(self) -> str:
        """That it ran out of memory, in words; empty where nothing of it was killed for that."""
        if not self.memory_kills:
            return ""
        number = "one" if self.memory_kills == 1 else str(self.memory_kills)
        return f"out of memory: the kernel killed {number} of its processes at the sandbox's limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call that a model asked for. `arguments` is the raw text; it may not be JSON."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one call as the provider counted them. Prompt = fresh + cached (read) + written."""

    prompt_tokens: int = 0
    cached_tokens: int = 0  # of the prompt, served from the provider's cache
    cache_write_tokens: int = 0  # of the prompt, written to the provider's cache at a price
    completion_tokens: int = 0
    reasoning_tokens: int = 0  # of the completion, never shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer of a model."""

    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = field(default_factory=Usage)
    finish_reason: str = ""  # `CUT`, or the provider's own word
    opaque: Mapping[str, Any] = field(default_factory=dict)
    """What else the provider's message held, such as signed thoughts. It goes back to the provider
    with this message, as it is (`response_body.as_received`), and is for nobody else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What grading says of one submission."""

    outcome: Outcome
    reason: str  # "" when resolved; else which step or which tests failed
    report: Mapping[str, Any]  # the instance report of the official harness
    seconds: float
    cached: bool = False
    official: str = ""  # resolved or unresolved, by the official grader alone; "": it gave none
    flags: tuple[str, ...] = ()  # why a pass does not count: keys of `guard.FLAGS`
    unchecked: tuple[str, ...] = ()  # checks of a pass that its instance has not: `guard.CHECKS`
    looks: tuple[str, ...] = ()  # lines of a patch flagged `suspect`: "path:line: text — why"


class Activity(StrEnum):
    """What an agent does, or waits for, when it is not the model."""

    COMMAND = "command"
    ADMISSION = "admission"  # the check of a finding
    PEER = "peer"  # the result of another agent
    BARRIER = "barrier"  # all the others
    MAIN = "main"  # what the main agent gives it to do
    TURN = "turn"  # in a replay, its recorded turn
    PAUSED = "paused"  # a person to resume the run


WORKSPACE_TOOLS = ("bash", "edit", "view")
"""The tools with which an agent of any system works in its copy of a repository; a run's
configuration says which of them all its agents have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The budget of one trial; 0 means no limit."""

    steps: int
    cost_usd: float
    tokens: int
    wall_clock_s: float
    command_s: float  # one command
