"""The test files of an instance for the guard: with canaries, and with broken tests."""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.benchmarks.swebench.canaries import Canaries, break_tests, function_of, plant
from harness.benchmarks.swebench.items import IssueReference


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedTests:
    """Chosen once per instance, so that two patches are compared on the same tests."""

    canaries: Mapping[str, Canaries]  # by file
    broken_files: Mapping[str, str]  # the text of each file in which a test was broken
    broken: tuple[str, ...]  # the names of the tests that so can only fail

    @classmethod
    def of(cls, reference: IssueReference, tests: Mapping[str, str]) -> "PlantedTests":
        """For the test files `tests`, by path, and the tests that the instance expects to pass."""
        names = (*reference.fail_to_pass, *reference.pass_to_pass)
        expected = {name: function_of(name, reference.log_parser) for name in names}
        canaries: dict[str, Canaries] = {}
        files: dict[str, str] = {}
        broken: set[str] = set()
        for path, text in tests.items():
            mine = {name: f for name, (file, f) in expected.items() if file in ("", path) and f}
            there = break_tests(text, mine.values())
            if there is None or not there[1]:
                continue
            files[path] = there[0]
            broken |= {name for name, function in mine.items() if function in there[1]}
            added = plant(text, reference.log_parser)
            if added is not None:
                canaries[path] = added
        return cls(canaries=canaries, broken_files=files, broken=tuple(sorted(broken)))
