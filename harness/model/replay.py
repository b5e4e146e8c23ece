"""Recordings of model calls, and the back end that answers from one.

A recording is JSON Lines: a header, then one line a call in any order.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.cache import write_beside
from harness.errors import (
    ContextOverflow,
    ConversationRefused,
    EndpointRefused,
    ModelError,
    ModelRefused,
    ModelUnavailable,
    UserError,
)
from harness.model import token_count
from harness.model.backend import Backend, CallKey
from harness.model.litellm_backend import LitellmBackend
from harness.model.prompt_hash import exact_hash, prompt_hash
from harness.model.replay_order import ReplayOrder
from harness.model.run_clock import RunClock
from harness.text.reply_json import reply_row
from harness.types import Message, Reply, ToolCall, Usage

PREFIX = "replay:"
_Shape = TypeVar("_Shape", bound=BaseModel)
_ERRORS: Mapping[str, type[ModelError]] = {
    kind.__name__: kind
    for kind in (
        ModelRefused,
        EndpointRefused,
        ConversationRefused,
        ContextOverflow,
        ModelUnavailable,
    )
}


class Header(BaseModel):
    """The first line of a recording."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["delm-recording-1"] = "delm-recording-1"
    model: str  # the model that was recorded: a replay is priced as this
    dataset: str
    created: str  # UTC
    note: str = ""
    prices_source: str = ""
    agents: dict[str, int] = {}  # of each system
    quick: list[str] = []  # instances that a replay runs where none are named; empty: all


class _Call(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    name: str
    arguments: str


class _Usage(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    system: str
    instance_id: str
    trial: int
    conversation: str
    position: int
    prompt_sha256: str
    content: str
    tool_calls: list[_Call] = []
    usage: _Usage = _Usage()
    finish_reason: str = ""
    opaque: dict[str, Any] = {}
    latency_s: float = 0.0
    error: str = ""
    began: int = 0
    ended: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCall:
    """One call as it was answered. `error` is set instead of a reply: "ErrorName: one line".

    `began` and `ended` number its moments among those of all calls of its trial; 0 is unknown.
    """

    key: CallKey
    prompt_sha256: str
    reply: Reply
    latency_s: float = 0.0
    error: str = ""
    began: int = 0
    ended: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """All calls of a run, by key."""

    header: Header
    calls: Mapping[CallKey, RecordedCall]

    def keys(self) -> list[tuple[str, str]]:
        """The pairs of system and instance that it holds, sorted."""
        return sorted({(key.system, key.instance_id) for key in self.calls})


def load_recording(path: Path) -> Recording:
    """Read and check a recording. `UserError` says in one line what is wrong, and where."""
    try:
        # Not splitlines(): a line of JSON may hold other line separators.
        lines = path.read_bytes().decode("utf-8").rstrip("\n").split("\n")
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8 text"
        raise UserError(f"{path}: cannot read the recording: {reason}") from None
    if not any(lines):
        raise UserError(f"{path}: the recording is empty")
    header = _read(Header, lines[0], path, 1)
    calls: dict[CallKey, RecordedCall] = {}
    for number, line in enumerate(lines[1:], start=2):
        call = _recorded(_read(_Line, line, path, number))
        if call.key in calls:
            raise UserError(f"{path}: line {number} records a call that an earlier line records")
        calls[call.key] = call
    return Recording(header=header, calls=calls)


def write_recording(path: Path, header: Header, calls: Iterable[RecordedCall]) -> None:
    """Write a recording beside `path` and rename it there, so that no half of one is ever seen."""
    lines = [header.model_dump_json(exclude=None if header.quick else {"quick"})]
    lines += [json.dumps(_plain(call), ensure_ascii=False, separators=(",", ":")) for call in calls]
    write_beside(path, "".join(f"{line}\n" for line in lines).encode())


class ReplayBackend:
    """Answers from a recording, by what a call is rather than by what it says.

    `on_mismatch` hears of the first call whose prompt is not the recorded one: the replay goes on,
    but what it answers was said to something else.
    """

    def __init__(self, recording: Recording, on_mismatch: Callable[[str], None]) -> None:
        self.name = PREFIX + recording.header.model
        self.recording = recording
        self.mismatches = 0
        self._on_mismatch = on_mismatch
        self.clock = RunClock()  # of the run
        moments = [(key, call.began, call.ended) for key, call in recording.calls.items()]
        self._turns = ReplayOrder(moments, clock=self.clock)

    async def warm_up(self) -> None:
        """Nothing to get ready."""

    def count_tokens(self, text: str) -> int:
        """As litellm counts for a model whose tokenizer it does not have."""
        return token_count.count(text)

    async def attempt(
        self,
        key: CallKey,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]],
        *,
        max_output_tokens: int,
        timeout_s: float,
    ) -> Reply:
        """The recorded reply, or the recorded error, at once: `turn` is when it may be given.

        `ModelRefused` for a call never recorded.
        """
        call = self.recording.calls.get(key)
        if call is None:
            raise ModelRefused(f"the recording holds no {_words(key)}")
        self._turns.begin(key)
        # what trials share is kept by its exact hash
        if call.prompt_sha256 not in (prompt_hash(messages, tools), exact_hash(messages, tools)):
            self.mismatches += 1
            if self.mismatches == 1:
                self._on_mismatch(
                    f"the prompt of {_words(key)} differs from the recorded one; replay continues"
                )
        if call.error:
            kind, _, message = call.error.partition(": ")
            raise _ERRORS.get(kind, ModelUnavailable)(f"in the recording: {message or kind}")
        return call.reply

    async def turn(self, key: CallKey) -> None:
        """Wait until what came before the end of this call in the recording has happened."""
        await self._turns.end(key)

    async def aclose(self) -> None:
        """Nothing to close."""


