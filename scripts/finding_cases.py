"""Findings about documents of our own, true and false, for `bench_findings.py`.

Each is what a reader might publish: the finding and the words that it quotes. The documents are
printed as real ones are: curly marks, dashes, ligatures, soft hyphens, lines that end anywhere, and
dates and names that stand beside what they belong to.
"""

from typing import NamedTuple

QUESTION = (
    "Which of the 4 statements about the Marl Bridge, its 12 arches and Oster & Sons is right?"
)
CHOICES = {
    "A": "Oster & Sons finished the Marl Bridge before 2019.",
    "B": "The court fined Oster & Sons 40,000 crowns.",
    "C": "The trial at Venn showed that fewer bees died.",
    "D": "The ferry carried more people than the bridge.",
}

NEWS = (
    "The Lower Marl Courier\n\n14 May 2018\n\nMarl Bridge opens at last\n\n"
    "The mayor, Ida Kessel, cut the ribbon at nine o’clock. “We have waited long enough,” she "
    "said — and few disagreed. The bridge has 12 arches and cost about 31 million crowns, 3 "
    "million more than planned. Oster & Sons, who built it, blamed the ﬂood of the year before.\n\n"
    "Nobody spoke of the ferry. It had carried 1,250 people a day in summer; in winter, half as "
    "many. Its last cap\u00adtain, Jon Reed, sold\u00a0the boat for up to 9 000 crowns.\n\n",
    "2 August 2019\n\nCracks in the Marl Bridge\n\n"
    "Two of the arches show cracks. The town’s engineer, Mara Lind, found them in July,\nand "
    "closed one lane. “It isn’t dangerous yet,” she told the council. She may close the other "
    "lane in\nautumn. Oster & Sons denied that its work was at fault.\n\n"
    "The council meets again on Friday. It will not pay for repairs before a court has spoken.\n\n",
)
COURT = (
    "Section 1\n\nThe town of Marl sued Oster & Sons in the district court at Venn. It asked for "
    "55,000 crowns. The defendant’s foreman testiﬁed that the mortar was mixed in frost.\n\n"
    "The court holds that who builds in frost has to warn the owner. It does not hold that the "
    "arches were built wrongly. Judge Hanna Brooke wrote the opinion; Judge Pell dissented in "
    "part.\n\n",
    "Section 2\n\nThe defendant shall pay 38,500 crowns, that is 70 % of what was asked. Costs are "
    "shared. An appeal has to be made within 30 days.\n\n"
    "In a note of 2020-03-09 the clerk recorded that no appeal was made.\n\n",
)
STUDY = (
    "Chapter 1\n\nBees and clover at Venn\n\nWe counted hives on 24 farms from April to September. "
    "Twelve of them sowed clover between the rows; the others did not. In the ﬁrst year 18 "
    "percent of the hives with clover were lost, and 27 percent of those without.\n\n"
    "The difference was not significant in the wet year. Farms chose for themselves whether to "
    "sow; the groups may therefore differ in other ways.\n\n",
    "Chapter 2\n\nTable 1. Hives lost, by year\nyear   clover   none\n2016   18 %   27 %\n"
    "2017   21 %   22 %\n\n"
    "Honey sold for 6.50 crowns a jar at the market of Venn. Two farms left after the second year—"
    "one of them because its owner, Mr. Dahl, had died.\n\n",
)
DOCUMENTS = {"news": NEWS, "court": COURT, "study": STUDY}


class Case(NamedTuple):
    """A finding; `why` names what makes it true in an unusual way, or false."""

    why: str
    document: str
    finding: str
    quotes: tuple[str, ...]


def _cases(*rows: tuple[str, ...]) -> tuple[Case, ...]:
    return tuple(Case(why, document, finding, quotes) for why, document, finding, *quotes in rows)


