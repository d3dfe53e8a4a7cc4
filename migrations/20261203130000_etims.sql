-- Why: the Kenya Revenue Authority wants each invoice signed, with numbers without a gap at each branch, and the signature on the receipt.

-- A branch, as the authority knows it, with the device that signs for it. A site may have its own; '00' is the head office.
CREATE TABLE etims_branches (
    id           uuid PRIMARY KEY,
    tin          text NOT NULL CHECK (tin <> ''),
    branch       text NOT NULL CHECK (branch ~ '^[0-9]{2}$'),
    serial       text NOT NULL CHECK (serial <> ''),
    site_id      uuid UNIQUE REFERENCES sites (id),
    -- Given once for a device, sealed.
    key_sealed   bytea,
    -- The number of the next invoice.
    next_number  bigint NOT NULL DEFAULT 1 CHECK (next_number > 0),
    -- Who writes for this branch just now has until then.
    writer_until timestamptz,
    created_at   timestamptz NOT NULL,
    UNIQUE (tin, branch)
);

-- A package as it is registered at a branch.
CREATE TABLE etims_items (
    branch_id     uuid NOT NULL REFERENCES etims_branches (id),
    package_id    uuid NOT NULL REFERENCES packages (id),
    letter        char(1) NOT NULL,
    code          text NOT NULL CHECK (code <> ''),
    registered_at timestamptz NOT NULL,
    PRIMARY KEY (branch_id, package_id, letter)
);

-- An invoice or a credit note, in the order of its branch. It gets its number when it is its turn, and keeps it.
CREATE TABLE etims_invoices (
    id              uuid PRIMARY KEY,
    branch_id       uuid NOT NULL REFERENCES etims_branches (id),
    kind            text NOT NULL CHECK (kind IN ('sale', 'credit')),
    -- What it is of: one order, or one document of a day.
    order_id        uuid REFERENCES orders (id),
    document_id     uuid REFERENCES book_documents (id),
    -- What it gives back.
    credits         uuid REFERENCES etims_invoices (id),
    number          bigint CHECK (number > 0),
    amount_minor    bigint NOT NULL CHECK (amount_minor > 0),
    currency        char(3) NOT NULL,
    -- What was sent, so that the same is sent again.
    request         jsonb,
    -- unknown: it may be signed. rejected: a person must act; the branch waits.
    state           text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'unknown', 'signed', 'rejected')),
    signature       text,
    internal_data   text,
    receipt_number  bigint,
    device          text,
    signed_at       timestamptz,
    reason          text NOT NULL DEFAULT '',
    attempts        integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    next_attempt_at timestamptz,
    created_at      timestamptz NOT NULL,
    trace           uuid DEFAULT current_trace(),
    CHECK ((order_id IS NULL) <> (document_id IS NULL)),
    CHECK ((kind = 'credit') = (credits IS NOT NULL)),
    UNIQUE (branch_id, number)
);
CREATE UNIQUE INDEX etims_invoices_once_order ON etims_invoices (order_id, kind, credits) NULLS NOT DISTINCT WHERE order_id IS NOT NULL;
CREATE UNIQUE INDEX etims_invoices_once_document ON etims_invoices (document_id, kind, credits) NULLS NOT DISTINCT WHERE document_id IS NOT NULL;
CREATE INDEX etims_invoices_due ON etims_invoices (branch_id, created_at, id) WHERE state IN ('pending', 'unknown');
