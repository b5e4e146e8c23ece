"""The inputs of the simulation, read from `costs.yaml`."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

FILE = Path(__file__).with_name("costs.yaml")
STAGES = ("localize", "patch", "test", "repair")


class Calls(NamedTuple):
    """The model calls of one kind of task."""

    turns: int
    first: int  # tokens of the first prompt
    growth: int  # by so many tokens each next prompt is longer
    output: int  # tokens of an answer


class Seconds(NamedTuple):
    """Processor seconds of a request to the board."""

    server: float
    client: float


@dataclass(frozen=True, kw_only=True)
class Costs:
    """See `costs.yaml` for units and sources."""

    base_s: float
    read_tokens_s: float
    write_tokens_s: float
    spread: float
    window_tokens: int
    most_output_tokens: int
    dollars_in: float
    dollars_cached: float
    dollars_out: float
    tasks: tuple[Calls, ...]  # by stage, in the order of `STAGES`
    repairs: float
    needed_by: int
    entry_tokens: int
    false_findings: float
    check_s: float
    gist_check: Calls
    context_tokens: int
    own_s: float
    agents_a_process: int
    step: Seconds
    read: Seconds
    row: Seconds
    publish: Seconds
    way_s: float
    cores: int
    connections: int
    note_s: float
    task_s: float
    instruction_tokens: int
    report_tokens: int
    summary_tokens: int


@cache
def measured() -> Costs:
    """What stands in the file. `KeyError`, `TypeError`: it is not whole."""
    given = yaml.safe_load(FILE.read_text())
    flat: dict[str, Any] = {}
    for name, value in given.items():
        if name == "tasks":
            flat["tasks"] = tuple(Calls(*value[stage]["is"]) for stage in STAGES)
        elif "is" in value:
            flat[name] = value["is"]
        else:
            flat |= {each: what["is"] for each, what in value.items()}
    flat["gist_check"] = Calls(*flat["gist_check"])
    for name in ("step", "read", "row", "publish"):
        flat[name] = Seconds(*flat[name])
    return Costs(**flat)
