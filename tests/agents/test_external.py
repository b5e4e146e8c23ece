"""`mini-swe-agent`: the real package's agent, on protocols that are played and on a real issue."""

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError
from dataclasses import replace
from importlib.metadata import version

import anyio
import pytest
from console import DATASET, FLASK, SOLVE, bash, bundled, delm_here, own_cache, query, turns
from hypothesis import given, settings
from hypothesis import strategies as st
from midway import cancelled_when
from played_alone import PATCH, TASK, PlayedSandbox, PlayedTrial, ran, said
from played_alone import bash as call
from scripted_model import ScriptedModel

from agents.mini_swe_agent import SUBMITS, MiniSweAgent, load_package, submitted
from agents.thread_portal import ThreadPortal
from harness.errors import (
    ContextOverflow,
    LimitReached,
    ModelUnavailable,
    SandboxError,
    SandboxLost,
    SandboxUnavailable,
    UserError,
)
from harness.types import ExecResult, Reply, ToolCall

pytestmark = pytest.mark.slow(seconds=12)

OVER = LimitReached("steps", "steps: used up")
SUBMIT = call(f"echo {SUBMITS} && cat patch.txt")
BY = "agent-1"


def local(folder):
    """A sandbox without walls: commands of this file run on this machine, as the package's would
    in its `LocalEnvironment`."""

    def act(command: str) -> ExecResult:
        done = subprocess.run(
            command, shell=True, cwd=folder, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        return ran(done.stdout.decode(errors="replace"), done.returncode)

    return PlayedSandbox(act)


def by_itself(replies, folder):
    """What the package's own parts make of the same answers: its messages, and how it ended."""
    load_package()
    from minisweagent.config import get_config_from_spec
    from minisweagent.environments.local import LocalEnvironment
    from minisweagent.models.test_models import DeterministicToolcallModel, make_toolcall_output
    from minisweagent.models.utils.actions_toolcall import parse_toolcall_actions

    config = get_config_from_spec("swebench.yaml")
    left = list(replies)

    class Model(DeterministicToolcallModel):
        def query(self, messages, **_):
            reply = left.pop(0)
            actions = parse_toolcall_actions(
                [_Call(each) for each in reply.tool_calls],
                format_error_template=config["model"]["format_error_template"],
                template_kwargs={"finish_reason": reply.finish_reason},
            )
            sent = [
                {"id": each.id, "type": "function",
                 "function": {"name": each.name, "arguments": each.arguments}}
                for each in reply.tool_calls
            ]  # fmt: skip
            return make_toolcall_output(reply.content or None, sent, actions)

    model = Model(outputs=[], observation_template=config["model"]["observation_template"])
    environment = LocalEnvironment(cwd=str(folder), timeout=2)
    limits = {"step_limit": len(replies), "cost_limit": 0}
    agent = load_package().DefaultAgent(model, environment, **config["agent"] | limits)
    end = agent.run(TASK)
    messages = [{k: v for k, v in m.items() if k != "extra"} for m in agent.messages]
    return [m for m in messages if m["role"] != "exit"], end


class _Call:
    def __init__(self, call: ToolCall) -> None:
        self.id, self.function = call.id, self
        self.name, self.arguments = call.name, call.arguments


def _with_ids(reply: Reply, number: int) -> Reply:
    """As most providers have them: no two are the same, and so they stay."""
    calls = (replace(each, id=f"a{number}_{n}") for n, each in enumerate(reply.tool_calls))
    return replace(reply, tool_calls=tuple(calls))


LONG = "python3 -c \"print('0123456789' * 3000)\""
TALKS = {
    "looks, mends, hands in": [
        said(call("ls"), content="THOUGHT"),
        said(call("echo new > a.txt; cat a.txt")),
        said(call("printf 'the\\npatch\\n' > patch.txt")),
        said(SUBMIT),
    ],
    "several calls at once": [said(call("echo 1"), call("echo 2; exit 3"), call("echo 3 >&2"))],
    "what commands print": [
        said(call(LONG), call("printf 'a\\r\\nb\\rc\\n'"), call("printf '\\377\\303\\250'")),
        said(call("true"), call("nonsense-command"), call("exit 255"), call("kill -9 $$")),
        said(call("echo {{ output }} '{% raw %}' '<&>'")),
    ],
    "hands in what cannot be": [said(SUBMIT), said(call(f"echo {SUBMITS}; false"))],
    "hands in with other words before": [said(call(f"echo first; echo {SUBMITS}"))],
    "hands in nothing": [said(call(f"echo {SUBMITS}"))],
    "hands in after blank lines, no newline at the end": [
        said(call(f"echo; echo; echo '  {SUBMITS}  '; printf 'a\\n\\n b'"))
    ],
    "hands in by its second call": [
        said(call("echo first"), call(f"echo {SUBMITS}; echo p"), call("echo never > never"))
    ],
    "a command that is empty": [said(call("")), said(call("  # nothing"))],
    "no call, then one": [Reply(content="I think."), said(call("echo yes"))],
    "cut off by its length": [Reply(content="I thi", finish_reason="length")],
    "cut off in a call": [said(("bash", '{"comma'), finish_reason="length")],
    "a tool that is not there": [said(("edit", {"path": "x"})), said(call("echo yes"))],
    "arguments that are none": [
        said(("bash", "{not json")), said(("bash", "[1]")),
    ],
    "one good call and a bad one": [said(call("echo ran > ran"), ("bash", {"cmd": "ls"}))],
    "two bad ones, a good one, two bad ones": [
        *[Reply(content="hm")] * 2, said(call("true")), *[said(("bash", ""))] * 2,
    ],
}  # fmt: skip


@pytest.mark.parametrize("replies", TALKS.values(), ids=TALKS)
async def test_every_message_is_the_one_that_the_package_by_itself_would_have(replies, tmp_path):
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text("old\n")
    replies = [_with_ids(reply, n) for n, reply in enumerate(replies)]
    theirs, end = by_itself(replies, tmp_path / "theirs")
    trial = PlayedTrial([*replies, OVER], local(tmp_path / "ours"))
    if end["exit_status"] == "Submitted":
        await MiniSweAgent().run(trial)
        (made,) = trial.submitted
        whole = end["submission"]
        assert made == (
            BY,
            whole + ("\n" if whole and whole[-1] != "\n" else ""),
            "finished",
            False,
        )
    else:
        with pytest.raises(LimitReached):
            await MiniSweAgent().run(trial)
        assert trial.submitted == [(BY, PATCH, "steps", True)]
    assert trial.story[BY] == theirs
    here, there = (sorted(p.name for p in (tmp_path / n).iterdir()) for n in ("ours", "theirs"))
    assert here == there


@pytest.mark.parametrize("command", [5, None, ["ls"], {"ls": "-l"}, True])
async def test_a_command_that_is_no_text_is_told_as_python_tells_it_to_the_package(command):
    trial = PlayedTrial([said(call(command)), OVER])
    with pytest.raises(LimitReached):
        await MiniSweAgent().run(trial)
    with pytest.raises(TypeError) as error:  # its Docker environment has the command so
        subprocess.run(["true", command], check=False)
    assert f"executing the command: {error.value}</exception>" in trial.story[BY][-1]["content"]
    assert trial.box.commands == []


async def test_three_answers_without_a_usable_call_end_it_and_its_work_is_salvaged(tmp_path):
    replies = [said(call("true")), Reply(content="hm"), said(("edit", {})), said(("bash", "?"))]
    theirs, end = by_itself(replies, tmp_path)
    assert end == {"exit_status": "RepeatedFormatError", "submission": ""}
    trial = PlayedTrial([*replies, RuntimeError("asked again")], local(tmp_path))
    await MiniSweAgent().run(trial)
    assert trial.submitted == [(BY, PATCH, "no_tool_calls", True)]
    assert trial.story[BY] == theirs
    assert [m["role"] for m in theirs[-3:]] == ["user"] * 3


async def test_a_command_is_run_as_the_configuration_of_the_package_has_it():
    trial = PlayedTrial([said(call("ls")), OVER])
    with pytest.raises(LimitReached):
        await MiniSweAgent().run(trial)
    (how,) = trial.box.how
    assert (how["cwd"], how["timeout_s"]) == ("/testbed", 33)  # the trial's limit, not its 60 s
    assert how["env"] == {
        "PAGER": "cat", "MANPAGER": "cat", "LESS": "-R", "PIP_PROGRESS_BAR": "off",
        "TQDM_DISABLE": "1", "BASH_ENV": "/root/.bashrc",
    }  # fmt: skip
    assert how["max_output_chars"] >= 20_000_000  # the templates cut, not the sandbox
    assert trial.did == [(BY, "command")]
    assert trial.tools[BY] == [[load_package().tool]] * 2


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (ran("so far\n", None, timed_out=True), "Command 'x' timed out after 33 seconds"),
        (ran("so far\n", None, flooded=True), "it was killed for writing too much (7 bytes)"),
        (ran("so far\n", None), "it was killed"),
    ],
)
async def test_a_command_that_was_killed_is_told_as_an_exception_with_its_output(result, told):
    trial = PlayedTrial([said(call("x")), OVER], PlayedSandbox(lambda _: result))
    with pytest.raises(LimitReached):
        await MiniSweAgent().run(trial)
    assert trial.story[BY][-1]["content"] == (
        f"<exception>An error occurred while executing the command: {told}</exception>\n"
        "<returncode>-1</returncode>\n<output>\nso far\n</output>"
    )


