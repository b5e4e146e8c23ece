"""Read SWE-bench rows in the hub's form into items."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, StringConstraints, ValidationError

from harness.benchmarks.checked_row import BadRow, InstanceId, faults_of
from harness.benchmarks.row_files import Row
from harness.benchmarks.swebench.eval_script import eval_script
from harness.benchmarks.swebench.items import IssueItem, IssueReference
from harness.benchmarks.swebench.row_fields import IssueFields, LogParser, SomeTests, Tests
from harness.benchmarks.swebench.row_forms import FIELDS_OF_5, Completion, is_classic, refusal
from harness.errors import UserError
from harness.types import Issue

VERIFIED = "SWE-bench/SWE-bench_Verified"


def _fix(patch: str) -> str:
    if not patch.strip():
        raise ValueError("is empty; it is the fix (gold patch), with which the tests pass")
    return patch


class HubRow(IssueFields):
    """The fields of a swebench 5.x row that are read; `hints_text` and the rest are not."""

    instance_id: InstanceId
    repo: str
    base_commit: str
    problem_statement: str
    version: str
    patch: Annotated[str, AfterValidator(_fix)]
    test_patch: str
    FAIL_TO_PASS: SomeTests
    PASS_TO_PASS: Tests
    eval_script: Annotated[str, StringConstraints(min_length=1)]
    log_parser: LogParser
    eval_type: Literal["pass_and_fail", "fail_only"]
    image: str | None = None
    difficulty: str | None = None


def reader() -> Callable[[Row], IssueItem]:
    """What reads the rows of one dataset. A classic row is completed from the hub; one with a
    `test_command` gets an evaluation script that applies its test patch and runs that.

    It raises `BadRow`, or `UserError` that goes on after the row's name.
    """
    completion = Completion()

    def read(row: Row) -> IssueItem:
        if against := refusal(row):
            raise BadRow(against)
        own = _is_own(row)
        if own:
            row = _with_script(row)
            if not row.get("image"):
                raise BadRow("has no field image: the Docker image with the repository in /testbed")
        elif is_classic(row):
            row = completion.complete(row)
        try:
            return item_of(HubRow.model_validate(row))
        except ValidationError as error:
            faults = faults_of(error)
            raise BadRow(*(_of_own(faults) if own else _with_advice(faults))) from error

    return read


def _is_own(row: Row) -> bool:
    """Whether the row says how to grade it in the short form: `test_command` and `log_parser`."""
    if row.get("eval_script") or row.get("eval_type"):
        return False
    return bool(row.get("test_command") or (row.get("log_parser") and row.get("image")))


def _of_own(faults: tuple[str, ...]) -> tuple[str, ...]:
    """The faults of a row in the short form, in its own words."""
    either = "has no field test_command (or a complete eval_script)"
    return tuple(either if fault == "has no field eval_script" else fault for fault in faults)


def _with_script(row: Row) -> Row:
    """The row with an evaluation script made from its `test_command`. Raises `BadRow`."""
    own = {"version": "", "eval_type": "pass_and_fail", **row}
    if not row.get("test_command"):
        return own
    try:
        script = eval_script(str(row.get("test_patch") or ""), str(row["test_command"]))
    except UserError as error:
        raise BadRow(f"has a bad field test_patch: {error}") from error
    return own | {"eval_script": script}


def official_image(instance_id: str) -> str:
    """The published image of an instance whose row names none."""
    return f"swebench/sweb.eval.x86_64.{instance_id.lower().replace('__', '_1776_')}:latest"


def item_of(row: HubRow) -> IssueItem:
    """Split a row into the part that a system sees and the part that only grading sees."""
    image = row.image or official_image(row.instance_id)
    issue = Issue(
        instance_id=row.instance_id,
        repo=row.repo,
        base_commit=row.base_commit,
        problem_statement=row.problem_statement,
        version=row.version,
        image=image,
        difficulty=row.difficulty or "",
    )
    reference = IssueReference(
        instance_id=row.instance_id,
        repo=row.repo,
        version=row.version,
        image=image,
        patch=row.patch,
        test_patch=row.test_patch,
        fail_to_pass=row.FAIL_TO_PASS,
        pass_to_pass=row.PASS_TO_PASS,
        eval_script=row.eval_script,
        log_parser=row.log_parser,
        eval_type=row.eval_type,
    )
    return IssueItem(instance=issue, reference=reference)


def _with_advice(faults: tuple[str, ...]) -> tuple[str, ...]:
    """The faults; the first one about a field of swebench 5.x says that 5.x rows are needed."""
    of_5 = [f"field {field}" for field in FIELDS_OF_5]
    advice = "; rows of swebench 5.x are needed, which carry " + ", ".join(FIELDS_OF_5)
    for n, fault in enumerate(faults):
        if any(field in fault for field in of_5):
            return (*faults[:n], fault + advice, *faults[n + 1 :])
    return faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """Optional fields of a row. No run reads them, and no system may see the hints."""

    hints_text: str = ""  # what was said under the issue before it was mended
    created_at: str = ""  # ISO 8601


def asides(rows: Iterable[tuple[str, Row]]) -> dict[str, Aside]:
    """The optional fields of a dataset's rows, by instance."""
    return {
        str(row.get("instance_id")): Aside(
            hints_text=str(row.get("hints_text") or ""), created_at=str(row.get("created_at") or "")
        )
        for _, row in rows
    }
