-- Why: the Kenya Revenue Authority wants each invoice signed, with numbers without a gap at each branch, and the signature on the receipt.

-- A branch, as the authority knows it, with the device that signs for it. A site may have its own; the one without a site signs for all
-- others. '00' is the head office.
CREATE TABLE etims_branches (
    id              uuid PRIMARY KEY,
    tin             text NOT NULL CHECK (tin <> ''),
    branch          text NOT NULL CHECK (branch ~ '^[0-9]{2}$'),
    serial          text NOT NULL CHECK (serial <> ''),
    site_id         uuid REFERENCES sites (id),
    -- Whether the configuration names it. One that it names no more keeps its numbers, and what waits at it.
    is_used         boolean NOT NULL DEFAULT true,
    -- Given once for a device, sealed.
    key_sealed      bytea,
    -- The authority's name of the device, for receipts; empty until it is known.
    device          text NOT NULL DEFAULT '',
    -- The number of the next invoice.
    next_number     bigint NOT NULL DEFAULT 1 CHECK (next_number > 0),
    -- Who writes for this branch just now has until then.
    writer          uuid,
    writer_until    timestamptz,
    -- Nothing is sent before; and why the last try came to nothing.
    next_attempt_at timestamptz,
    reason          text NOT NULL DEFAULT '',
    -- Whether a person must act before anything can go on: the device is not let in.
    is_barred       boolean NOT NULL DEFAULT false,
    created_at      timestamptz NOT NULL,
    CHECK ((writer IS NULL) = (writer_until IS NULL)),
    UNIQUE (tin, branch)
);
-- Of all branches in use one has no site, and a site has one.
CREATE UNIQUE INDEX etims_branches_of_a_site ON etims_branches (site_id) WHERE is_used AND site_id IS NOT NULL;
CREATE UNIQUE INDEX etims_branches_of_all_others ON etims_branches ((true)) WHERE is_used AND site_id IS NULL;

-- The codes of items: a taxpayer has none twice.
CREATE SEQUENCE etims_item_codes MINVALUE 1 MAXVALUE 9999999;

-- A package as it is registered at a branch, by the letter of its tax. Without a package: access that belongs to none.
CREATE TABLE etims_items (
    id            uuid PRIMARY KEY,
    branch_id     uuid NOT NULL REFERENCES etims_branches (id),
    package_id    uuid REFERENCES packages (id),
    letter        char(1) NOT NULL,
    number        integer NOT NULL UNIQUE DEFAULT nextval('etims_item_codes') CHECK (number > 0),
    -- NULL: it has its code, and the authority has not said yes.
    registered_at timestamptz,
    UNIQUE NULLS NOT DISTINCT (branch_id, package_id, letter)
);