async def test_a_command_that_timed_out_does_not_submit():
    killed = ran(f"{SUBMITS}\npatch\n", None, timed_out=True)
    trial = PlayedTrial([said(SUBMIT), OVER], PlayedSandbox(lambda _: killed))
    with pytest.raises(LimitReached):
        await MiniSweAgent().run(trial)
    assert trial.submitted == [(BY, PATCH, "steps", True)]


async def test_a_command_that_the_sandbox_refuses_is_told_and_the_next_one_is_run():
    def refuse(command: str) -> ExecResult:
        if "\0" in command:
            raise SandboxError("a command cannot hold a NUL character")
        return ran()

    trial = PlayedTrial([said(call("a\0b"), call("ls")), OVER], PlayedSandbox(refuse))
    with pytest.raises(LimitReached):
        await MiniSweAgent().run(trial)
    refused, seen = trial.story[BY][-2:]
    assert "executing the command: a command cannot hold a NUL" in refused["content"]
    assert seen["content"] == "<returncode>0</returncode>\n<output>\nout\n</output>"


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (LimitReached("cost", "cost: used up"), "cost"),
        (LimitReached("wall_clock", "used up"), "wall_clock"),
        (ContextOverflow("too long"), "context"),
        (ModelUnavailable("away"), "model_error"),
        (RuntimeError("a bug"), "interrupted"),
    ],
)
async def test_its_work_is_salvaged_whatever_ends_it(problem, reason):
    trial = PlayedTrial([said(call("ls")), problem])
    with pytest.raises(type(problem)):
        await MiniSweAgent().run(trial)
    assert trial.submitted == [(BY, PATCH, reason, True)]
    assert [message["role"] for message in trial.story[BY]] == [
        "system", "user", "assistant", "tool",
    ]  # fmt: skip


