"""Whatever a patch writes into the log so that the official report says resolved, the guarded run
of the same patch disagrees."""

from collections import Counter
from dataclasses import replace

import pytest

from harness.benchmarks.swebench.guard.faults import GuardedRun, Seen, seen_in
from harness.benchmarks.swebench.guard.lone_tests import LoneTest
from harness.benchmarks.swebench.guard.runtime_watch import WatchReport
from harness.benchmarks.swebench.guard.test_copies import Copy, PlantedFile
from harness.benchmarks.swebench.items import IssueReference
from harness.benchmarks.swebench.log_reader import LogReading, read_log
from harness.text.caller_looks import Look

pytestmark = pytest.mark.slow(seconds=10)

START, END = ">>>>> Start Test Output", ">>>>> End Test Output"
CODE_0, CODE_1 = ">>>>> Test Exit Code: 0", ">>>>> Test Exit Code: 1"
NAME = {
    "parse_log_pytest": "tests/test_a.py::test_one",
    "parse_log_pytest_v2": "tests/test_a.py::test_one",
    "parse_log_django": "test_one (a.tests.ATests.test_one)",
    "parse_log_sympy": "test_one",
}
PLAIN = {  # a result in a line, as each runner writes it
    "parse_log_pytest": "{1} {0}",
    "parse_log_pytest_v2": "{1} {0}",
    "parse_log_django": "{0} ... {1}",
    "parse_log_sympy": "{0} {1}",
}
WORDS = {
    "parse_log_pytest": ("PASSED", "FAILED"),
    "parse_log_pytest_v2": ("PASSED", "FAILED"),
    "parse_log_django": ("ok", "FAIL"),
    "parse_log_sympy": ("ok", "F"),
}
# What is written, with {} for the results that are claimed; `[tests]` is what the tests say.
FORGED = {
    "lines of its own, later": f"{START}\n[tests]\n{{}}\n{END}\n{CODE_0}",
    "carriage returns": f"{START}\n[tests]\n.\r{{}}\r{END}\n{CODE_0}",
    "an end of its own": f"{START}\n{{}}\n{END}\n{CODE_0}\n[tests]\n{END}\n{CODE_1}",
    "a beginning of its own": f"{START}\n{{}}\n{END}\n{CODE_0}\n{START}\n[tests]\n{END}\n{CODE_1}",
    "a second beginning": f"{START}\n{{}}\n{START}\n[tests]\n{END}\n{CODE_0}",
    "after the end": f"{START}\n{END}\n{{}}\n{CODE_0}",
}
LOOK = Look(line=3, text="sys._getframe()", kind="frames", what="sys._getframe", path="a.py")
COLOURS = ("\x1b[32m{}\x1b[0m", "\x1b[1m\x08{}", "\x07{}")


def reference(parser: str) -> IssueReference:
    return IssueReference(
        instance_id="a__a-1", repo="a/a", fail_to_pass=(NAME[parser],), eval_script="true",
        log_parser=parser, eval_type="pass_and_fail",
    )  # fmt: skip


def result(parser: str, name: str, *, passed: bool) -> str:
    return PLAIN[parser].format(name, WORDS[parser][not passed])


def other(parser: str, name: str) -> str:
    return NAME[parser].replace("test_one", name)


def log(form: str, claimed: str, said: str) -> bytes:
    return form.replace("[tests]", said).replace("{}", claimed).encode()


async def read(parser: str, text: bytes) -> LogReading:
    return await read_log(reference(parser), text, patch="x", model_name="m")


def planted(parser: str) -> dict[str, PlantedFile]:
    """One wanted test under another name, and a broken copy of it."""
    name = NAME[parser]
    one = other(parser, "test_two")
    copies = (
        Copy(name="test_two", mode="renamed", begin="1", token="2", must_pass=True, of=(name,)),
        Copy(name="test_three", mode="end", begin="3", token="4", must_pass=False, of=(name,)),
    )
    return {"tests/test_a.py": PlantedFile(text="", renamed={name: one}, copies=copies)}


async def guarded(parser: str, text: bytes, official: LogReading) -> Seen:
    statuses = (await read(parser, text)).statuses
    run = GuardedRun(statuses=statuses, tokens={}, is_watched=True)
    return seen_in(run, planted(parser), reference(parser), official.statuses)


@pytest.mark.parametrize(
    ("parser", "form"),
    [("parse_log_pytest", form) for form in FORGED]
    + list(zip(list(NAME)[1:], FORGED, strict=False)),
)
async def test_a_forged_log_that_resolves_officially_has_faults_in_the_guarded_run(parser, form):
    claimed = result(parser, NAME[parser], passed=True)
    text = log(FORGED[form], claimed, result(parser, NAME[parser], passed=False))
    official = await read(parser, text)
    assert official.report["a__a-1"]["resolved"]
    said = "\n".join(
        result(parser, other(parser, name), passed=False) for name in ("test_two", "test_three")
    )
    seen = await guarded(parser, log(FORGED[form], claimed, said), official)
    assert set(seen.left().values()) & {"unrepeatable", "no-end"}


