"""Documents are cut without loss, into pieces of a bounded size, at places where a reader would."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.documents.chunking import LARGEST, TINY, split

WORDS = ("Section 3", "Article IV. Of courts", "# Results", "Source: a", "the sum. ", "word ", "。")
PARTS = st.sampled_from(
    [*WORDS, "\n", "\n\n", " \t\n", "x", ". ", "“so it is.”\n", "\r\n", "\u2028"]
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Anything from nothing to some 400,000 characters, with and without structure."""
    blocks = draw(
        st.lists(st.tuples(st.lists(PARTS, max_size=6), st.integers(0, 6_000)), max_size=6)
    )
    return "".join("".join(parts) * times for parts, times in blocks)


@settings(max_examples=150, deadline=None)
@given(documents())
def test_pieces_are_the_document_and_within_bounds(text):
    pieces = split(text)
    assert "".join(text[piece.start : piece.end] for piece in pieces) == text
    assert [piece.start for piece in pieces[1:]] == [piece.end for piece in pieces[:-1]]
    sizes = [piece.end - piece.start for piece in pieces]
    assert all(size <= LARGEST for size in sizes)
    assert all(size >= TINY for size in sizes) or sizes == [len(text)] or not text
    assert split(text) == pieces


def chapters(sizes, filler="It was so, and it stayed so. "):
    """A document of chapters with that many characters each."""
    return "".join(
        (f"Chapter {n}\n" + filler * (size // len(filler) + 1))[: size - 2] + "\n\n"
        for n, size in enumerate(sizes, 1)
    )


def test_a_piece_begins_with_each_chapter_where_none_is_tiny_or_large():
    sizes = [9_000, 20_000, 12_000, 25_000, 30_000]
    pieces = split(chapters(sizes))
    assert [piece.end - piece.start for piece in pieces] == sizes
    assert [piece.title for piece in pieces] == [f"Chapter {n}" for n in range(1, 6)]


def test_tiny_chapters_are_put_together_and_large_ones_cut():
    pieces = split(chapters([2_000] * 10 + [70_000]))
    sizes = [piece.end - piece.start for piece in pieces]
    assert sizes[:2] == [6_000, 6_000]
    assert all(TINY <= size <= LARGEST for size in sizes)
    assert [piece.title for piece in pieces][:3] == ["Chapter 1", "Chapter 4", "Chapter 7"]


def test_a_word_in_the_middle_of_a_paragraph_is_no_heading():
    prose = "as it is told in\nSection 3 of the act and\nSection 4 of it and in\n" * 2_000
    assert all(piece.title == "" for piece in split(prose))


@pytest.mark.parametrize(
    ("boundary", "begins"),
    [
        ("\n\nA new paragraph", "A new paragraph"),
        (" end.\nA new line", "A new line"),
        (" on and\non it goes", "on it goes"),
        (". A new sentence", "A new sentence"),
        (" word", "word"),
        ("\nit ends.\n# Part of it", "# Part of it"),
    ],
)
def test_a_cut_is_made_at_the_best_place_near(boundary, begins):
    text = "x" * 19_500 + boundary + "y" * (40_000 - 19_500 - len(boundary))
    _, second = split(text)
    assert text[second.start :].startswith(begins)


def test_a_heading_is_better_than_a_blank_line_that_is_nearer():
    text = "x" * 18_500 + ".\n\nAppendix B\n" + "y" * 1_400 + "\n\n" + "z" * 20_000
    _, second = split(text)
    assert second.title == "Appendix B"


def test_time_grows_with_the_length_alone():
    def seconds(text):
        began = time.process_time()
        assert split(text)
        return time.process_time() - began

    for unit in ("Section 1.\n", "word", "\n", ".)\n"):
        short, long = unit * (100_000 // len(unit)), unit * (1_000_000 // len(unit))
        seconds(short)
        assert seconds(long) < 40 * max(seconds(short), 0.005)


def test_a_piece_stands_under_the_headings_that_are_in_force_where_it_begins():
    filler = "It was so, and it stayed so. " * 240  # 7,000 characters
    text = (
        f"Document: the first\n\n{filler}\n\nSection 1\n\n{filler}\n\nSection 2\n\n{filler}\n\n"
        f"Document: the second\n\n{filler}\n\nSource: a chart\n\nSection 1\n\n{filler}{filler}"
        f"\n\nSection 9 of it says that it was so.\n\n{filler}{filler}{filler}"
    )
    titles = [piece.title for piece in split(text)]
    assert titles[0] == "Document: the first"
    assert set(titles) <= {
        "Document: the first", "Document: the first › Section 1", "Document: the first › Section 2",
        "Document: the second", "Document: the second › Section 1",
    }  # fmt: skip
    assert titles == sorted(titles, key=list(dict.fromkeys(titles)).index)
    assert titles[-1] == "Document: the second › Section 1"
