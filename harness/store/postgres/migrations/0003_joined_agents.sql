-- Agents of other processes join a trial: an intervention, which these processes have applied.
ALTER TABLE intervention DROP CONSTRAINT intervention_action_check;
ALTER TABLE intervention ADD CONSTRAINT intervention_action_check
    CHECK (action IN ('pause', 'resume', 'stop', 'cancel', 'requeue', 'stop-agent', 'raise',
        'workers', 'pin', 'veto', 'accept', 'refuse', 'join'));
-- The process in which an agent lives that has joined a trial; NULL: it has not.
CREATE FUNCTION joined_owner(bigint, text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT intervention_applied.owner FROM intervention JOIN intervention_applied USING (intervention_id)
    WHERE action = 'join' AND trial_id = $1 AND $2 = ANY(string_to_array(target, ' ')) LIMIT 1 $$;
-- Whether a process may make calls for a trial: it has the trial, or its agents have joined it.
CREATE FUNCTION works_on(text, trial) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT $2.state <> 'cancelled' AND ($2.owner IN ($1, '') OR $2.state = 'running' AND EXISTS (
        SELECT 1 FROM intervention JOIN intervention_applied USING (intervention_id)
        WHERE action = 'join' AND intervention.trial_id = $2.trial_id
            AND intervention_applied.owner = $1)) $$;