@pytest.mark.parametrize("form", list(FORGED)[:3])
async def test_one_that_claims_whatever_there_is_claims_too_much(form):
    parser = "parse_log_pytest"
    claimed = result(parser, NAME[parser], passed=True)
    official = await read(parser, log(FORGED[form], claimed, ""))
    every = "\n".join(
        result(parser, other(parser, name), passed=True) for name in ("test_two", "test_three")
    )
    seen = await guarded(parser, log(FORGED[form], every, ""), official)
    assert set(seen.left().values()) == {"forged-result", "no-end"}


@pytest.mark.parametrize("form", COLOURS)
async def test_nor_do_colours_and_control_characters_help(form):
    parser = "parse_log_pytest_v2"
    claimed = form.format(result(parser, NAME[parser], passed=True))
    whole = FORGED["lines of its own, later"]
    official = await read(parser, log(whole, claimed, ""))
    assert official.report["a__a-1"]["resolved"]
    seen = await guarded(parser, log(whole, claimed, ""), official)
    assert set(seen.left().values()) == {"unrepeatable"}


async def test_a_test_that_is_expected_to_fail_in_one_run_only_has_not_passed():
    parser = "parse_log_pytest"
    official = await read(parser, log(FORGED["an end of its own"], f"XFAIL {NAME[parser]}", ""))
    assert official.report["a__a-1"]["resolved"]
    statuses = {other(parser, "test_two"): "PASSED", other(parser, "test_three"): "FAILED"}
    run = GuardedRun(statuses=statuses, tokens={"1": 1, "2": 1, "3": 1}, is_watched=True)
    seen = seen_in(run, planted(parser), reference(parser), official.statuses)
    assert seen.left() == {("official", NAME[parser], "XFAIL"): "unrepeatable"}


def test_what_was_not_copied_is_said():
    parser = "parse_log_pytest"
    statuses = {other(parser, "test_two"): "PASSED", other(parser, "test_three"): "FAILED"}
    tokens = {"1": 1, "2": 1, "3": 1}
    run = GuardedRun(statuses=statuses, tokens=tokens, is_watched=True)
    whole = reference(parser)
    more = replace(whole, fail_to_pass=(*whole.fail_to_pass, "tests/test_a.py::test_made"))
    every = {"repeat", "broken-tests", "in-part", "ends", "watch"}
    assert seen_in(run, planted(parser), whole).worked == every
    assert seen_in(run, planted(parser), more).worked == every - {"repeat", "in-part"}
    assert seen_in(run, {}, whole).worked == {"in-part", "watch"}


@pytest.mark.parametrize(
    ("statuses", "tokens", "flag"),
    [
        (("PASSED", "PASSED"), "123", "forged-result"),
        (("PASSED", "XFAIL"), "123", "forged-result"),
        (("PASSED", "SKIPPED"), "123", "forged-result"),
        (("PASSED", "FAILED"), "1234", "forged-result"),
        (("PASSED", "FAILED"), "12", "unrepeatable"),
        (("PASSED", "FAILED"), "13", "no-end"),
        (("PASSED", "FAILED"), "3", "no-end"),
        (("PASSED", ""), "12", "unrepeatable"),
        (("XFAIL", "FAILED"), "123", "unrepeatable"),
        (("SKIPPED", "FAILED"), "13", "unrepeatable"),
        (("", "FAILED"), "3", "unrepeatable"),
    ],
)
def test_a_planted_test_that_comes_out_otherwise_than_it_has_to_is_a_fault(statuses, tokens, flag):
    parser = "parse_log_pytest"
    names = (other(parser, name) for name in ("test_two", "test_three"))
    said = {name: status for name, status in zip(names, statuses, strict=True) if status}
    run = GuardedRun(statuses=said, tokens=dict.fromkeys(tokens, 1), is_watched=True)
    seen = seen_in(run, planted(parser), reference(parser))
    assert set(seen.left().values()) == {flag}
    assert not seen.left(gold=seen)


def test_a_test_with_several_cases_comes_to_its_end_in_each():
    parser = "parse_log_pytest"
    name = other(parser, "test_two")
    statuses = {f"{name}[{case}]": "PASSED" for case in "abc"}
    for ends, flags in ((3, set()), (2, {"no-end"})):
        run = GuardedRun(statuses=statuses, tokens={"1": 3, "2": ends}, is_watched=True)
        copies = planted(parser)["tests/test_a.py"].copies[:1]
        file = PlantedFile(text="", renamed={}, copies=copies)
        wanted = replace(reference(parser), fail_to_pass=())
        assert set(seen_in(run, {"a.py": file}, wanted).left().values()) == flags


