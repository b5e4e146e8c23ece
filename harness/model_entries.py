"""The entries under `models:`: what a user says of a model's price, sizes and endpoint."""

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from harness.errors import UserError
from harness.text.faults import in_words

PRICES = ("input", "cached_input", "cache_write", "output")
ADDRESS = ("api_base", "api_base_env")  # an address, or the variable that holds it
PRICE_UNIT = "USD per million tokens"


class ModelOverride(BaseModel):
    """One entry of configs/models.yaml. Prices are in USD per million tokens.

    Without `input` and `output` the price is litellm's; the rest of the entry still holds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: float | None = Field(default=None, ge=0)
    cached_input: float | None = Field(default=None, ge=0)  # default: as `input`
    cache_write: float | None = Field(default=None, ge=0)  # default: as `input`
    output: float | None = Field(default=None, ge=0)
    api_base: str = ""
    api_base_env: str = ""  # the variable that must hold the address: there is no default
    api_key_env: str = ""
    context_tokens: int = Field(default=0, ge=0)
    max_output_tokens: int = Field(default=0, ge=0)
    supports_tools: bool | None = None
    source: str = "its entry under models:"

    @model_validator(mode="after")
    def _whole_price(self) -> "ModelOverride":
        if (self.input is None) != (self.output is None):
            raise ValueError("give both input and output, or neither")
        if self.input is None and (self.cached_input is not None or self.cache_write is not None):
            raise ValueError("a cache price needs input and output too")
        return self


KEYS = tuple(ModelOverride.model_fields)


def parse_overrides(models: Mapping[str, Any]) -> dict[str, ModelOverride]:
    """The entries below `models:`, checked. `UserError` names the entry and the key."""
    parsed = {}
    for name, entry in models.items():
        try:
            parsed[name] = ModelOverride.model_validate(entry)
        except ValidationError as problem:
            raise UserError(_fault(name, problem.errors()[0])) from None
    return parsed


def check_layer(content: Mapping[str, Any], where: str) -> None:
    """Check the models in one layer of the configuration, named `where`.

    Another layer may hold the rest of an entry, so that keys may be missing. `UserError` names the
    layer, the entry and the key.
    """
    for name, value in content.items():
        if isinstance(value, Mapping) and "/" in str(name) and value.keys() & set(KEYS):
            raise UserError(f"{where}: {name} looks like a model: put it below `models:`")
    models = content.get("models", {})
    if not isinstance(models, Mapping):
        raise UserError(f"{where}: models: {models!r} is not a mapping of names to entries")
    for name, entry in models.items():
        try:
            ModelOverride.model_validate(entry)
        except ValidationError as problem:
            fault = problem.errors()[0]
            if fault["type"] != "value_error":
                raise UserError(f"{where}: {_fault(name, fault)}") from None


def one_address(content: Mapping[str, Any]) -> dict[str, Any]:
    """The layer `content`, whose addresses replace both kinds of address of earlier layers.

    An entry with `api_base` gets an empty `api_base_env`, and the other way round.
    """
    models = content.get("models")
    if not isinstance(models, Mapping):
        return dict(content)
    placed = {name: _one_address(entry) for name, entry in models.items()}
    return {**content, "models": placed}


def _one_address(entry: Any) -> Any:
    if (
        not isinstance(entry, Mapping)
        or {*ADDRESS} <= entry.keys()
        or not {*ADDRESS} & entry.keys()
    ):
        return entry
    return {**dict.fromkeys(ADDRESS, ""), **entry}


def _fault(name: str, fault: ErrorDetails) -> str:
    key = ".".join(str(part) for part in fault["loc"])
    place = f"models.{name}.{key}" if key else f"models.{name}"
    if fault["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, KEYS, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"valid here: {', '.join(KEYS)}"
        return f"{place}: unknown key; {hint}"
    return f"{place}: {in_words(fault, PRICE_UNIT if key in PRICES else '')}"
