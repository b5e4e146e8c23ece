"""Grades hostile and honest patches, two at a time."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
from console import FLASK, bundled, tree_of
from hostile_patches import honest_flask, honest_others, hostile_flask, hostile_others

from harness.benchmarks.swebench.grading import PatchGrader
from harness.cache import cache_dir
from harness.config import GradingConfig, SandboxConfig
from harness.sandbox.providers import choose
from harness.types import Item, Verdict

FORMS = {  # of a patch: as it is, and as it may come out where it was copied as text
    "as it is": lambda text: text,
    "without the final newline": lambda text: text.rstrip("\n"),
    "with CRLF": lambda text: text.replace("\n", "\r\n"),
    "blank context without its space": lambda text: re.sub(r"(?m)^ $", "", text),
}


@dataclass(frozen=True, eq=False)
class Case:
    """A patch, and whether it solves its instance."""

    item: Item
    name: str
    text: str
    honest: bool
    parts: tuple[str, ...] = ()  # where it was composed


def cases(*instances: str) -> list[Case]:
    """The hostile and the honest patches of these bundled instances."""
    found = []
    for item in bundled(*instances):
        tree, reference = tree_of(item), item.reference
        if reference.instance_id == FLASK:
            hostile = hostile_flask(tree, reference)
            honest = honest_flask(tree, reference.patch)
        else:
            hostile = hostile_others(reference.instance_id, tree)
            honest = honest_others(reference.instance_id, tree, reference.patch)
        found += [Case(item, name, text, False) for name, text in hostile.items()]
        found += [Case(item, name, text, True) for name, text in honest.items()]
    return found


def gold_cases(*instances: str) -> list[Case]:
    """The gold patch of each of these bundled instances in every form."""
    return [
        Case(item, f"gold {name}", form(item.reference.patch), True)
        for item in bundled(*instances)
        for name, form in FORMS.items()
    ]


async def judge_all(
    wanted: Sequence[Case],
    logs: Path,
    *,
    guard: bool = True,
    jobs: int = 2,
    told: Callable[[Case, Verdict], object] = lambda case, verdict: None,
) -> dict[Case, Verdict]:
    """The verdict on each, in their order; `told` hears of each as it comes."""
    items = list({case.item.instance.instance_id: case.item for case in wanted}.values())
    sandboxes = choose(
        SandboxConfig(kind="bubblewrap"), cache_dir(), items, labels={}, grading_network=False
    )
    await sandboxes.prepare(items, print)
    grader = PatchGrader(sandboxes, logs, None, GradingConfig(timeout_s=600, guard=guard))
    found: dict[Case, Verdict] = {}

    async def judge(case: Case, number: int) -> None:
        async with limiter:
            found[case] = await grader.grade(case.item, case.text, model_name=f"m{number}")
            told(case, found[case])

    limiter = anyio.CapacityLimiter(jobs)
    async with anyio.create_task_group() as tasks:
        for number, case in enumerate(wanted):
            tasks.start_soon(judge, case, number)
    return {case: found[case] for case in wanted}
