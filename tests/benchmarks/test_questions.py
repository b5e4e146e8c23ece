"""LongBench-v2's rows, the bundled set in their form, and a run over it."""

import csv
import hashlib
import json
import re

import pytest
from console import QUESTIONS, delm_here, query, refused
from scripted_model import ScriptedModel

from agents.documents.full_context import choice_of, middle_left_out
from harness.benchmarks.longbench.documents import read_document
from harness.benchmarks.longbench.generated import rows
from harness.benchmarks.longbench.grading import AnswerGrader
from harness.benchmarks.rows import load
from harness.errors import DocumentUnavailable, UserError

ROW = {
    "_id": "66f4",
    "domain": "Multi-Document QA",
    "sub_domain": "Legal",
    "difficulty": "hard",
    "length": "short",
    "question": "Who won?",
    "choice_A": "One",
    "choice_B": "Two",
    "choice_C": "Three",
    "choice_D": "Four",
    "answer": "C",
    "context": "First: they met.\u2028Then \U0001f600 they fought.",
}


def written(folder, *changes, name="rows.jsonl"):
    """A file of rows like `ROW`, each with its changes."""
    path = folder / name
    path.write_text("".join(json.dumps(ROW | change) + "\n" for change in changes))
    return str(path)


def test_a_question_has_its_text_in_the_cache_once_and_its_answer_apart(tmp_path):
    found = load(written(tmp_path, {}, {"_id": "other"}), cache=tmp_path).items
    assert [item.instance.instance_id for item in found] == ["66f4", "other"]
    (one, other) = (item.instance for item in found)
    assert one.document == other.document
    assert read_document(one.document, tmp_path) == ROW["context"]
    assert len(list((tmp_path / "documents").rglob("*.txt"))) == 1
    assert one.domain == "Legal"
    assert one.choices == {"A": "One", "B": "Two", "C": "Three", "D": "Four"}
    assert found[0].reference.letter == "C"
    assert "answer" not in str(one).lower()


def test_questions_of_other_domains_are_left_out(tmp_path):
    found = load(written(tmp_path, {"domain": "Code"}, {"_id": "b"}), cache=tmp_path).items
    assert [item.instance.instance_id for item in found] == ["b"]
    with pytest.raises(UserError, match="no rows of the domain Multi-Document QA"):
        load(written(tmp_path, {"domain": "Code"}), cache=tmp_path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"answer": "E"}, r"line 2 \(b\) has a bad field answer"),
        ({"_id": "../b"}, "bad field _id"),
        ({"context": ""}, "bad field context"),
        ({"question": 7}, "bad field question"),
        ({"_id": "66f4"}, "is there twice"),
    ],
)
def test_a_bad_row_is_named_with_its_fault(tmp_path, change, says):
    with pytest.raises(UserError, match=says):
        load(written(tmp_path, {}, {"_id": "b"} | change), cache=tmp_path)


def test_questions_and_issues_do_not_mix(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROW) + "\n" + json.dumps({"instance_id": "a__b-1"}) + "\n")
    with pytest.raises(UserError, match=r"line 2 \(a__b-1\) is of another benchmark"):
        load(str(path), cache=tmp_path)


def test_a_text_that_is_gone_is_infrastructure(tmp_path):
    with pytest.raises(DocumentUnavailable, match="cannot be read"):
        read_document("0" * 64, tmp_path)


# -- the bundled set ------------------------------------------------------------------------------


def numbers(pattern, text):
    """Of every match, its groups."""
    return [match.groups() for match in re.finditer(pattern, text)]


def solved(row):
    """The answer in words, computed from the text alone."""
    text = row["context"]
    if row["sub_domain"] == "Financial":
        old = numbers(r"report of (.+)\n(?:.|\n)*?before the one of this report was (\d+)", text)
        new = dict(numbers(r"year of this report (.+?) had a revenue of (\d+)", text))
        return max(old, key=lambda pair: int(new[pair[0]]) / int(pair[1]))[0]
    if row["sub_domain"] == "Governmental":
        spent = dict(numbers(r"roads office of (\w+) spent (\d+) thousand", text))
        ((place, truth),) = numbers(
            r"report of (\w+) is mistaken: on bridges its roads office spent (\d+)", text
        )
        return str(sum(int(cost) for cost in (spent | {place: truth}).values()))
    if row["sub_domain"] == "Legal":
        ((days,),) = numbers(r"has to tell of a fault is (\d+) days, and twice", text)
        ((told,),) = numbers(r"told the seller of it (\d+) days after", text)
        assert int(told) < 2 * int(days)
        return f"In time: of a hidden fault the buyer may tell within {2 * int(days)} days."
    if row["sub_domain"] == "Academic":
        seen = [effect for (effect,) in numbers(r", (\w+) was better with the treatment", text)]
        lost = {effect for (effect,) in numbers(r", (\w+) was no better with", text)}
        assert len(seen) == 3
        assert len(lost) == 3
        assert len(set(seen)) == 1
        assert seen[0] not in lost
        return seen[0]
    after = numbers(r"bridge of (\w+) was opened (\d+) days (after|before) that of", text)
    when = {place: int(days) * (1 if word == "after" else -1) for place, days, word in after}
    ((first,),) = numbers(r"bridge of (\w+) was opened today", text)
    return sorted(when | {first: 0}, key=(when | {first: 0}).get)[1]


