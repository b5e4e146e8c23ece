"""The configuration: layers in their order, every key checked, and what makes a run the same."""

import itertools
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.commands.configure import BUNDLED, configure
from harness.commands.dataset_layer import dataset_layer
from harness.config import CONFIGS, Config, assignment, layer, merge, read_yaml, resolve, validate
from harness.errors import UserError
from harness.model_entries import parse_overrides
from harness.system_files import system_config
from harness.text import yaml_text

MAPPING = st.recursive(
    st.integers() | st.none() | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
FREE = {
    ("workers",), ("plots",), ("report",), ("budget", "run_cost_usd"), ("sandbox", "disk_gb"),
    ("model", "callbacks"), ("otel", "endpoint"), ("otel", "content"),
}  # fmt: skip
LAYER = st.dictionaries(st.sampled_from("abc"), MAPPING, max_size=3)


@given(LAYER, LAYER, LAYER)
def test_layers_are_merged_one_after_another(one, two, three):
    assert merge(one, two, three) == merge(merge(one, two), three)
    for key, value in three.items():
        if not isinstance(value, dict):
            assert merge(one, two, three)[key] == value


@given(LAYER, LAYER)
def test_merging_changes_no_layer_and_keeps_every_key(one, two):
    before = repr((one, two))
    merged = merge(one, two)
    assert repr((one, two)) == before
    assert merged.keys() == one.keys() | two.keys()
    assert merge(merged, two) == merged


def test_mappings_merge_and_everything_else_replaces():
    merged = merge({"a": {"x": 1, "y": [1, 2]}, "b": 1}, {"a": {"y": [3], "z": 0}, "b": {"c": 1}})
    assert merged == {"a": {"x": 1, "y": [3], "z": 0}, "b": {"c": 1}}


def test_later_layers_win_over_earlier_ones_and_over_the_defaults():
    assert resolve([]).budget.steps == 550
    assert resolve([{"budget": {"steps": 1}}, {"budget": {"steps": 2}}]).budget.steps == 2
    assert resolve([{"budget": {"steps": 1}}]).budget.cost_usd == 3  # its neighbours stay


def test_base_yaml_holds_only_what_the_configuration_has_no_default_for():
    content = read_yaml(CONFIGS / "base.yaml")
    whole = resolve([]).model_dump()
    for section, keys in content.items():
        assert isinstance(keys, dict), f"{section} has a default in harness/config.py"
        for key in keys:
            rest = {name: value for name, value in keys.items() if name != key}
            with pytest.raises(UserError, match=f"{section}.{key}: missing"):
                validate(Config, content | {section: rest}, "configuration")
    assert whole["dataset"]["name"] == "verified-offline"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("seed: 1\nworkers: 2\nseed: 3\n", "line 3: seed is there twice; the first is in line 1"),
        ("budget: {steps: 1, cost_usd: 2,\n  steps: 3}", "line 2: steps is there twice"),
        ("systems:\n- {name: a, name: b}", "line 2: name is there twice"),
        ("1: a\n1: b", "line 2: 1 is there twice"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n  <<: *x", "line 4: << is there twice"),
        ("a: [", "not valid YAML at line 1"),
        ("a: 2020-13-01", "not valid YAML at line 1, column 4: '2020-13-01' is no"),
    ],
)
def test_a_key_that_is_there_twice_in_yaml_is_refused_with_its_line(tmp_path, text, says):
    path = tmp_path / "my.yaml"
    path.write_text(text)
    for read in (lambda: read_yaml(path), lambda: layer(str(path))):
        with pytest.raises(UserError) as caught:
            read()
        assert str(caught.value).startswith(f"{path}: {says}")


@pytest.mark.parametrize(
    "value",
    [
        "!!int _",
        "!!float ''",
        "!!bool maybe",
        "!!timestamp x",
        "2020-13-01",
        "9" * 5000,
        f"1:{'0:' * 400}0.0",
    ],
)
def test_what_yaml_cannot_make_of_a_value_is_refused_with_its_place(value):
    with pytest.raises(
        UserError, match=r"^mine: not valid YAML at line 2, column 4: .* is no "
    ) as why:
        yaml_text.parse(f"a: 1\nb: {value}\n", where="mine")
    assert len(str(why.value)) < 120