async def test_a_lost_sandbox_is_neither_an_observation_nor_an_empty_patch():
    def lose(command: str) -> ExecResult:
        raise SandboxUnavailable("gone")

    box = PlayedSandbox(lose, patch=SandboxUnavailable("gone"))
    trial = PlayedTrial([said(call("ls"))], box)
    with pytest.raises(SandboxUnavailable):
        await MiniSweAgent().run(trial)
    assert trial.submitted == []
    assert trial.story[BY][-1]["role"] == "assistant"


async def test_a_sandbox_that_its_command_ended_is_the_end_with_an_empty_patch():
    def lose(command: str) -> ExecResult:
        raise SandboxLost("gone")

    box = PlayedSandbox(lose, patch=SandboxLost("gone"))
    trial = PlayedTrial([said(call("ls"))], box)
    with pytest.raises(SandboxLost):
        await MiniSweAgent().run(trial)
    assert trial.submitted == [(BY, "", "sandbox_lost; no patch: gone", True)]


async def test_ids_are_unique_where_the_provider_gives_none():
    nameless = ToolCall(id="", name="bash", arguments='{"command": "x"}')
    twice = Reply(content="", tool_calls=(nameless, nameless))
    trial = PlayedTrial([twice, twice, OVER])
    with pytest.raises(LimitReached):
        await MiniSweAgent().run(trial)
    calls = [c["id"] for m in trial.story[BY] for c in m.get("tool_calls", ())]
    assert len(set(calls)) == 4
    assert [m["tool_call_id"] for m in trial.story[BY] if m["role"] == "tool"] == calls


