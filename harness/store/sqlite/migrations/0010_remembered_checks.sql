-- An entry's check may have been answered from the check cache; earlier runs do not say.
-- with: board_proposal.number
-- without: board_proposal.remembered
ALTER TABLE board_proposal ADD COLUMN remembered INTEGER;

-- The board makes it anew.
DROP TRIGGER IF EXISTS board_proposal_settled;
