"""`delm cost` as the command line has it; nothing heavy is imported before it is called."""

from functools import partial
from pathlib import Path

from harness.commands import options


def cost(
    run: options.RunArgument,
    system: options.ShownSystems = None,
    instance: options.CostInstances = None,
    output: options.Output = Path("results"),
    as_json: options.Json = False,
) -> None:
    """Tell where the money of a run went: by system, kind of work, activity and cause; write it as
    CSV."""
    from harness import event_loop
    from harness.commands.cost import tell_cost

    tell = partial(tell_cost, run, system or [], output, instances=instance or [], as_json=as_json)
    event_loop.run(tell)
