"""What a reader of a document may unfold, quote and publish, and what the checker is shown."""

import pytest
from reading_desk import Desk

from agents.documents.tools import publish, unfold

NEWS = (
    "News I\n\n30 Aug 2024\n\n"
    "The office of Hartwell met today. It has 75 clerks. They’re paid well.\n\n",
    "News II\n\n2 Sept 2024\n\nPenhurst spent 12 crowns. Its head said “no more” — twice.\n\n",
    "News III\n\nThe end of it all came late. Nobody knows why it came.",
)


@pytest.fixture
async def desk(tmp_path):
    made = await Desk(tmp_path, *NEWS).open()
    yield made
    made.board.close()


async def published(desk, finding, *quotes, whole=True, label="F2"):
    quotations = [({} if whole else {"label": label}) | {"quote": quote} for quote in quotes]
    tool = publish(desk.session, whole=whole)
    return await desk.call(tool, finding=finding, reasoning="r", quotations=quotations)


# -- unfolding ------------------------------------------------------------------------------------


async def test_a_part_comes_alone_and_with_its_neighbours_when_they_are_asked_for(desk):
    tool = unfold(desk.session, desk.labels, 1)
    assert NEWS[1] in (alone := await desk.call(tool, label="F2", level="raw"))
    assert "News I\n" not in alone
    assert "News III" not in alone
    wide = await desk.call(tool, label="F2", level="raw", neighbours="1")
    assert wide.replace("<entry>\n", "").count("News I") == 3
    assert wide.index("F1\n") < wide.index("F2\n") < wide.index("F3\n")
    assert await desk.call(tool, label="F2", level="raw", neighbours="2") == (
        "refused: neighbours is a number from 0 to 1, not '2'."
    )
    assert "summary" in await desk.call(tool, label="F2", level="rawest")


async def test_without_neighbours_nobody_can_ask_for_them(desk):
    tool = unfold(desk.session, desk.labels, 0)
    assert "neighbours" not in str(tool.schema())
    assert "has no argument 'neighbours'" in await desk.call(
        tool, label="F2", level="raw", neighbours="1"
    )
    assert NEWS[2].strip() in await desk.call(tool, label="F3", level="raw")


async def test_of_a_claim_only_its_range_is_shown(desk):
    tool = unfold(desk.session, desk.labels, 1)
    start = desk.text.index("Penhurst spent")
    shown = await desk.call(tool, label="F2", range=f"[{start}–{start + 24}]")
    assert shown == "<entry>\nF2\n\nPenhurst spent 12 crowns\n</entry>"
    end = len(NEWS[0]) + len(NEWS[1])
    for wrong in (f"{start}-{end + 1}", f"{start}-{start}", "0-5", "all", f"{start}"):
        assert f"lies in {len(NEWS[0])}–{end}, not" in await desk.call(
            tool, label="F2", range=wrong
        )
    await published(desk, "Penhurst spent 12 crowns.", "Penhurst spent 12 crowns")
    assert "F4 is no part of the document" in await desk.call(tool, label="F4", range="1-2")


# -- quoting --------------------------------------------------------------------------------------


async def test_the_whole_document_is_quoted_without_a_label_and_is_no_entry(desk):
    assert await published(desk, "It came late.", "all came late. Nobody") == "Admitted as F4."
    entry = await desk.context.entry("F4")
    assert entry.evidence.labels == []
    assert [quotation.label for quotation in entry.evidence.quotations] == ["document"]
    assert await desk.context.links() == []
    told = await published(desk, "It came early.", "all came early. Nobody")
    assert "Of document: The quotation does not stand in the text word for word" in told
    assert "Quote the places that show it" in await published(desk, "It came early.")
    assert len(desk.prompts) == 1  # what is refused by the program asks no model


async def test_words_of_another_part_are_told_as_that_parts(desk):
    told = await published(desk, "Penhurst spent 12.", "Penhurst spent 12 crowns.", whole=False,
                           label="F1")  # fmt: skip
    assert told == "Admitted as F4."
    entry = await desk.context.entry("F4")
    assert entry.raw.startswith("F2:\n")
    assert [(link.source, link.target) for link in await desk.context.links()] == [("F4", "F2")]
    told = await published(desk, "Penhurst spent it.", "Penhurst spent 13 crowns", whole=False,
                           label="F1")  # fmt: skip
    assert "Of F1: The quotation does not stand in the text word for word" in told
    told = await published(desk, "It spent 12 there.", "The end of it all", whole=False, label="F4")
    assert "Of F4: The quotation does not stand" in told  # a finding has its own words only


async def test_without_verification_words_are_taken_where_they_are_said_to_stand(tmp_path):
    desk = await Desk(tmp_path, *NEWS, verify=False).open()
    assert await published(desk, "Nothing.", "No such words.", whole=False) == "Admitted as F4."
    assert (await desk.context.entry("F4")).raw == "F2: No such words."
    assert [(link.source, link.target) for link in await desk.context.links()] == [("F4", "F2")]
    desk.board.close()


async def test_typography_refuses_no_quotation(desk):
    told = await published(desk, "Its head said no more.", 'said "no more" - twice', whole=False)
    assert told == "Admitted as F4."
    assert "said “no more” — twice" in (await desk.context.entry("F4")).raw
    told = await published(desk, "They are paid.", "They're paid well", label="F1", whole=False)
    assert told == "Admitted as F5."


async def test_the_checker_sees_the_date_the_sentences_beside_and_the_question(desk):
    finding = "On 30 Aug 2024 Hartwell, which met that day, had 75 clerks."
    assert await published(desk, finding, "It has 75 clerks.") == "Admitted as F4."
    (prompt,) = desk.prompts
    assert "the last date line above it <date>\n30 Aug 2024\n</date>" in prompt
    beside = "The office of Hartwell met today. […] They’re paid well."
    assert f"<beside>\n{beside}" in " ".join(prompt.split("\n")).replace("<beside> ", "<beside>\n")
    assert "In none of these" not in prompt
    assert "<question>\nWhich office spent more in 2024, with its 75 clerks?\n</question>" in prompt
    assert "(B) Penhurst" in prompt
    assert "Hartwell met" not in (await desk.context.entry("F4")).raw  # readers see the words


async def test_a_number_that_stands_nowhere_near_is_told_to_the_checker(desk):
    await published(desk, "On 2 Sept it spent 13 of 75.", "Penhurst spent 12 crowns")
    assert "In none of these: 13. Compute again" in desk.prompts[0]


async def test_without_the_switches_the_checker_sees_the_quotation_alone(tmp_path):
    desk = await Desk(tmp_path, *NEWS, shown=False, nearby=0).open()
    await published(desk, "Hartwell has 75 clerks.", "It has 75 clerks")
    (prompt,) = desk.prompts
    assert "Which office" not in prompt
    assert "question" not in prompt
    assert "<beside>" not in prompt
    desk.board.close()


async def test_a_refusal_of_the_checker_comes_back(tmp_path):
    desk = await Desk(tmp_path, *NEWS, verdict=lambda prompt: "WRONG: it met today.").open()
    told = await published(desk, "It never met.", "of Hartwell met today")
    assert told.startswith("refused: Refused, and not in the shared context: ")
    assert told.endswith("it met today.")
    desk.board.close()
