"""Build the configuration of `delm eval` from the shipped files, `-c` and the flags."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.commands import replay_checks
from harness.commands.dataset_layer import dataset_layer
from harness.commands.resumed_endpoint import FILE_ENDPOINT, followed
from harness.config import (
    Config,
    layer,
    merge,
    read_yaml,
    resolve,
    validate,
)
from harness.errors import UserError
from harness.model.replay import PREFIX, load_recording
from harness.model_entries import one_address
from harness.results.run_folder import RunFolder
from harness.shipped import CONFIGS

BUNDLED = CONFIGS / "recordings" / "bundled-offline.jsonl"
VERIFIED = "swe-bench-verified"  # the dataset of a model, by default
TABLE = CONFIGS / "table.yaml"  # its systems


def configure(
    *,
    model: str,
    dataset: str,
    specs: Sequence[str],
    flags: Mapping[str, Any],
    stored: Mapping[str, Any] | None = None,
) -> Config:
    """The configuration of `delm eval`: the shipped defaults, the dataset's file, -c, the flags.

    Without a model it is the bundled replay. A replay takes the dataset, the systems and the number
    of submissions that were recorded; a model takes SWE-bench Verified and `configs/table.yaml`;
    both unless told otherwise. A run that is there already goes on as `stored`, its own
    configuration, says: only -c and the flags are laid over that.
    """
    given = [layer(spec) for spec in specs]
    for spec, content in zip(specs, given, strict=True):
        _check_systems(spec, content, flags)
    said: dict[str, Any] = {}
    if model:
        said["model"] = {"name": model}
    if dataset:  # a flag wins over -c; what that says of another dataset is not its own
        said["dataset"] = {"name": dataset_layer(dataset)["dataset"]["name"]}
        given = [_of_any_dataset(content) for content in given]
    if stored is not None:
        return validate(
            Config, merge(stored, *map(one_address, given), flags, said), "configuration"
        )
    name = model or _named(given, "model") or f"{PREFIX}{BUNDLED}"
    said["model"] = {"name": name}
    chosen = dataset or _named(given, "dataset")
    if name.startswith(PREFIX):
        recording = load_recording(Path(name.removeprefix(PREFIX)).expanduser())
        chosen = chosen or recording.header.dataset
        systems = list(dict.fromkeys(key.system for key in recording.calls))
        defaults: dict[str, Any] = {"submissions": replay_checks.submissions(recording)}
        defaults |= {"systems": systems} if systems else {}
        shipped = [dataset_layer(chosen), defaults]  # what was recorded, whatever its own are
    else:
        shipped = [read_yaml(TABLE), dataset_layer(chosen or VERIFIED)]
    if any("systems" in words or "trials" in words for words in (*given, flags)):
        for layer_ in shipped:  # as many submissions as their own systems make
            layer_.pop("submissions", None)
    return resolve([*shipped, *given, flags, said])


def _check_systems(spec: str, content: Mapping[str, Any], flags: Mapping[str, Any]) -> None:
    """Raise `UserError` for `systems` in a -c that the run would not use."""
    if "systems" not in content:
        return
    if not isinstance(content["systems"], list):
        raise UserError(
            f"-c {spec}: systems is a list of names, such as systems=[single, delm]; to change a "
            "system's options, write a file with `extends: NAME` and `options:` and pass it with "
            "-s FILE (docs/guide.md, Your own system)"
        )
    if "systems" in flags and not Path(spec).exists() and "=" in spec:
        raise UserError(f"-c {spec} and -s both name the systems; leave one of them out")


async def stored(output: Path, run_id: str, store: str = "") -> Mapping[str, Any] | None:
    """The configuration of the existing run `run_id`; None if there is no such run.

    `store`: the URL of the PostgreSQL server that may have it. Its model's endpoint is that of
    models.yaml where that has changed since (`followed`).
    """
    if not run_id:
        return None
    folder = RunFolder(output, run_id, store=store)
    folder.refuse_grading()
    await folder.look_on_server()
    if not folder.exists:
        return None
    async with folder.open() as opened:
        facts = await opened.description()
    config: Mapping[str, Any] | None = facts.get("config")
    return followed(config, facts.get(FILE_ENDPOINT)) if config else None


def _of_any_dataset(content: dict[str, Any]) -> dict[str, Any]:
    """A layer without the dataset's label and benchmark, where it says its name too."""
    found = content.get("dataset")
    if not isinstance(found, Mapping) or not found.get("name"):
        return content
    kept = {k: v for k, v in found.items() if k not in {"label", "benchmark"}}
    return {**content, "dataset": kept}


def _named(layers: Sequence[Mapping[str, Any]], section: str) -> str:
    """The last name that one of `layers` gives to the model or the dataset, or an empty string."""
    for content in reversed(layers):
        found = content.get(section)
        if isinstance(found, Mapping) and found.get("name"):
            return str(found["name"])
    return ""
