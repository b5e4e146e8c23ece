"""What in the code of a patch looks at its caller instead of doing what is asked."""

import difflib

from agents.admission.evidence import Refused
from harness.text.caller_looks import Look, looks

KINDS = frozenset(
    (
        "code",
        "ending",
        "environment",
        "equal-to-anything",
        "forged-words",
        "frames",
        "framework",
        "instance-checks",
        "output",
        "own-file",
        "replaced",
        "tracing",
    )
)


def judge_added_code(path: str, old: str, new: str) -> None:
    """`Refused` for code that looks at its caller, its own text or ends the interpreter, where the
    file did not do so before."""
    matcher = difflib.SequenceMatcher(None, old.split("\n"), new.split("\n"), autojunk=False)
    added = {
        number + 1
        for tag, _, _, first, last in matcher.get_opcodes()
        if tag in ("insert", "replace")
        for number in range(first, last)
    }
    baseline: tuple[Look, ...] = looks(old, None, path=path)
    for look in looks(new, added, path=path, baseline=baseline):
        if look.kind in KINDS:
            raise Refused(
                f"{path}:{look.line} ({look.text[:120]}): {look.why}. Product code does not look "
                "at who calls it; mend what it does."
            )
