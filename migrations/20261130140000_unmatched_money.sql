-- Why: customers also pay from the M-Pesa menu, with an account number that a person typed, and the same payment is told of more than
-- once, by a prompt's report and by the paybill's confirmation. Each receipt is written down once here. What belongs to an order pays
-- for it; the rest waits, booked as what we owe to somebody, until a person says whose it is or gives it back.

CREATE TABLE received_money (
    id             uuid PRIMARY KEY,
    provider       text NOT NULL CHECK (provider = 'mpesa'),
    receipt        text NOT NULL CHECK (receipt <> ''),
    amount_minor   bigint NOT NULL CHECK (amount_minor > 0),
    currency       char(3) NOT NULL,
    -- As the provider tells them: the number may be masked or hashed.
    payer_name     text NOT NULL DEFAULT '',
    payer_number   text NOT NULL DEFAULT '',
    -- What the payer typed as account number.
    reference      text NOT NULL DEFAULT '',
    -- When it was paid by the provider's clock, and when we were told.
    paid_at        timestamptz,
    received_at    timestamptz NOT NULL,
    -- When the provider, asked by us, said the same; NULL: only its unsigned report says so.
    confirmed_at   timestamptz,
    state          text NOT NULL CHECK (state IN ('matched', 'unmatched', 'assigned', 'refunded')),
    order_id       uuid REFERENCES orders (id),
    decided_at     timestamptz,
    decided_by     text,
    -- When it had really gone back to the payer, and what proves it.
    given_back_at  timestamptz,
    given_back_proof text,
    -- Where it stands word for word.
    event_id       uuid REFERENCES payment_events (id),
    UNIQUE (provider, receipt),
    CHECK (state NOT IN ('matched', 'assigned') OR order_id IS NOT NULL),
    CHECK (state <> 'unmatched' OR order_id IS NULL),
    CHECK ((state = 'unmatched') = (decided_at IS NULL)),
    CHECK ((decided_at IS NULL) = (decided_by IS NULL)),
    CHECK ((given_back_at IS NULL) = (given_back_proof IS NULL)),
    CHECK (given_back_at IS NULL OR state = 'refunded')
);
CREATE INDEX received_money_by_time ON received_money (received_at DESC, id);
-- What waits for a person.
CREATE INDEX received_money_waiting ON received_money (received_at DESC, id)
    WHERE state = 'unmatched' OR (state = 'refunded' AND given_back_at IS NULL);
CREATE INDEX received_money_by_order ON received_money (order_id) WHERE order_id IS NOT NULL;

INSERT INTO ledger_accounts (id, code, name, kind) VALUES
    ('01930000-0000-7000-8000-000000000010', 'unmatched', 'Money received for which no order is known', 'liability');

-- Questions whose answer M-Pesa sends later: whether a payment is true, and to give one back.
CREATE TABLE mpesa_requests (
    id              uuid PRIMARY KEY,
    kind            text NOT NULL CHECK (kind IN ('status', 'reversal')),
    receipt         text NOT NULL CHECK (receipt <> ''),
    -- What we were told that it is, or want to give back.
    amount_minor    bigint NOT NULL CHECK (amount_minor > 0),
    currency        char(3) NOT NULL,
    -- The report that waits for the answer.
    event_id        uuid REFERENCES payment_events (id),
    asked_by        text NOT NULL,
    state           text NOT NULL DEFAULT 'created'
                    -- denied: M-Pesa says something else than we were told. unknown and timed_out: it may have been done or not.
                    CHECK (state IN ('created', 'accepted', 'unknown', 'timed_out', 'refused', 'denied', 'failed', 'succeeded')),
    conversation_id text,
    originator_conversation_id text,
    result_code     text,
    result_text     text,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL
);
CREATE INDEX mpesa_requests_by_receipt ON mpesa_requests (receipt, kind, created_at DESC);
-- Money is given back once: as long as it may have been, it is not tried again.
CREATE UNIQUE INDEX mpesa_requests_one_reversal ON mpesa_requests (receipt)
    WHERE kind = 'reversal' AND state NOT IN ('refused', 'denied', 'failed');

-- The answer that a report is, where it came to a request's secret address.
ALTER TABLE payment_events ADD COLUMN request_id uuid REFERENCES mpesa_requests (id);
