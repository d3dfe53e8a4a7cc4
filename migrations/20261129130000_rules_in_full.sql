-- Why: packages get the rules that operators ask for (ends by the calendar, data by direction, bursts, other speeds after
-- so much data, what becomes of one device too many, how often a person may buy), and what is sold can change while its
-- owner is online: who buys more gets it in the session that is open. Whatever changes what a router was told asks for a
-- CoA of every open session, by trigger, so that no writer can forget it.

ALTER TABLE packages
    ADD COLUMN until text CHECK (until IN ('day', 'week')),
    ADD COLUMN quota_up_octets bigint CHECK (quota_up_octets > 0),
    ADD COLUMN quota_down_octets bigint CHECK (quota_down_octets > 0),
    ADD COLUMN burst text CHECK (burst <> ''),
    -- Three numbers a stage: after so many octets, the speed up, the speed down.
    ADD COLUMN fair_use bigint[] NOT NULL DEFAULT '{}' CHECK (cardinality(fair_use) % 3 = 0),
    ADD COLUMN device_policy text NOT NULL DEFAULT 'strict' CHECK (device_policy IN ('strict', 'replace', 'ask')),
    -- How often one person, or one device, may buy it: ever, and on one day.
    ADD COLUMN per_person integer CHECK (per_person > 0),
    ADD COLUMN per_person_daily integer CHECK (per_person_daily > 0),
    DROP CONSTRAINT packages_limited,
    ADD CONSTRAINT packages_limited CHECK (num_nonnulls(duration_seconds, until, quota_octets, quota_up_octets, quota_down_octets, quota_seconds) > 0),
    ADD CONSTRAINT packages_one_end CHECK (duration_seconds IS NULL OR until IS NULL);
ALTER TABLE entitlements
    ADD COLUMN until text CHECK (until IN ('day', 'week')),
    ADD COLUMN quota_up_octets bigint CHECK (quota_up_octets > 0),
    ADD COLUMN quota_down_octets bigint CHECK (quota_down_octets > 0),
    ADD COLUMN burst text CHECK (burst <> ''),
    ADD COLUMN fair_use bigint[] NOT NULL DEFAULT '{}' CHECK (cardinality(fair_use) % 3 = 0),
    ADD COLUMN device_policy text NOT NULL DEFAULT 'strict' CHECK (device_policy IN ('strict', 'replace', 'ask')),
    -- From when on a change of devices would count as the first one.
    ADD COLUMN swaps_free_at timestamptz,
    -- What was paid for what it is now; NULL: the package's price.
    ADD COLUMN paid_minor bigint CHECK (paid_minor >= 0),
    -- What had been used when it became what it is now.
    ADD COLUMN before_up bigint NOT NULL DEFAULT 0 CHECK (before_up >= 0),
    ADD COLUMN before_down bigint NOT NULL DEFAULT 0 CHECK (before_down >= 0),
    ADD COLUMN before_seconds bigint NOT NULL DEFAULT 0 CHECK (before_seconds >= 0),
    -- When what routers were told last changed. A session that began before, and is heard of only after, must be told.
    ADD COLUMN changed_at timestamptz;

-- A free trial is an order like any other, of nothing.
ALTER TABLE orders DROP CONSTRAINT orders_amount_minor_check, ADD CONSTRAINT orders_amount_minor_check CHECK (amount_minor >= 0);
ALTER TABLE orders
    ADD COLUMN wish text NOT NULL DEFAULT 'new' CHECK (wish IN ('new', 'extend', 'upgrade', 'queue')),
    -- What is to be made longer, or replaced.
    ADD COLUMN target_id uuid REFERENCES entitlements (id);
CREATE INDEX orders_by_user ON orders (user_id, package_id, created_at DESC);

-- What a purchase made of an entitlement that was there. One order changes once, as one order grants once.
CREATE TABLE entitlement_changes (
    order_id       uuid PRIMARY KEY REFERENCES orders (id),
    entitlement_id uuid NOT NULL REFERENCES entitlements (id),
    kind           text NOT NULL CHECK (kind IN ('extend', 'upgrade')),
    -- The package, the end and the limits of before.
    before         jsonb NOT NULL,
    -- What was not used of it and went into the new one.
    credit_minor   bigint NOT NULL DEFAULT 0 CHECK (credit_minor >= 0),
    at             timestamptz NOT NULL
);
CREATE INDEX entitlement_changes_by_entitlement ON entitlement_changes (entitlement_id);

-- A command that asks for something newer than what is on its way.
ALTER TABLE nas_commands ADD COLUMN generation integer NOT NULL DEFAULT 0;
-- A device whose router refuses a change is sent off to log in again, or stays as it is.
ALTER TABLE nas ADD COLUMN keep_on_refused_change boolean NOT NULL DEFAULT false;
DROP TRIGGER nas_changed ON nas;
CREATE TRIGGER nas_changed AFTER INSERT OR DELETE OR UPDATE OF name, address, radsec_name, identifier, secret_sealed,
        old_secret_sealed, old_secret_until, coa_port, require_message_authenticator, sends_message_authenticator,
        limit_proxy_state, require_signed_answers, keep_on_refused_change, site_id ON nas
    FOR EACH STATEMENT EXECUTE FUNCTION directory_after_nas();

