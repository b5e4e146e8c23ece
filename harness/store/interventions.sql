-- Statements on interventions that every database understands. The tables are in the folder of each
-- kind of database.

-- name: add_intervention
INSERT INTO intervention (at, by, reason, action, trial_id, target, value)
VALUES (:now, :by, :reason, :action, :trial_id, :target, :value)
RETURNING *;

-- name: add_applied
INSERT INTO intervention_applied (intervention_id, owner, at, outcome)
VALUES (:intervention_id, :owner, :now, :outcome) ON CONFLICT DO NOTHING;

-- name: applied
SELECT * FROM intervention_applied WHERE intervention_id > :after
ORDER BY intervention_id, at, owner;

-- name: last_pause
-- the last word on whether the run is paused
SELECT action, by, at, value FROM intervention WHERE action IN ('pause', 'resume')
ORDER BY intervention_id DESC LIMIT 1;

-- name: stopped_before
-- who stopped an agent of a trial, in this attempt or in one that it goes on from
SELECT by, at FROM intervention AS stop JOIN trial AS earlier USING (trial_id)
    JOIN trial AS mine USING (system, instance_id, number)
WHERE stop.action = 'stop-agent' AND stop.target = :target AND mine.trial_id = :trial_id
    AND NOT EXISTS (SELECT 1 FROM intervention AS requeue JOIN trial AS other USING (trial_id)
        WHERE requeue.action = 'requeue' AND requeue.intervention_id > stop.intervention_id
            AND other.system = mine.system AND other.instance_id = mine.instance_id
            AND other.number = mine.number)
ORDER BY stop.intervention_id DESC LIMIT 1;

-- name: carried
-- What was said of a trial, for one of its attempts: stops and marks of earlier ones, and caps also
-- of this one. A requeue begins anew, without stops. answers: that had been given until it was done.
SELECT intervention.*, (SELECT count(*) FROM call
        WHERE call.trial_id = earlier.trial_id AND outcome = 'ok'
            AND (action <> 'stop-agent' OR agent = target)
            AND ended_at <= coalesce((SELECT min(done.at) FROM intervention_applied AS done
                WHERE done.intervention_id = intervention.intervention_id), '9')) AS answers
FROM trial AS mine JOIN trial AS earlier USING (system, instance_id, number)
    JOIN intervention ON intervention.trial_id = earlier.trial_id
WHERE mine.trial_id = :trial_id AND (action = 'raise' AND earlier.attempt <= mine.attempt
    OR action IN ('pin', 'veto') AND earlier.attempt < mine.attempt
    OR action = 'stop-agent' AND earlier.attempt < mine.attempt
        AND NOT EXISTS (SELECT 1 FROM intervention AS requeue JOIN trial AS other USING (trial_id)
            WHERE requeue.action = 'requeue'
                AND requeue.intervention_id > intervention.intervention_id
                AND other.system = mine.system AND other.instance_id = mine.instance_id
                AND other.number = mine.number))
ORDER BY intervention.intervention_id;

-- name: cancel_asked
-- what a person wanted to be cancelled, and nobody grades now
UPDATE trial SET state = 'cancelled', reason = 'cancelled by a person', finished_at = :now
WHERE state = 'grading' AND owner = 'nobody'
    AND trial_id IN (SELECT trial_id FROM intervention WHERE action = 'cancel');

-- name: has_waiting
SELECT EXISTS (SELECT 1 FROM trial
    WHERE state = 'waiting' OR (state = 'grading' AND owner = 'nobody')) AS found;

-- name: raised
-- the highest that a cap of a trial, or of the run, was raised to
SELECT max(CAST(value AS DOUBLE PRECISION)) AS most FROM intervention
WHERE action = 'raise' AND target = :target AND (
    (CAST(:trial_id AS BIGINT) IS NULL AND trial_id IS NULL)
    OR trial_id IN (SELECT earlier.trial_id FROM trial AS mine
        JOIN trial AS earlier USING (system, instance_id, number)
        WHERE mine.trial_id = :trial_id));

-- name: attempt
SELECT *, (SELECT max(attempt) FROM trial AS later WHERE later.system = mine.system
        AND later.instance_id = mine.instance_id AND later.number = mine.number) AS last
FROM trial AS mine WHERE trial_id = :trial_id;

-- name: to_be_run
-- whether any trial has not come to its end, and nobody has cancelled it
SELECT EXISTS (SELECT 1 FROM trial AS last
    WHERE state IN ('waiting', 'running', 'grading', 'error', 'cancelled')
        AND trial_id NOT IN (SELECT trial_id FROM intervention WHERE action = 'cancel')
        AND NOT EXISTS (SELECT 1 FROM trial AS later
            WHERE later.system = last.system AND later.instance_id = last.instance_id
                AND later.number = last.number AND later.attempt > last.attempt)) AS found;

-- name: agents_seen
SELECT agent FROM call WHERE trial_id = :trial_id AND agent <> ''
UNION SELECT agent FROM span WHERE trial_id = :trial_id ORDER BY agent;

-- name: charge_cancelled
UPDATE call SET charged_usd = reserved_usd WHERE outcome = 'started' AND trial_id = :trial_id;

-- name: requeue
INSERT INTO trial (system, instance_id, number, agents, wanted, submits, attempt)
SELECT system, instance_id, number, agents, wanted, submits, attempt + 1 FROM trial
WHERE trial_id = :trial_id
RETURNING trial_id, attempt;

-- name: suspect
-- a graded submission of a trial, and whether a person has judged it
SELECT grade.flags, grade.outcome, EXISTS (SELECT 1 FROM intervention
    WHERE action IN ('accept', 'refuse') AND target = :target) AS judged
FROM submission JOIN counted_grade AS grade USING (submission_id)
WHERE trial_id = :trial_id AND CAST(submission_id AS TEXT) = :target;
