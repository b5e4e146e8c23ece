-- A call that is sent again gives back, before it waits for more, what its attempts did not use:
-- the triggers follow every change of what a row holds and has spent.
DROP TRIGGER IF EXISTS call_begun;

DROP TRIGGER IF EXISTS call_holds_more;

DROP TRIGGER IF EXISTS call_spent;
