"""`mini-swe-agent`: the real package with our model, our sandbox and our budget, as a reference.

Its own agent runs unchanged, with its own prompts, tool, format errors and rule of submission; two
adapters stand where it would call litellm and Docker. What is submitted is the text that it hands
in (its `patch.txt`), not our diff. It differs from the package by itself in this:

* The trial's budget ends it; its own limits of steps, dollars and time are off, and a command has
  the trial's time. Calls are retried by our client.
* When something else than its submission ends it (a limit, unusable answers), the package submits
  nothing. Here what differs in the sandbox is submitted, as salvaged.
* A command that ran out of time is named to the model as the model gave it; the package's Docker
  environment names its whole `docker exec` line. Of an output over 20 MB, the middle is left out.

As in the package, an answer without a usable call leaves no message but the error it is told; that
answer stands in the ledger only.
"""

import os
import platform
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio

from agents.loop import ended_by, with_unique_ids
from agents.single import AUTHOR, hand_in
from agents.thread_portal import ThreadPortal
from harness.errors import LimitReached, ModelError, SandboxError, SandboxLost, UserError
from harness.protocols import Sandbox, Trial
from harness.text import yaml_text
from harness.types import CUT, Activity, ExecResult, Message, Reply

Output = dict[str, Any]  # of a command, as the package has it: output, returncode, exception_info
SUBMITS = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
NO_LIMITS = {"step_limit": 0, "cost_limit": 0.0, "wall_time_limit_seconds": 0, "output_path": None}
OUTPUT_BYTES = 20_000_000  # kept of a command's output: the package keeps all


