"""What a recording holds, and whether that is what a replay is asked for."""

from collections.abc import Iterable, Sequence
from itertools import product

from harness.errors import UserError
from harness.model.replay import Recording

SHOWN = 4  # instances that a refusal names


def instances(recording: Recording, systems: Iterable[str]) -> set[str]:
    """The instances that it holds of every one of `systems`."""
    of = [{i for s, i in recording.keys() if s == system} for system in systems]  # noqa: SIM118
    return set.intersection(*of) if of else set()


def check(
    recording: Recording, systems: Sequence[str], instances: Sequence[str], trials: int
) -> None:
    """`UserError` for the first trial that it does not hold, with what it does hold."""
    there = {(key.system, key.instance_id, key.trial) for key in recording.calls}
    for system, instance, number in product(systems, instances, range(trials)):
        if (system, instance, number) not in there:
            raise UserError(
                f"the recording does not hold {system} on {instance}, trial #{number + 1}; it "
                f"holds {held(recording)}"
            )


def held(recording: Recording) -> str:
    """In words for a person: which systems on which instances, and how many trials of each."""
    trials: dict[str, dict[str, set[int]]] = {}
    for key in recording.calls:
        of_system = trials.setdefault(key.system, {})
        of_system.setdefault(key.instance_id, set()).add(key.trial)
    groups: dict[tuple[tuple[str, ...], int], list[str]] = {}
    for system, of_system in trials.items():
        most = max(len(numbers) for numbers in of_system.values())
        groups.setdefault((tuple(sorted(of_system)), most), []).append(system)
    words = [
        f"{' and '.join(systems)} on {_some(names)} (trials of each: {most})"
        for (names, most), systems in groups.items()
    ]
    return "; ".join(words) or "nothing"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
