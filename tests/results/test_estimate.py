"""What a run is expected to take before it starts: the arithmetic, and the lines."""

import json
import re
from dataclasses import replace
from functools import partial

import anyio
import pytest
from console import DATASET, FLASK, bundled, query
from fake_run import fake_run
from planted import plant

from harness.benchmarks.longbench.expected import assumed_reading
from harness.benchmarks.swebench.expected import GRADING_S, TURN_S, assumed
from harness.commands.pricing import earlier, priced, published_beside
from harness.errors import UserError
from harness.model.prices import Price
from harness.results.estimate import (
    Estimate,
    Planned,
    estimate,
    from_runs,
    gigabytes,
    hours,
    thousands,
    to_pull,
)
from harness.sandbox.docker.image_cache import IMAGE_BYTES
from harness.score.expected import Expected, Tokens
from harness.score.measured import Measured, as_csv, measured
from harness.shipped import CONFIGS
from harness.system_files import system_config, system_names

PRICE = Price(input=2e-6, cached_input=0.5e-6, cache_write=2.5e-6, output=10e-6, context_tokens=0,
              max_output_tokens=0, supports_tools=True, source="test")  # fmt: skip
FLASH = "gemini/gemini-3-flash-preview"
SERVED = {"OPENAI_API_BASE": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "none"}


def tokens(prompt: float, cached: float = 0, completion: float = 0) -> Tokens:
    return Tokens(prompt=prompt, cached=cached, completion=completion)


def planned(name: str, low: Tokens, likely: Tokens, trials: int, submissions: int, trial_s=100.0):
    expected = Expected(system=name, low=low, likely=likely, trial_s=trial_s, source="a test")
    return Planned(expected=expected, trials=trials, submissions=submissions)


def added_up(parts, **more) -> Estimate:
    settings = {"price": PRICE, "submission_usd": 3.0, "run_usd": 0.0, "trial_wall_s": 600.0,
                "workers": 4} | more  # fmt: skip
    return estimate(parts, **settings)


PARTS = [
    planned("a", tokens(1e5), tokens(2e5, 1e5, 1e4), trials=10, submissions=10),
    planned("b", tokens(1e5), tokens(1e6), trials=5, submissions=20, trial_s=50.0),
]


def test_dollars_are_tokens_by_kind_at_their_prices():
    # 100,000 fresh at 2, as many cached at 0.5, 10,000 written at 10 USD per million
    assert tokens(2e5, 1e5, 1e4).usd(PRICE) == pytest.approx(0.2 + 0.05 + 0.1)


def test_systems_are_added_up_by_their_submissions_and_trials():
    found = added_up(PARTS)
    assert found.tokens == tokens(2e6 + 2e7, 1e6, 1e5)
    assert found.low_usd == pytest.approx(10 * 0.2 + 20 * 0.2)
    assert found.likely_usd == pytest.approx(10 * 0.35 + 20 * 2.0)
    assert found.high_usd == 90.0  # 30 submissions of 3 dollars
    assert found.likely_s == pytest.approx((10 * 100 + 5 * 50) / 4)
    assert found.high_s == 4 * 600  # 15 trials, 4 at a time


def test_nothing_is_likely_beyond_the_budget():
    assert added_up(PARTS, submission_usd=1.0).likely_usd == pytest.approx(10 * 0.35 + 20 * 1.0)
    capped = added_up(PARTS, run_usd=5.0)
    assert (capped.low_usd, capped.likely_usd, capped.high_usd) == (5.0, 5.0, 5.0)
    assert added_up(PARTS, trial_wall_s=10.0).likely_s == pytest.approx(15 * 10 / 4)


def test_no_limit_is_none_and_an_unknown_price_makes_dollars_unknown():
    free = added_up(PARTS, submission_usd=0.0, trial_wall_s=0.0)
    assert (free.high_usd, free.high_s) == (None, None)
    assert free.likely_usd == pytest.approx(43.5)
    unknown = added_up(PARTS, price=None)
    assert (unknown.low_usd, unknown.likely_usd, unknown.high_usd) == (None, None, None)
    assert unknown.tokens == added_up(PARTS).tokens


def test_a_run_takes_at_least_as_long_as_one_trial():
    assert added_up(PARTS[:1], workers=64).likely_s == 100.0
    assert added_up([]).likely_s is None
    nobody_knows = planned("c", tokens(1), tokens(1), 1, 1, trial_s=None)
    assert added_up([*PARTS, nobody_knows]).likely_s is None


