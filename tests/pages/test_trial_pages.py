"""A trial opened: its numbers are those of `delm cost`, and nothing in its rows breaks it."""

import re
from dataclasses import replace

import anyio
import pytest
from board_rows import call, entry, event, proposal, record, task, trial_of
from fake_run import fake_run
from hostile_texts import HOSTILE, LONG_LINE, balanced, faults, parsed
from planted import plant
from score_rows import Rows

from harness.analysis.cost_breakdown import ended_trials
from harness.analysis.cost_overheads import Overheads
from harness.analysis.run_costs import cost_rows
from harness.analysis.timeline import WHAT, Interval
from harness.analysis.turn_activities import TurnActivity
from harness.board.evidence import Span
from harness.pages import activity, findings, submissions, tests, time_lines
from harness.pages.links import ReportLinks, ViewLinks
from harness.pages.rendering import render, usd
from harness.pages.trial import trial_html
from harness.pages.trial_data import TrialTime, trial_data, trials_of

LINKS = (ReportLinks(), ViewLinks("run/<b>"))
STORED = HOSTILE.replace("\x00", "").replace("\ud83d", "")  # evidence holds neither


def wrong(html, links):
    """The faults of a page. The live one has forms of its own, which post to its server."""
    own = () if isinstance(links, ReportLinks) else ("<form>",)
    return [fault for fault in faults(html) if fault not in own]


def words(text: str) -> int:
    return len(text.split())


async def read_all(folder):
    async with folder.open() as store, folder.boards() as boards:
        run = await store.read()
        reader = await trials_of(store, boards, run, count=words)
        rows = {i: await cost_rows(run, store, boards, words, [i])
                for i in dict.fromkeys(trial["instance_id"] for trial in run.trials)}  # fmt: skip
        return [await reader.read(trial["trial_id"]) for trial in run.trials], rows


@pytest.fixture(scope="module", params=["planted", "fake", "without prices"])
def read(request, tmp_path_factory):
    """All trials of a run, and the rows of `delm cost -i` of each instance."""
    place = tmp_path_factory.mktemp("runs")
    if request.param == "planted":
        folder = anyio.run(plant, place)
    else:
        priced = request.param == "fake"
        folder = anyio.run(lambda: fake_run(place, instances=3, priced=priced))
    return anyio.run(read_all, folder)


def test_the_numbers_are_those_of_delm_cost(read):
    trials, rows = read
    for data in trials:
        section = activity.section(data)
        mine = [row for row in rows[data.trial["instance_id"]] if row["part"] == "system"]
        assert section is not None
        by_name = {row["system"]: row for row in section.systems}
        assert by_name == {row["system"]: row for row in mine}
        html = str(trial_html(data, ReportLinks()))
        for row in mine:
            assert usd(row["cost_per_submission_usd"]) in html
            if row["ratio"] is not None:
                assert f"{row['ratio']:.2f}" in html


def test_activities_and_bars_sum_to_the_system(read):
    trials, rows = read
    for data in trials:
        section = activity.section(data)
        for bar in section.money:
            row = next(r for r in section.systems if r["system"] == bar.system)
            each = [r["cost_per_submission_usd"] or 0.0 for r in rows[data.trial["instance_id"]]
                    if r["part"] == "activity" and r["system"] == bar.system]  # fmt: skip
            assert bar.amount == row["cost_per_submission_usd"]
            if bar.amount is not None and row["calls"]:
                assert sum(each) == pytest.approx(bar.amount)
                widths = sum(segment.width for segment in bar.segments)
                largest = max(b.amount or 0 for b in section.money)
                assert widths == pytest.approx(100 * bar.amount / largest, abs=0.1)


def test_what_trials_spent_alone_sums_to_the_run(read):
    trials, rows = read
    sums: dict[str, float] = {}
    whole: dict[str, float] = {}
    for data in trials:
        if data.trial in ended_trials(data.run.trials):
            spent = sum(dollars for *_, dollars in activity.section(data).own)
            sums[data.trial["system"]] = sums.get(data.trial["system"], 0.0) + spent
    for instance in rows.values():
        for row in instance:
            if row["part"] == "activity":
                system = row["system"]
                whole[system] = whole.get(system, 0.0) + (row["cost_usd"] or 0.0)
    if any(whole.values()):
        assert sums == pytest.approx(whole)


