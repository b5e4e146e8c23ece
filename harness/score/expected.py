"""What one submission of a system is expected to take, because that is what a budget is of."""

from dataclasses import dataclass

from harness.model.prices import Price

LOW = 0.25  # without an earlier run: how much less than the assumption it may be


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Of one submission, on average."""

    prompt: float  # cached ones included
    cached: float
    completion: float

    def usd(self, price: Price) -> float:
        """What they cost; long prompts are not counted dearer."""
        fresh = self.prompt - self.cached
        return (
            fresh * price.input + self.cached * price.cached_input + self.completion * price.output
        )

    def times(self, factor: float) -> "Tokens":
        """So many times as many."""
        return Tokens(
            prompt=self.prompt * factor,
            cached=self.cached * factor,
            completion=self.completion * factor,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What one system is expected to take."""

    system: str
    low: Tokens
    likely: Tokens
    trial_s: float | None  # wall clock of a trial
    source: str  # in words
    assumption: str = ""  # in words, where there is no earlier run

    @property
    def assumed(self) -> bool:
        """Whether there is no earlier run."""
        return bool(self.assumption)
