"""What tests of exports share: one real run by replay, and its instance as rows of a dataset."""

import json
from dataclasses import dataclass
from pathlib import Path

from console import FINISH, FLASK, SOLVE, bash, bundled, recording
from console import delm_here as delm

from harness.types import Item

WRONG = bash("echo '# a comment' >> src/flask/blueprints.py")
HINTS = (
    "I had a look at this one: the blueprint should refuse such a name in its constructor, right "
    "before the check for dots, and a test next to the others would be welcome."
)


@dataclass(frozen=True)
class Played:
    """A run `one` in `output`: #1 solves the issue, #2 does not, #3 submits nothing."""

    output: Path
    item: Item
    rows: Path  # the instance as a row of a dataset, with hints

    @property
    def folder(self) -> Path:
        return self.output / "one"


def play(output: Path) -> Played:
    """Make the run; skips, in words, where it cannot be."""
    (item,) = bundled(FLASK)
    trials = [[bash("ls"), SOLVE, FINISH], [WRONG, FINISH], [bash("true"), FINISH]]
    recording(output / "answers.jsonl", trials)
    told = delm(
        "eval", "-m", f"replay:{output / 'answers.jsonl'}", "-k", "3", "--run-id", "one",
        "-o", output, "--yes",
    )  # fmt: skip
    assert told.code == 0, told.text
    assert "1 of 3" in told.out
    return Played(output, item, write_rows(output / "rows.jsonl", item))


def write_rows(path: Path, item: Item, **more: str) -> Path:
    """A file of one row in the form of swebench 5.x."""
    reference, instance = item.reference, item.instance
    row = {
        "instance_id": instance.instance_id,
        "repo": instance.repo,
        "base_commit": instance.base_commit,
        "problem_statement": instance.problem_statement,
        "version": instance.version,
        "patch": reference.patch,
        "test_patch": reference.test_patch,
        "FAIL_TO_PASS": json.dumps(reference.fail_to_pass),
        "PASS_TO_PASS": json.dumps(reference.pass_to_pass),
        "eval_script": reference.eval_script,
        "log_parser": reference.log_parser,
        "eval_type": reference.eval_type,
        "image": reference.image,
        "hints_text": HINTS,
        "created_at": "2023-03-04T18:36:21Z",
    }
    path.write_text(json.dumps(row | more) + "\n")
    return path
