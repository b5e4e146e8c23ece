"""Have Ray place the processes that work on a run."""

from functools import partial
from importlib.util import find_spec
from pathlib import Path

from harness.commands.eval_options import Launch
from harness.commands.work import work_on
from harness.config import Config
from harness.errors import UserError
from harness.results.run_folder import RunFolder
from harness.runner.launchers import Launcher
from harness.store.addresses import without_password

EXECUTORS = ("local", "ray")


def launch_by(executor: str, config: Config, output: Path, address: str) -> Launch | None:
    """What has Ray place `delm work` on the cluster at `address`, once for each trial; None for
    the executor "local": this process does the work.

    `UserError`: there is no such executor, or Ray is not installed; when it is called, that there
    is no store which all nodes can reach.
    """
    if executor not in EXECUTORS:
        raise UserError(f"--executor is one of {', '.join(EXECUTORS)}, not {executor!r}")
    if executor == "local":
        return None
    if find_spec("ray") is None:
        raise UserError("--executor ray needs the package ray: pip install 'delm-harness[ray]'")

    def launch(folder: RunFolder) -> Launcher:
        from harness.runner.ray_tasks import RayTasks

        if not folder.on_server:
            raise UserError(
                "--executor ray needs a store that all nodes can reach: --store postgresql://…"
            )
        limits = config.sandbox.limits
        url, _, run_id = without_password(folder.address).partition("#")
        words = (url, run_id, str(output.absolute()))
        work = partial(work_on_one, *words)
        return RayTasks(address, work, cpus=limits.cpus, memory_mb=limits.memory_mb)

    return launch


def placement_words(executor: str, address: str) -> list[str]:
    """The words of a command line that have processes placed like this; none: this process."""
    if executor == "local":
        return []
    return ["--executor", executor, *(["--ray-address", address] if address else [])]


def work_on_one(store: str, run_id: str, output: str) -> int:
    """`delm work` on one trial, in a process that something else has placed. The password of the
    store comes from that node's variables."""
    return work_on(store, run_id, {"workers": 1}, Path(output), most=1)
