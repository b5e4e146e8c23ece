"""The first lines of `delm eval`: the plan, its maximum cost, and the confirmation."""

import select
import sys
from collections.abc import Sequence
from typing import TextIO, cast

from rich.console import Console

from harness.analysis.interventions import left_cancelled
from harness.commands.compose import ModelParts, most_output
from harness.config import Config
from harness.errors import UserError
from harness.model.first_call import PROMPT_BYTES
from harness.model.prices import worst_case
from harness.results.run_folder import RunFolder
from harness.runner.planning import RunSystem
from harness.score import last_attempts
from harness.text.counted import counted
from harness.types import Item


async def done_already(folder: RunFolder) -> int | None:
    """The number of finished trials of the run; None if it has none at all yet."""
    if not folder.exists:
        return None
    async with folder.open() as store:
        trials = await store.trials()
    return sum(t["state"] == "done" for t in last_attempts(trials)) if trials else None


async def settled(folder: RunFolder) -> int:
    """The number of trials that are done, or are not run again since people cancelled them."""
    if not folder.exists:
        return 0
    async with folder.open() as store:
        trials = await store.trials()
        held = left_cancelled(trials, await store.interventions())
    return len(held) + sum(t["state"] == "done" for t in last_attempts(trials))


def count_trials(items: Sequence[Item], run_systems: Sequence[RunSystem]) -> int:
    """The number of trials of a run."""
    return len(items) * sum(run_system.trials for run_system in run_systems)


def announce(
    out: Console,
    config: Config,
    parts: ModelParts,
    run_systems: Sequence[RunSystem],
    items: Sequence[Item],
    folder: RunFolder,
    *,
    label: str,
    done: int | None,
) -> None:
    """Print the plan and its maximum cost."""

    def say(line: str) -> None:
        out.print(line, highlight=False, markup=False)

    trials = count_trials(items, run_systems)
    systems = ", ".join(f"{c.trials} × {c.name}" for c in run_systems)
    say(f"{label}: {counted(len(items), 'instance')} × ({systems}) = {counted(trials, 'trial')}")
    for run_system in run_systems:
        if config.agents not in {0, run_system.agents}:
            say(
                f"note: {run_system.name} always has {counted(run_system.agents, 'agent')}; "
                f"--agents {config.agents} does not apply to it"
            )
    submissions = len(items) * sum(c.trials * c.wanted for c in run_systems)
    if parts.replay:
        say(f"model {parts.name}: replay of a recording; no requests are sent, it is free")
    else:
        say(f"model {parts.name}: {_most(config, parts, submissions)}")
        say(f"its calls go to {parts.endpoint}")
        if other := parts.verifier:
            say(f"findings are compared by {other.name}; its calls go to {other.endpoint}")
    counts = {c.name: c.trials * c.wanted for c in run_systems}
    if len(set(counts.values())) > 1:
        numbers = ", ".join(f"{name} {count}" for name, count in counts.items())
        say(
            f"note: budgets per instance differ, submissions: {numbers}; for equal budgets "
            "add -c submissions=4 (make: ARGS)"
        )
    say(f"results in {folder.path}{' (a new run)' if done is None else ''}")
    if done is not None:
        say(
            f"resuming {folder.run_id}: {done} of {counted(trials, 'trial')} "
            f"{'is' if trials == 1 else 'are'} done"
        )


def check_limit(config: Config, parts: ModelParts) -> None:
    """Raise `UserError` if the dollars of a submission do not cover the worst case of one call.

    Then no call could be sent, and every trial would end without a step.
    """
    limit, price = config.budget.cost_usd, parts.price
    if parts.replay or price is None or not limit:
        return
    output = most_output(config, price)
    worst = worst_case(PROMPT_BYTES, output, price)
    if worst > limit:
        raise UserError(
            f"the limit of ${limit:g} a submission (--cost-limit, budget.cost_usd) does not pay "
            f"for one call (worst case ${worst:.4f}: {output} output tokens × "
            f"${price.output * 1e6:g}/M and a short prompt); raise it, or lower "
            "model.max_output_tokens (-c model.max_output_tokens=…)"
        )


def _most(config: Config, parts: ModelParts, submissions: int) -> str:
    """The maximum cost, in words."""
    budget = config.budget
    bounds = [submissions * budget.cost_usd if budget.cost_usd else 0.0, budget.run_cost_usd]
    known = [bound for bound in bounds if bound]
    worst = f"at most ${min(known):.2f} in all" if known else "no dollar limit"
    if parts.price is None:
        worst = "the cost is unknown"
    dollars = f"${budget.cost_usd:.2f}" if budget.cost_usd else "any dollars"
    steps = counted(budget.steps, "step") if budget.steps else "any steps"
    return f"{counted(submissions, 'submission')}, at most {dollars} and {steps} each; {worst}"


def agreed(out: Console) -> bool:
    """Ask the user to confirm; Enter alone means no.

    Raises `UserError` without a terminal.
    """
    if not (sys.stdin.isatty() and out.is_terminal):
        raise UserError(
            "a real model costs money, and this is not a terminal; confirm with --yes (make: YES=1)"
        )
    from rich.prompt import Confirm

    return Confirm.ask("Start?", default=False, console=out, stream=cast("TextIO", _Terminal()))


class _Terminal:
    """What the user types, without a Ctrl-C that is lost: `input` does not see one that comes
    while it gets ready to read."""

    def readline(self) -> str:
        """The next line without its end. Looks for signals five times a second."""
        while not select.select([sys.stdin], [], [], 0.2)[0]:
            pass
        return sys.stdin.readline().rstrip("\r\n")
