"""Runs as the page's server reads them: read only, in threads, and once for each change.

What is made of a run is kept until the run changes. A run's version is the size and the time of
change of its files, so that a run that nobody writes to costs no open connection and no polling.
"""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from json import JSONDecodeError
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar, cast

import anyio
import anyio.to_thread
from markupsafe import Markup

from harness import event_loop
from harness.analysis.cost_breakdown import CostSums
from harness.board.records import Boards
from harness.errors import StoreOutdated, StoreUnavailable
from harness.pages.links import ViewLinks
from harness.pages.run_data import RunData, outcome_data, run_data
from harness.pages.run_page import ShownSection
from harness.report import FILE
from harness.results.run_folder import DATABASE, RunFolder, run_folders
from harness.runner.membership import processes_in
from harness.runner.processes import processes
from harness.store.protocol import Store

T = TypeVar("T")
Version = Sequence[Hashable]
FRESH_S = 0.05  # a file that changed so lately may change again without a new time of change
KEPT = 128  # things made of runs, whatever they are
KEPT_RUNS = 2  # runs whose rows and scores are kept
KEPT_COSTS = 4_000  # trials of which it is kept what they cost
THREADS = 8  # that make pages
WATCHERS = 4  # threads that look at runs that are followed: no page makes them wait


class NotThere(Exception):
    """There is no such page. The message is what the page says."""


class BadRequest(Exception):
    """The page cannot do what the address asks for. The message is what the page says."""


class Unfinished(Markup):
    """A page that lacks what takes long. It is not kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """An open run, for the making of one page."""

    folder: RunFolder
    store: Store
    boards: Boards
    links: ViewLinks
    runs: "Runs"
    version: Version
    alive: Sequence[str]  # the processes that work on the run

    @property
    def run_id(self) -> str:
        """The name of its folder."""
        return self.folder.run_id

    @property
    def has_sections(self) -> bool:
        """Whether `sections` are there without being made."""
        return self.runs.kept_sections.has(self.run_id, self.version)

    async def sections(
        self, make: Callable[[], Awaitable[list[ShownSection]]]
    ) -> list[ShownSection]:
        """What `make` makes of the whole run, once until it changes."""
        return await self.runs.kept_sections(self.run_id, self.version, make)

    async def data(self) -> RunData:
        """Its rows and scores. They are read once for all pages, until the run changes."""
        output = self.folder.path.parent
        return await self.runs.kept_data(
            self.run_id,
            self.version,
            partial(run_data, self.store, self.boards, run_id=self.run_id, output=output),
        )

    async def outcomes(self) -> RunData:
        """Its trials, what became of submissions, and the scores of instances: quick to read."""
        return await self.runs.kept_outcomes(
            self.run_id, self.version, partial(outcome_data, self.store, run_id=self.run_id)
        )


@dataclass(slots=True)
class _Kept:
    """A thing made of a run at a version. Only the holder of `turn` makes it."""

    turn: Lock = field(default_factory=Lock)
    version: Version | None = None
    value: Any = None


class Kept:
    """Things by key, each with the version of what it was made of; the least used go first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._things: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._lock = Lock()

    async def __call__(
        self, key: Hashable, version: Version, make: Callable[[], Awaitable[T]]
    ) -> T:
        """The thing of this key and version. It is made by one thread; others wait for it."""
        with self._lock:
            thing = self._things.setdefault(key, _Kept())
            self._things.move_to_end(key)
            while len(self._things) > self._most:
                self._things.popitem(last=False)
        with thing.turn:
            if thing.version != version:
                thing.value = await make()
                thing.version = None if isinstance(thing.value, Unfinished) else version
            return cast("T", thing.value)

    def has(self, key: Hashable, version: Version) -> bool:
        """Whether the thing of this key and version is made."""
        thing = self._things.get(key)
        return thing is not None and thing.version == version


