-- Everything that survives of a run. Tables, pages and CSVs are derived from it and can be made again.
-- Times are UTC in ISO 8601; durations are seconds; money is USD. NULL means unknown, never zero.

-- name: schema
CREATE TABLE IF NOT EXISTS run (
    key TEXT PRIMARY KEY,          -- id, identity, config, prices, versions, created_at, …
    value TEXT NOT NULL            -- JSON
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS instance (
    instance_id TEXT PRIMARY KEY,
    repo TEXT NOT NULL,
    difficulty TEXT NOT NULL,
    length TEXT NOT NULL,          -- of a question's document, in the dataset's word; else empty
    position INTEGER NOT NULL      -- in the order in which the run goes through them
) STRICT, WITHOUT ROWID;

-- What an instance asks, and what would be right, for people who look at the run. No system is
-- shown a row of this. Runs of an older delm have none.
CREATE TABLE IF NOT EXISTS instance_text (
    instance_id TEXT PRIMARY KEY REFERENCES instance,
    asked TEXT NOT NULL,           -- the issue, or the question with its choices
    gold TEXT NOT NULL             -- the submission that is known to be right
) STRICT, WITHOUT ROWID;

-- One run of one system on one instance. waiting → running → grading → done | error, or cancelled,
-- or failed (an error in the system's own code).
-- error (infrastructure) and cancelled are run again on resume, as a new row with attempt + 1;
-- done never is, failed only where that is asked for. What was to be graded when its process ended,
-- whatever ended it, is graded by the next one.
CREATE TABLE IF NOT EXISTS trial (
    trial_id INTEGER PRIMARY KEY,
    system TEXT NOT NULL,
    instance_id TEXT NOT NULL REFERENCES instance,
    number INTEGER NOT NULL,       -- 0 … trials-1
    attempt INTEGER NOT NULL DEFAULT 0,
    agents INTEGER NOT NULL,
    wanted INTEGER NOT NULL,       -- submissions that it is to make
    submits TEXT NOT NULL          -- one; or one of each agent, that share a context or do not
        CHECK (submits IN ('one', 'independent', 'shared')),
    state TEXT NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'running', 'grading', 'done', 'failed', 'error', 'cancelled')),
    owner TEXT NOT NULL DEFAULT '',      -- the process that has it, or had it last
    reason TEXT NOT NULL DEFAULT '',     -- how it ended
    detail TEXT NOT NULL DEFAULT '',     -- traceback of what nobody expected
    sandbox TEXT NOT NULL DEFAULT '',    -- docker or bubblewrap
    image TEXT NOT NULL DEFAULT '',      -- what the sandbox was made from: content hash
    audit TEXT NOT NULL DEFAULT '',      -- ok, or what leaked
    started_at TEXT,
    finished_at TEXT,
    seconds REAL,
    UNIQUE (system, instance_id, number, attempt)
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS one_live_attempt ON trial (system, instance_id, number)
    WHERE state IN ('waiting', 'running', 'grading', 'done');

-- Each list of tools that a model was offered, once.
CREATE TABLE IF NOT EXISTS tool_list (
    sha256 TEXT PRIMARY KEY,
    schemas TEXT NOT NULL          -- JSON
) STRICT, WITHOUT ROWID;

-- The ledger: a row before a call is sent, filled in when it ended.
CREATE TABLE IF NOT EXISTS call (
    call_id INTEGER PRIMARY KEY,
    trial_id INTEGER NOT NULL REFERENCES trial,
    conversation TEXT NOT NULL,
    agent TEXT NOT NULL,           -- who speaks
    position INTEGER NOT NULL,     -- in its conversation
    model TEXT NOT NULL,
    prompt_sha256 TEXT NOT NULL,
    repeated REAL NOT NULL,        -- share of the prompt with which an earlier one of the trial begins
    outcome TEXT NOT NULL DEFAULT 'started'
        CHECK (outcome IN ('started', 'ok', 'failed', 'cancelled')),
    reserved_usd REAL,             -- the most that it can be charged, all attempts until now
    cost_usd REAL,
    charged_usd REAL,              -- what counts against budgets: the cost, and the worst case of
                                   -- each attempt of which nobody can tell what is billed for it;
                                   -- of a started call: of the attempts that are over
    prompt_tokens INTEGER NOT NULL DEFAULT 0,
    cached_tokens INTEGER NOT NULL DEFAULT 0,
    cache_write_tokens INTEGER NOT NULL DEFAULT 0,
    completion_tokens INTEGER NOT NULL DEFAULT 0,
    reasoning_tokens INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    latency_s REAL,
    error TEXT NOT NULL DEFAULT '',
    reply TEXT,                    -- JSON: content, tool_calls, finish_reason, opaque
    started_at TEXT NOT NULL,
    ended_at TEXT,
    began INTEGER NOT NULL,        -- counts beginnings and ends of the calls of its trial
    ended INTEGER,
    paid_call INTEGER REFERENCES call,   -- whose answer this is, of an earlier attempt or, where the
                                         -- run shares it, of another trial: nothing was sent or
                                         -- billed, tokens and cost are that call's
    tools_sha256 TEXT,                   -- of its tool_list; NULL: an older delm made the call
    UNIQUE (trial_id, conversation, position)
) STRICT;

CREATE INDEX IF NOT EXISTS call_of_prompt ON call (prompt_sha256)
    WHERE outcome = 'ok' AND paid_call IS NULL;

-- What all processes of the run have spent and hold for calls under way, in one row.
CREATE TABLE IF NOT EXISTS money (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    spent REAL NOT NULL,
    reserved REAL NOT NULL
) STRICT;
INSERT OR IGNORE INTO money VALUES (1, 0, 0);
CREATE TRIGGER IF NOT EXISTS call_holds AFTER INSERT ON call WHEN NEW.paid_call IS NULL BEGIN
    UPDATE money SET reserved = reserved + coalesce(NEW.reserved_usd, 0);
END;
CREATE TRIGGER IF NOT EXISTS call_changes AFTER UPDATE OF outcome, charged_usd, reserved_usd ON call
WHEN NEW.paid_call IS NULL BEGIN
    UPDATE money SET
        reserved = reserved
            + iif(NEW.outcome = 'started', max(coalesce(NEW.reserved_usd, 0) - coalesce(NEW.charged_usd, 0), 0), 0)
            - iif(OLD.outcome = 'started', max(coalesce(OLD.reserved_usd, 0) - coalesce(OLD.charged_usd, 0), 0), 0),
        spent = spent
            + coalesce(NEW.charged_usd, iif(NEW.outcome = 'started', 0, coalesce(NEW.cost_usd, NEW.reserved_usd)), 0)
            - coalesce(OLD.charged_usd, iif(OLD.outcome = 'started', 0, coalesce(OLD.cost_usd, OLD.reserved_usd)), 0);
END;

-- The trajectory: what was said in each conversation, in order. Rows never change.
CREATE TABLE IF NOT EXISTS message (
    message_id INTEGER PRIMARY KEY,
    trial_id INTEGER NOT NULL REFERENCES trial,
    conversation TEXT NOT NULL,
    content TEXT NOT NULL          -- JSON, one chat message
) STRICT;
CREATE INDEX IF NOT EXISTS message_of_trial ON message (trial_id, conversation);

-- What agents did when they were not with the model: the rest of a trial's time line.
CREATE TABLE IF NOT EXISTS span (
    span_id INTEGER PRIMARY KEY,
    trial_id INTEGER NOT NULL REFERENCES trial,
    agent TEXT NOT NULL,
    what TEXT NOT NULL             -- running a command, having a finding checked; or waiting for
        CHECK (what IN ('command', 'admission', 'peer', 'barrier', 'main', 'turn', 'paused')),
    started_at TEXT NOT NULL,
    seconds REAL NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS submission (
    submission_id INTEGER PRIMARY KEY,
    trial_id INTEGER NOT NULL REFERENCES trial,
    author TEXT NOT NULL,          -- the conversation, or the task, that it is the work of
    agent TEXT NOT NULL,           -- who did that
    patch TEXT NOT NULL,
    patch_sha256 TEXT NOT NULL,
    reason TEXT NOT NULL,          -- how its author came to the end
    salvaged INTEGER NOT NULL,     -- 1: its author had not finished
    created_at TEXT NOT NULL,
    built_on TEXT NOT NULL DEFAULT '',   -- label of another seat's patch that it contains
    copy_of TEXT NOT NULL DEFAULT '',    -- label of another seat's patch that it is
    UNIQUE (trial_id, author)
) STRICT;

-- The one submission of a trial that it would ship, chosen without sight of hidden tests.
CREATE TABLE IF NOT EXISTS selection (
    trial_id INTEGER PRIMARY KEY REFERENCES trial,
    submission_id INTEGER NOT NULL REFERENCES submission,
    reasons TEXT NOT NULL          -- JSON, a list of sentences
) STRICT;

CREATE TABLE IF NOT EXISTS grade (
    submission_id INTEGER PRIMARY KEY REFERENCES submission,
    outcome TEXT NOT NULL CHECK (outcome IN ('resolved', 'unresolved', 'error')),
    reason TEXT NOT NULL,
    official TEXT NOT NULL,        -- the official grader's own verdict; empty: it gave none
    flags TEXT NOT NULL,           -- JSON, why its pass does not count (harness/benchmarks/swebench/guard/)
    unchecked TEXT NOT NULL,       -- JSON, checks of a pass that could not be used (the same)
    looks TEXT NOT NULL DEFAULT '[]',  -- JSON, lines of its patch that look at who calls them (the same)
    report TEXT NOT NULL,          -- JSON of the official harness
    cached INTEGER NOT NULL,
    seconds REAL NOT NULL,
    graded_at TEXT NOT NULL
) STRICT;

-- What a person or a model says of a trial, or of one submission of it, with its evidence. It
-- changes no score. Rows never change: a correction is another row, which replaces one.
CREATE TABLE IF NOT EXISTS label (
    label_id INTEGER PRIMARY KEY,
    trial_id INTEGER NOT NULL REFERENCES trial,
    submission_id INTEGER REFERENCES submission,   -- NULL: the trial as a whole
    label TEXT NOT NULL CHECK (label IN ('legitimate', 'cheated', 'agent''s fault', 'unfair task',
        'broken verifier', 'environment', 'incomplete', 'unclear')),
    author TEXT NOT NULL CHECK (author <> ''),     -- a person's name, or the model's
    by_model INTEGER NOT NULL CHECK (by_model IN (0, 1)),
    confidence REAL CHECK (confidence BETWEEN 0 AND 1),   -- NULL: the author said none
    comment TEXT NOT NULL,
    evidence TEXT NOT NULL,        -- JSON, a list of {place, quote}: harness/labels/places.py
    replaces INTEGER UNIQUE REFERENCES label,
    created_at TEXT NOT NULL
) STRICT;
CREATE TRIGGER IF NOT EXISTS label_of_its_trial BEFORE INSERT ON label
WHEN NEW.submission_id IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM submission WHERE submission_id = NEW.submission_id AND trial_id = NEW.trial_id)
BEGIN
    SELECT raise(ABORT, 'the submission is another trial''s');
END;
CREATE TRIGGER IF NOT EXISTS label_replaces_its_own BEFORE INSERT ON label
WHEN NEW.replaces IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM label WHERE label_id = NEW.replaces AND trial_id = NEW.trial_id
        AND author = NEW.author AND by_model = NEW.by_model)
