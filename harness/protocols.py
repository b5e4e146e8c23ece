"""The seams: what an agent may rely on, and what a back end must promise."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

from harness.board.protocols import SharedContext, TaskQueue
from harness.types import Activity, ExecResult, Instance, Item, Limits, Message, Reply, Verdict

ItemT_contra = TypeVar("ItemT_contra", bound=Item, contravariant=True)


class Sandbox(Protocol):
    """One instance's private machine with the repository at `/testbed`. One command at a time.

    Every method raises `SandboxUnavailable` when the machine is gone or broken, and never returns
    that as a command's result. Cancelling a call kills what it started.
    """

    async def exec(
        self,
        command: str,
        *,
        timeout_s: float = 60,
        cwd: str = "/testbed",
        env: Mapping[str, str] | None = None,
        max_output_chars: int = 16_000,
    ) -> ExecResult:
        """Run `command` with bash and wait for it.

        When it ends, for whatever reason, everything that it started is dead. Its standard input
        is empty. `cwd` is taken from `/testbed`; where it is no folder the exit status is 126.
        At `timeout_s` seconds it is killed and what it had written is kept.
        """
        ...

    async def read(self, path: str, *, max_bytes: int = 10_000_000) -> bytes:
        """The bytes of a file. `FileMissing`, `FileTooLarge`; `SandboxError`: not a file, or under
        `/testbed` by name but outside it by its links."""
        ...

    async def write(self, path: str, data: bytes) -> None:
        """Make or replace a file, its folders included. `SandboxError` as for `read`."""
        ...

    async def diff(self) -> str:
        """All that differs from the base commit, new files included, as a binary git patch.

        It ends with a newline, or is empty. It is what the regular files and links are, less what
        is ignored, was there at the start, or stands in `left_out`. It does not depend on the
        index, on commits made since, or on the repository inside at all.
        """
        ...

    @property
    def left_out(self) -> Sequence[str]:
        """The paths that differ and that the last `diff` left out: no patch of them would apply."""
        ...

    async def fork(self) -> "Sandbox":
        """Another sandbox whose files are as they are here now. Each is closed on its own."""
        ...

    async def close(self) -> None:
        """Kill everything inside and leave nothing behind. Closing twice is closing once."""
        ...


class Model(Protocol):
    """One conversation with one model, on one trial's budget."""

    async def complete(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]
    ) -> Reply:
        """Ask once. The reply is in the ledger before this returns.

        Raises `LimitReached` before anything is sent when the budget does not cover the worst case
        of the call, and a `ModelError` when there is no reply.
        """
        ...


class CheckCache(Protocol):
    """Answers that were found by executing something in a clean sandbox of one image."""

    async def recall(self, key: str) -> str | None:
        """What was kept under `key`, by this trial or an earlier one; None where nothing was."""
        ...

    async def keep(self, key: str, text: str) -> None:
        """Keep an answer that the same question would get again."""
        ...


class Trial(Protocol):
    """What the harness lends a system for one instance."""

    @property
    def instance(self) -> Instance:
        """What is to be solved."""
        ...

    @property
    def agents(self) -> int:
        """How many agents the trial has."""
        ...

    @property
    def agent_tools(self) -> Sequence[str]:
        """The tools, of `WORKSPACE_TOOLS`, with which every agent of any system works in its
        sandbox. What a system adds is for coordination only."""
        ...

    @property
    def limits(self) -> Limits:
        """Its budget."""
        ...

    @property
    def cores(self) -> int:
        """How many processors there are to run commands on."""
        ...

    def model(self, conversation: str, *, agent: str = "", shared: bool = False) -> Model:
        """The model on the trial's budget. `conversation` is unique in the trial and stable across
        runs: recordings are keyed by it. `agent` is who speaks. Where each agent makes a submission
        of its own, all its conversations together have no more than its equal share. `shared`: what
        it asks depends on the document alone, and an answer that another trial of the run was given
        to the same prompt is taken instead of being bought again."""
        ...

    def verifier(self, conversation: str, agent: str) -> Model:
        """The model that compares findings of `agent` with their evidence: `model.verifier` of the
        configuration, by default the run's own. On the trial's budget, as `model`."""
        ...

    def budget_left(self, agent: str) -> float:
        """What is left of `agent`'s share of the steps, tokens or dollars: of the one that is used
        up first, from 1 to 0. Calls under way are not counted."""
        ...

    def doing(self, agent: str, what: Activity) -> AbstractAsyncContextManager[None]:
        """Keep in the trial's time line that `agent` was busy with `what` inside this block.

        Whatever way the block ends. Time with the model need not be said: it is in the ledger.
        """
        ...

    async def sandbox(self) -> Sandbox:
        """A sandbox in the instance's pristine state, which the trial closes at its end.

        Its commands, and those of its forks, are on the trial's wall clock: `exec` raises
        `LimitReached` where that is used up, or ends a command before `timeout_s`.
        """
        ...

    async def document(self) -> str:
        """The text that the instance is about.

        Raises `DocumentUnavailable` where it cannot be read; what the benchmark has no documents
        for is a mistake of the system.
        """
        ...

    async def say(self, conversation: str, *messages: Message) -> None:
        """Put messages into the trajectory of `conversation`, in order."""
        ...

    @property
    def queue(self) -> TaskQueue:
        """Its tasks."""
        ...

    @property
    def context(self) -> SharedContext:
        """What its agents know of each other's findings."""
        ...

    @property
    def check_cache(self) -> CheckCache:
        """What was executed before in clean sandboxes of this instance."""
        ...

    def count_tokens(self, text: str) -> int:
        """How many tokens of the model `text` has."""
        ...

    @property
    def context_tokens(self) -> int:
        """How many tokens a prompt of the model may have; 0 where nobody knows."""
        ...

    async def submit(
        self,
        author: str,
        submission: str,
        *,
        reason: str,
        salvaged: bool = False,
        agent: str = "",
        built_on: str = "",
        copy_of: str = "",
    ) -> None:
        """Hand in `author`'s one submission: a patch, or what the benchmark asks for else.

        A second one of the same author is refused.

        `agent` is whose work it was in the end, where that is not the author. `built_on` and
        `copy_of` are the label of another author's patch that it contains, or is: then it is no
        independent submission.
        """
        ...

    async def select(self, author: str, reasons: Sequence[str]) -> None:
        """Say, once, which submission should be shipped, and why."""
        ...


