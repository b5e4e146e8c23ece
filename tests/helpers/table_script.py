"""One script for every system of the table, on three bundled instances, with outcomes by plan.

Whether a submission is right is decided by who asks: `wrong` names the agents whose edit is none.
"""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from team_script import calls, publish, task_of, turn_of

Request = dict[str, Any]


@dataclass(frozen=True)
class Issue:
    """How to solve one instance, and how to see that."""

    word: str  # which only its issue has
    path: str
    old: str
    new: str
    check: str  # fails without the edit and passes with it


def python(*lines: str) -> str:
    """A command that runs so many lines of Python."""
    return "cd /testbed && python - <<'P'\n" + "\n".join(lines) + "\nP"


ISSUES: Mapping[str, Issue] = {
    "pallets__flask-5014": Issue(
        word="Blueprints",
        path="src/flask/blueprints.py",
        old='        if "." in name:',
        new='        if not name:\n            raise ValueError("\'name\' is empty.")\n\n'
        '        if "." in name:',
        check=python("import flask", "try:", "    flask.Blueprint('', 'x')", "except ValueError:",
                     "    raise SystemExit", "raise SystemExit('no error')"),
    ),
    "psf__requests-6028": Issue(
        word="proxies",
        path="requests/utils.py",
        old="    if scheme is None:\n        scheme = new_scheme",
        new="    if auth:\n        netloc = '@'.join([auth, netloc])\n"
        "    if scheme is None:\n        scheme = new_scheme",
        check=python("from requests.utils import prepend_scheme_if_needed as f",
                     "assert f('http://u:p@a.b/c', 'http') == 'http://u:p@a.b/c'"),
    ),
    "pytest-dev__pytest-10051": Issue(
        word="caplog",
        path="src/_pytest/logging.py",
        old='        self.handler.reset()\n',
        new='        self.handler.records.clear()\n        self.handler.stream = StringIO()\n',
        check=python("import inspect, _pytest.logging as m",
                     "class Item: stash = {m.caplog_handler_key: m.LogCaptureHandler()}",
                     "kept = Item.stash[m.caplog_handler_key].records",
                     "kept.append(1)",
                     "m.LogCaptureFixture(Item, _ispytest=True).clear()",
                     "assert kept == []"),
    ),
}  # fmt: skip


def issue_of(request: Request) -> Issue:
    """The issue that a prompt is about."""
    text = json.dumps(request["messages"][:3])
    return next(issue for issue in ISSUES.values() if issue.word in text)


def edit_of(issue: Issue, *, wrong: bool) -> str:
    """The command that solves an issue, or only touches its file."""
    new = issue.old.replace("\n", "  # looked at\n", 1) if wrong else issue.new
    new = new if new != issue.old else f"# looked at\n{issue.old}"
    return python(
        f"path, old, new = {issue.path!r}, {issue.old!r}, {new!r}",
        "text = open(path).read()",
        "assert text.count(old) == 1, text.count(old)",
        "open(path, 'w').write(text.replace(old, new))",
    )


def bash(command: str) -> Any:
    """One command."""
    return calls(("bash", {"command": command}))


def finish(summary: str = "done") -> Any:
    """The end of a task."""
    return calls(("finish", {"summary": summary}))


SUBMIT_MINI = "git diff > patch.txt && echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT && cat patch.txt"


class TableScript:
    """The script of a whole table.

    `wrong` holds, by kind and the word of an issue, which of the conversations of that kind that
    begin there are to fail: 0 for the first. `alone` is `single` and `independent`, whose prompts
    are the same; `main` and `rounds` lead sub-agents; `team` is one `patch` task of `delm`.
    """

    def __init__(self, wrong: Mapping[tuple[str, str], set[int]]) -> None:
        self._wrong = wrong
        self._begun: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()

    def __call__(self, request: Request, n: int) -> Any:
        """What the model says to `request`."""
        issue = issue_of(request)
        turn = sum(message["role"] == "assistant" for message in request["messages"])
        names = {tool["function"]["name"] for tool in request["tools"]}
        if names == {"bash"}:
            return self._mini(issue, turn)
        if names == {"bash", "edit", "finish"} and not _reports(request):
            return finish() if turn else bash(self._edit("alone", issue))
        if "delegate" in names:
            return self._lead(issue, turn, rounds="take" in names)
        if "unfold" not in names:
            return _errand(request, issue, turn)
        return self._task(task_of(request), issue, turn_of(request))

    def _fails(self, kind: str, issue: Issue) -> bool:
        key = (kind, issue.word)
        with self._lock:
            number = self._begun[key] = self._begun.get(key, -1) + 1
        return number in self._wrong.get(key, set())

    def _edit(self, kind: str, issue: Issue) -> str:
        return edit_of(issue, wrong=self._fails(kind, issue))

    def _mini(self, issue: Issue, turn: int) -> Any:
        return bash(self._edit("mini", issue)) if turn == 0 else bash(SUBMIT_MINI)

    def _lead(self, issue: Issue, turn: int, *, rounds: bool) -> Any:
        if turn == 0:
            fails = self._fails("rounds" if rounds else "main", issue)
            errand = {"instruction": "Touch it." if fails else "Mend it.", "context": issue.word}
            other = {"instruction": "Look at it.", "context": issue.word}
            return calls(("delegate", {"subtasks": [errand, other]} if rounds else errand))
        if rounds and turn == 1:
            return calls(("take", {"agents": ["sub-1"]}))
        return calls(("submit", {"summary": "done"}))

    def _task(self, label: str, issue: Issue, turn: int) -> Any:
        kind = label.rpartition("-")[0]
        if kind == "localize" and turn == 0:
            gist = "The fault is in this line."
            line = issue.old.strip("\n").partition("\n")[0]
            return publish("FACT", gist, path=issue.path, quote=line)
        if kind != "patch":
            return finish("F1 says where it is.")
        if turn == 0:
            return bash(self._edit("team", issue))
        if turn == 1:
            return publish("PATCH", f"{label} mends what F1 says.", command=issue.check)
        return finish("It rests on F1.")


def _reports(request: Request) -> bool:
    """Whether the agent reports to an orchestrator."""
    (end,) = [tool for tool in request["tools"] if tool["function"]["name"] == "finish"]
    return '"status"' in json.dumps(end)  # providers have several names for parameters


def _errand(request: Request, issue: Issue, turn: int) -> Any:
    text = json.dumps(request["messages"][:3])
    if turn or "Look at it." in text:
        return calls(("finish", {"status": "done", "report": "Done."}))
    return bash(edit_of(issue, wrong="Touch it." in text))
