-- How many calls of a model may be under way is shared by the processes of a run.
CREATE TABLE IF NOT EXISTS call_limit (
    model TEXT PRIMARY KEY,
    total REAL NOT NULL CHECK (total >= 1),
    ceiling INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    rising INTEGER NOT NULL CHECK (rising IN (0, 1)),
    paused_until REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS call_slot (
    owner TEXT NOT NULL,
    model TEXT NOT NULL,
    busy INTEGER NOT NULL,
    waiting INTEGER NOT NULL,
    PRIMARY KEY (owner, model)
) STRICT, WITHOUT ROWID;