def row(system: str, prompt: int, *, wanted: int = 1, run: str = "r", seconds: float = 10.0):
    return {"system": system, "run": run, "wanted": wanted, "seconds": seconds,
            "prompt_tokens": prompt, "cached_tokens": prompt // 2,
            "completion_tokens": prompt // 10}  # fmt: skip


def test_earlier_trials_count_by_their_submissions():
    rows = [row("delm", 4000, wanted=4), row("delm", 12_000, wanted=4, run="s", seconds=30.0),
            row("single", 7)]  # fmt: skip
    found = from_runs("delm", rows)
    assert found is not None
    assert found.likely == tokens(2000, 1000, 200)
    assert found.low.prompt == 1500  # the lower quartile of 1000 and 3000
    assert found.low.cached / found.low.prompt == pytest.approx(0.5)
    assert (found.trial_s, found.source, found.assumed) == (
        20.0, "2 trials in 2 earlier runs", False
    )  # fmt: skip


def test_without_an_earlier_trial_there_is_nothing_to_expect_from():
    assert from_runs("delm", []) is None
    assert from_runs("delm", [row("single", 100)]) is None
    assert from_runs("single", [row("single", 0)]) is None  # its provider counted nothing
    one = from_runs("single", [row("single", 100)])
    assert one is not None
    assert one.low == one.likely


ROWS = {
    name: Measured(
        system=name, agents=agents, date="2026-11-26", recording="r.jsonl", instances=3, trials=4,
        prompt_tokens=prompt, cached_tokens=prompt / 2, completion_tokens=100.0,
        low_prompt_tokens=prompt / 4, turns=6.0,
    )
    for name, agents, prompt in (("single", 1, 1e4), ("centralized", 1, 2e4), ("delm", 2, 3e4))
}  # fmt: skip


@pytest.mark.parametrize("system", system_names())
def test_what_is_assumed_was_measured_of_the_system_or_of_a_similar_one(system):
    found = assumed(system, system_config(system).cost_basis, ROWS)
    assert found is not None
    similar = {
        "mini-swe-agent": "single",
        "independent": "single",
        "single": "single",
        "centralized": "centralized",
        "centralized-parallel": "centralized",
    }
    like = similar.get(system, "delm")
    assert found.likely == tokens(ROWS[like].prompt_tokens, ROWS[like].cached_tokens, 100)
    assert found.low.prompt == found.likely.prompt / 4
    assert f"as {like} " in found.source
    assert found.assumed
    assert "of 2026-11-26, on 3 instances" in found.assumption
    assert found.trial_s == 6 * TURN_S + GRADING_S


def test_the_systems_own_row_is_taken_first_and_without_any_nothing_is_assumed():
    basis = system_config("delm-n2").cost_basis
    own = replace(ROWS["delm"], system="delm-n2", prompt_tokens=7.0)
    assert assumed("delm-n2", basis, ROWS | {"delm-n2": own}).likely.prompt == 7
    assert "as delm with 2 agents in 4 recorded trials" in assumed("x", basis, ROWS).source
    assert assumed("single", system_config("single").cost_basis, {}) is None


def test_the_bundled_figures_are_those_of_the_bundled_recording():
    recording = CONFIGS / "recordings" / "bundled-offline.jsonl"
    lines = [json.loads(line) for line in recording.read_text().splitlines()]
    rows = measured()
    assert set(rows) == set(lines[0]["agents"]), "make it again: scripts/measure_expected.py"
    for name, row in rows.items():
        calls = [line for line in lines[1:] if line["system"] == name]
        trials = {(line["instance_id"], line["trial"]) for line in calls}
        submissions = len(trials) * (1 if system_config(name).submissions == "one" else row.agents)
        total = sum(line["usage"]["prompt_tokens"] for line in calls)
        assert row.prompt_tokens == pytest.approx(total / submissions, abs=0.1)
        assert (row.trials, row.date) == (len(trials), lines[0]["created"][:10])


def test_a_file_of_figures_that_cannot_be_read_is_named_with_what_makes_it(tmp_path):
    (tmp_path / "measured.csv").write_text("system,agents\nsingle,one\n")
    with pytest.raises(UserError, match=r"measured\.csv: .*scripts/measure_expected\.py makes it"):
        measured(tmp_path / "measured.csv")
    (tmp_path / "again.csv").write_text(as_csv(ROWS.values()))
    assert measured(tmp_path / "again.csv") == ROWS


def test_what_was_published_stands_beside_as_such():
    class Named:
        def __init__(self, name, agents):
            self.name, self.agents = name, agents

    (line,) = published_beside([Named("delm", 2), Named("single", 1)], FLASH)
    assert line.endswith("and not used here: DeLM n=2, Gemini 3 Flash: $0.12")
    assert published_beside([Named("single", 1)], FLASH) == []


async def test_earlier_runs_of_the_same_model_are_read_and_replays_are_not(tmp_path):
    await plant(tmp_path, "mine")
    await plant(tmp_path, "replayed", replay=True)
    await plant(tmp_path, "of-another-model", model="other")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.db").write_bytes(b"no database")
    rows = await earlier(tmp_path, "m")
    assert {each["run"] for each in rows} == {"mine"}
    done = query(tmp_path / "mine", "SELECT count(*) AS n FROM trial WHERE state = 'done'")
    assert len(rows) == done[0]["n"]
    found = from_runs("delm-n2", rows)
    assert found is not None
    assert found.likely.prompt == 500  # 1000 of a trial of two
    assert await earlier(tmp_path / "nowhere", "m") == []


async def test_reading_an_earlier_run_changes_nothing_in_it(tmp_path):
    folder = await fake_run(tmp_path, instances=2)
    before = (folder.path / "run.db").read_bytes()
    assert await earlier(tmp_path, FLASH)
    assert (folder.path / "run.db").read_bytes() == before


def test_an_image_that_is_here_is_not_pulled_and_none_is_counted_twice():
    assert to_pull(["a", "b", "a", "c"], ["b", "z"]) == ["a", "c"]
    assert gigabytes(500 * IMAGE_BYTES) == "120.0 GB"


def test_amounts_are_told_so_that_they_can_be_read():
    assert [hours(s) for s in (0, 59, 3599, 3600, 12_345)] == [
        "1 min", "1 min", "1 h 0 min", "1 h 0 min", "3 h 26 min",
    ]  # fmt: skip
    assert [gigabytes(b) for b in (0, 4e6, 1.26e9)] == ["0 MB", "4 MB", "1.3 GB"]
    assert [thousands(t) for t in (900, 1_060_000)] == ["1k", "1.06M"]


def read_by(system: str, documents: list[int]) -> Expected:
    return assumed_reading(system, system_config(system).cost_basis, documents)


def test_a_question_is_assumed_to_cost_what_its_document_is_long():
    short, long = ([tokens] * 3 for tokens in (10_000, 1_000_000))
    for system, times in (("base", 1), ("readagent", 3), ("delm-documents", 6)):
        found = read_by(system, short)
        assert found.likely.prompt == times * 10_000
        assert (found.trial_s, found.assumed) == (None, True)
    assert read_by("base", long).likely.prompt == 120_000  # what it sends at most
    assert read_by("delm-documents", long).likely.prompt == 6_000_000
    assert read_by("readagent", [10_000, 30_000]).likely.prompt == 60_000


def test_the_lines_hold_every_number_and_say_what_is_assumed():
    lines = priced(PARTS, added_up(PARTS), PRICE, 4)
    text = "\n".join(lines)
    assert "a: 200k prompt tokens (100k cached), 10k completion, $0.3500 (a test)" in text
    assert "expected in all: 22.00M prompt tokens (1.00M cached), 100k completion" in text
    assert "dollars: low $6.00, likely $43.50, high $90.00 (the budget)\n" in text
    assert "wall clock: likely 5 min, high 40 min (the budget), 4 trials at a time" in text
    assert "assumed" not in text
    guess = Planned(
        expected=assumed("single", system_config("single").cost_basis, ROWS),
        trials=1,
        submissions=1,
    )
    text = "\n".join(priced([guess], added_up([guess]), PRICE, 4))
    assert "assumed: as single in 4 recorded trials" in text
    assert "without an earlier run of the system with this model" in text
    text = "\n".join(priced(PARTS, added_up(PARTS, price=None), None, 4))
    assert "dollars: unknown" in text
    assert "$" not in text
    free = added_up(PARTS, submission_usd=0.0, trial_wall_s=0.0)
    text = "\n".join(priced(PARTS, free, PRICE, 4))
    assert "high no limit" in text
    assert "wall clock: likely 5 min, no limit, 4" in text


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"run_usd": 5.0}, "dollars: likely $43.50, and the budget stops it at $5.00; "),
        ({"submission_usd": 0.3}, "dollars: likely $43.50, and the budget stops it at $9.00; "),
        (
            {"submission_usd": 1.0},
            "dollars: low $6.00, likely $23.50, high $30.00 (the budget); $43.50 without the limit",
        ),
    ],
)
def test_a_budget_below_what_is_likely_is_said_to_stop_the_run(limits, says):
    assert says in "\n".join(priced(PARTS, added_up(PARTS, **limits), PRICE, 4))


