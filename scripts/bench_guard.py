"""What the guard costs: guarded grading beside the official evaluation alone.

    python scripts/bench_guard.py [--quick]

Of each bundled instance an honest patch (gold, and a file of notes) is graded by the official
grader alone and with the guard, one after the other; then, with the guard, another one, for which
the gold patch need not be run again, and a patch that changes nothing. An evaluation is a run of
the instance's evaluation script; seconds are of the whole grading.
`--quick`: one instance of each test runner.

The last line is the figure. Exit code 1: a patch that resolves took more than five evaluations, one
that does not took more than one, or an honest one was not resolved.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import event_loop
from harness.benchmarks.rows import load
from harness.benchmarks.swebench.calibrate import NOTHING
from harness.benchmarks.swebench.grading import PatchGrader
from harness.cache import cache_dir
from harness.config import GradingConfig, SandboxConfig
from harness.sandbox.providers import choose
from harness.types import Item

QUICK = (
    "pallets__flask-5014", "django__django-16595", "sympy__sympy-24443",
)  # fmt: skip
MOST = 5  # evaluations of a patch that resolves
EVALUATION = "/bin/bash /eval.sh"
HEAD = """\
| instance | official s | guarded s | next s | ratio | next | evaluations | next | empty | outcome |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |"""
NOTES = """\
diff --git a/NOTES.rst b/NOTES.rst
new file mode 100644
--- /dev/null
+++ b/NOTES.rst
@@ -0,0 +1 @@
+What was changed.
"""


class Counted:
    """Sandboxes that count the evaluations in them."""

    def __init__(self, sandboxes: Any) -> None:
        self._sandboxes = sandboxes
        self.evaluations = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sandboxes, name)

    async def open(self, item: Item, *, purpose: str) -> Any:
        """A sandbox whose evaluations are counted."""
        return CountedSandbox(await self._sandboxes.open(item, purpose=purpose), self)


class CountedSandbox:
    """A sandbox that tells of the evaluations in it."""

    def __init__(self, sandbox: Any, counted: Counted) -> None:
        self._sandbox = sandbox
        self._counted = counted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sandbox, name)

    async def exec(self, command: str, **more: Any) -> Any:
        """Run a command, and count it where it is an evaluation."""
        self._counted.evaluations += command == EVALUATION
        return await self._sandbox.exec(command, **more)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The grading of one instance: seconds, and numbers of evaluations."""

    instance: str
    official_s: float
    guarded_s: float
    next_s: float  # of another patch, by the same grader
    resolves: int
    resolves_next: int
    resolves_not: int
    outcome: str
    flags: tuple[str, ...]
    unchecked: tuple[str, ...]

    @property
    def ratio(self) -> float:
        """How many times as long guarded grading takes, of the first patch of an instance."""
        return self.guarded_s / self.official_s

    @property
    def next_ratio(self) -> float:
        """The same of a further patch."""
        return self.next_s / self.official_s

    @property
    def right(self) -> bool:
        """Whether it cost no more than it may, and the honest patch counts."""
        return (
            self.outcome == "resolved"
            and max(self.resolves, self.resolves_next) <= MOST
            and self.resolves_not == 1
        )


async def measure(items: Sequence[Any], logs: Path) -> list[Measured]:
    """Grade, one instance after the other, each in fresh graders."""
    real = choose(
        SandboxConfig(kind="bubblewrap"), cache_dir(), items, labels={}, grading_network=False
    )
    await real.prepare(items, lambda said: print(said, file=sys.stderr))
    found = []
    for item in items:
        sandboxes: Any = Counted(real)
        plain, guarded = (
            PatchGrader(sandboxes, logs, None, GradingConfig(timeout_s=1800, guard=guard))
            for guard in (False, True)
        )
        patch = item.reference.patch.rstrip("\n") + "\n" + NOTES
        alone = await plain.grade(item, patch, model_name="alone")
        sandboxes.evaluations = 0
        whole = await guarded.grade(item, patch, model_name="guarded")
        resolves, sandboxes.evaluations = sandboxes.evaluations, 0
        more = await guarded.grade(
            item, patch.replace("was changed.", "was mended."), model_name="next"
        )
        resolves_next, sandboxes.evaluations = sandboxes.evaluations, 0
        await guarded.grade(item, NOTHING, model_name="nothing")
        found.append(
            Measured(
                instance=item.instance.instance_id,
                official_s=alone.seconds,
                guarded_s=whole.seconds,
                next_s=more.seconds,
                resolves=resolves,
                resolves_next=resolves_next,
                resolves_not=sandboxes.evaluations,
                outcome=whole.outcome,
                flags=whole.flags,
                unchecked=whole.unchecked,
            )
        )
        print(line(found[-1]), flush=True)
    return found


def line(one: Measured) -> str:
    """The line of the table about one instance."""
    said = ", ".join((*(one.flags or (one.outcome,)), *one.unchecked))
    return (
        f"| {one.instance} | {one.official_s:.1f} | {one.guarded_s:.1f} | {one.next_s:.1f} "
        f"| {one.ratio:.1f} | {one.next_ratio:.1f} | {one.resolves} | {one.resolves_next} "
        f"| {one.resolves_not} | {said} |"
    )


def main() -> int:
    """Measure, print the table, and say by the exit code whether the guard keeps to its bounds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one instance of each test runner")
    quick = parser.parse_args().quick
    items = [
        item
        for item in load("verified-offline", cache=cache_dir()).items
        if not quick or item.instance.instance_id in QUICK
    ]
    print(HEAD, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        found = event_loop.run(measure, items, Path(folder))
    ratios = [one.ratio for one in found]
    print(
        f"\n{len(found)} instances: guarded grading takes {statistics.median(ratios):.1f} times "
        f"the official evaluation alone in the median ({min(ratios):.1f} to {max(ratios):.1f}), "
        f"{statistics.median(one.next_ratio for one in found):.1f} times for a further patch, "
        f"{max(one.resolves for one in found)} evaluations at most of what resolves, "
        f"{max(one.resolves_not for one in found)} of what does not"
    )
    return int(not all(one.right for one in found))


if __name__ == "__main__":
    raise SystemExit(main())
