"""How `delm eval` begins: what is going to happen, what it can cost, and whether that is wanted."""

import sys
from collections.abc import Sequence

from rich.console import Console

from harness.commands.compose import ModelParts
from harness.config import Config
from harness.errors import UserError
from harness.results.run_folder import RunFolder
from harness.runner.run import Contestant
from harness.score import last_attempts
from harness.text.counted import counted
from harness.types import Item


async def done_already(folder: RunFolder) -> int | None:
    """How many trials of the run are done; None where there is no such run yet."""
    if not folder.exists:
        return None
    async with folder.open() as store:
        done = [t for t in last_attempts(await store.trials()) if t["state"] == "done"]
        return len(done)


def announce(
    out: Console,
    config: Config,
    parts: ModelParts,
    contestants: Sequence[Contestant],
    items: Sequence[Item],
    folder: RunFolder,
    *,
    label: str,
    done: int | None,
) -> None:
    """Say what is going to happen and what it can cost."""

    def say(line: str) -> None:
        out.print(line, highlight=False, markup=False)

    trials = len(items) * sum(c.trials for c in contestants)
    systems = ", ".join(f"{c.trials} × {c.name}" for c in contestants)
    say(f"{label}: {counted(len(items), 'instance')} × ({systems}) = {counted(trials, 'trial')}")
    for contestant in contestants:
        if config.agents not in {0, contestant.agents}:
            say(
                f"note: {contestant.name} does not scale: it has "
                f"{counted(contestant.agents, 'agent')}, not {config.agents}"
            )
    submissions = len(items) * sum(c.trials * c.wanted for c in contestants)
    if parts.replay:
        say(f"model {parts.name}, replayed from a recording: nothing is sent, nothing is billed")
    else:
        say(f"model {parts.name}: {_most(config, parts, submissions)}")
        say(f"its calls go to {parts.endpoint}")
    counts = {c.name: c.trials * c.wanted for c in contestants}
    if len(set(counts.values())) > 1:
        numbers = ", ".join(f"{name} {count}" for name, count in counts.items())
        say(
            f"note: not the same budget per instance, by submissions: {numbers}; "
            "-c submissions=4 (make: ARGS) makes it the same"
        )
    say(f"results in {folder.path}{' (a new run)' if done is None else ''}")
    if done is not None:
        say(
            f"going on with {folder.run_id}: {done} of {counted(trials, 'trial')} "
            f"{'is' if trials == 1 else 'are'} done already"
        )


def _most(config: Config, parts: ModelParts, submissions: int) -> str:
    """What it can cost."""
    budget = config.budget
    bounds = [submissions * budget.cost_usd if budget.cost_usd else 0.0, budget.run_cost_usd]
    known = [bound for bound in bounds if bound]
    worst = f"at most ${min(known):.2f} in all" if known else "with no limit on dollars"
    if parts.price is None:
        worst = "its cost is unknown"
    dollars = f"${budget.cost_usd:.2f}" if budget.cost_usd else "any dollars"
    steps = counted(budget.steps, "step") if budget.steps else "any steps"
    return f"{counted(submissions, 'submission')}, at most {dollars} and {steps} for each, {worst}"


def agreed(out: Console) -> bool:
    """Whether the person at the terminal wants to pay; enter alone is no.

    Raises `UserError` where nobody is there to be asked.
    """
    if not (sys.stdin.isatty() and out.is_terminal):
        raise UserError(
            "a real model costs money, and there is no terminal to ask at; agree with --yes "
            "(make: YES=1)"
        )
    from rich.prompt import Confirm

    return Confirm.ask("Start?", default=False, console=out)