def test_a_dry_run_prices_the_table_from_earlier_runs_and_starts_nothing(delm, place):
    bundled(FLASK)
    anyio.run(partial(plant, place / "results", "before", model="openai/scripted",
                      prices={"openai/scripted": {}}))  # fmt: skip
    told = delm("eval", "-m", "openai/scripted", "-d", DATASET, "-i", FLASK, "--dry-run", **SERVED)
    assert told.code == 0, told.text
    assert re.search(r"  single: 1k prompt tokens .*\(10 trials in 1 earlier run\)", told.out)
    assert re.search(r"  mini-swe-agent: .*\(assumed: as single in \d+ recorded", told.out)
    low, likely, high = map(float, re.search(
        r"dollars: low \$([\d.]+), likely \$([\d.]+), high \$([\d.]+) \(the budget\)", told.out
    ).groups())  # fmt: skip
    assert 0 < low < likely < high == 28 * 3
    assert "and not used here: mini-SWE-agent, Gemini 3 Flash: $0.26" in told.out
    assert "wall clock: likely " in told.out
    assert "environments to build" in told.out
    assert [path.name for path in (place / "results").iterdir()] == ["before"]


def test_a_replay_is_not_priced(delm, place):
    bundled(FLASK)
    told = delm("eval", "--dry-run")
    assert told.code == 0, told.text
    assert "no requests are sent, it is free" in told.out
    assert "dollars:" not in told.out
    assert "disk: " in told.out
