-- Why: an accountant wants one document a day, place and way of payment that never changes once it is made, has the same name whenever
-- it is made, and adds up; and wants to know what agents owe and what was sold on paper and is not used yet.

-- A short name of the place in the names of documents. Given when the first day is closed; 'OTHER' stands for no place.
ALTER TABLE sites ADD COLUMN book_code text UNIQUE CHECK (book_code ~ '^[A-Z0-9]{1,5}$' AND book_code <> 'OTHER');

INSERT INTO ledger_accounts (id, code, name, kind) VALUES
    ('01930000-0000-7000-8000-000000000020', 'cash', 'Cash with agents', 'asset'),
    ('01930000-0000-7000-8000-000000000021', 'bank', 'Bank', 'asset'),
    ('01930000-0000-7000-8000-000000000022', 'deferred', 'Vouchers sold and not used yet', 'liability'),
    ('01930000-0000-7000-8000-000000000023', 'vat', 'Value added tax due', 'liability');

-- A code that was given stays: documents are called by it.
CREATE TRIGGER sites_keep_book_code BEFORE UPDATE OF book_code ON sites FOR EACH ROW
    WHEN (OLD.book_code IS NOT NULL AND OLD.book_code IS DISTINCT FROM NEW.book_code) EXECUTE FUNCTION refuse_change();

-- What was sold for cash, used, undone and handed over, each with its transaction: who did it, where, and of which package.
CREATE TABLE cash_events (
    id             uuid PRIMARY KEY,
    transaction_id uuid NOT NULL UNIQUE REFERENCES ledger_transactions (id),
    kind           text NOT NULL CHECK (kind IN ('sold', 'used', 'undone', 'handed_over')),
    agent          text NOT NULL CHECK (agent <> ''),
    site_id        uuid REFERENCES sites (id),
    package_id     uuid REFERENCES packages (id),
    quantity       bigint NOT NULL DEFAULT 1 CHECK (quantity > 0),
    amount_minor   bigint NOT NULL CHECK (amount_minor > 0),
    currency       char(3) NOT NULL,
    note           text NOT NULL DEFAULT '',
    happened_at    timestamptz NOT NULL
);
CREATE INDEX cash_events_by_agent ON cash_events (agent, happened_at DESC);
-- What the bank's statement is to have; few of them are.
CREATE INDEX cash_events_handed_over ON cash_events (happened_at) WHERE kind = 'handed_over';
CREATE TRIGGER cash_events_append_only BEFORE UPDATE OR DELETE ON cash_events FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- With what its sale was booked; NULL: it was not, since it is not sold, was paid with an order, cost nothing, or was sold before there
-- were books. Only what was booked as owed is released when the voucher is used or undone.
ALTER TABLE vouchers ADD COLUMN sold_transaction uuid REFERENCES ledger_transactions (id);

-- What no day has taken up yet. A day takes what was posted before it ended; what comes later goes to the next open day.
-- Its rows are made of transactions, which nothing deletes: looking each up once more would double what a settlement pays for this.
CREATE TABLE unclosed_transactions (
    transaction_id uuid PRIMARY KEY,
    posted_at      timestamptz NOT NULL
);
CREATE INDEX unclosed_transactions_by_time ON unclosed_transactions (posted_at);
CREATE FUNCTION await_closing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO unclosed_transactions (transaction_id, posted_at) VALUES (NEW.id, NEW.posted_at);
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_transactions_await_closing AFTER INSERT ON ledger_transactions
    FOR EACH ROW EXECUTE FUNCTION await_closing();
INSERT INTO unclosed_transactions (transaction_id, posted_at) SELECT id, posted_at FROM ledger_transactions;

-- A day that is closed at a place; without a place: of what belongs to none. It ended at `ends_at`, in the time of the place.
CREATE TABLE book_days (
    id        uuid PRIMARY KEY,
    day       date NOT NULL,
    site_id   uuid REFERENCES sites (id),
    time_zone text NOT NULL,
    ends_at   timestamptz NOT NULL,
    closed_at timestamptz NOT NULL,
    closed_by text NOT NULL CHECK (closed_by <> ''),
    UNIQUE NULLS NOT DISTINCT (site_id, day)
);
CREATE INDEX book_days_by_day ON book_days (day DESC, id);

-- A document: what happened by one way of payment, in one currency.
CREATE TABLE book_documents (
    id         uuid PRIMARY KEY,
    number     text NOT NULL UNIQUE CHECK (length(number) BETWEEN 1 AND 19),
    day_id     uuid NOT NULL REFERENCES book_days (id),
    method     text NOT NULL CHECK (method IN ('mpesa', 'stripe', 'cash')),
    currency   char(3) NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (day_id, method, currency)
);