def test_the_sentence_names_the_system_that_it_is_compared_with_and_the_ratio(read):
    trials, _ = read
    told = 0
    for data in trials:
        section = activity.section(data)
        systems = {row["system"]: row for row in section.systems}
        mine = systems[data.trial["system"]]
        found = re.search(r", ([\d.]+) of (\S+)'s \$([\d.]+)\.", section.sentences[0])
        if not found:
            continue
        told += 1
        other = systems[found[2]]
        ratio = mine["cost_per_submission_usd"] / other["cost_per_submission_usd"]
        assert float(found[1]) == pytest.approx(ratio, abs=0.006)
        if found[2] == mine["baseline"]:
            assert float(found[1]) == pytest.approx(mine["ratio"], abs=0.006)
    assert told or all(data.costs_here[0]["cost_usd"] is None for data in trials)


def test_the_baseline_is_compared_with_a_team_and_all_others_with_the_baseline(read):
    trials, _ = read
    for data in trials:
        section = activity.section(data)
        there = {row["system"] for row in section.systems if row["calls"]}
        teams = {each["system"] for each in data.trials_here if each["submits"] == "shared"}
        if data.trial["system"] != "single":
            assert section.other == "single"
        elif teams & there:
            assert section.other in teams
        assert section.systems[0]["system"] == "single"


def test_every_trial_is_a_whole_page_on_each_kind_of_page(read):
    trials, _ = read
    one_of_each = {(data.trial["system"], data.trial["state"]): data for data in trials}
    for data in one_of_each.values():
        for links in LINKS:
            html = str(trial_html(data, links))
            assert wrong(html, links) == []
            assert balanced(html)
            ids = [names["id"] for _, names in parsed(html).tags if names.get("id")]
            assert len(ids) == len(set(ids))


async def test_a_trial_that_is_not_there_is_told(tmp_path):
    folder = await plant(tmp_path)
    async with folder.open() as store, folder.boards() as boards:
        run = await store.read()
        with pytest.raises(KeyError):
            await trial_data(store, boards, run, 10_000)


async def test_what_ended_trials_cost_is_read_once(tmp_path):
    folder = await plant(tmp_path)
    known = {}
    async with folder.open() as store, folder.boards() as boards:
        run = await store.read()
        ended = next(t["trial_id"] for t in run.trials if t["state"] == "done")
        first = await (await trials_of(store, boards, run, known)).read(ended)
        assert ended in known
        kept = dict(known)
        again = await (await trials_of(store, boards, run, known)).read(ended)
        assert known == kept
        assert again.costs_here == first.costs_here


# -- texts -------------------------------------------------------------------------------------


def submission(number, **more):
    plain = {"submission_id": number, "trial_id": 1, "system": "delm", "instance_id": "a__a-1",
             "trial": 0, "attempt": 0, "author": f"patch-{number}", "agent": f"agent-{number}",
             "patch": "--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x\n+y\n", "patch_sha256": str(number),
             "reason": "finished", "salvaged": 0, "created_at": "2026-01-01T00:00:03.000+00:00",
             "built_on": "", "copy_of": "", "outcome": "resolved", "grade_reason": "",
             "official": "resolved", "flags": [], "unchecked": [], "looks": [], "report": {},
             "selected": 0, "selection_reasons": None, "grade_cached": 0,
             "grade_seconds": 1.0}  # fmt: skip
    return plain | more


def opened(rows, text=None, facts=None, **more):
    """A trial with these submissions."""
    data = trial_of(record(submissions=rows), **more)
    run = replace(data.run, facts=facts or {"id": "run"})
    return replace(data, run=run, text=text, trials_here=[data.trial])


TEXT = {"instance_id": "a__a-1", "asked": "the issue", "gold": submission(1)["patch"]}


def test_the_gold_patch_is_shown_when_a_submission_is_graded_and_not_before():
    before = submissions.section(opened([submission(1, outcome=None)], TEXT))
    assert (before.gold, before.why_no_gold) == (None, submissions.GRADED_LATER)
    html = str(trial_html(opened([submission(1, outcome=None, patch="")], TEXT), ReportLinks()))
    assert "+1 −1" not in html
    after = submissions.section(opened([submission(1)], TEXT))
    assert after.gold == TEXT["gold"]
    assert after.submissions[0].as_gold
    older = submissions.section(opened([submission(1)]))
    assert (older.gold, older.why_no_gold) == (None, submissions.NOT_RECORDED)


