"""Prices: whose list, at which rate, and an upper bound that is one."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.commands.compose import model_parts
from harness.config import resolve
from harness.errors import UserError
from harness.model.off_peak_prices import windows_of
from harness.model.prices import (
    Price,
    Tier,
    cost,
    find_price,
    recorded,
    snapshot,
    worst_case,
)
from harness.model.provider_keys import known_model, missing_key, nearest_models
from harness.model_entries import parse_overrides
from harness.types import Usage

SHIPPED = yaml.safe_load(Path(__file__).parents[2].joinpath("configs/models.yaml").read_text())
LONG = Price(
    input=1e-06,
    cached_input=1e-07,
    cache_write=2e-06,
    output=4e-06,
    context_tokens=0,
    max_output_tokens=0,
    supports_tools=True,
    source="this test",
    tiers=(Tier(above=1000, input=2e-06, cached_input=2e-07, cache_write=4e-06, output=8e-06),),
)


def test_litellms_table_is_read_without_importing_litellm():
    program = (
        "import sys; from harness.model.prices import find_price\n"
        "assert find_price('gemini/gemini-3-flash-preview', {})\n"
        "import harness.model.replay, harness.model.client, harness.model.provider_keys\n"
        "assert 'litellm' not in sys.modules and 'openai' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("name", "in_table"),
    [
        ("gpt-5-mini", "gpt-5-mini"),
        ("openai/gpt-5-mini", "gpt-5-mini"),
        ("anthropic/claude-sonnet-4-5", "claude-sonnet-4-5"),
        ("gemini/gemini-3-flash-preview", "gemini/gemini-3-flash-preview"),
    ],
)
def test_a_name_is_found_with_and_without_its_provider(name, in_table):
    price = find_price(name, {})
    assert price is not None
    assert price.source.endswith(f": {in_table}")
    assert 0 < price.cached_input < price.input < price.output
    assert price.context_tokens > 100_000
    assert price.supports_tools


@pytest.mark.parametrize(
    "name",
    ["openai/no-such-model", "mistral/gpt-5-mini", "text-embedding-3-large", "sample_spec", ""],
)
def test_what_no_list_prices_has_no_price(name):
    assert find_price(name, {}) is None


def test_the_shipped_models_cost_what_the_model_of_the_published_numbers_costs():
    listed = find_price("gemini/gemini-3-flash-preview", {})
    for name in ("openai/bridge", "openai/scripted"):
        price = find_price(name, SHIPPED["models"])
        assert price is not None
        assert "gemini-3-flash-preview" in price.source
        for rate in ("input", "cached_input", "output", "context_tokens", "max_output_tokens"):
            assert getattr(price, rate) == pytest.approx(getattr(listed, rate))


def test_an_entry_without_prices_keeps_litellms_and_sets_the_rest():
    own = {
        "gpt-5-mini": {"api_base": "http://here/v1", "context_tokens": 5, "supports_tools": False}
    }
    price, listed = find_price("gpt-5-mini", own), find_price("gpt-5-mini", {})
    assert price is not None
    assert listed is not None
    assert (price.input, price.context_tokens, price.supports_tools) == (listed.input, 5, False)


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ({"inptu": 1}, "models.my/model.inptu: unknown key; did you mean 'input'?"),
        ({"zzz": 1}, "models.my/model.zzz: unknown key; valid here: input, cached_input,"),
        (
            {"input": "two", "output": 2},
            r"models.my/model.input: 'two' is not a number \(USD per million tokens\)",
        ),
        ({"context_tokens": 1.5}, "models.my/model.context_tokens: 1.5 is not a whole number$"),
        ({"input": 1}, "models.my/model: give both input and output"),
        (
            {"input": -1, "output": 2, "source": "x"},
            r"models.my/model.input: -1 is less than 0 \(USD",
        ),
        ({"cached_input": 1}, "models.my/model: .*cache price"),
        (None, "models.my/model: None is not a mapping of keys"),
    ],
)
def test_a_wrong_entry_is_refused_by_name(entry, complaint):
    with pytest.raises(UserError, match=complaint):
        parse_overrides({"my/model": entry})


def test_four_kinds_of_tokens_are_priced_apart():
    usage = Usage(
        prompt_tokens=1000,
        cached_tokens=600,
        cache_write_tokens=100,
        completion_tokens=50,
        reasoning_tokens=40,
    )
    by_hand = 300 * 1e-06 + 600 * 1e-07 + 100 * 2e-06 + 50 * 4e-06
    assert cost(usage, LONG) == pytest.approx(by_hand)


def test_a_long_prompt_is_dearer_as_a_whole():
    usage = Usage(prompt_tokens=1001, cached_tokens=1, completion_tokens=10)
    assert cost(usage, LONG) == pytest.approx(1000 * 2e-06 + 2e-07 + 10 * 8e-06)
    pro = find_price("gemini/gemini-2.5-pro", {})
    assert pro is not None
    assert [tier.above for tier in pro.tiers] == [200_000]
    assert pro.tiers[0].input > pro.input


def test_a_table_entry_that_is_only_tiers_has_its_first_tier_as_price():
    price = find_price("dashscope/qwen-flash", {})
    assert price is not None
    assert price.tiers
    assert price.tiers[0].input > price.input > 0


@given(
    prompt=st.integers(0, 5000), cached=st.integers(0, 5000), wrote=st.integers(0, 5000),
    written=st.integers(0, 500),
)  # fmt: skip
def test_the_worst_case_is_never_passed(prompt, cached, wrote, written):
    cached = min(cached, prompt)
    usage = Usage(
        prompt_tokens=prompt,
        cached_tokens=cached,
        cache_write_tokens=min(wrote, prompt - cached),
        completion_tokens=written,
    )
    assert cost(usage, LONG) <= worst_case(prompt, 500, LONG) + 1e-12


# a Wednesday, a Friday, a Saturday and a Sunday; hours are UTC
PEAK = ("2026-11-25T01:30", "2026-11-25T06:00", "2026-11-25T09:59", "2026-11-27T02:00")
OFF = (
    "2026-11-25T00:30", "2026-11-25T04:00", "2026-11-25T10:00", "2026-11-25T23:59",
    "2026-11-28T02:00", "2026-11-29T08:00",
)  # fmt: skip


@pytest.mark.parametrize("hour", [*PEAK, *OFF])
def test_deepseek_costs_half_outside_its_peak_hours(hour):
    price = find_price("deepseek/deepseek-v4-pro", {})
    used = Usage(prompt_tokens=10_000, cached_tokens=4_000, completion_tokens=500)
    dear = 6_000 * 1.32e-6 + 4_000 * 4.4e-8 + 500 * 3.96e-6
    at = datetime.fromisoformat(hour).replace(tzinfo=UTC)
    assert cost(used, price, at) == pytest.approx(dear if hour in PEAK else dear / 2)
    assert cost(used, price) == pytest.approx(dear), "without an hour, the dearer"
    assert worst_case(40_000, 500, price) > dear


def test_the_hour_of_a_call_is_the_providers_wherever_the_clock_is():
    price = find_price("deepseek/deepseek-v4-flash", {})
    used = Usage(prompt_tokens=1_000_000)
    beijing = timezone(timedelta(hours=8))
    at_peak = datetime(2026, 11, 26, 9, 30, tzinfo=beijing)
    assert cost(used, price, at_peak) == 2 * cost(used, price, at_peak - timedelta(hours=1))


def test_weekdays_and_hours_of_a_table_are_read_with_suspicion():
    read = windows_of({
        "hours_utc": "16:30-00:30",
        "weekday_timezone": "Asia/Shanghai",
        "windows": [{"hours_utc": ["x", "1:00-2:00"], "weekdays": ["sat", 7, True, 9, "no"]}, {}],
    })  # fmt: skip
    assert [(w.start, w.end, w.weekdays) for w in read] == [
        ("16:30", "00:30", (1, 2, 3, 4, 5, 6, 7)),
        ("01:00", "02:00", (6, 7)),
    ]
    assert read[0].holds(datetime(2026, 11, 25, 0, 29, tzinfo=UTC))
    assert not read[0].holds(datetime(2026, 11, 25, 0, 30, tzinfo=UTC))
    # 17:00 on a Friday in UTC is Saturday in Shanghai
    late = replace(read[1], start="17:00", end="18:00")
    assert late.holds(datetime(2026, 11, 27, 17, 0, tzinfo=UTC))
    assert not late.holds(datetime(2026, 11, 29, 17, 0, tzinfo=UTC))
    assert windows_of({"hours_utc": "00:00-00:00", "weekday_timezone": "Nowhere/Land"}) == ()


def test_prices_without_hours_hash_as_they_did_before_there_were_any():
    plain, _ = snapshot({"a": LONG})
    assert "off_peak" not in plain["a"]
    priced, _ = snapshot({"a": find_price("deepseek/deepseek-v4-pro", {})})
    assert priced["a"]["off_peak"]["windows"]


def test_the_price_of_a_record_is_the_one_that_was_put_there():
    prices = {"a": LONG, "b": find_price("deepseek/deepseek-v4-pro", {}), "c": None}
    plain, _ = snapshot(prices)
    assert {name: recorded(json.loads(json.dumps(each))) for name, each in plain.items()} == prices


def test_a_snapshot_is_plain_and_its_hash_follows_the_prices():
    plain, digest = snapshot({"a": LONG, "b": None})
    assert json.loads(json.dumps(plain)) == plain
    assert plain["b"] is None
    assert snapshot({"b": None, "a": LONG}) == (plain, digest)
    assert snapshot({"a": LONG})[1] != digest


@pytest.mark.parametrize("unpriced", [False, True])
def test_a_mistyped_name_is_told_with_others_before_a_key_is_asked_for(monkeypatch, unpriced):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    model = {"name": "openai/gpt-5-minni", "allow_unknown_price": unpriced}
    with pytest.raises(UserError, match=r"did you mean .*gpt-5-mini") as told:
        model_parts(resolve([{"model": model}]), lambda _: None)
    assert ("needs a key" in str(told.value)) == unpriced


def test_the_variable_of_a_missing_key_is_named(monkeypatch):
    for name in ("OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY", "MY_KEY", "AZURE_API_BASE",
                 "OPENAI_API_BASE"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AZURE_API_KEY", "x")
    assert missing_key("openai/gpt-5-mini", {}) == "OPENAI_API_KEY"
    assert missing_key("gpt-5-mini", {}) == "OPENAI_API_KEY"
    assert missing_key("gemini/gemini-3-flash-preview", {}) == "GEMINI_API_KEY"
    assert missing_key("azure/gpt-4o", {}) == "AZURE_API_BASE"
    assert missing_key("openai/bridge", SHIPPED["models"]) == "OPENAI_API_BASE"
    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:1/v1")
    assert missing_key("openai/bridge", SHIPPED["models"]) == "OPENAI_API_KEY"
    assert missing_key("openai/own", {"openai/own": {"api_key_env": "MY_KEY"}}) == "MY_KEY"
    assert missing_key("openai/own", {"openai/own": {"api_base": "http://here/v1"}}) is None
    assert missing_key("ollama/llama3", {}) is None
    monkeypatch.setenv("GOOGLE_API_KEY", "x")
    assert missing_key("gemini/gemini-3-flash-preview", {}) is None


def test_an_unknown_model_is_told_from_a_known_provider_and_has_neighbours():
    assert known_model("gpt-5-mini", {})
    assert known_model("openai/whatever-my-server-calls-it", {})
    assert known_model("my/model", {"my/model": {}})
    assert not known_model("opnai/gpt-5-mini", {})
    assert not known_model("gpt-5-minni", {})
    assert not known_model("", {})
    assert "gpt-5-mini" in nearest_models("gpt-5-minni", {})
    assert nearest_models("openai/brige", SHIPPED["models"])[0] == "openai/bridge"
