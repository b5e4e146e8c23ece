"""What a benchmark is to the harness: the one place where benchmarks differ.

A benchmark of your own is a class that subclasses `Benchmark`. It has to give `name`, `reader`,
`grader` and `gold`; everything else has a default that fits patches and other text. A dataset's
file names it (`benchmark: katas:Katas`), and a system's file says `benchmark: katas`.
"""

import json
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from harness.benchmarks.checked_row import CheckedRow
from harness.benchmarks.row_files import Row
from harness.config import Config
from harness.errors import DelmError
from harness.protocols import Grader, Sandboxes
from harness.score.alternative_scores import Unstable
from harness.score.expected import Expected
from harness.score.published import Counterpart
from harness.score.rows import InstanceScore
from harness.system_files import CostBasis
from harness.text.text_table import Table
from harness.types import Item

ItemT = TypeVar("ItemT", bound=Item)
Reader = Callable[[Row], ItemT | None]
"""Reads one row of a dataset; None: the row is not asked. What is wrong with it raises `KeyError`
(a field is missing), pydantic's `ValidationError`, `BadRow`, or `UserError` that goes on after the
row's name."""
Offer = Literal["calibration", "leaderboard"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionForm:
    """The names of the fields in one row of a predictions file."""

    instance: str = "instance_id"
    submission: str = "model_patch"
    model: str = "model_name_or_path"  # empty: rows do not say whose they are


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """The groups of an instance in the score tables. Stored as `repo`, `difficulty`, `length`."""

    cluster: str = ""  # instances that are alike: of one repository, of one domain
    difficulty: str = ""
    length: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionFacts:
    """Facts of a submission for `submissions.csv`. None: not a patch."""

    answer: str = ""
    patch_files: str | None = None  # separated by blanks
    lines_added: int | None = None
    lines_removed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """What is printed below the table of a run: tables with titles, then lines."""

    tables: tuple[tuple[str, Table], ...] = ()
    lines: tuple[str, ...] = ()


class Benchmark(Protocol[ItemT]):
    """Loads instances, says what a system is shown, grades, and explains its table."""

    name: str
    """What systems' files and a run's record call it."""
    submission: str = "patch"
    """What a system hands in, in one word."""
    needs_sandbox: bool = True
    packages: tuple[str, ...] = ()
    """Distributions that grade: a run records their versions."""
    offers: frozenset[Offer] = frozenset()
    """What it can do beyond running and grading."""

    # -- rows ------------------------------------------------------------------------------------

    id_field: str = "instance_id"
    """Of a row of its datasets."""
    asked: str = ""
    """Which rows are asked, where others are left out: "of the domain …"."""

    def recognizes(self, row: Row) -> bool:
        """Whether a row of a dataset without a `benchmark` key belongs to this benchmark."""
        return False

    def own_dataset(self, name: str, cache: Path) -> Iterator[CheckedRow] | None:
        """The rows of a dataset that only this benchmark can read; None if `name` is not one."""
        return None

    @abstractmethod
    def reader(self, cache: Path) -> Reader[ItemT]:
        """A function that turns a row of one dataset into an item. It keeps large parts in
        `cache`."""
        ...

    # -- systems ---------------------------------------------------------------------------------

    def fits(self, made_for: str) -> bool:
        """Whether systems made for the benchmark `made_for` can run on this one."""
        return made_for == self.name

    def document(self, item: ItemT) -> str:
        """The document of an item. Blocking. Raises `DocumentUnavailable`."""
        raise DelmError(f"instances of {self.name} have no document")

    def asked_of(self, item: ItemT) -> str:
        """What an item asks, as a text for people who look at a run."""
        return item.instance.problem_statement

    # -- grading ---------------------------------------------------------------------------------

    @abstractmethod
    def grader(
        self, sandboxes: Sandboxes, config: Config, *, logs: Path, cache: Path | None
    ) -> Grader[ItemT]:
        """The grader. `logs` is a folder for its logs; with `cache` None it remembers no
        verdicts."""
        ...

    @abstractmethod
    def gold(self, item: ItemT) -> str:
        """The correct submission of an item."""
        ...

    def for_critics(self, item: ItemT) -> Mapping[str, str]:
        """What a critic of ended trials may see besides the gold submission, by name: the hidden
        tests and what runs them. No system is shown it."""
        return {}

    def empty(self, item: ItemT) -> str:
        """A submission that is graded, and is not resolved."""
        return ""

    async def leftovers(self, item: ItemT, sandboxes: Sandboxes, config: Config) -> Sequence[str]:
        """The files that running an item's tests leaves and that would be part of every
        submission. Raises what a sandbox raises."""
        return ()

    def meaning(self, key: str) -> str:
        """A flag of a verdict, or a check that was not possible, in words."""
        return key

    # -- before a run ----------------------------------------------------------------------------

    def expected(self, system: str, basis: CostBasis, items: Sequence[ItemT]) -> Expected | None:
        """The expected tokens of a system without an earlier run, from its `cost_basis`; None if
        unknown."""
        return None

    # -- predictions -----------------------------------------------------------------------------

    prediction_forms: tuple[PredictionForm, ...] = (PredictionForm(),)
    """Which rows a file of predictions may have; the first is written."""
    choices: tuple[str, ...] = ()
    """The submissions that there can be; empty: any text."""

    def prediction_line(self, trial: Row, submission: Row, model: str) -> str:
        """One graded submission as a line of JSON. `model` is the model name of its logs."""
        form = self.prediction_forms[0]
        row = {form.instance: submission["instance_id"], form.model: model}
        return json.dumps(row | {form.submission: submission["patch"]}) + "\n"

    # -- results ---------------------------------------------------------------------------------

    published: str = ""
    """Its name in results/reference/published.csv, whose rows stand beside ours in the table."""
    levels: tuple[str, ...] = ()
    """Difficulties and lengths in the order in which they are listed."""

    def groups(self, item: ItemT) -> Groups:
        """The groups of an item in the score tables."""
        return Groups(difficulty=item.instance.difficulty)

    def unstable(self, output: Path) -> Unstable | None:
        """Unstable tests by instance, from a file in the folder of runs; None if there is no
        file."""
        return None

    def submission_facts(self, submission: Row) -> SubmissionFacts:
        """Facts of a row of `Store.submissions`."""
        return SubmissionFacts()

    def footnotes(
        self, rows: Sequence[Row], beside: Sequence[Counterpart], facts: Mapping[str, Any]
    ) -> list[str]:
        """Lines below the table.

        `rows` are the rows of `table.csv`, `beside` the published rows in the table, `facts` is
        `Store.description`.
        """
        return []

    def breakdown(
        self, rows: Sequence[Row], scores: Sequence[InstanceScore], facts: Mapping[str, Any]
    ) -> Breakdown:
        """The tables and lines below the main table. `scores` are of instances that ran."""
        return Breakdown()
