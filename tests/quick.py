"""`make test-quick`: the tests of a contributor's loop, which need no service and little time.

Left out are files whose tests run whole commands, real sandboxes, many processes or many examples.
"""

import pytest

SERVICES = {"kind", "sandbox", "shared", "bench", "court"}  # fixtures that open real sandboxes
LONG = {  # files that take more than four seconds of processor time
    "board_machine", "board_processes", "budget_storm", "changed_runs", "dataset_check",
    "docker_client", "doctor", "every_figure", "guarded_script", "help", "json", "log_reader",
    "no_room", "plots", "provider_refusals", "questions", "questions_commands", "reading",
    "reading_shared", "refusals", "row_forms", "rows", "run_folders", "system_errors", "wheel",
    "own_benchmark", "external", "secrets", "refusals_of_runs", "signals", "first_call",
    "begin_replay",
}  # fmt: skip
REAL = {  # files that open sandboxes in another way
    "calibrate", "central_real", "claims", "costs", "delm", "docker_faults", "environments", "eval",
    "eval_begin", "eval_docker", "eval_stop", "experiments", "floor", "forged_passes", "grade",
    "grade_docker", "grading_limits", "guide", "hostile", "images", "disk", "lint", "providers_run",
    "reaping", "resume", "table", "unusual_tests", "wall_clock", "coordination", "findings",
    "admission_real", "registry", "exports", "atif", "importers", "show", "compare",
}  # fmt: skip


def is_quick(item: pytest.Item) -> bool:
    """Whether a test belongs to the loop."""
    name = item.path.stem.removeprefix("test_")
    uses = set(getattr(item, "fixturenames", ()))
    return name not in LONG | REAL and item.path.parent.name != "sandbox" and not uses & SERVICES
