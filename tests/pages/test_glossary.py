"""One glossary: of the pages, and of docs/concepts.md."""

import re
from pathlib import Path

import pytest

from harness.pages.glossary import GLOSSARY, meaning, place_of, term
from harness.pages.links import ReportLinks, ViewLinks

ROOT = Path(__file__).parents[2]


def rows(heading: str) -> list[tuple[str, str]]:
    text = (ROOT / "docs" / "concepts.md").read_text("utf-8")
    part = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (.+?) \| (.+) \|$", part, re.MULTILINE)
    return [(words.replace("`", ""), told.replace("`", "")) for words, told in cells[1:]][
        (cells[1][0].startswith("---")) :
    ]


def test_the_glossary_of_the_pages_is_that_of_the_docs():
    assert list(GLOSSARY) == rows("Glossary") + rows("Scores")


def test_every_word_that_a_template_asks_for_is_defined():
    folder = ROOT / "harness" / "pages" / "templates"
    words = {
        word
        for path in folder.glob("*.j2")
        for word in re.findall(r"\bterm\(\s*\"([^\"]+)\"", path.read_text("utf-8"))
    }
    assert len(words) > 10
    for word in words:
        assert meaning(word)


NOWHERE: dict[str, object] = {}  # a page without links


def test_a_word_is_explained_on_hover_as_the_page_spells_it():
    told = term(NOWHERE, "gold patch")
    assert told == '<abbr title="the fix that the dataset holds">gold patch</abbr>'
    assert ">Agents</abbr>" in term(NOWHERE, "n", "Agents")
    with pytest.raises(KeyError):
        term(NOWHERE, "no such word")


def test_a_word_leads_to_its_entry_by_touch_and_keyboard():
    assert len({place_of(words) for words, _ in GLOSSARY}) == len(GLOSSARY)
    told = term({"links": ReportLinks()}, "Pass@4")
    assert 'href="#word-pass-2-pass-4"' in told
    assert "title=" in told
    live = term({"links": ViewLinks("r")}, "$/instance")
    assert 'href="/runs/r#word-usd-instance"' in live


def test_nothing_in_a_glossary_is_markup():
    assert "&lt;b&gt;" in term(NOWHERE, "n", "<b>")
