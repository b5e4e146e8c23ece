"""What can be said of a row whose gold patch does not do what it should, or whose tests litter."""

import difflib
from collections.abc import Collection

import anyio

from harness.benchmarks.swebench.items import IssueItem, IssueReference
from harness.benchmarks.swebench.official import evaluation_script, run_script
from harness.protocols import Sandboxes
from harness.text.unified_diff import parse

SHOWN = 3  # names of tests


def unknown_tests(reference: IssueReference, output: Collection[str]) -> str:
    """Which tests of the row are not among those in the `output` of its tests, in words.

    Empty where all are, or where the output names no test.
    """
    listed = (*reference.fail_to_pass, *reference.pass_to_pass)
    unknown = [test for test in listed if test not in output]
    if not unknown or not output:
        return ""
    named = ", ".join(unknown[:SHOWN]) + (", …" if len(unknown) > SHOWN else "")
    near = difflib.get_close_matches(unknown[0], list(output), n=SHOWN, cutoff=0)
    there = ", ".join(near) + (", …" if len(output) > len(near) else "")
    return f"not in the tests' output: {named}; it has: {there}"


async def leftovers(item: IssueItem, sandboxes: Sandboxes, timeout_s: float) -> list[str]:
    """The files that running the tests leaves in a fresh sandbox and that a patch would hold.

    Those of the test patch are none. Raises what a sandbox raises.
    """
    sandbox = await sandboxes.open(item, purpose="grading")
    try:
        await run_script(sandbox, evaluation_script(item.reference), timeout_s)
        left = {file.path for file in parse(await sandbox.diff())}
    finally:
        with anyio.CancelScope(shield=True):
            await sandbox.close()
    return sorted(left - {file.path for file in parse(item.reference.test_patch)})
