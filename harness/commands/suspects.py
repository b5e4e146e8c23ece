"""`delm ctl RUN suspects`: the passes that wait for a person's word, and what was said of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.commands.json_output import notes_console, print_json
from harness.commands.locate import find
from harness.errors import UserError
from harness.store.rows import SubmissionRow
from harness.terminal import one_line
from harness.text.counted import counted

SUSPECT = "suspect"
"""The flag of the guard on which a person has the last word."""


async def list_suspects(run: str, output: Path, *, as_json: bool = False) -> None:
    """Print each suspect pass of a run with the lines that make it so, as text or JSON."""
    folder = await find(run, output, as_json=as_json)
    async with folder.open() as store:
        rows = [row for row in await store.submissions() if SUSPECT in (row["flags"] or ())]
    if as_json:
        head = {"run": folder.run_id, "path": str(folder.path)}
        print_json(head | {"suspects": [_facts(row) for row in rows]})
        return
    out = notes_console(as_json=False)
    for line in _lines(folder.run_id, rows):
        out.print(one_line(line), highlight=False, markup=False, soft_wrap=True)


def trial_of(submissions: Sequence[SubmissionRow], number: str) -> int:
    """The `trial_id` of a submission by its number; `UserError` if there is none."""
    found = (row["trial_id"] for row in submissions if str(row["submission_id"]) == number)
    trial = next(found, None)
    if trial is None:
        raise UserError(f"there is no submission {number}; see the list: delm ctl RUN suspects")
    return trial


def _facts(row: SubmissionRow) -> dict[str, object]:
    return {
        "submission": row["submission_id"],
        "system": row["system"],
        "instance": row["instance_id"],
        "trial": row["trial"] + 1,
        "author": row["author"],
        "outcome": row["outcome"],
        "flags": row["flags"],
        "reason": row["grade_reason"],
        "looks": row["looks"],
    }


def _lines(run_id: str, rows: Sequence[SubmissionRow]) -> Iterator[str]:
    if not rows:
        yield f"no pass of {run_id} is suspect"
        return
    for row in rows:
        trial = f"{row['system']} on {row['instance_id']} #{row['trial'] + 1}"
        yield f"submission {row['submission_id']}: {row['author']} of {trial}: {row['outcome']}"
        yield f"  {row['grade_reason']}"
        yield from (f"  {look}" for look in row["looks"] or ())
    waiting = [row for row in rows if row["outcome"] != "resolved"]
    number = waiting[0]["submission_id"] if waiting else rows[0]["submission_id"]
    yield (
        f"{len(waiting)} of {counted(len(rows), 'suspect submission')} not counted as resolved; "
        f"after reading the lines: delm ctl {run_id} accept {number} --by NAME --reason TEXT"
    )
