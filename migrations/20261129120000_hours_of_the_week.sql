-- Why: packages that may be used at certain hours of the week only: in the evening, at night, on weekends. The end of the
-- present hours is a deadline of the session like any other, in the time of the router's site; and when a session must end is
-- said in one place, which every statement that sets a deadline asks.

-- Minutes of the week from Monday at midnight, local time.
ALTER TABLE packages ADD COLUMN hours int4multirange
    CHECK (hours <@ '{[0,10080)}'::int4multirange AND NOT isempty(hours) AND hours <> '{[0,10080)}'::int4multirange);
ALTER TABLE entitlements ADD COLUMN hours int4multirange
    CHECK (hours <@ '{[0,10080)}'::int4multirange AND NOT isempty(hours) AND hours <> '{[0,10080)}'::int4multirange);

-- When these hours close that are open at that moment; the moment itself if they are closed.
CREATE FUNCTION closing_time(hours int4multirange, zone text, at timestamptz) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        (SELECT (local - minute * interval '1 minute' + upper(r) * interval '1 minute'
                 -- What is open until the end of the week goes on in the next one, if that begins open.
                 + CASE WHEN upper(r) = 10080 AND lower(hours) = 0
                        THEN (SELECT upper(f) FROM unnest(hours) AS f WHERE lower(f) = 0) ELSE 0 END * interval '1 minute') AT TIME ZONE zone
         FROM unnest(hours) AS r WHERE r @> minute),
        at)
    FROM (SELECT date_trunc('minute', at AT TIME ZONE zone) AS local) AS l,
         LATERAL (SELECT ((extract(isodow FROM local) - 1) * 1440 + extract(hour FROM local) * 60 + extract(minute FROM local))::integer AS minute) AS m
$$;

-- When a session at that router that uses this entitlement must end, as of that moment. A session that uses none has no
-- deadline: whom a router lets in by itself is the router's business.
CREATE FUNCTION session_deadline(entitlement entitlements, router uuid, at timestamptz) RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
DECLARE
    ends timestamptz := entitlement.expires_at;
BEGIN
    IF entitlement.id IS NULL THEN
        RETURN NULL;
    END IF;
    IF entitlement.state NOT IN ('active', 'expired') THEN
        ends := least(ends, at);
    END IF;
    IF entitlement.hours IS NOT NULL THEN
        ends := least(ends, closing_time(entitlement.hours,
            coalesce((SELECT s.time_zone FROM nas n JOIN sites s ON s.id = n.site_id WHERE n.id = router), 'Africa/Nairobi'), at));
    END IF;
    RETURN ends;
END $$;

-- A site's clock is one that PostgreSQL knows; when it is set, deadlines follow, and radiusd is told.
CREATE FUNCTION check_time_zone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM now() AT TIME ZONE NEW.time_zone; -- an error that names the zone
    RETURN NEW;
END $$;
CREATE TRIGGER sites_time_zone BEFORE INSERT OR UPDATE OF time_zone ON sites FOR EACH ROW EXECUTE FUNCTION check_time_zone();
CREATE FUNCTION directory_after_site() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO directory_changes (what) VALUES ('nas');
    PERFORM hint_directory();
    UPDATE sessions s SET cutoff_at = session_deadline(e, s.nas_id, now()), cut_requested_at = NULL
    FROM nas n, entitlements e
    WHERE n.site_id = NEW.id AND s.nas_id = n.id AND e.id = s.entitlement_id AND e.hours IS NOT NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER sites_changed AFTER UPDATE OF time_zone ON sites
    FOR EACH ROW WHEN (OLD.time_zone <> NEW.time_zone) EXECUTE FUNCTION directory_after_site();
DROP TRIGGER nas_changed ON nas;
CREATE TRIGGER nas_changed AFTER INSERT OR DELETE OR UPDATE OF name, address, radsec_name, identifier, secret_sealed,
        old_secret_sealed, old_secret_until, coa_port, require_message_authenticator, sends_message_authenticator,
        limit_proxy_state, require_signed_answers, site_id ON nas
    FOR EACH STATEMENT EXECUTE FUNCTION directory_after_nas();

CREATE OR REPLACE FUNCTION directory_after_entitlement_update() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    told  uuid[];
    moved uuid[];
BEGIN
    -- Of what did not change, old and new are one row of the union.
    SELECT coalesce(array_agg(id), '{}') INTO told FROM (
        SELECT id FROM (
            SELECT id, state, starts_at, expires_at, quota_octets, quota_seconds, hours, up_bps, down_bps, device_limit,
                   duration_seconds, idle_timeout_seconds, package_name FROM before
            UNION
            SELECT id, state, starts_at, expires_at, quota_octets, quota_seconds, hours, up_bps, down_bps, device_limit,
                   duration_seconds, idle_timeout_seconds, package_name FROM changed) AS versions
        GROUP BY id HAVING count(*) > 1) AS differing;
    IF cardinality(told) = 0 THEN
        RETURN NULL;
    END IF;
    PERFORM tell_directory(told);
    -- The deadline of every open session follows, in the same transaction. That its time is over moves nothing: it was over then.
    -- A session that is being opened reads its deadline while it holds the row of the usage: it reads the new one, or is seen here.
    SELECT coalesce(array_agg(id), '{}') INTO moved FROM (
        SELECT id FROM (
            SELECT id, state, expires_at, hours, false AS is_new FROM before
            UNION ALL
            SELECT id, state, expires_at, hours, true FROM changed) AS versions
        GROUP BY id
        HAVING count(DISTINCT coalesce(expires_at, 'infinity')) > 1
            OR count(DISTINCT coalesce(hours, '{}')) > 1
            OR (count(DISTINCT state) > 1 AND max(state) FILTER (WHERE is_new) IN ('active', 'exhausted', 'revoked'))) AS differing;
    PERFORM FROM entitlement_usage WHERE entitlement_id = ANY (moved) ORDER BY entitlement_id FOR NO KEY UPDATE;
    UPDATE sessions s SET cutoff_at = session_deadline(e, s.nas_id, now()), cut_requested_at = NULL
    FROM entitlements e WHERE e.id = ANY (moved) AND s.entitlement_id = e.id;
    RETURN NULL;
END $$;
