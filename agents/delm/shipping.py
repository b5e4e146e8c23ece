"""When a trial that is to ship one patch may end."""

from collections.abc import Sequence

from agents.delm.candidates import SeatState, failures_of
from agents.delm.matrix import CrossCheck, checks_of
from agents.delm.team import DelmTrial
from harness.errors import SandboxUnavailable


async def ready_to_ship(team: DelmTrial) -> str:
    """The first seat whose finished patch stands, fails nothing and passes every admitted command
    that binds it; an empty string where there is none.

    Commands that were not run with it yet are run now, without a model. Raises `LimitReached`.
    """
    standing = await team.standing()
    admitted = {entry.label for entry in standing}
    for work in await team.works():
        if not work.finished or work.entry not in admitted or failures_of(work.entry, standing):
            continue
        try:
            if await _passes(team, work, checks_of(standing)):
                return work.seat
        except SandboxUnavailable:
            continue
    return ""


async def _passes(team: DelmTrial, work: SeatState, checks: Sequence[CrossCheck]) -> bool:
    refuted = await team.gate.refuted_by(work.entry)
    for check in checks:
        if check.label not in refuted:
            outcome = await team.matrix.outcome(work.patch, check)
            if not outcome.passed:
                return False
    return True
