"""The command-line options that several commands share."""

from pathlib import Path
from typing import Annotated, Any

import typer

from harness.errors import UserError

_DATASET = (
    "Hugging Face dataset, a .jsonl/.json/.parquet/.yaml file, verified-offline, "
    "injected-offline, bundled-offline (both), sample, longbench-v2 or longbench-offline."
)
Dataset = Annotated[str, typer.Option("-d", "--dataset", help=_DATASET)]
GradeDataset = Annotated[
    str, typer.Option("-d", "--dataset", help=f"{_DATASET} [default: verified-offline]")
]
ValidateDataset = Annotated[
    str, typer.Option("-d", "--dataset", help=f"{_DATASET} [default: SWE-bench Verified]")
]
DoctorDataset = Annotated[
    str,
    typer.Option(
        "-d",
        "--dataset",
        help=f"{_DATASET} [default: bundled-offline; with -m, SWE-bench Verified]",
    ),
]
EvalDataset = Annotated[
    str,
    typer.Option(
        "-d",
        "--dataset",
        help=f"{_DATASET} [default: SWE-bench Verified; in a replay, the recorded one]",
    ),
]


def _ids(names: list[str] | None) -> list[str] | None:
    """Instance ids, one per flag. Raises `UserError` if one flag holds several."""
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
        help="Run only this instance; repeatable. [default: all; in a replay, the recorded ones]",
    ),
]
GradeInstances = Annotated[
    list[str] | None,
    typer.Option(
        "-i",
        "--instance",
        callback=_ids,
        help="Grade only this instance; repeatable. [default: all that have a prediction; with "
        "--gold, --empty or --calibrate, all of the dataset]",
    ),
]
CheckInstances = Annotated[
    list[str] | None,
    typer.Option(
        "-i",
        "--instance",
        callback=_ids,
        help="Run the gold and the empty patch of only this instance; repeatable. All rows are "
        "looked at. [default: all]",
    ),
]
ImageInstances = Annotated[
    list[str] | None,
    typer.Option(
        "-i",
        "--instance",
        callback=_ids,
        help="Only the image of this instance; repeatable. [default: all]",
    ),
]
Specs = Annotated[
    list[str] | None,
    typer.Option(
        "-c",
        "--config",
        help="Override configs/base.yaml: a YAML file or key.sub=value; repeatable, the last wins.",
    ),
]
SandboxKind = Annotated[
    str,
    typer.Option(
        "--sandbox",
        help="auto, docker or bubblewrap. auto: bubblewrap if it is installed and every instance "
        "can be rebuilt, else docker. [default: docker for SWE-bench Verified, else auto]",
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON document (see results/README.md); notes go to standard error.",
    ),
]
Output = Annotated[Path, typer.Option("-o", "--output", help="Folder of all runs.")]
RunArgument = Annotated[str, typer.Argument(help="Run id, `latest`, or the path of a run folder.")]
Workers = Annotated[
    int | None,
    typer.Option("-w", "--workers", min=1, help="Trials that run at the same time. [default: 4]"),
]
GradeWorkers = Annotated[
    int | None,
    typer.Option("-w", "--workers", min=1, help="Instances graded at the same time. [default: 4]"),
]
Model = Annotated[
    str,
    typer.Option(
        "-m",
        "--model",
        help="Model name as litellm knows it, or replay:FILE. [default: the bundled recording]",
    ),
]
Systems = Annotated[
    list[str] | None,
    typer.Option(
        "-s",
        "--system",
        help="Name of a system in configs/systems, or a YAML file; repeatable. Replaces the "
        "systems of a -c file. "
        "[default: those of configs/table.yaml; in a replay, the recorded ones]",
    ),
]
CostInstances = Annotated[
    list[str] | None,
    typer.Option(
        "-i",
        "--instance",
        callback=_ids,
        help="Only what this instance cost; repeatable. Writes no CSV. [default: all]",
    ),
]
ShownSystems = Annotated[
    list[str] | None,
    typer.Option(
        "-s", "--system", help="Only the trials of this system; repeatable. [default: all]"
    ),
]
Conversation = Annotated[
    str,
    typer.Option(
        "--conversation",
        help="Print every message of one conversation, e.g. patch-1. [default: the events]",
    ),
]
Full = Annotated[bool, typer.Option("--full", help="Print long messages without cutting them.")]
Filter = Annotated[
    str,
    typer.Option(
        "--filter", help="Only instances whose id matches this regex at its start. [default: any]"
    ),
]
Slice = Annotated[
    str, typer.Option("--slice", help="Slice after filtering, e.g. 0:10. [default: all]")
]
Shuffle = Annotated[bool, typer.Option("--shuffle", help="Shuffle the instances (see --seed).")]
Seed = Annotated[
    int | None, typer.Option("--seed", help="Seed for --shuffle and retry jitter. [default: 0]")
]
Agents = Annotated[
    int | None,
    typer.Option(
        "-n",
        "--agents",
        min=1,
        help="Agents per trial, for systems that scale. [default: the system's]",
    ),
]
Trials = Annotated[
    int | None,
    typer.Option(
        "-k",
        "--trials",
        min=1,
        help="Trials per system and instance. [default: with -s, 1; else what makes the number of "
        "submissions in configs/table.yaml]",
    ),
]
RunId = Annotated[
    str,
    typer.Option(
        "--run-id",
        help="Id of a new run, or a run to resume (id, `latest` or folder), which keeps its "
        "configuration. [default: made of time, dataset, model and systems]",
    ),
]
StoreUrl = Annotated[
    str,
    typer.Option(
        "--store",
        help="Keep the run in this PostgreSQL server, postgresql://USER@HOST/DATABASE, so that "
        "other machines can work on it, too (delm work). A password: in DELM_STORE, PGPASSWORD or "
        "~/.pgpass. [default: a SQLite file in the run's folder]",
    ),
]
ExecutorName = Annotated[
    str,
    typer.Option(
        "--executor",
        help="local, or ray: each trial is placed on a node of a Ray cluster. Needs --store.",
    ),
]
RayAddress = Annotated[
    str,
    typer.Option(
        "--ray-address", help="Of the Ray cluster. [default: the one this machine belongs to]"
    ),
]
Most = Annotated[
    int, typer.Option("--most", min=0, help="End after so many trials, and wait for none; 0: all.")
]
WorkStore = Annotated[
    str,
    typer.Option(
        "--store", help="The PostgreSQL server that has the run. [default: the variable DELM_STORE]"
    ),
]
JoinedTrial = Annotated[
    str,
    typer.Option(
        "--trial", help="The trial: its id, or SYSTEM/INSTANCE#NUMBER. See delm show RUN."
    ),
]
JoiningAgents = Annotated[
    int, typer.Option("--agents", "-n", min=1, max=1000, help="Agents that join.")
]
WorkRun = Annotated[str, typer.Option("--run", help="Id of the run that delm eval --store began.")]
Wait = Annotated[
    float, typer.Option("--wait", min=0, help="Seconds to wait for a run that has not begun yet.")
]
CostLimit = Annotated[
    float | None,
    typer.Option("--cost-limit", min=0, help="Dollar limit per submission; 0: none. [default: 3]"),
]
MaxCost = Annotated[
    float | None,
    typer.Option(
        "--max-cost", min=0, help="Dollar limit of the whole run; 0: none. [default: none]"
    ),
]
DiskGb = Annotated[
    float | None,
    typer.Option(
        "--disk-gb",
        min=0,
        help="Disk limit for pulled Docker images, in GB. Images are pulled when needed; unused "
        "ones are evicted. 0: no limit, all are pulled first. [default: 0]",
    ),
]
Record = Annotated[
    Path | None,
    typer.Option("--record", help="Save all model answers to this file, for replay:FILE."),
]
UnknownPrice = Annotated[
    bool,
    typer.Option(
        "--allow-unknown-price",
        help="Allow a model without a price; dollar limits are not enforced and costs are blank.",
    ),
]
RetryFailed = Annotated[
    bool,
    typer.Option(
        "--retry-failed",
        help="When resuming, also rerun trials that an error in a system's own code ended.",
    ),
]
AcceptChanges = Annotated[
    bool,
    typer.Option(
        "--accept-changes",
        help="Resume a run although its systems or its settings have changed since it began; "
        "the table says so.",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Print the plan and its expected and maximum cost, then stop."),
]
Yes = Annotated[
    bool,
    typer.Option(
        "-y",
        "--yes",
        help="Start without asking. Needed for a real model without a terminal.",
    ),
]

ExportTarget = Annotated[
    Path | None,
    typer.Argument(
        help="File to write for predictions, recording and otlp, else a folder. otlp without one "
        "sends to the endpoint.",
        show_default=False,
    ),
]
ExportFormat = Annotated[
    str,
    typer.Option(
        "--format",
        help="predictions, recording, trajectories (mini-swe-agent), atif (Harbor), experiments (a "
        "submission to SWE-bench/experiments) or otlp (OpenTelemetry traces).",
    ),
]
ExportSystem = Annotated[
    str,
    typer.Option(
        "-s",
        "--system",
        help="Export only this system. [default: the first for predictions and experiments, else "
        "all]",
    ),
]
ExportContent = Annotated[
    bool, typer.Option("--content", help="otlp: also what models and commands wrote.")
]


def given(**values: Any) -> dict[str, Any]:
    """The values that were given: not None, not an empty layer."""
    return {key: value for key, value in values.items() if value is not None and value != {}}