@pytest.mark.parametrize(
    ("hashes", "told"),
    [("a", ""), ("aa", "Both patches are the same."), ("aaa", "All 3 patches are the same."),
     ("ab", "The 2 patches differ."), ("aab", "Of 3 patches 2 differ.")],
)  # fmt: skip
def test_how_submissions_relate_is_told(hashes, told):
    rows = [submission(n, patch_sha256=each) for n, each in enumerate(hashes)]
    assert submissions.relation(opened(rows)) == told
    shown = submissions.section(opened(rows)).submissions
    assert [each.diff is None for each in shown] == [h in hashes[:n] for n, h in enumerate(hashes)]


def test_an_answer_is_no_diff_and_has_no_tests():
    rows = [submission(1, patch="B", report={"answer": "B", "right": "A"}, outcome="unresolved",
                       grade_reason="answered B", official="unresolved")]  # fmt: skip
    text = {"instance_id": "a__a-1", "asked": "which?\n\nA: one\nB: two", "gold": "A"}
    data = opened(rows, text, {"id": "run", "benchmark": "longbench-v2"})
    section = submissions.section(data)
    assert (section.word, section.right, section.gold) == ("answer", "A", None)
    assert section.submissions[0].answer == "B"
    assert tests.section(data) is None
    html = str(trial_html(data, ReportLinks()))
    assert "Right answer" in html
    assert "diff-file" not in html
    assert "patch" not in "".join(parsed(html).text).replace("patch-1", "").lower()


STATUS = {"FAIL_TO_PASS": {"success": ["t::a"], "failure": ["t::b"]},
          "PASS_TO_PASS": {"success": ["t::c", "t::d"], "failure": []}}  # fmt: skip


def test_tests_that_failed_stand_first_and_flags_are_told_in_words():
    other = {"FAIL_TO_PASS": {"success": ["t::a", "t::b"], "failure": []},
             "PASS_TO_PASS": {"success": ["t::c"], "failure": ["t::d"]}}  # fmt: skip
    rows = [
        submission(1, outcome="unresolved", official="resolved", flags=["forged-result"],
                   report={"a__a-1": {"tests_status": STATUS}}),
        submission(2, report={"a__a-1": {"tests_status": other}}, unchecked=["repeat"]),
    ]  # fmt: skip
    section = tests.section(opened(rows))
    assert [(each.failing, each.passing) for each in section.tests] == [
        (["t::b"], ["t::a"]), (["t::d"], ["t::c"]),
    ]  # fmt: skip
    assert [column.of("FAIL_TO_PASS", "t::b") for column in section.columns] == ["failed", "passed"]
    assert section.columns[0].count("FAIL_TO_PASS") == "1 of 2"
    html = str(trial_html(opened(rows), ReportLinks()))
    assert "a test that can only fail did not" in html
    assert "<strong>resolved</strong>" in html  # what the official grader said, and does not count


@pytest.mark.parametrize(
    "report",
    [None, {}, {"a": None}, {"a": 1}, {"a": {"tests_status": 5}}, {"a": {"tests_status": {}}},
     {"a": {"tests_status": {"FAIL_TO_PASS": []}}}, {"a": {"tests_status": {"PASS_TO_PASS": {
         "success": "abc", "failure": None}}}}, {"answer": "A", "right": "B"}],
)  # fmt: skip
def test_a_report_of_another_form_names_no_tests(report):
    assert tests.section(opened([submission(1, report=report)])) is None