TRUE = _cases(
    ("straight marks", "news", "The mayor said that they had waited long enough.",
     '"We have waited long enough," she said'),
    ("straight marks", "news", "The engineer said that it is not dangerous yet.",
     "\"It isn't dangerous yet,\" she told the council."),
    ("straight marks", "news", "The town's engineer found the cracks in July.",
     "The town's engineer, Mara Lind, found them in July"),
    ("straight marks", "court", "The defendant's foreman said that the mortar was mixed in frost.",
     "The defendant's foreman testified that the mortar was mixed in frost."),
    ("dash", "news", "Few disagreed with the mayor.", 'long enough," she said - and few disagreed'),
    ("dash", "news", "Few disagreed with the mayor's words.", "she said -- and few disagreed"),
    ("dash", "study", "Two farms left after the second year.",
     "Two farms left after the second year-one of them"),
    ("ligature", "news", "The builders blamed the flood of the year before.",
     "who built it, blamed the flood of the year before"),
    ("ligature", "study", "In the first year 18 % of the hives with clover were lost.",
     "In the first year 18 percent of the hives with clover were lost"),
    ("soft hyphen", "news", "The ferry's last captain was Jon Reed.", "Its last captain, Jon Reed"),
    ("blanks", "news", "The captain sold the boat for up to 9,000 crowns.",
     "sold the boat for up to 9 000 crowns"),
    ("line end", "news", "The engineer may close the other lane in autumn.",
     "She may close the other lane in autumn."),
    ("line end", "study", "In 2017 the losses were 21 % with clover and 22 % without.",
     "2016 18 % 27 % 2017 21 % 22 %", "year clover none"),
    ("ellipsis", "news", "The bridge has 12 arches, and Oster & Sons built it.",
     "The bridge has 12 arches ... Oster & Sons, who built it"),
    ("ellipsis", "court", "Judge Brooke wrote the opinion, and Judge Pell dissented in part.",
     "Judge Hanna Brooke wrote … Judge Pell dissented in part"),
    ("date above", "news", "The bridge was opened on 14 May 2018 by the mayor.",
     "cut the ribbon at nine o'clock"),
    ("date above", "news", "On 2 August 2019 two of the arches were said to show cracks.",
     "Two of the arches show cracks."),
    ("date above", "news", "In the paper of 2 August 2019 Oster & Sons denied a fault.",
     "Oster & Sons denied that its work was at fault."),
    ("date of another form", "court", "On 9 March 2020 the clerk recorded that no appeal was made.",
     "In a note of 2020-03-09 the clerk recorded that no appeal was made"),
    ("sentence before", "news", "Mara Lind said that it is not dangerous yet.",
     "“It isn't dangerous yet,” she told the council"),
    ("sentence before", "news", "The ferry carried 1,250 people a day in summer.",
     "It had carried 1,250 people a day in summer"),
    ("sentence before", "court", "The town of Marl asked for 55,000 crowns.",
     "It asked for 55,000 crowns."),
    ("sentence before", "study", "Of the 24 farms 12 sowed clover between the rows.",
     "Twelve of them sowed clover between the rows"),
    ("sentence after", "news", "She closed one lane of the bridge for its cracks in two arches.",
     "Two of the arches show cracks."),
    ("rest of the sentence", "news", "It was about 31 million crowns, 3 more than planned.",
     "cost about 31 million crowns"),
    ("rest of the sentence", "court", "It was 38,500 crowns, 70 % of what was asked.",
     "that is 70 % of what was asked"),
    ("rest of the sentence", "study", "Mr. Dahl, the owner of one of two farms, had died.",
     "because its owner, Mr. Dahl, had died"),
    ("heading above", "court", "In Section 2 the defendant is told to pay 38,500 crowns.",
     "The defendant shall pay 38,500 crowns"),
    ("heading above", "study", "Chapter 2 says that honey sold for 6.50 crowns a jar.",
     "Honey sold for 6.50 crowns a jar"),
    ("words of the question", "news", "The Marl Bridge has 12 arches.", "The bridge has 12 arches"),
    ("words of the question", "news", "Oster & Sons built the Marl Bridge with its 12 arches.",
     "Oster & Sons, who built it"),
    ("words of the question", "court", "The court told Oster & Sons to pay 38,500 crowns.",
     "The defendant shall pay 38,500 crowns"),
    ("words of the question", "court", "Oster & Sons made no appeal.", "no appeal was made"),
    ("words of the question", "study", "At Venn 18 % of hives with clover were lost in one year.",
     "18 percent of the hives with clover were lost"),
    ("number in words", "study", "2 farms left after the second year.",
     "Two farms left after the second year"),
    ("number in words", "news", "2 arches show cracks.", "Two of the arches show cracks"),
    ("percent", "study", "Of the hives without clover 27 % were lost.",
     "and 27 percent of those without"),
    ("plain", "news", "Nobody spoke of the ferry.", "Nobody spoke of the ferry."),
    ("plain", "news", "The council will not pay for repairs before a court has spoken.",
     "It will not pay for repairs before a court has spoken."),
    ("plain", "court", "An appeal has to be made within 30 days.",
     "An appeal has to be made within 30 days."),
    ("plain", "court", "Costs are shared.", "Costs are shared. An appeal"),
    ("plain", "court", "The court does not hold that the arches were built wrongly.",
     "It does not hold that the arches were built wrongly"),
    ("plain", "study", "The difference was not significant in the wet year.",
     "The difference was not significant in the wet year."),
    ("plain", "study", "Farms chose for themselves whether to sow clover.",
     "Farms chose for themselves whether to sow"),
    ("two places", "study", "18 percent were lost with clover in the first year, 21 % in 2017.",
     "In the first year 18 percent of the hives with clover were lost", "2017   21 %   22 %"),
    ("two places", "court", "Of 55,000 crowns the defendant pays 38,500.",
     "It asked for 55,000 crowns.", "The defendant shall pay 38,500 crowns"),
)  # fmt: skip

