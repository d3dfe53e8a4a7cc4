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

-- How long it is open once it begins, or until when, is what the first login is told: a change of that counts too. Logins do not write it.
DROP TRIGGER entitlements_change_noted ON entitlements;
CREATE TRIGGER entitlements_change_noted BEFORE UPDATE ON entitlements FOR EACH ROW
    WHEN (NEW.state = 'active'
          -- What is over in a moment is cut then: there is nothing to change.
          AND (NEW.expires_at IS NULL OR NEW.expires_at > now() + interval '5 seconds')
          AND ((OLD.starts_at IS NOT NULL AND OLD.expires_at IS DISTINCT FROM NEW.expires_at)
               OR (OLD.duration_seconds, OLD.until) IS DISTINCT FROM (NEW.duration_seconds, NEW.until)
               OR router_terms(OLD) <> router_terms(NEW)))
    EXECUTE FUNCTION note_change();
