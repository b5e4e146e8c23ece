"""In which message a proposal was published, and which call compared it with its evidence."""

import json

from board_rows import call, proposal, record

from harness.analysis.publications import Place, check_call, publications

SINCE = "1970-01-01T00:01:46.000+00:00"  # 106 s: while a proposal of `board_rows` is ruled on


def publishes(*gists, **more):
    calls = [
        {"id": gist, "function": {"name": "publish", "arguments": json.dumps({"gist": gist})}}
        for gist in gists
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls} | more


def place(conversation, message, number=0):
    return Place(conversation=conversation, message=message, call=number)


def test_the_same_words_are_told_apart_by_author_task_and_order():
    rows = record(
        calls=[call(1, "patch-1", "ann"), call(2, "patch-2", "bob"), call(3, "test-1", "ann")],
        proposals=[
            proposal(1, "ann", "patch-1", gist="same"), proposal(2, "bob", "patch-2", gist="same"),
            proposal(3, "ann", "test-1", gist="same"), proposal(4, "ann", "patch-1", gist="same"),
            proposal(5, "ann", "patch-1", gist="never said"), proposal(6, "board", "test-1"),
        ],
    )  # fmt: skip
    said = {
        "patch-1": [publishes("other", "same"), publishes("same")],
        "patch-2": [publishes("same")],
        "test-1": [publishes("same", carried=True), publishes(" same\n")],
    }
    assert publications(rows, said) == {
        1: place("patch-1", 1, 1), 2: place("patch-2", 1), 3: place("test-1", 2),
        4: place("patch-1", 2),
    }  # fmt: skip


def test_a_task_that_another_conversation_took_up_keeps_its_place():
    rows = record(
        calls=[call(1, "localize-1", "ann")], proposals=[proposal(1, "ann", "patch-1", gist="g")]
    )
    assert publications(rows, {"localize-1": [publishes("g")]}) == {1: place("localize-1", 1)}


def test_arguments_that_are_no_object_publish_nothing():
    odd = [
        {"id": "1", "function": {"name": "publish", "arguments": given}}
        for given in ("[1]", "no json", "", "null", '{"gist": 5}', "[" * 50_000)
    ]
    rows = record(calls=[call(1, "a", "ann")], proposals=[proposal(1, "ann", "a", gist="5")])
    said = {
        "a": [{"role": "assistant", "tool_calls": odd}, {"role": "assistant", "tool_calls": None}]
    }
    assert publications(rows, said) == {}


def test_one_call_compares_the_findings_of_an_answer():
    mine = call(1, "gist-check.patch-1.1", "ann", started_at=SINCE,
                reply={"content": "1 APPROVED\n2 WRONG: the lines do not show it"})  # fmt: skip
    others = [
        call(2, "gist-check.patch-10.1", "ann", started_at=SINCE),
        call(3, "gist-check.patch-1.1", "bob", started_at=SINCE),
        call(4, "gist-check.patch-1.2", "ann"),
    ]
    calls = [*others, mine]
    assert check_call(proposal(1, "ann", "patch-1"), calls) is mine
    wrong = proposal(2, "ann", "patch-1", settled="rejected", reason="the lines do not show it")
    assert check_call(wrong, calls) is mine
    unseen = proposal(3, "ann", "patch-1", settled="rejected", reason="the command exits with 1")
    assert check_call(unseen, calls) is None
    assert check_call(proposal(4, "ann", "patch-1", settled=None, settled_at=None), calls) is None


def test_of_several_calls_that_do_not_say_whose_finding_it_is_none_is_named():
    one = call(1, "judge-1", "", started_at=SINCE)
    assert check_call(proposal(1, "ann", "plan-1"), [one]) is one
    two = call(2, "judge-2", "", started_at=SINCE)
    assert check_call(proposal(1, "ann", "plan-1"), [one, two]) is None
