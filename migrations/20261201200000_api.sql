-- Why: programs may do through the REST interface what people do at the desk. So a token says what it may do, until when and from where; a
-- request that moves money or access carries a key under which it is done once; and other programs are told of what happens, by a signed
-- request that is tried again until it is taken. What they are told is written in the transaction in which it happens.
--
-- Expand only. A token that a program from before makes, and every token that there is, may do everything, as before.

ALTER TABLE api_tokens
    -- `packages:read`, `packages:*`, `*:read` or `*`.
    ADD COLUMN scopes text[] NOT NULL DEFAULT '{*}' CHECK (cardinality(scopes) BETWEEN 1 AND 100),
    -- How it begins, so that people can tell tokens apart. NULL: a program from before has made it.
    ADD COLUMN prefix text CHECK (prefix ~ '^mlt_[A-Za-z0-9_-]{4}$'),
    -- From where it may be used; empty: from everywhere.
    ADD COLUMN allowed_from cidr[] NOT NULL DEFAULT '{}',
    ADD COLUMN revoked_at timestamptz;

-- What was asked under a key, and what was answered. The row is there before the work begins; while it has no status, whoever holds the
-- lease works on it. `work_id` is the identity of what the work makes, so that work which is taken up again makes it once.
CREATE TABLE idempotency_keys (
    token_id    uuid NOT NULL,
    route       text NOT NULL,
    key         text NOT NULL CHECK (char_length(key) BETWEEN 1 AND 255),
    -- Of path and body, keyed: a body may hold a password.
    fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 16),
    work_id     uuid NOT NULL,
    lease_until timestamptz NOT NULL,
    status      integer CHECK (status BETWEEN 200 AND 499),
    headers     jsonb NOT NULL DEFAULT '{}',
    body        bytea,
    -- NULL: it moves money, and is kept as long as the ledger.
    keep_until  timestamptz,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (token_id, route, key),
    CHECK ((status IS NULL) = (body IS NULL))
);
CREATE INDEX idempotency_keys_by_end ON idempotency_keys (keep_until) WHERE keep_until IS NOT NULL;

-- Where other programs are told of what happens.
CREATE TABLE webhook_endpoints (
    id                uuid PRIMARY KEY,
    url               text NOT NULL CHECK (url ~ '^https?://' AND length(url) <= 500),
    description       text NOT NULL DEFAULT '',
    -- Of what it is told.
    events            text[] NOT NULL CHECK (cardinality(events) BETWEEN 1 AND 50),
    secret_sealed     bytea NOT NULL,
    -- The secret before a rotation, which signs too until then.
    old_secret_sealed bytea,
    old_secret_until  timestamptz,
    disabled_at       timestamptz,
    disabled_reason   text,
    created_by        text NOT NULL,
    created_at        timestamptz NOT NULL,
    CHECK ((old_secret_sealed IS NULL) = (old_secret_until IS NULL)),
    CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL))
);

-- What happened, once under a key of its own. Only what somebody is to be told of is written down.
CREATE TABLE webhook_events (
    id   uuid PRIMARY KEY,
    type text NOT NULL CHECK (type ~ '^[a-z_]+[.][a-z_]+$'),
    key  text NOT NULL UNIQUE,
    data jsonb NOT NULL,
    at   timestamptz NOT NULL
);
CREATE INDEX webhook_events_by_time ON webhook_events (at DESC, id);

