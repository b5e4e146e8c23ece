"""A failure is the attempt's or what the issue asks for; a constraint pins no fault: on a real
sandbox."""

import pytest
from court import ADD, MEND, ONE_KIND, Court, court_of

pytestmark = [pytest.mark.slow(seconds=25), ONE_KIND]
PINS = ADD.replace("== 2", "== 0")
NEGATIVE = "python -c 'from pkg.core import add; assert add(5, -1) == 4'"
UNEXPECTED = "TypeError: add() got an unexpected keyword argument 'base'"
OTHER = "diff --git a/pkg/core.py b/pkg/core.py\n" + MEND.replace("a + b", "abs(a) + abs(b)")


@pytest.fixture
async def court(sandbox, kind, tmp_path):
    async with court_of(sandbox, kind, tmp_path) as made:
        yield made


def failing(command: str, **more: str) -> dict[str, object]:
    return {
        "form": "command",
        "command": command,
        "exit_status": 1,
        "output": "AssertionError",
        **more,
    }


async def test_a_failure_of_an_attempt_passes_at_base_or_is_what_the_issue_asks_for(court):
    of_extra = Court(court.sandbox, court.folder, issue="EXTRA is wrong.")
    of_add = Court(court.sandbox, court.folder, issue="`add` subtracts.")
    no_fault = "python -c 'from pkg.core import add; assert add(1, 1) == 5'"
    it_was = "python -c 'from pkg.core import add; assert add(5, 5) == 0'"
    try:
        said = await of_extra.say("FAIL", **failing(no_fault, changes=OTHER))
        assert "fails at the base commit, too" in said.reason
        assert (await of_extra.say("FAIL", **failing(it_was, changes=OTHER))).settled == "admitted"
        assert "does not speak of anything" in (await of_extra.say("FAIL", **failing(ADD))).reason
        wrong_call = "python -c 'from pkg.core import add; add(1, 2, base=3)'"
        said = await of_add.say("FAIL", **failing(wrong_call, output=UNEXPECTED))
        assert f"mistake of its own ({UNEXPECTED})" in said.reason
        assert (await of_add.say("FAIL", **failing(NEGATIVE))).settled == "admitted"
        known = await of_extra.say("FAIL", **failing(NEGATIVE, changes=OTHER))
        assert known.settled == "admitted", "the board has it as a reproduction"
    finally:
        of_extra.board.close()
        of_add.board.close()


async def test_a_constraint_that_a_reproduction_contradicts_is_refused_and_binds_nobody(court):
    keeps = {"form": "command", "command": PINS, "exit_status": 0, "output": ""}
    first = await court.say("CONSTRAINT", **keeps)
    assert first.settled == "admitted"
    assert "breaks C1" in (await court.patch(MEND, NEGATIVE)).reason
    assert (await court.say("FAIL", **failing(ADD))).settled == "admitted"
    assert (await court.patch(MEND, NEGATIVE)).settled == "admitted"
    later = await court.say("CONSTRAINT", **(keeps | {"command": PINS + " # again"}))
    assert "X2 fails by the very call that this command makes" in later.reason
    other = keeps | {"command": PINS.replace("1, 1", "0, 0")}
    assert (await court.say("CONSTRAINT", **other)).settled == "admitted"


async def test_a_constraint_may_not_pin_the_call_that_the_issue_speaks_of(court):
    there = Court(court.sandbox, court.folder, issue="I called `add(701, 99)`, and it gave 602.")
    keeps = {"form": "command", "exit_status": 0, "output": ""}
    pins = PINS.replace("1, 1", "701, 99").replace("== 0", "== 602")
    try:
        said = await there.say("CONSTRAINT", **keeps, command=pins)
        assert "The issue speaks of add(701, 99)" in said.reason
    finally:
        there.board.close()


async def test_a_constraint_may_not_pin_the_fault_by_other_arguments_than_a_candidate_mends(court):
    keeps = {"form": "command", "exit_status": 0, "output": ""}
    assert (await court.patch(MEND)).settled == "admitted"
    said = await court.say("CONSTRAINT", **keeps, command=PINS.replace("1, 1", "31, 31"))
    assert "mends a call of this function and breaks it" in said.reason
    holds = await court.say("CONSTRAINT", **keeps, command=PINS.replace("1, 1) == 0", "5, 0) == 5"))
    assert holds.settled == "admitted"


async def test_a_failure_of_a_candidate_may_not_ask_for_the_fault_back(court):
    there = Court(court.sandbox, court.folder, issue="I called `add(701, 99)`, and it gave 602.")
    back = failing(PINS.replace("1, 1", "701, 99").replace("== 0", "== 602"), changes=OTHER)
    try:
        said = await there.say("FAIL", **back)
        assert "The issue speaks of add(701, 99)" in said.reason
        patch = await court.patch(OTHER)
        assert patch.settled == "admitted", patch.reason
        label = patch.entry.label
        said = await court.say("FAIL", **failing(PINS, state=label))
        assert f"{label} mends the very call that this command makes" in said.reason
        assert "asks for the fault back" in said.reason
        named = "python - <<'E'\nfrom pkg.core import add\n"
        named += "class N(int):\n def __repr__(self): return ''"
        other = failing(f"{named}\nassert add(N(1), N(1)) == 0\nE", state=label)
        assert "asks for the fault back" in (await court.say("FAIL", **other)).reason
        right = failing(PINS.replace("1, 1) == 0", "-5, 0) == -5"), state=label)
        assert (await court.say("FAIL", **right)).settled == "admitted"
    finally:
        there.board.close()


@pytest.mark.parametrize(
    ("own", "error"),
    [
        ("{5: 1}[str(add(7, 2))]", "KeyError: '5'"),
        ("int('a' + str(add(7, 2)))", "ValueError: invalid literal for int() with base 10: 'a5'"),
    ],
)  # fmt: skip
async def test_a_failure_that_lasts_whatever_the_code_returns_is_the_commands_own(
    court, own, error
):
    command = f"python - <<'E'\nfrom pkg.core import add\n{own}\nE"
    said = await court.say("FAIL", **failing(command, output=error))
    assert any(why in said.reason for why in ("mistake of its own", "gives the same")), said


@pytest.mark.parametrize(
    ("body", "error", "why"),
    [
        ("list(add({7}, {7}))[0]", "IndexError: list index out of range", "mistake of its own"),
        ("'a' + add(7, 2)", 'TypeError: can only concatenate str (not "int") to str',
         "mistake of its own"),
        ("print(secnods if add(7, 2) == 5 else 1)", "NameError: name 'secnods' is not defined",
         "mistake of its own"),
        ("add(7, 2).value", "AttributeError: 'int' object has no attribute 'value'", ""),
        ("add(7, 'a')", "TypeError: unsupported operand type(s) for -: 'int' and 'str'", ""),
        ("if add(7, 2) != 9: raise ValueError(add(7, 2))", "ValueError: 5", ""),
        ("assert add(7, 2) == 9, add(7, 2)", "AssertionError: 5", ""),
    ],
)  # fmt: skip
async def test_a_failure_is_the_codes_or_what_the_command_asserts_of_it(court, body, error, why):
    command = f"python - <<'E'\nfrom pkg.core import add\n{body}\nE"
    ruling = await court.say("FAIL", **failing(command, output=error))
    assert why in ruling.reason if why else ruling.settled == "admitted", ruling.reason
