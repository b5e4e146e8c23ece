"""What an output may say where one bit of the code decides it, and values of the same type."""

import collections
import datetime
from typing import Any

import pytest

from agents.admission.expected_output import varying_places
from agents.admission.own_words import TRACEBACK, Tools, computed, crashed, within_one_bit
from agents.sandbox_scripts.like_values import LIKE_VALUES
from agents.sandbox_scripts.other_returns import OTHER_RETURNS
from harness.types import ExecResult


@pytest.mark.parametrize(
    ("expected", "others", "within"),
    [
        ("wrong", ["right"], True),
        ("wrong", [""], True),
        ("7", [""], False),
        ("it is: False", ["it is: True"], True),
        ("it is: False 0 None", ["it is: other other other"], True),
        ("result: BAD", ["result: GOOD"], True),
        ("gives 31", ["gives 32"], False),
        ("it is wrong here", ["fine"], False),
        ("it is wrong here", ["all is right there"], False),
        ("it is wrong here", ["it is wrong here"], True),
        ("it is ... here", ["fine"], False),
        ("AssertionError", [""], True),
        ("1 failed", ["1 passed"], True),
        ("FAILED t.py::test_a - assert not True", ["1 passed"], True),
        ("FAILED t.py::test_a - AssertionError: it is five here", ["1 passed"], False),
        ("Failed: DID NOT RAISE <class 'ValueError'>", ["1 passed"], True),
        ("AssertionError: it is five here", [""], False),
    ],
)
def test_one_bit_is_said_in_a_word_or_by_the_tools(expected, others, within):
    actual = expected.replace("...", "wrong") + "\nit goes on"
    tools = Tools(ran=frozenset(("pytest",)))
    assert within_one_bit(expected, actual, others, tools) == within


@pytest.mark.parametrize(
    ("line", "tools", "within"),
    [
        ("1 failed, which is wrong", Tools(), False),
        ("1 failed, which is wrong", Tools(ran=frozenset(("python", "unittest"))), False),
        ("1 failed, which is wrong", Tools(ran=frozenset(("pytest",))), True),
        ("1 failed, which is wrong",
         Tools(ran=frozenset(("pytest",)), printed=["1 failed, which is wrong"]), False),
        ("1 failed, which is wrong",
         Tools(ran=frozenset(("pytest",)), printed=["\0 failed, which is wrong"]), False),
        ("1 failed, which is wrong",
         Tools(ran=frozenset(("pytest",)), text="write('1 failed, which is wrong')"), False),
        ("Ran 3 tests, all wrong", Tools(ran=frozenset(("unittest",))), True),
        ("File \"it is\", line 3, all wrong", Tools(), False),
        ("File \"it is\", line 3, all wrong", Tools(ran=frozenset(("python",))), True),
        ("itiswrongforallofthethingsthatare", Tools(), False),
        ("it_is_wrong", Tools(), False),
        ("it\xa0is: wrong", Tools(), False),
        ("it is by all the world and for ever and for everybody said: wrong", Tools(), False),
    ],
)  # fmt: skip
def test_a_line_of_a_tool_counts_where_the_tool_ran_and_words_are_short(line, tools, within):
    assert within_one_bit(line, line, [""], tools) == within


def test_words_beside_what_differs_from_run_to_run_are_the_codes():
    runs = [ExecResult(exit_status=0, output=f"/tmp/tmp{name} 35", output_bytes=0, seconds=1)
            for name in ("abcd", "efgh")]  # fmt: skip
    others = ["/tmp/tmpijkl 81", "/tmp/tmpmnop 74"]
    varying = varying_places(runs)
    assert computed("/tmp/tmpqrst 35", runs[0].output, others, varying)
    assert not computed("/tmp/tmpqrst 35", runs[0].output, [runs[1].output] * 2, varying)


