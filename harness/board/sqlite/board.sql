-- The board: tasks, leases, proposals, entries, and the event that each change leaves.
-- Times are seconds since the epoch in UTC. Several trials share the tables; nothing is ever deleted.
-- Events are written by triggers: no statement can change a task and leave no trace.

-- name: schema
-- open → claimed → done | failed; open → cancelled; claimed → open when its lease is lost or given
-- back (→ cancelled in a trial that is over). A lease that ran out stays claimed until another agent
-- takes the task: until then its holder may still renew or finish.
-- Only what changes, or is looked for with each claim: each change writes the whole row again, and a
-- text in it is copied twice; so NULL stands for what most tasks have none of.
CREATE TABLE IF NOT EXISTS board_task (
    task_id INTEGER PRIMARY KEY,
    trial_id INTEGER NOT NULL,
    number INTEGER NOT NULL,             -- 1, 2, … in the trial
    label TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'open'
        -- not IN: that would build a table of the five words with each update
        CHECK (state = 'claimed' OR state = 'done' OR state = 'open' OR state = 'failed'
            OR state = 'cancelled'),
    waiting INTEGER NOT NULL CHECK (waiting >= 0),  -- needs that are not done yet
    priority INTEGER NOT NULL,
    preferred TEXT,                      -- agent
    excluded TEXT,                       -- JSON: agents
    holder TEXT NOT NULL DEFAULT '',     -- who has it, or had it last
    lease REAL,                          -- until when
    attempts INTEGER NOT NULL DEFAULT 0, -- claims so far: the fencing token
    changed_at REAL NOT NULL,
    changed_by TEXT NOT NULL,            -- agent; '': the board itself
    reason TEXT NOT NULL DEFAULT '',     -- of the last change
    result TEXT,                         -- JSON
    place INTEGER AS (CASE               -- in board_task_next: 0 claimed, 1 free, 2 somebody's wish
        WHEN state = 'claimed' THEN 0
        WHEN state = 'open' AND waiting = 0 THEN iif(preferred IS NULL, 1, 2) END) STORED,
    CHECK ((state = 'claimed') = (lease IS NOT NULL)),
    CHECK ((attempts > 0) = (holder <> '')),
    CHECK (attempts > 0 OR state IN ('open', 'cancelled')),
    CHECK (waiting = 0 OR state IN ('open', 'cancelled')),
    CHECK (preferred <> '' AND excluded <> ''),
    UNIQUE (trial_id, number),
    UNIQUE (trial_id, label)
) STRICT;
-- One tree for all that changes with each claim, so that it is one page in each commit: the claimed
-- by the end of their leases, and right behind them the free in the order in which they are claimed.
CREATE INDEX IF NOT EXISTS board_task_next
    ON board_task (trial_id, place, lease, priority DESC, task_id, holder)
    WHERE place IS NOT NULL;
CREATE INDEX IF NOT EXISTS board_task_mine
    ON board_task (trial_id, preferred, priority DESC, task_id)
    WHERE preferred IS NOT NULL AND state = 'open' AND waiting = 0;

CREATE TABLE IF NOT EXISTS board_asked ( -- what a task asks for; it never changes
    task_id INTEGER PRIMARY KEY REFERENCES board_task,
    trial_id INTEGER NOT NULL,
    key TEXT NOT NULL,
    created_by TEXT NOT NULL,
    subject TEXT NOT NULL,
    after TEXT NOT NULL,                 -- JSON: the labels of board_need, in the order given
    text TEXT NOT NULL,
    UNIQUE (trial_id, key)
) STRICT;
CREATE VIEW IF NOT EXISTS board_whole_task AS
    SELECT board_task.trial_id, number, label, kind, text, state, priority, after,
        coalesce(preferred, '') AS preferred, coalesce(excluded, '[]') AS excluded, subject,
        created_by, holder, attempts, coalesce(result, '{}') AS result, task_id
    FROM board_task JOIN board_asked USING (task_id);

