"""`longbench-offline`: eight questions in LongBench-v2's form over documents that a program writes.

Nothing of it is anybody's: companies, courts and studies are invented from a fixed seed, so that
the rows are the same on every machine. Each answer needs two documents or more, and is computed
from the numbers and names that were written into them. It shows that everything works; it says
nothing of how well a model reads.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness.benchmarks.longbench.questions import LETTERS, MULTI_DOC

NAME = "longbench-offline"
SEED = 20_260_610
Row = Mapping[str, Any]

NAMES = (
    "Alderbrook", "Bexton", "Corvale", "Dunmere", "Eastholm", "Farrowby", "Glenrock", "Hartwell",
    "Ingleside", "Jarrow", "Kestrel", "Lindale", "Marbury", "Northgate", "Oakridge", "Penhurst",
)  # fmt: skip
TRADES = ("Freight", "Foods", "Instruments", "Ceramics", "Timber", "Textiles", "Optics", "Marine")
TOPICS = (
    "the upkeep of its depots", "the training of apprentices", "the leasing of vehicles",
    "the insurance of stock", "the heating of its works", "the printing of its catalogues",
    "the catering of its canteens", "the cleaning of its yards", "the storage of its records",
)  # fmt: skip
TURNS = (
    "The board looked at {topic} in {month} and left the arrangement as it was.",
    "For {topic} {number} thousand crowns were set aside, and all but {less} of them were spent.",
    "A review of {topic} by the auditors of {place} found nothing that had to be told here.",
    "In {month} the committee on {topic} met {less} times, in {place}.",
    "Of {number} letters that came about {topic}, all but {less} were answered within a month.",
    "The contract for {topic} with a firm in {place} was renewed in {month}.",
)
MONTHS = ("January", "March", "April", "June", "August", "October", "November")


class Writer:
    """Writes documents of a given length; the same seed gives the same documents."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - invents prose

    def filler(self, characters: int) -> str:
        """Paragraphs of at least that length that do not help with any question."""
        paragraphs: list[str] = []
        size = 0
        while size < characters:
            sentences = [self._sentence() for _ in range(self.chance.randint(3, 7))]
            paragraphs.append(" ".join(sentences))
            size += len(paragraphs[-1]) + 2
        return "\n\n".join(paragraphs)

    def document(self, heading: str, facts: list[str], characters: int) -> str:
        """A document with the facts in their order, and filler around each."""
        part = characters // (len(facts) + 1)
        sections = [f"Document: {heading}\n\n{self.filler(part)}"]
        for number, fact in enumerate(facts, start=1):
            before, after = self.filler(part // 2), self.filler(part // 2)
            sections.append(f"Section {number}\n\n{before}\n\n{fact}\n\n{after}")
        return "\n\n".join(sections)

    def _sentence(self) -> str:
        return self.chance.choice(TURNS).format(
            topic=self.chance.choice(TOPICS),
            month=self.chance.choice(MONTHS),
            place=self.chance.choice(NAMES),
            number=self.chance.randint(20, 900),
            less=self.chance.randint(2, 19),
        )


def rows() -> Iterator[tuple[str, Row]]:
    """The rows, each with its position for error messages."""
    for number, (make, characters) in enumerate(PLAN, start=1):
        writer = Writer(SEED + number)
        sub_domain, question, right, wrong, documents = make(writer, characters)
        choices = [right, *wrong]
        writer.chance.shuffle(choices)
        context = "\n\n\n".join(documents)
        yield (
            f"row {number}",
            {
                "_id": f"offline-{number}",
                "domain": MULTI_DOC,
                "sub_domain": sub_domain,
                "difficulty": "easy" if len(documents) < 4 else "hard",
                "length": "short" if len(context) < 130_000 else "medium",
                "question": question,
                **{f"choice_{letter}": c for letter, c in zip(LETTERS, choices, strict=True)},
                "answer": LETTERS[choices.index(right)],
                "context": context,
            },
        )


Made = tuple[str, str, str, list[str], list[str]]


def _companies(writer: Writer, count: int) -> list[str]:
    names = writer.chance.sample(NAMES, count)
    return [f"{name} {writer.chance.choice(TRADES)}" for name in names]


def growth(writer: Writer, characters: int) -> Made:
    """Which of several companies grew most; each report has this year and the one before."""
    names = _companies(writer, 4)
    before = [writer.chance.randint(200, 900) for _ in names]
    rates = writer.chance.sample(range(3, 40), len(names))
    after = [round(old * (100 + rate) / 100) for old, rate in zip(before, rates, strict=True)]
    shares = [new / old for new, old in zip(after, before, strict=True)]
    right = names[shares.index(max(shares))]
    documents = [
        writer.document(
            f"Annual report of {name}",
            [
                f"Revenue in the year before the one of this report was {old} million crowns.",
                f"In the year of this report {name} had a revenue of {new} million crowns.",
            ],
            characters // len(names),
        )
        for name, old, new in zip(names, before, after, strict=True)
    ]
    question = (
        "Of the companies whose annual reports these are, which one's revenue grew by the largest "
        "share from the year before to the year of the report?"
    )
    return "Financial", question, right, [n for n in names if n != right], documents


def sum_of_costs(writer: Writer, characters: int) -> Made:
    """What two offices spent together; a later paper corrects one of the numbers."""
    places = writer.chance.sample(NAMES, 2)
    spent = [writer.chance.randint(100, 400) for _ in places]
    corrected = spent[0] + writer.chance.randint(11, 60)
    documents = [
        writer.document(
            f"Report of the roads office of {place}",
            [f"The roads office of {place} spent {cost} thousand crowns on bridges this year."],
            characters // 3,
        )
        for place, cost in zip(places, spent, strict=True)
    ]
    documents.append(
        writer.document(
            "Notice of correction",
            [
                f"The report of {places[0]} is mistaken: on bridges its roads office spent "
                f"{corrected} thousand crowns, not {spent[0]}."
            ],
            characters // 3,
        )
    )
    right = corrected + spent[1]
    wrong = [sum(spent), right + corrected - spent[0], right - 10]
    question = (
        f"How much did the roads offices of {places[0]} and {places[1]} in truth spend on bridges "
        "together, in thousand crowns?"
    )
    return "Governmental", question, str(right), [str(w) for w in wrong], documents


def precedent(writer: Writer, characters: int) -> Made:
    """What a later court follows from two earlier rulings, one of which overrules the other."""
    first, second, third = writer.chance.sample(NAMES, 3)
    days = writer.chance.sample(range(10, 60), 2)
    documents = [
        writer.document(
            f"Ruling of the court of {first}",
            [f"A buyer who finds a fault has {days[0]} days to tell the seller of it."],
            characters // 3,
        ),
        writer.document(
            f"Ruling of the high court of {second}",
            [
                f"The ruling of {first} stands no longer. The time in which a buyer has to tell "
                f"of a fault is {days[1]} days, and twice that where the fault was hidden."
            ],
            characters // 3,
        ),
        writer.document(
            f"Case before the court of {third}",
            [
                "The court finds that the fault of the engine was hidden, and that the buyer told "
                f"the seller of it {2 * days[1] - 1} days after finding it."
            ],
            characters // 3,
        ),
    ]
    question = f"By the rulings here, was the buyer before the court of {third} in time, and why?"
    right = f"In time: of a hidden fault the buyer may tell within {2 * days[1]} days."
    wrong = [
        f"Too late: the buyer had {days[0]} days.",
        f"Too late: the buyer had {days[1]} days.",
        f"In time: the buyer had {days[0] + days[1]} days.",
    ]
    return "Legal", question, right, wrong, documents


def studies(writer: Writer, characters: int) -> Made:
    """Which finding of a study three others repeat; one of them is about another thing."""
    names = writer.chance.sample(NAMES, 4)
    effects = ("sleep", "appetite", "attention", "balance")
    held = writer.chance.randrange(4)
    documents = [
        writer.document(
            f"Study of the clinic of {names[0]}",
            [f"With the treatment {effect} was better in this study." for effect in effects],
            characters // 4,
        )
    ]
    for index, name in enumerate(names[1:]):
        other = [effect for at, effect in enumerate(effects) if at != held][index]
        documents.append(
            writer.document(
                f"Study of the clinic of {name}",
                [
                    f"As in {names[0]}, {effects[held]} was better with the treatment.",
                    f"Unlike in {names[0]}, {other} was no better with the treatment.",
                ],
                characters // 4,
            )
        )
    question = f"Which effect that the clinic of {names[0]} saw was seen again by all the others?"
    wrong = [effect for at, effect in enumerate(effects) if at != held]
    return "Academic", question, effects[held], wrong, documents


def order_of_events(writer: Writer, characters: int) -> Made:
    """Which of four events in four papers came first; each is told by its days after another."""
    places = writer.chance.sample(NAMES, 4)
    days = writer.chance.sample(range(2, 60), 3)
    documents = [
        writer.document(
            f"News of {places[0]}",
            [f"The bridge of {places[0]} was opened today."],
            characters // 4,
        )
    ]
    signs = [1, -1, 1]
    for place, gap, sign in zip(places[1:], days, signs, strict=True):
        word = "after" if sign > 0 else "before"
        documents.append(
            writer.document(
                f"News of {place}",
                [f"The bridge of {place} was opened {gap} days {word} that of {places[0]}."],
                characters // 4,
            )
        )
    when = {places[0]: 0} | {
        p: gap * sign for p, gap, sign in zip(places[1:], days, signs, strict=True)
    }
    order = sorted(when, key=lambda place: when[place])
    question = "Which of the four bridges was the second to be opened?"
    return "Multi-news", question, order[1], [p for p in places if p != order[1]], documents


PLAN: tuple[tuple[Callable[[Writer, int], Made], int], ...] = (
    (growth, 24_000),
    (precedent, 20_000),
    (order_of_events, 30_000),
    (studies, 45_000),
    (sum_of_costs, 60_000),
    (growth, 120_000),
    (precedent, 150_000),
    (sum_of_costs, 195_000),
)
