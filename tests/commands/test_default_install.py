"""A run in its own file takes no server, and nothing of the optional packages."""

import json
import subprocess
import sys
from importlib.metadata import requires

import pytest
from console import FINISH, FLASK, SOLVE, bundled, quickly, recording, variables
from packaging.requirements import Requirement

OPTIONAL = ("asyncpg", "ray")
# Imports of them fail; what is bound or connected to is noted.
RUN = """
import json, sys
sys.modules.update(dict.fromkeys(("asyncpg", "ray")))
used = []
sys.addaudithook(lambda event, given: used.append(f"{event} {given[1]}")
                 if event in ("socket.bind", "socket.connect") else None)
from harness.cli import main
code = 1
try:
    main()
except SystemExit as end:
    code = end.code
print(json.dumps(used))
sys.exit(code)
"""


@pytest.mark.slow(seconds=15)
def test_an_eval_in_a_file_needs_no_optional_package_and_no_server(tmp_path):
    bundled(FLASK)
    recording(tmp_path / "told.jsonl", [[SOLVE, FINISH]])
    words = ["eval", "-m", f"replay:{tmp_path / 'told.jsonl'}", "-o", tmp_path, "--run-id", "here",
             "--sandbox", "bubblewrap"]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", RUN, *quickly(words)], env=variables(), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "here" / "run.db").exists()
    # whether Docker has leftovers, and whether there is IPv6
    known = {"socket.connect /var/run/docker.sock", "socket.bind ('::1', 0)"}
    assert set(json.loads(done.stdout.splitlines()[-1])) <= known


def test_the_packages_of_a_server_and_of_a_cluster_are_no_part_of_the_default_install():
    needed = [Requirement(each) for each in requires("delm-harness")]
    default = {
        each.name for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})
    }
    assert "litellm" in default
    assert not default.intersection(OPTIONAL)
    assert {each.name for each in needed}.issuperset(OPTIONAL), "they are extras"
