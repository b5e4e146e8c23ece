-- The machine of a process, by its name: see harness.store.postgres.members.
CREATE FUNCTION machine_of(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT split_part($1, '@', 2) $$;
