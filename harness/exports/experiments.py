"""A submission to the SWE-bench leaderboard: a folder for the repository SWE-bench/experiments.

One submission an instance. Of a system's trials the first one counts, and of its submissions the
one that the trial ships (`agents/selection.py`, without sight of hidden tests): pass@1. A trial
that is not done leaves no prediction, and its instance counts as not resolved.
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.benchmarks.grading import LOG_FILES
from harness.benchmarks.rows import public_name
from harness.errors import UserError
from harness.exports.atif import trial_document
from harness.exports.predictions import prediction_line
from harness.run import model_name
from harness.secrets import environment_secrets
from harness.store import Row, Store

SPLITS = {
    "SWE-bench_Lite": "lite",
    "SWE-bench_Multilingual": "multilingual",
    "SWE-bench_Multimodal": "multimodal",
    "SWE-bench": "test",
}  # every other dataset: verified
OFFICIAL = "SWE-bench/"
CHECKLIST = (
    "Is a pass@1 submission (does not attempt the same task instance more than once)",
    "Does not use SWE-bench test knowledge (`PASS_TO_PASS`, `FAIL_TO_PASS`)",
    "Does not use the `hints` field in SWE-bench",
    "Does not have web-browsing OR has taken steps to prevent lookup of SWE-bench solutions via "
    "web-browsing",
)
DISCLAIMERS = (": no benchmark result.", ": this is no leaderboard result.")  # of a README's lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """What a system hands in on one instance."""

    trial: Row
    submission: Row
    logs: str  # the folder that its grading has in the run's logs


def shipped(store: Store, system: str) -> dict[str, Shipped]:
    """By instance: the submission of the first trial, where that is done, that it ships.

    Where a trial made several and chose none, it is the one that it made first.
    """
    model = store.description()["model"]
    made: dict[int, list[Row]] = {}
    for row in store.submissions():
        made.setdefault(row["trial_id"], []).append(row)
    found = {}
    for trial in store.trials():
        mine = made.get(trial["trial_id"], [])
        if (trial["system"], trial["number"], trial["state"]) != (system, 0, "done") or not mine:
            continue
        index = next((i for i, row in enumerate(mine) if row["selected"]), 0)
        found[trial["instance_id"]] = Shipped(
            trial=trial,
            submission=mine[index],
            logs=model_name(system, model, index).replace("/", "__"),
        )
    return found


def write_experiment(
    store: Store,
    system: str,
    logs: Path,
    years: Mapping[str, str],
    target: Path,
    *,
    total: int = 0,
) -> Path:
    """Write the folder below `target`; return it. It is there whole or not at all.

    `logs` is the run's folder of logs by model and instance; `years` says in which year the issue
    of an instance was closed, where that is known; `total` is how many instances the dataset has, 0
    where that is not known. `UserError` where the folder exists, and where
    something in it holds the value of a secret environment variable.
    """
    description = store.description()
    split = split_of(description["config"]["dataset"]["name"])
    folder = target / "evaluation" / split / submission_name(system, description)
    if folder.exists():
        raise UserError(f"{folder} exists; remove it, or name another folder")
    files = _files(store, system, logs, years, total)
    _refuse_secrets(files)
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=".experiment-", dir=folder.parent))
    try:
        for name, text in files.items():
            path = beside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        for name in ("logs", "trajs"):
            (beside / name).mkdir(exist_ok=True)
        beside.chmod(0o755)
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)  # it is there only where something failed
    return folder


def split_of(dataset: str) -> str:
    """The name that the repository has for a dataset."""
    return SPLITS.get(dataset.rpartition("/")[2], "verified")


def submission_name(system: str, description: Mapping[str, Any]) -> str:
    """`<YYYYMMDD>_<system>_<model>`: the day on which the run began."""
    day = str(description["created_at"])[:10].replace("-", "")
    model = description["model"].rpartition("/")[2]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", f"{day}_{system}_{model}")


def cautions(description: Mapping[str, Any], asked: int, total: int) -> list[str]:
    """Why what was made of the run is no leaderboard result, a sentence each.

    `asked` is on how many instances a system ran, `total` how many there are, 0: not known.
    """
    found = []
    if not description["config"]["dataset"]["name"].startswith(OFFICIAL):
        found.append(
            f"The instances are those of `{public_name(description['dataset'])}`, which is not the "
            f"official dataset with its images{DISCLAIMERS[1]}"
        )
    if description.get("replay"):
        found.append(f"This is a replay of recorded answers{DISCLAIMERS[0]}")
    if asked < total:
        found.append(
            f"The system ran on {asked} of the dataset's {total} instances{DISCLAIMERS[1]}"
        )
    return found


def _files(
    store: Store, system: str, logs: Path, years: Mapping[str, str], total: int
) -> dict[str, str]:
    """Every file of the submission by its name."""
    description = store.description()
    chosen = shipped(store, system)
    asked = {row["instance_id"]: row for row in store.trials() if row["system"] == system}
    calls = store.calls()
    files = {}
    for instance_id, mine in chosen.items():
        key = mine.trial["trial_id"]
        document = trial_document(
            mine.trial,
            store.messages(key),
            [row for row in calls if row["trial_id"] == key],
            [row | {"outcome": None} for row in store.submissions() if row["trial_id"] == key],
            description,
        )
        files[f"trajs/{instance_id}.json"] = json.dumps(document, indent=1)
        for name in LOG_FILES if mine.submission["patch"].strip() else ():
            path = logs / mine.logs / instance_id / name
            if path.is_file():
                files[f"logs/{instance_id}/{name}"] = path.read_bytes().decode()
    name = model_name(system, description["model"], 0)
    files["all_preds.jsonl"] = "".join(
        prediction_line(key, name, mine.submission["patch"]) for key, mine in chosen.items()
    )
    results = result_files(
        {key: row["repo"] for key, row in asked.items()},
        years,
        patches={key: mine.submission["patch"] for key, mine in chosen.items()},
        logged={key for key in chosen if f"logs/{key}/test_output.txt" in files},
        resolved={k for k, mine in chosen.items() if mine.submission["official"] == "resolved"},
    )
    files |= {f"results/{name}.json": json.dumps(text, indent=4) for name, text in results.items()}
    files["metadata.yaml"] = yaml.safe_dump(_metadata(system, description), sort_keys=False)
    resolved = len(results["results"]["resolved"])
    warned = cautions(description, len(asked), total)
    files["README.md"] = _readme(system, description, chosen, len(asked), resolved, warned)
    return files


def result_files(
    repos: Mapping[str, str],
    years: Mapping[str, str],
    *,
    patches: Mapping[str, str],
    logged: set[str],
    resolved: set[str],
) -> dict[str, dict[str, Any]]:
    """`results`, `resolved_by_repo` and `resolved_by_time`, as the repository's own script counts.

    `repos` is the repository of every instance that was asked for, `patches` what was predicted;
    `logged` and `resolved` are the instances with a test log, and those whose log says resolved.
    """
    by_repo: dict[str, dict[str, int]] = {}
    by_time: dict[str, dict[str, int]] = {}
    for instance_id in sorted(repos):
        cells = [by_repo.setdefault(repos[instance_id], {"resolved": 0, "total": 0})]
        if instance_id in years:
            cells.append(by_time.setdefault(years[instance_id], {"resolved": 0, "total": 0}))
        for cell in cells:
            cell["total"] += 1
            cell["resolved"] += instance_id in resolved
    generated = {key for key, patch in patches.items() if patch.strip()}
    return {
        "results": {
            "no_generation": sorted(set(repos) - generated),
            "no_logs": sorted(generated - logged),
            "resolved": sorted(resolved),
        },
        "resolved_by_repo": dict(sorted(by_repo.items())),
        "resolved_by_time": dict(sorted(by_time.items())),
    }


def _metadata(system: str, description: Mapping[str, Any]) -> dict[str, Any]:
    """What only the submitter knows stays empty."""
    name = f"{system} + {description['model'].rpartition('/')[2]}"
    blank = {"site": "", "report": "", "authors": "", "logo": ""}
    return {
        "info": {"name": name} | blank,
        "tags": {
            "checked": False,
            "model": [description["model"].rpartition("/")[2]],
            "org": "",
            "os_model": False,
            "os_system": True,
            "system": {"attempts": 1},
        },
    }


def _readme(
    system: str,
    description: Mapping[str, Any],
    chosen: Mapping[str, Shipped],
    asked: int,
    resolved: int,
    warned: Sequence[str],
) -> str:
    config = description["config"]
    empty = sum(not mine.submission["patch"].strip() for mine in chosen.values())
    agents = sorted({mine.trial["agents"] for mine in chosen.values()})
    several = any(mine.trial["wanted"] > 1 for mine in chosen.values())
    again = sum(mine.trial["attempt"] > 0 for mine in chosen.values())
    network = config["sandbox"]["network"]
    share = f" ({resolved / asked:.1%})" if asked else ""
    lines = [f"# {system} + {description['model'].rpartition('/')[2]}", ""]
    for sentence in warned:
        lines += [sentence, ""]
    lines += [
        f"Resolved {resolved} of {asked} instances{share}, as swebench grades them in fresh "
        f"sandboxes. Predictions: {len(chosen)}, of which {empty} are empty.",
        "",
        "How each prediction came about: the system ran on the instance once (its first trial; "
        "others, if there were any, are not looked at)"
        + (
            f" with {'/'.join(map(str, agents))} agents. They made several candidate patches, and "
            "one was shipped, chosen without sight of the hidden tests."
            if several
            else "."
        )
        + f" Trials that failed for infrastructure and were run again: {again}. `trajs/` holds "
        "every conversation of the trial, in the Agent Trajectory Interchange Format 1.7.",
        "",
        "## Checklist",
        "",
        *(f"- [x] {line}" for line in CHECKLIST[:-1]),
        f"- [{' ' if network else 'x'}] {CHECKLIST[-1]}",
        "",
        f"Sandboxes have {'the' if network else 'no'} network. The history after the base commit, "
        "tags, remotes and reflogs are removed, and an audit at the start of every trial looks for "
        "them.",
    ]
    return "\n".join(lines) + "\n"


def _refuse_secrets(files: Mapping[str, str]) -> None:
    named = environment_secrets(os.environ)
    for path, text in files.items():
        for name, value in named:
            if value in text or json.dumps(value)[1:-1] in text:
                raise UserError(f"{path} would hold the value of ${name}: nothing was written")