class MiniSweAgent:
    """One agent of the package. `config` is one of its configuration files, for tool calls: a name
    under the package's own `config` folder, or the path of a file.

    Raises `UserError` when the package is not installed or the file is not such a configuration.
    """

    package = "mini-swe-agent"  # whose version a run records

    def __init__(self, config: str = "benchmarks/swebench.yaml") -> None:
        self._settings = read_settings(config)
        self.files = (self._settings.path,)  # which a run records, by their hash

    async def run(self, trial: Trial) -> None:
        """See `harness.protocols.System`."""
        package, settings, line = load_package(), self._settings, ThreadPortal()
        sandbox = await trial.sandbox()
        model = ModelAdapter(package, settings, trial, line)
        environment = SandboxAdapter(package, settings, trial, sandbox, line)
        agent = package.DefaultAgent(model, environment, **settings.agent | NO_LIMITS)
        reason, patch = "interrupted", None
        try:
            end = await line.carry(partial(agent.run, trial.instance.problem_statement))
            if end["exit_status"] == "Submitted":
                reason, patch = "finished", str(end["submission"])
            else:
                reason = "no_tool_calls"
        except (LimitReached, ModelError, SandboxLost) as cut:
            reason = ended_by(cut)
            raise
        finally:
            with anyio.CancelScope(shield=True):
                await model.say(agent.messages)
                if patch is None:
                    await hand_in(trial, sandbox, AUTHOR, reason)
                else:
                    patch += "" if patch.endswith("\n") or not patch else "\n"
                    await trial.submit(AUTHOR, patch, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is used of a configuration file of the package."""

    path: Path
    agent: dict[str, Any]  # arguments of its agent: templates, how many format errors in a row
    cwd: str
    env: Mapping[str, str]  # of commands; BASH_ENV is for conda images, and harmless in others
    observation: str  # template
    format_error: str  # template


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """The parts of the package that are used as they are."""

    DefaultAgent: Any
    Submitted: Any
    tool: Mapping[str, Any]
    parse: Callable[..., list[dict[str, Any]]]  # tool calls to actions; raises its FormatError
    observe: Callable[..., list[Message]]


def read_settings(config: str) -> Settings:
    """The file `config` (see `MiniSweAgent`), read without importing the package."""
    spec = find_spec("minisweagent")
    if spec is None or not spec.submodule_search_locations:
        raise UserError("mini-swe-agent is not installed: pip install 'mini-swe-agent>=2.4.6,<3'")
    own = Path(spec.submodule_search_locations[0], "config", config)
    path = own if own.is_file() else Path(config)
    try:
        content = yaml_text.read(path)
        agent, environment = content["agent"], content["environment"]
        for needed in ("system_template", "instance_template"):
            agent[needed]
        return Settings(
            path=path,
            agent=agent,
            cwd=environment["cwd"],
            env={str(name): str(value) for name, value in environment.get("env", {}).items()},
            observation=content["model"]["observation_template"],
            format_error=content["model"]["format_error_template"],
        )
    except UserError as error:
        raise UserError(f"mini-swe-agent: {error}") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"mini-swe-agent: {config} is no configuration of an agent with tool calls: {error}"
        ) from None


@cache
def load_package() -> Package:
    """Import the package, without its banner, and away from the user's own settings for it.

    At import it makes a folder for these and loads the keys in it into the environment.
    """
    with (
        tempfile.TemporaryDirectory() as nowhere,
        _environment(MSWEA_SILENT_STARTUP="1", MSWEA_GLOBAL_CONFIG_DIR=nowhere),
    ):
        from minisweagent.agents.default import DefaultAgent
        from minisweagent.exceptions import Submitted
        from minisweagent.models.utils import actions_toolcall
    return Package(
        DefaultAgent=DefaultAgent,
        Submitted=Submitted,
        tool=actions_toolcall.BASH_TOOL,
        parse=actions_toolcall.parse_toolcall_actions,
        observe=actions_toolcall.format_toolcall_observation_messages,
    )


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


class ModelAdapter:
    """A `minisweagent.Model` that is the trial's model, and keeps the trajectory."""

    def __init__(
        self, package: Package, settings: Settings, trial: Trial, line: ThreadPortal
    ) -> None:
        self._package, self._settings = package, settings
        self._trial, self._line = trial, line
        self._model = trial.model(AUTHOR, agent=AUTHOR)
        self._said = 0

    def query(self, messages: Sequence[Message], **_: Any) -> Message:
        """The answer, its calls parsed; raises the package's `FormatError`, as its models do."""
        reply = with_unique_ids(self._line.ask(partial(self._ask, messages)), messages)
        calls = [
            SimpleNamespace(
                id=call.id, function=SimpleNamespace(name=call.name, arguments=call.arguments)
            )
            for call in reply.tool_calls
        ]
        actions = self._package.parse(
            [] if reply.finish_reason == CUT else calls,  # what was cut is not done
            format_error_template=self._settings.format_error,
            template_kwargs={"finish_reason": reply.finish_reason},
        )
        answer: Message = {
            "role": "assistant",
            "content": reply.content or None,
            "tool_calls": [
                {"id": call.id, "type": "function", "function": vars(call.function)}
                for call in calls
            ],
        }
        answer |= {"opaque": dict(reply.opaque)} if reply.opaque else {}
        self._line.ask(partial(self.say, [*messages, answer]))
        return answer | {"extra": {"actions": actions}}

    async def _ask(self, messages: Sequence[Message]) -> Reply:
        await self.say(messages)
        return await self._model.complete(_plain(messages), [self._package.tool])

    async def say(self, messages: Sequence[Message]) -> None:
        """Put what is new of the agent's messages into the trajectory."""
        new = _plain(messages[self._said :])
        self._said = len(messages)
        if new:
            with anyio.CancelScope(shield=True):  # else nobody could tell whether it was said
                await self._trial.say(AUTHOR, *new)

    def format_message(self, **message: Any) -> Message:
        """A message of the agent's own."""
        return message

    def format_observation_messages(
        self, message: Message, outputs: list[Output], template_vars: dict[str, Any] | None = None
    ) -> list[Message]:
        """One answer to each call; what the package keeps beside them (all output) is dropped."""
        return _plain(
            self._package.observe(
                actions=message["extra"]["actions"],
                outputs=outputs,
                observation_template=self._settings.observation,
                template_vars=template_vars,
            )
        )

    def get_template_vars(self, **_: Any) -> dict[str, Any]:
        """What templates may name of the model."""
        return {
            "observation_template": self._settings.observation,
            "format_error_template": self._settings.format_error,
        }

    def serialize(self) -> dict[str, Any]:
        """Nothing: the run's own record has it."""
        return {}


class SandboxAdapter:
    """A `minisweagent.Environment` that is a sandbox of ours."""

    def __init__(
        self,
        package: Package,
        settings: Settings,
        trial: Trial,
        sandbox: Sandbox,
        line: ThreadPortal,
    ) -> None:
        self._package, self._settings = package, settings
        self._trial, self._sandbox, self._line = trial, sandbox, line

    def execute(self, action: Mapping[str, Any], cwd: str = "") -> Output:
        """What the command did; raises the package's `Submitted` by the package's rule."""
        output = self._line.ask(partial(self._run, action["command"], cwd or self._settings.cwd))
        submission = submitted(output)
        if submission is not None:
            extra = {"exit_status": "Submitted", "submission": submission}
            raise self._package.Submitted({"role": "exit", "content": submission, "extra": extra})
        return output

    async def _run(self, command: Any, cwd: str) -> Output:
        if not isinstance(command, str):  # the package passes on whatever JSON had there
            kind = type(command).__name__
            return _failed(f"expected str, bytes or os.PathLike object, not {kind}")
        try:
            async with self._trial.doing(AUTHOR, Activity.COMMAND):
                result = await self._sandbox.exec(
                    command,
                    timeout_s=self._trial.limits.command_s,
                    cwd=cwd,
                    env=self._settings.env,
                    max_output_chars=OUTPUT_BYTES,
                )
        except SandboxError as error:
            return _failed(str(error))
        # the package reads in text mode, so that every sort of line end becomes a newline
        text = result.output.replace("\r\n", "\n").replace("\r", "\n")
        if result.exit_status is None:
            return _failed(_killed(command, result, self._trial.limits.command_s), text)
        told = result.out_of_memory  # mini-swe-agent has a place for what is not the command's own
        return {"output": text, "returncode": result.exit_status, "exception_info": told}

    def get_template_vars(self, **_: Any) -> dict[str, Any]:
        """What templates may name of the environment: the package's Docker environment has these,
        too, of the host."""
        uname: dict[str, Any] = platform.uname()._asdict()
        cwd, env = self._settings.cwd, dict(self._settings.env)
        return {"cwd": cwd, "env": env, "timeout": self._trial.limits.command_s} | uname

    def serialize(self) -> dict[str, Any]:
        """Nothing: the run's own record has it."""
        return {}


def submitted(output: Output) -> str | None:
    """What a command's output hands in: what follows the mark in its first line that is not blank,
    of a command that ended with 0. None where it hands in nothing."""
    lines: list[str] = output["output"].lstrip().splitlines(keepends=True)
    if lines and lines[0].strip() == SUBMITS and output["returncode"] == 0:
        return "".join(lines[1:])
    return None


def _killed(command: str, result: ExecResult, seconds: float) -> str:
    if result.timed_out:
        return f"Command '{command}' timed out after {seconds:g} seconds"
    if result.flooded:
        return f"it was killed for writing too much ({result.output_bytes} bytes)"
    if result.disk_full:
        return "it was killed: the files of the sandbox take more room than they may"
    return "it was killed"


def _failed(why: str, output: str = "") -> Output:
    told = f"An error occurred while executing the command: {why}"
    return {"output": output, "returncode": -1, "exception_info": told}


def _plain(messages: Iterable[Message]) -> list[Message]:
    """Messages as a provider takes them: without the package's `extra`, and its last one, `exit`,
    which is for nobody."""
    return [
        {key: value for key, value in message.items() if key != "extra"}
        for message in messages
        if message["role"] != "exit"
    ]
