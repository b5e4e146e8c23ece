"""How long documents take to be cut: 5 MB of several kinds, the worst for the splitter among them.

    python scripts/bench_split.py [--quick]

The last line is the figure. Exit code 1: one took 2 s or more.
"""

import argparse
import sys
import time

from rich.console import Console
from rich.table import Table

from agents.documents.chunking import split

SIZE = 5_000_000
LIMIT_S = 2.0
KINDS = {
    "a heading on each line": "Section 1.\n",
    "headings between blank lines": "Title: a\n\n",
    "sentences": "It was so, and it stayed so. ",
    "short lines": ".)\n",
    "blank lines": "\n",
    "one word": "x",
}


def main() -> None:
    parser = argparse.ArgumentParser(description="How long documents take to be cut.")
    parser.add_argument("--quick", action="store_true", help="once instead of three times")
    options = parser.parse_args()
    table = Table(title="5 MB, processor time", title_justify="left")
    for column in ("a document of", "pieces", "seconds"):
        table.add_column(column, justify="left" if column == "a document of" else "right")
    longest = 0.0
    for kind, unit in KINDS.items():
        text = unit * (SIZE // len(unit))
        took = []
        for _ in range(1 if options.quick else 3):
            began = time.process_time()
            pieces = split(text)
            took.append(time.process_time() - began)
        longest = max(longest, *took)
        table.add_row(kind, f"{len(pieces):,}", f"{max(took):.2f}")
    Console().print(table)
    print(f"{longest:.2f} s at most for 5 MB, {LIMIT_S:g} s allowed")
    sys.exit(longest >= LIMIT_S)


if __name__ == "__main__":
    main()
