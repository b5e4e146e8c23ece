"""Where the calls of a resumed run go: its own endpoint, or what models.yaml says by now."""

from collections.abc import Mapping
from typing import Any

from harness.config import ENDPOINT, MODELS, merge, models_files

FILE_ENDPOINT = "file_endpoint"  # fact of a run: `in_models_file` when it was last started
Entry = Mapping[str, Any]  # of one model, below `models:`


def in_models_file(model: str) -> dict[str, Any]:
    """The endpoint keys of `model` in configs/models.yaml as it is now; empty without an entry."""
    return _endpoint(merge(*models_files()).get(MODELS, {}).get(model) or {})


def followed(config: Mapping[str, Any], begun: Entry | None) -> Mapping[str, Any]:
    """A run's configuration with the endpoint that models.yaml gives its model now.

    Only where the file has changed: `begun` are the endpoint keys that it had when the run was last
    started, None if that is not recorded. Otherwise the run keeps its endpoint.
    """
    model = config.get("model", {}).get("name", "")
    now = in_models_file(model)
    if begun is None or not now or now == dict(begun):
        return config
    entry = config.get(MODELS, {}).get(model, {})
    kept = {key: value for key, value in entry.items() if key not in ENDPOINT}
    return {**config, MODELS: {**config.get(MODELS, {}), model: {**kept, **now}}}


def has_moved(before: Mapping[str, Any], models: Mapping[str, Entry], model: str) -> bool:
    """Whether `models` give `model` another endpoint than the configuration `before` does."""
    was = before.get(MODELS, {}).get(model, {})
    return _endpoint(was) != _endpoint(models.get(model, {}))


def _endpoint(entry: Entry) -> dict[str, Any]:
    return {key: entry[key] for key in ENDPOINT if entry.get(key)}
