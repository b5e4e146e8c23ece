-- Statements on a run's store that every database understands. The others, and the tables, are in the
-- folder of each kind of database.

-- name: put_run
INSERT INTO run (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value;

-- name: get_run
SELECT key, value FROM run;

-- name: put_instance
INSERT INTO instance (instance_id, repo, difficulty, length, position)
VALUES (:instance_id, :repo, :difficulty, :length, :position) ON CONFLICT DO NOTHING;

-- name: keep_text
INSERT INTO instance_text (instance_id, asked, gold) VALUES (:instance_id, :asked, :gold)
ON CONFLICT DO NOTHING;

-- name: instance_text
SELECT * FROM instance_text WHERE instance_id = :instance_id;

-- name: plan_trial
INSERT INTO trial (system, instance_id, number, agents, wanted, submits)
VALUES (:system, :instance_id, :number, :agents, :wanted, :submits) ON CONFLICT DO NOTHING;

-- name: others
-- processes that have trials under way
SELECT DISTINCT owner FROM trial WHERE state IN ('running', 'grading') AND owner <> :owner;

-- name: restart_clock
UPDATE trial SET started_at = :now
WHERE trial_id = :trial_id AND state = 'running' AND owner = :owner;

-- name: begin_grading
UPDATE trial SET state = 'grading', reason = :reason, seconds = :seconds
WHERE trial_id = :trial_id AND state = 'running' AND owner = :owner;

-- name: note_sandbox
UPDATE trial SET sandbox = :sandbox, image = :image, audit = :audit WHERE trial_id = :trial_id;

-- name: hand_grading_on
-- the process ends, and another one grades what it has not graded
UPDATE trial SET owner = 'nobody'
WHERE trial_id = :trial_id AND state = 'grading' AND owner = :owner
RETURNING trial_id;

-- name: finish_trial
UPDATE trial SET state = :state, reason = :reason, detail = :detail, seconds = :seconds,
    finished_at = :now
WHERE trial_id = :trial_id AND state IN ('running', 'grading') AND owner = :owner;

-- name: keep_tools
INSERT INTO tool_list (sha256, schemas) VALUES (:sha256, :schemas) ON CONFLICT DO NOTHING;

-- name: tool_lists
SELECT sha256, schemas FROM tool_list;

-- name: charge
UPDATE call SET charged_usd = :usd, reserved_usd = :usd
WHERE call_id = :call_id AND outcome = 'started';

-- name: spend
UPDATE money SET spent = spent + :usd;

-- name: money
SELECT spent, reserved FROM money;

-- name: end_call
UPDATE call SET outcome = :outcome, cost_usd = :cost_usd, charged_usd = :charged_usd,
    prompt_tokens = :prompt_tokens, cached_tokens = :cached_tokens,
    cache_write_tokens = :cache_write_tokens, completion_tokens = :completion_tokens,
    reasoning_tokens = :reasoning_tokens,
    attempts = :attempts, latency_s = :latency_s, error = :error, reply = :reply, ended = :moment,
    ended_at = :now
WHERE call_id = :call_id AND outcome = 'started';

-- name: share_call
-- an answered call has the answer of another one, where that had the same prompt and is paid for
UPDATE call SET paid_call = (
    SELECT min(first.call_id) FROM call AS first
    WHERE first.prompt_sha256 = call.prompt_sha256 AND first.outcome = 'ok'
        AND first.paid_call IS NULL AND first.model = call.model AND first.call_id <> call.call_id
)
WHERE call_id = :call_id AND outcome = 'ok';

-- name: add_message
INSERT INTO message (trial_id, conversation, content) VALUES (:trial_id, :conversation, :content);

-- name: add_span
INSERT INTO span (trial_id, agent, what, started_at, seconds)
VALUES (:trial_id, :agent, :what, :started_at, :seconds);

-- name: add_submission
INSERT INTO submission (trial_id, author, agent, patch, patch_sha256, reason, salvaged, built_on,
    copy_of, created_at)
VALUES (:trial_id, :author, :agent, :patch, :patch_sha256, :reason, :salvaged, :built_on,
    :copy_of, :now)
RETURNING submission_id;

-- name: add_selection
INSERT INTO selection (trial_id, submission_id, reasons)
SELECT trial_id, submission_id, :reasons FROM submission WHERE submission_id = :submission_id;

-- name: add_grade
-- nothing where the trial has been taken over by another process
INSERT INTO grade
    (submission_id, outcome, reason, official, flags, unchecked, looks, report, cached, seconds, graded_at)
SELECT :submission_id, :outcome, :reason, :official, :flags, :unchecked, :looks, :report, :cached, :seconds, :now
WHERE NOT EXISTS (SELECT 1 FROM submission JOIN trial USING (trial_id)
    WHERE submission_id = :submission_id AND trial.owner NOT IN (:owner, ''));

-- name: trials
-- systems in the order in which they were asked for
SELECT * FROM trial JOIN instance USING (instance_id)
ORDER BY position, min(trial_id) OVER (PARTITION BY system), number, attempt;

-- name: beside
SELECT trial_id FROM trial
WHERE instance_id = (SELECT instance_id FROM trial WHERE trial_id = :trial_id);

-- name: instance_before
-- the same system and number on the instance before
SELECT other.trial_id FROM trial AS mine JOIN instance AS here USING (instance_id)
    JOIN trial AS other ON other.system = mine.system AND other.number = mine.number
    JOIN instance AS there ON there.instance_id = other.instance_id
WHERE mine.trial_id = :trial_id AND there.position < here.position
ORDER BY there.position DESC, other.attempt DESC LIMIT 1;

-- name: instance_after
SELECT other.trial_id FROM trial AS mine JOIN instance AS here USING (instance_id)
    JOIN trial AS other ON other.system = mine.system AND other.number = mine.number
    JOIN instance AS there ON there.instance_id = other.instance_id
WHERE mine.trial_id = :trial_id AND there.position > here.position
ORDER BY there.position, other.attempt DESC LIMIT 1;

-- name: standing
-- the last attempts that are over, and what counts against the budget of the run
SELECT count(*) AS ended, count(*) FILTER (WHERE state <> 'done') AS failed,
    (SELECT spent FROM money) AS usd
FROM trial AS last
WHERE state IN ('done', 'failed', 'error', 'cancelled') AND NOT EXISTS (
    SELECT 1 FROM trial AS later
    WHERE later.system = last.system AND later.instance_id = last.instance_id
        AND later.number = last.number AND later.attempt > last.attempt);

-- name: costs
-- of the calls that were sent: see harness/score/cost.py
SELECT outcome, cost_usd, charged_usd, reserved_usd FROM call WHERE paid_call IS NULL;

-- name: spans
SELECT * FROM span ORDER BY span_id;

-- name: messages
SELECT conversation, content FROM message WHERE trial_id = :trial_id ORDER BY message_id;

-- name: submissions
SELECT submission.*, trial.system, trial.instance_id, trial.number AS trial, trial.attempt,
    grade.outcome, grade.reason AS grade_reason, grade.official, grade.flags, grade.unchecked, grade.looks, grade.report,
    grade.cached AS grade_cached,
    grade.seconds AS grade_seconds, CAST(selection.submission_id IS NOT NULL AS INTEGER) AS selected,
    selection.reasons AS selection_reasons
FROM submission JOIN trial USING (trial_id) LEFT JOIN counted_grade AS grade USING (submission_id)
    LEFT JOIN selection USING (submission_id)
ORDER BY submission_id;

-- name: outcomes
SELECT submission_id, submission.trial_id, system, author, salvaged, built_on, copy_of, outcome,
    flags, unchecked, CAST(selection.submission_id IS NOT NULL AS INTEGER) AS selected
FROM submission JOIN trial USING (trial_id) LEFT JOIN counted_grade AS grade USING (submission_id)
    LEFT JOIN selection USING (submission_id)
ORDER BY submission_id;

-- name: add_label
INSERT INTO label (trial_id, submission_id, label, author, by_model, confidence, comment, evidence,
    replaces, created_at)
VALUES (:trial_id, :submission_id, :label, :author, :by_model, :confidence, :comment, :evidence,
    :replaces, :now)
RETURNING label_id;

-- name: labels
SELECT label.*, trial.system, trial.instance_id, trial.number AS trial, trial.attempt,
    later.label_id AS replaced_by
FROM label JOIN trial USING (trial_id) LEFT JOIN label AS later ON later.replaces = label.label_id
ORDER BY label.label_id;

-- name: paid
-- what earlier attempts at a trial were answered, the newest attempt first
SELECT coalesce(call.paid_call, call.call_id) AS paid_call, call.trial_id, conversation, position,
    prompt_sha256, reply, prompt_tokens, cached_tokens, cache_write_tokens, completion_tokens,
    reasoning_tokens, cost_usd, began, ended
FROM trial AS mine JOIN trial AS earlier USING (system, instance_id, number)
    JOIN call ON call.trial_id = earlier.trial_id
WHERE mine.trial_id = :trial_id AND earlier.attempt < mine.attempt AND outcome = 'ok'
ORDER BY earlier.attempt DESC, call_id;

-- name: made
-- the submissions of one trial, as they were made
SELECT submission.submission_id, author, patch, grade.outcome,
    CAST(selection.submission_id IS NOT NULL AS INTEGER) AS selected
FROM submission LEFT JOIN counted_grade AS grade USING (submission_id) LEFT JOIN selection USING (submission_id)
WHERE submission.trial_id = :trial_id
ORDER BY submission.submission_id;

-- name: earlier
SELECT t.system, t.wanted, t.seconds, CAST(sum(c.prompt_tokens) AS BIGINT) AS prompt_tokens,
    CAST(sum(c.cached_tokens) AS BIGINT) AS cached_tokens,
    CAST(sum(c.completion_tokens) AS BIGINT) AS completion_tokens
FROM trial t JOIN call c USING (trial_id)
WHERE t.state = 'done'
    AND EXISTS (SELECT 1 FROM run WHERE key = 'model' AND value = :model)
    AND EXISTS (SELECT 1 FROM run WHERE key = 'replay' AND value = 'false')
GROUP BY t.trial_id, t.system, t.wanted, t.seconds
ORDER BY t.trial_id;

-- name: live_rates
SELECT count(*) AS calls, CAST(coalesce(sum(prompt_tokens + completion_tokens), 0) AS BIGINT) AS tokens
FROM call
WHERE call_id > (SELECT max(call_id) FROM call) - 5000 AND outcome = 'ok' AND paid_call IS NULL
    AND ended_at >= :since;

-- name: keep_call_slots
INSERT INTO call_slot (owner, model, busy, waiting) VALUES (:owner, :model, :busy, :waiting)
ON CONFLICT (owner, model) DO UPDATE SET busy = excluded.busy, waiting = excluded.waiting
WHERE call_slot.busy <> excluded.busy OR call_slot.waiting <> excluded.waiting;

-- name: drop_call_slots
DELETE FROM call_slot WHERE owner = :owner;

-- name: trial_of_call
SELECT trial_id FROM call WHERE call_id = :call_id;

-- name: has_trial
-- whether a trial, or that of a call, is still this owner's
SELECT 1 FROM trial
WHERE trial_id = coalesce(CAST(:trial_id AS BIGINT),
        (SELECT trial_id FROM call WHERE call_id = CAST(:call_id AS BIGINT)))
    AND owner IN (:owner, '') AND state <> 'cancelled';
