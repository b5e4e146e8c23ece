"""What `delm eval` and `delm work` are asked for, besides the configuration."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.config import Config
from harness.results.run_folder import RunFolder
from harness.runner.launchers import Launcher

Launch = Callable[[RunFolder], Launcher]
"""Makes what places the processes of a run; its end ends them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """A running trial that agents of this machine are to join."""

    trial: str  # see `harness.runner.control.trial_named`
    agents: int
    by: str  # the person who wants it


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command-line options that are not part of the configuration."""

    config: Config
    output: Path
    run_id: str = ""
    store: str = ""  # the URL of a PostgreSQL server; else the run is a file in its folder
    joins: bool = False  # a run that another process has begun, perhaps on another machine
    joining: Joining | None = None  # a trial of such a run; no other one is worked on
    most: int = 0  # trials that this process works on at most; 0: all there are
    launch: Launch | None = None  # places processes that do the work; else this one does it
    placement: Sequence[str] = ()  # the words that asked for that, for a command to paste
    record: Path | None = None
    dry_run: bool = False
    yes: bool = False
    retry_failed: bool = False
    accept_changes: bool = False
