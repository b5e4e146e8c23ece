-- An entry may replace another one, or equal it. The board makes its triggers anew.
-- with: board_link.source
ALTER TABLE board_link RENAME TO board_link_before;

-- with: board_link_before.source
CREATE TABLE board_link (
    trial_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    source TEXT NOT NULL,
    target TEXT NOT NULL,
    kind TEXT NOT NULL
        CHECK (kind IN ('cites', 'refutes', 'contradicts', 'replaces', 'equals')),
    at REAL NOT NULL,
    PRIMARY KEY (trial_id, position),
    UNIQUE (trial_id, source, target, kind),
    FOREIGN KEY (trial_id, target) REFERENCES board_entry (trial_id, label)
) STRICT;

-- with: board_link_before.source
INSERT INTO board_link SELECT * FROM board_link_before;

-- with: board_link_before.source
DROP TABLE board_link_before;