@pytest.mark.parametrize("row", [row for _, row in rows()], ids=lambda row: row["_id"])
def test_the_answer_of_a_bundled_question_follows_from_its_documents(row):
    right = [letter for letter in "ABCD" if row[f"choice_{letter}"] == solved(row)]
    assert right == [row["answer"]]
    assert len({row[f"choice_{letter}"] for letter in "ABCD"}) == 4
    assert 20_000 <= len(row["context"]) <= 200_000
    parts = row["context"].split("\n\n\n")
    assert len(parts) >= 2
    assert all(part.startswith("Document: ") for part in parts)


def test_the_bundled_set_is_the_same_everywhere():
    text = json.dumps([row for _, row in rows()], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert digest == "e23c0b7946c6a942c996f178c30ac7640864ba179286bf888b5a93a8a9869770"


# -- base -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("So: The correct answer is (B).", "B"),
        ("**The correct answer is** **(D)**", "D"),
        ("the correct answer is C", "C"),
        ("The correct answer is (A). Or: the correct answer is (B)", "A"),
        ("The correct answer is Apples", ""),
        ("(B)", ""),
        ("", ""),
    ],
)
def test_an_answer_is_read_as_the_benchmark_reads_it(answer, letter):
    assert choice_of(answer) == letter


def test_what_does_not_fit_is_left_out_of_the_middle():
    text = "".join(f"{number:05} " for number in range(10_000))
    assert middle_left_out(text, 60_000, len) == text
    cut = middle_left_out(text, 6_000, len)
    head, _, tail = cut.partition("\n\n[… ")
    assert text.startswith(head)
    assert text.endswith(tail.partition("…]\n\n")[2])
    kept = len(head) + len(tail.partition("…]\n\n")[2])
    assert 5_800 <= kept <= 6_000
    assert f"{60_000 - kept:,} characters" in cut


async def test_letters_are_graded(tmp_path):
    (item,) = load(written(tmp_path, {}), cache=tmp_path).items
    grades = {
        answer: await AnswerGrader().grade(item, answer, model_name="m") for answer in "ABCD"
    } | {"": await AnswerGrader().grade(item, "", model_name="m")}
    assert {a: v.outcome for a, v in grades.items() if v.outcome == "resolved"} == {"C": "resolved"}
    assert grades["A"].reason == "answered A"
    assert grades[""].reason == "no answer"


# -- a run ----------------------------------------------------------------------------------------

KEYS = {"OPENAI_API_BASE": "http://x", "OPENAI_API_KEY": "none"}
RIGHT = {"offline-1", "offline-4", "offline-5"}
ANSWERS = {row["question"] + row["choice_A"]: row for _, row in rows()}


def reader(request, n):
    """Answers rightly where it is to, else the next letter; once it says nothing of use."""
    prompt = request["messages"][-1]["content"]
    assert request.get("tools") is None
    (row,) = (r for r in ANSWERS.values() if r["question"] in prompt and r["choice_A"] in prompt
              and r["choice_D"] in prompt)  # fmt: skip
    assert row["context"] in prompt
    if row["_id"] == "offline-2":
        return {"content": "I cannot tell."}
    letters = "ABCDA"
    wrong = letters[letters.index(row["answer"]) + 1]
    letter = row["answer"] if row["_id"] in RIGHT else wrong
    return {"content": f"The correct answer is ({letter})"}


@pytest.fixture(scope="module")
def a_run(tmp_path_factory):
    place = tmp_path_factory.mktemp("questions")
    with ScriptedModel(reader) as server:
        told = delm_here(
            *("eval", "-m", "openai/scripted", "-d", "longbench-offline", "--run-id", "run"),
            *("-s", "base", "-k", "2", "--yes", "-o", place),
            **KEYS | {"OPENAI_API_BASE": server.base_url},
            DELM_CACHE=str(place / "cache"),
        )
    assert told.code == 0, told.text
    return told, place / "run"


