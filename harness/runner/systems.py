"""The systems of a run: found, made from their options, and described by what they consist of."""

import hashlib
import importlib
import inspect
import json
import traceback
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, create_model

from harness.config import Config, validate
from harness.errors import UserError
from harness.protocols import System
from harness.runner.code_files import code_files, is_prompt
from harness.runner.fault_origin import place
from harness.runner.planning import RunSystem
from harness.system_files import SystemConfig, system_names, without_variants
from harness.system_files import system_config as read_system
from harness.text.counted import counted
from harness.text.import_string import PROGRAM

OWN = "agents"  # the package that comes with this one
DISTRIBUTION = "delm-harness"
NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def load_systems(config: Config, recorded: Mapping[str, int]) -> list[RunSystem]:
    """The systems that are asked for, imported and made, each once.

    `recorded` are the agents that a replay has, by system. Raises `UserError` for a system that
    cannot be made, for options that it does not take, and for numbers that do not fit.
    """
    systems = [read_system(name) for name in dict.fromkeys(config.systems)]
    names = [system.name for system in systems]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"two systems are called {twice}; give one of their files another name")
    made = [_load_system(system, _agents(system, config, recorded), config) for system in systems]
    if config.agents and all(run_system.agents != config.agents for run_system in made):
        known = [read_system(name) for name in system_names()]
        fit = {run_system.benchmark for run_system in made}
        scaling = [each.name for each in known if each.scales and each.benchmark in fit]
        raise UserError(
            f"-n {config.agents} is not for {' and '.join(names)}: the number of agents is fixed "
            f"(scales: true in a system's file lets it be chosen); leave it out, or take one of: "
            f"{without_variants(scaling)}, or a variant (configs/systems)"
        )
    return made


def _agents(system: SystemConfig, config: Config, recorded: Mapping[str, int]) -> int:
    there = recorded.get(system.name, 0)
    agents = (config.agents if system.scales else 0) or there or system.agents
    if there and agents != there:
        raise UserError(
            f"the recording holds {system.name} with {counted(there, 'agent')}, not "
            f"{agents}; leave -n out"
        )
    return agents


def _load_system(system: SystemConfig, agents: int, config: Config) -> RunSystem:
    made, options = make(system)
    wanted = 1 if system.submissions == "one" else agents
    trials, rest = divmod(config.submissions, wanted)
    if rest:
        raise UserError(
            f"{system.name} makes {counted(wanted, 'submission')} a trial, so "
            f"{config.submissions} cannot be made on an instance; take a multiple of {wanted}, "
            "another number of agents (-n), or give the number of trials (-k)"
        )
    return RunSystem(
        name=system.name,
        system=made,
        agents=agents,
        wanted=wanted,
        submits=system.submissions,
        benchmark=system.benchmark,
        trials=trials or config.trials,
        record=_record(system, made, options, agents),
    )


def make(system: SystemConfig) -> tuple[System, dict[str, Any]]:
    """The system, and its options with the defaults filled in.

    `UserError`: it cannot be imported, or does not take these options.
    """
    module, _, attribute = system.system.partition(":")
    if module.partition(".")[0] == OWN:
        _check_own()
    try:
        factory = getattr(importlib.import_module(module), attribute)
    except PROGRAM as error:
        raise UserError(_unmade(system, error)) from None
    _check_attributes(system, factory)
    where = f"system {system.name}: its options do not fit"
    schema = options_of(factory)
    options = validate(schema, system.options, where, strict_json=True)
    try:
        made: System
        if schema is _own_options(factory):
            made = factory(options)
        else:
            made = factory(**{name: getattr(options, name) for name in _names(options)})
    except PROGRAM as error:
        raise UserError(_unmade(system, error)) from None
    return made, json.loads(json.dumps(options.model_dump(), default=str))


def _check_own() -> None:
    """`UserError` where the package `agents` is not ours: openai-agents installs one, too."""
    try:
        found = importlib.import_module(OWN)
    except PROGRAM as error:
        raise UserError(
            f"the package {OWN!r} cannot be imported ({place(error)}: {error})"
        ) from None
    if getattr(found, "DISTRIBUTION", "") != DISTRIBUTION:
        where = found.__file__ or ", ".join(found.__path__)
        raise UserError(
            f"the package {OWN!r} is not that of {DISTRIBUTION} but {where}; another distribution "
            "(openai-agents has one of this name) or folder hides it: install delm in a virtual "
            "environment of its own"
        )


