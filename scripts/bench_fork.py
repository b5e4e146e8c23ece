"""What a fork of a used bubblewrap sandbox costs, beside one whose files a plain `cp -a` copies.

    python scripts/bench_fork.py [--quick]

Each side forks sandboxes of the same tiny repository, with 20 and with 2,000 files written. Ours
copies in namespaces that hold nothing else (`bubblewrap/confined_programs.py`), in the best place
that the machine has for the files. Beside it: what was before, `cp -a` with the whole machine in
reach and the files on the disk; and that with the files in memory. A fork is measured until it is
there; closing it is left out. The sides take turns, so that a busy machine slows all.

The last line is the figure: our median by that of before, at the worse of the two sizes. Exit code
1: it costs more than a tenth more; 2: no bubblewrap.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anyio
from anyio import to_thread
from rich.console import Console
from rich.table import Table

from harness import event_loop
from harness.config import SandboxLimits
from harness.environments.rebuild import Prepared
from harness.sandbox.bubblewrap import folders, namespace, overlay
from harness.sandbox.bubblewrap.machine import BubblewrapMachine
from harness.sandbox.bubblewrap.overlay import OpenFolder, Place, Source
from harness.sandbox.sandbox import ShellSandbox
from harness.sandbox.shell import Since

ALLOWED = 1.10
SIZES = (20, 2000)  # files written
WARM_UP = 2
GIT = ["git", "-c", "user.name=bench", "-c", "user.email=bench@localhost"]


class Before(BubblewrapMachine):
    """A machine whose forks are copied as they were before."""

    parent: OpenFolder | None = None

    async def copy(self, since: Since, *, used: bool) -> "Before":
        del used
        twin = Before(
            self._prepared, self._store, self._limits,
            network=self._network, place=self._place, labels=self._labels,
        )  # fmt: skip
        twin.parent = None if since == "image" else self._files
        await twin._start(None)
        return twin

    async def _make(self, source: Source | None) -> None:
        self._lock = await to_thread.run_sync(folders.claim, self._folder, self._labels)
        await self._begin(source or self._environment())
        if self.parent is not None and self._files is not None:
            names = {namespace.ROOT_PART, namespace.NOTHING, "tmp", "home", "shm", overlay.UPPER}
            paths = [str(self.parent.path / name) for name in sorted(names)]
            cp = ["cp", "-a", "--preserve=xattr", "--reflink=auto", "--", *paths]
            fds = (self._files.fd, self.parent.fd)
            words = [*self._joining(), *cp, str(self._files.path)]
            await anyio.run_process(words, env={}, pass_fds=fds)
        await to_thread.run_sync(self._lay_files, self.parent is not None)
        await self._go_on()


BEFORE, OURS = "cp -a, on the disk", "delm-harness"
SIDES: dict[str, tuple[type[BubblewrapMachine], Place | None]] = {
    BEFORE: (Before, "disk"),
    "cp -a": (Before, None),
    OURS: (BubblewrapMachine, None),
}


def prepared(folder: Path) -> Prepared:
    """An environment that is one file in a repository, and an empty folder for its packages."""
    testbed = folder / "testbed"
    testbed.mkdir(parents=True)
    (folder / "venv").mkdir()
    (testbed / "a.txt").write_text("one\n")
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "base"]):
        subprocess.run([*GIT, *words], cwd=testbed, check=True)
    return Prepared(
        root=folder, python_prefix=Path(sys.base_prefix), python_version="", key="bench"
    )


async def opened(side: str, folder: Path, made: Prepared, size: int) -> ShellSandbox:
    """A used sandbox."""
    kind, place = SIDES[side]
    machine = await kind.start(made, folder / "sandboxes", SandboxLimits(), place=place)
    sandbox = await ShellSandbox.start(machine)
    half = size // 2
    write = f"mkdir w; for n in {{1..{half}}}; do echo $n > w/$n; echo $n > /tmp/$n; done; rm a.txt"
    assert (await sandbox.exec(write)).exit_status == 0
    return sandbox


async def forked(sandbox: ShellSandbox) -> float:
    """Seconds that a fork takes."""
    await sandbox.exec("echo more >> /tmp/more")
    began = time.perf_counter()
    twin = await sandbox.fork()
    seconds = time.perf_counter() - began
    assert (await twin.exec("ls w/1 /tmp/1")).exit_status == 0
    await twin.close()
    return seconds


async def measure(rounds: int) -> dict[int, dict[str, list[float]]]:
    """By size and side, the seconds of every fork."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="delm-bench-") as name:
        folder = Path(name)
        made = prepared(folder / "environment")
        if overlay.place(folder / "sandboxes", made.root) == "copy":
            fail("this machine lets no overlay be mounted: there is nothing to compare")
        for size in SIZES:
            sides = {side: await opened(side, folder, made, size) for side in SIDES}
            found[size] = {side: [] for side in SIDES}
            for number in range(WARM_UP + rounds):
                for side, sandbox in sides.items():
                    seconds = await forked(sandbox)
                    if number >= WARM_UP:
                        found[size][side].append(seconds)
            for sandbox in sides.values():
                await sandbox.close()
    return found


def fail(message: str) -> None:
    """One line, exit code 2."""
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)


def main() -> None:
    parser = argparse.ArgumentParser(description="A fork's cost beside one with a plain cp -a.")
    parser.add_argument("--quick", action="store_true", help="under a minute")
    options = parser.parse_args()
    if shutil.which("bwrap") is None:
        fail("this needs bubblewrap; run: sudo apt-get install bubblewrap")
    found = event_loop.run(measure, 15 if options.quick else 150)
    table = Table(title="a fork of a used sandbox", title_justify="left")
    for column in ("files", "side", "forks", "median ms", "p10 ms", "p90 ms"):
        table.add_column(column, justify="left" if column == "side" else "right")
    ratios = {}
    for size, sides in found.items():
        medians = {side: 1e3 * statistics.median(seconds) for side, seconds in sides.items()}
        ratios[size] = medians[OURS] / medians[BEFORE]
        for side, seconds in sides.items():
            deciles = [1e3 * each for each in statistics.quantiles(seconds, n=10)]
            numbers = (medians[side], deciles[0], deciles[-1])
            table.add_row(str(size), side, str(len(seconds)), *(f"{each:.1f}" for each in numbers))
    Console(width=None if sys.stdout.isatty() else 100).print(table)
    worst = max(ratios, key=lambda size: ratios[size])
    within = "within" if ratios[worst] <= ALLOWED else "MORE THAN"
    print(
        f"ratio {ratios[worst]:.3f} at {worst} files ({within} the {ALLOWED:.2f} that is allowed)"
    )
    sys.exit(ratios[worst] > ALLOWED)


if __name__ == "__main__":
    main()
