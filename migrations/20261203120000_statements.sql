-- Why: what the provider says that it did is held against what we booked and what was told to the accountant's program, line by line.

CREATE TABLE statements (
    id          uuid PRIMARY KEY,
    -- Whose account: a ledger account with money on it.
    account     text NOT NULL REFERENCES ledger_accounts (code),
    -- mpesa: CSV of an organisation. stripe: balance transactions. bank: CSV of a bank.
    format      text NOT NULL CHECK (format IN ('mpesa', 'stripe', 'bank')),
    file_name   text NOT NULL,
    -- The same file is taken once.
    digest      bytea NOT NULL UNIQUE CHECK (octet_length(digest) = 32),
    since       timestamptz NOT NULL,
    until       timestamptz NOT NULL,
    imported_at timestamptz NOT NULL,
    imported_by text NOT NULL
);

CREATE TABLE statement_lines (
    id             uuid PRIMARY KEY,
    statement_id   uuid NOT NULL REFERENCES statements (id),
    account        text NOT NULL REFERENCES ledger_accounts (code),
    -- The provider's name of what happened, and what it is told apart by from other lines of that name; a line of another file is the same line.
    reference      text NOT NULL CHECK (reference <> ''),
    discriminator  text NOT NULL DEFAULT '',
    kind           text NOT NULL CHECK (kind IN ('payment', 'refund', 'fee', 'transfer', 'other')),
    happened_at    timestamptz NOT NULL,
    -- What came is above zero, what went below.
    amount_minor   bigint NOT NULL,
    currency       char(3) NOT NULL,
    details        text NOT NULL DEFAULT '',
    -- Who was on the other side, as the provider shows it; emptied once the line is explained.
    party          text NOT NULL DEFAULT '',
    -- What else it names: the account number that was typed or the receipt that it reverses (M-Pesa); the payment, refund or dispute (Stripe).
    related        text NOT NULL DEFAULT '',
    -- The transaction of the ledger that is the same. A transfer is a line of both accounts, and of each once.
    transaction_id uuid REFERENCES ledger_transactions (id),
    state          text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'matched', 'resolved')),
    -- What a person decided: assign, fee, refund, transfer, ignore; and why.
    resolution     text CHECK (resolution IN ('assign', 'fee', 'refund', 'transfer', 'ignore')),
    reason         text NOT NULL DEFAULT '',
    resolved_at    timestamptz,
    resolved_by    text,
    CHECK ((state = 'resolved') = (resolution IS NOT NULL)),
    UNIQUE (account, reference, kind, discriminator)
);
CREATE INDEX statement_lines_open ON statement_lines (account, happened_at) WHERE state = 'open';
CREATE INDEX statement_lines_by_time ON statement_lines (account, happened_at);
CREATE UNIQUE INDEX statement_lines_by_transaction ON statement_lines (transaction_id, account) WHERE transaction_id IS NOT NULL;
-- What is looked at again and again; few of them are.
CREATE INDEX statement_lines_unexplained ON statement_lines (account, kind) WHERE state = 'open' OR resolution = 'ignore';
CREATE INDEX statement_lines_transfers ON statement_lines (transaction_id) WHERE resolution = 'transfer';
-- What a person decided in a time, for the report that holds it against payments.
CREATE INDEX statement_lines_resolved ON statement_lines (resolved_at) WHERE state = 'resolved' AND transaction_id IS NOT NULL;
CREATE INDEX statement_lines_by_statement ON statement_lines (statement_id);
CREATE INDEX statements_by_time ON statements (account, until);

-- Of Stripe and of the bank only a statement tells that money came by itself. What comes of it is decided as for M-Pesa's, by a name of its own,
-- which is no receipt of M-Pesa's.
ALTER TABLE received_money DROP CONSTRAINT received_money_provider_check,
    ADD CONSTRAINT received_money_provider_check CHECK (provider IN ('mpesa', 'stripe', 'bank'));
CREATE UNIQUE INDEX received_money_by_receipt ON received_money (receipt);

-- What the ledger has and no statement of that time, with the reason that a person gave.
CREATE TABLE statement_explanations (
    transaction_id uuid NOT NULL REFERENCES ledger_transactions (id),
    account        text NOT NULL REFERENCES ledger_accounts (code),
    reason         text NOT NULL CHECK (reason <> ''),
    explained_at   timestamptz NOT NULL,
    explained_by   text NOT NULL,
    PRIMARY KEY (transaction_id, account)
);

