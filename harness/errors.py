"""Every error that this package raises on purpose.

    DelmError
    ├── UserError              a mistake that the person at the keyboard can mend (exit code 2)
    │   └── StoreOutdated      an older delm made the store, and it was opened to be read only
    ├── SandboxError           one request to a sandbox was refused; the sandbox is fine
    │   ├── FileMissing        there is no such file in it
    │   └── FileTooLarge       a file or a patch has more bytes than may be read
    ├── SandboxUnavailable     the sandbox is gone or broken: infrastructure, never a failed command
    │   ├── ImageMissing       the image that it is made from is not on this machine
    │   ├── SandboxUnfit       it came up and is of no use; another one would be like it
    │   │   └── LeakFound      the audit of a new sandbox found what agents must not see
    │   └── SandboxLost        what commands did in it ended it: their outcome, no infrastructure
    ├── DocumentUnavailable    the text that an instance is about is gone: infrastructure
    ├── ModelError             a call that yielded no reply, after its retries
    │   ├── ModelRefused       retrying cannot help: authentication, unknown model, bad request
    │   │   └── EndpointRefused  whatever is asked there: a wrong key, no money left, no such model
    │   ├── ConversationRefused  this conversation cannot go on (a content filter); others can
    │   │   └── ContextOverflow  its prompt is longer than the model's context window
    │   └── ModelUnavailable   the provider failed or stayed away: infrastructure
    ├── LogUnreadable          the official parser fails on a test log: the submission's verdict
    ├── GradingUnavailable     what reads test logs is gone or cannot begin: infrastructure
    ├── StoreUnavailable       the run's store cannot be reached, read or written: infrastructure
    │   └── StoreFull          its disk has no room
    ├── TrialLost              the trial is another process's by now, or was cancelled
    ├── StoreConflict          a second of what there can be one of: nothing was written
    └── LimitReached           a budget (steps, dollars, tokens, wall clock) is used up
        └── AgentLimitReached  one agent's share of it; the others go on

A command that fails is no error: it is an `ExecResult`. A patch that resolves nothing is no error:
it is a `Verdict`.
"""


class DelmError(Exception):
    """The root of every error that this package raises on purpose."""


class UserError(DelmError):
    """A mistake that the user can mend; the message is one line that says what is wrong and how."""


class StoreOutdated(UserError):
    """An older delm made the store, and it was opened to be read only."""


class SandboxError(DelmError):
    """One request to a sandbox was refused (no such file, a path outside); the sandbox is fine."""


class FileMissing(SandboxError):
    """There is no file of that name in the sandbox."""


class FileTooLarge(SandboxError):
    """A file, or a patch, has more bytes than may be read."""


class SandboxUnavailable(DelmError):
    """The sandbox is gone or does not answer: infrastructure, never the command's failure."""


class ImageMissing(SandboxUnavailable):
    """The image of the sandbox is not on this machine; asking again does not bring it."""


class SandboxUnfit(SandboxUnavailable):
    """A new sandbox came up and cannot be used (no repository, a leak); another is no better."""


class LeakFound(SandboxUnfit):
    """The audit of a new sandbox found what agents must not see; the message says what."""


class SandboxLost(SandboxUnavailable):
    """What commands did in the sandbox ended it, or left it of no use: that is their outcome.

    The trial is not run again for it. What was not submitted before is lost.
    """


class DocumentUnavailable(DelmError):
    """The text that an instance is about cannot be read: infrastructure, no system's fault."""


class ModelError(DelmError):
    """A model call yielded no reply."""


class ModelRefused(ModelError):
    """The provider refused the call and would refuse it again."""


class EndpointRefused(ModelRefused):
    """The provider refuses whatever it is asked: key, money, permission or model; a run stops."""


class ConversationRefused(ModelError):
    """The provider refuses to go on with this conversation; other conversations are not concerned.

    What was done in it before stays done, and is graded.
    """


class ContextOverflow(ConversationRefused):
    """The prompt does not fit the model's context window."""


class ModelUnavailable(ModelError):
    """The provider failed or stayed away through every retry: infrastructure."""


class LogUnreadable(DelmError):
    """The official parser raises on a test log, or does not end; the message is one line.

    `repeats` False: the same log could be read on another day, or on another machine.
    """

    def __init__(self, message: str, *, repeats: bool = True) -> None:
        super().__init__(message)
        self.repeats = repeats


class GradingUnavailable(DelmError):
    """What reads test logs is gone or cannot begin: infrastructure, never the log's fault."""


class StoreUnavailable(DelmError):
    """The run's store cannot be reached, read or written: infrastructure."""


class StoreFull(StoreUnavailable):
    """The disk of the run's store has no room."""


class TrialLost(DelmError):
    """The trial is another process's, or was cancelled: this process ends it, and calls nothing."""


class StoreConflict(DelmError):
    """What was to be written is there already, or belongs to what is not there; nothing was."""


RUN_COST = "run_cost"
"""The `LimitReached.limit` of the whole run's dollars."""


class LimitReached(DelmError):
    """A budget is used up.

    `limit` names it: steps, cost, tokens, wall_clock or run_cost.
    """

    def __init__(self, limit: str, message: str) -> None:
        super().__init__(message)
        self.limit = limit


class AgentLimitReached(LimitReached):
    """One agent's share of its trial's budget is used up; the other agents go on.

    `limit` is agent_steps, agent_cost or agent_tokens.
    """


def leaf(error: BaseException) -> BaseException:
    """The first error inside nested exception groups; any other error is its own leaf."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
