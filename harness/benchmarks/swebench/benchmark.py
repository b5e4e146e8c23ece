"""SWE-bench: issues of Python repositories, resolved by patches and graded by `swebench`."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.benchmarks.checked_row import CheckedRow
from harness.benchmarks.protocol import Benchmark, Groups, Offer, Reader, SubmissionFacts
from harness.benchmarks.row_files import BUNDLED, Row
from harness.benchmarks.swebench import rows as hub_rows
from harness.benchmarks.swebench.calibrate import FILE, NOTHING, read_unstable
from harness.benchmarks.swebench.dataset_facts import check_factsheet
from harness.benchmarks.swebench.expected import assumed
from harness.benchmarks.swebench.footnotes import footnotes
from harness.benchmarks.swebench.grading import PatchGrader, patch_facts
from harness.benchmarks.swebench.guard.flags import CHECKS, FLAGS
from harness.benchmarks.swebench.injected.instances import check_injected
from harness.benchmarks.swebench.injected.sheet import is_injected, sheet_of
from harness.benchmarks.swebench.items import IssueItem
from harness.benchmarks.swebench.joined import each_once, is_joined, joined_files
from harness.benchmarks.swebench.row_advice import leftovers
from harness.config import YAML, Config
from harness.protocols import Grader, Sandboxes
from harness.score.alternative_scores import Unstable
from harness.score.expected import Expected
from harness.score.measured import measured
from harness.score.published import SWE_BENCH, Counterpart
from harness.system_files import CostBasis
from harness.text import yaml_text
from harness.text.user_paths import user_path


class SweBench(Benchmark[IssueItem]):
    """See `harness.benchmarks.protocol.Benchmark`."""

    name = "swe-bench"
    packages = ("swebench",)
    offers = frozenset[Offer]({"calibration", "leaderboard"})
    published = SWE_BENCH
    levels = ("<15 min fix", "15 min - 1 hour", "1-4 hours", ">4 hours")

    def recognizes(self, row: Row) -> bool:
        """Any row that no other benchmark recognizes; the reader reports missing fields."""
        return True

    def own_dataset(self, name: str, cache: Path) -> Iterator[CheckedRow] | None:
        """The rows of a dataset file of facts; the files in configs/datasets by their names."""
        path = user_path(name)
        if path.suffix in YAML:
            return _rows(path, cache)
        bundled = BUNDLED / f"{name}.yaml"
        return _rows(bundled, cache) if "/" not in name and bundled.is_file() else None

    def reader(self, cache: Path) -> Reader[IssueItem]:
        """Rows of swebench 5.x, and classic ones that can be completed."""
        return hub_rows.reader()

    def grader(
        self, sandboxes: Sandboxes, config: Config, *, logs: Path, cache: Path | None
    ) -> Grader[IssueItem]:
        """The official package in fresh sandboxes, and the guard."""
        return PatchGrader(sandboxes, logs, cache, config.grading, config.sandbox.limits)

    def gold(self, item: IssueItem) -> str:
        """The gold patch."""
        return item.reference.patch

    def for_critics(self, item: IssueItem) -> Mapping[str, str]:
        """The tests' patch, and the script that runs the tests of the instance."""
        known = {
            "tests.patch": item.reference.test_patch,
            "eval.sh": item.reference.eval_script,
            "fail_to_pass.txt": "\n".join(item.reference.fail_to_pass),
        }
        return {name: text for name, text in known.items() if text}

    def empty(self, item: IssueItem) -> str:
        """A patch without an effect."""
        return NOTHING

    async def leftovers(
        self, item: IssueItem, sandboxes: Sandboxes, config: Config
    ) -> Sequence[str]:
        """What the tests leave in /testbed, such as compiled files."""
        return await leftovers(item, sandboxes, config.grading.timeout_s)

    def meaning(self, key: str) -> str:
        """A flag or check of the guard, in words."""
        return FLAGS.get(key) or CHECKS.get(key, key)

    def expected(
        self, system: str, basis: CostBasis, items: Sequence[IssueItem]
    ) -> Expected | None:
        """The measured tokens of the system, or of a similar one."""
        return assumed(system, basis, measured())

    def groups(self, item: IssueItem) -> Groups:
        """Repository and difficulty."""
        return Groups(cluster=item.instance.repo, difficulty=item.instance.difficulty)

    def unstable(self, output: Path) -> Unstable | None:
        """The results of `delm grade --calibrate`."""
        return read_unstable(output / FILE)

    def submission_facts(self, submission: Row) -> SubmissionFacts:
        """The files and lines of the patch."""
        facts = patch_facts(submission["patch"])
        if facts is None:
            return SubmissionFacts()
        return SubmissionFacts(
            patch_files=" ".join(facts.files),
            lines_added=facts.added,
            lines_removed=facts.removed,
        )

    def footnotes(
        self, rows: Sequence[Row], beside: Sequence[Counterpart], facts: Mapping[str, Any]
    ) -> list[str]:
        """The sources of the published rows, and the systems that were not run."""
        return footnotes(rows, beside, facts)


def _rows(path: Path, cache: Path) -> Iterator[CheckedRow]:
    """The rows of a dataset file, of whichever of the three kinds."""
    content = yaml_text.read(path)
    if is_joined(content):
        yield from each_once(_rows(each, cache) for each in joined_files(content, path))
    elif is_injected(content):
        yield from check_injected(path, sheet_of(content, path), cache)
    else:
        yield from check_factsheet(path, cache)
