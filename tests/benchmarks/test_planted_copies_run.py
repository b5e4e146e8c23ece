"""Copies come out as they have to under Django's and sympy's runners, with the gold patch."""

from random import Random

import anyio
import pytest
from console import bundled

from harness.benchmarks.swebench.guard.base_commit import read_base_commit
from harness.benchmarks.swebench.guard.guarded_run import Setting, guarded_run
from harness.benchmarks.swebench.guard.test_copies import copies_of
from harness.benchmarks.swebench.guard.test_functions import status_of, statuses_of
from harness.cache import cache_dir
from harness.config import SandboxConfig
from harness.sandbox.providers import choose

pytestmark = pytest.mark.slow(seconds=15)

DJANGO, SYMPY = "django__django-17087", "sympy__sympy-24443"  # the first has tests with docstrings
REPORT = "/tmp/.said"


@pytest.fixture(scope="module")
def items():
    return bundled(DJANGO, SYMPY)


@pytest.mark.parametrize("number", [0, 1])
def test_with_the_gold_patch_every_whole_copy_passes_and_ends_and_every_broken_one_fails(
    items, number
):
    planted, run = anyio.run(planted_and_run, items[number])
    reference = items[number].reference
    for test in (*reference.fail_to_pass, *reference.pass_to_pass):
        assert status_of(planted.renamed[test], run.statuses) == "PASSED", test
    for copy in planted.copies:
        said = statuses_of(copy.name, run.statuses)
        assert run.tokens.get(copy.begin), copy
        if copy.must_pass:
            assert (said, run.tokens.get(copy.token)) == ({"PASSED"}, 1), copy
        else:
            assert said <= {"FAILED", "ERROR"}, copy
            assert said, copy
            assert copy.token not in run.tokens, copy


async def planted_and_run(item):
    sandboxes = choose(
        SandboxConfig(kind="bubblewrap"), cache_dir(), [item], labels={}, grading_network=False
    )
    await sandboxes.prepare([item], print)
    reference = item.reference
    ((path, text),) = (await read_base_commit(sandboxes, item)).tests.items()
    planted = copies_of(
        text, path=path, fail_to_pass=reference.fail_to_pass, pass_to_pass=reference.pass_to_pass,
        log_parser=reference.log_parser, report=REPORT, random=Random(3),
    )  # fmt: skip
    setting = Setting(
        patch=reference.patch, files={path: planted.text}, put_back=(), report=REPORT,
        nonce="0" * 32, watched=(), timeout_s=600,
    )  # fmt: skip
    return planted, await guarded_run(sandboxes, item, setting)
