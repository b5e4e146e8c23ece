-- The tables of interventions come with the schema; agents may wait because a person paused the run.
-- with: span.what
ALTER TABLE span RENAME TO span_before;

-- with: span_before.what
CREATE TABLE span (
    span_id INTEGER PRIMARY KEY,
    trial_id INTEGER NOT NULL REFERENCES trial,
    agent TEXT NOT NULL,
    what TEXT NOT NULL
        CHECK (what IN ('command', 'admission', 'peer', 'barrier', 'main', 'turn', 'paused')),
    started_at TEXT NOT NULL,
    seconds REAL NOT NULL
) STRICT;

-- with: span_before.what
INSERT INTO span SELECT * FROM span_before;

-- with: span_before.what
DROP TABLE span_before;

-- with: board_entry.label
CREATE TABLE IF NOT EXISTS board_mark (
    trial_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    label TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('pinned', 'vetoed')),
    at REAL NOT NULL,
    by TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (trial_id, position),
    UNIQUE (trial_id, label, kind),
    FOREIGN KEY (trial_id, label) REFERENCES board_entry (trial_id, label)
) STRICT;
