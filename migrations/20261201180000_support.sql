-- Why: "I paid, and I am not online." Whoever helps must see what became of a customer in one story: that the device was at the portal,
-- why its login was refused, what the router was asked, and what the desk has done. The first two were counted and not remembered.
-- Both are kept for a few days only, an hour of one kind in one row, and neither is written on the way of a login.
-- Expand only: a program from before writes and reads none of it. The indexes on ended sessions are built while accounting waits in
-- radiusd's spool; with a hundred million of them that takes minutes, so upgrade at a quiet hour.

-- Logins that were refused. No foreign keys: a refusal outlives its router.
CREATE TABLE login_refusals (
    nas_id   uuid NOT NULL,
    -- The device, if the router named it.
    mac      macaddr,
    -- A keyed hash of the name, as in `credentials`: what was typed may be somebody's code.
    lookup   bytea NOT NULL CHECK (octet_length(lookup) = 16),
    -- Only its beginning.
    name     text NOT NULL,
    reason   text NOT NULL CHECK (reason <> ''),
    hour     timestamptz NOT NULL CHECK (hour = date_trunc('hour', hour, 'UTC')),
    first_at timestamptz NOT NULL,
    last_at  timestamptz NOT NULL CHECK (last_at >= first_at),
    times    integer NOT NULL CHECK (times > 0)
);
CREATE UNIQUE INDEX login_refusals_once ON login_refusals (mac, hour, nas_id, lookup, reason) NULLS NOT DISTINCT;
CREATE INDEX login_refusals_by_name ON login_refusals (lookup, hour);
CREATE INDEX login_refusals_by_age ON login_refusals (hour);

-- Devices that opened the portal's page, as the router's redirect told: it is unsigned, so this proves nothing.
CREATE TABLE device_visits (
    nas_id   uuid NOT NULL,
    hour     timestamptz NOT NULL CHECK (hour = date_trunc('hour', hour, 'UTC')),
    mac      macaddr NOT NULL,
    -- How far the guest came: 1 saw the packages, 2 chose one, 3 was asked to pay.
    step     smallint NOT NULL CHECK (step BETWEEN 1 AND 3),
    -- What the router said when it last sent the guest; empty: nothing.
    said     text NOT NULL DEFAULT '' CHECK (char_length(said) <= 200),
    first_at timestamptz NOT NULL,
    last_at  timestamptz NOT NULL CHECK (last_at >= first_at),
    times    integer NOT NULL CHECK (times > 0),
    PRIMARY KEY (nas_id, hour, mac)
);
CREATE INDEX device_visits_by_device ON device_visits (mac, hour);
CREATE INDEX device_visits_by_age ON device_visits (hour);

-- What the desk did for a customer. The identity is the form's own number: a form that is sent twice does it once.
CREATE TABLE support_actions (
    id             uuid PRIMARY KEY,
    kind           text NOT NULL CHECK (kind IN ('grant', 'move', 'disconnect', 'resend', 'refund')),
    actor          text NOT NULL CHECK (actor <> ''),
    reason         text NOT NULL DEFAULT '',
    -- To what, in words that hold no secret.
    object         text NOT NULL,
    user_id        uuid,
    order_id       uuid,
    entitlement_id uuid,
    mac            macaddr,
    at             timestamptz NOT NULL
);
CREATE INDEX support_actions_by_user ON support_actions (user_id, at) WHERE user_id IS NOT NULL;
CREATE INDEX support_actions_by_order ON support_actions (order_id, at) WHERE order_id IS NOT NULL;
CREATE INDEX support_actions_by_entitlement ON support_actions (entitlement_id, at) WHERE entitlement_id IS NOT NULL;
CREATE INDEX support_actions_by_device ON support_actions (mac, at) WHERE mac IS NOT NULL;

-- What a story is looked up by.
CREATE INDEX sessions_by_device ON sessions (mac) WHERE mac IS NOT NULL;
CREATE INDEX sessions_ended_by_device ON sessions_ended (mac, started_at) WHERE mac IS NOT NULL;
CREATE INDEX users_by_email ON users (lower(email)) WHERE email IS NOT NULL;
