"""Write `results/reference/measured.csv`: what each system needed in the bundled recording.

    python scripts/measure_expected.py [--check]

`delm eval --dry-run` assumes it for systems that have not run yet. Run this when the recording was
made again. `--check` writes nothing; exit code 1: the file is not what the recording says.
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean

from harness.model.replay import RecordedCall, Recording, load_recording
from harness.score.measured import Measured, as_csv
from harness.system_files import system_config

ROOT = Path(__file__).parents[1]
RECORDING = ROOT / "configs/recordings/bundled-offline.jsonl"
FILE = ROOT / "results/reference/measured.csv"


def measure(recording: Recording, name: str) -> list[Measured]:
    """One row for each system that it holds."""
    trials: dict[str, dict[tuple[str, int], list[RecordedCall]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for key, call in recording.calls.items():
        trials[key.system][key.instance_id, key.trial].append(call)
    return [_row(recording, name, system, trials[system]) for system in sorted(trials)]


def _row(
    recording: Recording,
    name: str,
    system: str,
    trials: dict[tuple[str, int], list[RecordedCall]],
) -> Measured:
    agents = recording.header.agents.get(system, 1)
    submissions = 1 if system_config(system).submissions == "one" else agents
    usages = [[call.reply.usage for call in calls] for calls in trials.values()]
    prompts = [sum(usage.prompt_tokens for usage in each) / submissions for each in usages]
    return Measured(
        system=system,
        agents=agents,
        date=recording.header.created[:10],
        recording=name,
        instances=len({instance for instance, _ in trials}),
        trials=len(trials),
        prompt_tokens=round(mean(prompts), 1),
        cached_tokens=_mean([sum(u.cached_tokens for u in each) for each in usages], submissions),
        completion_tokens=_mean(
            [sum(u.completion_tokens for u in each) for each in usages], submissions
        ),
        low_prompt_tokens=round(min(prompts), 1),
        turns=round(mean(len(calls) for calls in trials.values()) / agents, 1),
    )


def _mean(totals: list[int], submissions: int) -> float:
    return round(mean(totals) / submissions, 1)


def main() -> int:
    """Write or check the file; the exit code."""
    parser = argparse.ArgumentParser(description="What systems needed in the bundled recording.")
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    options = parser.parse_args()
    text = as_csv(measure(load_recording(RECORDING), RECORDING.name))
    if options.check:
        same = FILE.is_file() and FILE.read_text(encoding="utf-8") == text
        print(f"{FILE.name}: {'as the recording' if same else 'NOT as the recording'}")
        return int(not same)
    FILE.write_text(text, encoding="utf-8")
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
