"""The function that the name of a test means."""

import pytest

from harness.benchmarks.swebench.guard.test_functions import function_of


@pytest.mark.parametrize(
    ("name", "parser", "found"),
    [
        ("tests/a.py::T::test_b[x::y]", "parse_log_flask", ("tests/a.py", "T.test_b")),
        ("tests/a.py::test_b", "parse_log_sphinx", ("tests/a.py", "test_b")),
        ("test_b (m.n.T.test_b)", "parse_log_django", ("", "T.test_b")),
        ("test_b (m.n.T)", "parse_log_django", ("", "T.test_b")),
        ("It is said in words.", "parse_log_django", ("", "")),
        ("test_b", "parse_log_sympy", ("", "test_b")),
    ],
)
def test_a_tests_function_is_read_out_of_its_name(name, parser, found):
    assert function_of(name, parser) == found
