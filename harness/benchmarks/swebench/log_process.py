"""The process in which `swebench` reads one test log; `read_log` starts it.

The folder that it is given holds the log and a request; what it reads is written to standard
output, as JSON. A log is hostile: what a parser raises ends the process with one line on standard
error and the exit status `RAISED`, and so does a log that names too many tests. More memory than it
may have is a `MemoryError`; one that takes more processor time than it may is killed by the kernel,
whatever became of who asked.
"""

import json
import os
import resource
import signal
import sys
from pathlib import Path
from types import TracebackType

from harness.benchmarks.swebench import official

LOG, REQUEST = "test_output.txt", "request.json"
RAISED = 70
MOST_CHARS = 20_000_000  # of the answer; 50,000 tests with long names have a quarter of it


def main() -> None:
    """Read the log in the given folder."""
    folder = Path(sys.argv[1])
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a parser prints is no answer
    official.import_what_grades()
    request = json.loads((folder / REQUEST).read_bytes())
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    memory = request["memory_bytes"]
    if most == resource.RLIM_INFINITY or most > memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, most))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # it kills
    signal.setitimer(signal.ITIMER_PROF, request["seconds"])
    sys.excepthook = _tell
    answer = json.dumps(official.read(request["spec"], request["prediction"], folder / LOG))
    if len(answer) > MOST_CHARS:
        raise ValueError("the log names more tests than any project has")
    answers.write(answer)
    answers.flush()


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
