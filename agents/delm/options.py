"""The options of `delm`."""

from typing import Literal

from agents.options import Natural, Options, Seconds

FRAMINGS = (
    "Reproduce it first: write the smallest program that shows it, and follow it into the source.",
    "Read the code first: follow the names that the issue mentions, and what calls them.",
    "Read the specification first: what documentation, docstrings and standards promise here.",
    "Read the tests first: what is tested near it, what is not, and how such tests are run.",
)


class Turns(Options):
    """The turn limit of each kind of task; 0: no limit, None: as `other`."""

    localize: Natural | None = None
    patch: Natural | None = None
    repair: Natural | None = None
    test: Natural | None = None
    decide: Natural | None = None
    other: Natural = 0  # also of the kinds that agents make up


class DelmOptions(Options):
    """The switches of the system; each is a line of its configuration."""

    sharing: bool = True  # agents see each other's entries
    verification: bool = True  # an entry's evidence is executed before it is admitted
    queue: bool = True  # off: each agent does its whole issue as one task
    # a model is asked whether a finding says more than its evidence, where that was executed
    gist_check: bool = True
    refresh: Literal["step", "dispatch"] = "step"  # when an agent is told of new entries
    # tasks that look for the fault first; 0: every seat begins at once; each: one an agent, at most
    # as many as there are framings
    localizers: Natural | Literal["each"] = 1
    seats_wait: bool = True  # for the localizers; off: their tasks are claimed first, no more
    early_release: bool = True  # seats begin at the first FACT that quotes source, else at the end
    # turns after that FACT in which the localizer may finish its own patch before the seats begin
    head_start: Natural = 6
    context_tokens: Natural = 4_000  # of the shared context in one prompt; 0: any number
    # who writes a patch is shown another's diff up to so many characters; 0: its line only
    diff_chars: Natural = 2_000
    carry_tokens: Natural = 30_000  # an agent goes on in its conversation while it is shorter
    verdicts: Literal["later", "at_once"] = "later"  # whether checks hold up their author
    patch_ends: bool = True  # an admitted PATCH ends its task, unless its author says otherwise
    tests: Literal["none", "disagreement", "one", "each"] = "disagreement"  # by a model
    cross_checks: Natural = 16  # commands of others that are run on a candidate, without a model
    # the trial ends when one finished patch passes every admitted command; that is its submission
    ship: bool = False
    binding: bool = True  # a patch that breaks an admitted constraint is refused, or refutes it
    merge_equal: bool = True  # equal patches are one: tested by no author of one, repaired once
    repairs: Natural = 2  # of one submission
    rounds: Natural = 1  # times that an empty queue is thought about by an agent
    max_tasks: Natural = 60  # of a trial; agents add none beyond it; 0: any number
    turns: Turns = Turns()
    # a conversation whose prompt is longer is compacted; 0: none is
    long_tokens: Natural = 100_000
    lease_s: Seconds = 60.0
    check_s: Seconds = 180.0  # one check of one proposal
    selection_s: Seconds = 300.0  # running every candidate against every check

    @property
    def crossed(self) -> int:
        """How many commands of others are run on a candidate: none where nothing is shared, or
        nothing executed."""
        return self.cross_checks if self.sharing and self.verification and self.queue else 0

    @property
    def compares_gists(self) -> bool:
        """Whether findings are compared with their evidence: only what was executed is any."""
        return self.gist_check and self.verification

    @property
    def apart(self) -> bool:
        """Nothing is shared, checked or handed over: each agent is as in `independent`."""
        return not (self.sharing or self.verification or self.queue)

    def localizers_of(self, agents: int) -> int:
        """How many tasks of a trial with so many agents look for the fault first."""
        if not self.queue:
            return 0
        return min(agents, len(FRAMINGS)) if self.localizers == "each" else self.localizers

    def turns_of(self, kind: str) -> int:
        """The turn limit of a kind of task; 0: no limit."""
        turns: int | None = self.turns.model_dump().get(kind)
        return self.turns.other if turns is None else turns


def framing(number: int) -> str:
    """The assignment of a seat or a localizer, numbered from 0."""
    return FRAMINGS[number % len(FRAMINGS)]
