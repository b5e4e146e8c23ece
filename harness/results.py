"""The run folder: everything in it but `run.db` and the logs is derived and can be made again."""

import fcntl
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from harness import coordination, findings, score
from harness.benchmarks.grading import patch_facts
from harness.cache import write_beside
from harness.errors import UserError
from harness.model.backend import CallKey
from harness.model.replay import Header, RecordedCall, write_recording
from harness.run import model_name
from harness.score import repeated_tokens
from harness.scored import scored
from harness.store import Row, Store, now
from harness.teams import teams
from harness.types import Reply, ToolCall, Usage

SUBMISSION_COLUMNS = (
    "system", "instance_id", "trial", "attempt", "author", "agent", "submission", "outcome",
    "reason", "ended", "salvaged", "selected", "selection_reasons", "patch_sha256", "patch_files",
    "lines_added", "lines_removed", "grade_seconds", "grade_cached", "created_at",
)  # fmt: skip
INSTANCE_COLUMNS = (
    "system", "instance_id", "repo", "difficulty", "trial", "attempt", "state", "reason", "agents",
    "submissions", "resolved", "steps", "cost_usd", "seconds", "sandbox", "image", "audit",
    "started_at", "finished_at",
)  # fmt: skip
LEDGER_COLUMNS = (
    "call_id", "system", "instance_id", "trial", "attempt", "conversation", "position", "model",
    "outcome", "prompt_tokens", "repeated_tokens", "cached_tokens", "cache_write_tokens",
    "completion_tokens", "reasoning_tokens", "cost_usd", "reserved_usd", "latency_s", "attempts",
    "error", "prompt_sha256", "started_at",
)  # fmt: skip
RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class RunFolder:
    """`results/<run_id>/`."""

    def __init__(self, output: Path, run_id: str) -> None:
        """`UserError` for a run id that is no plain file name."""
        if not RUN_ID.fullmatch(run_id):
            raise UserError(
                f"{run_id!r} cannot be a run id; use letters, digits, dot, dash and underscore"
            )
        if (output / run_id).is_file():
            raise UserError(f"{output / run_id} is a file, and a run is a folder; name another run")
        self.run_id = run_id
        self.path = output / run_id
        self.database = self.path / "run.db"
        self.logs = self.path / "logs" / "run_evaluation" / run_id

    def create(self) -> None:
        """Make the folder. `UserError` where that is not allowed."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            raise UserError(
                f"{self.path} cannot be written ({error.strerror}); choose another folder with "
                "--output"
            ) from None

    def open(self) -> Store:
        """The store of a run that exists. `UserError` where there is none, with the nearest."""
        self.refuse_grading()
        if not self.database.exists():
            from harness.config import nearest

            there = [path.parent.name for path in self.path.parent.glob("*/run.db")]
            raise UserError(f"there is no run {self.path}{nearest(self.run_id, there)}")
        return Store(self.database)

    def refuse_grading(self) -> None:
        """`UserError` where the folder was made by `delm grade`: that is no run."""
        if (self.path / "grades.json").exists() and not self.database.exists():
            raise UserError(
                f"{self.path} was made by delm grade and is no run: its verdicts are in grades.json"
            )

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run alone. `UserError` while another process does."""
        handle = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise UserError(
                f"another process is working on the run {self.run_id}; wait for it, or choose "
                "another --run-id"
            ) from None
        try:
            yield
        finally:
            os.close(handle)


