-- Statements on boards that every database understands. The others, and the tables, are in the
-- folder of each kind of database.

-- name: alive
-- as join, but whoever left stays gone
INSERT INTO board_agent (trial_id, agent, alive_until, changed_at)
VALUES (:trial, :agent, :now + 1.25 * :lease_s, :now)
ON CONFLICT (trial_id, agent) DO UPDATE SET alive_until = excluded.alive_until
    WHERE board_agent.alive_until < :now + :lease_s;

-- name: leave
INSERT INTO board_agent (trial_id, agent, alive_until, gone, changed_at)
VALUES (:trial, :agent, :now, 1, :now)
ON CONFLICT (trial_id, agent) DO UPDATE SET gone = 1, changed_at = excluded.changed_at;

-- name: lose
UPDATE board_task SET state = 'open', lease = NULL, changed_at = :now, changed_by = '', reason = ''
WHERE task_id = :task_id;

-- name: room
SELECT coalesce(max(number), 0) AS tasks,
    EXISTS (SELECT 1 FROM board_closed WHERE trial_id = :trial) AS closed
FROM board_task WHERE trial_id = :trial;

-- name: task_of_key
SELECT label, kind, text, state, priority, after, preferred, excluded, subject, created_by, holder,
    attempts, result
FROM board_whole_task WHERE task_id =
    (SELECT task_id FROM board_asked WHERE trial_id = :trial AND key = :key);

-- name: task
SELECT label, kind, text, state, priority, after, preferred, excluded, subject, created_by, holder,
    attempts, result, task_id
FROM board_whole_task WHERE trial_id = :trial AND label = :label;

-- name: tasks
SELECT label, kind, text, state, priority, after, preferred, excluded, subject, created_by, holder,
    attempts, result
FROM board_whole_task WHERE trial_id = :trial ORDER BY number;

-- name: next_of_kind
INSERT INTO board_kind (trial_id, kind, last) VALUES (:trial, :kind, 1)
ON CONFLICT (trial_id, kind) DO UPDATE SET last = board_kind.last + 1 RETURNING last;

-- name: put
INSERT INTO board_task (trial_id, number, label, kind, waiting, priority, preferred, excluded,
    changed_at, changed_by)
VALUES (:trial, :number, :label, :kind, :waiting, :priority, nullif(:preferred, ''),
    nullif(:excluded, '[]'), :now, :by);

-- name: exclude
UPDATE board_task SET excluded = :excluded
WHERE trial_id = :trial AND label = :label AND state = 'open';

-- name: need
INSERT INTO board_need (needed, task_id) VALUES (:needed, :task_id);

-- name: claim
UPDATE board_task SET state = 'claimed', holder = :agent, lease = :now + :lease_s,
    attempts = attempts + 1, changed_at = :now, changed_by = :agent, reason = ''
WHERE task_id = :task_id;

-- name: renew
UPDATE board_task SET lease = :now + :lease_s
WHERE trial_id = :trial AND label = :label AND state = 'claimed' AND holder = :agent
    AND attempts = :fence
RETURNING task_id;

-- name: finish_alone
-- a task for which none waits
UPDATE board_task SET state = :state, lease = NULL, result = :result, changed_at = :now,
    changed_by = :agent, reason = ''
WHERE trial_id = :trial AND label = :label AND state = 'claimed' AND holder = :agent
    AND attempts = :fence
    AND NOT EXISTS (SELECT 1 FROM board_need WHERE needed = board_task.task_id);

-- name: finish
UPDATE board_task SET state = :state, lease = NULL, result = :result, changed_at = :now,
    changed_by = :agent, reason = ''
WHERE trial_id = :trial AND label = :label AND state = 'claimed' AND holder = :agent
    AND attempts = :fence
RETURNING task_id, label, state;

-- name: unblock
UPDATE board_task SET waiting = waiting - 1
WHERE task_id IN (SELECT task_id FROM board_need WHERE needed = :task_id) AND state = 'open';

-- name: release_waiting
-- of a task that is not done yet: nothing but one task waits for it any more
UPDATE board_task SET waiting = waiting - 1, changed_at = :now, changed_by = ''
WHERE state = 'open' AND label <> :besides AND task_id IN (SELECT board_need.task_id
    FROM board_need JOIN board_task AS needed ON needed.task_id = board_need.needed
    WHERE needed.trial_id = :trial AND needed.label = :label
        AND (needed.state = 'open' OR needed.state = 'claimed'));

-- name: need_less
DELETE FROM board_need WHERE needed =
    (SELECT task_id FROM board_task WHERE trial_id = :trial AND label = :label
        AND (state = 'open' OR state = 'claimed'))
    AND task_id NOT IN
        (SELECT task_id FROM board_task WHERE trial_id = :trial AND label = :besides);

