"""The report of a run: one HTML file that opens from disk and asks nothing of the network.

Verdict, plot, tables and fine print are in it as they are. Each trial opened is in it as compressed
HTML, and shown by a script when its address is visited. The file stays below `LARGEST` bytes: with
many trials long texts are cut shorter and some sections left out, and where that is not enough the
trials on which systems differ come first. The file says what was left out.
"""

import base64
import gzip
import hashlib
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from pathlib import Path

from markupsafe import Markup, escape

from harness import __version__
from harness.analysis.outcome_grid import outcome_grid
from harness.board.records import Boards
from harness.cache import write_beside
from harness.pages.links import ReportLinks
from harness.pages.rendering import SHOWN, asset, render, text
from harness.pages.run_data import RunData
from harness.pages.run_page import run_sections
from harness.pages.trial import trial_html
from harness.pages.trial_data import Trials, trials_of
from harness.secrets import redact
from harness.store.protocol import Store
from harness.store.rows import TrialRow
from harness.text.counted import counted
from harness.text.timestamps import now

LARGEST = 9_500_000  # bytes of the file
SAMPLE = 12  # trials by which the size of all is foreseen
FIRST = ("page.css", "page.js")  # what the other assets build on
NAMED = 200  # characters of the name of a trial
CELLS = "<!-- trials -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How much of a trial is in the file."""

    characters: int  # of one text; of longer ones the middle is left out
    without: frozenset[str] = frozenset()  # sections
    told: str = ""  # what was left out


DEPTHS = (
    Depth(characters=SHOWN),
    Depth(
        characters=2_000,
        without=frozenset({"conversations"}),
        told="Texts are cut at 2,000 characters.",
    ),
    Depth(
        characters=400,
        without=frozenset(
            {"conversations", "time_lines", "task_graph", "board_replay", "entries", "proposals"}
        ),
        told="Texts are cut at 400 characters, and of a trial only costs, submissions, tests and "
        "findings are here.",
    ),
)


@dataclass(slots=True)
class _Cells:
    """The trials of the file, packed, by id; and how deep they are."""

    room: int  # bytes
    depth: Depth = DEPTHS[0]
    packed: dict[int, str] = field(default_factory=dict)
    size: int = 0

    def add(self, trial_id: int, cell: str) -> bool:
        """Add a cell; False if there is no room for it."""
        if self.size + len(cell) > self.room:
            return False
        self.packed[trial_id] = cell
        self.size += len(cell)
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report that was written."""

    path: Path
    size: int  # bytes
    trials: int  # that can be opened in it
    left_out: Sequence[str]  # sentences


async def write_report(
    path: Path,
    run: RunData,
    store: Store,
    boards: Boards,
    *,
    seconds: float | None = None,
    largest: int = LARGEST,
) -> Report:
    """Write the report of a run to `path`, whole or not at all.

    `seconds`: no further trial is put into it after so long. `largest`: bytes of the file, as far
    as what is not a trial fits.
    """
    frame = redact(_frame(run, [], {}))
    cells = _Cells(room=largest - len(frame.encode()) - 40_000 - 120 * len(run.rows.trials))
    reader = await trials_of(store, boards, run.rows)
    asked = _by_interest(run)
    cells.depth = await _depth(asked, reader, cells.room)
    stop = None if seconds is None else time.monotonic() + seconds
    async for trial_id, cell in _packed(asked, reader, cells.depth, stop):
        if not cells.add(trial_id, cell):
            break
    left_out = _left_out(cells, len(asked), run.run_id)
    whole = replace(run, costs=reader.run_costs())
    before, after = redact(_frame(whole, left_out, cells.packed)).split(CELLS)
    content = "".join([before, *_blocks(cells), after]).encode("utf-8", "replace")
    write_beside(path, content)
    return Report(path=path, size=len(content), trials=len(cells.packed), left_out=left_out)


def policy(style: str, script: str) -> str:
    """The Content-Security-Policy of the file: this stylesheet, this script, and nothing else."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


@cache
def assets(kind: str) -> str:
    """All assets of this kind (`css`, `js`), in the order in which a page loads them."""
    folder = files("harness.pages").joinpath("assets")
    names = [file.name for file in folder.iterdir() if file.name.endswith(f".{kind}")]
    return "\n".join(
        asset(name) for name in sorted(names, key=lambda name: (name not in FIRST, name))
    )


def _frame(run: RunData, left_out: Sequence[str], packed: dict[int, str]) -> str:
    """The file without its trials: the mark `CELLS` stands where they belong."""
    style, script = assets("css"), assets("js")
    titles = [
        [trial["trial_id"], text(f"{trial['system']} on {trial['instance_id']}", NAMED)]
        for trial in run.rows.trials
        if trial["trial_id"] in packed
    ]
    return str(
        render(
            "report",
            run_id=run.run_id,
            title=_title(run),
            policy=policy(style, script),
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704
            sections=run_sections(run, ReportLinks()),
            trials=titles,
            left_out=left_out,
            cells=Markup(CELLS),  # noqa: S704
            version=__version__,
            made_at=now()[:19].replace("T", " ") + " UTC",
        )
    )


def _title(run: RunData) -> str:
    words = [str(run.facts.get("dataset") or run.run_id), str(run.facts.get("model") or "")]
    words.append(counted(len(run.instances), "instance"))
    return text(" · ".join(word for word in words if word), NAMED)


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _by_interest(run: RunData) -> list[TrialRow]:
    """Trials that were started: those on which systems differ first, then in the run's order."""
    grid = outcome_grid(run.rows.trials, run.rows.submissions, run.scored.scores)
    spread = {row.instance_id: row.spread for row in grid.rows}
    started = [trial for trial in run.rows.trials if trial["started_at"]]
    return sorted(started, key=lambda trial: -spread.get(trial["instance_id"], 0.0))


async def _depth(asked: Sequence[TrialRow], reader: Trials, room: int) -> Depth:
    """The greatest depth at which all trials fit, as far as a sample tells."""
    sample = list(asked[:: max(1, len(asked) // SAMPLE)])[:SAMPLE]
    for depth in DEPTHS[:-1]:
        sizes = [len(cell) async for _, cell in _packed(sample, reader, depth, None)]
        if not sizes or sum(sizes) / len(sizes) * len(asked) <= room * 0.9:
            return depth
    return DEPTHS[-1]


async def _packed(
    trials: Sequence[TrialRow], reader: Trials, depth: Depth, stop: float | None
) -> AsyncIterator[tuple[int, str]]:
    for trial in trials:
        if stop is not None and time.monotonic() > stop:
            return
        data = await reader.read(trial["trial_id"])
        html = trial_html(data, ReportLinks(), without=depth.without, shown=depth.characters)
        content = gzip.compress(redact(str(html)).encode("utf-8", "replace"), 9, mtime=0)
        yield trial["trial_id"], base64.b64encode(content).decode()


def _blocks(cells: _Cells) -> Iterator[str]:
    for trial_id, cell in cells.packed.items():
        yield f'<script type="text/plain" id="cell-{trial_id}">{cell}</script>\n'


def _left_out(cells: _Cells, asked: int, run_id: str) -> list[str]:
    """What is not in the file, in sentences."""
    lacking = asked - len(cells.packed)
    told = [cells.depth.told] if cells.depth.told else []
    if lacking:
        told.append(
            f"{lacking} of {counted(asked, 'trial')} cannot be opened in this file: those on which "
            "systems differ came first."
        )
    return [*told, f"All of it: .venv/bin/delm view {escape(run_id)}"] if told else []
