"""The expected tokens of one submission, the unit of a budget."""

from dataclasses import dataclass

from harness.model.prices import Price

LOW = 0.25  # without an earlier run: how much less than the assumption it may be


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The average tokens of one submission."""

    prompt: float  # cached ones included
    cached: float
    completion: float

    def usd(self, price: Price) -> float:
        """The cost at `price`, without surcharges for long prompts."""
        fresh = self.prompt - self.cached
        return (
            fresh * price.input + self.cached * price.cached_input + self.completion * price.output
        )

    def times(self, factor: float) -> "Tokens":
        """The tokens multiplied by a factor."""
        return Tokens(
            prompt=self.prompt * factor,
            cached=self.cached * factor,
            completion=self.completion * factor,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The expected tokens of one system, and where the estimate comes from."""

    system: str
    low: Tokens
    likely: Tokens
    trial_s: float | None  # wall clock of a trial
    source: str  # in words
    assumption: str = ""  # in words, where there is no earlier run

    @property
    def assumed(self) -> bool:
        """Whether the estimate is an assumption and not from an earlier run."""
        return bool(self.assumption)
