"""A submission to the SWE-bench leaderboard: a folder for the repository SWE-bench/experiments.

One submission an instance. Of a system's trials the first one counts, and of its submissions the
one that the scores say it ships (`harness/score/submission_rank.py`): pass@1. A trial that is not
done, or that chose none, leaves no prediction, and its instance counts as not resolved.
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from harness.analysis.interventions import touched
from harness.benchmarks.rows import public_name
from harness.benchmarks.swebench.benchmark import SweBench
from harness.benchmarks.swebench.grading import LOG_FILES
from harness.errors import UserError
from harness.exports.atif import sessions_of, trial_document
from harness.exports.shipped_submissions import Shipped, shipped
from harness.exports.submission_claims import DatasetRows, answered_twice, claims
from harness.exports.submission_readme import readme
from harness.score.rows import by_trial
from harness.score.submission_rank import model_name
from harness.secrets import Secrets
from harness.secrets.variables import environment_secrets
from harness.store.rows import RunRows, SubmissionRow
from harness.text.counted import counted
from harness.types import Message

SPLITS = {
    "SWE-bench_Lite": "lite",
    "SWE-bench_Multilingual": "multilingual",
    "SWE-bench_Multimodal": "multimodal",
    "SWE-bench": "test",
}  # every other dataset: verified
OFFICIAL = "SWE-bench/"
DISCLAIMERS = (": no benchmark result.", ": this is no leaderboard result.")  # of a README's lines


Spoken = Mapping[int, Mapping[str, Sequence[Message]]]  # by trial: `Store.messages`


def write_experiment(
    run: RunRows,
    spoken: Spoken,
    system: str,
    logs: Path,
    years: Mapping[str, str],
    target: Path,
    *,
    dataset: DatasetRows | None = None,
) -> Path:
    """Write the folder below `target`; return it. It is there whole or not at all.

    `spoken` has the messages of the trials whose submissions are `shipped`; `logs` is the run's
    folder of logs by model and instance; `years` says in which year the issue of an instance was
    closed, where that is known; `dataset` is None where its rows cannot be had.
    `UserError` where the folder exists, and where something in it holds the value of a secret
    environment variable.
    """
    description = run.facts
    split = split_of(description["config"]["dataset"]["name"])
    folder = target / "evaluation" / split / submission_name(system, description)
    if folder.exists():
        raise UserError(f"{folder} exists; remove it, or name another folder")
    files = _files(run, spoken, system, logs, years, dataset)
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
    """The repository's name for a dataset."""
    return SPLITS.get(dataset.rpartition("/")[2], "verified")


def submission_name(system: str, description: Mapping[str, Any]) -> str:
    """`<YYYYMMDD>_<system>_<model>`, with the day on which the run started."""
    day = str(description["created_at"])[:10].replace("-", "")
    model = description["model"].rpartition("/")[2]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", f"{day}_{system}_{model}")


def cautions(
    description: Mapping[str, Any], asked: int, total: int, *, touched: int = 0
) -> list[str]:
    """Why what was made of the run is no leaderboard result, a sentence each.

    `asked` is on how many instances a system ran, `total` how many there are, 0: not known;
    `touched` how many of its trials people changed while they ran.
    """
    found = []
    official = description["config"]["dataset"]["name"].startswith(OFFICIAL)
    if not official:
        found.append(
            f"The instances are those of `{public_name(description['dataset'])}`, which is not the "
            f"official dataset with its images{DISCLAIMERS[1]}"
        )
    if description.get("replay"):
        found.append(f"This is a replay of recorded answers{DISCLAIMERS[0]}")
    if touched:
        found.append(
            f"People interfered with {counted(touched, 'trial')} while the system worked"
            f"{DISCLAIMERS[1]}"
        )
    if official and asked < total:
        found.append(
            f"The system ran on {asked} of the dataset's {total} instances{DISCLAIMERS[1]}"
        )
    return found


