-- Why: staff prove themselves twice, are limited to sites, are invited and suspended, and what they may no longer do ends at once;
-- and the audit log becomes a chain in one order with a head, so that a row that is missing shows, the last one too.

ALTER TABLE admin_users
    -- Has not chosen a password yet: the hash is of one that nobody knows.
    ADD COLUMN invited        boolean NOT NULL DEFAULT false,
    -- A keyed hash of the one-time link with which a password is chosen.
    ADD COLUMN invite_hash    bytea UNIQUE CHECK (octet_length(invite_hash) = 16),
    ADD COLUMN invite_until   timestamptz,
    ADD COLUMN suspended_at   timestamptz,
    ADD COLUMN signed_in_at   timestamptz,
    -- The second factor (RFC 6238): its secret, since when it is asked for, and the last time step whose code was used.
    ADD COLUMN totp_sealed    bytea,
    ADD COLUMN totp_since     timestamptz,
    ADD COLUMN totp_last_step bigint,
    -- Sessions of another number than this are over.
    ADD COLUMN session_epoch  integer NOT NULL DEFAULT 0,
    ADD CONSTRAINT admin_users_totp_whole CHECK ((totp_sealed IS NULL) = (totp_since IS NULL)),
    ADD CONSTRAINT admin_users_invite_whole CHECK ((invite_hash IS NULL) = (invite_until IS NULL));

-- Whoever changes one of these, by whatever program, ends the sessions that were begun before.
CREATE FUNCTION admin_users_sign_out() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.session_epoch := OLD.session_epoch + 1;
    RETURN NEW;
END $$;
CREATE TRIGGER admin_users_sign_out BEFORE UPDATE ON admin_users FOR EACH ROW
    WHEN (OLD.role IS DISTINCT FROM NEW.role OR OLD.password_hash IS DISTINCT FROM NEW.password_hash
          OR OLD.totp_since IS DISTINCT FROM NEW.totp_since OR OLD.suspended_at IS DISTINCT FROM NEW.suspended_at)
    EXECUTE FUNCTION admin_users_sign_out();

-- The sites that somebody is limited to; none: all. So a site that is named here is not removed by the way: that would let
-- somebody see everything.
CREATE TABLE admin_sites (
    admin_id uuid NOT NULL REFERENCES admin_users (id) ON DELETE CASCADE,
    site_id  uuid NOT NULL REFERENCES sites (id),
    PRIMARY KEY (admin_id, site_id)
);
CREATE INDEX admin_sites_by_site ON admin_sites (site_id);

CREATE FUNCTION admin_sites_sign_out() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE admin_users SET session_epoch = session_epoch + 1 WHERE id = coalesce(NEW.admin_id, OLD.admin_id);
    RETURN NULL;
END $$;
CREATE TRIGGER admin_sites_sign_out AFTER INSERT OR UPDATE OR DELETE ON admin_sites
    FOR EACH ROW EXECUTE FUNCTION admin_sites_sign_out();

-- What somebody types who has lost the phone; each is good once.
CREATE TABLE admin_recovery_codes (
    admin_id  uuid NOT NULL REFERENCES admin_users (id) ON DELETE CASCADE,
    code_hash bytea NOT NULL CHECK (octet_length(code_hash) = 16),
    used_at   timestamptz,
    PRIMARY KEY (admin_id, code_hash)
);

-- The words are the program's, which reads and writes no others: a list here would have to be told again with each of them.
ALTER TABLE security_events DROP CONSTRAINT security_events_kind_check,
    ADD CONSTRAINT security_events_kind_check CHECK (kind ~ '^[a-z_]{1,40}$');

-- The head of the audit log. Numbers were given before the lock was taken, so two writers could be chained the other way round
-- than they are numbered; from here on a number is given with the hash, and none is left out.
CREATE TABLE admin_log_head (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    id      bigint NOT NULL,
    hash    bytea NOT NULL,
    -- The last row of before, when neighbours could be chained the other way round.
    ordered_after bigint NOT NULL
);
LOCK TABLE admin_logs IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO admin_log_head (id, hash, ordered_after)
    SELECT coalesce(max(id), 0), coalesce((SELECT hash FROM admin_logs ORDER BY id DESC LIMIT 1), ''), coalesce(max(id), 0)
    FROM admin_logs;

CREATE OR REPLACE FUNCTION admin_logs_chain() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last_id   bigint;
    last_hash bytea;
BEGIN
    SELECT id, hash INTO STRICT last_id, last_hash FROM admin_log_head FOR UPDATE;
    NEW.id := last_id + 1;
    NEW.hash := sha256(last_hash || convert_to(
        concat_ws(E'\x1f', NEW.id, extract(epoch FROM NEW.at), NEW.actor, NEW.action, NEW.object, NEW.detail, NEW.address),
        'UTF8'));
    UPDATE admin_log_head SET id = NEW.id, hash = NEW.hash;
    RETURN NEW;
END $$;

CREATE TRIGGER admin_logs_not_emptied BEFORE TRUNCATE ON admin_logs
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER admin_log_head_stays BEFORE DELETE OR TRUNCATE ON admin_log_head
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE INDEX admin_logs_by_actor ON admin_logs (actor, id DESC);
CREATE INDEX admin_logs_by_action ON admin_logs (action, id DESC);
