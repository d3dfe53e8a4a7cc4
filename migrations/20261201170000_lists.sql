-- Why: the desk lists a million customers and years of orders a page at a time, newest first, filtered and searched, and never reads more
-- than it shows: for that each order and each filter that people use has an index. What its charts and totals need is summed up once an
-- hour has passed, and not with every look. And what is done to many at once is a job that goes on after its page is closed.
--
-- Expand only. Making the index on ended sessions takes some seconds for each million of them, in which radiusd keeps records in its spool.

-- Customers: the newest, those who may not sign in, and by the beginning of a name, the beginning or the end of a number.
CREATE INDEX users_by_time ON users (created_at DESC, id);
CREATE INDEX users_not_active ON users (created_at DESC, id) WHERE status <> 'active';
CREATE INDEX users_by_phone_begin ON users (phone text_pattern_ops);
CREATE INDEX users_by_phone_end ON users (reverse(phone) text_pattern_ops);
CREATE INDEX users_by_name ON users (lower(name) text_pattern_ops) WHERE name <> '';

-- A device is bound to a package once, so the two together tell it from others of the same moment, of which a batch of vouchers has many.
CREATE INDEX entitlement_devices_by_time ON entitlement_devices (bound_at DESC, (entitlement_id::text || mac::text));
CREATE INDEX sessions_ended_by_router ON sessions_ended (nas_id, started_at DESC, id);
CREATE INDEX orders_by_state ON orders (state, created_at DESC, id);
-- What was sold in a time.
CREATE INDEX orders_by_payment ON orders (paid_at) WHERE paid_at IS NOT NULL;
CREATE INDEX payments_by_state ON payments (state, created_at DESC, id);
CREATE INDEX payments_by_provider ON payments (provider, created_at DESC, id);
CREATE INDEX notifications_by_state ON notifications (state, created_at DESC, id);
-- Identities are in the order of their time, so this is an account's book, page by page.
CREATE INDEX ledger_entries_of_account ON ledger_entries (account_id, transaction_id, id);
CREATE INDEX ledger_transactions_by_time ON ledger_transactions (posted_at);

-- What was sold in an hour. The nil identity stands for no site: a part of a key is not null. No foreign keys: sums outlive what they count.
CREATE TABLE sales_hourly (
    hour         timestamptz NOT NULL CHECK (hour = date_trunc('hour', hour, 'UTC')),
    site_id      uuid NOT NULL,
    package_id   uuid NOT NULL,
    provider     text NOT NULL,
    currency     char(3) NOT NULL,
    orders       bigint NOT NULL CHECK (orders > 0),
    amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
    PRIMARY KEY (hour, site_id, package_id, provider, currency)
);
-- What was used at a router in an hour.
CREATE TABLE traffic_hourly (
    hour          timestamptz NOT NULL CHECK (hour = date_trunc('hour', hour, 'UTC')),
    nas_id        uuid NOT NULL,
    input_octets  bigint NOT NULL CHECK (input_octets >= 0),
    output_octets bigint NOT NULL CHECK (output_octets >= 0),
    seconds       bigint NOT NULL CHECK (seconds >= 0),
    PRIMARY KEY (hour, nas_id)
);
-- What was booked to an account in an hour: debits positive, credits positive.
CREATE TABLE ledger_hourly (
    hour         timestamptz NOT NULL CHECK (hour = date_trunc('hour', hour, 'UTC')),
    account_id   uuid NOT NULL,
    currency     char(3) NOT NULL,
    debit_minor  bigint NOT NULL CHECK (debit_minor >= 0),
    credit_minor bigint NOT NULL CHECK (credit_minor >= 0),
    entries      bigint NOT NULL CHECK (entries > 0),
    PRIMARY KEY (hour, account_id, currency)
);
-- Until when the sums are made. One row.
CREATE TABLE rollup_mark (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    through timestamptz NOT NULL
);

-- What is done to many, one after the other. What it is done to is found by the filter, in the order of identities from `place` on, so that
-- a job that is taken up again after a crash goes on where it was; doing it to the same one twice does nothing.
CREATE TABLE bulk_jobs (
    id          uuid PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('disconnect', 'void')),
    -- What it is done to, as the kind needs it, and in words.
    filter      jsonb NOT NULL,
    words       text NOT NULL CHECK (words <> ''),
    -- How many there were when it began, what has been done, and what could not be.
    total       bigint NOT NULL CHECK (total >= 0),
    done        bigint NOT NULL DEFAULT 0 CHECK (done >= 0),
    failed      bigint NOT NULL DEFAULT 0 CHECK (failed >= 0),
    state       text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'done', 'cancelled')),
    place       uuid,
    lease_until timestamptz,
    created_by  text NOT NULL,
    created_at  timestamptz NOT NULL,
    ended_at    timestamptz,
    ended_by    text,
    CHECK ((state IN ('done', 'cancelled')) = (ended_at IS NOT NULL))
);
CREATE INDEX bulk_jobs_by_time ON bulk_jobs (created_at DESC, id);
CREATE INDEX bulk_jobs_open ON bulk_jobs (created_at) WHERE ended_at IS NULL;
