"""The options of the command line that are long to say: their names, bounds and words."""

from pathlib import Path
from typing import Annotated, Any

import typer

from harness.errors import UserError

_DATASET = (
    "Hugging Face name, .jsonl/.json/.parquet/.yaml file, verified-offline, sample, "
    "longbench-v2, or longbench-offline."
)
Dataset = Annotated[str, typer.Option("-d", "--dataset", help=_DATASET)]
EvalDataset = Annotated[
    str,
    typer.Option(
        "-d",
        "--dataset",
        help=f"{_DATASET} [default: SWE-bench Verified; of a replay, the recorded one]",
    ),
]


def _ids(names: list[str] | None) -> list[str] | None:
    """Instance ids, one a flag. `UserError` for several in one."""
    wrong = next((name for name in names or [] if "," in name or " " in name), None)
    if wrong is not None:
        raise UserError(
            f"{wrong!r} is no instance id: repeat -i for each, as in -i A -i B (make: "
            'INSTANCES="A B")'
        )
    return names


Instances = Annotated[
    list[str] | None,
    typer.Option(
        "-i",
        "--instance",
        callback=_ids,
        help="An instance id; may be repeated. [default: all; of a replay, the recorded ones]",
    ),
]
Specs = Annotated[
    list[str] | None,
    typer.Option(
        "-c",
        "--config",
        help="A YAML file or key.sub=value, laid over configs/base.yaml in the order given.",
    ),
]
SandboxKind = Annotated[
    str,
    typer.Option(
        "--sandbox",
        help="auto, docker or bubblewrap; auto is bubblewrap where it is installed and can rebuild "
        "every instance, else docker. [default: docker for SWE-bench Verified, else auto]",
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON document instead (results/README.md), and notes to standard error.",
    ),
]
Output = Annotated[Path, typer.Option("-o", "--output", help="Folder that holds the runs.")]
RunArgument = Annotated[
    str, typer.Argument(help="A run id, `latest`, or the path of a run's folder.")
]
Workers = Annotated[
    int | None,
    typer.Option("-w", "--workers", min=1, help="Trials at a time. [default: 4]"),
]
Model = Annotated[
    str,
    typer.Option(
        "-m",
        "--model",
        help="litellm's name of a model, or replay:FILE. [default: the bundled recording]",
    ),
]
Systems = Annotated[
    list[str] | None,
    typer.Option(
        "-s",
        "--system",
        help="A system of configs/systems, or the YAML file of one; may be repeated. "
        "[default: those of configs/table.yaml; of a replay, the recorded ones]",
    ),
]
Filter = Annotated[
    str, typer.Option("--filter", help="Regex that instance ids begin with. [default: any]")
]
Slice = Annotated[
    str, typer.Option("--slice", help="Such as 0:10, of what is left. [default: all]")
]
Shuffle = Annotated[bool, typer.Option("--shuffle", help="Shuffle the instances, by --seed.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Of shuffles and of waits. [default: 0]")]
Agents = Annotated[
    int | None,
    typer.Option(
        "-n",
        "--agents",
        min=1,
        help="Agents of a trial, for systems that scale. [default: the system's]",
    ),
]
Trials = Annotated[
    int | None,
    typer.Option(
        "-k",
        "--trials",
        min=1,
        help="Trials of each system on each instance. [default: as many as configs/table.yaml "
        "needs; with -s, 1]",
    ),
]
RunId = Annotated[
    str,
    typer.Option(
        "--run-id",
        help="A new run, or one to go on with (its id, `latest`, or the path of its folder): it "
        "keeps its configuration. "
        "[default: time, dataset, model and systems]",
    ),
]
CostLimit = Annotated[
    float | None,
    typer.Option(
        "--cost-limit", min=0, help="Dollars of one submission; 0: no limit. [default: 3]"
    ),
]
MaxCost = Annotated[
    float | None,
    typer.Option(
        "--max-cost", min=0, help="Dollars of the whole run; 0: no limit. [default: no limit]"
    ),
]
DiskGb = Annotated[
    float | None,
    typer.Option(
        "--disk-gb",
        min=0,
        help="GB that pulled Docker images may take together: they are pulled when needed, and "
        "removed when others need the room; 0: no limit, all are pulled first. [default: no limit]",
    ),
]
Record = Annotated[
    Path | None, typer.Option("--record", help="Keep every answer in this file, for replay:FILE.")
]
UnknownPrice = Annotated[
    bool,
    typer.Option(
        "--allow-unknown-price",
        help="Take a model that no price list has: no limit on dollars holds, costs are blank.",
    ),
]
RetryFailed = Annotated[
    bool,
    typer.Option(
        "--retry-failed",
        help="Of a run that goes on: run again, too, what an error in a system's own code ended.",
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done, and what it can cost.")
]
Yes = Annotated[
    bool,
    typer.Option(
        "-y",
        "--yes",
        help="Do not ask before starting; a real model without a terminal needs it.",
    ),
]


def given(**values: Any) -> dict[str, Any]:
    """The values that were given: not None, not an empty layer."""
    return {key: value for key, value in values.items() if value is not None and value != {}}
