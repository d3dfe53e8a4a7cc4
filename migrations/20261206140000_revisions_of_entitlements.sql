-- Why: a session whose login was answered with what held before a change must be told of the change when it is first heard of. The dates
-- of both do not tell: a change has the date at which its transaction began, and nobody who is answered from memory can know when it
-- will be committed. So changes are counted. A login's ticket carries the number of the last one that its answer knew of, and whoever
-- opens the session compares. Expand only: whatever program changes an entitlement, the trigger counts.

ALTER TABLE entitlements ADD COLUMN revision integer NOT NULL DEFAULT 0;

CREATE OR REPLACE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.changed_at := now();
    NEW.revision := OLD.revision + 1;
    RETURN NEW;
END $$;
