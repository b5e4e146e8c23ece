"""How long it takes to look for secrets in a text: a million characters of several kinds.

    python scripts/bench_redact.py [--secrets N]

The worst for the search are among them. The last line is the figure. Exit code 1: one took 5 s or
more.
"""

import argparse
import json
import random
import string
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

import harness
from harness.secrets import Secrets

SIZE = 1_000_000
LIMIT_S = 5.0


def main() -> None:
    parser = argparse.ArgumentParser(description="How long it takes to look for secrets.")
    parser.add_argument("--secrets", type=int, default=3, help="how many are known (3)")
    values = made_up(parser.parse_args().secrets)
    known = Secrets()
    known.learn(values)
    table = Table(title="a million characters, processor time", title_justify="left")
    table.add_column("a text of")
    table.add_column("ms", justify="right")
    longest = 0.0
    for kind, unit in kinds(values[0]).items():
        text = (unit * (SIZE // len(unit) + 1))[:SIZE]
        took = min(seconds(known, text) for _ in range(3))
        longest = max(longest, took)
        table.add_row(kind, f"{took * 1000:.0f}")
    Console().print(table)
    print(f"longest {longest:.2f} s")
    sys.exit(longest >= LIMIT_S)


def kinds(key: str) -> dict[str, str]:
    """A piece of each kind of text."""
    source = "".join(
        path.read_text() for path in sorted(Path(harness.__file__).parent.rglob("*.py"))
    )
    return {
        "source": source,
        "source in JSON": json.dumps(source),
        "Chinese": "\u4e2d\u6587\u6587\u672c\uff0c\u6ca1\u6709\u5bc6\u94a5\u3002",
        "backslashes": "\\",
        "percents of percents": "%2525",
        "HTML entities": "&amp;",
        "beginnings of colours": "\x1b[1",
        "zero-width spaces": "\u200b",
        "full-width letters": "\uff41",
        "most of a secret": f"{key[:-1]} ",
        "a secret, split so that it is none": '"'.join(key),
        "secrets": f"{key} ",
        "secrets in escapes": "".join(f"\\u{ord(c):04x}" for c in key) + " ",
    }


def made_up(count: int) -> list[str]:
    """So many secrets of 40 characters, always the same."""
    chance = random.Random(14)
    letters = string.ascii_letters + string.digits
    return ["sk-" + "".join(chance.choices(letters, k=37)) for _ in range(count)]


def seconds(known: Secrets, text: str) -> float:
    began = time.process_time()
    known.redact(text)
    return time.process_time() - began


if __name__ == "__main__":
    main()
