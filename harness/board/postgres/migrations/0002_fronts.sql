-- While somebody's snapshot stays open (a backup, a long query) no deleted row is cleaned up, and whoever
-- looks for the first row that is left passes over all of them. So claims look from a bound on:
-- board_front for what is ready, board_agent.leases_from for what an agent holds. A bound moves up with
-- one claim of many, since its own earlier versions stay as well.

-- no row of board_ready is before this one. Who adds one locks the front until its commit, and moves
-- it back where that is needed; who moves it up has it locked, and looks only then.
CREATE TABLE board_front (
    trial_id bigint PRIMARY KEY,
    rank bigint NOT NULL,
    task_id bigint NOT NULL
);
INSERT INTO board_front SELECT trial_id, min(-priority), 0 FROM board_task GROUP BY trial_id;
DROP INDEX board_ready_special;
CREATE INDEX board_ready_special ON board_ready (trial_id, rank, task_id)
    WHERE preferred IS NOT NULL OR excluded IS NOT NULL;

ALTER TABLE board_lease ADD COLUMN lease_id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1);
DROP INDEX board_lease_holder;
CREATE INDEX board_lease_holder ON board_lease (trial_id, holder, lease_id);
ALTER TABLE board_agent ADD COLUMN leases_from bigint NOT NULL DEFAULT 0;  -- all with a smaller number are over

DROP FUNCTION board_tell, board_finish, board_claim, board_best;