def test_a_key_of_a_merged_mapping_may_be_set_anew(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text("a: &a {x: 1}\nb: &b {<<: *a, x: 2}\nc: {<<: *b, y: 3}\nd: {<<: *b, x: 4}\n")
    assert read_yaml(path) == {"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 2, "y": 3}, "d": {"x": 4}}


def test_a_key_twice_is_refused_in_a_value_of_the_command_line_and_in_a_system(tmp_path):
    with pytest.raises(UserError, match=r"-c budget=.*line 1: steps is there twice"):
        assignment("budget={steps: 1, steps: 2}")
    (tmp_path / "mine.yaml").write_text("name: mine\nsystem: a:B\nname: other\n")
    with pytest.raises(UserError, match="line 3: name is there twice"):
        system_config(str(tmp_path / "mine.yaml"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("budget.steps=3", {"budget": {"steps": 3}}),
        ("workers=1", {"workers": 1}),
        ("model.extra.reasoning_effort=high", {"model": {"extra": {"reasoning_effort": "high"}}}),
        ("model.name=a/b=c", {"model": {"name": "a/b=c"}}),
        ("instances=[a, b]", {"instances": ["a", "b"]}),
        ("filter=", {"filter": ""}),
        ("model.temperature=null", {"model": {"temperature": None}}),
        ("models.a/b-4.1.input=2", {"models": {"a/b-4.1": {"input": 2}}}),
        ("models.a/b-4.1={input: 2}", {"models": {"a/b-4.1": {"input": 2}}}),
    ],
)
def test_a_setting_is_a_path_and_a_value_in_yaml(text, expected):
    assert assignment(text) == expected


def test_a_setting_may_name_a_file_with_an_equals_sign(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b.yaml").write_text("budget: {steps: 7}\n")
    assert layer("a=b.yaml") == {"budget": {"steps": 7}}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            "models:\n  openai/x: {input: two, output: 4}\n",
            "models.openai/x.input: 'two' is not a number (USD per million tokens)",
        ),
        ("models:\n  openai/x: {inptu: 2}\n", "models.openai/x.inptu: unknown key; did you mean "
         "'input'?"),
        ("models:\n  openai/x:\n", "models.openai/x: None is not a mapping of keys to values"),
        ("models: [openai/x]\n", "models: ['openai/x'] is not a mapping of names to entries"),
        ("openai/x: {input: 1}\n", "openai/x looks like a model: put it below `models:`"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_models_file_is_named_with_the_file(tmp_path, content, says):
    path = tmp_path / "my-models.yaml"
    path.write_text(content)
    with pytest.raises(UserError) as caught:
        layer(str(path))
    assert str(caught.value) == f"{path}: {says}"


def test_the_keys_of_a_model_may_be_spread_over_layers():
    one, two = layer("models.own/x.input=1"), layer("models.own/x.output=2")
    assert parse_overrides(resolve([one, two]).models)["own/x"].output == 2
    with pytest.raises(UserError, match=r"-c models.own/x.input=one: models.own/x.input: 'one'"):
        layer("models.own/x.input=one")


def test_an_address_replaces_the_variable_of_an_earlier_layer_and_the_other_way_round():
    found = resolve([layer("models.openai/bridge.api_base=http://here/v1")]).models["openai/bridge"]
    assert (found["api_base"], found["api_base_env"]) == ("http://here/v1", "")
    one, two = layer("models.own/x.api_base=http://here/v1"), layer("models.own/x.api_base_env=V")
    assert resolve([one, two]).models["own/x"] == {"api_base": "", "api_base_env": "V"}


def test_a_name_in_configs_is_a_layer():
    assert layer("models") == read_yaml(CONFIGS / "models.yaml")


def _leaves(content: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if isinstance(content, dict) and path not in {("models",), ("model", "extra")}:
        return [leaf for key, value in content.items() for leaf in _leaves(value, (*path, key))]
    return [path]


def _other(value: Any) -> Any:
    """A value of the same kind that is not `value`."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return {"docker": "bubblewrap", "auto": "docker", "refuse": "record"}.get(value, "x")
        case list():
            return [*value, "x"]
        case dict():
            return {**value, "x": {"y": 1}}
    return 0.5  # the only empty value is a number that is not set


def test_every_setting_but_workers_plots_money_disk_and_who_is_told_makes_another_run():
    plain = resolve([]).model_dump(mode="json")
    identity = resolve([]).identity()
    changed = 0
    for path in _leaves(plain):
        value = plain
        for key in path:
            value = value[key]
        words: Any = {("model", "tools"): "native", ("agent_tools",): ["bash"]}
        setting = words[path] if path in words else _other(value)
        for key in reversed(path):
            setting = {key: setting}
        same = resolve([setting]).identity() == identity
        assert same == (path in FREE), path
        changed += not same
    assert changed > 30


def test_a_run_goes_on_with_its_model_at_another_address_and_at_no_other_price():
    entry = {"input": 1, "output": 2, "source": "test"}
    at = {"models": {"own/x": entry | {"api_base": "http://here/v1", "api_key_env": "ONE_KEY"}}}
    moved = {"models": {"own/x": entry | {"api_base_env": "MY_BASE", "api_key_env": "TWO_KEY"}}}
    dearer = {"models": {"own/x": entry | {"output": 3}}}
    assert resolve([at]).identity() == resolve([moved]).identity()
    assert resolve([at]).identity() != resolve([dearer]).identity()
    placed = {"models": {"gpt-5-mini": {"api_base": "http://here/v1"}}}
    assert resolve([placed]).identity() == resolve([]).identity()


def test_the_order_in_which_settings_are_given_makes_no_other_run():
    settings = [{"budget": {"steps": 1}}, {"seed": 4}, {"model": {"temperature": 0.5}}]
    identities = {resolve(order).identity() for order in itertools.permutations(settings)}
    assert len(identities) == 1


def test_the_tools_of_agents_are_part_of_the_identity_in_whatever_order():
    usual = resolve([])
    assert usual.agent_tools == ("bash", "edit")
    same = resolve([{"agent_tools": ["edit", "bash", "bash"]}])
    assert same.identity() == usual.identity()
    assert resolve([{"agent_tools": ["bash"]}]).identity() != usual.identity()


def test_a_resolved_configuration_written_out_resolves_to_itself(tmp_path):
    config = resolve([{"budget": {"cost_usd": 0.1}, "instances": ["a"]}])
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(config.model_dump(mode="json")))
    assert resolve([layer(str(path))]) == config


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"bugdet": {}}, "unknown key 'bugdet'; did you mean 'budget'?"),
        ({"budget": {"step": 1}}, "unknown key 'budget.step'; did you mean 'budget.steps'?"),
        ({"budget": {"zzz": 1}}, "unknown key 'budget.zzz'; valid here: steps, cost_usd, tokens"),
        (
            {"sandbox": {"limits": {"cpu": 1}}},
            "did you mean 'sandbox.limits.cpus'?",
        ),
        ({"budget": {"steps": -1}}, "budget.steps: -1 is less than 0"),
        ({"workers": 0}, "workers: 0 is less than 1"),
        (
            {"sandbox": {"kind": "podman"}},
            "sandbox.kind: 'podman' is not one of: 'auto', 'docker' or 'bubblewrap'",
        ),
        ({"trials": 1.5}, "trials: 1.5 is not a whole number"),
        ({"budget": {"cost_usd": "free"}}, "budget.cost_usd: 'free' is not a number"),
        ({"plots": "maybe"}, "plots: 'maybe' is neither true nor false"),
        ({"dataset": {"split": 3}}, "dataset.split: 3 is not text; write it in quotes"),
        ({"systems": "delm"}, "systems: 'delm' is not a list"),
        ({"budget": 3}, "budget: 3 is not a mapping of keys to values"),
        (
            {"agent_tools": ["bash", "veiw"]},
            "agent_tools: there is no tool 'veiw'; did you mean 'view'?; tools: bash, edit, view",
        ),
        ({"agent_tools": ["edit"]}, "agent_tools: bash has to be among the tools"),
        ({"agent_tools": "bash"}, "agent_tools: 'bash' is not a list"),
    ],
)
def test_the_first_mistake_is_named_with_the_nearest_right_key(content, says):
    with pytest.raises(UserError) as caught:
        resolve([content])
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def _configure(model: str = "", dataset: str = "", *specs: str, **flags: Any) -> Any:
    return configure(model=model, dataset=dataset, specs=specs, flags=flags)


def test_without_a_model_it_is_the_bundled_replay_on_rebuilt_instances():
    config = _configure()
    assert config.model.name == f"replay:{BUNDLED}"
    assert config.dataset.name == "bundled-offline"
    assert config.sandbox.kind == "auto"
    assert BUNDLED.exists()


@pytest.mark.parametrize("specs", [(), ("model.name=openai/x",)])
def test_with_a_model_it_is_swe_bench_verified_on_docker(specs):
    config = _configure("" if specs else "openai/x", "", *specs)
    assert config.model.name == "openai/x"
    assert config.dataset.name == "SWE-bench/SWE-bench_Verified"
    assert config.dataset.label == "SWE-bench Verified"
    assert config.sandbox.kind == "docker"
    assert config.grading.network
    assert not config.sandbox.network


def test_flags_win_over_settings_and_the_last_setting_over_the_first():
    config = _configure(
        "openai/flag", "flag.jsonl", "model.name=openai/c", "dataset.name=c.jsonl", "workers=3",
        workers=5,
    )  # fmt: skip
    assert (config.model.name, config.dataset.name, config.workers) == (
        "openai/flag", "flag.jsonl", 5,
    )  # fmt: skip
    config = _configure("", "", "model.name=a/b", "dataset.name=b", "model.name=c/d",
                        "dataset.name=e")  # fmt: skip
    assert (config.model.name, config.dataset.name) == ("c/d", "e")


@pytest.mark.parametrize("flags", [{}, {"systems": ["single"]}])
def test_options_of_a_system_are_refused_in_a_setting_and_never_dropped(tmp_path, flags):
    path = tmp_path / "mine.yaml"
    path.write_text("systems: {delm: {options: {repairs: 1}}}")
    for spec in ("systems.delm.options.repairs=1", str(path)):
        with pytest.raises(UserError, match=r"systems is a list of names.*pass it with -s FILE"):
            _configure("openai/x", "", spec, **flags)


def test_two_lists_of_systems_on_the_command_line_are_refused_and_a_flag_wins_over_a_file():
    with pytest.raises(UserError, match="both name the systems"):
        _configure("openai/x", "", "systems=[delm]", systems=["single"])
    assert _configure("openai/x", "", "systems=[delm]").systems == ["delm"]
    assert _configure("openai/x", "", "table", systems=["single"]).systems == ["single"]


def test_a_part_of_the_dataset_can_be_set_without_its_name():
    config = _configure("openai/x", "rows.jsonl", "dataset.split=dev", "dataset.label=mine")
    assert (config.dataset.name, config.dataset.split, config.dataset.label) == (
        "rows.jsonl", "dev", "mine",
    )  # fmt: skip
    assert _configure("openai/x", "", "dataset.split=dev").dataset.label == "SWE-bench Verified"


def test_a_shipped_name_of_a_dataset_brings_its_settings():
    assert dataset_layer("swe-bench-verified")["sandbox"] == {"kind": "docker"}
    assert dataset_layer("verified-offline") == {"dataset": {"name": "verified-offline",
                                                             "label": ""}}  # fmt: skip


def test_a_dataset_is_the_same_under_the_name_that_it_had_on_the_hub_before():
    for older, file in (("princeton-nlp/SWE-bench_Verified", "swe-bench-verified"),
                        ("THUDM/LongBench-v2", "longbench-v2")):  # fmt: skip
        assert dataset_layer(older) == dataset_layer(file)
        assert _configure("openai/x", older).dataset == _configure("openai/x", file).dataset


def test_every_shipped_file_is_valid():
    systems = sorted(path.stem for path in (CONFIGS / "systems").glob("*.yaml"))
    assert "single" in systems
    for name in systems:
        assert system_config(name).name == name
    prices = parse_overrides(resolve([]).models)
    assert all(price.source for price in prices.values())
    for path in (CONFIGS / "datasets").glob("*.yaml"):
        resolve([dataset_layer(path.stem)])
