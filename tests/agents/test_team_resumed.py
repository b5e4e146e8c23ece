"""A run of `delm` that is killed and goes on: real sandboxes, a scripted model over real HTTP."""

import contextlib
import os
import signal
import threading
from pathlib import Path

import pytest
from console import FLASK, bundled, own_cache, query, start, wait_for
from scripted_model import Hang, ScriptedModel
from team_run import evaluate, said
from team_script import task_of, team, turn_of

pytestmark = pytest.mark.slow(seconds=60)


def handed_in(run: Path) -> bool:
    """Whether the task of the first seat is done."""
    done = "SELECT 1 FROM board_whole_task WHERE label = 'patch-1' AND state = 'done'"
    return bool(query(run, done))


def test_what_was_answered_is_not_asked_again_also_in_a_carried_conversation(tmp_path):
    """It is killed while the second seat waits for an answer, and the first has handed in, in the
    conversation in which its agent had localized."""
    bundled(FLASK)
    usual, held, killed = team(), threading.Event(), threading.Event()
    cache = own_cache(tmp_path / "cache")

    def script(request: dict, n: int) -> object:
        if task_of(request) == "patch-2" and turn_of(request) == 1 and not killed.is_set():
            held.set()
            return Hang(120)
        return usual(request, n)

    with ScriptedModel(script) as server:
        words, variables = said(server, tmp_path, "cut", "-n", "2", cache=cache)
        process = start(*map(str, words), **variables)
        try:
            wait_for(
                lambda: (
                    (held.is_set() and handed_in(tmp_path / "cut")) or process.poll() is not None
                ),
                "both seats at work",
                seconds=120,
            )
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        killed.set()
        before = len(server.requests)
        told = evaluate(server, tmp_path, "cut", "-n", "2", cache=cache)
        assert told.code == 0, told.text
    again = [(task_of(request), turn_of(request)) for request in server.requests[before:]]
    assert again == [("patch-2", 1)]  # of which there was no answer
    rows = query(
        tmp_path / "cut",
        "SELECT conversation, position FROM call WHERE paid_call IS NOT NULL ORDER BY 1, 2",
    )
    served = [(row["conversation"], row["position"]) for row in rows]
    assert {("localize-1", 0), ("patch-1", 0), ("patch-1", 1), ("patch-2", 0)} <= set(served)
    trials = query(tmp_path / "cut", "SELECT attempt, state FROM trial ORDER BY 1")
    assert [tuple(row.values()) for row in trials] == [(0, "cancelled"), (1, "done")]
