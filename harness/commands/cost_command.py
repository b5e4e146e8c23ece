"""`delm cost` as the command line has it; nothing heavy is imported before it is called."""

from functools import partial
from pathlib import Path

from harness.commands import options


def cost(
    run: options.RunArgument,
    system: options.ShownSystems = None,
    output: options.Output = Path("results"),
    as_json: options.Json = False,
) -> None:
    """Tell where the money of a run went: by system, kind of work and cause; write it as CSV."""
    from harness import event_loop
    from harness.commands.cost import tell_cost

    event_loop.run(partial(tell_cost, run, system or [], output, as_json=as_json))
