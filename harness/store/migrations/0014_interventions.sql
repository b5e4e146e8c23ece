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
