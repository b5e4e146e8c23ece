-- From 6, or from 7, which was under development and had a part of this already.

-- A trial may be failed; a CHECK can be changed only in the schema's own text.
PRAGMA writable_schema = ON;
UPDATE sqlite_master SET sql = replace(sql, '''done'', ''error''', '''done'', ''failed'', ''error''')
WHERE type = 'table' AND name = 'trial';
PRAGMA writable_schema = RESET;

-- without: grade.unchecked
ALTER TABLE grade ADD COLUMN unchecked TEXT NOT NULL DEFAULT '[]';

-- The board makes it anew.
DROP VIEW IF EXISTS board_whole_task;

-- Several agents may be excluded.
-- with: board_task.excluded
UPDATE board_task SET excluded = json_array(excluded) WHERE excluded NOT LIKE '[%';
