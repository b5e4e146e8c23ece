"""`delm doctor`: check what a run needs, and say how to get what is missing."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.text import Text

from harness.benchmarks.rows import HUB_NAME
from harness.cache import cache_dir
from harness.commands.compose import dataset as whole_dataset
from harness.commands.compose import model_parts
from harness.commands.configure import BUNDLED
from harness.commands.dataset_layer import dataset_layer
from harness.commands.first_call import first_call
from harness.commands.json_output import notes_console, print_json
from harness.config import layer, resolve
from harness.errors import UserError
from harness.model.prices import Price, find_price
from harness.model.replay import load_recording
from harness.model_entries import parse_overrides
from harness.no_space import lack
from harness.runner.progress import console
from harness.sandbox.bubblewrap import cgroup, overlay
from harness.sandbox.bubblewrap.confined_programs import program
from harness.sandbox.bubblewrap.machine import missing_packages
from harness.sandbox.bubblewrap.namespace import system_mounts
from harness.sandbox.disk_limits import in_memory, on_disk
from harness.sandbox.docker import machine as docker_sandbox
from harness.sandbox.reaper import reap
from harness.text.counted import counted

Layer = Mapping[str, Any]  # of a configuration
GOOD_FREE_GB = 120  # what the official harness advises for all of SWE-bench Verified
GOOD_MEMORY_GB = 16
HUB_TIMEOUT_S = 5
WATCHES = Path("/proc/sys/fs/epoll/max_user_watches")
WATCH_BYTES = 160  # of the kernel's memory for one, at least


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the report. `bad` makes the command fail, `note` does not."""

    about: str
    state: Literal["good", "note", "bad"]
    text: str


def examine(
    model: str,
    dataset: str,
    output: Path,
    specs: Sequence[str] = (),
    *,
    call: bool = True,
    as_json: bool = False,
) -> int:
    """Print every finding; return 1 if something that the user asked for cannot work.

    Without `call`, no request is sent to the model. `specs` are those of `-c`: its entry may be in
    one of them.
    """
    given = [layer(spec) for spec in specs]
    if as_json:
        notes = notes_console(as_json=True)
        found = list(_findings(model, dataset, output, given, notes, call=call))
        print_json({"findings": [asdict(finding) for finding in found]})
        return int(any(finding.state == "bad" for finding in found))
    out = console()
    colours = {"good": "green", "note": "yellow", "bad": "red"}
    worst = 0
    for finding in _findings(model, dataset, output, given, out, call=call):
        line = Text(f"{finding.state:5}", style=colours[finding.state])
        out.print(line.append(f" {finding.about}: {finding.text}", style="default"), soft_wrap=True)
        worst = max(worst, int(finding.state == "bad"))
    return worst


def _findings(
    model: str, dataset: str, output: Path, given: Sequence[Layer], out: Console, *, call: bool
) -> Iterator[Finding]:
    docker, docker_works = _docker()
    bubblewrap, bubblewrap_works = _bubblewrap()
    yield docker
    yield bubblewrap
    if not (docker_works or bubblewrap_works):
        yield Finding(
            about="sandboxes", state="bad", text="neither kind works; see the two lines above"
        )
    yield _limits()
    yield from _watches()
    if bubblewrap_works:
        yield _files()
    yield from _leftovers()
    yield from _room(output)
    chosen = dataset or ("swe-bench-verified" if model else "bundled-offline")
    config = resolve([dataset_layer(chosen)])
    hub = not HUB_NAME.fullmatch(config.dataset.name) or _hub_answers(out, config.dataset.name)
    if not hub:  # only what is cached can be had; without this, each file is asked for six times
        os.environ["HF_HUB_OFFLINE"] = "1"
    yield _dataset(chosen, docker_works=docker_works, hub_works=hub)
    yield from _model(model, given, out, call=call) if model else _replay()


