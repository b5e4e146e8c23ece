"""The known benchmarks. To add one, add a folder beside this file and a line here."""

from collections.abc import Mapping
from typing import Any

from harness.benchmarks.longbench.benchmark import LongBench
from harness.benchmarks.protocol import Benchmark, Offer
from harness.benchmarks.row_files import Row
from harness.benchmarks.swebench.benchmark import SweBench
from harness.errors import UserError
from harness.text.import_string import PROGRAM, imported

BENCHMARKS: tuple[Benchmark[Any], ...] = (
    LongBench(),
    SweBench(),  # the last: it takes every row that no other recognizes
)


def find(name: str) -> Benchmark[Any]:
    """The benchmark of that name, or a user's own by its import string, such as `katas:Katas`.

    Raises `UserError` if there is none.
    """
    known = {benchmark.name: benchmark for benchmark in BENCHMARKS}
    if name in known:
        return known[name]
    if ":" not in name:
        raise UserError(
            f"there is no benchmark {name!r}; take {' or '.join(known)}, or the import string of "
            "one of your own, such as module:Class"
        )
    try:
        made: Benchmark[Any] = imported(name, f"benchmark {name}")()
    except PROGRAM as error:  # no class, or one that lacks a method
        raise UserError(f"benchmark {name}: {error}") from error
    return made


def of_run(facts: Mapping[str, Any]) -> Benchmark[Any]:
    """The benchmark of a run. `facts` is `Store.description`. Raises `UserError` if it is
    missing."""
    return find(facts.get("benchmark") or SweBench.name)


def of_row(row: Row) -> Benchmark[Any]:
    """The benchmark of a row whose dataset names none."""
    return next(benchmark for benchmark in BENCHMARKS if benchmark.recognizes(row))


def require(benchmark: Benchmark[Any], offer: Offer, what: str) -> None:
    """Raise `UserError` if the benchmark does not offer `what`."""
    if offer not in benchmark.offers:
        able = ", ".join(each.name for each in BENCHMARKS if offer in each.offers)
        raise UserError(
            f"{what} works only with datasets of {able}; these instances are of {benchmark.name}"
        )
