"""Export a run's answers as a recording, which `delm eval` can replay without a model."""

from pathlib import Path

from harness.model.backend import CallKey
from harness.model.replay import Header, RecordedCall, write_recording
from harness.store.ledger import usage_of
from harness.store.rows import CallRow, RunRows
from harness.text.reply_json import reply_of
from harness.text.timestamps import now


def record(run: RunRows, path: Path, *, note: str = "") -> int:
    """Write the answers of every finished trial as a recording; return the number of trials."""
    done = {trial["trial_id"] for trial in run.trials if trial["state"] == "done"}
    answered = [row for row in run.calls if row["outcome"] in {"ok", "failed"}]
    calls = [_recorded(row) for row in answered if row["trial_id"] in done]
    header = Header(
        model=run.facts["model"],
        dataset=run.facts["config"]["dataset"]["name"],
        created=now(),
        note=note,
        prices_source=run.facts.get("prices_source", ""),
        agents={trial["system"]: trial["agents"] for trial in run.trials},
    )
    write_recording(path, header, calls)
    return len(calls)


def _recorded(row: CallRow) -> RecordedCall:
    return RecordedCall(
        key=CallKey(
            system=row["system"],
            instance_id=row["instance_id"],
            trial=row["trial"],
            conversation=row["conversation"],
            position=row["position"],
        ),
        prompt_sha256=row["prompt_sha256"],
        reply=reply_of(row["reply"] or {}, usage_of(row)),
        latency_s=row["latency_s"] or 0.0,
        error=row["error"],
        began=row["began"],
        ended=row["ended"] or 0,
    )