def test_a_run_scores_each_question_and_each_domain_alike(a_run):
    told, folder = a_run
    graded = query(
        folder,
        "SELECT instance_id, outcome, grade.reason FROM grade JOIN submission USING "
        "(submission_id) JOIN trial USING (trial_id)",
    )
    assert len(graded) == 16
    resolved = {row["instance_id"] for row in graded if row["outcome"] == "resolved"}
    assert resolved == RIGHT
    assert {row["reason"] for row in graded if row["instance_id"] == "offline-2"} == {"no answer"}
    # Financial 1 of 2, Governmental 1 of 2, Multi-news 0 of 1, Legal 0 of 2, Academic 1 of 1
    assert "base                                    50.0" in told.out
    (line,) = (line for line in told.out.splitlines() if line.endswith("40.0 ±0.0"))
    assert line.split() == ["base", "50.0", "50.0", "0.0", "0.0", "100.0", "40.0", "±0.0"]
    assert (
        "published: arXiv 2606.10662v1, on LongBench-v2 Multi-Doc QA, not on longbench-offline"
        in (told.out)
    )
    assert "sandbox: none" in told.out
    assert "configs/table.yaml" not in told.out


def test_a_run_scores_easy_and_hard_short_and_long_apart(a_run):
    told, folder = a_run
    # right: 1 (hard, short), 4 (hard, short), 5 (easy, short); wrong: 2, 7, 8 (easy, two of them
    # medium), 3 and 6 (hard, short)
    lines = told.out.splitlines()
    at = lines.index("accuracy by difficulty and length, %")
    assert lines[at + 1].split() == ["system", "easy", "hard", "short", "medium"]
    assert lines[at + 2].split() == ["base", "25.0", "50.0", "50.0", "0.0"]
    with (folder / "breakdown.csv").open(newline="") as file:
        rows_ = [row for row in csv.DictReader(file) if row["by"] == "length"]
    assert [(row["value"], row["instances"], float(row["avg_at_1"])) for row in rows_] == [
        ("short", "6", 0.5), ("medium", "2", 0.0),
    ]  # fmt: skip


def test_answers_are_kept_as_the_benchmarks_own_scoring_reads_them(delm, a_run, tmp_path):
    _, folder = a_run
    files = sorted(path.name for path in (folder / "preds").iterdir())
    assert files == ["base.2.jsonl", "base.jsonl"]
    kept = [json.loads(line) for line in (folder / "preds" / "base.jsonl").read_text().splitlines()]
    assert {row["_id"] for row in kept if row["judge"]} == RIGHT
    by_id = {row["_id"]: row for row in kept}
    bundled = {row["_id"]: row for _, row in rows()}
    for name, row in by_id.items():
        same = ("domain", "sub_domain", "difficulty", "length", "answer")
        assert {key: row[key] for key in same} == {key: bundled[name][key] for key in same}
        assert row["judge"] == (row["pred"] == row["answer"])
    assert by_id["offline-2"]["pred"] is None
    told = delm("export", folder, tmp_path / "answers.jsonl")
    assert told.code == 0, told.text
    assert (tmp_path / "answers.jsonl").read_bytes() == (
        folder / "preds" / "base.jsonl"
    ).read_bytes()


def test_a_run_holds_no_document_but_in_its_conversations(a_run):
    _, folder = a_run
    for path in folder.rglob("*.csv"):
        assert "left the arrangement as it was" not in path.read_text()


def test_the_bundled_recording_of_questions_replays_and_costs_what_it_cost(delm, tmp_path):
    """What `make longbench` runs."""
    told = delm("eval", "-m", f"replay:{QUESTIONS}", "--run-id", "run", "-o", tmp_path)
    assert told.code == 0, told.text
    assert "differs from the recorded one" not in told.out
    lines = told.out.splitlines()
    (domains,) = (n for n, line in enumerate(lines) if line.startswith("accuracy by domain"))
    assert lines[domains + 1].split() == ["system", "Financial", "Legal", "mean"]
    assert [line.split()[0] for line in lines[domains + 2 : domains + 6]] == [
        "base", "published:", "delm-documents", "published:",
    ]  # fmt: skip
    made = query(tmp_path / "run", "SELECT system, outcome FROM submission JOIN grade USING "
                 "(submission_id) JOIN trial USING (trial_id)")  # fmt: skip
    assert [row["outcome"] for row in made] == ["resolved"] * 8
    assert {row["system"] for row in made} == {"base", "delm-documents"}
    story = delm("show", tmp_path / "run", "offline-1", "-s", "delm-documents").out
    assert re.search(r"answer by agent-\d: A, resolved; cites F1 \(agent-\d, plan-1\)", story)
    assert re.search(r"answer by agent-\d: A, resolved; cites F1 \(agent-\d, find-1\)", story)
    assert "document: “Revenue in the year before the one of this report was 236 mill" in story


def test_systems_of_issues_do_not_take_questions_nor_the_other_way(delm, place):
    model = ("-m", "openai/scripted", "--yes")
    told = delm("eval", *model, "-d", "longbench-offline", "-s", "single", **KEYS)
    refused(told, "single does not take instances of longbench-v2", "take (-s", "base")
    told = delm("eval", *model, "-d", "verified-offline", "-s", "base", **KEYS)
    refused(told, "base does not take instances of swe-bench", "single")
