"""The process in which `swebench` reads one test log; `read_log` starts it.

The folder that it is given holds the log and a request; what it reads is written to standard
output, as JSON. A log is hostile: what a parser raises ends the process with one line on standard
error and the exit status `RAISED`, and so does a log that names too many tests. More memory than it
may have is a `MemoryError`; one that takes more processor time than it may is killed by the kernel,
whatever became of who asked. It begins up to five times in each grading, so it imports nothing of
this project: that would take as long as everything else that it does.
"""

import json
import os
import resource
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

LOG, REQUEST = "test_output.txt", "request.json"
RAISED = 70
MOST_CHARS = 20_000_000  # of the answer; 50,000 tests with long names have a quarter of it


def main() -> None:
    """Read the log in the given folder."""
    folder = Path(sys.argv[1])
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a parser prints is no answer
    _import_what_grades()
    request = json.loads((folder / REQUEST).read_bytes())
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    memory = request["memory_bytes"]
    if most == resource.RLIM_INFINITY or most > memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, most))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # it kills
    signal.setitimer(signal.ITIMER_PROF, request["seconds"])
    sys.excepthook = _tell
    answer = json.dumps(_read(request["spec"], request["prediction"], folder / LOG))
    if len(answer) > MOST_CHARS:
        raise ValueError("the log names more tests than any project has")
    answers.write(answer)
    answers.flush()


def _import_what_grades() -> None:
    """Import what `_read` needs.

    The module of the package `swebench.harness` itself is not run: it imports Docker's client,
    Modal and pandas, which takes 1.5 s and 160 MB; the rest takes 0.1 s and 18 MB.
    """
    import swebench

    package = ModuleType("swebench.harness")
    package.__path__ = [str(Path(folder) / "harness") for folder in swebench.__path__]
    sys.modules[package.__name__] = package
    import swebench.harness.grading


def _read(spec: Mapping[str, Any], prediction: Mapping[str, str], log: Path) -> dict[str, Any]:
    """What `swebench` says of a prediction whose tests wrote `log`: `report` holds by instance its
    official report, `statuses` by test what the parser reads.

    Parsers are not made for hostile logs: they raise whatever Python raises, and need not end.
    """
    from swebench.harness.grading import get_eval_report, get_logs_eval
    from swebench.types import TestSpec

    official = TestSpec(**spec)
    report = get_eval_report(official, dict(prediction), str(log), include_tests_status=True)
    statuses, _ = get_logs_eval(official, str(log))
    return {"report": report, "statuses": statuses}


def _tell(kind: type[BaseException], error: BaseException, place: TracebackType | None) -> None:
    """Print the exception and its function in one line."""
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_name}: " if place else ""
    said = " ".join(f"{kind.__name__}: {error}".split())
    print(f"{where}{said[:300]}", file=sys.stderr, flush=True)
    os._exit(RAISED)


if __name__ == "__main__":
    main()
