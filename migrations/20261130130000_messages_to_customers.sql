-- Why: customers are told what matters to them: that their money came, that their time or data is about to end or has ended, that a new
-- device uses their package, that the network is down and that it is back. Each piece of news is written once, under a key, in the
-- transaction that made it news; what an operator words anew and what a customer does not want to hear stands beside it.

ALTER TABLE notifications
    -- What it is about: the same news again is no news.
    ADD COLUMN key text UNIQUE,
    ADD COLUMN lease_until timestamptz,
    ADD COLUMN provider text,
    -- The provider's name for the message.
    ADD COLUMN reference text,
    ADD COLUMN segments integer CHECK (segments >= 0),
    ADD COLUMN cost_minor bigint CHECK (cost_minor >= 0),
    ADD COLUMN currency char(3),
    ADD COLUMN delivered_at timestamptz,
    -- Why it was not sent, or not delivered.
    ADD COLUMN detail text NOT NULL DEFAULT '',
    DROP CONSTRAINT notifications_state_check,
    ADD CONSTRAINT notifications_state_check
        CHECK (state IN ('pending', 'sent', 'delivered', 'undelivered', 'failed', 'expired', 'skipped')),
    ADD CONSTRAINT notifications_cost CHECK ((cost_minor IS NULL) = (currency IS NULL));
CREATE UNIQUE INDEX notifications_by_reference ON notifications (provider, reference) WHERE reference IS NOT NULL;
CREATE INDEX notifications_by_user ON notifications (user_id, created_at DESC);

-- What an operator words otherwise than we do, or does not want to be sent.
CREATE TABLE message_templates (
    name       text NOT NULL,
    locale     text NOT NULL CHECK (locale IN ('en', 'sw')),
    text       text NOT NULL CHECK (text <> ''),
    updated_at timestamptz NOT NULL,
    updated_by text NOT NULL,
    PRIMARY KEY (name, locale)
);
CREATE TABLE messages_off (
    name       text PRIMARY KEY,
    updated_at timestamptz NOT NULL,
    updated_by text NOT NULL
);

-- Kinds of news that a customer does not want.
ALTER TABLE users ADD COLUMN muted text[] NOT NULL DEFAULT '{}';

-- Writes news of entitlements down for those who own them, once. What nobody owns (a voucher, a guest of the house) is nobody's news.
CREATE FUNCTION tell_owners(news text, about jsonb, ids uuid[], at timestamptz, good_for_seconds bigint) RETURNS void LANGUAGE sql AS $$
    INSERT INTO notifications (id, user_id, template, payload, key, next_attempt_at, expires_at, created_at)
    SELECT gen_random_uuid(), e.user_id, news, about || jsonb_build_object('entitlement', e.id, 'package', e.package_name),
           news || ':' || e.id || ':' || coalesce(about->>'of', ''), at, at + good_for_seconds * interval '1 second', at
    FROM entitlements e WHERE e.id = ANY (ids) AND e.user_id IS NOT NULL ORDER BY e.id
    ON CONFLICT (key) DO NOTHING
$$;
