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
    -- The transaction of the ledger that is the same; more than one line may be one transaction's.
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
CREATE INDEX statement_lines_by_transaction ON statement_lines (transaction_id) WHERE transaction_id IS NOT NULL;
