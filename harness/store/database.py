"""What the store and the boards need of a database, whatever kind it is.

Statements are texts with parameters as `:name`, kept by name in `.sql` files. The database gives
`:trial` and `:now`: the trial of the transaction, and its time.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from contextlib import AbstractAsyncContextManager
from importlib.resources import files
from operator import itemgetter
from typing import Any, Protocol, TypeVar

from harness.secrets import redact, redact_error

_NAMED = re.compile(r"(?<!:):([a-z]\w*)")
Row = Any
"""A row of a statement: its columns by name and by position."""
Result = TypeVar("Result")


class Run(Protocol):
    """Runs a statement by its name in a transaction, and gives its rows.

    One that gives no rows gives a () for each row that it changed.
    """

    async def __call__(self, name: str, /, **parameters: Any) -> list[Row]:
        """`StoreConflict`: a rule of a table does not allow it."""
        ...


Body = Callable[[Run], Awaitable[Result]]
"""What is done in a transaction. It awaits nothing but its `Run`, and changes nothing else."""


class Database(Protocol):
    """One database, for one event loop.

    Every method raises `StoreUnavailable` or `StoreFull` where it cannot be reached, read or
    written.
    """

    async def write(self, body: Body[Result], trial_id: int = 0, *, alone: bool = False) -> Result:
        """One transaction: all that `body` did is kept when this returns, and nothing if it raises
        or is cancelled.

        `alone`: while it lasts no other transaction of this trial (0: of the run, and `alone`)
        is under way. Others may be at the same time, and see what this one wrote when it is over.

        `body` is called again where a transaction failed for what another one did, or because the
        database could not be reached: it is never kept twice.
        """
        ...

    async def run(self, name: str, trial: int = 0, /, **parameters: Any) -> list[Row]:
        """A transaction of one statement; see `Run`."""
        ...

    async def read(self, name: str, trial: int = 0, /, **parameters: Any) -> list[Row]:
        """The rows of a statement that writes nothing."""
        ...

    def snapshot(self) -> AbstractAsyncContextManager[None]:
        """Inside this block all reads of this task see the database as it was at one moment."""
        ...

    async def tuples(self, text: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows of a statement that is in no file; a `?` in it stands for each value."""
        ...

    async def columns(self, text: str) -> dict[str, str]:
        """The columns of such a statement by name, each with how a value is written, which is given
        as text, that is compared with it."""
        ...

    async def reserve_room(self) -> None:
        """See `harness.store.protocol.Store.reserve_room`."""
        ...

    async def aclose(self) -> None:
        """Close all connections. A second call does nothing."""
        ...


class Statement:
    """An SQL text with its parameters by position."""

    __slots__ = ("clean", "take", "text")

    def __init__(
        self, text: str, mark: str, checked: Set[str] = frozenset(), errors: Set[str] = frozenset()
    ) -> None:
        """`text` has parameters as `:name`; in `self.text` they are `mark` with a number.

        Secrets are redacted in all parameters except those in `checked`; in those in `errors`, text
        that only looks like a key is redacted too.
        """
        text = re.sub(r"--.*", "", text)
        names = list(dict.fromkeys(_NAMED.findall(text)))
        self.clean = {
            name: redact_error if name in errors else redact
            for name in names
            if name not in checked
        }
        self.text = _NAMED.sub(lambda found: f"{mark}{names.index(found[1]) + 1}", text)
        self.take: Callable[[dict[str, Any]], Any] = (
            itemgetter(*names) if len(names) > 1 else lambda given: [given[name] for name in names]
        )

    def redact(self, parameters: dict[str, Any]) -> None:
        """Redact secrets in the parameters."""
        for name, clean in self.clean.items():
            if isinstance(parameters[name], str):
                parameters[name] = clean(parameters[name])


def whole(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """With a `?` for each half of a surrogate pair, which no database can hold."""
    return {
        key: value.encode(errors="replace").decode() if isinstance(value, str) else value
        for key, value in parameters.items()
    }


def statements(package: str, *names: str) -> dict[str, str]:
    """The statements of the .sql files `names` in `package`, each under a line `-- name: …`."""
    found: dict[str, str] = {}
    for name in names:
        text = files(package).joinpath(name).read_text(encoding="utf-8")
        parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)
        found |= zip(parts[1::2], parts[2::2], strict=True)
    return found
