"""Conversations, calls, entries and proposals, with whatever stands in their rows."""

import json
import re
from dataclasses import replace
from types import MappingProxyType

import pytest
from board_rows import call, entry, event, proposal, record, task, trial_of
from hostile_texts import HOSTILE, LONG_LINE, balanced, faults, parsed

from harness.analysis.first_checks import FirstCheck
from harness.board.evidence import EVIDENCE, STORED
from harness.pages import conversations
from harness.pages import proposal as proposals
from harness.pages.call import call_html
from harness.pages.conversation import ON_A_PAGE, conversation, conversation_html
from harness.pages.entry import entries_of, entry_html, section
from harness.pages.links import ReportLinks, ViewLinks
from harness.pages.proposal import proposal_html
from harness.pages.rendering import pieces, render
from harness.pages.replaced_text import replaced_text
from harness.pages.tool_calls import Around, tool_call, words_of
from harness.pages.trial_inside import NotInTrial

VIEW = ViewLinks("run")
LINKS = (ReportLinks(), ViewLinks("run/<b>"))
NO_TOOLS = MappingProxyType({})


def asks(name, arguments, number=0):
    given = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"id": f"c{number}", "type": "function", "function": {"name": name, "arguments": given}}


def answer(*calls, content=None, **more):
    return {"role": "assistant", "content": content, "tool_calls": list(calls)} | more


def told(content, number=0):
    return {"role": "tool", "tool_call_id": f"c{number}", "content": content}


OPENING = (
    {"role": "system", "content": "You are."},
    {"role": "user", "content": "<task>\ndo\n</task>"},
)


def view(messages, name="patch-1", calls=(), rows=None, **more):
    rows = rows or record(calls=calls)
    data = trial_of(rows, {name: list(messages)})
    return str(conversation_html(data, name, VIEW, more.pop("tools", {}), **more))


BASH = {"content": "", "tool_calls": [{"name": "bash", "arguments": "{}"}]}
HOSTILE_CALLS = (
    asks("bash", {"command": HOSTILE}),
    asks("edit", {"path": HOSTILE, "old": HOSTILE, "new": LONG_LINE}),
    asks("view", {"path": HOSTILE, "first": HOSTILE}),
    asks("publish", {"kind": HOSTILE, "gist": HOSTILE}),
    asks("finish", {"summary": LONG_LINE}),
    asks("unfold", {"label": HOSTILE, "level": HOSTILE}),
    asks("delegate", {"subtasks": [{"instruction": HOSTILE}, 7, None]}),
    asks("delegate", {"subtasks": 3}),
    asks(HOSTILE, {HOSTILE: HOSTILE, "n": [1, {"a": HOSTILE}]}),
    asks("bash", HOSTILE),
    asks("bash", "[" * 100_000),
    asks("bash", "null"),
    asks("bash", ""),
    asks("publish", "[]"),
    asks("edit", {"path": 1, "old": None, "new": {"a": 1}}),
    asks("bash", {"command": None}),
    asks("publish", {"finding": 5}),
)
RESULTS = (
    f"<exit_status>{HOSTILE}</exit_status>\n<output>\n{LONG_LINE}</output>\n{HOSTILE}",
    f"<error>{HOSTILE}",
    f"<file>{HOSTILE}</file>\n{LONG_LINE}",
    "<exit_status>",
    "<output></output>",
    f"<returncode>1</returncode>\n<output>{HOSTILE}",
    "",
    None,
    [{"type": "text", "text": HOSTILE}, 5],
    HOSTILE + LONG_LINE,
)


def test_the_texts_of_these_tests_are_hostile():
    assert {"<script>", "<img>", "img onerror", "control character 0x1b"} <= set(faults(HOSTILE))
    assert faults('<a href="javascript:alert(1)" onclick="x" style="y">')
    assert not balanced("<p><b></p>")


