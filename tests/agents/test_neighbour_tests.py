"""A patch keeps the repository's tests of what it changes: on a real sandbox of a tiny one."""

import pytest
from court import ADD, MEND, ONE_KIND, court_of

pytestmark = [pytest.mark.slow(seconds=20), ONE_KIND]
TESTS = """mkdir tests; cat > tests/test_core.py <<'E'
import unittest
from pkg.core import add
class T(unittest.TestCase):
    def test_keeps_a_number(self):
        self.assertEqual(add(5, 0), 5)
    def test_takes_away(self):
        self.assertEqual(add(3, 1), 2)
    def test_fails_anyway(self):
        self.assertEqual(add(3, 1), 17)
E
true"""
FIVE = "sed -i 's/return a - b/return 2/' pkg/core.py"


@pytest.fixture
async def court(sandbox, kind, tmp_path):
    async with court_of(sandbox, kind, tmp_path) as made, made.after(TESTS) as tested:
        yield tested


async def test_a_patch_that_breaks_tests_beside_it_names_them_or_is_refused(court):
    refused = await court.patch(await court.diff_of(FIVE))
    assert "fail with the patch: test_keeps_a_number (" in refused.reason, refused.reason
    assert "test_fails_anyway" not in refused.reason
    refused = await court.patch(MEND)
    assert "test_takes_away" in refused.reason
    assert "test_keeps_a_number" not in refused.reason
    court.issue = "The test test_takes_away is wrong by the issue."
    admitted = await court.patch(MEND)
    assert admitted.settled == "admitted", admitted.reason


async def test_new_tests_of_a_patch_do_not_stand_in_for_those_that_it_breaks(court):
    away = "printf 'import unittest\\nunittest.main = exit\\nprint(\"test_a (T) ... ok\")' "
    diff = await court.diff_of(f"{FIVE}; {away} > tests/conftest.py; {away} > tests/test_new.py")
    refused = await court.patch(diff, ADD)
    assert "test_keeps_a_number" in refused.reason, refused.reason
