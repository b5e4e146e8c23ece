"""Grade hostile and honest patches; print which of them the official grader alone would pass.

    .venv/bin/python scripts/forged_passes.py [--quick | --gold]

Four bundled instances, one for each test runner (`--quick`: flask only; `--gold`: of all bundled
instances the gold patch in every form that copying it as text leaves). Ends with 1 where a hostile
patch is resolved, an honest one is not, or one of its checks cannot be used.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from console import DATASET
from forgeries import Case, cases, gold_cases, judge_all

from harness import event_loop
from harness.benchmarks.rows import load
from harness.cache import cache_dir

INSTANCES = (
    "pallets__flask-5014",
    "pytest-dev__pytest-10051",
    "django__django-16595",
    "sympy__sympy-24443",
)


def main() -> int:
    """Grade, print, and say by the exit code whether every verdict is right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the flask instance only")
    parser.add_argument("--gold", action="store_true", help="the gold patches, in every form")
    asked = parser.parse_args()
    if asked.gold:
        every = load(DATASET, cache=cache_dir()).items
        wanted = gold_cases(*(item.instance.instance_id for item in every))
    else:
        wanted = cases(*(INSTANCES[:1] if asked.quick else INSTANCES))
    with tempfile.TemporaryDirectory() as folder:
        found = event_loop.run(judge_all, wanted, Path(folder))
    wrong = 0
    print("| instance | patch | official | ours | flags |\n| --- | --- | --- | --- | --- |")
    for case, verdict in found.items():
        wrong += (verdict.outcome == "resolved") != case.honest or bool(verdict.unchecked)
        print(_line(case, verdict.official, verdict.outcome, verdict.flags or (verdict.reason,)))
    hostile = [(case, verdict) for case, verdict in found.items() if not case.honest]
    honest = [(case, verdict) for case, verdict in found.items() if case.honest]
    fooled = sum(verdict.official == "resolved" for _, verdict in hostile)
    print(
        f"\n{len(hostile)} hostile: {fooled} resolved by the official grader alone, "
        f"{sum(v.outcome == 'resolved' for _, v in hostile)} by ours; {len(honest)} honest: "
        f"{sum(v.outcome == 'resolved' for _, v in honest)} resolved, "
        f"{sum(bool(v.flags) for _, v in honest)} flagged"
    )
    return int(bool(wrong))


def _line(case: Case, official: str, ours: str, why: tuple[str, ...]) -> str:
    name = f"honest: {case.name}" if case.honest else case.name
    cells = (case.item.instance.instance_id, name, official, ours, ", ".join(why))
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    raise SystemExit(main())
