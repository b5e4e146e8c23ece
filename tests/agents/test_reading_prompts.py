"""What the prompts of document systems say: their own tools, the document, the parts of a task."""

import json
import re
from collections import defaultdict

import pytest
from console import query
from reading_script import (
    ANSWERS,
    ROWS,
    ReadingScript,
    call,
    own_turns,
    parts_of,
    play,
    sentence,
    task_of,
    tools_of,
    whole,
)
from scripted_model import Status

from agents.documents.delm import fits
from harness.board.vocabulary import ToolName
from harness.system_files import system_config, system_names

pytestmark = pytest.mark.slow(seconds=12)

OTHERWISE = """
extends: delm-documents
name: otherwise
options: {whole_tokens: 0, hierarchy: false, by_part: false, neighbours: 0, nearby: 0,
          checker_sees_question: false, rounds: 0}
"""
KINDS = ("documents", "parts", "otherwise")
ONE = ("-i", ROWS[0]["_id"], "-c", "submissions=1")


class ByPart(ReadingScript):
    """Says nothing of use at the beginning of each conversation; plans a task for each part."""

    def __call__(self, request, n):
        if tools_of(request) and own_turns(request) == 0:
            return {"content": "I think."}
        return super().__call__(request, n)

    def read(self, request):
        if own_turns(request) == 1 and "report" in tools_of(request):
            return call("report", topic="Offices.", claims=[])
        return call("gist", text="What offices did.")

    def judge(self, request):
        self.judged.append(request["messages"][0]["content"])
        return super().judge(request)

    judged: list[str]

    def plan(self, request):
        tasks = [f"{label}: what does it say?" for label in parts_of(request)] or ["Find it out."]
        calls = [call("add_task", text=text)["tool_calls"][0] for text in tasks]
        return {"tool_calls": [*calls, *call("finish", summary="One for each part.")["tool_calls"]]}

    def find(self, request):
        turn, places = own_turns(request), laid_out(request)
        if "unfold" not in tools_of(request):
            place = whole(request)
        elif places:
            place = (places[0][0], sentence(places[0][1]))
        elif turn == 1:
            return call("unfold", label="F1", level="raw")
        else:
            turn, place = turn - 1, ("F1", sentence(ROWS[0]["context"]))
        return self.published(place) if turn == 1 else call("finish", summary="Published.")

    def look(self, request):
        return call("look_up", pages=["P1"]) if own_turns(request) == 1 else self.answer(request)

    def lead(self, request):
        if own_turns(request) == 1:
            return call("delegate", tasks=["Look at the beginning."])
        return self.answer(request)

    def sub(self, request):
        return call("report", text="Nothing.")


def laid_out(request):
    """The parts whose text stands in the assignment: label and text."""
    said = request["messages"][3]["content"].partition("Your task now is")[0]
    return re.findall(r"<entry>\n(F\d+)\n\n(.*?)\n</entry>", said, re.DOTALL)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """The requests of each system, and what the checker of findings was asked."""
    place = tmp_path_factory.mktemp("prompts")
    (place / "otherwise.yaml").write_text(OTHERWISE)
    script = ByPart(ANSWERS)
    script.judged = []
    systems = ("delm-documents", "delm-documents-parts", place / "otherwise.yaml", "readagent",
               "centralized-parallel-documents")  # fmt: skip
    words = [word for system in systems for word in ("-s", str(system))]
    _, folder, requests = play(place, script, *ONE, *words)
    rows = query(folder, "SELECT system, patch FROM submission JOIN trial USING (trial_id)")
    assert {row["patch"] for row in rows} == {ROWS[0]["answer"]}
    assert len(rows) == 5
    found = defaultdict(list)
    for request in requests:
        first = json.dumps(request["messages"][:2], ensure_ascii=False)
        if not task_of(request):
            found["others"].append(request)
        elif "<document>" in first:
            found["documents"].append(request)
        else:
            neighbours = "neighbours" in json.dumps(request["tools"])
            found["parts" if neighbours else "otherwise"].append(request)
    return found | {"judged": script.judged}


def named(text):
    """The tools that a text names."""
    return {name for name in re.findall(r"`(\w+)`", text) if name in set(ToolName)}


def test_every_prompt_names_the_tools_that_are_there_and_no_others(asked):
    seen = set()
    for kind in (*KINDS, "others"):
        assert asked[kind]
        for request in asked[kind]:
            there = tools_of(request)
            said = "\n".join(
                m["content"] for m in request["messages"] if m["role"] in {"system", "user"}
            )
            assert named(said) == there, said
            told = [m["content"] for m in request["messages"] if m["role"] == "tool"]
            assert named(json.dumps(request.get("tools")) + "\n".join(told)) <= there
            if own_turns(request):  # what an answer without a call is told
                again = request["messages"][-1]["content"]
                assert own_turns(request) > 1 or named(again) == there
            seen.add(frozenset(there))
    assert len(seen) == 8


