-- Why: packages of time that counts only while somebody is online. The seconds are counted already, beside the octets; this is
-- their limit. The trigger of the change feed compares what logins depend on, and so this too.

ALTER TABLE packages ADD COLUMN quota_seconds bigint CHECK (quota_seconds BETWEEN 1 AND 315360000); -- ten years
ALTER TABLE packages DROP CONSTRAINT packages_check;
ALTER TABLE packages ADD CONSTRAINT packages_limited
    CHECK (duration_seconds IS NOT NULL OR quota_octets IS NOT NULL OR quota_seconds IS NOT NULL);
ALTER TABLE entitlements ADD COLUMN quota_seconds bigint CHECK (quota_seconds BETWEEN 1 AND 315360000);

CREATE OR REPLACE FUNCTION directory_after_entitlement_update() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    told  uuid[];
    moved uuid[];
BEGIN
    -- Of what did not change, old and new are one row of the union.
    SELECT coalesce(array_agg(id), '{}') INTO told FROM (
        SELECT id FROM (
            SELECT id, state, starts_at, expires_at, quota_octets, quota_seconds, up_bps, down_bps, device_limit,
                   duration_seconds, idle_timeout_seconds, package_name FROM before
            UNION
            SELECT id, state, starts_at, expires_at, quota_octets, quota_seconds, up_bps, down_bps, device_limit,
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