-- The clock of the place that a router stands in.
CREATE FUNCTION router_zone(router uuid) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT s.time_zone FROM nas n JOIN sites s ON s.id = n.site_id WHERE n.id = router), 'Africa/Nairobi')
$$;

-- When access ends that begins at that moment.
CREATE FUNCTION access_end(until text, duration_seconds bigint, zone text, at timestamptz) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN until IS NULL THEN at + duration_seconds * interval '1 second'
                ELSE (date_trunc(until, at AT TIME ZONE zone) + CASE until WHEN 'day' THEN interval '1 day' ELSE interval '1 week' END) AT TIME ZONE zone END
$$;

-- Asks the routers of all open sessions that use these entitlements to allow what they may now. A change that is on its
-- way is followed by this one; what was refused before is asked again.
CREATE FUNCTION ask_for_change(ids uuid[], at timestamptz) RETURNS void LANGUAGE sql AS $$
    INSERT INTO nas_commands (id, kind, nas_id, session_id, user_name, framed_ip, acct_session_id, reason, due_at, created_at)
    SELECT gen_random_uuid(), 'coa', s.nas_id, s.id, s.user_name, s.framed_ip, s.acct_session_id, 'change', at, at
    FROM sessions s WHERE s.entitlement_id = ANY (ids) AND s.ended_at IS NULL ORDER BY s.id
    ON CONFLICT (session_id, kind) WHERE state NOT IN ('proved', 'abandoned') DO UPDATE SET
        generation = nas_commands.generation + 1, due_at = EXCLUDED.due_at, error_cause = NULL, waits_for_router = false, attempts = 0,
        lease_until = CASE WHEN nas_commands.state = 'pending' THEN nas_commands.lease_until END, state = 'pending'
$$;

CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.changed_at := now();
    RETURN NEW;
END $$;
CREATE TRIGGER entitlements_change_noted BEFORE UPDATE ON entitlements FOR EACH ROW
    WHEN (NEW.state = 'active'
          -- What is over in a moment is cut then: there is nothing to change.
          AND (NEW.expires_at IS NULL OR NEW.expires_at > now() + interval '5 seconds')
          AND ((OLD.starts_at IS NOT NULL AND OLD.expires_at IS DISTINCT FROM NEW.expires_at)
               OR (OLD.hours, OLD.quota_octets, OLD.quota_up_octets, OLD.quota_down_octets, OLD.quota_seconds, OLD.up_bps, OLD.down_bps,
                   OLD.burst, OLD.fair_use, OLD.idle_timeout_seconds)
                  IS DISTINCT FROM
                  (NEW.hours, NEW.quota_octets, NEW.quota_up_octets, NEW.quota_down_octets, NEW.quota_seconds, NEW.up_bps, NEW.down_bps,
                   NEW.burst, NEW.fair_use, NEW.idle_timeout_seconds)))
    EXECUTE FUNCTION note_change();

CREATE OR REPLACE FUNCTION directory_after_entitlement_update() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    told    uuid[];
    moved   uuid[];
    changes uuid[];
BEGIN
    -- Of what did not change, old and new are one row of the union.
    SELECT coalesce(array_agg(id), '{}') INTO told FROM (
        SELECT id FROM (
            SELECT id, state, starts_at, expires_at, quota_octets, quota_up_octets, quota_down_octets, quota_seconds, hours, up_bps, down_bps,
                   burst, fair_use, device_limit, device_policy, swaps_free_at, duration_seconds, until, idle_timeout_seconds, package_name FROM before
            UNION
            SELECT id, state, starts_at, expires_at, quota_octets, quota_up_octets, quota_down_octets, quota_seconds, hours, up_bps, down_bps,
                   burst, fair_use, device_limit, device_policy, swaps_free_at, duration_seconds, until, idle_timeout_seconds, package_name FROM changed) AS versions
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
    SELECT coalesce(array_agg(id), '{}') INTO changes FROM (
        SELECT id FROM (SELECT id, changed_at FROM before UNION SELECT id, changed_at FROM changed) AS versions
        GROUP BY id HAVING count(*) > 1) AS differing;
    PERFORM FROM entitlement_usage WHERE entitlement_id = ANY (moved || changes) ORDER BY entitlement_id FOR NO KEY UPDATE;
    UPDATE sessions s SET cutoff_at = session_deadline(e, s.nas_id, now()), cut_requested_at = NULL
    FROM entitlements e WHERE e.id = ANY (moved) AND s.entitlement_id = e.id;
    IF cardinality(changes) > 0 THEN
        PERFORM ask_for_change(changes, now());
    END IF;
    RETURN NULL;
END $$;
