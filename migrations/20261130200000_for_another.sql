-- Why: a package is bought for somebody else. The payer's phone is asked for the PIN, the other number gets a voucher; the paid order makes
-- it, in the transaction that settles the payment, once. Its code is drawn and sealed when the order is written, so that settling needs no key.
-- Expand only, but upgrade all portals before selling: one from before, if it settles such an order, gives the package to the payer's device.

ALTER TABLE orders DROP CONSTRAINT orders_wish_check,
    ADD CONSTRAINT orders_wish_check CHECK (wish IN ('new', 'extend', 'upgrade', 'queue', 'another'));

-- Whom an order is for, and the credential that it becomes when it is paid. Until then nothing can be opened with it.
CREATE TABLE orders_for_another (
    order_id        uuid PRIMARY KEY REFERENCES orders (id),
    -- Not a customer yet: who never pays for it makes nobody one.
    recipient       text NOT NULL CHECK (recipient ~ '^\+[1-9][0-9]{6,14}$'),
    credential_id   uuid NOT NULL UNIQUE,
    lookup          bytea NOT NULL UNIQUE CHECK (octet_length(lookup) = 16),
    login_sealed    bytea NOT NULL,
    password_sealed bytea NOT NULL
);

-- One order makes one voucher, as one order grants once.
ALTER TABLE vouchers ADD COLUMN order_id uuid UNIQUE REFERENCES orders (id);

-- A batch of one that an order made and nobody printed: the list of batches, which is about paper, leaves it out.
ALTER TABLE voucher_batches ADD COLUMN for_order boolean NOT NULL DEFAULT false;