-- Its lines. What came is above zero, what went is below.
CREATE TABLE book_lines (
    document_id    uuid NOT NULL REFERENCES book_documents (id),
    position       integer NOT NULL CHECK (position > 0),
    -- Each side of a transaction but the document's own money (the account of its method) is in one line, so that all lines together are
    -- what that money changed by. sale: access sold and paid. voucher_sold: paper sold, its access is owed. voucher_used: paper sold before
    -- that became access, in two lines: the sale, and what is owed no more. voucher_undone: a sale of paper that was taken back. refund:
    -- what is owed back to customers, of what was sold. fee: what the provider kept. other: what is none of these (money without an order,
    -- money owed to customers and given to them, payments that a bank took back, cash handed over), by account.
    kind           text NOT NULL CHECK (kind IN ('sale', 'voucher_sold', 'voucher_used', 'voucher_undone', 'refund', 'fee', 'other')),
    -- The ledger's account that stands against the money.
    account        text NOT NULL REFERENCES ledger_accounts (code),
    package_id     uuid REFERENCES packages (id),
    description    text NOT NULL CHECK (description <> ''),
    quantity       bigint NOT NULL CHECK (quantity > 0),
    -- At the price of the list, less what discounts took, is what was paid.
    list_minor     bigint NOT NULL,
    discount_minor bigint NOT NULL DEFAULT 0 CHECK (discount_minor >= 0),
    gross_minor    bigint NOT NULL,
    tax_letter     char(1),
    tax_rate       integer CHECK (tax_rate BETWEEN 0 AND 10000),
    tax_minor      bigint NOT NULL DEFAULT 0,
    agent          text,
    PRIMARY KEY (document_id, position),
    CHECK ((tax_letter IS NULL) = (tax_rate IS NULL))
);
-- Its sums by account: each document's sums are zero together.
CREATE TABLE book_entries (
    document_id  uuid NOT NULL REFERENCES book_documents (id),
    account_id   uuid NOT NULL REFERENCES ledger_accounts (id),
    debit_minor  bigint NOT NULL CHECK (debit_minor >= 0),
    credit_minor bigint NOT NULL CHECK (credit_minor >= 0),
    PRIMARY KEY (document_id, account_id)
);
-- Which transactions it holds; each is in one document.
CREATE TABLE book_items (
    transaction_id uuid PRIMARY KEY REFERENCES ledger_transactions (id),
    document_id    uuid NOT NULL REFERENCES book_documents (id)
);
CREATE INDEX book_items_by_document ON book_items (document_id);

CREATE TRIGGER book_days_append_only BEFORE UPDATE OR DELETE ON book_days FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER book_documents_append_only BEFORE UPDATE OR DELETE ON book_documents FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER book_lines_append_only BEFORE UPDATE OR DELETE ON book_lines FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER book_entries_append_only BEFORE UPDATE OR DELETE ON book_entries FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER book_items_append_only BEFORE UPDATE OR DELETE ON book_items FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Taxes by their letters (Kenya: A exempt, B 16 %, C zero, D none, E 8 %), each rate from a day on, and the letter of each package from a
-- day on; a package without one has the letter of the row without a package.
CREATE TABLE tax_rates (
    letter char(1) NOT NULL CHECK (letter ~ '^[A-Z]$'),
    name   text NOT NULL CHECK (name <> ''),
    -- In hundredths of a percent.
    rate   integer NOT NULL CHECK (rate BETWEEN 0 AND 10000),
    since  date NOT NULL,
    PRIMARY KEY (letter, since)
);
INSERT INTO tax_rates (letter, name, rate, since) VALUES
    ('A', 'Exempt', 0, '2000-01-01'), ('B', 'VAT 16 %', 1600, '2000-01-01'), ('C', 'Zero rated', 0, '2000-01-01'),
    ('D', 'Not under VAT', 0, '2000-01-01'), ('E', 'VAT 8 %', 800, '2000-01-01');
CREATE TABLE package_taxes (
    package_id uuid REFERENCES packages (id),
    letter     char(1) NOT NULL,
    since      date NOT NULL,
    set_at     timestamptz NOT NULL,
    set_by     text NOT NULL,
    UNIQUE NULLS NOT DISTINCT (package_id, since)
);
-- Who is not registered for VAT owes none: so it is until the operator says otherwise.
INSERT INTO package_taxes (package_id, letter, since, set_at, set_by) VALUES (NULL, 'D', '2000-01-01', now(), 'installation');
