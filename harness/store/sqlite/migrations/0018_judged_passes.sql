-- A person may accept a suspect pass; a CHECK can be changed only in the schema's own text.
PRAGMA writable_schema = ON;
UPDATE sqlite_master SET sql = replace(sql, '''pin'', ''veto'')', '''pin'', ''veto'', ''accept'', ''refuse'')')
WHERE type = 'table' AND name = 'intervention';
PRAGMA writable_schema = RESET;
