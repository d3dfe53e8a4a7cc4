-- Why: an endpoint that was removed in the moment in which something happened made that fail, a payment too: the delivery was written for
-- an endpoint that was gone. Endpoints are held now before their deliveries are written; one that is being removed is left out.

CREATE OR REPLACE FUNCTION tell_webhooks(kind text, about_key text, about jsonb, happened timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE event uuid := gen_random_uuid();
BEGIN
    IF NOT EXISTS (SELECT FROM webhook_endpoints e WHERE e.disabled_at IS NULL AND kind = ANY (e.events)) THEN
        RETURN;
    END IF;
    INSERT INTO webhook_events (id, type, key, data, at) VALUES (event, kind, about_key, about, happened) ON CONFLICT (key) DO NOTHING;
    IF FOUND THEN
        INSERT INTO webhook_deliveries (id, endpoint_id, event_id, next_attempt_at, created_at, updated_at)
        SELECT gen_random_uuid(), e.id, event, happened, happened, happened
        FROM webhook_endpoints e WHERE e.disabled_at IS NULL AND kind = ANY (e.events) FOR KEY SHARE OF e;
    END IF;
END $$;