def options_of(factory: Callable[..., Any]) -> type[BaseModel]:
    """What a system's options may be: its `Options`, where it has any, else its arguments."""
    own = _own_options(factory)
    if own is not None:
        return own
    parameters = _signature(factory).parameters.values()
    fields: dict[str, Any] = {p.name: _field(p) for p in parameters if p.kind in NAMED}
    anything = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
    config = ConfigDict(
        extra="allow" if anything else "forbid",
        arbitrary_types_allowed=True,
        protected_namespaces=(),
    )
    return create_model("Options", __config__=config, **fields)


def _own_options(factory: Callable[..., Any]) -> type[BaseModel] | None:
    own = getattr(factory, "Options", None)
    return own if isinstance(own, type) and issubclass(own, BaseModel) else None


def _check_attributes(system: SystemConfig, factory: Callable[..., Any]) -> None:
    """`UserError` where the class has an `Options` of another meaning than ours."""
    if getattr(factory, "Options", None) is not None and _own_options(factory) is None:
        raise _reserved(system, "Options", "a pydantic model of its options")


def _own_files(system: SystemConfig, made: System) -> dict[str, str]:
    """The SHA-256 of the files that the system names as its own, by their names."""
    files = getattr(made, "files", ())
    what = "a list of paths of files whose hashes the run records"
    if not isinstance(files, list | tuple) or not all(isinstance(f, str | Path) for f in files):
        raise _reserved(system, "files", what)
    found = {}
    for path in map(Path, files):
        try:
            found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise _reserved(system, "files", f"{what}; {str(path)!r}: {why}") from None
    return found


def _own_package(system: SystemConfig, made: System) -> str:
    """The distribution that the system is another's work of, with its version; or empty."""
    package = getattr(made, "package", "")
    if package == "":
        return ""
    what = "the name of an installed distribution whose version the run records"
    if not isinstance(package, str):
        raise _reserved(system, "package", what)
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        raise _reserved(system, "package", f"{what}; {package!r} is not installed") from None


def _reserved(system: SystemConfig, name: str, what: str) -> UserError:
    return UserError(
        f"system {system.name}: its attribute `{name}` must be {what}; if yours means something "
        "else, rename it"
    )


def _signature(factory: Callable[..., Any]) -> inspect.Signature:
    """With the types that annotations name, also as strings, where all of them can be found."""
    try:
        return inspect.signature(factory, eval_str=True)
    except (NameError, AttributeError, SyntaxError, TypeError):
        return inspect.signature(factory)


def _field(parameter: inspect.Parameter) -> tuple[Any, Any]:
    """Type and default of an argument. A type that cannot be found is not checked."""
    untyped = parameter.annotation is parameter.empty or isinstance(parameter.annotation, str)
    required = parameter.default is parameter.empty
    return (
        Any if untyped else parameter.annotation,
        ... if required else parameter.default,
    )


def _names(options: BaseModel) -> list[str]:
    return [*type(options).model_fields, *(options.model_extra or {})]


def _record(
    system: SystemConfig, made: System, options: Mapping[str, Any], agents: int
) -> dict[str, Any]:
    """What the system is, as JSON: its file's lines as they were taken, and hashes of its code.

    `code` and `prompts` map files to their SHA-256 (see `code_files`); to the prompts belong the
    files that the system names as its own (`System`).
    """
    files = code_files(system.system.partition(":")[0]) | code_files(type(made).__module__)
    prompts = {name: digest for name, digest in files.items() if is_prompt(name)}
    return {
        "name": system.name,
        "system": system.system,
        "agents": agents,
        "submissions": system.submissions,
        "benchmark": system.benchmark,
        "options": dict(options),
        "package": _own_package(system, made),
        "code": {name: digest for name, digest in files.items() if not is_prompt(name)},
        "prompts": prompts | _own_files(system, made),
    }


def _unmade(system: SystemConfig, error: BaseException) -> str:
    """Why there is no such system, with file:line where that lies in its own code."""
    named = f"system {system.name}: {system.system!r} cannot be imported"
    if isinstance(error, ModuleNotFoundError) and error.name in _modules(system):
        return f"{named}: {error}; for a module outside this folder, set PYTHONPATH to its folder"
    frames = traceback.extract_tb(error.__traceback__)
    if len(frames) == 1 and isinstance(error, AttributeError):
        return f"{named}: {error}"
    if len(frames) == 1 and isinstance(error, TypeError):
        return f"system {system.name}: its options do not fit: {error}"
    told = error.msg if isinstance(error, SyntaxError) else error
    return f"system {system.name}: error in {place(error)}: {type(error).__name__}: {told}"


def _modules(system: SystemConfig) -> list[str]:
    """The names that must be there for the import string itself: a, a.b and a.b.c of a.b.c:D."""
    parts = system.system.partition(":")[0].split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]
