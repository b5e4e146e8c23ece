-- What earlier runs took, read from their stores without a change to them.

-- name: of_model
SELECT t.system, t.wanted, t.seconds, sum(c.prompt_tokens) AS prompt_tokens,
    sum(c.cached_tokens) AS cached_tokens, sum(c.completion_tokens) AS completion_tokens
FROM trial t JOIN call c USING (trial_id)
WHERE t.state = 'done'
    AND EXISTS (SELECT 1 FROM run WHERE key = 'model' AND value = :model)
    AND EXISTS (SELECT 1 FROM run WHERE key = 'replay' AND value = 'false')
GROUP BY t.trial_id
ORDER BY t.trial_id;
