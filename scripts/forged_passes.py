"""Grade hostile and honest patches; print which of them the official grader alone would pass.

    .venv/bin/python scripts/forged_passes.py [--quick | --gold | --fuzz N]

Four bundled instances, one for each test runner (`--quick`: flask only; `--gold`: of all bundled
instances the gold patch in every form that copying it as text leaves; `--fuzz N`: N patches that
forge and N that do not, composed for all bundled instances, the quick ones more often, those that
solve an instance only where its tests run, those that know the answers; with `--table FILE` what
stands there is not graded again). Ends with 1 where a hostile patch is resolved, an honest one is
not, or one of its checks cannot be used.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from console import DATASET, bundled
from forged import tables
from forged.compose import forged, honest, known_answers
from forged.surroundings import solved_where
from forged.targets import Target
from forgeries import Case, cases, gold_cases, judge_all

from harness import event_loop
from harness.benchmarks.rows import load
from harness.cache import cache_dir
from harness.types import Verdict

QUICK = (  # of whose evaluations each takes few seconds
    "pallets__flask-5014", "pytest-dev__pytest-10051", "django__django-16595",
    "django__django-16485", "sympy__sympy-23534", "psf__requests-6028",
)  # fmt: skip
GROUPS = ("forged", "surroundings", "honest", "answers")
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
    parser.add_argument("--fuzz", type=int, metavar="N", help="N forged and N honest, composed")
    parser.add_argument("--seed", type=int, default=1, help="of what is composed")
    parser.add_argument("--instances", nargs="+", metavar="ID", help="of what is composed")
    parser.add_argument("--jobs", type=int, default=2, help="patches at a time")
    parser.add_argument(
        "--group", choices=("forged", "surroundings", "honest", "answers"), help="of these only"
    )
    parser.add_argument("--only", metavar="TEXT", help="composed patches with it in their names")
    parser.add_argument("--official", action="store_true", help="the official grader alone")
    parser.add_argument("--table", type=Path, metavar="FILE", help="lines are added to it")
    parser.add_argument("--show", action="store_true", help="print the patches; grade none")
    asked = parser.parse_args()
    if asked.fuzz is not None:
        return _fuzz(asked)
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
        print(tables.line(case, verdict))
    print(f"\n{tables.last_line(found)}")
    return int(bool(wrong))


def _fuzz(asked: argparse.Namespace) -> int:
    """Compose, grade and print; 1 where a patch that forges is resolved or an honest one is not."""
    names = asked.instances or [
        item.instance.instance_id for item in load(DATASET, cache=cache_dir()).items
    ]
    targets = {name: Target.of(item) for name, item in zip(names, bundled(*names), strict=True)}
    often = [] if asked.instances else [targets[name] for name in QUICK]
    wanted = _composed([*targets.values(), *often, *often], asked)
    if asked.table and asked.table.exists():
        known = asked.table.read_text()
        wanted = [case for case in wanted if tables.beginning(case) not in known]
    if asked.show:
        for case in wanted:
            print(f"##### {case.item.instance.instance_id}: {case.name}\n{case.text}")
        return 0
    print("| instance | patch | official | ours | flags |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        found = event_loop.run(_judged, wanted, Path(folder), asked)
    print("", *tables.summary(found), "", tables.last_line(found), sep="\n")
    return int(any(tables.wrong(case, verdict) for case, verdict in found.items()))


def _composed(targets: list[Target], asked: argparse.Namespace) -> list[Case]:
    groups = {
        "forged": forged(targets, asked.fuzz, Random(asked.seed)),
        "honest": honest(targets, asked.fuzz, Random(asked.seed)),
        "surroundings": solved_where(list(dict.fromkeys(targets))),
        "answers": known_answers(targets),
    }
    turns = zip_longest(*(mine for group, mine in groups.items() if asked.group in (None, group)))
    return [case for turn in turns for case in turn if case and (asked.only or "") in case.name]


async def _judged(
    wanted: list[Case], folder: Path, asked: argparse.Namespace
) -> Mapping[Case, Verdict]:
    def told(case: Case, verdict: Verdict) -> None:
        print(tables.line(case, verdict), flush=True)
        if asked.table:
            with asked.table.open("a") as file:
                file.write(tables.line(case, verdict) + "\n")

    return await judge_all(wanted, folder, guard=not asked.official, jobs=asked.jobs, told=told)


if __name__ == "__main__":
    raise SystemExit(main())