async def test_cancelled_in_mid_command_it_salvages_and_nothing_goes_on():
    before = threading.active_count()
    box = PlayedSandbox(pause_s=60)
    trial = PlayedTrial([said(call("sleep 60"), call("never"))], box)
    await cancelled_when(lambda: box.commands, lambda: MiniSweAgent().run(trial))
    assert trial.submitted == [(BY, PATCH, "interrupted", True)]
    assert trial.story[BY][-1]["role"] == "assistant"  # it was said before it was acted on
    await anyio.sleep(0.1)
    assert (box.commands, box.ended) == (["sleep 60"], 0)
    assert len(trial.prompts[BY]) == 1
    assert threading.active_count() <= before + 1  # the loop keeps one thread for the next use


async def test_a_cancellation_while_the_thread_computes_stops_it_at_its_next_question():
    line, asked = ThreadPortal(), []
    computing = threading.Event()

    async def ask() -> None:
        asked.append("asked")

    def blocking() -> None:
        computing.set()
        time.sleep(0.3)
        line.ask(ask)
        asked.append("answered")

    async with anyio.create_task_group() as group:
        group.start_soon(line.carry, blocking)
        while not computing.is_set():
            await anyio.sleep(0.01)
        group.cancel_scope.cancel()
    assert asked == []


async def test_what_is_asked_for_fails_once_for_the_one_who_carries_and_ends_the_thread():
    line, went_on = ThreadPortal(), []

    async def fail() -> None:
        raise LimitReached("cost", "used up")

    def blocking() -> None:
        try:
            line.ask(fail)
        except CancelledError:
            went_on.append("caught")
            line.ask(fail)
        went_on.append("not stopped")

    with pytest.raises(LimitReached):
        await line.carry(blocking)
    assert went_on == ["caught"]


async def test_an_error_of_the_thread_is_raised_as_it_is():
    def blocking() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await ThreadPortal().carry(blocking)


async def test_more_agents_than_the_loop_has_threads_do_not_wait_for_each_other_for_ever():
    async def one() -> None:
        line = ThreadPortal()

        def blocking() -> None:
            for _ in range(3):
                line.ask(lambda: anyio.to_thread.run_sync(time.sleep, 0.001))

        await line.carry(blocking)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            for _ in range(60):
                group.start_soon(one)


PIECES = st.sampled_from(
    [SUBMITS, SUBMITS.lower(), f"echo {SUBMITS}", " ", "\t", "\n", "\n\n", "\x0b", "\x0c", "\u2028",
     "\x85", "\x1c", "a", "diff --git a/x b/x", "é", "\ufeff", "\0"]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=8), st.sampled_from([0, 0, 0, 1, -1, 137]))