BEGIN
    SELECT raise(ABORT, 'a label replaces only one of the same author on the same trial');
END;
CREATE TRIGGER IF NOT EXISTS label_is_kept BEFORE UPDATE ON label BEGIN
    SELECT raise(ABORT, 'labels never change');
END;
CREATE TRIGGER IF NOT EXISTS label_stays BEFORE DELETE ON label BEGIN
    SELECT raise(ABORT, 'labels are never removed');
END;

-- What people did to the run: a row is written before anything acts on it, and never changes.
CREATE TABLE IF NOT EXISTS intervention (
    intervention_id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    by TEXT NOT NULL CHECK (by <> ''),          -- a person's name
    reason TEXT NOT NULL CHECK (reason <> ''),  -- in that person's words
    action TEXT NOT NULL
        CHECK (action IN ('pause', 'resume', 'stop', 'cancel', 'requeue', 'stop-agent', 'raise',
            'workers', 'pin', 'veto', 'accept', 'refuse')),
    trial_id INTEGER REFERENCES trial,   -- the attempt; NULL: the run
    target TEXT NOT NULL,                -- in it: an agent, the label of an entry, a cap; or empty
    value TEXT NOT NULL                  -- JSON: see harness.store.interventions
) STRICT;
CREATE INDEX IF NOT EXISTS intervention_by_action ON intervention (action, trial_id);

