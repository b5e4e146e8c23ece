"""The forms of rows that are no `swebench` 5.x rows: what they are, and what can be done.

Rows of the classic form, up to `swebench` 4, lack how they are graded; the 5.x data sets have it.
Rows of other benchmarks are known by fields that no other has.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.benchmarks.row_files import Row, read_hub
from harness.errors import UserError

FIELDS_OF_5 = ("eval_script", "log_parser", "eval_type")
# data sets of the hub and their splits, the smallest first, in which an instance is looked up
COMPLETE = (
    ("SWE-bench/SWE-bench_Verified", "test"),
    ("SWE-bench/SWE-bench", "test"),
    ("SWE-bench/SWE-bench", "dev"),
    ("SWE-bench/SWE-bench_Multilingual", "test"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The rows of another benchmark. They have one of `some`, all of `every`, none of `lacks`."""

    name: str
    some: tuple[str, ...]
    every: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()

    def fits(self, row: Row) -> bool:
        """Whether a row has this form. A field without a value counts as absent."""
        there = {field for field, value in row.items() if value not in (None, "")}
        return bool(
            there.intersection(self.some)
            and there.issuperset(self.every)
            and there.isdisjoint(self.lacks)
        )


OTHERS = (
    Form(
        name="SWE-bench Pro",
        some=("dockerhub_tag", "before_repo_set_cmd", "selected_test_files_to_run",
              "issue_specificity"),
    ),
    Form(name="SWE-bench-Live", some=("test_cmds", "rebuild_cmds", "print_cmds")),
    Form(
        name="SWE-rebench V2",
        some=("image_name", "interface", "pr_description"),
        every=("install_config",),
    ),
    Form(name="SWE-rebench", some=("install_config",)),
    Form(name="Multi-SWE-bench", some=("fix_patch", "fixed_tests", "f2p_tests", "n2p_tests")),
    Form(name="R2E-Gym", some=("parsed_commit_content", "expected_output_json")),
    Form(name="SWE-smith", some=("image_name",), lacks=("test_patch",)),
)  # fmt: skip


def refusal(row: Row) -> str:
    """Why the row is not supported, although it is complete; empty if it is supported."""
    if _has_images(row.get("image_assets")):
        return (
            "is a row of SWE-bench Multimodal with image_assets; images are not shown to models "
            "or put into sandboxes here yet, so that it cannot be run"
        )
    if all(row.get(field) for field in FIELDS_OF_5):
        return ""  # whatever it was made from, it is a row of swebench 5.x now
    for form in OTHERS:
        if form.fits(row):
            return (
                f"is a row of {form.name}, which has images and a grader of its own; it cannot be "
                "graded here"
            )
    return ""


def _has_images(assets: Any) -> bool:
    """Whether `image_assets`, JSON text or an object of lists, names an image."""
    if isinstance(assets, str):
        try:
            assets = json.loads(assets) if assets else None
        except (ValueError, RecursionError):
            return True
    return any(assets.values()) if isinstance(assets, Mapping) else bool(assets)


def is_classic(row: Row) -> bool:
    """Whether the row is of `swebench` 4 or older and does not say how to grade it."""
    return "test_patch" in row and not any(row.get(field) for field in FIELDS_OF_5)


class Completion:
    """What the 5.x data sets have of instances, read from the hub once it is asked for."""

    def __init__(self) -> None:
        self._found: dict[str, Row] = {}
        self._left = list(COMPLETE)
        self._failure = ""  # asked once: a hub that cannot be reached takes its time

    def complete(self, row: Row) -> Row:
        """A classic row with the fields of 5.x that it lacks.

        Raises `UserError`, which goes on after the row's name: the data sets cannot be had, have no
        such instance, or another one of that name.
        """
        key = str(row.get("instance_id"))
        while key not in self._found and self._left and not self._failure:
            self._read(*self._left[0])
        if key not in self._found:
            raise UserError(
                f"is of the classic form, without {', '.join(FIELDS_OF_5)}; {self._why()}"
            )
        known = self._found[key]
        for field in ("base_commit", "test_patch"):
            if _plain(row.get(field)) != _plain(known.get(field)):
                raise UserError(
                    f"is of the classic form, and its {field} is not that of its row of swebench "
                    "5.x, whose eval_script is made for it"
                )
        lacking = {field: known.get(field) for field in (*FIELDS_OF_5, "image")}
        return {**row, **{field: row.get(field) or value for field, value in lacking.items()}}

    def _read(self, name: str, split: str) -> None:
        kept = (*FIELDS_OF_5, "image", "base_commit", "test_patch")
        try:
            for _, row in read_hub(name, split):
                fields = {field: row.get(field) for field in kept}
                self._found.setdefault(str(row.get("instance_id")), fields)
        except UserError as error:
            self._failure = str(error).partition("; ")[0]
        else:
            self._left.remove((name, split))

    def _why(self) -> str:
        names = ", ".join(dict.fromkeys(name for name, _ in COMPLETE))
        if self._failure:
            return (
                f"they are looked up by instance_id in {names}: {self._failure}; take rows of "
                "swebench 5.x"
            )
        return f"none of {names} has it"


def _plain(text: Any) -> str:
    return str(text or "").replace("\r\n", "\n").strip()
