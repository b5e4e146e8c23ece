"""A scripted team on the flask instance: what each task's agent is told to say, turn by turn."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Request = dict[str, Any]
Answer = Any
Plan = Sequence[Answer | Callable[[Request], Answer]]

FAULT = (
    '        if "." in name:\n'
    "            raise ValueError(\"'name' may not contain a dot '.' character.\")"
)
REPRODUCTION = (
    "cd /testbed && python -c \"\nimport flask\ntry:\n    flask.Blueprint('', 'x')\n"
    "except ValueError:\n    pass\nelse:\n    raise SystemExit('no error')\n\""
)
NEIGHBOURS = "python -m pytest -q tests/test_blueprints.py"


def calls(*named: tuple[str, Mapping[str, Any]], content: str = "") -> Answer:
    return {
        "content": content,
        "tool_calls": [{"name": name, "arguments": dict(given)} for name, given in named],
    }


def publish(kind: str, gist: str, **more: Any) -> Answer:
    given = {"kind": kind, "gist": gist, "summary": f"More on it: {gist}"} | more
    return calls(("publish", given))


def finish(summary: str) -> Answer:
    return calls(("finish", {"summary": summary}))


def solve(message: str) -> Answer:
    check = f'        if not name:\n            raise ValueError("{message}")\n\n'
    mark = '        if "." in name:'
    return calls(("edit", {"path": "src/flask/blueprints.py", "old": mark, "new": check + mark}))


FACT = publish(
    "FACT",
    "Blueprint.__init__ checks its name for dots only, so an empty name is taken.",
    path="src/flask/blueprints.py",
    line=268,
    quote=FAULT,
)
CONSTRAINT = publish(  # with a command that is quick: it is run for every candidate
    "CONSTRAINT",
    "A plain name is taken, and has to be taken.",
    command="cd /testbed && python -c \"import flask; print(flask.Blueprint('plain', 'x').name)\"",
    exit_status=0,
    output="plain",
)


def localize(label: str) -> Plan:
    number = int(label.rpartition("-")[2])
    look = calls(("bash", {"command": "sed -n 260,275p src/flask/blueprints.py"}))
    return [look, FACT, *([CONSTRAINT] if number == 1 else []), finish("The fault is F1.")]


def patch(label: str) -> Plan:
    return [
        solve(f"'name' may not be empty, says {label}."),
        publish("PATCH", f"F1 mended by {label}: an empty name is refused.", command=REPRODUCTION),
        finish("It rests on F1."),
    ]


def tried(label: str) -> Plan:
    return [calls(("bash", {"command": "git diff --stat"})), finish("Nothing found.")]


PLANS: Mapping[str, Callable[[str], Plan]] = {"localize": localize, "patch": patch, "test": tried}


ASSIGNED = re.compile(r"Your (?:task now|next task) is `([^`]+)`")


def task_of(request: Request) -> str:
    """The label of the task that a conversation is about: its last one, where it goes on."""
    for message in reversed(request["messages"]):
        if message["role"] == "user" and (found := ASSIGNED.search(str(message.get("content")))):
            return found[1]
    raise AssertionError(f"no task in {request['messages'][:3]}")


def turn_of(request: Request) -> int:
    """How many answers the conversation has on its last task."""
    turn = 0
    for message in request["messages"]:
        if message["role"] == "user" and ASSIGNED.search(str(message.get("content"))):
            turn = 0
        turn += message["role"] == "assistant"
    return turn


def team(plans: Mapping[str, Callable[[str], Plan]] = PLANS) -> Callable[[Request, int], Answer]:
    """A script: `plans` by a task's label or kind; the last turn of a plan answers all the rest."""

    def script(request: Request, n: int) -> Answer:
        label = task_of(request)
        turn = turn_of(request)
        plan = (plans.get(label) or plans.get(label.rpartition("-")[0]) or tried)(label)
        answer = plan[min(turn, len(plan) - 1)]
        return answer(request) if callable(answer) else answer

    return script
