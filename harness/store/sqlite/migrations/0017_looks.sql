-- without: grade.looks
ALTER TABLE grade ADD COLUMN looks TEXT NOT NULL DEFAULT '[]';
