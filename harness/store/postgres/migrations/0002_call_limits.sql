-- How many calls of a model may be under way, and those of each process: see
-- harness/store/sqlite/store.sql.
CREATE TABLE call_limit (
    model text COLLATE "C" PRIMARY KEY,
    total float8 NOT NULL CHECK (total >= 1),
    ceiling bigint NOT NULL,
    epoch bigint NOT NULL,
    rising bigint NOT NULL CHECK (rising IN (0, 1)),
    paused_until timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE call_slot (
    owner text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL,
    busy bigint NOT NULL,
    waiting bigint NOT NULL,
    PRIMARY KEY (owner, model)
) WITH (fillfactor = 50);
