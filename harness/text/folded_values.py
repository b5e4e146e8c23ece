"""What operators and builtin functions make of values that are known. Nothing is run."""

import ast
import re
from collections.abc import Collection, Sequence

MOST_CHARS = 20_000  # of a string that is repeated
WIDE = re.compile(r"\d{4}")  # a width that makes a long string of a short one
Folded = str | bytes | int | Sequence["Folded"] | None


def joined(parts: Collection[Folded]) -> str | None:
    """An f-string of its pieces."""
    texts = [str(part) for part in parts if isinstance(part, str | int)]
    return "".join(texts) if len(texts) == len(parts) else None


def operated(left: Folded, operator: ast.operator, right: Folded) -> Folded:
    """`left + right` and the like, of texts, numbers and lists."""
    match operator, left, right:
        case ast.Add(), str(), str():
            return left + right
        case ast.Add(), bytes(), bytes():
            return left + right
        case ast.Add(), list(), list():
            return left + right
        case ast.Mod(), str(), str() | int():
            return None if WIDE.search(left) else left % right
        case ast.Mod(), str(), list():
            plain = "*" not in left and not WIDE.search(left) and not any_list(right)
            return left % tuple(right) if plain else None
        case ast.Mult(), str() | bytes(), int():
            return left * right if len(left) * right <= MOST_CHARS else None
        case ast.Add() | ast.Sub() | ast.BitXor(), int(), int():
            return {ast.Add: left + right, ast.Sub: left - right}.get(type(operator), left ^ right)
    return None


def builtin(node: ast.Call, values: Sequence[Folded]) -> Folded:
    """A call of `chr`, `str`, `bytes`, `list` and the like."""
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    first = values[0] if values else None
    match name, first:
        case "chr", int():
            return chr(first)
        case "ord", str() | bytes():
            return ord(first)
        case ("str", str() | int()):
            return str(first)
        case ("str", bytes()):
            return first.decode() if len(values) > 1 or node.keywords else None
        case ("bytes" | "bytearray", list()):
            return bytes(each for each in first if isinstance(each, int))
        case ("bytes" | "bytearray", bytes()):
            return first
        case ("reversed", str() | bytes() | list()):
            return list(first[::-1])
        case ("list" | "tuple" | "iter", str() | bytes() | list()):
            return list(first)
    return _mapped(node, values[1]) if name == "map" and len(values) == 2 else None


def _mapped(node: ast.Call, values: Folded) -> Folded:
    """`map(chr, (95, 103))`, and the same of `str`."""
    function = ast.unparse(node.args[0])
    if function not in ("chr", "str") or not isinstance(values, bytes | list):
        return None
    numbers = [each for each in values if isinstance(each, int)]
    return [chr(each) if function == "chr" else str(each) for each in numbers]


def any_list(values: Sequence[Folded]) -> bool:
    """Whether a value is a list, whose text may be far longer than it."""
    return any(isinstance(each, list) for each in values)
