"""Where a run executed the checks that it remembers."""

from types import SimpleNamespace

import pytest
from board_rows import entry, proposal, record

from harness.analysis.first_checks import first_checks
from harness.board.evidence import Command, Patch

pytestmark = pytest.mark.anyio
SAME = Command(command="pytest -q", exit_status=0, output="ok")


def trial(number, instance="a__a-1"):
    return {"trial_id": number, "instance_id": instance, "system": "delm", "number": number - 1}


async def found(others, mine, entries=(), theirs=()):
    """By number of a proposal of trial 9, the trial and number of its first execution."""
    trials = [*(trial(number) for number in others), trial(9), trial(8, "b__b-2")]

    async def all_trials():
        return trials

    async def proposals(trial_id):
        return others.get(trial_id, [proposal(1, "ann", "localize-1", evidence=SAME)])

    async def their_entries(trial_id):
        return list(theirs)

    told = await first_checks(
        SimpleNamespace(trials=all_trials),
        SimpleNamespace(proposals=proposals, entries=their_entries),
        trial(9),
        record(proposals=mine, entries=entries),
    )
    return {key: (each.trial["trial_id"], each.proposal["number"]) for key, each in told.items()}


def later(number, **more):
    return proposal(number, "bob", "patch-1", remembered=1, settled_at=200.0, **more)


async def test_the_first_execution_of_an_equal_check_on_the_instance_is_named():
    others = {
        1: [proposal(4, "ann", "localize-1", evidence=SAME, settled_at=120.0)],
        2: [proposal(5, "cid", "localize-1", evidence=SAME, settled_at=110.0),
            proposal(6, "cid", "localize-1", evidence=SAME, settled_at=90.0, remembered=1),
            proposal(7, "cid", "localize-1", evidence=SAME, settled_at=80.0, unverified=1)],
    }  # fmt: skip
    assert await found(others, [later(1, evidence=SAME)]) == {1: (2, 5)}


async def test_it_may_be_in_the_same_trial():
    mine = [proposal(1, "ann", "localize-1", evidence=SAME), later(2, evidence=SAME)]
    assert await found({}, mine) == {2: (9, 1)}


@pytest.mark.parametrize(
    "other",
    [
        {"evidence": Command(command="pytest", exit_status=0, output="ok")},
        {"evidence": SAME, "kind": "FAIL"},
        {"evidence": SAME, "settled_at": 300.0},
        {"evidence": SAME, "settled_at": None},
        {"evidence": SAME, "remembered": None},
    ],
)
async def test_what_is_no_equal_earlier_execution_is_not_named(other):
    assert (
        await found({1: [proposal(1, "ann", "localize-1", **other)]}, [later(1, evidence=SAME)])
        == {}
    )


async def test_checks_with_a_patch_are_equal_where_the_patch_is():
    on = Command(command="pytest", exit_status=0, state="P3")

    def patch(text):
        return entry("P3", "localize-1", "ann", evidence=Patch(diff=text, command="false"))

    others = {1: [proposal(4, "ann", "localize-1", evidence=on)]}
    mine = [later(1, evidence=on)]
    assert await found(others, mine, [patch("a\n")], [patch("a\n")]) == {1: (1, 4)}
    assert await found(others, mine, [patch("a\n")], [patch("b\n")]) == {}
    assert await found(others, mine, [patch("a\n")]) == {}