@pytest.mark.parametrize("links", LINKS)
def test_nothing_hostile_in_a_conversation_reaches_the_browser(links):
    messages = [
        {"role": "system", "content": HOSTILE},
        {"role": "user", "content": LONG_LINE},
        {"role": HOSTILE, "content": HOSTILE},
        {"role": "user", "content": None},
        {"role": "tool", "content": HOSTILE},
    ]
    for number, each in enumerate(HOSTILE_CALLS):
        messages += [
            answer(each, content=HOSTILE, opaque={"reasoning_content": HOSTILE + LONG_LINE}),
            told(RESULTS[number % len(RESULTS)]),
        ]
    messages += [
        answer(*HOSTILE_CALLS),
        answer(asks("bash", {"command": "x"})),
        told("a"),
        told("b"),
    ]
    name = HOSTILE.replace("\x00", "")
    calls = [
        call(
            n,
            name,
            HOSTILE,
            error=HOSTILE,
            model=HOSTILE,
            tools_sha256="k",
            outcome=("ok", "failed", "cancelled", "started")[n % 4],
        )
        for n in range(40)
    ]
    data = trial_of(record(calls=calls), {name: messages}, instance_id=HOSTILE, system=HOSTILE)
    tools = {"k": json.dumps([{"function": {"name": HOSTILE, "description": HOSTILE}}, {}])}
    html = str(conversation_html(data, name, links, tools))
    assert faults(html) == []
    assert balanced(html)
    assert len(html) < 1_500_000
    for only in (1, 2, 6, len(messages), 99_999):
        alone = str(conversation_html(data, name, links, tools, only=only))
        assert faults(alone) == []
        assert len(alone) < 2_500_000
    made = conversations.section(data)
    assert faults(str(render("conversations", section=made, data=data, links=links))) == []
    assert faults(str(call_html(data, 1, links, tools))) == []


FILES = {HOSTILE: LONG_LINE}
QUOTES = [{"label": HOSTILE, "quote": HOSTILE}, {"label": "document", "quote": LONG_LINE}]
HOSTILE_EVIDENCE = [
    EVIDENCE.validate_python(each, context=STORED)
    for each in (
        {"form": "span", "path": HOSTILE, "line": 3, "quote": HOSTILE, "state": HOSTILE},
        {"form": "command", "command": LONG_LINE, "exit_status": 1, "output": HOSTILE,
         "state": "P1", "changes": HOSTILE + LONG_LINE, "files": FILES},
        {"form": "patch", "diff": HOSTILE + LONG_LINE, "command": HOSTILE, "files": FILES},
        {"form": "part", "start": 0, "end": 5, "claims": 1, "refused": 0},
        {"form": "quotations", "quotations": QUOTES, "builds_on": [HOSTILE]},
    )
]  # fmt: skip


@pytest.mark.parametrize("links", LINKS)
@pytest.mark.parametrize("evidence", HOSTILE_EVIDENCE)
def test_nothing_hostile_in_a_finding_reaches_the_browser(evidence, links):
    rows = record(
        tasks=[task("patch-1")],
        events=[event(1, "put", "", "patch-1")],
        entries=[
            entry(
                "F1",
                HOSTILE,
                HOSTILE,
                gist=HOSTILE + LONG_LINE,
                summary=LONG_LINE,
                raw=HOSTILE + LONG_LINE,
                evidence=evidence,
                kind=HOSTILE,
            )
        ],
        proposals=[
            proposal(1, HOSTILE, HOSTILE, evidence=evidence, gist=HOSTILE),
            proposal(2, HOSTILE, HOSTILE, settled="merged", entry="F1", gist=LONG_LINE),
            proposal(
                3,
                HOSTILE,
                HOSTILE,
                settled="rejected",
                entry=None,
                reason=HOSTILE + LONG_LINE,
                evidence=evidence,
                gist=HOSTILE,
                refutes=HOSTILE,
            ),
            proposal(4, HOSTILE, HOSTILE, settled=None, entry=None, settled_at=None, seconds=None),
        ],
        links=[
            {
                "trial_id": 1,
                "position": 1,
                "source": HOSTILE,
                "target": "F1",
                "kind": kind,
                "at": 1.0,
            }
            for kind in ("cites", "refutes", HOSTILE)
        ]
        + [
            {
                "trial_id": 1,
                "position": 9,
                "source": "F1",
                "target": HOSTILE,
                "kind": HOSTILE,
                "at": 1.0,
            }
        ],
        calls=[call(1, HOSTILE, HOSTILE)],
        shown=[{"conversation": HOSTILE, "label": "F1", "level": "raw", "at": 120.0}],
    )
    said = {HOSTILE: [answer(asks("publish", {"gist": HOSTILE})), told(HOSTILE[:80])]}
    data = trial_of(rows, said)
    html = [
        str(render("entries", section=section(data), data=data, links=links)),
        str(entry_html(data, "F1", links)),
        str(proposal_html(data, 3, links)),
        str(render("proposals", section=proposals.section(data), data=data, links=links)),
    ]
    for each in html:
        assert faults(each) == []
        assert balanced(each)
        assert len(each) < 400_000
    assert len(html[0]) < 60_000