FALSE = _cases(
    ("word altered", "news", "Many disagreed with the mayor.", "she said — and many disagreed"),
    ("word altered", "court", "The mortar was mixed in rain.", "the mortar was mixed in rain"),
    ("mark left out", "news", "The boat was given away.", "gave away the boat for nothing"),
    ("order reversed", "news", "The builder came before the arches.",
     "Oster & Sons, who built it ... The bridge has 12 arches"),
    ("ellipsis too far", "news", "The mayor closed one lane.",
     "The mayor, Ida Kessel ... closed no lane of it"),
    ("another document", "study", "The bridge has 12 arches.", "The bridge has 12 arches"),
    ("another document", "news", "Costs are shared.", "Costs are shared. An appeal"),
    ("number changed", "news", "The bridge cost about 41 million crowns.",
     "cost about 31 million crowns"),
    ("number changed", "court", "The defendant shall pay 39,500 crowns.",
     "The defendant shall pay 38,500 crowns"),
    ("number changed", "study", "In 2017 the losses with clover were 26 %.", "2017   21 %   22 %"),
    ("number without %", "study", "It was 70 of the hives.", "18 percent of the hives with clover"),
    ("date changed", "news", "The bridge was opened on 15 May 2018.",
     "cut the ribbon at nine o'clock"),
    ("date of another article", "news", "On 14 May 2018 two of the arches showed cracks.",
     "Two of the arches show cracks."),
    ("name changed", "news", "Mara Lundt found cracks.", "Two of the arches show cracks."),
    ("name changed", "court", "Judge Pell and Judge Kessel dissented.",
     "Judge Pell dissented in part"),
    ("name from far away", "study", "Jon Reed sold honey for 6.50 crowns.",
     "Honey sold for 6.50 crowns a jar"),
    ("qualifier dropped", "news", "The bridge cost 31 million crowns.",
     "cost about 31 million crowns"),
    ("qualifier dropped", "news", "He sold the boat for 9,000 crowns.",
     "sold the boat for up to 9 000 crowns"),
    ("qualifier dropped", "court", "Judge Pell dissented.", "Judge Pell dissented in part"),
    ("qualifier dropped", "news", "She closes the other lane in autumn.",
     "She may close the other lane in autumn."),
    ("not left out", "court", "The court holds that the arches were built wrongly.",
     "It does not hold that the arches were built wrongly"),
    ("not left out", "study", "The difference was significant in the wet year.",
     "The difference was not significant in the wet year."),
    ("number of a choice", "court", "The defendant shall pay 40,000 crowns.",
     "The defendant shall pay 38,500 crowns"),
    ("nothing quoted", "news", "The ferry carried more people than the bridge."),
)  # fmt: skip