def fresh_run_id(words: str) -> str:
    """`words` as a run id: what cannot stand in one becomes a dash."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", words)[:100]


def check_target(path: Path) -> None:
    """`UserError` where a file that is written only at the end could not be."""
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file in it")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); choose another") from None


def write(path: Path, text: str) -> None:
    """Write a derived file: beside, then renamed."""
    write_beside(path, text.encode("utf-8"))


def derive(folder: RunFolder, store: Store) -> list[Row]:
    """Write every derived file anew; return the rows of `table.csv`."""
    trials, calls, submissions = store.trials(), store.calls(), store.submissions()
    description = store.description()
    scores = scored(store, trials, calls, submissions)
    write(folder.path / "table.csv", _csv(scores.table, score.COLUMNS))
    write(folder.path / "breakdown.csv", _csv(scores.breakdowns, score.BREAKDOWN_COLUMNS))
    write(folder.path / "comparisons.csv", _csv(scores.comparisons, score.COMPARISON_COLUMNS))
    write(folder.path / "instances.csv", _csv(_instances(trials, calls, submissions),
                                              INSTANCE_COLUMNS))  # fmt: skip
    write(folder.path / "submissions.csv", _csv(_submissions(submissions), SUBMISSION_COLUMNS))
    ledger = [row | {"repeated_tokens": repeated_tokens(row)} for row in calls]
    write(folder.path / "ledger.csv", _csv(ledger, LEDGER_COLUMNS))
    found = teams(store, trials, calls, submissions)
    write(folder.path / "coordination.csv", _csv(found.trials, coordination.COLUMNS))
    write(folder.path / "coordination_systems.csv",
          _csv(found.systems, coordination.SYSTEM_COLUMNS))  # fmt: skip
    write(folder.path / "findings.csv", _csv(found.findings, findings.COLUMNS))
    for system, files in _predictions(submissions, trials, description).items():
        for suffix, predictions in files.items():
            lines = "".join(json.dumps(p) + "\n" for p in predictions)
            write(folder.path / "preds" / f"{system}{suffix}.jsonl", lines)
    mine, made = _by_trial(calls), _by_trial(submissions)
    for trial in trials:
        key = trial["trial_id"]
        _trajectories(folder, store, trial, mine.get(key, []), made.get(key, []), description)
    return scores.table


def _by_trial(rows: Sequence[Row]) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = {}
    for row in rows:
        found.setdefault(row["trial_id"], []).append(row)
    return found


def write_config(folder: RunFolder, config: Mapping[str, Any]) -> None:
    """`run.yaml`: the resolved configuration."""
    write(folder.path / "run.yaml", yaml.safe_dump(dict(config), sort_keys=False))


def _csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    import pandas as pd

    frame = pd.DataFrame(
        [[row[column] for column in columns] for row in rows], columns=list(columns), dtype=object
    )
    return str(frame.to_csv(index=False))


def _instances(
    trials: Sequence[Row], calls: Sequence[Row], submissions: Sequence[Row]
) -> list[Row]:
    rows = []
    calls_of, submissions_of = _by_trial(calls), _by_trial(submissions)
    for trial in trials:
        mine = calls_of.get(trial["trial_id"], [])
        made = submissions_of.get(trial["trial_id"], [])
        costs = [row["cost_usd"] for row in mine if row["outcome"] != "started"]
        rows.append(
            trial
            | {
                "trial": trial["number"],
                "submissions": len(made),
                "resolved": sum(row["outcome"] == "resolved" for row in made),
                "steps": len(mine),
                "cost_usd": None if None in costs else sum(costs),
            }
        )
    return rows


def _submissions(submissions: Sequence[Row]) -> list[Row]:
    rows = []
    for row in submissions:
        facts = patch_facts(row["patch"])
        rows.append(
            row
            | {
                "submission": row["submission_id"],
                "reason": row["grade_reason"],
                "ended": row["reason"],
                "patch_files": " ".join(facts.files),
                "lines_added": facts.added,
                "lines_removed": facts.removed,
            }
        )
    return rows


def _predictions(
    submissions: Sequence[Row], trials: Sequence[Row], description: Mapping[str, Any]
) -> dict[str, dict[str, list[Row]]]:
    """By system and file suffix; each file has one row an instance and one model name."""
    done = {trial["trial_id"]: trial for trial in trials if trial["state"] == "done"}
    files: dict[str, dict[str, list[Row]]] = {}
    seen: dict[int, int] = {}
    for row in submissions:
        trial = done.get(row["trial_id"])
        if trial is None:
            continue
        within = seen[row["trial_id"]] = seen.get(row["trial_id"], -1) + 1
        index = trial["number"] * trial["wanted"] + within
        suffix = f".{index + 1}" if index else ""
        files.setdefault(row["system"], {}).setdefault(suffix, []).append(
            {
                "instance_id": row["instance_id"],
                "model_name_or_path": model_name(row["system"], description["model"], index),
                "model_patch": row["patch"],
            }
        )
    return files


def _trajectories(
    folder: RunFolder,
    store: Store,
    trial: Row,
    calls: Sequence[Row],
    submissions: Sequence[Row],
    description: Mapping[str, Any],
) -> None:
    """One file a conversation of `trial`, in mini-swe-agent's form (`mini-swe-agent-1.1`)."""
    made = {row["author"]: row for row in submissions}
    for conversation, messages in store.messages(trial["trial_id"]).items():
        mine = [row for row in calls if row["conversation"] == conversation]
        costs = [row["cost_usd"] for row in mine]
        submission = made.get(conversation)
        content = {
            "info": {
                "exit_status": trial["reason"],
                "submission": submission["patch"] if submission else "",
                "model_stats": {
                    "instance_cost": None if None in costs else sum(costs),
                    "api_calls": len(mine),
                },
                "config": {"model": {"model_name": description["model"]}},
            },
            "instance_id": trial["instance_id"],
            "messages": messages,
            "trajectory_format": "mini-swe-agent-1.1",
        }
        name = f"{trial['number']}.{trial['attempt']}.{conversation}.traj.json"
        path = folder.path / "trajectories" / trial["system"] / trial["instance_id"] / name
        write(path, json.dumps(content, indent=1))


def record(store: Store, path: Path, *, note: str = "") -> int:
    """Write the answers of every trial that is done as a recording; return how many there are."""
    description = store.description()
    done = {trial["trial_id"] for trial in store.trials() if trial["state"] == "done"}
    answered = [row for row in store.calls() if row["outcome"] in {"ok", "failed"}]
    calls = [_recorded(row) for row in answered if row["trial_id"] in done]
    header = Header(
        model=description["model"],
        dataset=description["config"]["dataset"]["name"],
        created=now(),
        note=note,
        prices_source=description.get("prices_source", ""),
        agents={trial["system"]: trial["agents"] for trial in store.trials()},
    )
    write_recording(path, header, calls)
    return len(calls)


def _recorded(row: Row) -> RecordedCall:
    reply = json.loads(row["reply"]) if row["reply"] else {}
    return RecordedCall(
        key=CallKey(
            system=row["system"],
            instance_id=row["instance_id"],
            trial=row["trial"],
            conversation=row["conversation"],
            position=row["position"],
        ),
        prompt_sha256=row["prompt_sha256"],
        reply=Reply(
            content=reply.get("content", ""),
            tool_calls=tuple(ToolCall(**call) for call in reply.get("tool_calls", ())),
            usage=Usage(
                prompt_tokens=row["prompt_tokens"],
                cached_tokens=row["cached_tokens"],
                cache_write_tokens=row["cache_write_tokens"],
                completion_tokens=row["completion_tokens"],
                reasoning_tokens=row["reasoning_tokens"],
            ),
            finish_reason=reply.get("finish_reason", ""),
        ),
        latency_s=row["latency_s"] or 0.0,
        error=row["error"],
        began=row["began"],
        ended=row["ended"] or 0,
    )