-- not in SQL: such a function would be planned again in each transaction
CREATE FUNCTION board_tell(p_trial bigint, p_at float8, p_actor text, p_what text, p_subject text,
    p_detail json, p_fence bigint DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO board_event (trial_id, at, actor, what, subject, detail, fence)
    VALUES (p_trial, p_at, p_actor, p_what, p_subject, p_detail::text, p_fence);
END $$;

-- A task can be claimed from now on.
CREATE FUNCTION board_is_ready(task board_task) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    front record;
BEGIN
    INSERT INTO board_ready
    VALUES (task.trial_id, -task.priority, task.task_id, task.preferred, task.excluded);
    INSERT INTO board_front SELECT task.trial_id, -task.priority, task.task_id
    WHERE NOT EXISTS (SELECT 1 FROM board_front WHERE trial_id = task.trial_id) ON CONFLICT DO NOTHING;
    SELECT rank, task_id INTO front FROM board_front WHERE trial_id = task.trial_id FOR UPDATE;
    IF (front.rank, front.task_id) > (-task.priority, task.task_id) THEN
        UPDATE board_front SET rank = -task.priority, task_id = task.task_id
        WHERE trial_id = task.trial_id;
    END IF;
END $$;

-- The first row of board_ready that is left becomes the front, unless others are at it.
CREATE FUNCTION board_move_front(p_trial bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    front record;
BEGIN
    SELECT rank, task_id INTO front FROM board_front WHERE trial_id = p_trial FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
        SELECT rank, task_id INTO front FROM board_ready
        WHERE trial_id = p_trial AND (rank, task_id) >= (front.rank, front.task_id)
        ORDER BY rank, task_id LIMIT 1;
        UPDATE board_front SET rank = front.rank, task_id = front.task_id WHERE trial_id = p_trial;
    END IF;
END $$;

CREATE OR REPLACE FUNCTION board_task_put() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM board_tell(NEW.trial_id, NEW.changed_at, NEW.changed_by, 'put', NEW.label,
        json_build_object('kind', NEW.kind));
    IF NEW.waiting = 0 THEN
        PERFORM board_is_ready(NEW);
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION board_task_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'open' AND OLD.waiting = 0 THEN
        IF NEW.state <> 'open' OR NEW.waiting > 0 THEN
            DELETE FROM board_ready WHERE trial_id = NEW.trial_id AND rank = -NEW.priority
                AND task_id = NEW.task_id;
        ELSIF NEW.excluded IS DISTINCT FROM OLD.excluded THEN
            UPDATE board_ready SET excluded = NEW.excluded WHERE trial_id = NEW.trial_id
                AND rank = -NEW.priority AND task_id = NEW.task_id;
        END IF;
    ELSIF NEW.state = 'open' AND NEW.waiting = 0 THEN
        PERFORM board_is_ready(NEW);
    END IF;
    IF OLD.state = 'claimed' AND NEW.state <> 'claimed' THEN
        DELETE FROM board_lease WHERE task_id = NEW.task_id;
    ELSIF NEW.state = 'claimed' AND OLD.state <> 'claimed' THEN
        IF EXISTS (SELECT 1 FROM board_lease
                WHERE trial_id = NEW.trial_id AND holder = NEW.holder AND lease_id >= coalesce(
                    (SELECT leases_from FROM board_agent
                        WHERE trial_id = NEW.trial_id AND agent = NEW.holder), 0)) THEN
            RAISE EXCEPTION 'a task has one claim, and an agent, too';
        END IF;
        INSERT INTO board_lease (task_id, trial_id, holder, until)
        VALUES (NEW.task_id, NEW.trial_id, NEW.holder, NEW.lease);
    ELSIF NEW.lease IS DISTINCT FROM OLD.lease THEN
        UPDATE board_lease SET until = NEW.lease WHERE task_id = NEW.task_id;
    END IF;
    IF NEW.attempts <> OLD.attempts AND OLD.state = 'claimed' THEN
        RAISE EXCEPTION 'a task has one claim, and an agent, too';
    END IF;
    IF NEW.state <> OLD.state OR NEW.attempts <> OLD.attempts THEN
        PERFORM board_tell(NEW.trial_id, NEW.changed_at,
            CASE WHEN NEW.state = 'open' AND NEW.changed_by = '' THEN NEW.holder
                ELSE NEW.changed_by END,
            CASE WHEN NEW.state <> 'open' THEN NEW.state WHEN NEW.changed_by = '' THEN 'lost'
                ELSE 'released' END,
            NEW.label,
            CASE NEW.reason WHEN '' THEN '{}' ELSE json_build_object('reason', NEW.reason) END,
            NEW.attempts);
    END IF;
    RETURN NULL;
END $$;

-- End a task; whether its holder could: the number of the task, or 0 where the same request has ended it
-- before; else nothing.
CREATE FUNCTION board_finish(p_trial bigint, p_label text, p_agent text, p_fence bigint,
    p_state text, p_result text, p_now float8, p_token text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    ended bigint;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(lock_of(p_trial));
    UPDATE board_task SET state = p_state, lease = NULL, result = p_result, changed_at = p_now,
        changed_by = p_agent, reason = '', token = p_token
    WHERE trial_id = p_trial AND label = p_label AND state = 'claimed' AND holder = p_agent
        AND attempts = p_fence
    RETURNING task_id INTO ended;
    IF ended IS NULL THEN
        RETURN (SELECT 0 FROM board_task
            WHERE trial_id = p_trial AND label = p_label AND token = p_token);
    ELSIF NOT EXISTS (SELECT 1 FROM board_need WHERE needed = ended) THEN
        NULL;
    ELSIF p_state = 'done' THEN
        UPDATE board_task SET waiting = waiting - 1
        WHERE task_id IN (SELECT task_id FROM board_need WHERE needed = ended) AND state = 'open';
    ELSE
        UPDATE board_task SET state = 'cancelled', changed_at = p_now, changed_by = '',
            reason = 'it waits for ' || p_label || ', which is ' || p_state
        WHERE state = 'open' AND task_id IN (
            WITH RECURSIVE doomed (task_id) AS (
                SELECT task_id FROM board_need WHERE needed = ended
                UNION SELECT board_need.task_id FROM board_need
                    JOIN doomed ON needed = doomed.task_id)
            SELECT task_id FROM doomed);
    END IF;
    RETURN ended;
END $$;

-- Claim the best task for an agent, see `TaskQueue.claim`: the task, or nothing. The same request may
-- come twice. A row that another claim has locked is passed over; where all are, nothing is found,
-- and the end of the other claim is a change for which the agent waits.
CREATE FUNCTION board_claim(p_trial bigint, p_agent text, p_lease float8, p_now float8, p_token text)
RETURNS SETOF board_whole_task LANGUAGE plpgsql STRICT AS $$
DECLARE
    chosen bigint;
    me record;
    each record;
    front record;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(lock_of(p_trial));
    -- two claims of one agent come one after the other
    SELECT alive_until, gone, leases_from INTO me FROM board_agent
    WHERE trial_id = p_trial AND agent = p_agent FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO board_agent (trial_id, agent, alive_until, changed_at)
        VALUES (p_trial, p_agent, p_now + 1.25 * p_lease, p_now) ON CONFLICT DO NOTHING;
        SELECT alive_until, gone, leases_from INTO me FROM board_agent
        WHERE trial_id = p_trial AND agent = p_agent FOR UPDATE;
    END IF;
    IF me.alive_until < p_now + p_lease THEN
        UPDATE board_agent SET alive_until = p_now + 1.25 * p_lease
        WHERE trial_id = p_trial AND agent = p_agent;
    END IF;
    IF me.gone <> 0 OR EXISTS (SELECT 1 FROM board_closed WHERE trial_id = p_trial) THEN
        RETURN;
    END IF;
    FOR each IN SELECT board_lease.task_id, until, token
            FROM board_lease JOIN board_task USING (task_id)
            WHERE board_lease.trial_id = p_trial AND board_lease.holder = p_agent
                AND lease_id >= me.leases_from LOOP
        IF each.token = p_token THEN
            RETURN QUERY SELECT * FROM board_whole_task WHERE task_id = each.task_id;
            RETURN;
        ELSIF each.until > p_now THEN
            RETURN;
        END IF;  -- who asks for another has given it up
        UPDATE board_task SET state = 'open', lease = NULL, changed_at = p_now, changed_by = '',
            reason = '' WHERE task_id = each.task_id;
    END LOOP;
    IF random() < 0.03 THEN  -- it holds nothing now
        UPDATE board_agent SET leases_from = nextval('board_lease_lease_id_seq')
        WHERE trial_id = p_trial AND agent = p_agent;
    END IF;
    SELECT rank, task_id, EXISTS (SELECT 1 FROM board_ready WHERE trial_id = p_trial
                AND (preferred IS NOT NULL OR excluded IS NOT NULL)
                AND (board_ready.rank, board_ready.task_id) >= (board_front.rank, board_front.task_id))
            OR EXISTS (SELECT 1 FROM board_lease WHERE trial_id = p_trial AND until <= p_now) AS special
        INTO front FROM board_front WHERE trial_id = p_trial;
    IF front.special THEN
        chosen := board_best(p_trial, p_agent, p_now);
    ELSE
        SELECT task_id INTO chosen FROM board_ready
        WHERE trial_id = p_trial AND (rank, task_id) >= (front.rank, front.task_id)
        ORDER BY rank, task_id LIMIT 1 FOR UPDATE SKIP LOCKED;
    END IF;
    IF chosen IS NULL THEN
        RETURN;
    END IF;
    IF random() < 0.03 THEN
        PERFORM board_move_front(p_trial);
    END IF;
    UPDATE board_task SET state = 'claimed', holder = p_agent, lease = p_now + p_lease,
        attempts = attempts + 1, changed_at = p_now, changed_by = p_agent, reason = '',
        token = p_token
    WHERE task_id = chosen;
    RETURN QUERY SELECT * FROM board_whole_task WHERE task_id = chosen;
END $$;

-- The best task where there are wishes, agents that are excluded, or leases that ran out. It is locked,
-- and open.
CREATE FUNCTION board_best(p_trial bigint, p_agent text, p_now float8)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    each record;
BEGIN
    FOR each IN
        SELECT * FROM (
            SELECT board_ready.rank, board_ready.task_id, preferred, excluded, false AS lapsed
            FROM board_ready JOIN board_front USING (trial_id)
            WHERE trial_id = p_trial
                AND (board_ready.rank, board_ready.task_id) >= (board_front.rank, board_front.task_id)
            UNION ALL SELECT -priority, board_task.task_id, preferred, excluded, true
            FROM board_lease JOIN board_task USING (task_id)
            WHERE board_lease.trial_id = p_trial AND until <= p_now) AS may
        WHERE excluded IS NULL
            OR NOT EXISTS (SELECT 1 FROM json_array_elements_text(excluded::json) AS name
                WHERE name = p_agent)
            OR NOT EXISTS (SELECT 1 FROM board_agent  -- all who are alive are excluded
                WHERE trial_id = p_trial AND gone = 0 AND alive_until > p_now
                    AND agent NOT IN (SELECT json_array_elements_text(excluded::json)))
        ORDER BY rank, CASE WHEN preferred = p_agent THEN 0 WHEN preferred IS NULL THEN 1 ELSE 2 END,
            task_id
    LOOP
        -- in the order in which others lock: what is ready before its task, a task before its lease
        IF each.lapsed THEN
            PERFORM 1 FROM board_task WHERE task_id = each.task_id AND state = 'claimed'
                AND lease <= p_now FOR UPDATE SKIP LOCKED;
        ELSE
            PERFORM 1 FROM board_ready WHERE trial_id = p_trial AND rank = each.rank
                AND task_id = each.task_id FOR UPDATE SKIP LOCKED;
        END IF;
        IF FOUND THEN
            IF each.lapsed THEN
                UPDATE board_task SET state = 'open', lease = NULL, changed_at = p_now,
                    changed_by = '', reason = '' WHERE task_id = each.task_id;
            END IF;
            RETURN each.task_id;
        END IF;
    END LOOP;
    RETURN NULL;
END $$;
