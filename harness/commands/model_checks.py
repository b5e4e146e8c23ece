"""Check that a model is known, has a key, and has a price."""

from collections.abc import Mapping
from typing import Any

from harness.errors import UserError
from harness.model.prices import find_price
from harness.model.provider_keys import known_model, missing_key, missing_package, nearest_models

NEAR = 3  # names that a refusal proposes
NOBODY = "nobody bills"  # in the source of a price that stands for none


def check_model(name: str, overrides: Mapping[str, Any], *, sends: bool = True) -> None:
    """Raise `UserError` for an unknown model or, if it `sends`, a missing key.

    A name without a price is probably mistyped: the refusal for the key proposes others.
    """
    if not known_model(name, overrides):
        raise UserError(
            f"unknown model {name!r}{nearest(name, overrides)} (names are litellm's, such as "
            "gemini/gemini-2.5-flash; behind an OpenAI-compatible address of your own: "
            f"openai/{name.rpartition('/')[2] or 'NAME'}, with its api_base and price under "
            "models: in configs/models.yaml)"
        )
    if needs := missing_package(name, overrides):
        near = f"gemini/{name.rpartition('/')[2]}"
        hint = f"; did you mean {near} (GEMINI_API_KEY)?" if find_price(near, {}) else ""
        raise UserError(f"{name} {needs}{hint}")
    missing = missing_key(name, overrides)
    if missing and sends:
        what = "an address" if missing.endswith("BASE") else "a key"
        near = "" if find_price(name, overrides) else nearest(name, overrides, priced=True)
        raise UserError(f"{name}{near} needs {what}; set it with: export {missing}=…")


def nearest(name: str, overrides: Mapping[str, Any], *, priced: bool = False) -> str:
    """A question that proposes the most similar names, or an empty string.

    `priced`: propose only names with a known price.
    """
    near = nearest_models(name, overrides, count=NEAR * (1 + priced))
    if priced:
        prices = {each: find_price(each, overrides) for each in near}
        near = [each for each, price in prices.items() if price and NOBODY not in price.source]
    return f" (did you mean {', '.join(near[:NEAR])}?)" if near else ""
