"""The configuration layer of `-d NAME`."""

from typing import Any

from harness.config import YAML, merge, read_yaml
from harness.shipped import CONFIGS
from harness.text import yaml_text
from harness.text.user_paths import user_path

MOVED = {  # on the hub, from and to: the older names are in many papers and scripts
    "princeton-nlp/SWE-bench_Verified": "SWE-bench/SWE-bench_Verified",
    "THUDM/LongBench-v2": "zai-org/LongBench-v2",
}


def dataset_layer(name: str) -> dict[str, Any]:
    """`-d NAME`: the layer of `configs/datasets/NAME.yaml`, or just the name of a dataset.

    A dataset with such a file has it under any of its names: the file's, the hub's, also the one
    that it had there before, its label. A file of your own with a section `dataset` is such a layer
    too; the rows that it names lie where the file is.
    """
    if own := _own_dataset_layer(name):
        return own
    name = MOVED.get(name, name)
    for path in sorted((CONFIGS / "datasets").glob("*.yaml")):
        content = read_yaml(path)
        if "dataset" not in content:  # facts about instances, not a layer
            continue
        if name in {path.stem, content["dataset"]["name"], content["dataset"].get("label")}:
            return content
    return {"dataset": {"name": name, "label": ""}}


def _own_dataset_layer(name: str) -> dict[str, Any]:
    """The layer in a YAML file; empty if the file is no such layer."""
    path = user_path(name)
    content = yaml_text.read(path) if path.suffix in YAML and path.is_file() else None
    if not isinstance(content, dict) or not isinstance(content.get("dataset"), dict):
        return {}
    named = str(content["dataset"].get("name", ""))
    beside = path.parent / named
    rows = str(beside) if named and beside.is_file() else named
    return merge({"dataset": {"label": path.stem}}, content, {"dataset": {"name": rows}})
