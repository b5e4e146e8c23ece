"""The files in configs/cluster start workers with words that `delm` has."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from console import delm

CLUSTER = Path(__file__).parents[2] / "configs" / "cluster"
SCALING = (CLUSTER.parents[1] / "docs" / "scaling.md").read_text()


def commands(value: Any) -> list[str]:
    """All texts of a document that start a `delm`."""
    if isinstance(value, dict):
        return [found for each in value.values() for found in commands(each)]
    if isinstance(value, list) and value[:1] == ["delm"]:
        return [" ".join(value)]
    if isinstance(value, list):
        return [found for each in value for found in commands(each)]
    return [value] if isinstance(value, str) and "delm work" in value else []


def test_each_file_is_read_and_has_its_section():
    names = {path.name for path in CLUSTER.iterdir()}
    assert names == {"ray.yaml", "kuberay.yaml", "slurm.sh", "kubernetes-job.yaml"}
    for name in names:
        assert name in SCALING
    subprocess.run(["bash", "-n", CLUSTER / "slurm.sh"], check=True)
    for path in CLUSTER.glob("*.yaml"):
        assert list(yaml.safe_load_all(path.read_text()))


def test_workers_are_started_with_options_that_there_are():
    there = set(re.findall(r"--[a-z-]+", delm("work", "--help").out))
    (job,) = yaml.safe_load_all((CLUSTER / "kubernetes-job.yaml").read_text())
    started = [*commands(job), (CLUSTER / "slurm.sh").read_text().splitlines()[-1]]
    started += [
        line for line in SCALING.splitlines() if re.match(r"(delm|for) .*delm work|delm work", line)
    ]
    assert len(started) >= 4
    for words in started:
        given = set(re.findall(r"--[a-z-]+", words.partition("delm work")[2]))
        assert "--run" in given or "--run" in words, words
        assert given <= there, words


@pytest.mark.parametrize("name", ["kuberay.yaml", "ray.yaml"])
def test_nodes_of_ray_have_sandboxes(name):
    text = (CLUSTER / name).read_text()
    found = re.findall(r"\{\\?\"sandbox\\?\": \d+\}", text)
    assert found
    for each in found:
        assert json.loads(each.replace("\\", ""))["sandbox"] > 0