def test_each_tool_call_is_shown_as_what_it_is():
    rows = record(
        tasks=[task("test-1")],
        entries=[entry("F1", "patch-1", "ann")],
        calls=[call(1, "patch-1", "ann")],
        proposals=[
            proposal(1, "ann", "patch-1", gist="it is so"),
            proposal(2, "ann", "patch-1", gist="it is so", settled="rejected", entry=None,
                     reason="the quote does not stand there"),
        ],
    )  # fmt: skip
    messages = [
        *OPENING,
        answer(
            asks("bash", {"command": "ls -l"}, 0),
            asks("edit", {"path": "a.py", "old": "x = 1\ny = 2\n", "new": "x = 3\ny = 2\n"}, 1),
            asks("view", {"path": "a.py"}, 2),
            asks("publish", {"kind": "FACT", "gist": "it  is\nso", "path": "a.py"}, 3),
            asks("publish", {"kind": "FACT", "gist": "it is so"}, 4),
            asks("dance", {"steps": 3}, 5),
            asks("add_task", {"kind": "test", "text": "try it", "about": "F1"}, 6),
            content="Let me look.",
        ),
        told(
            "<exit_status>2</exit_status>\n<output>\nno file\n</output>\n\n<shared_context>\nnew\n"
            "</shared_context>",
            0,
        ),
        told("a.py: replaced at line 1.", 1),
        told("<file>a.py, 1 to 1 of 1 lines</file>\n 1  x", 2),
        told("It is being checked", 3),
        told("It is being checked", 4),
        told("<error>There is no tool 'dance'.</error>", 5),
        told("The task is `test-1` and open; whoever is free takes it.", 6),
        answer(asks("finish", {"summary": "It is done", "same": "F1"}, 7)),
        told("Done.", 7),
    ]
    html = view(messages, rows=rows)
    assert "exit 2" in html
    assert "$ ls -l" in html
    assert '<tr class="del">' in html
    assert '<tr class="add">' in html
    assert "a.py, 1 to 1 of 1 lines" in html
    assert 'href="/runs/run/trials/1/proposals/1"' in html
    assert 'href="/runs/run/trials/1/entries/F1"' in html
    assert "the quote does not stand there" in html
    assert "Not carried out: There is no tool" in html
    assert "It is done" in html
    assert 'href="/runs/run/trials/1#task-test-1"' in html
    assert html.count('href="/runs/run/trials/1/entries/F1"') == 3
    assert "new" in html[html.index("news at the end") :]
    names = {attributes.get("id") for _, attributes in parsed(html).tags if attributes.get("id")}
    assert names == {f"message-{n}" for n in range(1, len(messages) + 1)}


def test_every_message_has_one_anchor_whatever_comes_back():
    messages = [
        *OPENING, answer(asks("bash", {"command": "a"}), asks("bash", {"command": "b"}, 1)),
        told("one"), {"role": "user", "content": "between"}, told("two", 1), told("three", 2),
        answer(content="only words"), {"role": "user", "content": "go on"},
    ]  # fmt: skip
    html = view(messages)
    ids = [attributes["id"] for _, attributes in parsed(html).tags if "id" in attributes]
    assert sorted(ids) == sorted(f"message-{n}" for n in range(1, len(messages) + 1))


def test_lines_of_calls_stand_with_their_answers_and_lost_calls_between_them():
    calls = [
        call(1, "patch-1", "ann", reply=BASH),
        call(2, "patch-1", "ann", outcome="failed", error="rate limit"),
        call(3, "patch-1", "ann", prompt_tokens=2000, cached_tokens=1500, attempts=3, reply=BASH),
        call(4, "patch-1", "ann", outcome="started", cost_usd=None),
    ]  # fmt: skip
    messages = [
        *OPENING, answer(asks("bash", {"command": "a"})), told("x"),
        answer(asks("bash", {"command": "b"})), told("y"),
    ]  # fmt: skip
    data = trial_of(record(calls=calls), {"patch-1": messages})
    page = conversation(data, "patch-1", {})
    lines = {each.number: each.line.row["call_id"] for each in page.messages if each.line}
    assert lines == {3: 1, 5: 3}
    assert [line.row["call_id"] for each in page.messages for line in each.lost] == [2]
    assert [line.row["call_id"] for line in page.lost] == [4]
    longest = next(each.line for each in page.messages if each.number == 5)
    assert longest
    assert longest.cached + longest.written + longest.new == pytest.approx(160, abs=0.3)
    html = str(conversation_html(data, "patch-1", VIEW, {}))
    assert "3 attempts" in html
    assert "rate limit" in html