class Critique(Trial, Protocol):
    """What the harness lends a critic: a fresh sandbox, and an ended trial that is to be labelled.

    Texts of that trial are data: whoever wrote them may want another label.
    """

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels that can be given, and what each means."""
        ...

    @property
    def overview(self) -> Sequence[tuple[str, str]]:
        """What there is to judge: texts with the place or the heading of each, some cut."""
        ...

    @property
    def files(self) -> Mapping[str, str]:
        """Texts that are to lie in the sandbox, by path: patches, and what runs the tests."""
        ...

    @property
    def sandboxed(self) -> bool:
        """Whether the instance has a sandbox."""
        ...

    def read(self, place: str) -> str | None:
        """The whole text of a place; None if there is no such place."""
        ...

    def note_check(self, command: str, output: str) -> str:
        """Keep the output of a command as a place that can be quoted; the name of the place."""
        ...

    async def label(
        self, label: str, confidence: float, comment: str, evidence: Sequence[Mapping[str, str]]
    ) -> str:
        """Give the trial its one label. `evidence` has `place` and `quote`. Empty: it stands; else
        what is wrong with it, and nothing was written."""
        ...


class System(Protocol):
    """One way of solving an instance.

    It is made with its options as arguments. What these may be says its `Options`, a pydantic
    model; without one, the arguments of `__init__` and their types.

    One that is another's work names its distribution as `package`: a run records its version. One
    that reads prompts or settings from files of its own names their paths as `files`: a run records
    their hashes.
    """

    async def run(self, trial: Trial) -> None:
        """Work on `trial` until everything wanted is submitted.

        Raises what it cannot deal with: `LimitReached` and `ModelError` after salvaging what there
        is, `SandboxUnavailable` at once.
        """
        ...


@runtime_checkable
class JoinableSystem(System, Protocol):
    """A system whose agents may be in several processes, on any machines.

    What they know of each other is on the trial's board, which all of them see.
    """

    async def join(self, trial: Trial, agents: Sequence[str]) -> None:
        """Let agents of these names work on a trial that another process runs, until its queue is
        closed. `trial.agents` counts that one's. It submits nothing; raises what `run` does."""
        ...


class Grader(Protocol[ItemT_contra]):
    """What says whether submissions are right, of one benchmark's items."""

    async def grade(self, item: ItemT_contra, submission: str, *, model_name: str) -> Verdict:
        """The verdict on `submission`, which the logs say is `model_name`'s. What fails for
        infrastructure is a verdict, too: its outcome is `error`."""
        ...


class OpenedSandbox(Sandbox, Protocol):
    """A sandbox as `Sandboxes.open` gives it."""

    audit: str  # what the audit at the start found; "ok", or empty where none was made


class Sandboxes(Protocol):
    """One kind of sandbox on this machine."""

    @property
    def kind(self) -> str:
        """docker, bubblewrap, or none."""
        ...

    async def prepare(self, items: Sequence[Item], say: Callable[[str], None]) -> None:
        """Get ready whatever `open` needs for `items`: pull images, build environments.

        What is pulled only when it is needed is looked at as far as that costs nothing.
        Raises `UserError` when that cannot be done; `say` is told what is going on, later too.
        """
        ...

    def holding(self, item: Item) -> AbstractAsyncContextManager[None]:
        """What `item` needs is here when the block begins, and stays as long as it lasts.

        That can take as long as a download, or as others use the room for it. Raises
        `SandboxUnavailable` where it cannot be had.
        """
        ...

    def fingerprint(self, item: Item) -> str:
        """Names the content that the sandboxes of an item are made from, while it is held."""
        ...

    async def open(self, item: Item, *, purpose: Literal["agents", "grading"]) -> OpenedSandbox:
        """A new sandbox of an item that is held. For agents the history is scrubbed and the audit
        passed.

        Raises `SandboxUnavailable`, also when the audit finds a leak and leaks are refused.
        """
        ...

    def close(self) -> None:
        """Let go of connections. Afterwards nothing is opened any more; what is open stays."""
        ...
