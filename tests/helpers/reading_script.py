"""A scripted model that prepares, plans, reads, judges and answers, by what it is asked.

It is told nothing but the prompts; the answer alone it knows, from `answers`: by question.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from console import delm_here
from scripted_model import ScriptedModel

from harness.benchmarks.longbench.generated import rows

Request = Mapping[str, Any]


def call(name: str, **arguments: Any) -> dict[str, Any]:
    """An answer that calls one tool."""
    return {"tool_calls": [{"name": name, "arguments": json.dumps(arguments)}]}


def tools_of(request: Request) -> set[str]:
    """The names of the tools that the request offers."""
    return {tool["function"]["name"] for tool in request.get("tools") or ()}


def own_turns(request: Request) -> int:
    """How many answers the conversation has already."""
    return sum(message["role"] == "assistant" for message in request["messages"])


class ReadingScript:
    """Reads as well as it is asked to; a test changes one of its methods."""

    def __init__(self, answers: Mapping[tuple[str, ...], str]) -> None:
        self.answers = answers  # the letter by words that only prompts of its question have
        self.asked: list[str] = []  # the kind of each request, in the order in which they came

    def __call__(self, request: Request, n: int) -> Any:
        kind = self.kind_of(request)
        self.asked.append(kind)
        return getattr(self, kind)(request)

    def kind_of(self, request: Request) -> str:
        """What is asked."""
        tools, last = tools_of(request), request["messages"][-1]["content"]
        if not tools:
            return "judge" if "<evidence" in last or "<claims" in last else "base"
        if "gist" in tools:
            return "read"
        if "delegate" in tools:
            return "lead"
        if "look_up" in tools:
            return "look" if "answer" in tools else "sub"
        task = task_of(request)
        return {"plan": "plan", "decide": "answer"}.get(task.partition("-")[0], "find")

    def letter(self, request: Request) -> str:
        """The answer to the question that a prompt has."""
        text = json.dumps(request["messages"], ensure_ascii=False)

        def there(words: str) -> bool:
            return json.dumps(words, ensure_ascii=False)[1:-1] in text

        found = {letter for words, letter in self.answers.items() if all(map(there, words))}
        (letter,) = found
        return letter

    def base(self, request: Request) -> Any:
        return {"content": f"The correct answer is ({self.letter(request)})"}

    def judge(self, request: Request) -> Any:
        return {"content": "APPROVED"}

    def read(self, request: Request) -> Any:
        if own_turns(request) == 0 and "report" in tools_of(request):
            text = text_of(request)
            lines = [line for line in text.split("\n\n") if len(line.split()) > 12]
            return call("report", topic="Offices and what they did.",
                        claims=[self.claim(line) for line in lines[:30]])  # fmt: skip
        return call("gist", text="What offices did, and what it cost.")

    def claim(self, line: str) -> dict[str, str]:
        """A true one of a paragraph."""
        words = line.split()
        return {"claim": "A place says something here.", "head": " ".join(words[:9]),
                "tail": " ".join(words[-6:])}  # fmt: skip

    def plan(self, request: Request) -> Any:
        match own_turns(request):
            case 0:
                return call("add_task", text="Find what the first part says of the question.")
            case 1:
                return call("add_task", text="Then look at the last part.", after="find-1")
        return call("finish", summary="Two tasks.")

    def find(self, request: Request) -> Any:
        match own_turns(request):
            case 0:
                if "unfold" not in tools_of(request):
                    return self.published(whole(request))
                last = "last part" in request["messages"][3]["content"]
                label = parts_of(request)[-1 if last else 0]
                return call("unfold", label=label, level="raw")
            case 1 if "unfold" in tools_of(request):
                return self.published(quotable(request["messages"][-1]["content"]))
        return call("finish", summary="Published.")

    def published(self, place: tuple[str, str]) -> Any:
        """A finding about a place: the label of its part, empty for the document, and its words."""
        label, words = place
        quotation = ({"label": label} if label else {}) | {"quote": words}
        return call("publish", finding="It says there what matters.", reasoning="See.",
                    quotations=[quotation])  # fmt: skip

    def look(self, request: Request) -> Any:
        if own_turns(request) == 0:
            return call("look_up", pages=["P1"])
        return self.answer(request)

    def sub(self, request: Request) -> Any:
        if own_turns(request) == 0:
            return call("look_up", pages=["P1", "P2"])
        return call("report", text="It says so on P1.")

    def lead(self, request: Request) -> Any:
        if own_turns(request) == 0:
            return call("delegate", tasks=["Look at the beginning.", "Look at the end."])
        return self.answer(request)

    def answer(self, request: Request) -> Any:
        return call("answer", letter=self.letter(request), because="By F1.")


def task_of(request: Request) -> str:
    """The label of the task that a reader works on; empty where it is no reader's request."""
    said = json.dumps(request["messages"][3:4], ensure_ascii=False)
    found = re.search(r"Your task now is `([\w-]+)`", said)
    return found[1] if found else ""


def parts_of(request: Request) -> list[str]:
    """The labels of the document's parts."""
    return re.findall(r"^(F\d+) FACT \(read", request["messages"][1]["content"], re.MULTILINE)


def whole(request: Request) -> tuple[str, str]:
    """No label, and a sentence of the document that the prompt has whole."""
    found = re.search(r"<document(?:-\d+)?>\n(.*)", request["messages"][1]["content"], re.DOTALL)
    assert found
    return "", sentence(found[1])


def text_of(request: Request) -> str:
    """The part of the document that is to be prepared."""
    found = re.match(
        r"<(text(?:-\d+)?)>\n(.*?)\n</\1>", request["messages"][0]["content"], re.DOTALL
    )
    assert found
    return found[2]


def quotable(shown: str) -> tuple[str, str]:
    """The label of an unfolded part and a sentence of it."""
    label, _, text = re.split(r"<entry(?:-\d+)?>\n", shown)[1].partition("\n\n")
    return label, sentence(text)


def sentence(text: str) -> str:
    """The first sentence of its first longer paragraph."""
    line = next(line for line in text.split("\n\n") if len(line.split()) > 12)
    return line.split(". ")[0]


ROWS = [row for _, row in rows()][:2]

ANSWERS = {(row["question"], row["choice_A"], row["choice_B"]): row["answer"] for row in ROWS}


def play(place, script, *words, dataset="longbench-offline"):
    """A run over two questions; what it printed, its folder, and what the server was asked."""
    with ScriptedModel(script) as server:
        told = delm_here(
            *("eval", "-m", "openai/scripted", "-d", dataset, "--run-id", "run", "--yes"),
            *("-o", place, *words),
            OPENAI_API_BASE=server.base_url,
            OPENAI_API_KEY="none",
            DELM_CACHE=str(place / "cache"),
        )
    assert told.code == 0, told.text
    return told, place / "run", server.requests
