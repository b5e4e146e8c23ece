"""All composed proposals of a subject, or a sample of them."""

from collections.abc import AsyncIterator

from admission_cases.case import Case
from admission_cases.code_lies import code_lies
from admission_cases.form_lies import form_lies
from admission_cases.kind_lies import kind_lies
from admission_cases.kind_truths import kind_truths
from admission_cases.observed import Observed
from admission_cases.output_lies import output_lies
from admission_cases.patch_lies import patch_lies
from admission_cases.run_lies import run_lies
from admission_cases.truths import truths

ONE_OF = {
    "sample": {True: 3, False: 4},
    "verified-offline": {True: 8, False: 22},
}
"""By dataset: of so many true, and so many false ones, one is in the usual sample."""


async def composed(seen: Observed) -> AsyncIterator[Case]:
    """Those of a subject that are in its sample. The same for the same seed."""
    await seen.look()
    for make in (output_lies, code_lies, form_lies, kind_lies, patch_lies, run_lies, truths,
                 kind_truths):  # fmt: skip
        async for case in make(seen):
            yield case
