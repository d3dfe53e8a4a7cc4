-- Why: other programs are told when a session begins and ends, too. Sessions are written in sets, on the path that must not wait: so one
-- look says for a whole statement whether somebody wants to be told, and if so, all events and deliveries are written in one more.
--
-- What is told is that a row comes into `sessions` (started) or into `sessions_ended` (stopped); a row there that a late report writes
-- again is not news. A session that was given up as lost and goes on is started again, and stops again. Each time the last report of it
-- is a later one, so that stands in the key. `at` is when we heard of it and not when it was: a report may come hours late, and whoever
-- asks for what was missed since then wants that one, too.
--
-- Expand only: a program from before writes sessions as it did, and what it writes is told.

-- A moment as the interface spells it, wherever the database thinks it is.
CREATE FUNCTION api_time(at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

-- An endpoint that is being removed is left out and not waited for: with it goes what it was told of, which takes its time. Rows are looked
-- up by their keys, whatever the tables held when the plan was made. To PostgreSQL such a plan looks dear enough to compile it, which would
-- take longer than all the rest.
CREATE FUNCTION webhooks_after_sessions() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE kind text := TG_ARGV[0];
BEGIN
    IF NOT EXISTS (SELECT FROM webhook_endpoints w WHERE w.disabled_at IS NULL AND kind = ANY (w.events)) THEN
        RETURN NULL;
    END IF;
    WITH held AS (
        SELECT w.id FROM webhook_endpoints w WHERE w.disabled_at IS NULL AND kind = ANY (w.events) FOR KEY SHARE OF w SKIP LOCKED
    ), told AS (
        INSERT INTO webhook_events (id, type, key, data, at)
        SELECT gen_random_uuid(), kind, kind || ':' || s.id || ':' || extract(epoch FROM s.last_heard_at),
            jsonb_build_object('session', api_id('ses_', s.id), 'acct_session_id', s.acct_session_id, 'nas', api_id('nas_', s.nas_id),
                'nas_name', n.name, 'site', api_id('sit_', n.site_id), 'customer', api_id('cus_', e.user_id),
                'entitlement', api_id('ent_', s.entitlement_id), 'started_at', api_time(s.started_at))
            || CASE kind WHEN 'session.started' THEN '{}' ELSE jsonb_build_object('ended_at', api_time(s.ended_at),
                'terminate_cause', s.terminate_cause, 'lost', s.lost, 'seconds', s.session_seconds, 'input_bytes', s.input_octets,
                'output_bytes', s.output_octets) END,
            now()
        FROM written s LEFT JOIN nas n ON n.id = s.nas_id LEFT JOIN entitlements e ON e.id = s.entitlement_id
        ON CONFLICT (key) DO NOTHING RETURNING id
    )
    INSERT INTO webhook_deliveries (id, endpoint_id, event_id, next_attempt_at, created_at, updated_at)
    SELECT gen_random_uuid(), held.id, told.id, now(), now(), now() FROM told CROSS JOIN held;
    RETURN NULL;
END $$;
CREATE TRIGGER webhooks_after_sessions AFTER INSERT ON sessions REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION webhooks_after_sessions('session.started');
CREATE TRIGGER webhooks_after_sessions AFTER INSERT ON sessions_ended REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION webhooks_after_sessions('session.stopped');

-- There are many more deliveries now. Each endpoint's are taken in turn: one that takes nothing holds up no other, and what waits for one
-- that is disabled is not gone through each time.
DROP INDEX webhook_deliveries_due;
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, next_attempt_at) WHERE next_attempt_at IS NOT NULL;
