"""A pass that is suspect counts when a person has accepted it, and only then."""

from typing import Any

import pytest

from harness.score import flags_of
from harness.store.interventions import Action, InterventionRefused, NewIntervention
from harness.store.opening import open_store
from harness.store.protocol import Store
from harness.types import Verdict

LOOK = "flask/app.py:7: sys._getframe(1) — reads the frame of its caller"


def verdict(*flags: str) -> Verdict:
    return Verdict(
        outcome="unresolved" if flags else "resolved", reason="flagged" if flags else "",
        report={}, seconds=1.0, official="resolved", flags=flags, looks=(LOOK,) if flags else (),
    )  # fmt: skip


@pytest.fixture
async def store(address):
    """One trial with three submissions: suspect; suspect and forged; without a flag."""
    made = await open_store(address, owner="A")
    instance: Any = {"instance_id": "i", "repo": "r", "difficulty": "", "length": ""}
    trial: Any = {
        "system": "s", "instance_id": "i", "number": 0, "agents": 3, "wanted": 3,
        "submits": "shared",
    }  # fmt: skip
    await made.plan([instance], [trial])
    await made.claim_trial()
    for name, flags in (("a", ["suspect"]), ("b", ["suspect", "forged-result"]), ("c", [])):
        number = await made.submit(1, name, name, reason="done", salvaged=False)
        await made.grade(number, verdict(*flags))
    yield made
    await made.aclose()


async def judge(store: Store, action: Action, number: int, *, by: str = "Ada") -> Any:
    new = NewIntervention(action=action, by=by, reason="a helper", trial_id=1, target=str(number))
    return await store.intervene(new)


async def outcomes(store: Store) -> list[Any]:
    every = [[row["outcome"] for row in await store.submissions()]]
    every.append([row["outcome"] for row in (await store.read_outcomes()).submissions])
    every.append([row["outcome"] for row in await store.made(1)])
    assert every[0] == every[1] == every[2]
    return every[0]


async def test_a_suspect_pass_does_not_count_until_a_person_accepts_it(store):
    assert await outcomes(store) == ["unresolved", "unresolved", "resolved"]
    row = await judge(store, Action.ACCEPT, 1)
    assert row["applied"][0]["outcome"] == "submission 1 counts as resolved"
    assert await outcomes(store) == ["resolved", "unresolved", "resolved"]
    (first, _, _) = await store.submissions()
    assert first["grade_reason"] == "accepted by Ada: a helper"
    assert (first["flags"], first["looks"], flags_of(first)) == (["suspect"], [LOOK], [])


async def test_the_last_word_of_a_person_holds(store):
    await judge(store, Action.ACCEPT, 1)
    await judge(store, Action.REFUSE, 1, by="Bob")
    assert await outcomes(store) == ["unresolved", "unresolved", "resolved"]
    await judge(store, Action.ACCEPT, 1)
    assert (await outcomes(store))[0] == "resolved"


@pytest.mark.parametrize("action", [Action.ACCEPT, Action.REFUSE])
@pytest.mark.parametrize(
    ("number", "why"),
    [
        (2, "not suspect .flags: suspect, forged-result"),
        (3, "not suspect .flags: none"),
        (4, "trial 1 has no graded submission"),
    ],
)
async def test_nobody_can_accept_what_is_not_only_suspect(store, action, number, why):
    before = await outcomes(store)
    with pytest.raises(InterventionRefused, match=why):
        await judge(store, action, number)
    assert await store.interventions() == []
    assert await outcomes(store) == before


async def test_saying_the_same_again_is_refused(store):
    await judge(store, Action.ACCEPT, 1)
    with pytest.raises(InterventionRefused, match="counts as resolved already"):
        await judge(store, Action.ACCEPT, 1)
    await judge(store, Action.REFUSE, 1)
    with pytest.raises(InterventionRefused, match="counts as unresolved already"):
        await judge(store, Action.REFUSE, 1)


@pytest.mark.parametrize("by", ["", "  ", "\u200b"])
async def test_a_person_has_a_name(store, by):
    with pytest.raises(InterventionRefused, match="name"):
        await judge(store, Action.ACCEPT, 1, by=by)
