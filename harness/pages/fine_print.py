"""The fine print of a run: what was run with what, and the command that repeats it."""

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.analysis.footnotes import budget_lines, worth
from harness.model.replay import PREFIX as REPLAY
from harness.pages.run_data import RunData
from harness.store.rows import TrialRow
from harness.text.counted import counted
from harness.text.digest import digest

LIMITS = (("cpus", "CPUs"), ("memory_mb", "MB of memory"), ("disk_mb", "MB of disk"),
          ("processes", "processes"))  # fmt: skip
DELM = ".venv/bin/delm"
MILLION = 1_000_000
HASHED = {"code": "all files of the code", "prompts": "all prompt files of the package"}
"""What the hashes of a system are of."""
RATES = (("input", "input"), ("cached_input", "cached input"), ("cache_write", "cache write"),
         ("output", "output"))  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A name and its values, a line each. `word`: the glossary explains the name."""

    name: str
    values: Sequence[str]
    word: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinePrint:
    """What `fine_print.html.j2` shows."""

    facts: Sequence[Fact]
    command: str  # empty: the run never started
    again: str  # the same with the run's folder at hand, and every setting; empty as `command`


def fine_print(run: RunData) -> FinePrint:
    """The facts that the run recorded, without those that are unknown."""
    facts, command = run.facts, repeat_command(run.facts)
    words = ["eval", "-c", f"results/{run.run_id}/run.yaml"]
    found = [
        Fact(name="run", values=[run.run_id, *_once(facts.get("id"), run.run_id)]),
        Fact(name="dates", values=_dates(run)),
        Fact(name="dataset", values=_dataset(run)),
        Fact(name="model", values=_model(facts)),
        Fact(name="prices", values=_prices(facts)),
        Fact(name="budget", values=_budget(run), word="budget"),
        Fact(name="systems", values=_systems(facts)),
        Fact(name="sandbox", values=_sandbox(run.rows.trials, facts), word="sandbox"),
        Fact(name="machine", values=_machine(facts)),
        Fact(name="versions", values=_versions(facts)),
        Fact(name="hashes (SHA-256)", values=_hashes(run)),
    ]
    return FinePrint(
        facts=[fact for fact in found if fact.values],
        command=command,
        again=f"{DELM} {shlex.join(words)}" if command else "",
    )


def repeat_command(facts: Mapping[str, Any]) -> str:
    """The command that runs the same again, as a new run; empty for a run that never started."""
    config = facts.get("config")
    if not config:
        return ""
    dataset, model, budget = config["dataset"], config["model"], config["budget"]
    words = ["eval", "-m", _shortened(model["name"]), "-d", dataset["name"]]
    words += _each("-s", config["systems"]) + _each("-i", config.get("instances") or ())
    words += _flag("--filter", config.get("filter")) + _flag("--slice", config.get("slice"))
    if config.get("shuffle"):
        words += ["--shuffle", "--seed", str(config["seed"])]
    words += _flag("-n", config.get("agents"))
    if config.get("submissions"):
        words += ["-c", f"submissions={config['submissions']}"]
    else:
        words += _flag("-k", config.get("trials"))
    words += _flag("-w", config.get("workers")) + _flag("--cost-limit", budget["cost_usd"])
    words += _flag("--max-cost", budget["run_cost_usd"])
    return f"{DELM} {shlex.join(words)}"


def _shortened(model: str) -> str:
    """The name; of a recording below the current folder, its path from here."""
    kind, _, path = model.partition(REPLAY)
    here = Path.cwd()
    if kind or not Path(path).is_relative_to(here):
        return model
    return f"{REPLAY}{Path(path).relative_to(here)}"


def _each(flag: str, values: Iterable[str]) -> list[str]:
    return [word for value in values for word in (flag, value)]


def _flag(flag: str, value: Any) -> list[str]:
    if not value:
        return []
    return [flag, f"{value:g}" if isinstance(value, float) else str(value)]


def _once(value: Any, shown: str) -> list[str]:
    return [f"begun as {value}"] if value and value != shown else []


def _dates(run: RunData) -> list[str]:
    started = [trial["started_at"] for trial in run.rows.trials if trial["started_at"]]
    finished = [trial["finished_at"] for trial in run.rows.trials if trial["finished_at"]]
    lines = [f"created {run.facts['created_at']}"] if run.facts.get("created_at") else []
    if started:
        lines.append(f"first trial started {min(started)}")
    return [*lines, f"last trial ended {max(finished)}"] if finished else lines


def _dataset(run: RunData) -> list[str]:
    config = run.facts.get("config")
    if not config:
        return []
    dataset = config["dataset"]
    label = run.facts.get("dataset") or dataset["name"]
    name = f"{label} ({dataset['name']}, split {dataset['split']})"
    parts = [part for part in ("filter", "slice") if config.get(part)]
    chosen = "".join(f", {part} {config[part]}" for part in parts)
    return [f"{name}, benchmark {run.facts.get('benchmark') or 'unknown'}",
            f"{counted(len(run.instances), 'instance')}{chosen}"]  # fmt: skip


def _model(facts: Mapping[str, Any]) -> list[str]:
    if not facts.get("model"):
        return []
    model = facts["config"]["model"] if facts.get("config") else {}
    lines = [str(facts["model"])]
    if facts.get("replay"):
        lines.append(f"replayed, not called: {_shortened(model.get('name', ''))}")
    if model.get("verifier"):
        lines.append(f"verifier: {model['verifier']}")
    settings = [
        f"{name.replace('_', ' ')} {model[name]}"
        for name in ("temperature", "max_output_tokens")
        if model.get(name) is not None
    ]
    return [*lines, ", ".join(settings)] if settings else lines


def _prices(facts: Mapping[str, Any]) -> list[str]:
    """Rates of each model, their source and the day on which the run recorded them."""
    lines = []
    for name, price in (facts.get("prices") or {}).items():
        if not price:
            lines.append(f"{name}: no price, so costs are unknown")
            continue
        rates = [f"{words} ${MILLION * price[rate]:.4g}" for rate, words in RATES if rate in price]
        tiers = "; dearer for long prompts or by the hour" if price.get("tiers") else ""
        lines.append(f"{name}, per million tokens: {', '.join(rates)}{tiers}")
        if price.get("source"):
            lines.append(f"source: {price['source']}")
    if lines and facts.get("created_at"):
        lines.append(f"recorded {str(facts['created_at'])[:10]}")
    return lines


def _systems(facts: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, records in (facts.get("systems") or {}).items():
        last = records[-1]
        more = "" if len(records) == 1 else f", changed {counted(len(records) - 1, 'time')}"
        parts = [str(last[what]) for what in ("system", "package") if last.get(what)]
        if "agents" in last:
            parts.append(counted(last["agents"], "agent"))
        if "submissions" in last:
            parts.append(f"submissions {last['submissions']}")
        lines.append(f"{name}: {', '.join(parts)}{more}")
    return lines


def _budget(run: RunData) -> list[str]:
    """The budget of a submission, and what that makes for an instance."""
    told = worth(run.facts)[:1]
    lines = [*told, *budget_lines(run.scored.table)] if told else []
    return [line.removeprefix("budget ") for line in lines if line.startswith("budget ")]


def _sandbox(trials: Sequence[TrialRow], facts: Mapping[str, Any]) -> list[str]:
    kinds = Counter(trial["sandbox"] for trial in trials if trial["sandbox"])
    audits = Counter(trial["audit"] for trial in trials if trial["audit"])
    lines = [", ".join(f"{kind} ({counted(n, 'trial')})" for kind, n in kinds.items())]
    if audits:
        bad = sum(count for audit, count in audits.items() if audit != "ok")
        told = f"; {counted(bad, 'audit')} found a hint at the fix" if bad else ""
        lines.append(f"audits: {audits['ok']} without a finding{told}")
    limits = ((facts.get("config") or {}).get("sandbox") or {}).get("limits") or {}
    bounds = [f"{limits[name]:g} {words}" for name, words in LIMITS if limits.get(name)]
    if bounds and kinds:
        lines.append(f"limits of each: {', '.join(bounds)}")
    return [line for line in lines if line]


def _machine(facts: Mapping[str, Any]) -> list[str]:
    known = facts.get("machine")
    if not known:
        return []
    return [f"{known['system']}, {counted(known['cpus'], 'CPU')}, Python {known['python']}"]


def _versions(facts: Mapping[str, Any]) -> list[str]:
    lines = []
    for each in facts.get("harness") or ():
        commit = f", commit {each['commit'][:12]}" if each.get("commit") else ""
        changed = " with changes" if each.get("modified") else ""
        lines.append(f"delm {each['version']}{commit}{changed}, from {each['since']}")
    return [*lines, *(f"{name} {version}" for name, version in
                      (facts.get("packages") or {}).items())]  # fmt: skip


def _hashes(run: RunData) -> list[str]:
    facts = run.facts
    lines = [f"configuration and systems: {facts['identity']}"] if facts.get("identity") else []
    if facts.get("prices_sha256"):
        lines.append(f"price list: {facts['prices_sha256']}")
    if run.instances:
        lines.append(f"all instance ids: {digest(run.instances)}")
    of: dict[tuple[str, str], list[str]] = {}
    for what, words in HASHED.items():
        for name, records in (facts.get("systems") or {}).items():
            if what in records[-1]:
                of.setdefault((words, digest(records[-1][what])), []).append(name)
    return lines + [f"{words} of {', '.join(names)}: {it}" for (words, it), names in of.items()]
