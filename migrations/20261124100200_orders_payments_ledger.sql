-- Why: the money path. An order exists before any provider is called; what a provider says is stored raw
-- before it is believed; provider references are unique, so a second report of the same payment finds the
-- first; the ledger is double entry, append-only, and must balance when the transaction commits.

CREATE TABLE orders (
    id           uuid PRIMARY KEY,
    -- Shown on the customer's phone and quoted to support; M-Pesa allows twelve characters.
    code         text NOT NULL UNIQUE CHECK (code ~ '^[A-Z0-9]{6,12}$'),
    user_id      uuid NOT NULL REFERENCES users (id),
    phone        text NOT NULL,
    package_id   uuid NOT NULL REFERENCES packages (id),
    -- The package as it was offered: a change between order and payment never alters what was bought.
    package      jsonb NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency     char(3) NOT NULL,
    nas_id       uuid REFERENCES nas (id),
    mac          macaddr,
    -- The visit that led here (login address, challenge, where the guest wanted to go), as the page needs it.
    visit        jsonb NOT NULL DEFAULT '{}',
    state        text NOT NULL DEFAULT 'created'
                 CHECK (state IN ('created', 'prompted', 'unknown', 'confirming', 'paid', 'failed', 'refund_due')),
    reason       text NOT NULL DEFAULT '',
    paid_at      timestamptz,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    CHECK ((state IN ('paid', 'refund_due')) = (paid_at IS NOT NULL))
);
CREATE INDEX orders_by_mac ON orders (mac, created_at DESC) WHERE mac IS NOT NULL;
CREATE INDEX orders_by_time ON orders (created_at DESC, id);
ALTER TABLE entitlements ADD FOREIGN KEY (order_id) REFERENCES orders (id);

-- One attempt to collect an order's money.
CREATE TABLE payments (
    id                  uuid PRIMARY KEY,
    order_id            uuid NOT NULL REFERENCES orders (id),
    provider            text NOT NULL CHECK (provider IN ('mpesa', 'card', 'voucher', 'cash')),
    amount_minor        bigint NOT NULL CHECK (amount_minor > 0),
    currency            char(3) NOT NULL,
    merchant_request_id text,
    checkout_request_id text,
    receipt             text,
    state               text NOT NULL DEFAULT 'created'
                        CHECK (state IN ('created', 'prompted', 'unknown', 'confirming', 'succeeded', 'failed')),
    result_code         text,
    result_text         text,
    -- When the provider is asked next about a payment without news, and how often it was asked.
    next_check_at       timestamptz,
    checks              integer NOT NULL DEFAULT 0 CHECK (checks >= 0),
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    UNIQUE (provider, checkout_request_id),
    UNIQUE (provider, receipt)
);
CREATE INDEX payments_by_order ON payments (order_id);
CREATE INDEX payments_by_time ON payments (created_at DESC, id);
CREATE INDEX payments_to_check ON payments (next_check_at) WHERE next_check_at IS NOT NULL;

-- Whatever a provider sent, before anyone has looked at it.
CREATE TABLE payment_events (
    id           uuid PRIMARY KEY,
    provider     text NOT NULL,
    payment_id   uuid REFERENCES payments (id),
    source       inet,
    headers      jsonb NOT NULL DEFAULT '{}',
    body         bytea NOT NULL,
    received_at  timestamptz NOT NULL,
    processed_at timestamptz,
    outcome      text,
    attempts     integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz,
    CHECK ((processed_at IS NULL) = (outcome IS NULL))
);
CREATE INDEX payment_events_open ON payment_events (next_attempt_at) WHERE processed_at IS NULL;

CREATE TABLE ledger_accounts (
    id       uuid PRIMARY KEY,
    code     text NOT NULL UNIQUE,
    name     text NOT NULL,
    kind     text NOT NULL CHECK (kind IN ('asset', 'liability', 'income', 'expense'))
);
-- Fixed identities, so that every installation has the same chart to begin with.
INSERT INTO ledger_accounts (id, code, name, kind) VALUES
    ('01930000-0000-7000-8000-000000000001', 'mpesa', 'M-Pesa account', 'asset'),
    ('01930000-0000-7000-8000-000000000002', 'sales', 'Sales of access', 'income'),
    ('01930000-0000-7000-8000-000000000003', 'refunds_due', 'Refunds due to customers', 'liability');

CREATE TABLE ledger_transactions (
    id          uuid PRIMARY KEY,
    -- The outside event that it books, for example payment:<id>: booking it twice is impossible.
    key         text NOT NULL UNIQUE,
    order_id    uuid REFERENCES orders (id),
    description text NOT NULL,
    posted_at   timestamptz NOT NULL
);

CREATE TABLE ledger_entries (
    id             uuid PRIMARY KEY,
    transaction_id uuid NOT NULL REFERENCES ledger_transactions (id),
    account_id     uuid NOT NULL REFERENCES ledger_accounts (id),
    -- Debit positive, credit negative.
    amount_minor   bigint NOT NULL CHECK (amount_minor <> 0),
    currency       char(3) NOT NULL
);
CREATE INDEX ledger_entries_by_transaction ON ledger_entries (transaction_id);
CREATE INDEX ledger_entries_by_account ON ledger_entries (account_id);

CREATE FUNCTION ledger_balances() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM ledger_entries WHERE transaction_id = NEW.transaction_id
               GROUP BY currency HAVING sum(amount_minor) <> 0) THEN
        RAISE EXCEPTION 'ledger transaction % does not balance', NEW.transaction_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ledger_balances AFTER INSERT ON ledger_entries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_balances();
CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE ON ledger_entries
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_transactions_append_only BEFORE UPDATE OR DELETE ON ledger_transactions
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
