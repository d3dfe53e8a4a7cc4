-- Why: radiusd answers from memory; this is how its memory stays true. Whatever changes what a login may do
-- leaves a row here in the same transaction, by trigger, so that no writer (and no operator at a psql prompt)
-- can forget it. NOTIFY is the hint to look; the row is the truth. Readers page by transaction id against the
-- snapshot's horizon, not by sequence: a row that commits late is still seen.

CREATE TABLE directory_changes (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid            xid8 NOT NULL DEFAULT pg_current_xact_id(),
    -- The entitlement to read again; NULL when the list of routers changed, or everything did.
    entitlement_id uuid,
    what           text NOT NULL CHECK (what IN ('entitlement', 'nas', 'everything')),
    at             timestamptz NOT NULL DEFAULT now(),
    CHECK ((what = 'entitlement') = (entitlement_id IS NOT NULL))
);
CREATE INDEX directory_changes_by_xid ON directory_changes (xid);
CREATE INDEX directory_changes_by_age ON directory_changes (at);

-- One statement that touches very many rows asks for a full reading instead of as many single ones.
CREATE FUNCTION tell_directory(ids uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(ids) > 20000 THEN
        INSERT INTO directory_changes (what) VALUES ('everything');
    ELSE
        INSERT INTO directory_changes (what, entitlement_id) SELECT 'entitlement', id FROM unnest(ids) AS id;
    END IF;
    IF cardinality(ids) > 0 THEN
        PERFORM pg_notify('mlango_directory', '');
    END IF;
END $$;

CREATE FUNCTION directory_after_entitlements() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tell_directory((SELECT coalesce(array_agg(DISTINCT id), '{}') FROM changed));
    RETURN NULL;
END $$;
CREATE TRIGGER entitlements_inserted AFTER INSERT ON entitlements
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION directory_after_entitlements();

-- Counters move with every accounting record and reach radiusd's memory by themselves; only a change of
-- what may be done is told.
CREATE FUNCTION directory_after_entitlement_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tell_directory((
        SELECT coalesce(array_agg(n.id), '{}') FROM changed n JOIN before o USING (id)
        WHERE (n.state, n.starts_at, n.expires_at, n.quota_octets, n.up_bps, n.down_bps, n.device_limit,
               n.duration_seconds, n.idle_timeout_seconds, n.package_name)
              IS DISTINCT FROM
              (o.state, o.starts_at, o.expires_at, o.quota_octets, o.up_bps, o.down_bps, o.device_limit,
               o.duration_seconds, o.idle_timeout_seconds, o.package_name)));
    -- The deadline of every open session follows, in the same transaction.
    UPDATE sessions s SET cutoff_at = CASE WHEN n.state IN ('active', 'expired') THEN n.expires_at ELSE least(n.expires_at, now()) END,
                          cut_requested_at = NULL
    FROM changed n JOIN before o USING (id)
    WHERE s.entitlement_id = n.id
      AND ((n.expires_at IS DISTINCT FROM o.expires_at)
           OR (n.state IS DISTINCT FROM o.state AND n.state IN ('active', 'exhausted', 'revoked')));
    RETURN NULL;
END $$;
CREATE TRIGGER entitlements_updated AFTER UPDATE ON entitlements
    REFERENCING OLD TABLE AS before NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION directory_after_entitlement_update();

CREATE FUNCTION directory_after_parts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tell_directory((SELECT coalesce(array_agg(DISTINCT entitlement_id), '{}') FROM changed));
    RETURN NULL;
END $$;
CREATE TRIGGER credentials_inserted AFTER INSERT ON credentials
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION directory_after_parts();
CREATE TRIGGER credentials_updated AFTER UPDATE ON credentials
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION directory_after_parts();
CREATE TRIGGER credentials_deleted AFTER DELETE ON credentials
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION directory_after_parts();
CREATE TRIGGER entitlement_devices_inserted AFTER INSERT ON entitlement_devices
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION directory_after_parts();
CREATE TRIGGER entitlement_devices_updated AFTER UPDATE ON entitlement_devices
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION directory_after_parts();
CREATE TRIGGER entitlement_devices_deleted AFTER DELETE ON entitlement_devices
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION directory_after_parts();

CREATE FUNCTION directory_after_nas() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO directory_changes (what) VALUES ('nas');
    PERFORM pg_notify('mlango_directory', '');
    RETURN NULL;
END $$;
CREATE TRIGGER nas_changed AFTER INSERT OR DELETE OR UPDATE OF name, address, identifier, secret_sealed,
        old_secret_sealed, old_secret_until, coa_port, require_message_authenticator ON nas
    FOR EACH STATEMENT EXECUTE FUNCTION directory_after_nas();
