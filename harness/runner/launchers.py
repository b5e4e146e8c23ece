"""Work on the trials of a run in processes that something else places: one process a trial."""

from typing import Protocol

import anyio

from harness.errors import UserError
from harness.runner.stopping import OVER, StopCause, stopped_by
from harness.store.protocol import Store

LOOK_S = 1.0  # between two looks at what is placed


class Launcher(Protocol):
    """Places processes that each claim a trial of the run, work on it, and end."""

    def start(self, count: int) -> None:
        """Place so many more, each when there is room for it."""
        ...

    def stop(self) -> None:
        """Place none of those that wait for room any more."""
        ...

    async def running(self) -> int:
        """How many have not ended, those that wait for room included. `UserError`: one could not
        work at all."""
        ...

    async def aclose(self) -> None:
        """End what has not ended. What it had is taken over by whoever works on the run next."""
        ...


async def launch(store: Store, launcher: Launcher) -> tuple[str, StopCause]:
    """Have the trials of the run worked on until none is left, or until one of the processes ends
    for what stops all (`stopped_by`, whose words are given).

    What a process leaves behind when it dies waits again (`Run` sees to that) and gets another
    process. `UserError`: the processes end, and no trial does.
    """
    ended, fruitless = -1, 0
    stopped: tuple[str, StopCause] = ("", "")
    while (waiting := await _waiting(store)) and not stopped[0]:
        before, ended = ended, await _ended(store)
        fruitless = fruitless + 1 if ended == before else 0
        if fruitless > 1:
            raise UserError(
                f"processes were placed {fruitless + 1} times and ended without a trial; look at "
                "what they say where they run (ray: `ray logs`)"
            )
        launcher.start(waiting)
        running = 0
        while (now := await launcher.running()) or await store.others():
            if now != running and not stopped[0]:  # one has ended
                stopped = stopped_by(await store.trials())
                if stopped[0]:
                    launcher.stop()
            running = now
            await anyio.sleep(LOOK_S)
        stopped = stopped if stopped[0] else stopped_by(await store.trials())
    return stopped


async def _waiting(store: Store) -> int:
    """Trials that can be claimed."""
    return sum(
        trial["state"] == "waiting" or (trial["state"] == "grading" and trial["owner"] == "nobody")
        for trial in await store.trials()
    )


async def _ended(store: Store) -> int:
    return sum(trial["state"] in OVER for trial in await store.trials())
