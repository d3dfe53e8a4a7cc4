-- Why: a printed voucher is worth money before anybody has paid for it. The operator must know who has the paper, what was
-- sold and by whom, and why a voucher is void; and must find a voucher, or a whole row of them, by the numbers that stand on
-- the paper, since its code is sealed.
-- Expand only: a program from before goes on printing batches of one, whose voucher is the first of its batch.

ALTER TABLE voucher_batches
    -- Stands on the paper in front of the serial: `42-0007`.
    ADD COLUMN number integer GENERATED ALWAYS AS IDENTITY,
    -- Who has the paper and sells it; NULL: the operator.
    ADD COLUMN agent text CHECK (char_length(agent) BETWEEN 1 AND 100),
    -- What the paper says, so that printing it again says the same. NULL where a program from before has printed: then it is
    -- what the package says now.
    ADD COLUMN package_name text CHECK (package_name <> ''),
    ADD COLUMN price_minor bigint CHECK (price_minor >= 0),
    ADD COLUMN currency char(3),
    ADD CONSTRAINT voucher_batches_number UNIQUE (number),
    ADD CONSTRAINT voucher_batches_paper CHECK (num_nonnulls(package_name, price_minor, currency) IN (0, 3));

ALTER TABLE vouchers
    -- Its place in the batch, from 1.
    ADD COLUMN serial integer,
    ADD COLUMN sold_at timestamptz,
    ADD COLUMN sold_by text,
    -- The device of the first login; NULL if it did not say which it was.
    ADD COLUMN redeemed_mac macaddr,
    ADD COLUMN voided_at timestamptz,
    ADD COLUMN voided_by text,
    ADD COLUMN void_reason text;

UPDATE vouchers v
SET serial = n.serial,
    -- Only somebody at a psql prompt can have written these states until now.
    sold_at = CASE WHEN v.state = 'sold' THEN now() END,
    sold_by = CASE WHEN v.state = 'sold' THEN 'not known' END,
    voided_at = CASE WHEN v.state = 'void' THEN now() END,
    voided_by = CASE WHEN v.state = 'void' THEN 'not known' END,
    void_reason = CASE WHEN v.state = 'void' THEN 'not known' END
FROM (SELECT id, row_number() OVER (PARTITION BY batch_id ORDER BY id) AS serial FROM vouchers) n
WHERE n.id = v.id;

ALTER TABLE vouchers
    ALTER COLUMN serial SET DEFAULT 1,
    ALTER COLUMN serial SET NOT NULL,
    ADD CONSTRAINT vouchers_serial CHECK (serial >= 1),
    -- Also the index by which a batch is read.
    ADD CONSTRAINT vouchers_place UNIQUE (batch_id, serial),
    -- A sale is noted once, with who made it. It may be noted after the first login: the guest was faster than the till. What
    -- becomes void keeps its sale: that money may have to be given back.
    ADD CONSTRAINT vouchers_sold CHECK ((sold_at IS NULL) = (sold_by IS NULL) AND sold_by <> ''
        AND CASE state WHEN 'printed' THEN sold_at IS NULL WHEN 'sold' THEN sold_at IS NOT NULL ELSE true END),
    ADD CONSTRAINT vouchers_redeemed CHECK (redeemed_mac IS NULL OR state = 'redeemed'),
    ADD CONSTRAINT vouchers_void CHECK (num_nonnulls(voided_at, voided_by, void_reason) = CASE state WHEN 'void' THEN 3 ELSE 0 END
        AND voided_by <> '' AND void_reason <> '');

-- What an agent has, and what was sold on a day.
CREATE INDEX voucher_batches_by_agent ON voucher_batches (agent, number DESC) WHERE agent IS NOT NULL;
CREATE INDEX vouchers_by_sale ON vouchers (sold_at) WHERE sold_at IS NOT NULL;