-- Transactions of the ledger that name the same as an open line does, and what each put on the line's account. Whether that is as much is
-- for whoever reads it to see. What was put aside is looked at too: it may be booked later.
CREATE VIEW statement_candidates AS
WITH wanted AS NOT MATERIALIZED (
    SELECT l.*, a.id AS account_id FROM statement_lines l JOIN ledger_accounts a ON a.code = l.account
    WHERE l.state = 'open' OR l.resolution = 'ignore'
),
keys AS (
    -- Money that came, by its receipt (M-Pesa) or its payment intent (Stripe).
    SELECT w.id, w.account_id, w.currency, 'payment:' || p.id AS key FROM wanted w
        JOIN payments p ON p.provider = w.account AND p.receipt = CASE w.account WHEN 'mpesa' THEN w.reference ELSE w.related END
        WHERE w.kind = 'payment'
    UNION ALL
    -- Found to be paid before anyone knew a receipt: by the order that the payer named.
    SELECT w.id, w.account_id, w.currency, 'payment:' || p.id FROM wanted w
        JOIN orders o ON o.code = upper(w.related)
        JOIN payments p ON p.order_id = o.id AND p.provider = 'mpesa' AND p.state = 'succeeded' AND p.receipt IS NULL
        WHERE w.account = 'mpesa' AND w.kind = 'payment'
    UNION ALL
    -- Told by the paybill. What was booked twice and taken back is the payment's.
    SELECT w.id, w.account_id, w.currency, 'received:mpesa:' || w.reference FROM wanted w
        WHERE w.account = 'mpesa' AND w.kind = 'payment'
          AND NOT EXISTS (SELECT FROM ledger_transactions t WHERE t.key = 'received:mpesa:' || w.reference || ':known')
    UNION ALL
    -- By our own name of the payment, which Stripe carries along.
    SELECT w.id, w.account_id, w.currency, 'payment:' || p.id FROM wanted w
        JOIN payments p ON p.id = CASE WHEN w.related ~ '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$' THEN w.related::uuid END
        WHERE w.account = 'stripe' AND w.kind = 'payment'
    UNION ALL
    -- By the fee of the same balance transaction, which was booked with its order.
    SELECT w.id, w.account_id, w.currency, 'payment:' || p.id FROM wanted w
        JOIN ledger_transactions f ON f.key = 'fee:' || w.reference
        JOIN payments p ON p.order_id = f.order_id AND p.provider = 'stripe' AND p.state = 'succeeded'
        WHERE w.account = 'stripe' AND w.kind = 'payment'
    UNION ALL
    SELECT w.id, w.account_id, w.currency, 'fee:' || w.reference FROM wanted w WHERE w.account = 'stripe' AND w.kind = 'fee'
    UNION ALL
    -- Money that went back: by the provider's name of that, by what a person wrote as proof, or by what it gives back.
    SELECT w.id, w.account_id, w.currency, step || r.id FROM wanted w
        JOIN refunds r ON r.reference = CASE w.account WHEN 'mpesa' THEN w.reference ELSE w.related END
        CROSS JOIN (VALUES ('refund:'), ('refund_failed:')) AS steps (step)
        WHERE w.kind NOT IN ('payment', 'fee')
    UNION ALL
    -- Of what was given back in its own pages Stripe tells a sum, and no name: it is known by its amount, and was told of soon after.
    SELECT w.id, w.account_id, w.currency, 'refund:' || r.id FROM wanted w
        JOIN refunds r ON NOT r.is_ours AND r.reference IS NULL AND r.state = 'done' AND r.way = 'card'
            AND r.amount_minor = -w.amount_minor AND r.currency = w.currency
            AND r.created_at >= w.happened_at - interval '1 day' AND r.created_at < w.happened_at + interval '30 days'
        WHERE w.account = 'stripe' AND w.kind = 'refund'
    UNION ALL
    SELECT w.id, w.account_id, w.currency, 'refund:' || r.id FROM wanted w
        CROSS JOIN LATERAL (VALUES (upper(w.reference)), (CASE w.account WHEN 'stripe' THEN upper(w.related) END)) AS names (name)
        JOIN refunds r ON upper(btrim(r.proof)) = names.name AND r.way = 'hand'
        WHERE w.kind NOT IN ('payment', 'fee')
    UNION ALL
    SELECT w.id, w.account_id, w.currency, 'refund:' || r.id FROM wanted w
        JOIN payments p ON p.provider = w.account AND p.receipt = w.related JOIN refunds r ON r.payment_id = p.id
        WHERE w.kind NOT IN ('payment', 'fee')
    UNION ALL
    SELECT w.id, w.account_id, w.currency, 'received:mpesa:' || m.receipt || ':given_back' FROM wanted w
        JOIN received_money m ON m.provider = 'mpesa' AND m.receipt = w.related
        WHERE w.account = 'mpesa' AND w.kind NOT IN ('payment', 'fee')
    UNION ALL
    SELECT w.id, w.account_id, w.currency, 'received:' || m.provider || ':' || m.receipt || ':given_back' FROM wanted w
        CROSS JOIN LATERAL (VALUES (upper(w.reference)), (CASE w.account WHEN 'stripe' THEN upper(w.related) END)) AS names (name)
        JOIN received_money m ON m.provider = w.account AND upper(btrim(m.given_back_proof)) = names.name
        WHERE w.kind NOT IN ('payment', 'fee')
    UNION ALL
    -- What banks took back, and returned.
    SELECT w.id, w.account_id, w.currency, step || w.related FROM wanted w
        CROSS JOIN (VALUES ('dispute:'), ('dispute_back:')) AS steps (step)
        WHERE w.account = 'stripe' AND w.kind = 'other' AND w.related <> ''
)
SELECT k.id AS line_id, t.id AS transaction_id, sum(e.amount_minor)::bigint AS booked_minor
FROM (SELECT DISTINCT * FROM keys) k JOIN ledger_transactions t ON t.key = k.key
    JOIN ledger_entries e ON e.transaction_id = t.id AND e.account_id = k.account_id AND e.currency = k.currency
WHERE NOT EXISTS (SELECT FROM statement_lines other
                  WHERE other.transaction_id = t.id AND other.account = (SELECT code FROM ledger_accounts WHERE id = k.account_id))
GROUP BY k.id, t.id, k.key;
