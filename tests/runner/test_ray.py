"""Ray places the processes of a run on the nodes of a cluster."""

import time
from collections.abc import Iterator
from importlib.util import find_spec

import pytest
from console import delm, refused
from ray_cluster import RayCluster, ray_cluster
from scripted_model import ScriptedModel
from several_machines import WORDS, Machine, at_work, bought, outcomes, rows_of, slow_team

NODES = 3
WAIT_S = 400
UNDER_WAY = 4  # requests of one process, at most, that a kill can cut
pytestmark = [
    pytest.mark.slow(seconds=180),
    pytest.mark.skipif(not find_spec("ray"), reason="Ray is not installed: pip install ray"),
]


@pytest.fixture
def model(monkeypatch) -> Iterator[ScriptedModel]:
    """A model that this process, and what it starts, can reach."""
    with ScriptedModel(slow_team()) as found:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-not-a-key")
        monkeypatch.setenv("OPENAI_API_BASE", found.base_url)
        yield found


@pytest.fixture
def cluster(model) -> Iterator[RayCluster]:
    """A cluster of three nodes, each with room for one sandbox."""
    with ray_cluster([{}] * NODES) as made:
        yield made


def test_three_nodes_do_what_one_machine_does_also_where_one_of_them_dies(
    tmp_path, own_postgres, model, cluster
):
    alone = delm("eval", *WORDS, "--run-id", "alone", "-o", tmp_path,
                 OPENAI_API_BASE=model.base_url, OPENAI_API_KEY="sk-not-a-key")  # fmt: skip
    assert alone.code == 0, alone.text
    asked_alone = len(model.requests)
    words = ["eval", *WORDS, "--run-id", "far", "--store", own_postgres.url, "--executor", "ray",
             "--ray-address", cluster.address]  # fmt: skip
    told = Machine([], words, tmp_path / "0")
    try:
        deadline = time.monotonic() + WAIT_S
        while not any(cluster.lose_node_of(process) for process in at_work(told.folder)):
            assert told.process.poll() is None, told.said.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert told.process.wait(timeout=WAIT_S) == 0, told.said.read_text()
    finally:
        told.kill()
    one, far = rows_of(tmp_path / "alone"), rows_of(told.folder)
    assert outcomes(far) == outcomes(one)
    assert bought(far) == bought(one), "nothing is bought twice"
    assert len(model.requests) - 2 * asked_alone <= UNDER_WAY, "but what was under way"
    cut = [trial for trial in far.trials if trial["state"] != "done"]
    assert [(trial["state"], trial["reason"]) for trial in cut] == [
        ("cancelled", "the process ended")
    ]
    assert len({trial["owner"] for trial in far.trials}) == len(far.trials), "a process each"


def test_what_cannot_be_placed_is_refused_in_one_line(tmp_path, own_postgres):
    def told(*words: str):
        return delm("eval", *WORDS, "-o", tmp_path, *words, OPENAI_API_KEY="sk-not-a-key",
                    OPENAI_API_BASE="http://127.0.0.1:1/v1")  # fmt: skip

    refused(told("--executor", "slurm"), "local, ray", "'slurm'")
    refused(told("--executor", "ray"), "--store postgresql://")
    nowhere = told("--executor", "ray", "--store", own_postgres.url, "--ray-address", "127.0.0.1:1")
    refused(nowhere, "no Ray cluster at 127.0.0.1:1")
