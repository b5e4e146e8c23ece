"""Scores of rows: what counts, what does not, and by what it is divided."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from score_rows import Rows

from harness.score import COLUMNS


def test_no_trials_make_no_rows():
    assert Rows().table() == []


def test_a_row_has_the_columns_that_the_csv_has():
    assert tuple(Rows().add().row()) == COLUMNS


def test_one_trial_on_each_of_two_instances():
    row = Rows().add("a__a-1").add("b__b-2", ["unresolved"], costs=[0.5, 0.25]).row()
    expected = {
        "system": "single", "agents": 1, "instances": 2, "trials": 2, "wanted": 2,
        "submissions": 2, "resolved": 1, "avg_at_1": 0.5, "pass_at_2": None, "pass_at_4": None,
        "selected_at_1": 0.5,
        "cost_per_task_usd": 0.5, "cost_per_submission_usd": 0.5, "cost_usd": 1.0,
        "prefix_share": 0.25, "steps_per_task": 1.5, "seconds_per_task": 10.0, "infra_errors": 0,
        "unfinished": 0,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected


def test_four_trials_of_an_instance_by_hand():
    rows = Rows()
    for number, outcome in enumerate(("resolved", "unresolved", "unresolved", "unresolved")):
        rows.add("a__a-1", [outcome], number=number)
    for number in range(4):
        rows.add("b__b-2", ["resolved"], number=number)
    row = rows.row()
    assert row["avg_at_1"] == pytest.approx((1 / 4 + 1) / 2)
    assert row["pass_at_2"] == pytest.approx((3 / 6 + 1) / 2)  # 3 of the 6 pairs hold the solution
    assert row["pass_at_4"] == 1
    assert (row["instances"], row["trials"], row["submissions"], row["resolved"]) == (2, 8, 8, 5)


def test_an_infrastructure_error_counts_as_not_resolved_and_stands_beside_the_score():
    rows = Rows().add("a__a-1").add("b__b-2", [], state="error", costs=[0.75], seconds=2)
    row = rows.row()
    assert (row["avg_at_1"], row["selected_at_1"]) == (0.5, 0.5)
    assert (row["instances"], row["submissions"], row["infra_errors"]) == (2, 1, 1)
    assert row["cost_per_task_usd"] == 0.5  # it was started, and cost money
    assert row["cost_per_submission_usd"] == 1.0


def test_an_infrastructure_error_counts_against_pass_at_k_too():
    rows = Rows()
    for number in range(3):
        rows.add(number=number, outcomes=["unresolved"])
    row = rows.add(number=3, outcomes=[], state="error").row()
    assert (row["pass_at_4"], row["avg_at_1"], row["infra_errors"]) == (0, 0, 1)
    assert rows.add("c__c-3", [], state="waiting", costs=[]).row()["pass_at_4"] == 0  # not run
    assert rows.add("d__d-4").row()["pass_at_4"] is None  # one submission is not four


@pytest.mark.parametrize("state", ["waiting", "running", "grading", "cancelled"])
def test_what_never_came_to_its_end_is_in_no_denominator_and_is_said_in_the_row(state):
    spent = [] if state == "waiting" else [0.5]
    rows = Rows().add("a__a-1").add("a__a-1", ["unresolved"], number=1)
    rows.add("a__a-1", [], number=2, state=state, costs=spent, seconds=None)
    rows.add("b__b-2", ["resolved"] if state == "cancelled" else [], state=state, costs=spent,
             seconds=None)  # fmt: skip
    row = rows.row()
    assert (row["avg_at_1"], row["unfinished"], row["infra_errors"]) == (0.5, 2, 0)
    assert (row["instances"], row["trials"], row["wanted"]) == (2, 4, 4)
    assert (row["instances_run"], row["trials_run"], row["wanted_run"]) == (1, 2, 2)
    assert (row["submissions"], row["resolved"]) == (2, 1)  # what was salvaged of it is not one
    assert (row["cost_per_task_usd"], row["steps_per_task"], row["seconds_per_task"]) == (
        0.25, 1, 10,
    )  # fmt: skip
    assert row["cost_per_instance_usd"] == 0.25 * 3  # at the three submissions that were asked for
    assert row["cost_usd"] == 0.5 + 2 * sum(spent)
    assert row["unfinished_usd"] == 2 * sum(spent)


def test_a_system_of_which_nothing_ran_has_blanks_and_no_zeros():
    rows = Rows().add("a__a-1").add("a__a-1", [], system="delm", state="waiting", costs=[])
    _, row = rows.table()
    asked = {"instances": 1, "trials": 1, "wanted": 1, "unfinished": 1}
    assert {name: row[name] for name in asked} == asked
    known = {"instances_run", "trials_run", "wanted_run", "trial_retries", "call_retries",
             "cut_answers", "infra_errors", "system_errors", "main_agents", "served_calls",
             "fresh_prompt_tokens", "cached_tokens", "cache_write_tokens", "completion_tokens",
             "reasoning_tokens"}  # fmt: skip
    assert {row[name] for name in known} == {0}
    said = {"system", "agents", "submissions_kind", "equal_submissions", "intervals", *asked}
    assert {row[name] for name in COLUMNS if name not in known | said} == {None}


def test_what_failed_for_infrastructure_goes_on_counting_while_its_next_attempt_waits():
    rows = Rows().add("a__a-1").add("b__b-2", [], state="error", costs=[1.0], seconds=5.0)
    before = rows.row()
    for state in ("waiting", "running", "cancelled"):
        more = Rows().add("a__a-1").add("b__b-2", [], state="error", costs=[1.0], seconds=5.0)
        more.add("b__b-2", [], state=state, attempt=1, costs=[], seconds=None)
        row = more.row()
        for name in ("avg_at_1", "infra_errors", "unfinished", "cost_per_task_usd",
                     "cost_per_task_usd_low", "cost_per_task_usd_high"):  # fmt: skip
            assert row[name] == before[name], (state, name)
        assert row["cost_per_task_usd_low"] <= row["cost_per_task_usd"]
        assert row["cost_per_task_usd"] <= row["cost_per_task_usd_high"]


def test_dollars_of_an_instance_are_at_equal_submissions():
    rows = Rows().add(system="one", costs=[0.1]).add("b__b-2", system="one", costs=[0.2])
    for instance in ("a__a-1", "b__b-2"):
        rows.add(instance, ["resolved"] * 4, system="four", costs=[1.0], wanted=4, agents=4,
                 submits="shared")  # fmt: skip
    one, four = rows.table()
    assert (one["equal_submissions"], four["equal_submissions"]) == (4, 4)
    assert one["cost_per_instance_usd"] == pytest.approx(4 * 0.15)
    assert one["cost_per_task_usd"] == pytest.approx(0.15)
    assert (four["cost_per_instance_usd"], four["cost_per_submission_usd"]) == (1.0, 0.25)


MONEY = st.floats(0, 3).map(lambda usd: round(usd, 3))


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from(["done", "error"]), MONEY,
                          st.sampled_from(["", "waiting", "cancelled", "done"]), MONEY),
                min_size=2, max_size=10))  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_an_estimate_lies_in_its_interval_whatever_waits_failed_or_was_cut(trials):
    rows, numbers = Rows(), dict.fromkeys("abcde", 0)
    for name, state, usd, again, more in trials:
        rows.add(name, state=state, costs=[usd], number=numbers[name])
        if again and state == "error":
            rows.add(name, state=again, costs=[more] * (again != "waiting"), attempt=1,
                     number=numbers[name])  # fmt: skip
        numbers[name] += 1
    row = rows.row()
    for name in ("cost_per_instance_usd", "cost_per_task_usd", "cost_per_submission_usd",
                 "avg_at_1", "selected_at_1"):  # fmt: skip
        low, value, high = row[f"{name}_low"], row[name], row[f"{name}_high"]
        assert low is None or low - 1e-9 <= value <= high + 1e-9, name


def test_seconds_count_every_attempt_that_dollars_count_and_one_that_was_killed_to_its_last_call():
    rows = Rows().add(state="cancelled", outcomes=[], seconds=None).add(attempt=1, seconds=40.0)
    rows.calls[0]["started_at"] = "2026-01-01T00:00:05.000+00:00"
    rows.calls[0]["ended_at"] = "2026-01-01T00:00:07.500+00:00"
    row = rows.row()
    assert row["seconds_per_task"] == 47.5
    assert row["latency_last_s"] == 7.5 + 8
    assert row["cost_per_task_usd"] == 0.5


def test_answers_that_were_served_again_are_counted_and_cost_nothing():
    rows = Rows().add(state="cancelled", outcomes=[], seconds=3.0).add(attempt=1)
    for at, call in enumerate(rows.calls):
        call |= {"call_id": at, "trial": 0, "paid_call": None}
    rows.calls[1] |= {"paid_call": 0}
    row = rows.row()
    assert (row["served_calls"], row["cost_usd"], row["steps_per_task"]) == (1, 0.25, 1)


def test_of_several_attempts_the_last_one_counts_and_all_of_them_cost():
    rows = Rows()
    rows.add(state="error", outcomes=["resolved"], costs=[1.0])
    rows.add(state="cancelled", outcomes=["resolved"], costs=[2.0], attempt=1)
    rows.add(outcomes=["unresolved"], costs=[4.0], attempt=2)
    row = rows.row()
    assert (row["resolved"], row["submissions"], row["trials"]) == (0, 1, 1)
    assert (row["infra_errors"], row["unfinished"]) == (0, 0)
    assert row["cost_per_task_usd"] == 7.0
    assert row["steps_per_task"] == 3


def test_the_last_attempt_is_found_in_any_order_of_rows():
    rows = Rows().add(attempt=1, outcomes=["resolved"]).add(attempt=0, state="error", outcomes=[])
    assert (rows.row()["avg_at_1"], rows.row()["infra_errors"]) == (1, 0)


def test_an_unknown_cost_makes_every_cost_unknown_and_never_zero():
    row = Rows().add(costs=[0.25, None]).add("b__b-2", costs=[0.5]).row()
    assert row["cost_usd"] is None
    assert row["cost_per_task_usd"] is None
    assert row["cost_per_submission_usd"] is None
    assert row["avg_at_1"] == 1  # the score is known all the same


def test_a_call_that_was_cut_off_makes_the_costs_the_least_that_they_can_be_and_says_by_how_much():
    rows = Rows().add(costs=[0.25, None]).add("b__b-2", costs=[0.5])
    rows.calls[1] |= {"outcome": "cancelled", "charged_usd": 0.125}
    row = rows.row()
    assert (row["cost_usd"], row["cost_unsure_usd"]) == (0.75, 0.125)
    assert row["cost_per_task_usd"] == 0.375
    assert [score.cost_unsure_usd for score in rows.scores()] == [0.125, 0]


def test_a_cost_of_zero_is_known():
    row = Rows().add(costs=[0.0]).row()
    assert (row["cost_usd"], row["cost_per_task_usd"]) == (0, 0)


def test_no_submissions_cost_an_undefined_amount_each():
    row = Rows().add(state="error", outcomes=[], costs=[0.25]).row()
    assert row["cost_per_submission_usd"] is None
    assert row["cost_per_task_usd"] == 0.25


def test_a_submission_whose_grading_failed_is_not_resolved():
    row = Rows().add(outcomes=["error"], state="error").row()
    assert (row["resolved"], row["avg_at_1"], row["infra_errors"]) == (0, 0, 1)


def test_a_trial_of_several_submissions_is_divided_by_what_was_wanted():
    rows = Rows().add(
        outcomes=["resolved", "unresolved", "unresolved"], wanted=4, agents=4, submits="independent"
    )
    row = rows.row()
    assert row["avg_at_1"] == 0.25
    assert row["pass_at_2"] == pytest.approx(3 / 6)
    assert row["pass_at_4"] == 1
    assert row["selected_at_1"] is None  # which of them would be shipped is not known here
    assert row["cost_per_task_usd"] == 0.25
    assert row["cost_per_submission_usd"] == pytest.approx(0.25 / 3)


def test_systems_have_rows_of_their_own_in_the_order_of_the_trials():
    rows = Rows().add(system="b").add(system="a", outcomes=["unresolved"], costs=[None])
    first, second = rows.table()
    assert (first["system"], first["avg_at_1"], first["cost_usd"]) == ("b", 1, 0.25)
    assert (second["system"], second["avg_at_1"], second["cost_usd"]) == ("a", 0, None)


def test_an_instance_score_holds_what_its_trials_did():
    rows = Rows().add(number=0).add(number=1, outcomes=["unresolved"], costs=[0.5, 0.5])
    (score,) = rows.scores()
    assert (score.wanted, score.submissions, score.resolved) == (2, 2, 1)
    assert (score.trials, score.steps, score.cost_usd, score.seconds) == (2, 3, 1.25, 20.0)


OUTCOME = st.sampled_from(["resolved", "unresolved"])
STATE = st.sampled_from(["done", "error", "cancelled", "waiting"])


@given(st.lists(st.tuples(st.sampled_from("abcd"), STATE, OUTCOME), min_size=1, max_size=12))
@settings(deadline=None)
def test_the_score_is_the_mean_over_instances_of_resolved_by_asked_for_and_run(trials):
    rows, numbers = Rows(), dict.fromkeys("abcd", 0)
    for name, state, outcome in trials:
        rows.add(name, [outcome], number=numbers[name], state=state)
        numbers[name] += 1
    over = [(i, s, o) for i, s, o in trials if s in {"done", "error"}]
    shares = [
        sum(s == "done" and o == "resolved" for i, s, o in over if i == name)
        / sum(i == name for i, _, _ in over)
        for name in dict.fromkeys(i for i, _, _ in over)
    ]
    row = rows.row()
    assert row["avg_at_1"] == (pytest.approx(sum(shares) / len(shares)) if shares else None)
    assert row["trials"] == len(trials)
    done = sum(state == "done" for _, state, _ in trials)
    assert done + row["infra_errors"] + row["unfinished"] == len(trials)


def test_what_a_trial_would_ship_is_scored_by_its_selection_alone():
    rows = Rows()
    rows.add("a__a-1", ["resolved", "unresolved"], wanted=2, agents=2, selected=0)
    rows.add("a__a-1", ["unresolved", "resolved"], wanted=2, agents=2, selected=0, number=1)
    rows.add("b__b-2", ["resolved", "resolved"], wanted=2, agents=2, selected=1)
    row = rows.row()
    assert row["selected_at_1"] == pytest.approx((1 / 2 + 1) / 2)
    assert row["avg_at_1"] == pytest.approx((2 / 4 + 1) / 2)


def test_a_trial_that_chose_nothing_or_failed_ships_nothing_and_none_at_all_is_undefined():
    chosen = {"wanted": 2, "agents": 2}
    rows = Rows().add("a__a-1", ["resolved", "resolved"], selected=0, **chosen)
    rows.add("b__b-2", ["resolved", "resolved"], **chosen)
    rows.add("c__c-3", ["resolved", "resolved"], selected=0, state="error", **chosen)
    assert rows.row()["selected_at_1"] == pytest.approx(1 / 3)
    assert Rows().add("a__a-1", ["resolved", "resolved"], **chosen).row()["selected_at_1"] is None


def test_the_prefix_share_weighs_calls_by_their_tokens_and_is_undefined_without_any():
    rows = Rows().add(prompts=(100, 0.0)).add("b__b-2", prompts=(300, 0.8))
    assert rows.row()["prefix_share"] == pytest.approx(240 / 400)
    assert Rows().add(prompts=(0, 0.0)).row()["prefix_share"] is None


def test_submissions_that_share_a_context_are_never_put_into_the_unbiased_estimator():
    shared = {"wanted": 2, "agents": 2, "submits": "shared"}
    rows = Rows().add(outcomes=["resolved", "resolved"], **shared)
    rows.add(outcomes=["unresolved", "unresolved"], number=1, **shared)
    row = rows.row()
    assert (row["pass_at_2"], row["pass_at_2_kind"]) == (1 / 2, "shared")  # not 5/6
    assert (row["pass_at_4"], row["pass_at_4_kind"]) == (None, None)


@pytest.mark.parametrize("linked", [{"built_on": "P6"}, {"copy_of": "P6"}])
def test_a_submission_that_contains_or_is_anothers_is_not_counted_as_independent(linked):
    several = {"wanted": 2, "agents": 2, "submits": "independent"}
    rows = Rows().add(outcomes=["resolved", "unresolved"], **several, **linked)
    assert (rows.row()["pass_at_2_kind"], rows.row()["submissions_kind"]) == ("shared", "shared")
    assert rows.row()["copies"] == (2 if "copy_of" in linked else 0)
    alone = Rows().add(outcomes=["resolved", "unresolved"], **several).row()
    assert (alone["pass_at_2_kind"], alone["copies"]) == ("independent", 0)


def test_a_trial_of_several_that_failed_resolves_none_of_them():
    shared = {"wanted": 2, "agents": 2, "submits": "shared"}
    rows = Rows().add(outcomes=["resolved", "resolved"], state="error", **shared)
    assert (rows.row()["pass_at_2"], rows.row()["avg_at_1"]) == (0, 0)


def test_one_agent_that_could_share_shares_with_nobody():
    rows = Rows()
    for number, outcome in enumerate(("resolved", "unresolved", "unresolved", "unresolved")):
        rows.add(outcomes=[outcome], number=number, submits="shared")
    row = rows.row()
    assert (row["pass_at_2"], row["pass_at_2_kind"]) == (1 / 2, "independent")
    assert row["submissions_kind"] == "shared"


def test_an_attempt_that_waits_is_no_retry_yet():
    rows = Rows().add(state="error", outcomes=[]).add(state="waiting", outcomes=[], attempt=1)
    assert rows.row()["trial_retries"] == 0
    rows = Rows().add(state="error", outcomes=[]).add(state="running", outcomes=[], attempt=1)
    assert rows.row()["trial_retries"] == 1


def test_tokens_that_nobody_counted_are_unknown_and_not_zero():
    rows = Rows().add(prompts=(0, 0.0)).add("b__b-2")
    assert rows.row()["completion_tokens"] == 10
    rows.calls[0]["completion_tokens"] = 0
    assert rows.row()["completion_tokens"] is None
    assert rows.row()["fresh_prompt_tokens"] is None
    rows.calls[0]["outcome"] = "failed"  # nothing was answered, so there is nothing to count
    assert rows.row()["completion_tokens"] == 5


def test_nothing_resolved_costs_an_undefined_amount_for_each():
    row = Rows().add(outcomes=["unresolved"]).row()
    assert (row["cost_per_resolved_usd"], row["resolved_instances"]) == (None, 0)


def test_submissions_on_one_instance_are_one_resolved_instance():
    rows = Rows().add(costs=[0.5]).add(number=1, costs=[0.5])
    assert rows.row()["cost_per_resolved_usd"] == 1.0


def test_what_is_shipped_without_a_choice_is_not_what_was_made_first():
    pair = {"wanted": 2, "agents": 2, "submits": "independent"}
    rows = Rows().add(outcomes=["resolved", "unresolved"], **pair)
    rows.submissions[0]["author"], rows.submissions[1]["author"] = "agent-10", "agent-9"
    assert rows.scores()[0].ships is False
    assert rows.scores()[0].selected is None


def test_a_trial_of_one_submission_ships_it_though_others_of_its_system_chose():
    rows = Rows().add(selected=0, submits="shared").add(number=1, submits="shared")
    assert rows.row()["selected_at_1"] == 1


def test_a_choice_of_an_attempt_that_failed_is_none():
    pair = {"wanted": 2, "agents": 2, "submits": "shared", "outcomes": ["resolved", "resolved"]}
    rows = Rows().add(state="error", selected=0, **pair).add(attempt=1, **pair)
    assert rows.row()["selected_at_1"] is None