CREATE TABLE webhook_deliveries (
    id              uuid PRIMARY KEY,
    endpoint_id     uuid NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
    event_id        uuid NOT NULL REFERENCES webhook_events (id) ON DELETE CASCADE,
    state           text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts        integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    -- When it is tried (again); NULL: it is over.
    next_attempt_at timestamptz,
    -- What the last try came to: a status of HTTP, or why there was none.
    status          integer,
    detail          text NOT NULL DEFAULT '',
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    UNIQUE (endpoint_id, event_id),
    CHECK ((state = 'pending') = (next_attempt_at IS NOT NULL))
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX webhook_deliveries_by_endpoint ON webhook_deliveries (endpoint_id, created_at DESC, id);
CREATE INDEX webhook_deliveries_by_event ON webhook_deliveries (event_id);

-- An identity as the interface spells it.
CREATE FUNCTION api_id(prefix text, id uuid) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT prefix || replace(id::text, '-', '') $$;

-- Writes something down for those who want to be told of it, once under its key.
CREATE FUNCTION tell_webhooks(kind text, about_key text, about jsonb, happened timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE event uuid := gen_random_uuid();
BEGIN
    IF NOT EXISTS (SELECT FROM webhook_endpoints e WHERE e.disabled_at IS NULL AND kind = ANY (e.events)) THEN
        RETURN;
    END IF;
    INSERT INTO webhook_events (id, type, key, data, at) VALUES (event, kind, about_key, about, happened) ON CONFLICT (key) DO NOTHING;
    IF FOUND THEN
        INSERT INTO webhook_deliveries (id, endpoint_id, event_id, next_attempt_at, created_at, updated_at)
        SELECT gen_random_uuid(), e.id, event, happened, happened, happened
        FROM webhook_endpoints e WHERE e.disabled_at IS NULL AND kind = ANY (e.events);
    END IF;
END $$;

CREATE FUNCTION webhooks_after_payment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tell_webhooks('payment.' || NEW.state, 'payment.' || NEW.state || ':' || NEW.id, jsonb_build_object(
        'payment', api_id('pay_', NEW.id), 'order', api_id('ord_', NEW.order_id), 'provider', NEW.provider, 'receipt', NEW.receipt,
        'amount', jsonb_build_object('amount', NEW.amount_minor, 'currency', NEW.currency)), NEW.updated_at);
    RETURN NULL;
END $$;
CREATE TRIGGER webhooks_after_payment AFTER UPDATE OF state ON payments FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND NEW.state IN ('succeeded', 'failed')) EXECUTE FUNCTION webhooks_after_payment();

CREATE FUNCTION webhooks_after_order() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE kind text := CASE NEW.state WHEN 'paid' THEN 'order.paid' ELSE 'order.refund_due' END;
BEGIN
    PERFORM tell_webhooks(kind, kind || ':' || NEW.id, jsonb_build_object(
        'order', api_id('ord_', NEW.id), 'code', NEW.code, 'customer', api_id('cus_', NEW.user_id),
        'package', api_id('pkg_', NEW.package_id),
        'amount', jsonb_build_object('amount', NEW.amount_minor, 'currency', NEW.currency)), NEW.updated_at);
    RETURN NULL;
END $$;
CREATE TRIGGER webhooks_after_order AFTER UPDATE OF state ON orders FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND NEW.state IN ('paid', 'refund_due')) EXECUTE FUNCTION webhooks_after_order();

CREATE FUNCTION webhooks_after_refund() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE kind text := CASE NEW.state WHEN 'done' THEN 'refund.succeeded' ELSE 'refund.failed' END;
BEGIN
    PERFORM tell_webhooks(kind, kind || ':' || NEW.id, jsonb_build_object(
        'refund', api_id('ref_', NEW.id), 'payment', api_id('pay_', NEW.payment_id),
        'amount', jsonb_build_object('amount', NEW.amount_minor, 'currency', NEW.currency)), NEW.updated_at);
    RETURN NULL;
END $$;
CREATE TRIGGER webhooks_after_refund AFTER UPDATE OF state ON refunds FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND NEW.state IN ('done', 'failed', 'refused')) EXECUTE FUNCTION webhooks_after_refund();

CREATE FUNCTION webhooks_after_voucher() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tell_webhooks('voucher.redeemed', 'voucher.redeemed:' || NEW.id, jsonb_build_object(
        'voucher', api_id('vou_', NEW.id), 'batch', api_id('vba_', NEW.batch_id), 'serial', NEW.serial,
        'entitlement', api_id('ent_', NEW.entitlement_id)), NEW.redeemed_at);
    RETURN NULL;
END $$;
CREATE TRIGGER webhooks_after_voucher AFTER UPDATE OF state ON vouchers FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND NEW.state = 'redeemed') EXECUTE FUNCTION webhooks_after_voucher();

CREATE FUNCTION webhooks_after_outage() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE kind text := CASE WHEN NEW.ended_at IS NULL THEN 'nas.silent' ELSE 'nas.heard' END;
BEGIN
    PERFORM tell_webhooks(kind, kind || ':' || NEW.id, jsonb_build_object(
        'outage', api_id('out_', NEW.id), 'nas', api_id('nas_', NEW.nas_id), 'cause', NEW.cause),
        coalesce(NEW.ended_at, NEW.noticed_at));
    RETURN NULL;
END $$;
CREATE TRIGGER webhooks_after_outage_began AFTER INSERT ON outages FOR EACH ROW EXECUTE FUNCTION webhooks_after_outage();
CREATE TRIGGER webhooks_after_outage_ended AFTER UPDATE OF ended_at ON outages FOR EACH ROW
    WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL) EXECUTE FUNCTION webhooks_after_outage();
