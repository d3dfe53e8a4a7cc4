-- Why: packages that are faster (or slower) at certain hours: a night that costs the operator nothing, a happy hour that fills an
-- empty afternoon. When such hours begin and end is a moment of each open session, looked up by an index as deadlines are; what
-- the router is told then is decided by the function that answers logins.

ALTER TABLE packages
    ADD COLUMN happy_hours int4multirange
        CHECK (happy_hours <@ '{[0,10080)}'::int4multirange AND NOT isempty(happy_hours) AND happy_hours <> '{[0,10080)}'::int4multirange),
    ADD COLUMN happy_up_bps bigint CHECK (happy_up_bps >= 0),
    ADD COLUMN happy_down_bps bigint CHECK (happy_down_bps >= 0),
    ADD CONSTRAINT packages_happy_hours CHECK (num_nulls(happy_hours, happy_up_bps, happy_down_bps) IN (0, 3));
ALTER TABLE entitlements
    ADD COLUMN happy_hours int4multirange
        CHECK (happy_hours <@ '{[0,10080)}'::int4multirange AND NOT isempty(happy_hours) AND happy_hours <> '{[0,10080)}'::int4multirange),
    ADD COLUMN happy_up_bps bigint CHECK (happy_up_bps >= 0),
    ADD COLUMN happy_down_bps bigint CHECK (happy_down_bps >= 0),
    ADD CONSTRAINT entitlements_happy_hours CHECK (num_nulls(happy_hours, happy_up_bps, happy_down_bps) IN (0, 3));

-- When the speed of an open session changes by the clock.
ALTER TABLE sessions ADD COLUMN speed_changes_at timestamptz;
CREATE INDEX sessions_by_speed_change ON sessions (speed_changes_at) WHERE speed_changes_at IS NOT NULL;
-- Nothing reads it: devices in two places are looked for among all that are online.
DROP INDEX sessions_by_device;

-- When happy hours of this entitlement begin or end next at that router. Where it has none, no clock is asked.
CREATE FUNCTION next_speed_change(entitlement entitlements, router uuid, at timestamptz) RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
DECLARE
    zone   text;
    closes timestamptz;
BEGIN
    IF entitlement.happy_hours IS NULL THEN
        RETURN NULL;
    END IF;
    zone := router_zone(router);
    closes := closing_time(entitlement.happy_hours, zone, at);
    IF closes > at THEN
        RETURN closes;
    END IF;
    RETURN closing_time('{[0,10080)}'::int4multirange - entitlement.happy_hours, zone, at);
END $$;

-- What a router is told of an entitlement; its end is looked at separately, since it also moves deadlines.
CREATE FUNCTION router_terms(e entitlements) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT ROW(e.hours, e.quota_octets, e.quota_up_octets, e.quota_down_octets, e.quota_seconds, e.up_bps, e.down_bps, e.burst,
               e.fair_use, e.happy_hours, e.happy_up_bps, e.happy_down_bps, e.idle_timeout_seconds)::text
$$;
-- What radiusd keeps of it in memory.
CREATE FUNCTION login_terms(e entitlements) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT ROW(e.state, e.starts_at, e.expires_at, e.device_limit, e.device_policy, e.swaps_free_at, e.duration_seconds, e.until,
               e.package_name, router_terms(e))::text
$$;

DROP TRIGGER entitlements_change_noted ON entitlements;
CREATE TRIGGER entitlements_change_noted BEFORE UPDATE ON entitlements FOR EACH ROW
    WHEN (NEW.state = 'active'
          -- What is over in a moment is cut then: there is nothing to change.
          AND (NEW.expires_at IS NULL OR NEW.expires_at > now() + interval '5 seconds')
          AND ((OLD.starts_at IS NOT NULL AND OLD.expires_at IS DISTINCT FROM NEW.expires_at) OR router_terms(OLD) <> router_terms(NEW)))
    EXECUTE FUNCTION note_change();

CREATE OR REPLACE FUNCTION directory_after_entitlement_update() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    told    uuid[];
    moved   uuid[];
    changes uuid[];
BEGIN
    SELECT coalesce(array_agg(o.id), '{}') INTO told FROM before o JOIN changed n ON n.id = o.id
    WHERE login_terms(ROW(o.*)::entitlements) <> login_terms(ROW(n.*)::entitlements);
    IF cardinality(told) = 0 THEN
        RETURN NULL;
    END IF;
    PERFORM tell_directory(told);
    -- The deadline of every open session follows, in the same transaction. That its time is over moves nothing: it was over then.
    -- A session that is being opened reads its deadline while it holds the row of the usage: it reads the new one, or is seen here.
    SELECT coalesce(array_agg(o.id), '{}') INTO moved FROM before o JOIN changed n ON n.id = o.id
    WHERE o.expires_at IS DISTINCT FROM n.expires_at
       OR o.hours IS DISTINCT FROM n.hours
       OR o.happy_hours IS DISTINCT FROM n.happy_hours
       OR (o.state <> n.state AND n.state IN ('active', 'exhausted', 'revoked'));
    SELECT coalesce(array_agg(o.id), '{}') INTO changes FROM before o JOIN changed n ON n.id = o.id
    WHERE o.changed_at IS DISTINCT FROM n.changed_at;
    PERFORM FROM entitlement_usage WHERE entitlement_id = ANY (moved || changes) ORDER BY entitlement_id FOR NO KEY UPDATE;
    UPDATE sessions s SET cutoff_at = session_deadline(e, s.nas_id, now()), cut_requested_at = NULL,
        speed_changes_at = next_speed_change(e, s.nas_id, now())
    FROM entitlements e WHERE e.id = ANY (moved) AND s.entitlement_id = e.id;
    IF cardinality(changes) > 0 THEN
        PERFORM ask_for_change(changes, now());
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION directory_after_site() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO directory_changes (what) VALUES ('nas');
    PERFORM hint_directory();
    UPDATE sessions s SET cutoff_at = session_deadline(e, s.nas_id, now()), cut_requested_at = NULL,
        speed_changes_at = next_speed_change(e, s.nas_id, now())
    FROM nas n, entitlements e
    WHERE n.site_id = NEW.id AND s.nas_id = n.id AND e.id = s.entitlement_id AND (e.hours IS NOT NULL OR e.happy_hours IS NOT NULL);
    RETURN NULL;
END $$;
