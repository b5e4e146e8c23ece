"""What trials and processes of a run share of a document's preparation, and what they do not."""

import json
import time
from collections import Counter

import pytest
from console import delm_here, query, start, wait_for
from reading_script import ANSWERS, ROWS, ReadingScript, own_turns, play, text_of, tools_of
from scripted_model import ScriptedModel

pytestmark = pytest.mark.slow(seconds=8)

RUNNING = "SELECT DISTINCT owner FROM trial WHERE state = 'running'"


def test_two_processes_at_the_same_part_at_once_buy_its_preparation_once(tmp_path):
    class Slow(ReadingScript):
        def read(self, request):  # not before both are at it
            wait_for(lambda: self.both or len(query(tmp_path / "run", RUNNING)) == 2, "the second")
            self.both = True
            time.sleep(1)
            return super().read(request)

        both = False

    words = (
        *("eval", "-m", "openai/scripted", "-d", "longbench-offline", "-i", ROWS[0]["_id"]),
        *("-s", "readagent", "-k", "2", "-w", "1", "--run-id", "run", "-o", tmp_path, "--yes"),
    )
    with ScriptedModel(Slow(ANSWERS)) as server:
        env = {"OPENAI_API_BASE": server.base_url, "OPENAI_API_KEY": "none"}
        both = [start(*words, **env, DELM_CACHE=str(tmp_path / "cache")) for _ in range(2)]
        told = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    owners = query(tmp_path / "run", "SELECT owner, reason FROM trial")
    assert len({row["owner"] for row in owners}) == 2
    assert [row["reason"] for row in owners] == ["finished"] * 2
    parts = Counter(r["messages"][0]["content"] for r in server.requests if "gist" in tools_of(r))
    assert len(parts) > 2
    assert set(parts.values()) == {1}


def test_documents_that_differ_by_a_date_alone_share_nothing(tmp_path):
    may, june = (f"The treaty was signed on 2021-0{n}-04 at 10:0{n}, as it says." for n in (5, 6))
    filler = "It is told at length what everybody said of it before and after, and why. " * 90
    path = tmp_path / "rows.jsonl"
    lines = [
        ROWS[0] | {"_id": f"treaty-{n}", "context": f"{filler}\n\n{day}\n\n{filler}"}
        for n, day in enumerate((may, june, may))
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    _, _, requests = play(tmp_path, ReadingScript(ANSWERS), "-s", "readagent", dataset=str(path))
    asked = Counter(text_of(r) for r in requests if "gist" in tools_of(r) and own_turns(r) == 0)
    signed = [text for text in asked if "treaty" in text]
    assert sorted("2021-06" in text for text in signed) == [False, True]
    assert set(asked.values()) == {1}  # the third document is the first again


def test_a_replay_pays_each_part_once_as_it_was_paid_for(tmp_path):
    recording = tmp_path / "recording.jsonl"
    words = ("-i", ROWS[0]["_id"], "-s", "delm-documents-parts", "-n", "2", "-k", "2")
    play(tmp_path, ReadingScript(ANSWERS), *words, "--record", str(recording))
    told = delm_here("eval", "-m", f"replay:{recording}", "--run-id", "again", "-o", tmp_path,
                     DELM_CACHE=str(tmp_path / "cache"))  # fmt: skip
    assert told.code == 0, told.text
    assert "differs from the recorded one" not in told.text
    shared = query(
        tmp_path / "again",
        "SELECT prompt_sha256, sum(paid_call IS NULL) AS paid, count(*) AS asked FROM call "
        "WHERE conversation LIKE 'read-%' GROUP BY prompt_sha256",
    )
    assert {(row["paid"], row["asked"]) for row in shared} == {(1, 2)}