def _files(
    run: RunRows,
    spoken: Spoken,
    system: str,
    logs: Path,
    years: Mapping[str, str],
    dataset: DatasetRows | None,
) -> dict[str, str]:
    """Every file of the submission, by name."""
    description = run.facts
    chosen = shipped(run, system)
    mine = [row for row in run.trials if row["system"] == system]
    documents = _documents(run, spoken, chosen)
    files = {f"trajs/{name}.json": json.dumps(text, indent=1) for name, text in documents.items()}
    for name, one in chosen.items():
        files |= _logs(logs, name, one)
    model = model_name(system, description["model"], 0)
    files["all_preds.jsonl"] = "".join(
        SweBench().prediction_line({}, one.submission, model) for one in chosen.values()
    )
    repos = {row["instance_id"]: row["repo"] for row in mine}
    results = result_files(
        repos,
        years,
        patches={name: one.submission["patch"] for name, one in chosen.items()},
        logged={name for name in chosen if f"logs/{name}/test_output.txt" in files},
        resolved={k for k, one in chosen.items() if one.submission["official"] == "resolved"},
    )
    files |= {f"results/{name}.json": json.dumps(text, indent=4) for name, text in results.items()}
    first = [row for row in mine if row["number"] == 0]
    again = answered_twice(first, [row for row in run.calls if row["system"] == system])
    claimed = claims(
        {name: one.trial for name, one in chosen.items()},
        documents,
        [name for name in again if name in chosen],
        dataset,
        network=description["config"]["sandbox"]["network"],
    )
    files["metadata.yaml"] = yaml.safe_dump(
        _metadata(system, description, attempts=1 if claimed[0].holds else "2+"), sort_keys=False
    )
    total = len(dataset.items) if dataset else 0
    warned = cautions(description, len(repos), total, touched=touched(run, system))
    files["README.md"] = readme(system, description, chosen, len(repos), claimed, warned)
    return files


def _documents(
    run: RunRows, spoken: Spoken, chosen: Mapping[str, Shipped]
) -> dict[str, dict[str, Any]]:
    """The trajectory of each instance's trial, without verdicts."""
    sources = sessions_of(run.calls, run.facts)
    calls, made = by_trial(run.calls), by_trial([_unjudged(row) for row in run.submissions])
    return {
        name: trial_document(
            one.trial, spoken[key], calls.get(key, []), made[key], run.facts, sources
        )
        for name, one in chosen.items()
        for key in (one.trial["trial_id"],)
    }


def _unjudged(submission: SubmissionRow) -> SubmissionRow:
    hidden = submission.copy()
    hidden["outcome"] = hidden["official"] = hidden["flags"] = None
    return hidden


def _logs(logs: Path, instance_id: str, one: Shipped) -> dict[str, str]:
    """The grading logs of the shipped patch."""
    patch = one.submission["patch"]
    if not patch.strip():
        return {}
    folders = [logs / name / instance_id for name in one.names]
    its_own = [f for f in folders if (f / "patch.diff").is_file()
               and (f / "patch.diff").read_bytes() == patch.encode()]  # fmt: skip
    folder = (its_own or folders)[0]
    paths = {name: folder / name for name in LOG_FILES}
    return {
        f"logs/{instance_id}/{name}": path.read_bytes().decode()
        for name, path in paths.items()
        if path.is_file()
    }


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


def _metadata(
    system: str, description: Mapping[str, Any], *, attempts: int | str
) -> dict[str, Any]:
    """The metadata; fields that only the submitter knows are empty."""
    name = f"{system} + {description['model'].rpartition('/')[2]}"
    blank = {"site": "", "report": "", "authors": "", "logo": ""}
    return {
        "info": {"name": name} | blank,
        "tags": {
            "checked": False,
            "model": [description["model"].rpartition("/")[2]],
            "org": "",
            "os_model": "",
            "os_system": "",
            "system": {"attempts": attempts},
        },
    }


def _refuse_secrets(files: Mapping[str, str]) -> None:
    for name, value in environment_secrets(os.environ):
        known = Secrets()
        known.learn([value])
        for path, text in files.items():
            if known.redact(text) is not text:
                raise UserError(f"{path} would hold the value of ${name}: nothing was written")