def test_what_submits_is_what_submits_to_the_package(pieces, status):
    load_package()
    from minisweagent.environments.local import LocalEnvironment

    output = {"output": "".join(pieces), "returncode": status, "exception_info": ""}
    theirs = None
    try:
        LocalEnvironment()._check_finished(output)
    except load_package().Submitted as end:
        theirs = end.messages[0]["extra"]["submission"]
    assert submitted(output) == theirs


LOOK = """
import os, sys
from agents.mini_swe_agent import MiniSweAgent, load_package
system = MiniSweAgent()
assert not any(name.startswith("minisweagent") for name in sys.modules), "imported too early"
before = dict(os.environ)
load_package()
load_package()
assert dict(os.environ) == before, "the environment was changed"
print(sorted(name for name in ("litellm", "minisweagent.agents.default") if name in sys.modules))
"""


@pytest.mark.parametrize("own", [{}, {"MSWEA_GLOBAL_CONFIG_DIR": "{home}/.config/mini-swe-agent"}])
def test_importing_the_package_says_nothing_and_takes_nothing_from_the_user(tmp_path, own):
    settings_of_user = tmp_path / ".config/mini-swe-agent"
    settings_of_user.mkdir(parents=True)
    (settings_of_user / ".env").write_text("OPENAI_API_KEY=sk-leaked\nMSWEA_SILENT_STARTUP=\n")
    told = _python(LOOK, tmp_path, **{k: v.format(home=tmp_path) for k, v in own.items()})
    assert told.stderr == ""
    assert told.stdout == "['minisweagent.agents.default']\n"


def test_importing_the_package_makes_no_folder_of_its_own(tmp_path):
    assert _python(LOOK, tmp_path).returncode == 0
    assert [path.name for path in tmp_path.rglob("*")] == []


