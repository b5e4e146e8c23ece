-- What a page of rows shows of the boards: see harness/store/row_tables.sql.

-- name: tasks
SELECT task.trial_id, trial.system, trial.instance_id, label, kind, task.state, holder, attempts,
    priority, subject, created_by, after, text
FROM board_whole_task AS task LEFT JOIN trial USING (trial_id)

-- name: proposals
SELECT trial_id, trial.system, trial.instance_id, proposal.number, kind, gist, author, task, settled,
    entry, proposal.seconds, remembered, unverified, proposal.reason, refutes, at, settled_at
FROM board_proposal AS proposal LEFT JOIN trial USING (trial_id)

-- name: entries
SELECT trial_id, trial.system, trial.instance_id, label, kind, gist, author, task, proposal, at
FROM board_entry LEFT JOIN trial USING (trial_id)

-- name: events
SELECT board.trial_id, trial.system, trial.instance_id, board.number, at, actor,
    what, subject, board.detail
FROM board_event AS board LEFT JOIN trial USING (trial_id)

-- name: marks
SELECT trial_id, position, label, kind, at, by, reason FROM board_mark