-- name: release
UPDATE board_task SET lease = NULL, changed_at = :now, changed_by = :agent, reason = :reason,
    state = CASE WHEN EXISTS (SELECT 1 FROM board_closed WHERE trial_id = :trial) THEN 'cancelled'
        ELSE 'open' END
WHERE trial_id = :trial AND label = :label AND state = 'claimed' AND holder = :agent
    AND attempts = :fence;

-- name: cancel
UPDATE board_task SET state = 'cancelled', changed_at = :now, changed_by = :by, reason = :reason
WHERE trial_id = :trial AND label = :label AND state = 'open'
RETURNING task_id, label, state;

-- name: cancel_waiting
UPDATE board_task SET state = 'cancelled', changed_at = :now, changed_by = '', reason = :reason
WHERE state = 'open' AND task_id IN (
    WITH RECURSIVE doomed (task_id) AS (
        SELECT task_id FROM board_need WHERE needed = :task_id
        UNION SELECT board_need.task_id FROM board_need JOIN doomed ON needed = doomed.task_id)
    SELECT task_id FROM doomed);

-- name: close
INSERT INTO board_closed (trial_id, at, by, reason) VALUES (:trial, :now, :by, :reason)
ON CONFLICT DO NOTHING RETURNING trial_id;

-- name: cancel_open
UPDATE board_task SET state = 'cancelled', changed_at = :now, changed_by = :by, reason = :reason
WHERE trial_id = :trial AND state = 'open';

-- name: closed
SELECT EXISTS (SELECT 1 FROM board_closed WHERE trial_id = :trial) AS closed;

-- name: propose
INSERT INTO board_proposal (trial_id, number, at, author, task, kind, gist, summary, evidence, refutes)
SELECT :trial, coalesce(max(number), 0) + 1, :now, :author, :task, :kind, :gist, :summary, :evidence,
    :refutes
FROM board_proposal WHERE trial_id = :trial
RETURNING number;

-- name: proposal
SELECT * FROM board_proposal WHERE trial_id = :trial AND number = :number;

-- name: admit
INSERT INTO board_entry (trial_id, position, label, key, proposal, at, author, task, kind, gist,
    summary, evidence, raw)
SELECT :trial, last + 1, :letter || (last + 1), :key, number, :now, author, task, kind,
    CASE WHEN :gist = '' THEN gist ELSE :gist END, CASE WHEN :gist = '' THEN summary ELSE '' END,
    evidence, :raw
FROM board_proposal, (SELECT coalesce(max(position), 0) AS last FROM board_entry
    WHERE trial_id = :trial) AS those
WHERE trial_id = :trial AND number = :number
RETURNING *;

-- name: settle
UPDATE board_proposal SET settled = :settled, settled_at = :now, seconds = :seconds, entry = :entry,
    reason = :reason, unverified = :unverified, remembered = :remembered
WHERE trial_id = :trial AND number = :number;

-- name: entry_of_key
SELECT * FROM board_entry WHERE trial_id = :trial AND key = :key;

-- name: entry
SELECT * FROM board_entry WHERE trial_id = :trial AND label = :label;

-- name: entries
SELECT * FROM board_entry WHERE trial_id = :trial AND position > :after ORDER BY position;

-- name: count
SELECT count(*) AS found FROM board_proposal WHERE trial_id = :trial AND entry = :label;

-- name: link
INSERT INTO board_link (trial_id, position, source, target, kind, at)
SELECT :trial, coalesce(max(position), 0) + 1, :source, :target, :kind, :now
FROM board_link WHERE trial_id = :trial
ON CONFLICT DO NOTHING RETURNING position;

-- name: links
SELECT * FROM board_link WHERE trial_id = :trial AND position > :after ORDER BY position;

-- name: mark
INSERT INTO board_mark (trial_id, position, label, kind, at, by, reason)
SELECT :trial, coalesce(max(position), 0) + 1, :label, :kind, :now, :by, :reason
FROM board_mark WHERE trial_id = :trial
ON CONFLICT DO NOTHING RETURNING position;

-- name: marks
SELECT * FROM board_mark WHERE trial_id = :trial AND position > :after ORDER BY position;

-- name: vetoed
SELECT by, reason FROM board_mark WHERE trial_id = :trial AND label = :label AND kind = 'vetoed';

-- name: note_shown
INSERT INTO board_shown (trial_id, conversation, label, level, at)
VALUES (:trial, :conversation, :label, :level, :now) ON CONFLICT DO NOTHING;

-- name: proposals
SELECT * FROM board_proposal WHERE trial_id = :trial ORDER BY number;

-- name: shown
SELECT conversation, label, level, at FROM board_shown WHERE trial_id = :trial
ORDER BY at, conversation, label, level;
