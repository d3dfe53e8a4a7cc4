-- Why: money that came by card goes back by card, once, also if the process that asks for it dies; a guest whose bank wants to see
-- them must reach the bank before anything is paid; and reports that somebody forged are worth a look.

-- Money that goes back to a card. The identity is what the provider is asked with: the same one, asked twice, gives back once.
CREATE TABLE refunds (
    id              uuid PRIMARY KEY,
    payment_id      uuid NOT NULL REFERENCES payments (id),
    amount_minor    bigint NOT NULL CHECK (amount_minor > 0),
    currency        char(3) NOT NULL,
    -- unknown: it may have been given back or not. pending: the provider has taken it and says later. failed and refused: it was not.
    state           text NOT NULL DEFAULT 'created' CHECK (state IN ('created', 'unknown', 'pending', 'done', 'failed', 'refused')),
    -- The provider's name of it.
    reference       text,
    -- Why it was not, or is not known.
    reason          text NOT NULL DEFAULT '',
    asked_by        text NOT NULL,
    -- false: it was given back elsewhere, and is only booked here.
    is_ours         boolean NOT NULL DEFAULT true,
    attempts        integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    -- When the provider is asked (again); NULL: it is over, or a person must look.
    next_attempt_at timestamptz,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL
);
-- As long as money may have gone back, it does not go back again.
CREATE UNIQUE INDEX refunds_once ON refunds (payment_id) WHERE is_ours AND state NOT IN ('failed', 'refused');
CREATE INDEX refunds_by_payment ON refunds (payment_id);
CREATE INDEX refunds_due ON refunds (next_attempt_at) WHERE next_attempt_at IS NOT NULL;

-- The access that lets the guest of this payment out before it is paid. Such an entitlement has no package, and nobody owns it.
ALTER TABLE payments ADD COLUMN grace_id uuid REFERENCES entitlements (id);
-- Whether the money certainly came from the phone of the order, so that who has paid holds it. A card proves no phone.
ALTER TABLE payments ADD COLUMN from_phone boolean NOT NULL DEFAULT false;
CREATE INDEX payments_with_grace ON payments (created_at) WHERE grace_id IS NOT NULL;

ALTER TABLE security_events DROP CONSTRAINT security_events_kind_check,
    ADD CONSTRAINT security_events_kind_check CHECK (kind IN ('device_locked', 'login_locked', 'router_guessing', 'mac_cloned',
        'session_stolen', 'code_guessing', 'forged_report'));
