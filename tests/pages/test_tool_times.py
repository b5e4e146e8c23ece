"""The commands of a trial are named in its time line where it is sure which they were."""

import json
from dataclasses import replace

import pytest
from board_rows import call, entry, event, proposal, record, trial_of
from hostile_texts import HOSTILE, balanced, faults

from harness.analysis.timeline import timeline
from harness.pages import time_lines
from harness.pages.links import ReportLinks, ViewLinks
from harness.pages.rendering import render
from harness.pages.tool_times import tool_times

START = "2026-01-01T00:00:00.000+00:00"
KILLED = "<exit_status>killed after 60 s, its time limit</exit_status>\n<output>\n</output>"


def at(seconds):
    return f"2026-01-01T00:{int(seconds) // 60:02}:{seconds % 60:06.3f}+00:00"


def span(number, what, start, seconds, agent="ann"):
    return {"span_id": number, "trial_id": 1, "agent": agent, "what": what,
            "started_at": at(start), "seconds": seconds}  # fmt: skip


def asked(number, name, **arguments):
    return {"id": f"c{number}", "name": name, "arguments": json.dumps(arguments)}


def said(*calls):
    sent = [{"id": each["id"], "type": "function",
             "function": {"name": each["name"], "arguments": each["arguments"]}}
            for each in calls]  # fmt: skip
    return {"role": "assistant", "content": "", "tool_calls": sent}


def told(number, content):
    return {"role": "tool", "tool_call_id": f"c{number}", "content": content}


def opened(spans, calls, answers, facts=None, **rows):
    """A trial with one call of ann at second 1 whose answer asks for these tool calls."""
    made = call(1, "patch-1", "ann", position=0, started_at=at(0), ended_at=at(1),
                reply={"content": "", "tool_calls": calls})  # fmt: skip
    messages = {"patch-1": [{"role": "user", "content": "begin"}, said(*calls), *answers]}
    data = trial_of(record(calls=[made], started=1_767_225_600.0, **rows), messages,
                    started_at=START)  # fmt: skip
    run = replace(data.run, facts={"id": "run"} | (facts or {}))
    found = timeline(data.trial, [made], spans)
    return replace(data, run=run, intervals=found, cost=replace(data.cost, spans=spans))


def two(second="false"):
    return [asked(1, "bash", command="sleep 99"), asked(2, "bash", command=second)]


def test_as_many_commands_as_tool_calls_are_named_in_their_order():
    spans = [span(1, "command", 2, 60), span(2, "command", 62, 0.5), span(3, "peer", 62.6, 1)]
    data = opened(spans, two(), [told(1, KILLED), told(2, "<exit_status>1</exit_status>\n")])
    found = {each.words: each.limited for each in tool_times(data).values()}
    assert found == {"bash sleep 99": True, "bash false": False}
    section = time_lines.section(data)
    titles = [bar.title for bar in section.lanes[0].bars]
    assert (
        "ann: running a command, 2.0–62.0 s: bash sleep 99; killed after 60 s, its time limit"
        in titles
    )
    assert [each.interval.seconds for each in section.commands] == [60, 0.5]
    html = str(render("time_lines", section=section, data=data, links=ReportLinks()))
    assert "ann spent 60.0 s, from 2.0 s on, on" in html
    assert html.count("killed after 60 s, its time limit") >= 3  # bar, list, table


@pytest.mark.parametrize(
    "spans",
    [
        [span(1, "command", 2, 60)],  # one of the two made no span
        [span(1, "command", 2, 6), span(2, "command", 8, 1), span(3, "command", 9, 1)],
        [span(1, "command", 0.5, 0.2), span(2, "command", 0.7, 0.2)],  # before the answer
        [span(1, "command", 2, 6, agent="bob"), span(2, "command", 8, 1, agent="bob")],
        [span(1, "command", 2, 6), span(2, "command", 2, 6)],  # the same place in the time line
    ],
)
def test_where_it_is_not_sure_which_command_it_was_none_is_named(spans):
    data = opened(spans, two(), [told(1, KILLED), told(2, KILLED)])
    assert tool_times(data) == {}
    section = time_lines.section(data)
    html = str(render("time_lines", section=section, data=data, links=ReportLinks()))
    assert "which one is not known" in html
    assert "sleep 99" not in html


def test_every_command_that_reached_its_limit_is_told_however_short():
    spans = [span(1, "command", 2, 500), span(2, "command", 503, 1)]
    short = "<exit_status>killed after 1 s, its time limit</exit_status>"
    section = time_lines.section(opened(spans, two(), [told(1, "ok"), told(2, short)]))
    assert [each.tool.words for each in section.told] == ["bash sleep 99", "bash false"]


def test_checks_of_proposals_stand_beside_the_lane_from_proposal_to_ruling():
    spans = [span(1, "command", 2, 60), span(2, "command", 62, 0.5)]
    data = opened(
        spans, two(), [told(1, "x"), told(2, "x")],
        entries=[entry("F1", "patch-1", "ann")],
        events=[event(1, "put", "", "patch-1") | {"at": 1_767_225_601.0}],
        proposals=[
            proposal(1, "ann", "patch-1", at=1_767_225_610.0, settled_at=1_767_225_612.5),
            proposal(2, "ann", "patch-1", at=1_767_225_620.0, settled_at=None, settled=None,
                     entry=None),
        ],
    )  # fmt: skip
    section = time_lines.section(data)
    assert [each.title for each in section.lanes[0].checks] == [
        "check of proposal 1 (FACT), 10.0–12.5 s, admitted as F1",
        "check of proposal 2 (FACT), 20.0–62.5 s, without a ruling",
    ]


@pytest.mark.parametrize("links", [ReportLinks(), ViewLinks("run/<b>")])
def test_only_a_replay_says_that_the_time_of_the_model_is_not_in_it(links):
    spans = [span(1, "command", 2, 60), span(2, "command", 62, 0.5)]
    for replay in (True, False):
        data = opened(spans, two(HOSTILE.replace("\ud83d", "")), [told(1, "x"), told(2, "x")],
                      {"replay": replay})  # fmt: skip
        section = time_lines.section(data)
        html = str(render("time_lines", section=section, data=data, links=links))
        assert ("the time of the model is not in it" in html) == replay
        assert faults(html) == []
        assert balanced(html)
