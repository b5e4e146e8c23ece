"""Find leaks in prompts: hints of the dataset, and names of hidden tests.

A prompt is what the harness wrote, i.e. system and user messages, not tool output or other agents'
text.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

PIECE = 12  # words of hints in a row that are no coincidence
SHORTEST = 6  # words of hints that are short as a whole
KEY = re.compile(
    r"\bsk-(?:proj-|ant-|or-)?(?=[\w-]*\d)[\w-]{20,}|\bAIza[\w-]{30,}|\bgh[pousr]_\w{30,}"
    r"|\bAKIA[A-Z0-9]{16}\b|\bgsk_\w{30,}|\bxai-\w{30,}|\bhf_[A-Za-z]{30,}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One text of a trajectory."""

    text: str
    by: Literal["harness", "agent", "tool"]  # what the harness says is a prompt
    opening: bool = False  # a prompt before the first answer of its conversation
    at: str = ""  # of an answer when it was there, of a prompt its next answer; empty: unknown


def texts(trajectory: Any) -> list[Said]:
    """Every text of a trajectory in ATIF, in mini-swe-agent's form, or in an unknown form.

    In an unknown form, every text counts as a prompt.
    """
    if _is_atif(trajectory):
        found = list(_steps(trajectory["steps"]))
        for part in trajectory.get("subagent_trajectories") or ():
            found += texts(part)
        return found
    if (messages := _chat(trajectory)) is not None:
        return list(_messages(messages))
    return [Said(text="\n".join(_strings(trajectory)), by="harness", opening=True)]


def answers(trajectory: Any) -> int:
    """The number of model answers in a trajectory; in an unknown form every text counts."""
    found = texts(trajectory)
    if not _is_atif(trajectory) and _chat(trajectory) is None:
        return int(bool(found[0].text.strip()))
    return sum(said.by == "agent" for said in found)


def _is_atif(trajectory: Any) -> bool:
    return isinstance(trajectory, Mapping) and isinstance(trajectory.get("steps"), list)


def _chat(trajectory: Any) -> list[Any] | None:
    """The messages of a conversation, from a list or from an object with a list; else None."""
    content = trajectory.get("messages") if isinstance(trajectory, Mapping) else trajectory
    if isinstance(content, list) and all(isinstance(m, Mapping) and "role" in m for m in content):
        return content
    return None


def hints_in(said: list[Said], hints: str, statement: str) -> str:
    """A part of `hints` that appears in a prompt; empty if none does.

    Text from the problem statement, or said earlier by an agent or a tool, is not a leak.
    """
    words = _words(hints)
    if len(words) < SHORTEST:
        return ""
    size = min(PIECE, len(words))
    known = _joined(statement)
    pieces = {" ".join(words[i : i + size]) for i in range(len(words) - size + 1)}
    pieces = {piece for piece in pieces if f" {piece} " not in known}
    others = [
        (one.at, pieces & set(_windows(one.text, size)))
        for one in said
        if one.by != "harness" and one.at
    ]
    for one in said:
        if one.by == "harness" and (held := pieces & set(_windows(one.text, size))):
            for at, theirs in others if one.at else ():
                held -= theirs if at < one.at else set()
            if held:
                return min(held)
    return ""


def tests_in(
    said: list[Said], fail_to_pass: tuple[str, ...], test_patch: str, statement: str
) -> str:
    """The name of a hidden test in the first prompt of a conversation; empty if there is none.

    Names in the problem statement or in the repository at the base commit, and names that an agent
    wrote before, are not a leak.
    """
    patched = test_patch.splitlines()
    added = "\n".join(line for line in patched if line.startswith("+"))
    before = "\n".join(line for line in patched if not line.startswith("+"))
    for test in fail_to_pass:
        name = _short(test)
        word = re.compile(rf"\b{re.escape(name)}\b")
        if len(name) < SHORTEST or not word.search(added):
            continue
        if word.search(before) or word.search(statement):
            continue
        first = min(
            (one.at for one in said if one.by != "harness" and one.at and word.search(one.text)),
            default="",
        )
        for one in said:
            own = bool(first) and one.at > first
            if one.opening and not own and word.search(one.text):
                return name
    return ""


def _steps(steps: list[Any]) -> Iterator[Said]:
    """The texts of one conversation in ATIF."""
    opening, waiting = True, []
    for step in steps:
        text = "\n".join(_strings(step.get("message")))
        at = str(step.get("timestamp") or "")
        if step.get("source") != "agent":
            waiting.append(text)
        elif step.get("llm_call_count") != 0 or "served" in (step.get("extra") or {}):
            yield from (Said(text=t, by="harness", opening=opening, at=at) for t in waiting)
            opening, waiting = False, []
            said = "\n".join([text, *_strings(step.get("tool_calls"))])
            yield Said(text=said, by="agent", at=at)
        if seen := "\n".join(_strings(step.get("observation"))):
            yield Said(text=seen, by="tool", at=at)
    yield from (Said(text=t, by="harness", opening=opening) for t in waiting)


def _messages(messages: list[Any]) -> Iterator[Said]:
    """The texts of one conversation of chat messages."""
    opening = True
    for message in messages:
        text = "\n".join([*_strings(message.get("content")), *_strings(message.get("tool_calls"))])
        if message["role"] in {"system", "user"}:
            yield Said(text=text, by="harness", opening=opening)
        else:
            opening = False
            yield Said(text=text, by="agent" if message["role"] == "assistant" else "tool")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _joined(text: str) -> str:
    return f" {' '.join(_words(text))} "


def _windows(text: str, size: int) -> Iterator[str]:
    words = _words(text)
    return (" ".join(words[i : i + size]) for i in range(len(words) - size + 1))


def _short(test: str) -> str:
    """The function's name in `path::Class::test_x[a]`, `test_x (module.Class)` and `test_x`."""
    return test.split(" ")[0].partition("[")[0].rpartition("::")[2].rpartition(".")[2]
