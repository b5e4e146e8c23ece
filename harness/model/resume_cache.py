"""What earlier attempts at a trial have paid for: a trial that was cut is answered from it first.

The new attempt does everything again (its sandboxes are gone with the process that had them), and
asks the same as long as the commands print the same; so it comes to where it was cut for nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.model.backend import CallKey
from harness.model.replay_order import ReplayOrder
from harness.model.run_clock import RunClock
from harness.store.ledger import AnsweredRow, PaidRow, usage_of
from harness.text.reply_json import reply_of
from harness.types import Reply

PATIENCE_S = 10.0
_Place = tuple[str, int]  # a conversation, and the position in it


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidCall:
    """An answer, and the call that paid for it."""

    call_id: int
    prompt_sha256: str
    reply: Reply
    cost_usd: float | None


class ResumeCache:
    """The answered calls of a trial's earlier attempts, by their place.

    Where several attempts have an answer at the same place, the newest one's holds. A conversation
    whose prompt is another one than the one that was answered is asked anew from there on.
    """

    def __init__(
        self, trial: CallKey, rows: Sequence[PaidRow] = (), clock: RunClock | None = None
    ) -> None:
        """`rows` as `Store.paid` gives them; `trial` is any key of the trial."""
        self._calls: dict[_Place, PaidCall] = {}
        moments: list[tuple[CallKey, int, int]] = []
        # each attempt counts its moments from 1; what only an older one came to is later than all
        # that a newer one did
        newest, after, most = None, 0, 0
        for row in rows:
            if row["trial_id"] != newest:
                newest, after = row["trial_id"], after + most
                most = 0
            place = row["conversation"], row["position"]
            if place in self._calls:
                continue
            self._calls[place] = paid_call(row)
            began, ended = row["began"], row["ended"] or 0
            most = max(most, began, ended)
            moments.append((_key(trial, place), after + began, after + ended))
        self._trial = trial
        self._turns = ReplayOrder(moments, patience_s=PATIENCE_S, clock=clock)

    def __bool__(self) -> bool:
        return bool(self._calls)

    def answer(self, key: CallKey, prompt_sha256: str) -> PaidCall | None:
        """The answer to this prompt at this place, to be given when it is its `turn`; or None."""
        call = self._calls.get((key.conversation, key.position))
        if call is None:
            return None
        if call.prompt_sha256 != prompt_sha256:
            self._forget(key)
            return None
        self._turns.begin(key)
        return call

    async def turn(self, key: CallKey) -> None:
        """Wait until the answers before this one were given."""
        await self._turns.end(key)

    def _forget(self, key: CallKey) -> None:
        """The conversation goes another way from here on: nobody is to wait for it."""
        for conversation, position in list(self._calls):
            if conversation == key.conversation and position >= key.position:
                place = conversation, position
                del self._calls[place]
                self._turns.forget(_key(self._trial, place))


def _key(trial: CallKey, place: _Place) -> CallKey:
    return CallKey(
        system=trial.system,
        instance_id=trial.instance_id,
        trial=trial.trial,
        conversation=place[0],
        position=place[1],
    )


def paid_call(row: AnsweredRow) -> PaidCall:
    """The answer in a row of `Store.paid` or `Store.answered`."""
    return PaidCall(
        call_id=row["paid_call"],
        prompt_sha256=row["prompt_sha256"],
        reply=reply_of(row["reply"], usage_of(row)),
        cost_usd=row["cost_usd"],
    )