def _python(code, home, **more):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MSWEA", "XDG", "OPENAI"))}
    return subprocess.run(
        [sys.executable, "-B", "-c", code],
        env=kept | {"HOME": str(home)} | more, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_without_the_package_the_user_is_told_what_to_install(tmp_path):
    code = "import sys; sys.modules['minisweagent'] = None\n" + LOOK
    told = _python(code, tmp_path)
    assert told.returncode == 1
    assert "UserError: mini-swe-agent is not installed: pip install" in told.stderr


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no such file"),
        ("agent: [", "not valid YAML at line 1"),
        ("agent: {}\nagent: {}", "line 2: agent is there twice"),
        ("\xff", "cannot be read"),
        ("", "no configuration"),
        ("- agent", "no configuration"),
        ("agent: {system_template: s}", "no configuration"),
        ("{agent: {system_template: s, instance_template: i}, environment: {cwd: /}, model: {}}",
         "observation_template"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_configuration_of_the_package_is_refused(tmp_path, content, says):
    if content is not None:
        (tmp_path / "my.yaml").write_text(content, encoding="latin-1")
    with pytest.raises(UserError, match=says):
        MiniSweAgent(config=str(tmp_path / "my.yaml"))


async def test_a_configuration_of_the_user_is_taken_but_for_its_limits(tmp_path):
    (tmp_path / "my.yaml").write_text(
        "agent: {system_template: 'S {{system}}', instance_template: 'I {{task}}', step_limit: 1,\n"
        "  cost_limit: 0.1, max_consecutive_format_errors: 1, output_path: made.json}\n"
        "environment: {cwd: /elsewhere, env: {A: 1}}\n"
        "model: {observation_template: 'saw {{output.output}}', format_error_template: '{{error}}'}"
    )
    trial = PlayedTrial([said(call("ls")), said(call("ls")), Reply(content="hm")])
    await MiniSweAgent(config=str(tmp_path / "my.yaml")).run(trial)
    assert trial.submitted == [(BY, PATCH, "no_tool_calls", True)]
    told = [message["content"] for message in trial.story[BY] if message["role"] != "assistant"]
    assert told[0] == f"S {os.uname().sysname}"
    assert told[1] == f"I {TASK}"
    assert told[2:4] == ["saw out\n"] * 2
    assert [how["cwd"] for how in trial.box.how] == ["/elsewhere"] * 2
    assert trial.box.how[0]["env"] == {"A": "1"}
    assert not (tmp_path / "made.json").exists()


HAND_IN = [
    bash("git diff -- src/flask/blueprints.py > patch.txt; cat patch.txt"),
    bash(f"echo {SUBMITS} && cat patch.txt"),
]
DEAR = {"prompt_tokens": 100_000, "completion_tokens": 40_000, "total_tokens": 140_000}
PLANS = (
    [bash("echo $PAGER; pwd; touch reproduction.py"), {"content": "Hm."}, SOLVE, *HAND_IN],
    [SOLVE, bash("true")],  # never hands in: all 8 steps
    [bash("true", usage=DEAR), HAND_IN[1]],  # dear
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    bundled(FLASK)
    folder = tmp_path_factory.mktemp("mini")
    cache = own_cache(folder / "cache")
    with ScriptedModel(turns(PLANS)) as server:
        told = delm_here(
            *("eval", "-m", "openai/scripted", "-s", "mini-swe-agent", "-d", DATASET, "-i", FLASK),
            *("-k", str(len(PLANS)), "-w", "1", "-c", "budget.steps=8", "--cost-limit", "0.2"),
            *("--run-id", "one", "-o", folder, "--yes"),
            OPENAI_API_BASE=server.base_url,
            OPENAI_API_KEY="sk-not-a-key",
            DELM_CACHE=str(cache),
        )
    assert told.code == 0, told.text
    return folder / "one", list(server.requests), cache


def test_the_package_solves_a_real_issue_and_the_official_grader_says_so(run):
    folder, requests, _ = run
    made = query(folder, """SELECT submission.reason, salvaged, outcome, patch FROM submission
        JOIN grade USING (submission_id) ORDER BY submission_id""")  # fmt: skip
    assert [(row["reason"], row["salvaged"], row["outcome"]) for row in made] == [
        ("finished", 0, "resolved"), ("steps", 1, "resolved"), ("cost", 1, "unresolved"),
    ]  # fmt: skip
    patches = [row["patch"] for row in made]
    assert "may not be empty" in patches[0]
    assert "reproduction.py" not in patches[0]  # its own text, not what differs
    assert patches[2] == ""
    assert all(request["tools"] == [load_package().tool] for request in requests)
    assert not [m for request in requests for m in request["messages"] if "extra" in m]


def test_its_calls_are_in_our_ledger_and_its_commands_in_the_time_line(run):
    folder, requests, _ = run
    calls = query(folder, "SELECT * FROM call JOIN trial USING (trial_id)")
    assert len(calls) == len(requests) == 5 + 8 + 1
    assert {(each["agent"], each["conversation"], each["outcome"]) for each in calls} == {
        (BY, BY, "ok")
    }
    for number in range(len(PLANS)):
        assert 0 < sum(each["cost_usd"] for each in calls if each["number"] == number) <= 0.2
    spans = query(folder, "SELECT * FROM span JOIN trial USING (trial_id) WHERE number = 0")
    assert [(span["agent"], span["what"]) for span in spans] == [(BY, "command")] * 4


def test_the_run_records_the_version_of_the_package(run):
    folder, _, _ = run
    (row,) = query(folder, "SELECT value FROM run WHERE key = 'packages'")
    assert json.loads(row["value"]) == {
        name: version(name) for name in ("mini-swe-agent", "swebench")
    }


def test_its_commands_saw_its_environment_and_its_sandbox_is_gone(run):
    _, requests, cache = run
    answers = [m for m in requests[1]["messages"] if m["role"] == "tool"]
    assert answers[0]["content"] == (
        "<returncode>0</returncode>\n<output>\ncat\n/testbed\n</output>"
    )
    assert list((cache / "sandboxes").iterdir()) == []