def test_a_long_conversation_comes_by_pages_and_no_message_is_lost():
    messages = list(OPENING)
    for number in range(700):
        messages += [answer(asks("bash", {"command": f"echo {number}"})), told(f"{number}")]
    data = trial_of(record(), {"a": messages})
    first = conversation(data, "a", {})
    assert len(first.starts) == -(-len(messages) // ON_A_PAGE)
    seen = []
    for start in first.starts:
        html = str(conversation_html(data, "a", VIEW, {}, first=start))
        ids = [attributes.get("id") or "" for _, attributes in parsed(html).tags]
        seen += [int(name[8:]) for name in ids if name.startswith("message-")]
    assert sorted(set(seen)) == list(range(1, len(messages) + 1))
    assert conversation(data, "a", {}, first=10**9).last == len(messages)
    assert conversation(data, "a", {}, only=10**9).alone is False


def test_a_carried_conversation_leads_to_the_one_that_it_goes_on_with():
    earlier = [*OPENING, answer(asks("bash", {"command": "a"})), told("x")]
    later = [{**m, "carried": True} for m in earlier] + [{"role": "user", "content": "next task"}]
    said = {"localize-1": earlier, "patch-1": later, "patch-1+": [*OPENING]}
    data = trial_of(record(), said)
    page = conversation(data, "patch-1", {})
    assert (page.before, page.carried, page.first) == ("localize-1", 4, 5)
    assert page.after == ["patch-1+"]
    assert conversation(data, "localize-1", {}).after == ["patch-1"]
    html = str(conversation_html(data, "patch-1", VIEW, {}))
    assert "whose 4 messages stand there" in html
    assert 'id="message-1"' not in html


def test_an_entry_says_how_it_was_admitted_and_by_whom_it_is_used():
    rows = record(
        tasks=[task("patch-2")],
        events=[event(1, "put", "", "localize-1") | {"at": 100.0}],
        entries=[entry("F1", "localize-1", "ann", gist="less"), entry("X2", "test-1", "bob")],
        proposals=[
            proposal(1, "ann", "localize-1", gist="more than it shows", remembered=1),
            proposal(2, "bob", "test-1", entry="X2"),
            proposal(3, "bob", "test-1", settled="merged", entry="F1"),
        ],
        links=[{"trial_id": 1, "position": 1, "source": "patch-2", "target": "F1", "kind": "cites",
                "at": 1.0},
               {"trial_id": 1, "position": 2, "source": "X2", "target": "F1", "kind": "refutes",
                "at": 1.0}],
        calls=[call(1, "localize-1", "ann"), call(2, "patch-2", "bob"),
               call(3, "gist-check.localize-1.1", "ann",
                    started_at="1970-01-01T00:01:47.000+00:00")],
        shown=[{"conversation": "patch-2", "label": "F1", "level": "raw", "at": 120.0}],
    )  # fmt: skip
    said = {"localize-1": [*OPENING, answer(asks("publish", {"gist": "more than it shows"}))]}
    data = trial_of(rows, said)
    first, second = entries_of(data)
    assert first.place
    assert (first.place.conversation, first.place.message) == ("localize-1", 3)
    assert first.execution.how == "remembered"
    assert first.execution.compared
    assert first.execution.compared["call_id"] == 3
    assert (first.rewritten, first.refuted) == (True, True)
    assert [each.proposal["number"] for each in first.merged] == [3]
    assert [(each.agent, each.level) for each in first.readers] == [("bob", "raw")]
    assert second.place is None
    html = str(entry_html(data, "F1", VIEW))
    for words in ("taken from the check cache", "call 3", "more than it shows", "Refuted by",
                  "message 3 of localize-1"):  # fmt: skip
        assert words in html
    assert "this one holds no execution of it" in html
    assert "0.50 s" not in html  # the time of a look-up is none of a check
    with pytest.raises(NotInTrial):
        entry_html(data, "F9", VIEW)


def test_a_remembered_check_leads_to_the_execution_that_the_run_holds():
    remembered = proposal(1, "ann", "localize-1", remembered=1, seconds=0.004)
    rows = record(entries=[entry("F1", "localize-1", "ann")], proposals=[remembered])
    executed = proposal(7, "cid", "localize-1", entry="F5", settled_at=86_400.0, seconds=2.5)
    first = FirstCheck(trial={"trial_id": 3, "system": "team", "number": 1}, proposal=executed)
    data = replace(trial_of(rows), first_checks={1: first})
    told = "first executed in team, trial #2, as"
    for links, place in ((VIEW, "/trials/3/entries/F5"), (ReportLinks(), "#trial-3/entry-F5")):
        html = str(entry_html(data, "F1", links))
        assert told in html
        assert f'{place}">F5</a>, 1970-01-02 00:00 UTC, in 2.50 s' in html
        assert "0.00 s" not in html


def test_the_report_says_how_messages_are_read_that_it_does_not_hold():
    rows = record(
        entries=[entry("F1", "localize-1", "ann")],
        proposals=[proposal(1, "ann", "localize-1")],
        calls=[call(1, "localize-1", "ann")],
    )
    said = {"localize-1": [*OPENING, answer(asks("publish", {"gist": "gist of F1"}))]}
    data = trial_of(rows, said)
    html = str(entry_html(data, "F1", ReportLinks()))
    assert re.search(r'href="#trial-1/conversations"[^>]*>message 3 of localize-1</a>', html)
    html = str(render("conversations", section=conversations.section(data), data=data,
                      links=ReportLinks()))  # fmt: skip
    assert "delm show run a__a-1 -s delm --conversation NAME" in html


def test_an_entry_that_a_person_has_vetoed_says_who_and_why():
    rows = record(
        entries=[entry("F1", "localize-1", "ann")],
        events=[
            event(1, "admitted", "ann", "F1", proposal=1),
            event(2, "vetoed", "", "F1", by="eve <b>", reason="it is wrong"),
        ],
    )
    data = trial_of(rows)
    for html in (str(entry_html(data, "F1", VIEW)),
                 str(render("entries", section=section(data), data=data, links=VIEW))):  # fmt: skip
        assert "eve &lt;b&gt;, 1.0 s after the trial began: it is wrong" in html
        assert "vetoed" in html


def test_a_refused_proposal_says_why_and_what_its_author_did_next():
    reason = "The quote does not begin at line 1 but at 2: send it again with that line."
    rows = record(
        proposals=[
            proposal(1, "ann", "patch-1", gist="a", settled="rejected", entry=None, reason=reason),
            proposal(2, "ann", "patch-1", gist="b", at=200.0),
        ],
        calls=[call(1, "patch-1", "ann")],
    )
    messages = [
        *OPENING, answer(asks("publish", {"gist": "a"})), told("It is being checked"),
        answer(asks("bash", {"command": "sleep 1"})), told(f"<verdicts>\n{reason}</verdicts>"),
        answer(asks("publish", {"kind": "FACT", "gist": "b"})), told("Admitted"),
    ]  # fmt: skip
    data = trial_of(rows, {"patch-1": messages})
    made = proposals.section(data)
    assert made
    (page,) = made.proposals
    assert page.next
    assert (page.next.message, page.next.words) == (7, ["publish FACT b"])
    assert [each["number"] for each in page.later] == [2]
    assert "message 7" in str(proposal_html(data, 1, VIEW))
    with pytest.raises(NotInTrial):
        proposal_html(data, 9, VIEW)
    assert proposals.section(trial_of(record(proposals=[proposal(1, "a", "b")]))) is None


def test_the_report_has_the_same_texts_and_no_links_out_of_itself():
    rows = record(
        tasks=[task("patch-1")], entries=[entry("F1", "patch-1", "ann")],
        proposals=[proposal(1, "ann", "patch-1")], calls=[call(1, "patch-1", "ann")],
    )  # fmt: skip
    data = trial_of(rows, {"patch-1": [answer(asks("publish", {"gist": "gist of F1"}))]})
    html = str(render("entries", section=section(data), data=data, links=ReportLinks()))
    assert "message 1 of patch-1" in html
    hrefs = [
        attributes["href"] or "" for _, attributes in parsed(html).tags if "href" in attributes
    ]
    assert all(href.startswith("#trial-1") for href in hrefs)


def test_a_page_may_allow_less_of_a_text_and_a_message_alone_has_more_of_it():
    long = "".join(f"{n}\n" for n in range(30_000))
    rows = record(entries=[entry("F1", "patch-1", "ann", raw=long, gist=long, summary=long)])
    data = trial_of(rows, {"a": [{"role": "user", "content": long}]})
    whole, cut = (
        str(render("entries", section=section(data), data=data, links=VIEW, **limit))
        for limit in ({}, {"most_shown": 300})
    )
    assert len(whole) > 12_000
    assert len(cut) < 4_000
    among = str(conversation_html(data, "a", VIEW, {}))
    alone = str(conversation_html(data, "a", VIEW, {}, only=1))
    assert len(among) < 10_000
    assert "15000" not in among
    assert "15000" in alone


def test_a_call_page_has_its_numbers_and_leads_to_its_answer():
    messages = [*OPENING, answer(asks("bash", {"command": "a"})), told("x")]
    calls = [call(7, "patch-1", "ann", reply=BASH, paid_call=3)]
    data = trial_of(record(calls=calls), {"patch-1": messages})
    html = str(call_html(data, 7, VIEW, {}))
    for words in ("1,000 in", "500 new, 400 cached, 100 written", "message 3", "call 3", "$0.2500"):
        assert words in html
    with pytest.raises(NotInTrial):
        call_html(data, 8, VIEW, {})


def texts(view):
    return ["".join(text for _, text in line.spans) for file in view.files for line in file.lines]


def test_an_edit_is_shown_as_what_it_changed():
    assert texts(replaced_text("a.py", "", "a\nb")) == ["+a", "+b"]
    assert texts(replaced_text("a.py", "a\nb\n", "a\nc\n")) == [" a", "-b", "+c"]
    assert texts(replaced_text("a.py", "--- a\n+++ b", "--- a")) == [" --- a", "-+++ b"]
    assert not replaced_text("a.py", "same", "same").files
    long = replaced_text(HOSTILE, LONG_LINE, LONG_LINE + HOSTILE)
    assert long.left_out > 9_000_000
    assert sum(map(len, texts(long))) < 2_000


@pytest.mark.parametrize(
    ("observed", "status", "output"),
    [
        ("<returncode>1</returncode>\n<output>\nno\n</output>", "1", "no"),
        ("<exception>timeout</exception>\n<returncode>-1</returncode>\n<output>\na\n</output>",
         "-1", "timeout\na"),
        ("<exception>" * 5000, "", None),
        ("<exception></exception>" * 5000, "", None),
        ("<returncode>0</returncode>\n<warning>long</warning>\n<output_head>\na", "0", None),
        ("</output><exit_status>0</exit_status>", "", "</output><exit_status>0</exit_status>"),
    ],
)  # fmt: skip
def test_what_a_command_came_to_is_read_from_its_observation(observed, status, output):
    place = (1, 0)
    found = tool_call(asks("bash", {"command": "x"}), observed, 2, Around(), place).result
    assert found.status == status
    assert output is None or found.output == output


def test_labels_in_what_agents_say_are_links_and_nothing_of_the_text_is_lost():
    text = "F1, (F12) xF1 F1-a F1; patch-1.F1 <F1> F1"
    cut = pieces(text, {"F1", "patch-1"})
    assert "".join(piece for piece, _ in cut) == text
    assert [piece for piece, known in cut if known] == ["F1", "F1", "patch-1", "F1", "F1", "F1"]
    assert pieces("", {"F1"}) == [("", False)]
    rows = record(entries=[entry("F1", "patch-1", "ann")], calls=[call(1, "a", "ann")])
    html = view([answer(content="by F1 <b>", tool_calls=None)], name="a", rows=rows)
    assert 'by <a href="/runs/run/trials/1/entries/F1">F1</a> &lt;b&gt;' in html


@pytest.mark.parametrize(
    ("call_", "words"),
    [
        (asks("bash", {"command": "ls\n-l"}), "bash ls -l"),
        (asks("other", {"a": 1, "b": "x"}), "other a 1, b x"),
        (asks("bash", "no json"), "bash"),
        (asks("publish", {"kind": "FACT", "gist": "g"}), "publish FACT g"),
    ],
)
def test_a_call_in_one_line(call_, words):
    assert words_of(call_) == words
