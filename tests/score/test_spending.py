"""What calls cost, from rows made by hand."""

import pytest

from harness.score.cost import Spent, in_doubt, in_words, spent


def call(outcome: str, cost: float | None, charged: float | None, reserved: float | None = 1.0):
    return {"outcome": outcome, "cost_usd": cost, "charged_usd": charged, "reserved_usd": reserved}


@pytest.mark.parametrize(
    ("calls", "usd", "unsure"),
    [
        ([], 0, 0),
        ([call("ok", 0.25, 0.25), call("failed", 0.5, 0.5)], 0.75, 0),
        ([call("ok", 0.25, 0.25), call("cancelled", None, 1.0)], 0.25, 1.0),
        ([call("cancelled", 0.0, 0.0)], 0, 0),  # before it was sent
        ([call("failed", 0.25, 1.25, 2.0)], 0.25, 1.0),  # one attempt was billed, one is unsure
        ([call("ok", 0.25, 1.25, 2.0)], 0.25, 1.0),
        ([call("started", None, None, 0.5)], 0, 0.5),  # its process died
        ([call("started", None, 0.5, 0.5)], 0, 0.5),  # and another one has charged it
        ([call("ok", 0.25, None, None)], 0.25, 0),  # paid for by an earlier attempt
    ],
)
def test_what_is_known_is_the_least_and_the_worst_case_of_the_rest_stands_beside_it(
    calls, usd, unsure
):
    assert spent(calls) == Spent(usd=usd, unsure_usd=unsure)


@pytest.mark.parametrize(
    "unknown",
    [
        call("ok", None, 1.0),  # the provider counted no tokens
        call("ok", None, None, None),  # there is no price
        call("cancelled", None, None, None),
        call("started", None, None, None),
    ],
)
def test_an_answer_without_a_cost_and_a_model_without_a_price_make_it_unknown(unknown):
    found = spent([call("ok", 0.25, 0.25), unknown, call("cancelled", None, 1.0)])
    assert found == Spent(usd=None, unsure_usd=None)


def test_what_rounding_leaves_is_no_doubt():
    assert spent([call("ok", 0.1 + 0.2, 0.1 + 0.2 + 1e-16)]).unsure_usd == 0


def test_words_say_both_ends():
    assert in_words(Spent(usd=0.25, unsure_usd=0)) == "$0.2500"
    assert in_words(Spent(usd=0.25, unsure_usd=0.5)) == "$0.2500 to $0.7500"
    assert in_words(Spent(usd=None, unsure_usd=None)) == "cost unknown"


@pytest.mark.parametrize(
    ("usd", "unsure", "told"),
    [
        (
            0.07,
            0.9,
            "$0.07 spent in all, up to $0.90 more in doubt (as spent): unanswered requests",
        ),
        (12.34, 0.0, "$12.34 spent"),
        (0.0012, 0.0, "$0.0012 spent"),
        (
            0.0,
            0.25,
            "$0.00 spent in all, up to $0.25 more in doubt (as spent): unanswered requests",
        ),
        (None, None, "cost unknown: a price is, or an answer came without its tokens"),
    ],
)
def test_the_end_of_a_run_tells_what_was_spent_from_what_is_in_doubt(usd, unsure, told):
    assert in_doubt(Spent(usd=usd, unsure_usd=unsure)) == told
