"""What findings did for submissions: who was helped, who was misled, and what stands first."""

from board_rows import call, entry, proposal, record, task

from harness.analysis.finding_influence import in_a_sentence, influences, outcomes_of_agents

TRIAL = {"system": "delm", "instance_id": "a__a-1", "number": 0, "attempt": 0}


def link(source, target, kind="cites"):
    return {"trial_id": 1, "position": 1, "source": source, "target": target, "kind": kind, "at": 1}


def submission(author, agent, outcome, copy_of=""):
    return {"author": author, "agent": agent, "outcome": outcome, "copy_of": copy_of}


def shown(conversation, label, level="gist"):
    return {"conversation": conversation, "label": label, "level": level, "at": 1.0}


def played(first="resolved", second="unresolved", refuted=False):
    """Three findings of localize-1: patch-1 cites F1, patch-2 cites F2, and both read all."""
    links = [link("patch-1", "F1"), link("patch-2", "F2")]
    links += [link("X4", "F3", "refutes")] if refuted else []
    return record(
        tasks=[task(name) for name in ("localize-1", "patch-1", "patch-2")],
        entries=[entry(name, "localize-1", "ann") for name in ("F1", "F2", "F3")],
        proposals=[
            *[proposal(number, "ann", "localize-1") for number in (1, 2, 3)],
            proposal(4, "bob", "patch-1", settled="rejected", entry=None),
        ],
        calls=[call(1, "localize-1", "ann"), call(2, "patch-1", "bob"), call(3, "patch-2", "cid")],
        links=links,
        shown=[shown(c, name) for c in ("patch-1", "patch-2") for name in ("F1", "F2", "F3")],
        submissions=[submission("patch-1", "bob", first), submission("patch-2", "cid", second)],
    )


def test_what_a_resolved_submission_rests_on_stands_first():
    found = influences(TRIAL, played("unresolved", "resolved"))
    assert [each.label for each in found] == ["F2", "F1", "F3"]
    assert [each.helped for each in found] == [["patch-2"], [], []]
    assert [each.row["readers"] for each in found] == [2, 2, 2]


def test_a_copy_is_the_patch_itself_and_was_helped_by_nothing():
    links = [link("patch-2", "P3"), link("patch-2", "F1")]
    rows = [submission("patch-1", "ann", "resolved"),
            submission("patch-2", "bob", "resolved", copy_of="P3")]  # fmt: skip
    found = influences(
        TRIAL,
        record(
            tasks=[task(name) for name in ("localize-1", "patch-1", "patch-2")],
            entries=[entry(name, "localize-1", "ann") for name in ("F1", "P3")],
            proposals=[
                proposal(n, "ann", "localize-1", entry=e) for n, e in ((1, "F1"), (3, "P3"))
            ],
            links=links,
            submissions=rows,
        ),
    )
    assert {each.label: list(each.copies) for each in found} == {"F1": [], "P3": ["patch-2"]}
    assert not any(each.helped or each.misled for each in found)
    assert in_a_sentence(found, rows) == (
        "patch-2 is a copy of P3 of ann. Besides copies, no resolved submission rests on a finding "
        "from other work."
    )


def test_a_copy_that_is_not_resolved_was_misled_by_its_patch():
    rows = [submission("patch-2", "bob", "unresolved", copy_of="P3")]
    (found,) = influences(
        TRIAL,
        record(
            tasks=[task("patch-2")], entries=[entry("P3", "localize-1", "ann")],
            proposals=[proposal(3, "ann", "localize-1", entry="P3")],
            links=[link("patch-2", "P3")], submissions=rows,
        ),
    )  # fmt: skip
    assert [name for name, _ in found.misled] == ["patch-2"]


def test_an_entry_says_what_was_admitted_and_not_what_was_proposed():
    (found,) = influences(
        TRIAL,
        record(
            tasks=[task("localize-1")], entries=[entry("F1", "localize-1", "ann", gist="less")],
            proposals=[proposal(1, "ann", "localize-1", gist="more than is shown")],
        ),
    )  # fmt: skip
    assert (found.row["gist"], found.rewritten) == ("less", True)


def test_who_relied_on_what_no_resolved_submission_rests_on_was_misled():
    found = {each.label: each for each in influences(TRIAL, played())}
    assert found["F1"].misled == []
    assert [name for name, _ in found["F2"].misled] == ["patch-2"]
    assert found["F3"].misled == []  # it was read, and nobody relied on it


def test_who_read_what_was_refuted_was_misled():
    found = {each.label: each for each in influences(TRIAL, played(refuted=True))}
    assert [name for name, _ in found["F3"].misled] == ["bob", "cid"]
    assert "X4 refutes it" in found["F3"].misled[0][1]


def test_what_is_not_graded_helped_and_misled_nobody():
    record = played(None, None)
    found = influences(TRIAL, record)
    assert not any(each.helped or each.misled for each in found)
    assert in_a_sentence(found, record.submissions) == ""
    unresolved = played("unresolved", "unresolved")
    told = in_a_sentence(influences(TRIAL, unresolved), unresolved.submissions)
    assert told.startswith("No resolved submission rests on a finding from other work.")


def test_the_sentence_names_findings_their_authors_and_who_was_misled():
    record = played(refuted=True)
    told = in_a_sentence(influences(TRIAL, record), record.submissions)
    assert told.startswith("patch-1, which is resolved, rests on F1 of ann.")
    assert "2 findings misled somebody: F2, F3." in told
    assert in_a_sentence([], record.submissions) == ""


def test_an_agent_is_as_good_as_its_best_submission():
    rows = [submission("p1", "ann", "unresolved"), submission("p2", "ann", "resolved"),
            submission("p3", "bob", None), submission("p4", "cid", "error")]  # fmt: skip
    assert outcomes_of_agents(rows) == {
        "ann": "resolved", "p1": "unresolved", "p2": "resolved", "bob": "", "p3": "",
        "cid": "error", "p4": "error",
    }  # fmt: skip
