"""A claim stands where it says it does, word for word, with its numbers; else it is refused."""

import random
import re

import pytest

from agents.admission.gist_check import gist_checker
from agents.documents.quotes import (
    NotThere,
    beside,
    ends,
    ends_again,
    gaps,
    locate,
    quoted,
    strange_numbers,
)
from agents.documents.typography import Place, PlainText
from harness.benchmarks.longbench.generated import rows
from harness.types import Reply

TEXTS = [row["context"] for _, row in rows()][:4]
TEXT = "It rose by 12 % in 2024.\nThe board, in\npart, agreed to it. It rose by 12 % in 2025."


def test_head_and_tail_tell_a_place_whatever_lines_it_is_broken_into():
    place = locate(TEXT, "The board, in part,", "agreed to it.")
    assert TEXT[place.start : place.end] == "The board, in\npart, agreed to it."
    place = locate(TEXT, "agreed to it.", "It rose by 12 %")
    assert TEXT[place.start : place.end] == "agreed to it. It rose by 12 %"
    assert quoted(TEXT, "in part, agreed") == Place(TEXT.index("in\npart"), TEXT.index(" to it."))


@pytest.mark.parametrize(
    ("head", "tail", "says"),
    [
        ("The board, in part, refused", "agreed to it.", "head does not stand"),
        ("The board, in part,", "agreed to that.", "tail does not stand"),
        ("agreed to it. It rose", "The board, in part,", "tail stands before the head"),
        ("It rose by 12 %", "12 % in 2025.", "stands at 2 places: give more"),
        ("it.", "in 2025.", "fewer than 3 words"),
        ("", "agreed to it.", "fewer than 3 words"),
    ],
)
def test_what_does_not_stand_there_is_refused_with_the_reason(head, tail, says):
    with pytest.raises(NotThere, match=says):
        locate(TEXT, head, tail)


PRINTED = (
    "The board’s ﬁrst “plan” – of 2019—was to re\u00adbuild the\u00a0oﬃce …  in   time. "
    "Nobody’s plan was kept. It cost 5\u202f000 crowns."
)


@pytest.mark.parametrize(
    ("quotation", "stands"),
    [
        ('The board\'s first "plan"', "The board’s ﬁrst “plan”"),
        ('plan" - of 2019-was to', "plan” – of 2019—was to"),
        ('plan" -- of 2019--was to', "plan” – of 2019—was to"),
        ("to rebuild the office", "to re\u00adbuild the\u00a0oﬃce"),
        ("the office ... in time.", "the\u00a0oﬃce …  in   time."),
        ("Nobody`s plan was kept", "Nobody’s plan was kept"),
        ("It cost 5 000 crowns", "It cost 5\u202f000 crowns"),
        ("The board's first … Nobody's plan was kept", PRINTED[: PRINTED.index(" It cost")][:-1]),
    ],
)
def test_a_quotation_is_the_same_whatever_its_typography(quotation, stands):
    place = quoted(PRINTED, quotation)
    assert PRINTED[place.start : place.end] == stands


@pytest.mark.parametrize(
    ("quotation", "says"),
    [
        ("The boards first plan", "does not stand in the text"),  # a mark left out is another word
        ("rebuild the office ... in no time.", "does not stand in the text"),
        ("Nobody's plan was kept ... to rebuild the office", "not stand in this order"),
    ],
)
def test_typography_excuses_no_other_words(quotation, says):
    with pytest.raises(NotThere, match=says):
        quoted(PRINTED, quotation)


def test_positions_without_typography_are_those_of_the_text():
    chance = random.Random(3)
    for _ in range(200):
        text = "a" + "".join(chance.choice("ab '’-–ﬁﬃ…\u00ad\u200b\n") for _ in range(30))
        plain = PlainText(text)
        assert plain.original(Place(0, len(plain.text))) == Place(0, len(text))
        places = [plain.original(Place(n, n)).start for n in range(len(plain.text) + 1)]
        assert places == sorted(places)
        for at, character in enumerate(plain.text):
            if character in "ab\n":
                assert text[plain.original(Place(at, at)).start] == character


def test_the_sentences_beside_a_place_belong_to_it_and_no_others():
    text = "One is here. Two was, in 2019, there. Three came (late). Four left.\n\nFive stayed."
    place = quoted(text, "Three came (late)")
    for sentences, wanted in (
        (0, "Three came (late)"),
        (1, "Two was, in 2019, there. Three came (late). Four left.\n\n"),
        (2, text),
    ):
        found = beside(text, place, sentences)
        assert text[found.start : found.end] == wanted
    whole = beside(text, quoted(text, "Three came (late)."))
    assert text[whole.start : whole.end].endswith("Four left.\n\n")
    titled = "So it was. Here Mr. J. Reed, No. 4, sold it. Nobody knows."
    found = beside(titled, quoted(titled, "Reed, No. 4"))
    assert titled[found.start : found.end] == titled
    long = "word " * 1_000
    assert beside(long, Place(2_000, 2_010)) == Place(1_400, 2_610)