-- An invoice or a credit note, in the order of its branch. It gets its number when it is its turn, and keeps it.
CREATE TABLE etims_invoices (
    id             uuid PRIMARY KEY,
    branch_id      uuid NOT NULL REFERENCES etims_branches (id),
    kind           text NOT NULL CHECK (kind IN ('sale', 'credit')),
    -- What it is of: an order, or what came in one document of a day.
    order_id       uuid REFERENCES orders (id),
    document_id    uuid UNIQUE REFERENCES book_documents (id),
    -- What it gives back.
    credits        uuid REFERENCES etims_invoices (id),
    -- The order's code, or the document's number.
    reference      text NOT NULL CHECK (reference <> ''),
    -- By what it was paid: mpesa, stripe, cash.
    method         text NOT NULL CHECK (method <> ''),
    happened_at    timestamptz NOT NULL,
    number         bigint CHECK (number > 0),
    amount_minor   bigint NOT NULL CHECK (amount_minor > 0),
    -- What was sent, without the key, so that the same is sent again.
    request        jsonb,
    -- unknown: it may be signed. rejected: a person must act; the branch waits.
    state          text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'unknown', 'signed', 'rejected')),
    -- Of one that is signed NULL where the answer was lost: the authority tells a signature once.
    signature      text,
    internal_data  text,
    receipt_number bigint,
    signed_at      timestamptz,
    reason         text NOT NULL DEFAULT '',
    attempts       integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    created_at     timestamptz NOT NULL,
    -- The order of what has no number yet. What gives back comes after what it gives back.
    turn           bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    trace          uuid DEFAULT current_trace(),
    CHECK ((order_id IS NULL) <> (document_id IS NULL)),
    CHECK ((kind = 'credit') = (credits IS NOT NULL)),
    CHECK ((number IS NULL) = (request IS NULL) OR state IN ('pending', 'rejected')),
    CHECK ((state = 'signed') = (signed_at IS NOT NULL)),
    UNIQUE (branch_id, number)
);
CREATE INDEX etims_invoices_due ON etims_invoices (branch_id, number, turn) WHERE state <> 'signed';
CREATE INDEX etims_invoices_by_order ON etims_invoices (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX etims_invoices_by_time ON etims_invoices (created_at DESC, id);
CREATE INDEX etims_invoices_without_signature ON etims_invoices (branch_id) WHERE state = 'signed' AND signature IS NULL;

-- What an invoice says of each package: what is told is what was booked, and a change of a package or of a tax changes nothing of it.
CREATE TABLE etims_lines (
    invoice_id  uuid NOT NULL REFERENCES etims_invoices (id),
    position    integer NOT NULL CHECK (position > 0),
    package_id  uuid REFERENCES packages (id),
    description text NOT NULL CHECK (description <> ''),
    quantity    bigint NOT NULL CHECK (quantity > 0),
    gross_minor bigint NOT NULL CHECK (gross_minor > 0),
    tax_letter  char(1) NOT NULL,
    tax_rate    integer NOT NULL CHECK (tax_rate BETWEEN 0 AND 10000),
    PRIMARY KEY (invoice_id, position)
);

-- What was booked as a sale, or taken back from one, since there are branches; and the invoice that tells it, which is one.
CREATE TABLE etims_transactions (
    transaction_id uuid PRIMARY KEY REFERENCES ledger_transactions (id),
    -- As entries have it: a sale is below zero, what is taken back above.
    amount_minor   bigint NOT NULL CHECK (amount_minor <> 0),
    invoice_id     uuid REFERENCES etims_invoices (id)
);
CREATE INDEX etims_transactions_waiting ON etims_transactions (transaction_id) WHERE invoice_id IS NULL;
CREATE FUNCTION await_signing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.currency = 'KES' AND NEW.account_id = '01930000-0000-7000-8000-000000000002'
       AND EXISTS (SELECT FROM etims_branches WHERE is_used)
       -- The tax that is taken out of a day's sales is no sale and gives none back.
       AND NOT EXISTS (SELECT FROM ledger_transactions t WHERE t.id = NEW.transaction_id AND t.key LIKE 'vat:%') THEN
        INSERT INTO etims_transactions (transaction_id, amount_minor) VALUES (NEW.transaction_id, NEW.amount_minor)
        ON CONFLICT (transaction_id) DO UPDATE SET amount_minor = etims_transactions.amount_minor + EXCLUDED.amount_minor;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_entries_await_signing AFTER INSERT ON ledger_entries
    FOR EACH ROW EXECUTE FUNCTION await_signing();

-- The letter and the rate of a package's tax on a day: its own, or that of all packages without one.
CREATE FUNCTION etims_tax(package uuid, on_day date, OUT letter char(1), OUT rate integer) LANGUAGE sql STABLE AS $$
    SELECT p.letter, r.rate
    FROM (SELECT t.letter FROM package_taxes t
          WHERE t.since <= on_day AND (t.package_id = package OR t.package_id IS NULL)
          ORDER BY t.package_id NULLS LAST, t.since DESC LIMIT 1) p
    JOIN LATERAL (SELECT r.rate FROM tax_rates r WHERE r.letter = p.letter AND r.since <= on_day ORDER BY r.since DESC LIMIT 1) r ON true
$$;
