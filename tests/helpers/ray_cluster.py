"""A Ray cluster whose nodes are all on this machine, and which can lose one."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence

CLUSTER = """
import json, sys
from pathlib import Path
from ray.cluster_utils import Cluster
NODE = {"num_cpus": 2, "resources": {"sandbox": 1}, "memory": 5 * 2**30,
        "object_store_memory": 80 * 2**20, "include_dashboard": False}
first, *others = [NODE | {"env_vars": own} for own in json.loads(sys.stdin.readline())]
cluster = Cluster(initialize_head=True, head_node_args=first)
others = [cluster.add_node(**other) for other in others]
cluster.wait_for_nodes()
print(cluster.address, flush=True)
for line in sys.stdin:
    if line.strip() == "end":
        break
    parent = int(Path(f"/proc/{int(line)}/stat").read_text().rpartition(")")[2].split()[1])
    having = [node for node in others if node.all_processes["raylet"][0].process.pid == parent]
    for node in having:
        cluster.remove_node(node, allow_graceful=False)
        others.remove(node)
    print(len(having), flush=True)
cluster.shutdown()
"""


class RayCluster:
    """A cluster whose nodes have room for one sandbox each."""

    def __init__(
        self, process: "subprocess.Popen[str]", nodes: Sequence[Mapping[str, str]]
    ) -> None:
        self._process = process
        self._write(f"{json.dumps([dict(node) for node in nodes])}\n")
        self.address = self._read()

    def lose_node_of(self, process: int) -> bool:
        """Kill the node that this process of Ray's is on; False: it is on the first node, without
        which there is no cluster."""
        self._write(f"{process}\n")
        return self._read() == "1"

    def end(self) -> None:
        """End all nodes."""
        self._process.communicate("end\n", timeout=60)

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextlib.contextmanager
def ray_cluster(nodes: Sequence[Mapping[str, str]]) -> Iterator[RayCluster]:
    """A cluster with a node for each of `nodes`: the variables that it has beside this process's.

    Another process has it: what Ray leaves open here would be in the way of other tests.
    """
    sessions = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # the paths of its sockets must be short
    process = subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env=os.environ | {"RAY_TMPDIR": sessions, "RAY_USAGE_STATS_ENABLED": "0"},
    )  # fmt: skip
    try:
        cluster = RayCluster(process, nodes)
        yield cluster
        cluster.end()
    finally:
        process.kill()
        process.communicate()
        shutil.rmtree(sessions, ignore_errors=True)