def _docker() -> tuple[Finding, bool]:
    client = docker_sandbox.connect()
    if isinstance(client, str):
        text = (
            "no engine answers; start it (sudo systemctl start docker), or give your user access "
            "(sudo usermod -aG docker $USER, log in again). SWE-bench Verified needs it."
        )
        return Finding(about="docker", state="note", text=text), False
    version = client.version()["Version"]
    client.close()
    return Finding(about="docker", state="good", text=f"engine {version} answers"), True


def _bubblewrap() -> tuple[Finding, bool]:
    if missing := missing_packages():
        text = f"not installed; run: sudo apt-get install {missing} (verified-offline uses it)"
        return Finding(about="bubblewrap", state="note", text=text), False
    tried = subprocess.run(
        [program("bwrap"), "--unshare-all", "--unshare-user", "--uid", "0", *system_mounts(),
         "--proc", "/proc", "--dev", "/dev", "/usr/bin/true"],
        capture_output=True, text=True, check=False, timeout=30, env={},
    )  # fmt: skip
    if tried.returncode:
        said = tried.stderr.strip().splitlines()[-1:] or ["no reason given"]
        text = (
            f"it cannot create a namespace ({said[0]}); allow it with: "
            "sudo sysctl kernel.unprivileged_userns_clone=1 (Debian) or "
            "kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu)"
        )
        return Finding(about="bubblewrap", state="note", text=text), False
    return Finding(about="bubblewrap", state="good", text="works"), True


def _limits() -> Finding:
    if unbounded := cgroup.lacks():
        return Finding(about="limits", state="note", text=f"bubblewrap is refused: {unbounded}")
    group = cgroup.create(f"delm-doctor-{os.getpid()}", memory_bytes=1 << 28, processes=16)
    if group is None:
        text = (
            "cannot create control groups: bubblewrap limits memory per process instead of per "
            "sandbox, and does not limit processors (Docker does)"
        )
        return Finding(about="limits", state="note", text=text)
    group.remove()
    return Finding(about="limits", state="good", text="memory and processes, per sandbox")


def _watches() -> Iterator[Finding]:
    """A note if one command could use up the user's epoll(7) watches."""
    memory = resolve([]).sandbox.limits.memory_mb << 20
    with contextlib.suppress(OSError, ValueError):
        if (most := int(WATCHES.read_text())) * WATCH_BYTES < memory:
            text = (
                f"one sandbox could use all {most} watches of a user, and the Docker engine would "
                "stop; run: sudo sysctl -w fs.epoll.max_user_watches=1000000000"
            )
            yield Finding(about="epoll watches", state="note", text=text)


def _files() -> Finding:
    """How this machine limits the files of a bubblewrap sandbox."""
    limits = resolve([]).sandbox.limits
    try:
        place = overlay.best(cache_dir() / "sandboxes")
    except OSError as error:
        return Finding(about="files of a sandbox", state="bad", text=lack(error) or str(error))
    if place == "memory":
        text = f"bubblewrap: in memory, at most {in_memory(limits)}"
        return Finding(about="files of a sandbox", state="good", text=text)
    text = (
        f"bubblewrap: on disk, measured while commands run, at most {on_disk(limits)} (in memory, "
        "with a fixed size, as root or on Linux 6.6 or later)"
    )
    return Finding(about="files of a sandbox", state="note", text=text)


def _leftovers() -> Iterator[Finding]:
    left = reap(cache_dir(), remove=False)
    if left:
        text = (
            f"{counted(len(left), 'item')} of killed runs ({left[0]}); the next run removes them, "
            "or: .venv/bin/delm doctor --reap"
        )
        yield Finding(about="leftovers", state="note", text=text)


def _writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:  # what os.access says is not to be trusted: root may do anything, almost
        return False


