"""The protocol of a backend, which answers prompts for the client."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from harness.errors import ModelUnavailable
from harness.types import Message, Reply, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class CallKey:
    """The key of a call, the same in every run of the same systems on the same instances."""

    system: str
    instance_id: str
    trial: int  # number of the trial among those of its system and instance
    conversation: str
    position: int  # index of the call in its conversation, from 0


class Transient(ModelUnavailable):
    """An attempt failed in a way that another attempt may mend. `usage` is what it cost anyway.

    `unsure`: the request was sent, and nobody can tell what of it is billed: no answer came, or one
    that cannot be read. `answered`: an answer came, is likely to be billed, and is of no use; it is
    not bought many times. `overloaded`: the provider has too many calls at this moment.
    `brief` says why in a few words, for who watches.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        usage: Usage | None = None,
        unsure: bool = False,
        answered: bool = False,
        overloaded: bool = False,
        brief: str = "",
    ) -> None:
        super().__init__(message)
        self.brief = brief or message[:60]
        self.retry_after_s = retry_after_s
        self.usage = usage or Usage()
        self.unsure = unsure
        self.answered = answered
        self.overloaded = overloaded


class Unreachable(Transient):
    """No connection was established: nothing was sent, and nothing is billed."""

    def __init__(self, message: str) -> None:
        super().__init__(message, brief="cannot connect")


class Backend(Protocol):
    """One way to get an answer. It does not handle budgets, ledgers or retries."""

    @property
    def name(self) -> str:
        """The name in the run's record."""
        ...

    async def warm_up(self) -> None:
        """Do slow initialization now, off the event loop. Optional."""
        ...

    async def attempt(
        self,
        key: CallKey,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]],
        *,
        max_output_tokens: int,
        timeout_s: float,
    ) -> Reply:
        """Ask once, for at most `timeout_s` seconds.

        Raises `Transient` when another attempt may help; else `ConversationRefused` (of which
        `ContextOverflow` is one) where only this conversation is refused, and `ModelRefused`.
        No message holds a key. A reply without usage has a `Usage` of zeros.
        """
        ...

    async def turn(self, key: CallKey) -> None:
        """Wait for the recorded turn of this call, after its last attempt. Only replays wait."""
        ...

    def count_tokens(self, text: str) -> int:
        """The number of the model's tokens in `text`."""
        ...

    async def aclose(self) -> None:
        """Close connections and end background work. Closing twice is closing once."""
        ...