class Runs:
    """The runs in one folder. Only folders directly in it that hold a run are ever opened."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.kept_data = Kept(KEPT_RUNS)
        self.kept_sections = Kept(KEPT_RUNS)
        self.kept_outcomes = Kept(KEPT_RUNS)
        self._costs: dict[Hashable, dict[int, CostSums]] = {}
        self._costs_turn = Lock()
        self._kept = Kept(KEPT)
        self._threads = anyio.CapacityLimiter(THREADS)
        self._watchers = anyio.CapacityLimiter(WATCHERS)

    def costs(self, folder: RunFolder, facts: Mapping[str, Any]) -> dict[int, CostSums]:
        """What trials of a run cost that have ended, by `trial_id`: such a trial never changes.

        Another run in a folder of the same name has another beginning.
        """
        key = (folder.run_id, facts.get("created_at"), folder.file.stat().st_ino)
        with self._costs_turn:
            known = self._costs.setdefault(key, {})
            while sum(map(len, self._costs.values())) > KEPT_COSTS and len(self._costs) > 1:
                self._costs.pop(next(each for each in self._costs if each != key))
            if len(known) > KEPT_COSTS:
                known.clear()
            return known

    def folder(self, run_id: str) -> RunFolder:
        """The folder of a run. Raises `NotThere` if the name is not that of a run in the folder."""
        if self._is_there(run_id):
            return RunFolder(self.output, run_id)
        raise NotThere(f"There is no run {run_id} in {self.output}.")

    def ids(self) -> Sequence[str]:
        """The ids of all runs in the folder, by name."""
        return [each.run_id for each in run_folders(self.output) if self._is_there(each.run_id)]

    def _is_there(self, run_id: str) -> bool:
        plain = run_id == Path(run_id).name and run_id not in {"", ".", ".."} and "\0" not in run_id
        try:
            if not plain:
                return False
            file = RunFolder(self.output, run_id).file
            own = self.output.resolve() / run_id / file.name  # and no link to what is elsewhere
            return file.is_file() and file.resolve() == own
        except OSError:  # the name is too long
            return False

    async def make(self, run_id: str, key: Hashable, build: Callable[[Reading], Awaitable[T]]) -> T:
        """What `build` makes of the run, from an earlier time if the run has not changed since.

        `build` runs in a thread with an event loop of its own. Raises `NotThere` for an unknown
        run, `UserError` or `StoreUnavailable` for one that cannot be read.
        """
        folder = self.folder(run_id)
        version = version_of(folder)
        work = partial(self._kept, (run_id, key), version, partial(self.read, folder, build))
        return await self.threaded(work)

    async def threaded(self, work: Callable[[], Awaitable[T]], *, watching: bool = False) -> T:
        """What `work` returns, in a thread with an event loop of its own."""
        limiter = self._watchers if watching else self._threads
        return await anyio.to_thread.run_sync(
            event_loop.run, work, limiter=limiter, abandon_on_cancel=True
        )

    async def read(self, folder: RunFolder, build: Callable[[Reading], Awaitable[T]]) -> T:
        """What `build` makes of the run in `folder`, in this thread."""
        version = version_of(folder)
        await _bring_up(folder)
        async with (
            folder.open(read_only=True) as store,
            folder.boards(read_only=True) as boards,
        ):
            reading = Reading(
                folder=folder,
                store=store,
                boards=boards,
                links=ViewLinks(folder.run_id),
                runs=self,
                version=version,
                alive=await processes_in(store, folder.path),
            )
            try:
                return await build(reading)
            except JSONDecodeError as error:
                raise StoreUnavailable(
                    f"{folder.file} is damaged: a value in it is no JSON: {error}"
                ) from error


async def _bring_up(folder: RunFolder) -> None:
    """Migrate a run of an older delm, unless a process works on it."""
    try:
        async with folder.open(read_only=True):
            pass
    except StoreOutdated:
        if processes(folder.path):
            raise
        async with folder.open(), folder.boards():
            pass


def version_of(folder: RunFolder) -> Version:
    """Another value after each change of the run. While it changes, each call gives another one."""
    stamps, newest = [], 0.0
    for name in (DATABASE, f"{DATABASE}-wal"):
        with suppress(FileNotFoundError):
            stat = (folder.path / name).stat()
            if stat.st_size:  # an empty log says nothing: a reader made it
                stamps += [(name, stat.st_mtime_ns, stat.st_size)]
                newest = max(newest, stat.st_mtime)
    report = folder.path / FILE  # a page of the run has a link to it once it is there
    stamps += [(FILE, 0, 0)] if report.exists() else []
    now = time.time()
    if 0 <= now - newest < FRESH_S:
        stamps += [("read at", time.monotonic_ns(), 0)]
    if folder.on_server:  # no file says when it changed
        stamps += [("read at", time.monotonic_ns(), 0)]
    return (*stamps, *processes(folder.path))
