-- A store of an earlier version becomes one of this: each statement changes what is not so yet.

-- name: open_schema
PRAGMA writable_schema = ON;

-- name: trial
-- a trial may be failed; a CHECK can be changed only in the schema's own text
UPDATE sqlite_master SET sql = replace(sql, '''done'', ''error''', '''done'', ''failed'', ''error''')
WHERE type = 'table' AND name = 'trial';

-- name: close_schema
PRAGMA writable_schema = RESET;

-- name: grade
ALTER TABLE grade ADD COLUMN unchecked TEXT NOT NULL DEFAULT '[]';

-- name: board_view
-- the board makes it anew
DROP VIEW IF EXISTS board_whole_task;

-- name: board_task
-- several agents may be excluded
UPDATE board_task SET excluded = json_array(excluded) WHERE excluded NOT LIKE '[%';
