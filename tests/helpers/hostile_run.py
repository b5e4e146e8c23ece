"""A run in which everything that somebody else may write tries to get out of its place in a page.

The rows are those of a real run, with the texts changed in the database itself: names grow a piece
of markup wherever they stand, and texts become long, or hold what ends a script, a comment or a
terminal's line.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from browsing import CANARY
from shared_run import INSTANCE

SCRIPT = f"<script>{CANARY}()</script>"
IMAGE = f"<img src=x onerror={CANARY}()>"
NAMES = {  # no quotation marks and no backslashes: they stand in JSON, too
    INSTANCE: f"{INSTANCE}{SCRIPT}",
    "pallets/flask": f"pallets/flask' onfocus={CANARY}() autofocus x='",
    "offline-1": f"offline-1{SCRIPT}",
    "agent-1": f"agent-1{IMAGE}",
    "patch-2": f"patch-2]]><svg onload={CANARY}()>",
    "url_prefix": f"url_prefix</pre></textarea></title></script>{SCRIPT}<!--",
    "openai/bridge": f"openai/bridge{IMAGE}",
}
RUN_ID = f"run{IMAGE}'\"&%2e#?"
TEXT = (
    f"\x1b[31mred\x1b[0m\x1b]8;;javascript:{CANARY}()\x07link\x1b]8;;\x07 "
    "\u202egnirts\u2066\u202c \x08\x7f\ufeff\U0001f4a5 {{ 7*7 }} "
    f"]]> --> </script>{SCRIPT}{IMAGE}<a href='javascript:{CANARY}()'>x</a> "
)
LONG = "W" * 5_000_000  # one word, one line
TEXTS = {  # what is a text of its own: table and columns
    "trial": ("reason", "detail", "audit"),
    "call": ("error",),
    "grade": ("reason",),
    "board_task": ("text",),
    "board_proposal": ("gist", "summary", "reason"),
    "board_entry": ("gist", "summary", "raw"),
    "board_mark": ("by", "reason"),
    "intervention": ("by", "reason"),
    "label": ("author", "comment"),
    "instance": ("difficulty", "asked", "gold"),
    "submission": ("reason",),
}
INTERVENTION = """INSERT INTO intervention (at, by, reason, action, trial_id, target, value)
    SELECT started_at, 'Ada', 'why', 'raise', trial_id, 'agent-1', '1' FROM trial"""
MARK = """INSERT INTO board_mark SELECT trial_id, 1, label, 'vetoed', at, 'Ada', 'why'
    FROM board_entry WHERE position = 1"""
LONGEST = {"board_entry": "raw", "instance": "asked", "trial": "detail", "label": "comment"}


def make_hostile(run: Path) -> Path:
    """The run, changed and renamed."""
    with closing(sqlite3.connect(run / "run.db", isolation_level=None)) as database:
        database.execute(MARK)
        database.execute(INTERVENTION)
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"
                                        ).fetchall():  # fmt: skip
            database.execute(f"DROP TRIGGER {name}")
        database.execute("PRAGMA foreign_keys = OFF")
        database.execute("BEGIN")
        for table, column in _columns(database):
            if column in TEXTS.get(table, ()):
                database.execute(f'UPDATE "{table}" SET "{column}" = ? || "{column}"', (TEXT,))
            if LONGEST.get(table) == column:
                database.execute(
                    f'UPDATE "{table}" SET "{column}" = "{column}" || ? '
                    f'WHERE rowid = (SELECT max(rowid) FROM "{table}")',
                    (LONG,),
                )
            for old, new in NAMES.items():
                database.execute(
                    f'UPDATE "{table}" SET "{column}" = replace("{column}", ?, ?) '
                    f'WHERE instr("{column}", ?)',
                    (old, new, old),
                )
        _lengthen(database)
        database.execute("COMMIT")
    return run.rename(run.with_name(RUN_ID))


def _columns(database: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    for (table,) in database.execute(tables).fetchall():
        for _, column, kind, *_ in database.execute(f'PRAGMA table_info("{table}")').fetchall():
            if kind == "TEXT":
                yield table, column


def _lengthen(database: sqlite3.Connection) -> None:
    """A patch with a line of 5 MB, an answer and a command's output of as many."""
    database.execute(
        "UPDATE submission SET patch = patch || '+' || ? || char(10)"
        " WHERE submission_id = (SELECT max(submission_id) FROM submission)",
        (LONG,),
    )
    database.execute(
        "UPDATE message SET content = json_set(content, '$.content', ? || ?)"
        " WHERE json_extract(content, '$.role') IN ('tool', 'user')"
        " AND message_id IN (SELECT max(message_id) FROM message"
        " WHERE json_extract(content, '$.role') IN ('tool', 'user') GROUP BY trial_id)",
        (TEXT, LONG),
    )
    database.execute(
        "UPDATE call SET reply = json_set(reply, '$.content', ? || ?) WHERE call_id ="
        " (SELECT max(call_id) FROM call WHERE reply IS NOT NULL)",
        (TEXT, LONG),
    )
