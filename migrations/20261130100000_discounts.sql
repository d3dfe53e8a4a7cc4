-- Why: lower prices that operators ask for: a code on a leaflet, a happy hour, a first purchase, every tenth one, a friend's code.
-- What an order saves is written down with the order, so that what was paid can be explained later, and how often a discount was
-- used is counted from there. No program has read or written `discounts` before, so its columns may change at once.

ALTER TABLE discounts
    -- Uses are counted from the orders. A number beside them would one day say something else. Its CHECK goes with it.
    DROP COLUMN uses,
    -- Minutes of the week from Monday at midnight, in the time of the place.
    ADD COLUMN hours int4multirange
        CHECK (hours <@ '{[0,10080)}'::int4multirange AND NOT isempty(hours) AND hours <> '{[0,10080)}'::int4multirange),
    ADD COLUMN first_purchase boolean NOT NULL DEFAULT false,
    ADD COLUMN every_nth integer CHECK (every_nth >= 2),
    -- Empty is all. Not tables of pairs: when the last site of a discount is removed, it must not count everywhere.
    ADD COLUMN package_ids uuid[] NOT NULL DEFAULT '{}',
    ADD COLUMN site_ids uuid[] NOT NULL DEFAULT '{}',
    ADD COLUMN uses_per_person integer CHECK (uses_per_person > 0),
    ADD COLUMN stackable boolean NOT NULL DEFAULT false,
    -- Whose code it is, to be given to friends.
    ADD COLUMN owner_id uuid REFERENCES users (id),
    ADD CONSTRAINT discounts_name_check CHECK (name <> ''),
    -- As it is looked up: capitals and digits, without spaces and dashes.
    ADD CONSTRAINT discounts_code_check CHECK (code ~ '^[A-Z0-9]{3,20}$'),
    -- They are one moment where it was ended before it began.
    ADD CONSTRAINT discounts_window_check CHECK (valid_from <= valid_until),
    ADD CONSTRAINT discounts_owner_check CHECK (owner_id IS NULL OR code IS NOT NULL),
    ADD CONSTRAINT discounts_turn_check CHECK (every_nth IS NULL OR NOT first_purchase AND owner_id IS NULL);
-- One without a code is known by its name: adding it twice must not lower prices twice.
CREATE UNIQUE INDEX discounts_name_key ON discounts (name) WHERE code IS NULL;

-- The price before discounts; NULL: nothing lowered it, and amount_minor is the price.
ALTER TABLE orders
    ADD COLUMN full_minor bigint,
    ADD CONSTRAINT orders_full_minor_check CHECK (full_minor > amount_minor);

-- What an order saves, by which discount.
CREATE TABLE order_discounts (
    order_id     uuid NOT NULL REFERENCES orders (id),
    discount_id  uuid NOT NULL REFERENCES discounts (id),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    PRIMARY KEY (order_id, discount_id)
);
CREATE INDEX order_discounts_by_discount ON order_discounts (discount_id, order_id);
CREATE TRIGGER order_discounts_append_only BEFORE UPDATE OR DELETE ON order_discounts
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE FUNCTION order_discounts_add_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT full_minor - amount_minor FROM orders WHERE id = NEW.order_id)
       IS DISTINCT FROM (SELECT sum(amount_minor) FROM order_discounts WHERE order_id = NEW.order_id) THEN
        RAISE EXCEPTION 'the discounts of order % are not what it saves', NEW.order_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER order_discounts_add_up AFTER INSERT ON order_discounts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION order_discounts_add_up();

-- How often a discount is used, one order left aside: by orders that are paid or may still be. One that fails gives its use back.
CREATE FUNCTION discount_uses(discount uuid, besides uuid) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM order_discounts t JOIN orders o ON o.id = t.order_id
    WHERE t.discount_id = discount AND o.state <> 'failed' AND o.id IS DISTINCT FROM besides
$$;

-- How often by this person, or on this device.
CREATE FUNCTION discount_uses_by(discount uuid, buyer uuid, device macaddr, besides uuid) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM orders o JOIN order_discounts t ON t.order_id = o.id
    WHERE t.discount_id = discount AND (o.user_id = buyer OR o.mac = device) AND o.state <> 'failed' AND o.id IS DISTINCT FROM besides
$$;

-- Whether an order of this person, or this device, waits for its payment with a discount that goes by the number of a purchase.
-- One that nobody has touched for half an hour waits for nothing any more: the program died before it asked for the money.
CREATE FUNCTION discount_turn_is_taken(buyer uuid, device macaddr, besides uuid, at timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM orders o JOIN order_discounts t ON t.order_id = o.id JOIN discounts d ON d.id = t.discount_id
        WHERE (o.user_id = buyer OR o.mac = device) AND o.id IS DISTINCT FROM besides
          AND o.state IN ('created', 'prompted', 'unknown', 'confirming') AND o.updated_at > at - interval '30 minutes'
          AND (d.first_purchase OR d.every_nth IS NOT NULL OR d.owner_id IS NOT NULL))
$$;
