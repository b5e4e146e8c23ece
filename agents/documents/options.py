"""The switches of `delm` over documents."""

from agents.options import Natural, Options, Seconds


class DocumentOptions(Options):
    """Each is a line of the system's configuration, so that an ablation is a file."""

    verification: bool = True  # places, gists and findings are checked
    hierarchy: bool = True  # parts have claims between gist and text
    whole_tokens: Natural = 60_000  # a document of at most so many is read whole; 0: never
    by_part: bool = True  # tasks are cut by part, and begin with the text of the parts they name
    neighbours: Natural = 1  # parts on either side that may be asked for with an unfolded one
    nearby: Natural = 1  # sentences on either side of a quotation that count as evidence
    checker_sees_question: bool = True
    rounds: Natural = 2  # times that an empty queue is thought about before the answer
    turns: Natural = 24  # of a task
    lease_s: Seconds = 60.0