def test_a_place_is_no_chapter():
    text = "It began so here. " + "word " * 3_000 + "It ended so there."
    with pytest.raises(NotThere, match="split the claim"):
        locate(text, "It began so here.", "It ended so there.")


@pytest.mark.parametrize(
    ("claim", "evidence", "strange"),
    [
        ("It rose by 12 % to 2,500.", "rose 12% to 2500.0 crowns", []),
        ("It rose by 12 to 2,500.", "rose 12% to 2500 crowns", ["12"]),
        ("Of 10 000 letters 3 came.", "Of 10,000 letters, 3 came", []),
        ("It fell by 3.5.", "It fell by 3.50 or -3", []),
        ("By F12 and S3.2 it is so.", "nothing", []),
        ("In 1999.", "In 1989.", ["1999"]),
        ("It has 12.", "It has 112, and 12.5, and 120.", ["12"]),
        ("On 6 May 2024, 12 % of 3.", "2024-05-06: twelve percent; 12 per cent of three", []),
        ("It is 12 %.", "It is twelve, or 12.", ["12 %"]),
    ],
)
def test_numbers_are_compared_by_what_they_mean(claim, evidence, strange):
    assert strange_numbers(claim, evidence) == strange


def test_gaps_are_what_no_claim_speaks_of():
    text = "a" * 100 + "b" * 50 + "c" * 100
    assert list(gaps(text, [Place(100, 150)], least=60)) == [Place(0, 100), Place(150, 250)]
    assert list(gaps(text, [Place(0, 120), Place(10, 40), Place(130, 250)], least=11)) == []
    assert list(gaps(text, [Place(0, 120), Place(10, 40), Place(130, 250)], least=10)) == [
        Place(120, 130)
    ]
    assert list(gaps(text, [], least=1)) == [Place(0, 250)]
    assert ends("so  it\nis", Place(0, 9)) == "so it is"
    assert ends("one two three", Place(0, 13), 3) == "one … ree"


# -- a hundred planted claims ---------------------------------------------------------------------


def planted():
    """100 claims about generated documents: (kind, text, claim, head, tail), 20 of them true."""
    chance = random.Random(7)
    found = []
    for number in range(100):
        kind = ("true", "word altered", "reversed", "another document", "number changed")[
            number % 5
        ]
        at = chance.randrange(len(TEXTS))
        others = " ".join(text for n, text in enumerate(TEXTS) if n != at)
        sentences = [
            sentence
            for sentence in re.findall(r"[A-Z][^.\n]*\d[^.\n]*\.", TEXTS[at])
            if len(sentence.split()) > 10
            and " ".join(sentence.split()[:5]) not in others
            and TEXTS[at].count(" ".join(sentence.split()[:5])) == 1
        ]
        claim = chance.choice(sentences)
        words = claim.split()
        head, tail = words[:5], words[-5:]
        text = TEXTS[at]
        if kind == "word altered":
            side = chance.choice((head, tail))
            side[chance.randrange(1, 4)] += "x"
        elif kind == "reversed":
            head, tail = tail, head
        elif kind == "another document":
            text = TEXTS[(at + 1) % len(TEXTS)]
        elif kind == "number changed":
            claim = re.sub(r"\d+", lambda m: str(int(m[0]) + 1), claim, count=1)
        found.append((kind, text, claim, " ".join(head), " ".join(tail)))
    return found


def holds(text, claim, head, tail):
    """Whether the program's part lets a claim pass."""
    try:
        place = locate(text, head, tail)
    except NotThere:
        return False
    return not strange_numbers(claim, text[place.start : place.end])


def test_of_a_hundred_planted_claims_the_true_ones_pass_and_no_false_one():
    passed = [kind for kind, *claim in planted() if holds(*claim)]
    assert passed == ["true"] * 20


async def test_a_dropped_qualifier_is_the_models_part():
    """The program cannot see it; the checker is asked with both, and its refusal is the reason."""
    claim, gist = "About 12 of the depots were, in part, mended.", "12 of the depots were mended."
    assert strange_numbers(gist, claim) == []
    prompts = []

    class Verifier:
        async def complete(self, messages, tools):
            prompts.append(messages[-1]["content"])
            told = "in part" in messages[-1]["content"].split("<gist>")[1].split("</gist>")[0]
            return Reply(content="APPROVED" if told else "WRONG: it drops 'in part'.")

    check = gist_checker(lambda name: Verifier(), template="check_gist")
    assert await check(claim, claim) == ""
    assert "drops 'in part'" in await check(gist, claim)
    assert all(claim in prompt for prompt in prompts)


def test_a_tail_that_stands_again_further_on_is_told_of():
    text = (
        "It began in May. So it was then, and it ended. Later it was not so, and it ended. No more."
    )
    place = locate(text, "It began in May.", "and it ended.")
    assert text[place.start : place.end].endswith("then, and it ended.")
    assert ends_again(text, place, "and it ended.")
    whole = locate(text, "It began in May.", "not so, and it ended.")
    assert not ends_again(text, whole, "not so, and it ended.")
    far = f"It began in May, and it ended. {'x' * 3_000} and it ended."
    assert not ends_again(far, locate(far, "It began in May,", "and it ended."), "and it ended.")