def _room(output: Path) -> Iterator[Finding]:
    least = resolve([]).sandbox.min_free_gb
    for name, folder in (("results", output), ("cache", cache_dir())):
        there = next(p for p in (folder, *folder.absolute().parents) if p.exists())
        free = shutil.disk_usage(there).free / 1e9
        state: Literal["good", "note", "bad"] = "good" if free >= GOOD_FREE_GB else "note"
        text = f"{free:.0f} GB free at {there}"
        if state == "note":
            text += (
                f"; the images of SWE-bench Verified take {GOOD_FREE_GB} GB, or less with "
                "--disk-gb (make: DISK_GB)"
            )
        if not _writable(there):
            state, text = "bad", f"{there} is not writable; choose another folder"
        elif free < least:
            state = "bad"
            text = f"{free:.1f} GB free at {there}, a run needs {least:g} GB; free some space"
        yield Finding(about=f"disk, {name}", state=state, text=text)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    enough = memory >= GOOD_MEMORY_GB
    text = f"{memory:.0f} GB, {os.cpu_count()} processors"
    if not enough:
        text += f"; {GOOD_MEMORY_GB} GB are recommended, keep --workers low"
    yield Finding(about="memory", state="good" if enough else "note", text=text)


def _hub_answers(out: Console, dataset: str) -> bool:
    hub = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    out.print(f"loading {dataset} from {hub} …", highlight=False, markup=False)
    try:
        urllib.request.urlopen(hub, timeout=HUB_TIMEOUT_S).close()  # noqa: S310  # the user's own
    except urllib.error.HTTPError:
        return True  # an answer, if no good one
    except (OSError, ValueError):
        return False
    return True


def _dataset(name: str, *, docker_works: bool, hub_works: bool) -> Finding:
    try:
        config = resolve([dataset_layer(name)])
        dataset = whole_dataset(config)
    except UserError as error:
        text = str(error)
        if not hub_works:
            text = (
                "the dataset hub does not answer, and no copy is cached; give a local .jsonl or "
                ".parquet file, or -d verified-offline"
            )
        return Finding(about=f"dataset {name}", state="bad", text=text)
    items = dataset.items
    boxed = dataset.benchmark.needs_sandbox
    if boxed and not docker_works and any(item.environment is None for item in items):
        text = "needs Docker, and no Docker engine answers"
        return Finding(about=f"dataset {name}", state="bad", text=text)
    return Finding(about=f"dataset {name}", state="good", text=counted(len(items), "instance"))


def _replay() -> Iterator[Finding]:
    try:
        count = len(load_recording(BUNDLED).keys())
    except UserError as error:
        yield Finding(about="replay", state="bad", text=str(error))
    else:
        text = f"{count} recorded trials; pass --model to check a real one"
        yield Finding(about="replay", state="good", text=text)


def _model(name: str, given: Sequence[Layer], out: Console, *, call: bool) -> Iterator[Finding]:
    config = resolve([*given, {"model": {"name": name, "allow_unknown_price": True}}])
    try:
        parts = model_parts(config, lambda _: None, say=out.print)
    except UserError as error:
        yield Finding(about=f"model {name}", state="bad", text=str(error))
        yield _price(find_price(name, parse_overrides(config.models)))
        return
    yield Finding(about=f"model {name}", state="good", text=f"calls go to {parts.endpoint}")
    yield _price(parts.price)
    strange = parts.price is None and name not in config.models
    if strange or not call:
        why = "unknown model without a price" if strange else "--no-call"
        text = f"skipped ({why})"
        yield Finding(about="first call", state="note", text=text)
        return
    try:
        made = first_call(out, config, parts)
    except UserError as error:
        yield Finding(about="first call", state="bad", text=str(error))
    else:
        yield Finding(about="first call", state="good", text=f"the model {made}")


def _price(price: Price | None) -> Finding:
    if price is None:
        text = "unknown; add it under models: in configs/models.yaml or pass --allow-unknown-price"
        return Finding(about="price", state="bad", text=text)
    text = (
        f"${price.input * 1e6:g} in, ${price.output * 1e6:g} out per million tokens "
        f"({price.source})"
    )
    return Finding(about="price", state="good", text=text)
