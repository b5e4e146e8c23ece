"""Labels and what they quote, for tests."""

from typing import Any

from harness.analysis.narrative import TrialRecord
from harness.labels.places import Material

TRIAL = {"trial_id": 1, "state": "done", "reason": "finished", "detail": "", "audit": "ok"}


def label(number: int, said: str = "legitimate", by: str = "Ada", **more: Any) -> dict[str, Any]:
    """A row of `Store.labels`."""
    row = {
        "label_id": number, "trial_id": 1, "submission_id": None, "label": said, "author": by,
        "by_model": 0, "confidence": None, "comment": "", "evidence": [], "replaces": None,
        "created_at": "2026-01-01T00:00:00.000+00:00", "system": "single", "instance_id": "a__a-1",
        "trial": 0, "attempt": 0, "replaced_by": None,
    }  # fmt: skip
    return row | more


def submission(number: int = 3, **more: Any) -> dict[str, Any]:
    """A row of `Store.submissions`, as far as labels read it."""
    status = {"FAIL_TO_PASS": {"success": [], "failure": ["t.py::test_a[x=1]"]},
              "PASS_TO_PASS": {"success": ["t.py::test_b"], "failure": []}}  # fmt: skip
    row = {
        "submission_id": number, "trial_id": 1, "author": f"patch-{number}", "patch": "+x = 1\n",
        "outcome": "unresolved", "grade_reason": "FAIL_TO_PASS 0 of 1", "official": "unresolved",
        "flags": [], "unchecked": [], "looks": [], "report": {"a__a-1": {"tests_status": status}},
    }  # fmt: skip
    return row | more


def material(**more: Any) -> Material:
    """A trial with two messages, a call, an entry and a submission."""
    call = {"function": {"name": "bash", "arguments": '{"command": "grep -n \\"x = 1\\" a.py"}'}}
    parts = {
        "trial": TRIAL,
        "messages": {"c#1": [{"role": "user", "content": "Solve the issue."},
                             {"role": "assistant", "content": None, "tool_calls": [call]},
                             {"role": "user", "content": [{"type": "text", "text": "in parts"}]}]},
        "record": TrialRecord(
            tasks=[], links=[], events=[],
            entries=[{"label": "F1", "gist": "a gist", "summary": "a summary", "raw": "the raw"}],
            proposals=[{"number": 2, "gist": "other gist", "summary": "s", "reason": "no proof"}],
            calls=[{"call_id": 7, "reply": {"content": "I looked."}, "error": ""},
                   {"call_id": 8, "reply": None, "error": "ModelRefused: no"}],
            submissions=[submission()],
        ),
    }  # fmt: skip
    return Material(**parts | more)