def backend_for(
    model: str,
    *,
    overrides: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    callbacks: Sequence[str] = (),
    on_mismatch: Callable[[str], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[Backend, str]:
    """What answers for `model`, and the name whose price holds.

    `replay:FILE` answers from a recording at the price of the model recorded there; every other
    name goes to its provider, `callbacks` hear of each call, and `say` what has to be asked
    otherwise than usual.
    """
    if model.startswith(PREFIX):
        recording = load_recording(Path(model.removeprefix(PREFIX)).expanduser())
        return ReplayBackend(recording, on_mismatch), recording.header.model
    backend = LitellmBackend(
        model, overrides=overrides, parameters=parameters, callbacks=callbacks, say=say
    )
    return backend, model


def _words(key: CallKey) -> str:
    return (
        f"call {key.position + 1} of {key.conversation} ({key.system} on {key.instance_id}, "
        f"trial #{key.trial + 1})"
    )


def _read(shape: type[_Shape], line: str, path: Path, number: int) -> _Shape:
    try:
        return shape.model_validate_json(line)
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        what = f"{where}: {said}" if where else said
        raise UserError(f"{path}: line {number} is no {_KINDS[shape]}: {what}") from None


_KINDS: Mapping[type[BaseModel], str] = {Header: "recording header", _Line: "recorded call"}


def _recorded(line: _Line) -> RecordedCall:
    return RecordedCall(
        key=CallKey(
            system=line.system,
            instance_id=line.instance_id,
            trial=line.trial,
            conversation=line.conversation,
            position=line.position,
        ),
        prompt_sha256=line.prompt_sha256,
        reply=Reply(
            content=line.content,
            tool_calls=tuple(ToolCall(**call.model_dump()) for call in line.tool_calls),
            usage=Usage(**line.usage.model_dump()),
            finish_reason=line.finish_reason,
            opaque=line.opaque,
        ),
        latency_s=line.latency_s,
        error=line.error,
        began=line.began,
        ended=line.ended,
    )


def _plain(call: RecordedCall) -> dict[str, Any]:
    plain = asdict(call.key) | {"prompt_sha256": call.prompt_sha256}
    plain |= reply_row(call.reply) | {"usage": asdict(call.reply.usage)}
    plain |= {"latency_s": call.latency_s, "began": call.began, "ended": call.ended}
    return plain | ({"error": call.error} if call.error else {})