def test_nothing_in_the_rows_breaks_the_page():
    names = [HOSTILE, LONG_LINE[:100_000], *(f"{n}::{HOSTILE}" for n in range(400))]
    status = {"FAIL_TO_PASS": {"success": [], "failure": names},
              "PASS_TO_PASS": {"success": names, "failure": []}}  # fmt: skip
    row = submission(
        1, author=HOSTILE, agent=HOSTILE, patch=LONG_LINE, reason=HOSTILE, copy_of=HOSTILE,
        built_on=HOSTILE, grade_reason=LONG_LINE, flags=[HOSTILE], unchecked=[HOSTILE],
        report={HOSTILE: {"tests_status": status}}, selected=1, selection_reasons=[HOSTILE],
    )  # fmt: skip
    work = {"tasks": [task(HOSTILE)], "entries": [entry("F1", HOSTILE, HOSTILE, gist=LONG_LINE)],
            "proposals": [proposal(1, HOSTILE, HOSTILE, gist=HOSTILE,
                                   evidence=Span(path=STORED, line=1, quote=STORED))],
            "events": [event(1, "admitted", HOSTILE, "F1")],
            "calls": [call(1, HOSTILE, HOSTILE, error=HOSTILE)]}  # fmt: skip
    data = trial_of(
        record(submissions=[row, submission(2, patch=HOSTILE)], **work), {HOSTILE: []},
        system=HOSTILE, instance_id=HOSTILE, detail=LONG_LINE, reason=HOSTILE, sandbox=HOSTILE,
        audit=HOSTILE, repo=HOSTILE, difficulty=HOSTILE, state="failed",
        started_at="2026-01-01T00:00:00.000+00:00",
    )  # fmt: skip
    spans = [interval(HOSTILE, what, n, 1) for n, what in enumerate(WHAT)]
    cost = replace(
        data.cost, kinds={1: HOSTILE}, activities={1: {TurnActivity.SEARCH: 1.0}},
        overheads=Overheads(sums={}, refused=frozenset(), again={}),
    )  # fmt: skip
    data = replace(
        data, cost=cost, intervals=spans, trials_here=[data.trial],
        times_here=[TrialTime(trial=data.trial, causes={"model": 1.0}, words={"model": HOSTILE})],
        text={"instance_id": HOSTILE, "asked": LONG_LINE, "gold": HOSTILE},
    )  # fmt: skip
    for links in LINKS:
        html = str(trial_html(data, links))
        assert wrong(html, links) == []
        assert balanced(html)
        assert len(html) < 1_500_000


# -- time lines --------------------------------------------------------------------------------


def lanes(intervals, found=None):
    data = trial_of(found or record(), started_at="2026-01-01T00:00:00.000+00:00")
    return time_lines.section(replace(data, intervals=intervals))


def interval(agent, what, start, seconds):
    return Interval(agent=agent, what=what, start_s=start, seconds=seconds)


def test_bars_stand_at_their_time_and_waiting_is_marked():
    section = lanes([interval("a", "model", 0, 5), interval("a", "peer", 5, 5)])
    model, peer = section.lanes[0].bars
    width = time_lines.WIDTH - time_lines.LEFT - time_lines.RIGHT
    assert (model.x, model.width) == (time_lines.LEFT, pytest.approx(width / 2))
    assert (peer.x, peer.waits, model.waits) == (pytest.approx(model.x + model.width), True, False)
    assert "a: waiting for a peer, 5.0–10.0 s" in peer.title
    assert [words for _, words in section.ticks][:2] == ["0 s", "1 s"]


def test_many_short_intervals_are_one_bar_and_many_agents_are_cut():
    short = [interval("a", "command", n / 1000, 0.0005) for n in range(5_000)]
    section = lanes([*short, interval("a", "model", 900, 100)])
    assert len(section.lanes[0].bars) < 50
    crowd = [interval(f"agent-{n}", "model", n, 1) for n in range(500)]
    section = lanes(crowd)
    assert len(section.lanes) == time_lines.MOST_LANES
    assert section.left_out == 500 - time_lines.MOST_LANES
    assert lanes([]) is None


def test_entries_and_submissions_are_marked_where_they_were_made():
    found = record(
        entries=[entry("F1", "localize-1", "a"), entry("C2", "localize-1", "a")],
        events=[
            {"number": n, "at": 1_767_225_600.0 + at, "actor": "a", "what": "admitted",
             "subject": label, "detail": {}}
            for n, (label, at) in enumerate((("F1", 2.0), ("C2", 2.1), ("F9", 3.0)))
        ],
        submissions=[submission(1, agent="a")],
    )  # fmt: skip
    section = lanes([interval("a", "model", 0, 10)], found)
    assert [(m.label, round(m.at, 1), m.shown) for m in section.marks] == [
        ("F1", 2.0, True), ("C2", 2.1, False), ("patch-1", 3.0, False),
    ]  # fmt: skip
    assert section.marks[0].x < section.marks[2].x


def test_findings_without_a_proposal_are_no_section():
    assert findings.section(trial_of(record())) is None


