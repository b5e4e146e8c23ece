"""YAML as it is read everywhere here: safe, and no mapping with a key twice."""

import copy
from collections.abc import Hashable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from harness.errors import UserError

ODD = set("\t!\ufeff")  # PyYAML's own parser and libyaml may disagree on text with one of these
MERGE = "tag:yaml.org,2002:merge"  # `<<`: what it brings may be overridden, as in all of YAML


def read(path: Path) -> Any:
    """The content of a YAML file. Raises `UserError` if it is missing, or as `parse` does."""
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        at = f"byte {error.start} is 0x{error.object[error.start]:02x}"
        raise UserError(f"{path}: cannot be read: it is not UTF-8 text ({at})") from None
    return parse(text, where=str(path))


def parse(text: str, *, where: str) -> Any:
    """The value of YAML text. Raises `UserError` with the line for malformed text or a duplicate
    key.

    Each call returns a value of its own, which may be changed.
    """
    try:
        return copy.deepcopy(_loaded(text))
    except _Twice as error:
        raise UserError(f"{where}: {error}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = error.problem or "it cannot be parsed"
        raise UserError(f"{where}: not valid YAML{at}: {problem}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise UserError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from None


@lru_cache(maxsize=256)
def _loaded(text: str) -> Any:
    """Kept, because a command reads the same files up to ten times."""
    with suppress(_Twice, yaml.YAMLError, RecursionError, UnicodeError):  # told by PyYAML, in words
        if yaml.__with_libyaml__ and not ODD & set(text):
            return yaml.load(text, Loader=_Compiled)  # noqa: S506 - it is a safe loader
    return yaml.load(text, Loader=_Python)  # noqa: S506 - it is a safe loader


class _Twice(Exception):
    """A duplicate key in a mapping: the later value would silently win."""


class _Strict(yaml.constructor.SafeConstructor):
    """The part of a YAML loader that makes the values; it refuses duplicate keys."""

    _checked: set[int]  # ids of nodes, which live as long as the document

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        # called for a mapping before it is made, and again where another merges it: what it was
        # merged from itself stands in it then
        if id(node) not in self._checked:
            self._checked.add(id(node))
            self._check(node)
        super().flatten_mapping(node)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """As the loader makes it. What it cannot make is refused with its place."""
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, ArithmeticError, LookupError, AttributeError) as error:
            # 2020-13-99, a number of too many digits, `!!int _`, `!!bool maybe`, `!!timestamp x`:
            # the loader lets through whatever Python raises on them
            kind = node.tag.rpartition(":")[2]
            problem = f"{str(node.value)[:40]!r} is no {kind}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error

    def _check(self, node: yaml.MappingNode) -> None:
        lines: dict[Hashable, int] = {}
        for key_node, _ in node.value:
            merge = key_node.tag == MERGE
            key = "<<" if merge else self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                continue  # refused by the loader itself
            line = key_node.start_mark.line + 1
            if key in lines:
                raise _Twice(
                    f"line {line}: {key} is there twice; the first is in line {lines[key]}. "
                    "Make one of the two"
                )
            lines[key] = line


class _Python(_Strict, yaml.SafeLoader):
    """Reads with PyYAML's own parser, whose messages are the ones that users see."""

    def __init__(self, text: str) -> None:
        yaml.SafeLoader.__init__(self, text)
        self._checked = set()


class _Compiled(_Strict, yaml.composer.Composer, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads events with libyaml, in a fraction of the time.

    Its own composer, which is compiled too, overruns the stack where nodes are nested deeply.
    """

    def __init__(self, text: str) -> None:
        yaml.CSafeLoader.__init__(self, text)
        yaml.composer.Composer.__init__(self)
        self._checked = set()
