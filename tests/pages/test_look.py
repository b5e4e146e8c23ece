"""The look that all pages share: colours that can be read, nothing that a strict policy refuses."""

import re
from importlib.resources import files

import pytest

from harness.pages.rendering import _templates, asset, render

PAGES = files("harness.pages")
TEMPLATES = sorted(each.name for each in PAGES.joinpath("templates").iterdir())
STYLES = sorted(e.name for e in PAGES.joinpath("assets").iterdir() if e.name.endswith(".css"))
SCRIPTS = sorted(e.name for e in PAGES.joinpath("assets").iterdir() if e.name.endswith(".js"))
BACKGROUNDS = ("bg", "surface", "raised", "hover")
TINTS = ("good", "bad", "warn", "flag", "info")


def schemes():
    """The colour variables of each scheme, by name."""
    css = asset("page.css")
    light, dark = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    bright = dict(re.findall(r"--([\w-]+): (#\w{6});", light))
    return {"light": bright, "dark": bright | dict(re.findall(r"--([\w-]+): (#\w{6});", dark))}


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_from_every_ground_they_stand_on(scheme):
    colours = schemes()[scheme]
    assert len(colours) > 30
    texts = [(text, ground) for text in ("text", "muted", "link") for ground in BACKGROUNDS]
    texts += [(tint, ground) for tint in TINTS for ground in ("surface", f"{tint}-bg")]
    texts += [("text", f"{tint}-bg") for tint in TINTS]
    texts += [
        ("on-accent", "accent"),
        ("on-good", "good"),
        ("link", "info-bg"),
        ("link", "warn-bg"),
    ]
    weak = {pair: contrast(colours[pair[0]], colours[pair[1]]) for pair in texts}
    assert {pair: round(found, 2) for pair, found in weak.items() if found < 4.5} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_controls_and_drawn_shapes_stand_out_too(scheme):
    colours = schemes()[scheme]
    shapes = ("edge", "focus", *(f"s{number}" for number in range(1, 9)))
    pairs = [(shape, ground) for shape in shapes for ground in ("bg", "surface", "raised")]
    assert [pair for pair in pairs if contrast(colours[pair[0]], colours[pair[1]]) < 3] == []


@pytest.mark.parametrize("name", STYLES)
def test_only_page_css_names_colours(name):
    css = re.sub(r"/\*.*?\*/", "", asset(name), flags=re.DOTALL)
    assert "@import" not in css
    assert "url(" not in css
    named = re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[^{}]*;)|(?:rgb|hsl)a?\([^)]*\)", css)
    assert name == "page.css" or named == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_have_nothing_that_the_policy_refuses(name):
    text = PAGES.joinpath("templates", name).read_text("utf-8")
    assert not re.search(r"<[^>]*\sstyle\s*=", text)
    assert not re.search(r"<[^>]*\son[a-z]+\s*=", text, re.IGNORECASE)
    assert "javascript:" not in text.lower()
    assert not re.search(r"(?:src|href)\s*=\s*[\"']?(?:https?:)?//", text)
    _templates().get_template(name)


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_write_no_html_and_evaluate_nothing(name):  # a DOMParser reads the report's cells
    refused = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function"
    assert re.findall(refused, asset(name)) == []
    assert not re.search(r"https?://", asset(name))


def test_the_frame_needs_no_variable_and_has_its_landmarks():
    page = render("base")
    assert page.startswith("<!doctype html>")
    for landmark in ("<header", "<main", "<nav", "<footer", 'class="skip" href="#main"'):
        assert landmark in page
    assert 'lang="en"' in page
