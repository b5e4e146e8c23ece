"""YAML is read by libyaml where it can be: it comes to what PyYAML's own parser comes to."""

from pathlib import Path

import pytest
import yaml

from harness.errors import UserError
from harness.text.yaml_text import _loaded, parse

CONFIGS = sorted((Path(__file__).parents[2] / "configs").rglob("*.yaml"))
TEXTS = {
    "scalars": "a: 1_000\nb: 0o7\nc: 1:30\nd: yes\ne: ~\nf: 1e3\ng: .5\nh: 2020-01-02\ni: '1'",
    "strings": 'a: |\n  x\n\n  y\n\nb: >-\n  x\n  y\nc: "\\ud83d\\ude00"\nd: \u017elu\U0001f40e',
    "anchors": "a: &a {b: 1, c: 2}\nd: {<<: *a, c: 3}",
    "nothing": "",
    "two documents": "--- a\n--- b",
    "a key twice": "a: 1\nb: {c: 1, c: 2}",
    "an alias of itself": "a: &a [*a]",
    "no date": "a: 2020-13-99",
    "a tag": "a: !!int _",
    "a tag of Python": "a: !!python/object:os.system x",
    "a colon too many": "a: b: c",
    "a tab": "a:\tb",
    "a mark of byte order": "\n\ufeffa: 1",
    "half a character": "a: \ud800",
    "a control character": "a: \x07",
    "no end": "a: 'x",
    "deep lists": "[" * 50_000,
    "deep mappings": "{a: " * 50_000,
    "deep blocks": "- " * 50_000,
}


def told(text: str) -> str:
    try:
        return repr(parse(text, where="here"))
    except UserError as error:
        return f"refused: {error}".partition(" exceeded")[0]  # of Python's stack, wherever it was


def by_pyyaml(text: str, monkeypatch: pytest.MonkeyPatch) -> str:
    with monkeypatch.context() as patch:
        patch.setattr(yaml, "__with_libyaml__", False)
        _loaded.cache_clear()
        try:
            return told(text)
        finally:
            _loaded.cache_clear()


@pytest.mark.parametrize("name", TEXTS)
def test_both_parsers_come_to_the_same_value_or_words(name, monkeypatch):
    assert told(TEXTS[name]) == by_pyyaml(TEXTS[name], monkeypatch)


def test_the_bundled_files_are_the_same_with_both(monkeypatch):
    assert len(CONFIGS) > 20
    for path in CONFIGS:
        assert told(path.read_text()) == by_pyyaml(path.read_text(), monkeypatch), path


def test_what_is_read_again_is_the_same_whatever_became_of_it_before():
    text = "a: &a [1, {b: 2}]\nc: *a"
    first = parse(text, where="here")
    first["a"].append(first)
    again = parse(text, where="here")
    assert again == {"a": [1, {"b": 2}], "c": [1, {"b": 2}]}
    assert again["a"] is again["c"]
