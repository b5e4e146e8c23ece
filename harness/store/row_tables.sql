-- What a page of rows shows: one SELECT a table, around which conditions are put. A number that is
-- calculated needs a CAST: conditions give their values as text.

-- name: trials
SELECT trial_id, system, instance_id, repo, difficulty, number, attempt, state, reason, agents, wanted,
    submits, seconds, started_at, finished_at, sandbox, audit, detail
FROM trial JOIN instance USING (instance_id)

-- name: calls
SELECT call_id, trial_id, system, instance_id, number, trial.attempt, conversation, agent, position,
    outcome, prompt_tokens, cached_tokens, cache_write_tokens, completion_tokens, reasoning_tokens,
    cost_usd, charged_usd, reserved_usd, latency_s, attempts, repeated, model, error, call.started_at,
    ended_at, paid_call, prompt_sha256
FROM call JOIN trial USING (trial_id)

-- name: submissions
SELECT submission_id, submission.trial_id, system, instance_id, number, attempt, author, agent,
    grade.outcome, official, flags, unchecked, grade.reason AS grade_reason, submission.reason,
    salvaged, CAST(selection.submission_id IS NOT NULL AS INTEGER) AS selected, built_on, copy_of,
    CAST(length(patch) AS INTEGER) AS characters, patch_sha256, grade.seconds AS grade_seconds, created_at
FROM submission JOIN trial USING (trial_id) LEFT JOIN counted_grade AS grade USING (submission_id)
    LEFT JOIN selection USING (submission_id)

-- name: spans
SELECT span_id, trial_id, system, instance_id, number, attempt, agent, what, span.started_at,
    span.seconds
FROM span JOIN trial USING (trial_id)

-- name: interventions
SELECT intervention.intervention_id, at, by, reason, action, trial_id, target, value,
    (SELECT min(done.at) FROM intervention_applied AS done
        WHERE done.intervention_id = intervention.intervention_id) AS applied_at,
    (SELECT group_concat(outcome, '; ') FROM intervention_applied AS done
        WHERE done.intervention_id = intervention.intervention_id) AS outcome
FROM intervention
