"""The configuration of a run: layered YAML and `key.sub=value`, every key checked.

Layers, later over earlier: the defaults in this file, `configs/base.yaml` (what has none here), the
dataset's file, `-c` in the order given, the flags of the command line. Mappings merge, everything
else replaces.
"""

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from harness.errors import UserError
from harness.model_entries import check_layer, one_address
from harness.secrets.variables import is_secret, names_a_secret, passwords
from harness.shipped import CONFIGS, config_file
from harness.text import yaml_text
from harness.text.faults import in_words
from harness.types import WORKSPACE_TOOLS, Limits

T = TypeVar("T", bound=BaseModel)

YAML = {".yaml", ".yml"}
MODELS = "models"
RECORD = "record"  # in run.yaml, beside the configuration: what ran by it
# may differ when a run is taken up again
NOT_IDENTITY = (
    "workers", "plots", "report", "budget.run_cost_usd", "sandbox.disk_gb", "model.callbacks",
    "otel",
)  # fmt: skip
# nor where a model is found, and which key it wants there: of an entry under models
ENDPOINT = ("api_base", "api_base_env", "api_key_env")


class Section(BaseModel):
    """A part of the configuration. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DatasetConfig(Section):
    """Where the instances come from."""

    name: str  # Hugging Face name, file, or `verified-offline`
    split: str = "test"
    label: str = ""  # what results call it; empty: its name
    benchmark: str = ""  # whose instances they are, swe-bench, longbench-v2 or the import string of
    # one of your own, "katas:Katas"; empty: its rows say it


class ModelConfig(Section):
    """How the model is called."""

    name: str = ""  # litellm's name, or replay:FILE
    verifier: str = ""  # of the model that compares findings with their evidence; empty: the same.
    # It is asked without `temperature` and `extra`; a replay answers for it from the recording
    temperature: float | None = None
    max_output_tokens: int = Field(16_384, ge=1)
    timeout_s: float = Field(600, gt=0)  # one attempt
    attempts: int = Field(8, ge=1)  # the first one included
    backoff_s: float = Field(1, ge=0)  # before the second attempt; doubles
    backoff_cap_s: float = Field(60, ge=0)
    concurrency: int = Field(64, ge=1)  # calls under way, over all processes of the run, at most:
    # it begins with 16 and goes by what the provider answers
    tools: Literal["auto", "native", "text"] = "auto"
    allow_unknown_price: bool = False
    extra: dict[str, Any] = {}  # further arguments of the provider, passed as they are
    callbacks: tuple[str, ...] = ()  # of litellm, which see every call with its content: its names
    # (langfuse), or the import string of one of your own, "my_module:handler"


class BudgetConfig(Section):
    """The budget of one submission, and of the run; 0 means no limit.

    The dollars are mini-swe-agent's, so that the others can be compared with it, and they are what
    binds. The steps are so many that they cut no limit of a system's own: AOrchestra's ten
    subagents of 50 turns, and as many turns of its main agent. A trial that makes
    N submissions has N times the steps, dollars and tokens: systems that make equally many
    submissions on an instance have the same budget there. Its agents work side by side, so the
    wall clock is the trial's.
    """

    steps: int = Field(550, ge=0)
    cost_usd: float = Field(3.0, ge=0)
    tokens: int = Field(0, ge=0)
    wall_clock_s: float = Field(3600, ge=0)
    command_s: float = Field(60, gt=0)  # one command; never unlimited
    run_cost_usd: float = Field(0, ge=0)  # of the whole run, first calls included

    def limits(self) -> Limits:
        """Those of one submission."""
        return Limits(**self.model_dump(exclude={"run_cost_usd"}))


class SandboxLimits(Section):
    """The resource limits of one sandbox."""

    memory_mb: int = Field(4096, ge=64)
    cpus: float = Field(2, gt=0)
    processes: int = Field(512, ge=16)
    file_mb: int = Field(4096, ge=1)  # one file
    disk_mb: int = Field(4096, ge=16)  # all files that it writes; bubblewrap keeps them in memory
    # where it can, and there they take half of memory_mb at most
    inodes: int = Field(200_000, ge=1000)  # files, folders and links that it makes
    open_files: int = Field(4096, ge=64)  # of one process


class SandboxConfig(Section):
    """How commands are run."""

    # auto: bubblewrap where it is installed and every instance can be rebuilt, else docker
    kind: Literal["auto", "docker", "bubblewrap"] = "auto"
    network: bool = False
    remember_checks: bool = True  # what a check of a finding saw, for later trials on this machine
    on_leak: Literal["refuse", "record"] = "refuse"  # when the audit at the start finds one
    min_free_gb: float = Field(2, ge=0)
    disk_gb: float = Field(0, ge=0)  # that pulled images may take together, which then come when
    # they are needed; 0: no ceiling, all are pulled first
    limits: SandboxLimits = SandboxLimits()  # type: ignore[call-arg]  # pydantic fills them in


class GradingConfig(Section):
    """How submissions are graded."""

    timeout_s: float = Field(1800, gt=0)
    network: bool = False
    cache: bool = True
    guard: bool = True  # whether what the official grader resolves is looked at again


class OtelConfig(Section):
    """The traces that are sent to an OpenTelemetry endpoint while a run works."""

    endpoint: str = ""  # "http://localhost:4318"; empty: OTEL_EXPORTER_OTLP_ENDPOINT says it, and
    # without that nothing is sent
    content: bool = False  # what models, commands and people wrote, too


class Config(Section):
    """The configuration of a run."""

    dataset: DatasetConfig
    instances: list[str] = []
    filter: str = ""
    slice: str = ""
    shuffle: bool = False
    seed: int = 0
    # a model's without -s: those of table.yaml; a replay's: those that were recorded
    systems: list[str] = ["single"]
    agents: int = Field(0, ge=0)  # 0: what each system's file says
    # with which every agent of any system works in a repository; `view` is the third
    agent_tools: tuple[str, ...] = ("bash", "edit")
    trials: int = Field(1, ge=1)  # of each system on each instance
    submissions: int = Field(0, ge=0)  # of each system on each instance; 0: what its trials give
    workers: int = Field(4, ge=1)  # trials at a time
    plots: bool = True  # drawn at the end of a run; `delm score` always draws them
    report: bool = True  # report.html, written at the end of a run; `delm report` always writes it
    model: ModelConfig = ModelConfig()  # type: ignore[call-arg]
    models: dict[str, dict[str, Any]] = {}  # price and endpoint overrides, as in models.yaml
    budget: BudgetConfig = BudgetConfig()  # type: ignore[call-arg]
    sandbox: SandboxConfig = SandboxConfig()  # type: ignore[call-arg]
    grading: GradingConfig = GradingConfig()  # type: ignore[call-arg]
    otel: OtelConfig = OtelConfig()

    @field_validator("agent_tools")
    @classmethod
    def _known_tools(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        """Each once, in one order, so that equal tools make equal prompts."""
        for name in names:
            if name not in set(WORKSPACE_TOOLS):
                raise ValueError(
                    f"there is no tool {name!r}{nearest(name, WORKSPACE_TOOLS)}; tools: "
                    f"{', '.join(WORKSPACE_TOOLS)}"
                )
        if "bash" not in names:
            raise ValueError("bash has to be among the tools: every agent runs commands")
        return tuple(name for name in WORKSPACE_TOOLS if name in names)

    def identity(self) -> str:
        """A hash of everything that may change a result."""
        kept = self.model_dump(mode="json")
        for path in NOT_IDENTITY:
            *folders, name = path.split(".")
            section = kept
            for folder in folders:
                section = section[folder]
            del section[name]
        places = {name: _without_endpoint(entry) for name, entry in kept["models"].items()}
        kept["models"] = {name: entry for name, entry in places.items() if entry}
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def is_identity(path: Sequence[str]) -> bool:
    """Whether changing this key makes it another run."""
    if any(".".join(path[:depth]) in NOT_IDENTITY for depth in range(1, len(path) + 1)):
        return False
    return not (path[0] == "models" and len(path) > 1 and path[-1] in ENDPOINT)


def _without_endpoint(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in ENDPOINT}


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file. `UserError`: missing, malformed, a key twice, no mapping."""
    content = yaml_text.read(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected a mapping of keys to values at the top")
    return content


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Later layers over earlier ones; mappings merge, everything else replaces."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            old = merged.get(key)
            both = isinstance(old, Mapping) and isinstance(value, Mapping)
            merged[key] = merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


def assignment(text: str) -> dict[str, Any]:
    """`key.sub=value` as a layer; the value is read as YAML.

    `models.NAME.key=value` and `models.NAME={…}` take a NAME with dots in it.
    """
    key, _, value = text.partition("=")
    parsed = yaml_text.parse(value, where=f"-c {text}") if value else ""
    parts = key.strip().split(".")
    if parts[0] == MODELS and len(parts) > 2:
        last = [] if isinstance(parsed, Mapping) else [parts.pop()]
        parts = [MODELS, ".".join(parts[1:]), *last]
    layer: Any = parsed
    for part in reversed(parts):
        layer = {part: layer}
    return dict(layer)


def layer(spec: str) -> dict[str, Any]:
    """One `-c`: a YAML file, a name in `configs/`, or `key.sub=value`."""
    if "=" in spec and not Path(spec).exists():
        content = assignment(spec)
        check_layer(content, f"-c {spec}")
        return content
    path = Path(spec)
    if not path.exists() and config_file(f"{spec}.yaml").exists():
        path = config_file(f"{spec}.yaml")
    if not path.exists() and not path.suffix.startswith(".y"):
        keys = difflib.get_close_matches(spec, _keys(Config), n=1, cutoff=0.7)
        if keys:
            raise UserError(f"-c {spec}: no such file; to set a key, write -c {keys[0]}=VALUE")
    content = read_yaml(path)
    content.pop(RECORD, None)  # of a run's run.yaml
    check_layer(content, str(path))
    return content


def resolve(layers: Iterable[Mapping[str, Any]]) -> Config:
    """The configuration that `base.yaml` and `layers` make. `UserError` names the first mistake.

    A key in it is one: it would be written into the run.
    """
    merged = merge(read_yaml(CONFIGS / "base.yaml"), *models_files(), *map(one_address, layers))
    config = validate(Config, merged, "configuration")
    otel = {"endpoint": config.otel.endpoint}
    _refuse_secrets({"model": {"extra": config.model.extra}, "models": config.models, "otel": otel})
    return config


def models_files() -> list[dict[str, Any]]:
    """The shipped models.yaml and that of `configs/` in the working directory, checked."""
    contents = []
    for path in (CONFIGS / "models.yaml", config_file("models.yaml")):
        content = read_yaml(path)
        check_layer(content, str(path))
        contents.append(one_address(content))
    return contents


def _refuse_secrets(content: Mapping[str, Any], path: str = "") -> None:
    for name, value in content.items():
        key = f"{path}.{name}" if path else str(name)
        if isinstance(value, Mapping):
            _refuse_secrets(value, key)
        elif isinstance(value, str) and (
            (names_a_secret(str(name)) and is_secret(value)) or passwords(value)
        ):
            raise UserError(
                f"{key} would be written into the run's files; set the variable of the provider "
                "instead (.venv/bin/delm doctor -m MODEL names it), or name one as "
                "models.MODEL.api_key_env"
            )


def validate(
    schema: type[T], content: Mapping[str, Any], where: str, *, strict_json: bool = False
) -> T:
    """`content` as a `schema`. `UserError` names the first wrong key and the nearest right one.

    `strict_json`: by pydantic's strict rules for JSON: "5" is no number, and a list may be a tuple.
    """
    try:
        if strict_json:
            return schema.model_validate_json(json.dumps(content, default=str), strict=True)
        return schema.model_validate(content)
    except ValidationError as failed:
        error = failed.errors()[0]
        path = [str(part) for part in error["loc"]]
        key = ".".join(path)
        if error["type"] == "extra_forbidden":
            names = _fields(schema, path[:-1])
            near = difflib.get_close_matches(path[-1], names, n=1, cutoff=0.5)
            whole = ".".join([*path[:-1], *near])
            there = f"; valid here: {', '.join(names)}" if names else "; there are none here"
            hint = f"; did you mean {whole!r}?" if near else there
            raise UserError(f"{where}: unknown key {key!r}{hint}") from None
        said = in_words(error)
        raise UserError(f"{where}: {key}: {said}" if key else f"{where}: {said}") from None


def nearest(name: str, names: Iterable[str]) -> str:
    """ "; did you mean 'x'?" where something in `names` is close to `name`, else nothing."""
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def _keys(schema: type[BaseModel], prefix: str = "") -> list[str]:
    """Every key of the configuration, dotted."""
    found = []
    for name, field in schema.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found += _keys(inner, f"{prefix}{name}.")
        else:
            found.append(prefix + name)
    return found


def _fields(schema: type[BaseModel], path: Iterable[str]) -> list[str]:
    for part in path:
        annotation = schema.model_fields[part].annotation if part in schema.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        schema = annotation
    return list(schema.model_fields)
