-- Why: what an entitlement has used changes with every accounting report, all else of it hardly ever. In one table each
-- report rewrote a wide row and made the triggers of the change feed compare all rows of the batch, old and new, which cost
-- PostgreSQL more than the accounting itself. So the counters get a small row of their own, without triggers.
-- Expand only: a program from before goes on counting in `entitlements`, and readers add both; those columns go in a later
-- release.

CREATE TABLE entitlement_usage (
    entitlement_id uuid PRIMARY KEY REFERENCES entitlements (id) ON DELETE CASCADE,
    input_octets   bigint NOT NULL DEFAULT 0 CHECK (input_octets >= 0),
    output_octets  bigint NOT NULL DEFAULT 0 CHECK (output_octets >= 0),
    seconds        bigint NOT NULL DEFAULT 0 CHECK (seconds >= 0)
) WITH (fillfactor = 60);

-- Every entitlement has its row from the beginning: who adds to its usage, opens sessions on it or moves their deadlines
-- locks that row.
CREATE FUNCTION count_entitlements() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO entitlement_usage (entitlement_id) SELECT id FROM made;
    RETURN NULL;
END $$;
CREATE TRIGGER entitlements_counted AFTER INSERT ON entitlements
    REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION count_entitlements();
INSERT INTO entitlement_usage (entitlement_id) SELECT id FROM entitlements;

-- The join of old and new rows was a loop within a loop, since a transition table has no index: the square of the rows.
CREATE OR REPLACE FUNCTION directory_after_entitlement_update() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    told  uuid[];
    moved uuid[];
BEGIN
    -- Of what did not change, old and new are one row of the union.
    SELECT coalesce(array_agg(id), '{}') INTO told FROM (
        SELECT id FROM (
            SELECT id, state, starts_at, expires_at, quota_octets, up_bps, down_bps, device_limit, duration_seconds,
                   idle_timeout_seconds, package_name FROM before
            UNION
            SELECT id, state, starts_at, expires_at, quota_octets, up_bps, down_bps, device_limit, duration_seconds,
                   idle_timeout_seconds, package_name FROM changed) AS versions
        GROUP BY id HAVING count(*) > 1) AS differing;
    IF cardinality(told) = 0 THEN
        RETURN NULL;
    END IF;
    PERFORM tell_directory(told);
    -- The deadline of every open session follows, in the same transaction. That its time is over moves nothing: it was over then.
    -- A session that is being opened reads its deadline while it holds the row of the usage: it reads the new one, or is seen here.
    SELECT coalesce(array_agg(id), '{}') INTO moved FROM (
        SELECT id FROM (
            SELECT id, state, expires_at, false AS is_new FROM before
            UNION ALL
            SELECT id, state, expires_at, true FROM changed) AS versions
        GROUP BY id
        HAVING count(DISTINCT coalesce(expires_at, 'infinity')) > 1
            OR (count(DISTINCT state) > 1 AND max(state) FILTER (WHERE is_new) IN ('active', 'exhausted', 'revoked'))) AS differing;
    PERFORM FROM entitlement_usage WHERE entitlement_id = ANY (moved) ORDER BY entitlement_id FOR NO KEY UPDATE;
    UPDATE sessions s SET cutoff_at = CASE WHEN e.state IN ('active', 'expired') THEN e.expires_at ELSE least(e.expires_at, now()) END,
                          cut_requested_at = NULL
    FROM entitlements e WHERE e.id = ANY (moved) AND s.entitlement_id = e.id;
    RETURN NULL;
END $$;

-- The rows of the present hour are written again with each report: room on their page spares an entry in the index.
CREATE OR REPLACE FUNCTION make_month_partition(parent text, month date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name  text := parent || '_' || to_char(month, 'YYYY_MM');
    until date := (month + interval '1 month')::date;
    -- Days are days; hours begin in UTC, wherever the database thinks it is.
    zone  text := CASE parent WHEN 'usage_hourly' THEN ' 00:00:00+00' ELSE '' END;
    room  text := CASE parent WHEN 'usage_hourly' THEN ' WITH (fillfactor = 70)' ELSE '' END;
BEGIN
    IF to_regclass(name) IS NULL THEN
        BEGIN
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', name, parent, month || zone, until || zone) || room;
        EXCEPTION
            -- Rows of that month already stand in the default partition: they stay there.
            WHEN check_violation THEN RAISE NOTICE '% of % stays in the default partition', month, parent;
            WHEN duplicate_table THEN NULL;
        END;
    END IF;
END $$;
DO $$
DECLARE
    part regclass;
BEGIN
    FOR part IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'usage_hourly'::regclass LOOP
        EXECUTE format('ALTER TABLE %s SET (fillfactor = 70)', part);
    END LOOP;
END $$;