@pytest.mark.parametrize(
    ("expected", "actual", "others", "by_code"),
    [
        ("5", "5", ["8123", "7451"], True),
        ("gives 5", "gives 5\nend", ["gives 8123\nend", "gives 7451\nend"], True),
        ("it is five here", "it is five here", ["it is not", "it is not"], False),
        ("it is five here", "5\nit is five here", ["81\nit is not", "74\nit is not"], False),
        ("it is five", "5\nit is five", [f"81\n{TRACEBACK}\nE: 81", f"7\n{TRACEBACK}\nE: 7"],
         False),
        ("E: 5", f"{TRACEBACK}\nE: 5", [f"{TRACEBACK}\nE: 81", f"{TRACEBACK}\nE: 74"], True),
        ("E: 5", f"{TRACEBACK}\nFile\nE: 5", [f"{TRACEBACK}\nE: 81", f"{TRACEBACK}\nE: 74"], True),
        ("last 5", "1\nlast 5", ["a\nb\nlast 81", "a\nb\nlast 74"], True),
        ("5", "5", ["8123", "8123"], False),
        ("5", "5", ["", ""], False),
        ("head\n5", "head\n5", ["head\n81", "head\n74"], True),
        ("it is five", "it is five", ["81\nit is five", "74\nit is five"], False),
        ("- 5", "- 5", ["- 81\n- 81", "- 74\n- 74"], True),
    ],
)  # fmt: skip
def test_words_are_the_codes_where_they_differ_for_each_value(expected, actual, others, by_code):
    assert computed(expected, actual, others, None) == by_code


@pytest.mark.parametrize(
    ("other", "by_error"),
    [
        ("TypeError: no", True),
        ("E   django.core.Boom: no\nE   KeyError: 1", True),
        ("AssertionError: 5", False),
        ("ValueError: as before", False),
        ("other123456789012Error: other", False),
        ("all is well", False),
    ],
)
def test_a_run_that_ends_by_a_new_error_tells_nothing(other, by_error):
    assert crashed("ValueError: first", other) == by_error


class Point:
    def __init__(self) -> None:
        self.x = "abc"


Pair = collections.namedtuple("Pair", "a b")


@pytest.fixture
def like() -> Any:
    names: dict[str, Any] = {}
    exec(LIKE_VALUES + OTHER_RETURNS, names)
    word = "other123"
    return names["like_maker"](
        3, word, lambda yes, equal=None: names["other_kind"](yes, equal, word)
    )


@pytest.mark.parametrize(
    "value",
    [5, -91, 10, 1.5, 1e16, 3 + 4j, "91s", "()", b"xy", [1, True], [False], (1, 2), (None,),
     {"b": [11, 2]}, {1, 2}, frozenset("a"), Pair(1, "x"), Point(),
     collections.OrderedDict(a=1)],
)  # fmt: skip
def test_another_value_is_of_the_same_type_and_as_true(like, value):
    made = like(value)
    assert isinstance(made, type(value))
    assert bool(made)
    assert made != value
    assert repr(made) != repr(value)


@pytest.mark.parametrize("value", [0, 0.0, "", [], {}, None, True, False, datetime])
def test_what_has_no_other_such_value_stays(like, value):
    assert like(value) is value


def test_what_has_no_simple_value_gives_an_object_that_equals_nothing(like):
    made = like(datetime.timedelta(3))
    assert made
    assert made != made
    assert f"{made.days + 1}" == "other123"


def test_what_is_looked_up_in_another_dictionary_is_still_found(like):
    made = like({"b": {"c": 5}})
    assert made["b"]["c"] == 8123
    assert "b" in made
    assert list(made) != ["b"]


@pytest.mark.parametrize(
    ("value", "instead"),
    [(5, 0), (0, 70916), ("a", ""), ("", "other123"), ([1], []), ((), ("other123",)), (True, False),
     (False, True), (None, 70916), ({"a": 1}, {}), (1.5, 0.0), (b"", b"other123"), (datetime,) * 2],
)  # fmt: skip
def test_a_turned_value_is_of_the_same_type_and_false_where_it_was_true(like, value, instead):
    assert like.turned(value) == instead
    assert value is None or type(like.turned(value)) is type(value)


def test_what_somebody_puts_into_an_object_stays_in_the_one_that_stands_in_for_it(like):
    made = like(datetime.timedelta(3))
    made.label, made["key"] = "five", "six"
    assert (made.label, made["key"]) == ("five", "six")
    assert made.other is made
    assert made["other"] is made
    point = like(Point())
    point.x = "five"
    assert point.x == "five"


def test_only_what_a_function_changed_itself_is_another_value(like):
    point, items, table = Point(), ["five", 1], {"a": "five", "b": 2}
    point.y = ["five"]
    states = [(each, like.state(each)) for each in (point, items, table)]
    point.z = "set"
    point.y.append("set")
    items[1] = 7
    table["b"] = 3
    for each in states:
        like.change(*each)
    assert (point.x, point.y[0], items[0], table["a"]) == ("abc", "five", "five", "five")
    assert point.z != "set"
    assert point.y[1] != "set"
    assert items[1] != 7
    assert table["b"] != 3


def test_an_object_is_changed_in_its_place(like):
    point, items = Point(), [1]
    like.change(point)
    like.change(items)
    assert point.x != "abc"
    assert items[0] != 1