CREATE TABLE IF NOT EXISTS board_need (
    needed INTEGER NOT NULL REFERENCES board_task,
    task_id INTEGER NOT NULL REFERENCES board_task,
    PRIMARY KEY (needed, task_id),
    CHECK (needed < task_id)             -- so there are no circles
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS board_kind (  -- the numbers in labels that the board gave
    trial_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (trial_id, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS board_agent (
    trial_id INTEGER NOT NULL,
    agent TEXT NOT NULL CHECK (agent <> ''),
    alive_until REAL NOT NULL,
    gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)),  -- 1: it left
    changed_at REAL NOT NULL,
    PRIMARY KEY (trial_id, agent)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS board_closed (
    trial_id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    by TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS board_proposal (
    trial_id INTEGER NOT NULL,
    number INTEGER NOT NULL,             -- 1, 2, … in the trial
    at REAL NOT NULL,
    author TEXT NOT NULL,
    task TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('FACT', 'FAIL', 'CONSTRAINT', 'PATCH')),
    gist TEXT NOT NULL,
    summary TEXT NOT NULL,
    evidence TEXT NOT NULL,              -- JSON
    refutes TEXT NOT NULL,
    settled TEXT CHECK (settled IN ('admitted', 'merged', 'rejected')),
    settled_at REAL,
    seconds REAL,                        -- that the check took
    entry TEXT,                          -- label of the entry that it is, or was merged into
    unverified INTEGER NOT NULL DEFAULT 0,  -- 1: it was admitted, and nobody had run its evidence
    remembered INTEGER,                  -- 1: an equal check had held, and was not run again; NULL:
                                         -- not admitted, or by a delm that did not record it
    reason TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (trial_id, number),
    CHECK ((settled IS NULL) = (settled_at IS NULL)),
    CHECK ((coalesce(settled, '') IN ('admitted', 'merged')) = (entry IS NOT NULL))
) STRICT;
CREATE INDEX IF NOT EXISTS board_proposal_entry ON board_proposal (trial_id, entry)
    WHERE entry IS NOT NULL;

CREATE TABLE IF NOT EXISTS board_entry (
    trial_id INTEGER NOT NULL,
    position INTEGER NOT NULL,           -- 1, 2, … in the order of admission
    label TEXT NOT NULL,
    key TEXT NOT NULL,
    proposal INTEGER NOT NULL,
    at REAL NOT NULL,
    author TEXT NOT NULL,
    task TEXT NOT NULL,
    kind TEXT NOT NULL,
    gist TEXT NOT NULL,
    summary TEXT NOT NULL,
    evidence TEXT NOT NULL,              -- JSON
    raw TEXT NOT NULL,
    PRIMARY KEY (trial_id, position),
    UNIQUE (trial_id, label),
    UNIQUE (trial_id, key),
    FOREIGN KEY (trial_id, proposal) REFERENCES board_proposal
) STRICT;

CREATE TABLE IF NOT EXISTS board_link (
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

CREATE TABLE IF NOT EXISTS board_mark (  -- what a person said of an entry
    trial_id INTEGER NOT NULL,
    position INTEGER NOT NULL,           -- 1, 2, … in the order in which they were made
    label TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('pinned', 'vetoed')),
    at REAL NOT NULL,
    by TEXT NOT NULL,                    -- the person's name
    reason TEXT NOT NULL,
    PRIMARY KEY (trial_id, position),
    UNIQUE (trial_id, label, kind),
    FOREIGN KEY (trial_id, label) REFERENCES board_entry (trial_id, label)
) STRICT;

CREATE TABLE IF NOT EXISTS board_shown ( -- when a conversation was first shown an entry so
    trial_id INTEGER NOT NULL,
    conversation TEXT NOT NULL,
    label TEXT NOT NULL,
    level TEXT NOT NULL CHECK (level IN ('gist', 'summary', 'raw')),
    at REAL NOT NULL,
    PRIMARY KEY (trial_id, conversation, label, level)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS board_event (
    event_id INTEGER PRIMARY KEY,        -- both that follow in one: a key to which rows are appended
    trial_id INTEGER AS (event_id >> 32),
    number INTEGER AS (event_id & 0xffffffff),  -- 1, 2, … in the trial
    at REAL NOT NULL,
    actor TEXT NOT NULL,                 -- agent; '': the board itself
    what TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,                -- JSON
    fence INTEGER                        -- of a claim; the last word of its detail
) STRICT;

CREATE TRIGGER IF NOT EXISTS board_task_put AFTER INSERT ON board_task BEGIN
    INSERT INTO board_event SELECT coalesce(max(event_id), NEW.trial_id << 32) + 1, NEW.changed_at,
        NEW.changed_by, 'put', NEW.label, json_object('kind', NEW.kind), NULL
    FROM board_event
    WHERE event_id BETWEEN NEW.trial_id << 32 AND NEW.trial_id << 32 | 0xffffffff;
END;

-- A claim that the board itself opens: its holder lost it. That an agent has one claim is seen to
-- here, because a unique index would be a page more in each commit.
CREATE TRIGGER IF NOT EXISTS board_task_changed AFTER UPDATE OF state ON board_task
WHEN NEW.state <> OLD.state OR NEW.attempts <> OLD.attempts BEGIN
    SELECT RAISE(ABORT, 'a task has one claim, and an agent, too') WHERE NEW.state = 'claimed'
        AND (OLD.state = 'claimed' OR EXISTS (SELECT 1 FROM board_task
            WHERE trial_id = NEW.trial_id AND place = 0 AND holder = NEW.holder
                AND task_id <> NEW.task_id));
    INSERT INTO board_event VALUES (1 + (SELECT coalesce(max(event_id), NEW.trial_id << 32)
            FROM board_event
            WHERE event_id BETWEEN NEW.trial_id << 32 AND NEW.trial_id << 32 | 0xffffffff),
        NEW.changed_at,
        iif(NEW.state = 'open' AND NEW.changed_by = '', NEW.holder, NEW.changed_by),
        CASE WHEN NEW.state <> 'open' THEN NEW.state WHEN NEW.changed_by = '' THEN 'lost'
            ELSE 'released' END,
        NEW.label,
        CASE NEW.reason WHEN '' THEN '{}' ELSE json_object('reason', NEW.reason) END,
        NEW.attempts);
END;

CREATE TRIGGER IF NOT EXISTS board_need_less AFTER DELETE ON board_need BEGIN
    INSERT INTO board_event
    SELECT 1 + (SELECT coalesce(max(event_id), waits.trial_id << 32) FROM board_event
            WHERE event_id BETWEEN waits.trial_id << 32 AND waits.trial_id << 32 | 0xffffffff),
        waits.changed_at, '', 'unblocked', waits.label,
        json_object('needed', needed.label), NULL
    FROM board_task AS waits, board_task AS needed
    WHERE waits.task_id = OLD.task_id AND needed.task_id = OLD.needed;
END;

CREATE TRIGGER IF NOT EXISTS board_agent_came AFTER INSERT ON board_agent BEGIN
    INSERT INTO board_event SELECT coalesce(max(event_id), NEW.trial_id << 32) + 1, NEW.changed_at,
        NEW.agent, CASE NEW.gone WHEN 0 THEN 'joined' ELSE 'left' END, '', '{}', NULL
    FROM board_event
    WHERE event_id BETWEEN NEW.trial_id << 32 AND NEW.trial_id << 32 | 0xffffffff;
END;

CREATE TRIGGER IF NOT EXISTS board_agent_changed AFTER UPDATE OF gone ON board_agent
WHEN NEW.gone <> OLD.gone BEGIN
    INSERT INTO board_event SELECT coalesce(max(event_id), NEW.trial_id << 32) + 1, NEW.changed_at,
        NEW.agent, CASE NEW.gone WHEN 0 THEN 'joined' ELSE 'left' END, '', '{}', NULL
    FROM board_event
    WHERE event_id BETWEEN NEW.trial_id << 32 AND NEW.trial_id << 32 | 0xffffffff;
END;

CREATE TRIGGER IF NOT EXISTS board_closes AFTER INSERT ON board_closed BEGIN
    INSERT INTO board_event SELECT coalesce(max(event_id), NEW.trial_id << 32) + 1, NEW.at,
        NEW.by, 'closed', '', json_object('reason', NEW.reason), NULL
    FROM board_event
    WHERE event_id BETWEEN NEW.trial_id << 32 AND NEW.trial_id << 32 | 0xffffffff;
END;

CREATE TRIGGER IF NOT EXISTS board_proposal_kept AFTER INSERT ON board_proposal BEGIN
    INSERT INTO board_event SELECT coalesce(max(event_id), NEW.trial_id << 32) + 1, NEW.at,
        NEW.author, 'proposed', NEW.number, json_object('kind', NEW.kind, 'task', NEW.task), NULL
    FROM board_event
    WHERE event_id BETWEEN NEW.trial_id << 32 AND NEW.trial_id << 32 | 0xffffffff;
END;

CREATE TRIGGER IF NOT EXISTS board_proposal_settled AFTER UPDATE OF settled ON board_proposal BEGIN
    INSERT INTO board_event SELECT coalesce(max(event_id), NEW.trial_id << 32) + 1, NEW.settled_at,
        NEW.author, NEW.settled, coalesce(NEW.entry, NEW.number), json_object('proposal', NEW.number,
        'seconds', NEW.seconds, 'reason', NEW.reason, 'unverified', NEW.unverified,
        'remembered', NEW.remembered), NULL
    FROM board_event
    WHERE event_id BETWEEN NEW.trial_id << 32 AND NEW.trial_id << 32 | 0xffffffff;
END;

CREATE TRIGGER IF NOT EXISTS board_link_made AFTER INSERT ON board_link BEGIN
    INSERT INTO board_event SELECT coalesce(max(event_id), NEW.trial_id << 32) + 1, NEW.at,
        '', 'linked', NEW.target, json_object('source', NEW.source, 'kind', NEW.kind), NULL
    FROM board_event
    WHERE event_id BETWEEN NEW.trial_id << 32 AND NEW.trial_id << 32 | 0xffffffff;
END;

CREATE TRIGGER IF NOT EXISTS board_mark_made AFTER INSERT ON board_mark BEGIN
    INSERT INTO board_event SELECT coalesce(max(event_id), NEW.trial_id << 32) + 1, NEW.at,
        '', NEW.kind, NEW.label, json_object('by', NEW.by, 'reason', NEW.reason), NULL
    FROM board_event
    WHERE event_id BETWEEN NEW.trial_id << 32 AND NEW.trial_id << 32 | 0xffffffff;
END;

CREATE TRIGGER IF NOT EXISTS board_mark_stays BEFORE UPDATE ON board_mark
BEGIN SELECT RAISE(ABORT, 'marks never change'); END;
CREATE TRIGGER IF NOT EXISTS board_mark_remains BEFORE DELETE ON board_mark
BEGIN SELECT RAISE(ABORT, 'marks never change'); END;
CREATE TRIGGER IF NOT EXISTS board_event_stays BEFORE UPDATE ON board_event
BEGIN SELECT RAISE(ABORT, 'events never change'); END;
CREATE TRIGGER IF NOT EXISTS board_event_remains BEFORE DELETE ON board_event
BEGIN SELECT RAISE(ABORT, 'events never change'); END;
CREATE TRIGGER IF NOT EXISTS board_entry_stays BEFORE UPDATE ON board_entry
BEGIN SELECT RAISE(ABORT, 'entries never change'); END;
CREATE TRIGGER IF NOT EXISTS board_entry_remains BEFORE DELETE ON board_entry
BEGIN SELECT RAISE(ABORT, 'entries never change'); END;
CREATE TRIGGER IF NOT EXISTS board_link_stays BEFORE UPDATE ON board_link
BEGIN SELECT RAISE(ABORT, 'links never change'); END;
CREATE TRIGGER IF NOT EXISTS board_link_remains BEFORE DELETE ON board_link
BEGIN SELECT RAISE(ABORT, 'links never change'); END;
CREATE TRIGGER IF NOT EXISTS board_proposal_stays BEFORE UPDATE ON board_proposal
WHEN OLD.settled IS NOT NULL OR NEW.settled IS NULL
BEGIN SELECT RAISE(ABORT, 'proposals are settled once'); END;
CREATE TRIGGER IF NOT EXISTS board_proposal_says BEFORE UPDATE
OF trial_id, number, at, author, task, kind, gist, summary, evidence, refutes ON board_proposal
BEGIN SELECT RAISE(ABORT, 'proposals never change'); END;
CREATE TRIGGER IF NOT EXISTS board_proposal_remains BEFORE DELETE ON board_proposal
BEGIN SELECT RAISE(ABORT, 'proposals never change'); END;
CREATE TRIGGER IF NOT EXISTS board_asked_stays BEFORE UPDATE ON board_asked
BEGIN SELECT RAISE(ABORT, 'what a task asks for never changes'); END;
CREATE TRIGGER IF NOT EXISTS board_asked_remains BEFORE DELETE ON board_asked
BEGIN SELECT RAISE(ABORT, 'tasks are not deleted'); END;
CREATE TRIGGER IF NOT EXISTS board_task_remains BEFORE DELETE ON board_task
BEGIN SELECT RAISE(ABORT, 'tasks are not deleted'); END;

-- name: has_boards
SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'board_shown') AS found;

-- name: version
-- lapsed: leases that ran out since the last look, which no write tells of
SELECT
    (SELECT coalesce(max(event_id), 0) & 0xffffffff FROM board_event
        WHERE event_id BETWEEN :trial << 32 AND :trial << 32 | 0xffffffff) AS events,
    (SELECT count(*) FROM board_task
        WHERE trial_id = :trial AND place = 0 AND lease > :since AND lease <= :now) AS lapsed;

-- name: next_lapse
SELECT min(lease) AS lease FROM board_task
WHERE trial_id = :trial AND place = 0 AND lease > :now;

-- name: held
SELECT task_id, lease <= :now AS lapsed FROM board_task
WHERE trial_id = :trial AND place = 0 AND holder = :agent;

-- name: ask
-- of the task that was just put
INSERT INTO board_asked (task_id, trial_id, key, created_by, subject, after, text)
VALUES (last_insert_rowid(), :trial, :key, :by, :subject, :after, :text);

-- name: first
-- The first that is free, for an agent that is well alive, where nothing else could be better: no
-- wish, no lease that ran out, nobody excluded. In a closed trial nothing is free.
SELECT label, kind, text, 'claimed' AS state, priority, after, preferred, excluded, subject, created_by,
    :agent AS holder, attempts + 1 AS attempts, '{}' AS result, task_id
FROM board_whole_task
WHERE task_id = (SELECT task_id FROM board_task INDEXED BY board_task_next
        WHERE trial_id = :trial AND place = 1 AND lease IS NULL
        ORDER BY priority DESC, task_id LIMIT 1)
    AND excluded = '[]'
    AND EXISTS (SELECT 1 FROM board_agent WHERE trial_id = :trial AND agent = :agent
        AND NOT gone AND alive_until >= :now + :lease_s)
    AND NOT EXISTS (SELECT 1 FROM board_task WHERE trial_id = :trial AND place = 2)
    AND NOT EXISTS (SELECT 1 FROM board_task
        WHERE trial_id = :trial AND place = 0 AND lease <= :now);

-- name: best
-- barred: what excludes this agent, and not everybody who is alive
WITH barred (task_id) AS (SELECT task_id FROM board_task
    WHERE trial_id = :trial AND place IS NOT NULL AND excluded IS NOT NULL
        AND :agent IN (SELECT value FROM json_each(excluded))
        AND EXISTS (SELECT 1 FROM board_agent
            WHERE trial_id = :trial AND NOT gone AND alive_until > :now
                AND agent NOT IN (SELECT value FROM json_each(excluded)))),
may (task_id, priority, choice) AS (
    SELECT * FROM (SELECT task_id, priority, 0
        FROM board_task INDEXED BY board_task_mine
        WHERE trial_id = :trial AND state = 'open' AND waiting = 0 AND preferred IS NOT NULL
            AND preferred = :agent
            AND (excluded IS NULL OR task_id NOT IN (SELECT task_id FROM barred))
        ORDER BY priority DESC, task_id LIMIT 1)
    UNION ALL SELECT * FROM (SELECT task_id, priority, 1
        FROM board_task INDEXED BY board_task_next
        WHERE trial_id = :trial AND place = 1 AND lease IS NULL
            AND (excluded IS NULL OR task_id NOT IN (SELECT task_id FROM barred))
        ORDER BY priority DESC, task_id LIMIT 1)
    -- the first that is preferred for anybody: where it is another's, this agent has no better
    UNION ALL SELECT * FROM (SELECT task_id, priority, 2
        FROM board_task INDEXED BY board_task_next
        WHERE trial_id = :trial AND place = 2 AND lease IS NULL
            AND (excluded IS NULL OR task_id NOT IN (SELECT task_id FROM barred))
        ORDER BY priority DESC, task_id LIMIT 1)
    UNION ALL SELECT task_id, priority,
        CASE WHEN preferred = :agent THEN 0 WHEN preferred IS NULL THEN 1 ELSE 2 END
    FROM board_task INDEXED BY board_task_next
    WHERE trial_id = :trial AND place = 0 AND lease <= :now
        AND (excluded IS NULL OR task_id NOT IN (SELECT task_id FROM barred)))
SELECT label, kind, text, 'claimed' AS state, priority, after, preferred, excluded, subject, created_by,
    :agent AS holder, attempts + 1 AS attempts, '{}' AS result, task_id, state AS was
FROM board_whole_task
WHERE task_id = (SELECT task_id FROM may ORDER BY priority DESC, choice, task_id LIMIT 1)
    AND NOT EXISTS (SELECT 1 FROM board_closed WHERE trial_id = :trial)
    AND NOT EXISTS (SELECT 1 FROM board_agent WHERE trial_id = :trial AND agent = :agent AND gone);

-- name: events
SELECT number, at, actor, what, subject,
    iif(fence IS NULL, detail, json_insert(detail, '$.fence', fence)) AS detail
FROM board_event WHERE event_id BETWEEN :trial << 32 AND :trial << 32 | 0xffffffff
ORDER BY event_id;
-- name: join
INSERT INTO board_agent (trial_id, agent, alive_until, changed_at)
VALUES (:trial, :agent, :now + :lease_s, :now)
ON CONFLICT DO UPDATE SET alive_until = max(alive_until, excluded.alive_until), gone = 0,
    changed_at = excluded.changed_at;

-- name: drop_claim
-- of an agent that leaves
UPDATE board_task SET lease = NULL, changed_at = :now, changed_by = :agent, reason = 'left',
    state = iif(EXISTS (SELECT 1 FROM board_closed WHERE trial_id = :trial), 'cancelled', 'open')
WHERE trial_id = :trial AND place = 0 AND holder = :agent;

-- name: busy
-- Whether anything is open or claimed. What waits for others needs no look: one of those is.
SELECT EXISTS (SELECT 1 FROM board_task WHERE trial_id = :trial AND place IS NOT NULL) AS busy;