def test_all_tasks_of_a_trial_begin_with_the_same_tools_and_messages(asked):
    for kind in KINDS:
        begins = {json.dumps([r["tools"], r["messages"][:3]]) for r in asked[kind]}
        assert len(begins) == 1, kind
        assert {task_of(r).partition("-")[0] for r in asked[kind]} == {"plan", "find", "decide"}


def test_a_document_that_fits_is_read_whole_and_longer_ones_by_part(asked):
    for request in asked["documents"]:
        assert ROWS[0]["context"] in request["messages"][1]["content"]
    for kind in ("parts", "otherwise"):
        for request in asked[kind]:
            assert ROWS[0]["context"][:500] not in request["messages"][1]["content"]
            assert len(parts_of(request)) > 2


def test_a_task_begins_with_the_text_of_the_part_that_it_names(asked):
    finds = [r for r in asked["parts"] if task_of(r).startswith("find")]
    parts = parts_of(finds[0])
    shown = {task_of(request): laid_out(request) for request in finds}
    assert sorted(label for [(label, _)] in shown.values()) == sorted(parts)
    assert all(text.strip() in ROWS[0]["context"] for [(_, text)] in shown.values())
    assert {own_turns(request) for request in finds} == {0, 1, 2}  # nobody had to unfold
    plans = [r for kind in KINDS[:2] for r in asked[kind] if task_of(r) == "plan-1"]
    assert all("not by choice" in request["messages"][3]["content"] for request in plans)
    for request in asked["otherwise"]:
        assert "not by choice" not in request["messages"][3]["content"]
        assert laid_out(request) == []


def test_the_checker_sees_question_and_neighbouring_sentences_unless_they_are_switched_off(asked):
    judged = [prompt for prompt in asked["judged"] if "<claims>" not in prompt]
    with_question = [prompt for prompt in judged if ROWS[0]["question"] in prompt]
    assert with_question
    assert all("<beside>" in prompt for prompt in with_question)
    without = [prompt for prompt in judged if prompt not in with_question]
    assert without
    assert all("<question>" not in p and "<beside>" not in p for p in without)


def test_a_document_of_more_than_half_the_models_window_is_cut(tmp_path):
    layer = tmp_path / "small.yaml"
    layer.write_text("models: {openai/scripted: {context_tokens: 12000}}\n")
    words = (*ONE, "-c", str(layer), "-s", "delm-documents")
    _, folder, requests = play(tmp_path, ReadingScript(ANSWERS), *words)
    assert not any("<document>" in json.dumps(request["messages"]) for request in requests)
    assert query(folder, "SELECT count(*) AS n FROM board_task WHERE kind = 'read'")[0]["n"] > 2


def test_a_document_that_the_model_refuses_whole_is_cut(tmp_path):
    """Of a model whose window nobody knows."""

    class Short(ReadingScript):
        def __call__(self, request, n):
            if "<document>" in json.dumps(request["messages"]):
                error = {"code": "context_length_exceeded"}
                return Status(400, "maximum context length", error=error)
            return super().__call__(request, n)

    _, folder, _ = play(tmp_path, Short(ANSWERS), *ONE, "-s", "delm-documents")
    (made,) = query(folder, "SELECT patch, reason FROM submission")
    assert (made["patch"], made["reason"]) == (ROWS[0]["answer"], "finished")
    tasks = query(folder, "SELECT label, kind, state FROM board_task")
    assert {task["state"] for task in tasks} == {"done"}
    assert [task["label"] for task in tasks if task["kind"] == "plan"] == ["plan-1", "plan-2"]
    assert sum(task["kind"] == "read" for task in tasks) > 2


def test_a_document_fits_by_its_tokens_and_by_the_models_window():
    class Asked:
        context_tokens = 0

        def count_tokens(self, text):
            return len(text.split())

    trial, text = Asked(), "word " * 100
    assert fits(trial, text, 100)
    assert not fits(trial, text, 99)
    assert not fits(trial, text, 0)
    trial.context_tokens = 200
    assert fits(trial, text, 1_000)
    trial.context_tokens = 198
    assert not fits(trial, text, 1_000)
    assert not fits(trial, "x" * 10_000, 100)  # one word, and too many characters for a hundred


def test_every_ablation_file_has_options_that_the_system_takes():
    from agents.documents import DelmDocuments

    names = [name for name in system_names() if name.startswith("delm-documents")]
    assert len(names) == 4
    for name in names:
        DelmDocuments.Options.model_validate(system_config(name).options)
