"""Check that a recording holds what a replay needs."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product

from harness.errors import UserError
from harness.model.replay import Recording
from harness.system_files import system_config, system_names

SHOWN = 4  # instances that a refusal names


def instances(recording: Recording, systems: Iterable[str]) -> set[str]:
    """The instances that the recording holds for every one of `systems`."""
    of = [{i for s, i in recording.keys() if s == system} for system in systems]  # noqa: SIM118
    return set.intersection(*of) if of else set()


def submissions(recording: Recording) -> int:
    """The recorded number of submissions per instance.

    0 if systems or instances differ, or if a system is unknown.
    """
    counts = set()
    for name, numbers in _trials(recording).items():
        if name not in system_names():
            return 0
        agents = recording.header.agents.get(name, 1)
        wanted = 1 if system_config(name).submissions == "one" else agents
        counts |= {len(of_instance) * wanted for of_instance in numbers.values()}
    return counts.pop() if len(counts) == 1 else 0


def check(recording: Recording, trials: Mapping[str, int], instances: Sequence[str]) -> None:
    """Raise `UserError` for the first trial that the recording lacks; the message lists what it
    has.

    `trials` is the number of trials of each system per instance.
    """
    there = {(key.system, key.instance_id, key.trial) for key in recording.calls}
    for system, instance in product(trials, instances):
        number = next(
            (n for n in range(trials[system]) if (system, instance, n) not in there), None
        )
        if number is not None:
            raise UserError(
                f"the recording does not hold {system} on {instance}, trial #{number + 1}; it "
                f"holds {held(recording)}"
            )


def held(recording: Recording) -> str:
    """What the recording holds, in words: systems, instances, trials of each."""
    groups: dict[tuple[tuple[str, ...], int], list[str]] = {}
    for system, of_system in _trials(recording).items():
        most = max(len(numbers) for numbers in of_system.values())
        groups.setdefault((tuple(sorted(of_system)), most), []).append(system)
    words = [
        f"{' and '.join(systems)} on {_some(names)} (trials of each: {most})"
        for (names, most), systems in groups.items()
    ]
    return "; ".join(words) or "nothing"


def _trials(recording: Recording) -> dict[str, dict[str, set[int]]]:
    """The recorded trial numbers, by system and instance."""
    trials: dict[str, dict[str, set[int]]] = {}
    for key in recording.calls:
        of_system = trials.setdefault(key.system, {})
        of_system.setdefault(key.instance_id, set()).add(key.trial)
    return trials


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
