"""What pydantic finds wrong with a value, in one plain line."""

from pydantic_core import ErrorDetails

_KINDS = {
    "int": "is not a whole number",
    "float": "is not a number",
    "bool": "is neither true nor false",
    "dict": "is not a mapping of keys to values",
    "model": "is not a mapping of keys to values",
    "list": "is not a list",
    "tuple": "is not a list",
}


def in_words(fault: ErrorDetails, unit: str = "") -> str:
    """`'two' is not a number (USD)` for a value of the wrong type or out of its bounds.

    `unit` is that of the value. Whatever has no words here keeps pydantic's, with the value.
    """
    kind, bounds, value = fault["type"], fault.get("ctx", {}), repr(fault["input"])
    behind = f" ({unit})" if unit else ""
    match kind:
        case "greater_than_equal":
            return f"{value} is less than {bounds['ge']:g}{behind}"
        case "greater_than":
            return f"{value} is not more than {bounds['gt']:g}{behind}"
        case "less_than_equal":
            return f"{value} is more than {bounds['le']:g}{behind}"
        case "literal_error":
            return f"{value} is not one of: {bounds['expected']}"
        case "missing":
            return kind
        case "string_type":
            number = isinstance(fault["input"], int | float)
            return f"{value} is not text" + ("; write it in quotes" if number else "")
    if words := _KINDS.get(kind.partition("_")[0]):
        return f"{value} {words}{behind}"
    said = " ".join(fault["msg"].removeprefix("Value error, ").split())
    return said if kind == "value_error" else f"{said}, got {value}"
