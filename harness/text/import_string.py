"""Objects that are named as `package.module:Name`."""

import importlib
from typing import Any

from harness.errors import UserError

PROGRAM = (  # what a program's own mistake raises; an import may raise any of them
    ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, OSError,
    RuntimeError, SyntaxError, TypeError, ValueError,
)  # fmt: skip


def imported(name: str, what: str) -> Any:
    """The object of that import string. Raises `UserError` that starts with `what`."""
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise UserError(
            f"{what}: it cannot be imported: {error}; a module of your own is found where it is "
            "installed, or on PYTHONPATH"
        ) from error
    except PROGRAM as error:
        told = f"{type(error).__name__}: {error}"
        raise UserError(f"{what}: it cannot be imported: {told}") from error
