"""Ray places the processes of a run on the nodes of a cluster."""

from collections.abc import Iterator
from importlib.util import find_spec

import pytest
from console import delm, refused
from ray_cluster import ray_cluster
from scripted_model import ScriptedModel
from several_machines import WORDS, bought, outcomes, rows_of, slow_team

NODES = 3
pytestmark = [
    pytest.mark.slow(seconds=120),
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
def cluster(model) -> Iterator[str]:
    """The address of a cluster of three nodes, each with room for one sandbox."""
    with ray_cluster([{}] * NODES) as made:
        yield made.address


def test_three_nodes_do_what_one_machine_does(tmp_path, own_postgres, model, cluster):
    own = {"OPENAI_API_BASE": model.base_url, "OPENAI_API_KEY": "sk-not-a-key"}
    alone = delm("eval", *WORDS, "--run-id", "alone", "-o", tmp_path, **own)
    assert alone.code == 0, alone.text
    place = ["-o", tmp_path / "far", "--store", own_postgres.url]
    told = delm("eval", *WORDS, "--run-id", "far", *place, "--executor", "ray",
                "--ray-address", cluster, **own)  # fmt: skip
    assert told.code == 0, told.text
    one, far = rows_of(tmp_path / "alone"), rows_of(tmp_path / "far" / "far")
    assert outcomes(far) == outcomes(one)
    assert bought(far) == bought(one)
    assert {trial["state"] for trial in far.trials} == {"done"}
    assert len({trial["owner"] for trial in far.trials}) == len(far.trials), "a process each"


def test_what_cannot_be_placed_is_refused_in_one_line(tmp_path, own_postgres):
    def told(*words: str):
        return delm("eval", *WORDS, "-o", tmp_path, *words, OPENAI_API_KEY="sk-not-a-key",
                    OPENAI_API_BASE="http://127.0.0.1:1/v1")  # fmt: skip

    refused(told("--executor", "slurm"), "local, ray", "'slurm'")
    refused(told("--executor", "ray"), "--store postgresql://")
    nowhere = told("--executor", "ray", "--store", own_postgres.url, "--ray-address", "127.0.0.1:1")
    refused(nowhere, "no Ray cluster at 127.0.0.1:1")
