-- Which admitted patch a submission is built on, or is a copy of; earlier runs knew neither.
-- without: submission.built_on
ALTER TABLE submission ADD COLUMN built_on TEXT NOT NULL DEFAULT '';

-- without: submission.copy_of
ALTER TABLE submission ADD COLUMN copy_of TEXT NOT NULL DEFAULT '';
