-- Why: an older program that is started again in the middle of an upgrade, or after one that is taken back, must know whether it may:
-- a migration that only adds harms it nothing.
-- A program may run on a schema that is newer than its own as long as its own has this migration. One that takes away what older programs
-- read raises it to the last migration of the release since which nothing reads that.
CREATE TABLE schema_floor (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    version  bigint NOT NULL
);
INSERT INTO schema_floor (version) VALUES (20261201160000);

-- What customers have said about their data, and what became of it. Offers are sent to nobody who was not asked for them by itself and
-- has not said yes.
ALTER TABLE users
    ADD COLUMN offers boolean NOT NULL DEFAULT false,
    -- When that was said last; NULL: nobody asked.
    ADD COLUMN offers_said_at timestamptz,
    -- When all that tells who it was was taken out; the row stays for its orders, under a number that nobody can have.
    ADD COLUMN erased_at timestamptz,
    ADD CONSTRAINT users_offers CHECK (NOT offers OR offers_said_at IS NOT NULL),
    ADD CONSTRAINT users_erased CHECK (erased_at IS NULL OR (name = '' AND email IS NULL AND NOT offers AND status = 'suspended'));

-- How far a rule of retention has been carried out, where its table does not tell by an index.
CREATE TABLE retention_marks (
    rule       text PRIMARY KEY,
    done_until timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
-- Reports of providers that are still there word for word, the oldest first; and those of one payment.
CREATE INDEX payment_events_whole ON payment_events (received_at) WHERE octet_length(body) > 0;
CREATE INDEX payment_events_by_payment ON payment_events (payment_id) WHERE payment_id IS NOT NULL;