def beside(*, copies, trials=1):
    """A trial of a team with two submissions, so many of them copies, beside those of one agent."""
    rows = Rows().add(system="delm", outcomes=("resolved", "resolved"), costs=(0.3,), wanted=2,
                      submits="shared")  # fmt: skip
    for row in rows.submissions[:copies]:
        row["copy_of"] = "P3"
    for number in range(trials):
        rows.add(number=number, costs=(0.2,))

    def system(name, usd, made):
        return {"system": name, "part": "system", "name": "all", "calls": 3, "cost_usd": usd,
                "cost_unsure_usd": 0.0, "submissions": made, "baseline": "single", "ratio": None,
                "cost_per_submission_usd": usd / made}  # fmt: skip

    costs = [system("delm", 0.3, 2), system("single", 0.2 * trials, trials)]
    data = trial_of(record(calls=[call(1, "patch-1", "ann")]))
    nothing = Overheads(sums={}, refused=frozenset(), again={})
    cost = replace(data.cost, kinds={1: "agent"}, activities={1: {}}, overheads=nothing)
    return replace(data, scores_here=rows.scores(), costs_here=costs, cost=cost)


def test_a_copy_is_no_second_patch_and_the_price_of_a_distinct_one_stands_with_every_ratio():
    data = beside(copies=1)
    told = activity.cost_sentence(data)
    assert told.startswith(
        "delm spent $0.3000 here for 2 submissions, $0.1500 each, 0.75 of single"
    )
    assert "1 of the 2 is a copy of another agent's patch." in told
    assert told.endswith("A distinct patch costs $0.3000, 1.50 times single's $0.2000.")
    single = replace(data, cost=replace(data.cost, trial={**data.trial, "system": "single"}))
    assert activity.cost_sentence(single).endswith(
        "1.33 of delm's $0.1500. A distinct patch costs $0.2000, 0.67 times one of delm's "
        "($0.3000)."
    )
    section = activity.section(data)
    mine, other = (
        next(b for b in section.money if b.system == name) for name in ("delm", "single")
    )
    assert mine.note == "2 submissions, 1 copy; of a distinct one 1.50"
    assert other.note == "1 submission"
    html = str(render("activity", section=section, data=data, links=ReportLinks()))
    assert "All, per distinct patch" in html
    assert "of another agent" not in html  # the head of the trial has that sentence


def test_without_copies_nothing_is_said_of_them_and_several_trials_are_told():
    data = beside(copies=0, trials=2)
    told = activity.cost_sentence(data)
    assert "distinct" not in told
    single = replace(data, cost=replace(data.cost, trial={**data.trial, "system": "single"}))
    assert activity.cost_sentence(single).startswith(
        "single spent $0.4000 here in 2 trials for 2 submissions, $0.2000 each"
    )
    section = activity.section(single)
    assert next(b for b in section.money if b.this).note == "2 submissions of 2 trials"
    html = str(render("activity", section=section, data=single, links=ReportLinks()))
    assert "(this trial&#39;s system)" in html or "(this trial's system)" in html
    assert "distinct" not in html


def test_where_all_are_copies_no_price_of_a_distinct_one_is_made_up():
    told = activity.cost_sentence(beside(copies=2))
    assert told.endswith("2 of the 2 are copies of another agent's patch.")


def test_what_two_systems_do_not_share_is_not_compared():
    part = activity._Table(
        [
            {"system": name, "part": part, "name": kind, "cost_usd": usd, "calls": 1,
             "cost_per_submission_usd": usd, "prompt_tokens": 1, "output_tokens": 1, "count": 1,
             "seconds": 0}
            for name, part, kind, usd in (
                ("delm", "system", "all", 0.3), ("single", "system", "all", 0.2),
                ("third", "system", "all", 0.2),
                ("delm", "kind", "patch", 0.3), ("single", "kind", "agent", 0.2),
                ("delm", "activity", "edit", 0.3), ("third", "activity", "other tools", 0.1),
            )
        ],
        ["delm", "single", "third"], "delm", "single",
    )  # fmt: skip
    assert not part.part("kinds", ("kind",)).compared
    lines = {line.name: line.more for line in part.part("activities", ("activity",)).lines}
    assert lines == {"edit": 0.3, "other tools": None}


def test_the_head_of_a_trial_marks_copies_and_says_that_a_replay_has_no_time_of_the_model():
    made = [submission(1), submission(2, copy_of="P3")]
    for rows, copies in ((made[:1], False), (made, True)):
        data = replace(opened(rows), submissions_here=rows)
        for replay in (True, False):
            run = replace(data.run, facts={"id": "run", "replay": replay})
            html = str(trial_html(replace(data, run=run), ReportLinks()))
            assert ("a copy of P3" in html) == copies
            assert ("<b>c</b> a copy of another agent's patch" in html) == copies
            assert ("(a replay: without the model's time)" in html) == replay
