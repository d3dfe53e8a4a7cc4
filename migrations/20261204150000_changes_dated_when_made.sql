-- Why: a session whose login was answered with what held before a change must be told of the change when it is first heard of, so the
-- two are compared by their dates. A change had the date at which its transaction began, which may be before a login that could not yet
-- know of it. Now it has the date at which it is made, after its transaction has its number: radiusd dates a login with a moment before
-- which all transactions that it does not see had none. A program from before compares as it did.

CREATE OR REPLACE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_current_xact_id();
    NEW.changed_at := clock_timestamp();
    RETURN NEW;
END $$;