@pytest.mark.parametrize("token", ["1", "3"])
def test_a_test_that_began_oftener_than_it_has_results_is_a_fault(token):
    """It was run again after it had failed."""
    parser = "parse_log_pytest"
    statuses = {other(parser, "test_two"): "PASSED", other(parser, "test_three"): "FAILED"}
    tokens = {"1": 1, "2": 1, "3": 1, token: 2}
    run = GuardedRun(statuses=statuses, tokens=tokens, is_watched=True)
    left = seen_in(run, planted(parser), reference(parser)).left()
    place = "tests/test_a.py 0" if token == "1" else "tests/test_a.py 1"
    assert left == {("again", place, "more begins than results"): "forged-result"}
    cases = {f"{name}[a b]": status for name, status in statuses.items()}  # of which logs cut some
    run = replace(run, statuses=cases)
    assert "again" not in {
        check for check, *_ in seen_in(run, planted(parser), reference(parser)).left()
    }


@pytest.mark.parametrize(
    ("said", "flags"),
    [
        ("be", set()), ("beb2", set()), ("", {"unrepeatable"}), ("b", {"unrepeatable"}),
        ("bbe", {"unrepeatable"}), ("e", {"unrepeatable"}), ("be2", {"forged-result"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("plain", [True, False])
def test_a_test_that_ran_alone_came_to_its_end_and_its_broken_copy_did_not(said, flags, plain):
    """Each letter, or digit, is a token; the broken copy is run without a runner only."""
    parser = "parse_log_pytest"
    tokens = Counter(said.replace("b2", "3"))
    whole, broken = (
        Copy(
            name="test_two", mode="", begin=begin, token=token, must_pass=passes, of=(NAME[parser],)
        )
        for begin, token, passes in (("b", "e", True), ("3", "2", False))
    )
    test = LoneTest(path="tests/test_a.py", owner="", whole=whole, broken=broken, plain=plain)
    statuses = {other(parser, "test_two"): "PASSED", other(parser, "test_three"): "FAILED"}
    run = GuardedRun(
        statuses=statuses, tokens={"1": 1, "2": 1, "3": 1}, is_watched=True, lone=(test,),
        lone_tokens=tokens,
    )  # fmt: skip
    seen = seen_in(run, planted(parser), reference(parser))
    expected = flags if plain or flags != {"forged-result"} else set()
    assert set(seen.left().values()) == expected
    assert {check for check, *_ in seen.left()} <= {"without-runner" if plain else "alone"}
    assert ("alone" in seen.worked) == ("unrepeatable" not in flags)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"report_ended": False}, "no end"),
        ({"watch": WatchReport(tokens={}, looks=(), replaced=(), unread=1)}, "unknown lines"),
        ({"tokens": {"1": 1, "2": 1, "3": 1, "5": 1}}, "unknown lines"),
        ({"tokens": {"1": 1, "2": 2, "3": 1}}, "more ends than begins"),
    ],
)
def test_a_report_that_is_cut_or_has_lines_that_nobody_has_to_write_is_a_fault(changes, fault):
    parser = "parse_log_pytest"
    statuses = {other(parser, "test_two"): "PASSED", other(parser, "test_three"): "FAILED"}
    run = GuardedRun(statuses=statuses, tokens={"1": 1, "2": 1, "3": 1}, is_watched=True)
    assert seen_in(run, planted(parser), reference(parser)).left() == {}
    left = seen_in(replace(run, **changes), planted(parser), reference(parser)).left()
    assert {came_out: flag for _, _, came_out in left for flag in left.values()} == {
        fault: "forged-report"
    }


def test_what_replaces_functions_of_the_runner_or_silences_the_watch_is_told():
    parser = "parse_log_pytest"
    statuses = {other(parser, "test_two"): "PASSED", other(parser, "test_three"): "FAILED"}
    run = GuardedRun(statuses=statuses, tokens={"1": 1, "2": 1, "3": 1}, is_watched=True)
    report = WatchReport(tokens={}, looks=(LOOK,), replaced=("a.b ← c.py:d",))
    for each, flags in (
        (run, set()),
        (replace(run, is_watched=False), {"runner-changed"}),
        (replace(run, watch=report), {"runner-changed", "suspect"}),
    ):
        seen = seen_in(each, planted(parser), reference(parser))
        assert set(seen.left().values()) == flags
    assert list(seen.looks.values()) == [LOOK]
