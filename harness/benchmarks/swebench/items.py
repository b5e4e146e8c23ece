"""A SWE-bench instance: the issue, and the gold patch and tests that only grading sees."""

from dataclasses import dataclass

from harness.types import Issue, Item, Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueReference(Reference):
    """The part of an issue that only grading sees, with swebench's names."""

    repo: str
    version: str = ""
    image: str = ""
    patch: str = ""
    test_patch: str = ""
    fail_to_pass: tuple[str, ...] = ()
    pass_to_pass: tuple[str, ...] = ()
    eval_script: str = ""
    log_parser: str = ""
    eval_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueItem(Item):
    """A SWE-bench instance."""

    instance: Issue
    reference: IssueReference