-- Which process has acted on it, and what came of that; an empty owner: it was done as it was written.
CREATE TABLE IF NOT EXISTS intervention_applied (
    intervention_id INTEGER NOT NULL REFERENCES intervention,
    owner TEXT NOT NULL,
    at TEXT NOT NULL,
    outcome TEXT NOT NULL,
    PRIMARY KEY (intervention_id, owner)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS intervention_stays BEFORE UPDATE ON intervention
BEGIN SELECT RAISE(ABORT, 'interventions never change'); END;
CREATE TRIGGER IF NOT EXISTS intervention_remains BEFORE DELETE ON intervention
BEGIN SELECT RAISE(ABORT, 'interventions never change'); END;

-- A grade as it counts: a pass that is suspect, and nothing else, is resolved when the last person who
-- judged it accepted it.
CREATE VIEW IF NOT EXISTS counted_grade AS
SELECT submission_id, iif(person = 'accept', 'resolved', outcome) AS outcome,
    iif(person = 'accept', (SELECT 'accepted by ' || by || ': ' || intervention.reason FROM intervention
        WHERE intervention_id = judged), reason) AS reason,
    official, flags, unchecked, looks, report, cached, seconds, graded_at
FROM (SELECT grade.*, judged, (SELECT action FROM intervention WHERE intervention_id = judged) AS person
    FROM (SELECT *, iif(flags = '["suspect"]', (SELECT max(intervention_id) FROM intervention
            WHERE action IN ('accept', 'refuse') AND target = CAST(grade.submission_id AS TEXT)), NULL)
        AS judged FROM grade) AS grade);

-- How many calls of a model may be under way, over all processes of the run: harness/model/call_limit.py.
CREATE TABLE IF NOT EXISTS call_limit (
    model TEXT PRIMARY KEY,
    total REAL NOT NULL CHECK (total >= 1),
    ceiling INTEGER NOT NULL,      -- what the configuration allows at most
    epoch INTEGER NOT NULL,        -- counts how often it was lowered
    rising INTEGER NOT NULL CHECK (rising IN (0, 1)),   -- 1: it was never lowered
    paused_until REAL NOT NULL     -- seconds since 1970: until then the provider wants no call
) STRICT, WITHOUT ROWID;

-- The calls of each process that are under way, or wait until they may be.
CREATE TABLE IF NOT EXISTS call_slot (
    owner TEXT NOT NULL,
    model TEXT NOT NULL,
    busy INTEGER NOT NULL,
    waiting INTEGER NOT NULL,
    PRIMARY KEY (owner, model)
) STRICT, WITHOUT ROWID;

-- name: note_first_call
INSERT INTO run (key, value) VALUES ('first_calls', json_array(json(:made)))
ON CONFLICT (key) DO UPDATE SET value = json_insert(value, '$[#]', json(:made));

-- name: plan_again
-- what was cut short or failed for infrastructure gets its next attempt, unless a person cancelled it
INSERT INTO trial (system, instance_id, number, agents, wanted, submits, attempt)
SELECT system, instance_id, number, agents, wanted, submits, max(attempt) + 1 FROM trial
GROUP BY system, instance_id, number
HAVING sum(state IN ('waiting', 'running', 'grading', 'done')
    OR (state = 'failed' AND NOT :retry_failed)) = 0
    AND max(iif(trial_id IN (SELECT trial_id FROM intervention WHERE action = 'cancel'),
        attempt, -1)) < max(attempt);

-- name: plan_cut_again
-- of those, what its process left behind
INSERT INTO trial (system, instance_id, number, agents, wanted, submits, attempt)
SELECT system, instance_id, number, agents, wanted, submits, max(attempt) + 1 FROM trial
GROUP BY system, instance_id, number
HAVING sum(state IN ('waiting', 'running', 'grading', 'done')) = 0
    AND max(iif(reason = 'the process ended', attempt, -1)) = max(attempt)
    AND max(iif(trial_id IN (SELECT trial_id FROM intervention WHERE action = 'cancel'),
        attempt, -1)) < max(attempt);

-- name: charge_left
-- calls of processes that are gone: nobody can tell what they cost
UPDATE call SET charged_usd = reserved_usd
WHERE outcome = 'started' AND trial_id IN (
    SELECT trial_id FROM trial WHERE state IN ('running', 'grading')
        AND owner NOT IN (SELECT value FROM json_each(:alive)));

-- name: leave_grading
UPDATE trial SET owner = 'nobody'
WHERE state = 'grading' AND owner NOT IN (SELECT value FROM json_each(:alive));

-- name: cancel_left
UPDATE trial SET state = 'cancelled', reason = 'the process ended', finished_at = :now
WHERE state = 'running' AND owner NOT IN (SELECT value FROM json_each(:alive))
RETURNING trial_id;

-- name: claim_trial
UPDATE trial SET state = iif(state = 'waiting', 'running', state), owner = :owner,
    started_at = coalesce(started_at, :now)
WHERE trial_id = (
    SELECT trial_id FROM trial JOIN instance USING (instance_id)
    WHERE state = 'waiting' OR (state = 'grading' AND owner = 'nobody')
    ORDER BY state = 'waiting', position, number, trial_id LIMIT 1)
RETURNING trial_id, system, instance_id, number, attempt, agents, wanted, state, reason, seconds;

-- name: begin_call
-- no row where the trial is not this owner's any more, or where the run's money does not cover it; a billionth of a dollar for the sum's rounding
INSERT INTO call (trial_id, conversation, agent, position, model, prompt_sha256, repeated, reserved_usd,
    started_at, began, paid_call, tools_sha256)
SELECT :trial_id, :conversation, :agent, :position, :model, :prompt_sha256, :repeated, :reserved_usd,
    :now, :moment, :paid_call, :tools_sha256
FROM trial WHERE trial_id = :trial_id AND owner IN (:owner, '') AND state <> 'cancelled'
    AND (:cap_usd = 0 OR :reserved_usd IS NULL OR :paid_call IS NOT NULL
    OR (SELECT spent + reserved FROM money) + :reserved_usd <= 1e-9 + max(:cap_usd, coalesce(
        (SELECT max(CAST(value AS REAL)) FROM intervention WHERE action = 'raise' AND trial_id IS NULL), 0)))
RETURNING call_id;

-- name: hold_more
UPDATE call SET reserved_usd = coalesce(charged_usd, 0) + :usd
WHERE call_id = :call_id AND outcome = 'started' AND trial_id IN (
        SELECT trial_id FROM trial WHERE owner IN (:owner, '') AND state <> 'cancelled') AND (:cap_usd = 0
    OR (SELECT spent + reserved FROM money) + :usd <= 1e-9 + max(:cap_usd, coalesce(
        (SELECT max(CAST(value AS REAL)) FROM intervention WHERE action = 'raise' AND trial_id IS NULL), 0)))
RETURNING call_id;

-- name: calls
SELECT call.*, trial.system, trial.instance_id, trial.number AS trial, trial.attempt,
    coalesce(json_extract(reply, '$.finish_reason') = 'length', 0) AS cut
FROM call JOIN trial USING (trial_id) ORDER BY call_id;

-- name: some_trials
SELECT * FROM trial JOIN instance USING (instance_id)
WHERE trial_id IN (SELECT value FROM json_each(:trials))
ORDER BY position, (SELECT min(trial_id) FROM trial AS first WHERE first.system = trial.system),
    number, attempt;

-- name: calls_of
SELECT call.*, trial.system, trial.instance_id, trial.number AS trial, trial.attempt,
    coalesce(json_extract(reply, '$.finish_reason') = 'length', 0) AS cut
FROM call JOIN trial USING (trial_id)
WHERE call.trial_id IN (SELECT value FROM json_each(:trials)) ORDER BY call_id;

-- name: call_sums
-- of each trial, as harness/score/cost.py and harness/score/rows.py add them up
WITH known AS (
    SELECT trial_id, paid_call IS NULL AS sent, outcome, cost_usd,
        iif(outcome = 'started', reserved_usd, charged_usd) AS most,
        coalesce(ended_at, started_at) AS stamp
    FROM call),
sums AS (
    SELECT trial_id, sum(sent) AS calls,
        sum(sent AND cost_usd IS NULL AND (most IS NULL OR outcome = 'ok')) AS unknown,
        total(cost_usd) FILTER (WHERE sent) AS usd,
        total(most - coalesce(cost_usd, 0))
            FILTER (WHERE sent AND most - coalesce(cost_usd, 0) > 1e-9) AS unsure_usd,
        max(stamp) AS last_at
    FROM known GROUP BY trial_id)
SELECT trial_id, calls, iif(unknown, NULL, usd) AS usd, iif(unknown, NULL, unsure_usd) AS unsure_usd,
    last_at
FROM sums;

-- name: spans_of
SELECT * FROM span WHERE trial_id IN (SELECT value FROM json_each(:trials)) ORDER BY span_id;

-- name: submissions_of
SELECT submission.*, trial.system, trial.instance_id, trial.number AS trial, trial.attempt,
    grade.outcome, grade.reason AS grade_reason, grade.official, grade.flags, grade.unchecked, grade.looks, grade.report,
    grade.cached AS grade_cached,
    grade.seconds AS grade_seconds, selection.submission_id IS NOT NULL AS selected,
    selection.reasons AS selection_reasons
FROM submission JOIN trial USING (trial_id) LEFT JOIN counted_grade AS grade USING (submission_id)
    LEFT JOIN selection USING (submission_id)
WHERE submission.trial_id IN (SELECT value FROM json_each(:trials)) ORDER BY submission_id;

-- name: answered
-- whoever asked it
SELECT call_id AS paid_call, prompt_sha256, reply, prompt_tokens, cached_tokens, cache_write_tokens,
    completion_tokens, reasoning_tokens, cost_usd
FROM call INDEXED BY call_of_prompt
WHERE prompt_sha256 = :prompt_sha256 AND outcome = 'ok' AND paid_call IS NULL AND model = :model
ORDER BY call_id LIMIT 1;

-- name: make_filler
-- Never committed: see Database.reserve.
CREATE TABLE filler (content BLOB);

-- name: fill
INSERT INTO filler VALUES (zeroblob(:size));

-- name: live_trials
-- the last attempt at each trial; news changes with whatever a trial under way leaves
SELECT trial_id, system, instance_id, number, attempt, state, reason,
    iif(state IN ('error', 'failed'), detail, '') AS detail, started_at, finished_at,
    CASE state
        WHEN 'running' THEN
            (SELECT coalesce(max(message_id), 0) FROM message WHERE message.trial_id = last.trial_id)
            || ' ' || (SELECT coalesce(max(max(began, coalesce(ended, 0))), 0) FROM call
                WHERE call.trial_id = last.trial_id)
            || ' ' || (SELECT count(*) FROM submission WHERE submission.trial_id = last.trial_id)
        WHEN 'grading' THEN
            (SELECT count(*) FROM grade JOIN submission USING (submission_id)
                WHERE submission.trial_id = last.trial_id)
        ELSE '' END AS news
FROM trial AS last JOIN instance USING (instance_id)
WHERE NOT EXISTS (
    SELECT 1 FROM trial AS later
    WHERE later.system = last.system AND later.instance_id = last.instance_id
        AND later.number = last.number AND later.attempt > last.attempt)
ORDER BY position, trial_id;

-- name: live_agents
SELECT trial_id, conversation, agent, call_id, outcome, call.started_at, ended_at,
    coalesce((SELECT json_group_array(json_extract(value, '$.name'))
        FROM json_each(call.reply, '$.tool_calls')), '[]') AS tools
FROM call JOIN trial USING (trial_id)
WHERE call_id IN (
    SELECT max(call_id) FROM call JOIN trial USING (trial_id)
    WHERE state = 'running' GROUP BY trial_id, agent)
ORDER BY trial_id, agent;

-- name: interventions
SELECT * FROM intervention WHERE intervention_id > :after ORDER BY intervention_id LIMIT :limit;

-- name: said_before
SELECT by, at, value FROM intervention
WHERE action = :action AND trial_id IS :trial_id AND target = :target
ORDER BY intervention_id DESC LIMIT 1;

-- name: cancel_now
-- where no living process has it
UPDATE trial SET state = 'cancelled', reason = :reason, finished_at = :now
WHERE trial_id = :trial_id AND (state = 'waiting'
    OR (state IN ('running', 'grading') AND owner NOT IN (SELECT value FROM json_each(:alive))))
RETURNING trial_id;

-- name: settle_cancels
-- of attempts that ended before their process could act on it
INSERT INTO intervention_applied (intervention_id, owner, at, outcome)
SELECT intervention_id, '', :now, 'its process had ended; the trial is not run again'
FROM intervention JOIN trial USING (trial_id)
WHERE action = 'cancel' AND state NOT IN ('waiting', 'running', 'grading')
    AND owner NOT IN (SELECT value FROM json_each(:alive))
    AND intervention_id NOT IN (SELECT intervention_id FROM intervention_applied);

-- name: call_limit
SELECT total, epoch, rising,
    max(0.0, paused_until - (julianday('now') - 2440587.5) * 86400.0) AS paused_s
FROM call_limit WHERE model = :model;

-- name: set_call_limit
INSERT INTO call_limit (model, total, ceiling, epoch, rising, paused_until)
VALUES (:model, :total, :ceiling, :epoch, :rising,
    (julianday('now') - 2440587.5) * 86400.0 + :paused_s)
ON CONFLICT (model) DO UPDATE SET total = excluded.total, ceiling = excluded.ceiling,
    epoch = excluded.epoch, rising = excluded.rising, paused_until = excluded.paused_until;

-- name: call_slots
SELECT owner, busy, waiting FROM call_slot
WHERE model = :model AND owner IN (SELECT value FROM json_each(:alive)) ORDER BY owner;

-- name: call_limits
SELECT model, total, ceiling, coalesce(sum(busy), 0) AS busy, coalesce(sum(waiting), 0) AS waiting
FROM call_limit LEFT JOIN (
    SELECT * FROM call_slot WHERE owner IN (SELECT value FROM json_each(:alive))) USING (model)
GROUP BY model ORDER BY model;
