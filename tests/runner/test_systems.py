"""Systems are made from checked options, and described by all the files that they consist of."""

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.config import CONFIGS, read_yaml
from harness.config import resolve as configuration
from harness.errors import UserError
from harness.runner.code_files import code_files
from harness.runner.systems import load_systems, make, options_of
from harness.system_files import SystemConfig, UnknownSystem, system_config, system_names


@pytest.fixture
def mine(tmp_path, monkeypatch) -> Path:
    """Modules of a user: a package with a prompt, what it imports, and what nothing imports."""
    for name, text in {
        "mine_pkg/__init__.py": "from mine_pkg.system import Mine",
        "mine_pkg/system.py": "import json\nfrom . import words\nclass Mine:\n"
        "    def __init__(self, rounds: int = 2, *, name='x', **more): self.more = more\n"
        "    def late(self):\n        import mine_helper\n",
        "mine_pkg/words.py": "import yaml",
        "mine_pkg/ask.md": "Answer.",
        "mine_pkg/unused.py": "",
        "mine_helper.py": "x = 1",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [each for each in sys.modules if each.startswith("mine_")]:
        del sys.modules[name]


def factory_of(config: SystemConfig) -> Any:
    module, _, attribute = config.system.partition(":")
    return getattr(importlib.import_module(module), attribute)


def system(options: dict[str, Any], where: str = "mine_pkg:Mine") -> SystemConfig:
    return SystemConfig(name="mine", system=where, options=options)


def test_the_code_of_a_system_is_what_it_imports_at_any_time_and_no_library(mine):
    before = code_files("mine_pkg")
    assert list(before) == [
        "mine_helper.py", "mine_pkg/__init__.py", "mine_pkg/ask.md", "mine_pkg/system.py",
        "mine_pkg/words.py",
    ]  # fmt: skip
    (mine / "mine_helper.py").write_text("x = 2")
    (mine / "mine_pkg/unused.py").write_text("y = 2")
    after = code_files("mine_pkg")
    assert {name for name in after if after[name] != before[name]} == {"mine_helper.py"}


@pytest.mark.parametrize(
    ("name", "benchmark", "says"),
    [
        ("singel", "", "did you mean 'single'?; systems for swe-bench: single, "),
        ("bse", "longbench-v2", "did you mean 'base'?; systems for longbench-v2: base, readagent,"),
        ("zzz", "longbench-v2", "'zzz'; systems for longbench-v2: "),
        ("zzz", "", "'zzz'; systems: "),
        ("zzz", "katas", "none that ships is for katas: pass a file (-s)"),
    ],
)
def test_an_unknown_system_is_told_with_those_that_fit_the_nearest_first(name, benchmark, says):
    told = str(UnknownSystem(name, benchmark))
    assert says in told
    assert len(told) < 400
    assert ("base" in told) == (benchmark == "longbench-v2" or says.endswith("systems: "))


def test_a_file_of_a_system_that_is_not_there_is_no_unknown_system(tmp_path):
    with pytest.raises(UserError, match=r"mine.yaml: no such file"):
        system_config(str(tmp_path / "mine.yaml"))


def test_options_without_a_model_are_the_arguments_and_their_types(mine):
    made, options = make(system({"rounds": 3, "anything": 1}))
    assert options == {"rounds": 3, "name": "x", "anything": 1}
    assert made.more == {"anything": 1}, "a system may take any option"
    for wrong in ("many", "3", True, 2.0):
        with pytest.raises(UserError, match=r"rounds: .* is not a whole number"):
            make(system({"rounds": wrong}))


def test_types_that_are_strings_are_checked_and_those_that_are_nowhere_are_not(mine):
    text = "from __future__ import annotations\nfrom pathlib import Path\n"
    text += "class A:\n    def __init__(self, n: int, at: Path, of: tuple[str, ...] = ()):\n"
    text += "        self.all = n, at, of\n"
    text += "class B:\n    def __init__(self, n: Nowhere = 1): self.n = n\n"
    (mine / "mine_late.py").write_text(text)
    made, _ = make(system({"n": 1, "at": "a/b", "of": ["x"]}, "mine_late:A"))
    assert made.all == (1, Path("a/b"), ("x",))
    with pytest.raises(UserError, match="n: '1' is not a whole number"):
        make(system({"n": "1", "at": "a/b"}, "mine_late:A"))
    assert make(system({"n": "any"}, "mine_late:B"))[0].n == "any"


def test_options_of_a_model_are_checked_once_and_given_as_they_are(mine):
    (mine / "mine_model.py").write_text(
        "from pydantic import BaseModel, model_validator\n"
        "class O(BaseModel):\n    n: int = 1\n"
        "    @model_validator(mode='after')\n"
        "    def _seen(self): seen.append(self); return self\n"
        "seen = []\n"
        "class M:\n    Options = O\n    def __init__(self, options): self.options = options\n"
    )
    made, options = make(system({"n": 2}, "mine_model:M"))
    assert sys.modules["mine_model"].seen == [made.options]
    assert options == {"n": 2}


@pytest.mark.parametrize(
    ("attribute", "says"),
    [
        ("files = {'a.py': 'text'}", "attribute `files` must be a list of paths .*rename it"),
        ("files = 'a.py'", "attribute `files` must be a list of paths"),
        ("files = ['none.md']", "attribute `files` must be .*'none.md': No such file"),
        ("package = 3", "attribute `package` must be the name of an installed distribution"),
        ("package = 'no-such-dist'", "attribute `package` .*'no-such-dist' is not installed"),
        ("Options = {'n': 1}", "attribute `Options` must be a pydantic model"),
    ],
)
def test_an_attribute_with_another_meaning_than_ours_is_one_line(mine, attribute, says):
    (mine / "mine_own.py").write_text(f"class Own:\n    {attribute}\n")
    (mine / "own.yaml").write_text("name: own\nsystem: mine_own:Own\nagents: 1\nsubmissions: one\n")
    with pytest.raises(UserError, match=f"^system own: its {says}"):
        load_systems(configuration([{"systems": [str(mine / "own.yaml")]}]), {})


@pytest.mark.parametrize("name", system_names())
def test_no_systems_file_repeats_a_default(name):
    whole = system_config(name)
    kind = options_of(factory_of(whole))
    for key in read_yaml(CONFIGS / "systems" / f"{name}.yaml").get("options", {}):
        left = {each: value for each, value in whole.options.items() if each != key}
        assert kind(**left) != kind(**whole.options), key


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("agents.delm:Delm", {"repair": 1}, "unknown key 'repair'; did you mean 'repairs'?"),
        ("agents.delm:Delm", {"turns": {"path": 1}}, "did you mean 'turns.patch'?"),
        ("agents.delm:Delm", {"queue": "off"}, "queue: 'off' is neither true nor false"),
        ("agents.delm:Delm", {"refresh": "never"}, "'never' is not one of: 'step' or 'dispatch'"),
        ("agents.centralized:Centralized", {"attempt": 3}, "did you mean 'attempts'?"),
        ("agents.documents:DelmDocuments", {"round": 3}, "did you mean 'rounds'?"),
        ("agents.documents:ReadAgent", {"least": 7}, "least is at most `most`, not 7 of 6"),
        ("agents.documents:ParallelReaders", {"pages": 0}, "pages"),
        ("agents.mini_swe_agent:MiniSweAgent", {"conf": "x"}, "did you mean 'config'?"),
        ("agents.single:Single", {"a": 1}, "unknown key 'a'; there are none here"),
    ],
)
def test_a_wrong_option_of_a_shipped_system_is_named_with_the_nearest(name, options, says):
    with pytest.raises(UserError) as told:
        make(system(options, name))
    assert says in str(told.value)


@pytest.mark.parametrize("name", system_names())
def test_every_shipped_system_is_recorded_with_its_options_code_and_prompts(name):
    (made,) = load_systems(configuration([{"dataset": {"name": "d"}, "systems": [name]}]), {})
    record = made.record
    module = record["system"].partition(":")[0].replace(".", "/")
    assert any(path.startswith(module) for path in record["code"])
    assert "agents/loop.py" in record["code"] or name == "base"
    assert any(path.endswith(".j2") for path in record["prompts"])
    assert not any(path.startswith("harness/") for path in record["code"])
    if name == "mini-swe-agent":
        assert record["package"].startswith("mini-swe-agent 2.")
        assert "swebench.yaml" in record["prompts"], "its prompts are in a file of the package"
