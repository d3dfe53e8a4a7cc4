-- Why: what is sold, and what a customer may use. An entitlement freezes the package's rules at the sale,
-- so that a later change of price or speed never alters what somebody has paid for.

CREATE TABLE packages (
    id               uuid PRIMARY KEY,
    slug             text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    name             text NOT NULL CHECK (name <> ''),
    site_id          uuid REFERENCES sites (id),
    price_minor      bigint NOT NULL CHECK (price_minor >= 0),
    currency         char(3) NOT NULL,
    -- Whether the clock starts at the purchase or at the first login.
    starts           text NOT NULL DEFAULT 'first_login' CHECK (starts IN ('purchase', 'first_login')),
    duration_seconds bigint CHECK (duration_seconds BETWEEN 1 AND 315360000), -- ten years
    quota_octets     bigint CHECK (quota_octets > 0),
    up_bps           bigint CHECK (up_bps >= 0),
    down_bps         bigint CHECK (down_bps >= 0),
    device_limit     integer NOT NULL DEFAULT 1 CHECK (device_limit BETWEEN 1 AND 100),
    idle_timeout_seconds integer CHECK (idle_timeout_seconds >= 60),
    position         integer NOT NULL DEFAULT 0,
    active           boolean NOT NULL DEFAULT true,
    created_at       timestamptz NOT NULL,
    CHECK (duration_seconds IS NOT NULL OR quota_octets IS NOT NULL),
    CHECK ((up_bps IS NULL) = (down_bps IS NULL))
);

CREATE TABLE discounts (
    id          uuid PRIMARY KEY,
    code        text UNIQUE,
    name        text NOT NULL,
    percent     integer CHECK (percent BETWEEN 1 AND 100),
    amount_minor bigint CHECK (amount_minor > 0),
    currency    char(3),
    valid_from  timestamptz,
    valid_until timestamptz,
    uses_max    integer CHECK (uses_max > 0),
    uses        integer NOT NULL DEFAULT 0 CHECK (uses >= 0),
    created_at  timestamptz NOT NULL,
    CHECK ((percent IS NULL) <> (amount_minor IS NULL)),
    CHECK ((amount_minor IS NULL) = (currency IS NULL)),
    CHECK (uses_max IS NULL OR uses <= uses_max)
);

CREATE TABLE entitlements (
    id               uuid PRIMARY KEY,
    user_id          uuid REFERENCES users (id),
    package_id       uuid REFERENCES packages (id),
    -- One order grants once: the key that makes paid money become access exactly once.
    order_id         uuid UNIQUE,
    package_name     text NOT NULL,
    starts           text NOT NULL CHECK (starts IN ('purchase', 'first_login')),
    duration_seconds bigint CHECK (duration_seconds BETWEEN 1 AND 315360000), -- ten years
    quota_octets     bigint CHECK (quota_octets > 0),
    up_bps           bigint CHECK (up_bps >= 0),
    down_bps         bigint CHECK (down_bps >= 0),
    device_limit     integer NOT NULL CHECK (device_limit >= 1),
    idle_timeout_seconds integer CHECK (idle_timeout_seconds >= 60),
    starts_at        timestamptz,
    expires_at       timestamptz,
    used_input_octets  bigint NOT NULL DEFAULT 0 CHECK (used_input_octets >= 0),
    used_output_octets bigint NOT NULL DEFAULT 0 CHECK (used_output_octets >= 0),
    used_seconds     bigint NOT NULL DEFAULT 0 CHECK (used_seconds >= 0),
    state            text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'exhausted', 'expired', 'revoked')),
    created_at       timestamptz NOT NULL,
    CHECK (expires_at IS NULL OR starts_at IS NOT NULL),
    CHECK (expires_at > starts_at),
    CHECK ((up_bps IS NULL) = (down_bps IS NULL))
) WITH (fillfactor = 80);
CREATE INDEX entitlements_by_user ON entitlements (user_id, created_at DESC);
CREATE INDEX entitlements_ending ON entitlements (expires_at) WHERE state = 'active';

-- Devices bound to an entitlement: a lease, not a possession.
CREATE TABLE entitlement_devices (
    entitlement_id uuid NOT NULL REFERENCES entitlements (id),
    mac            macaddr NOT NULL,
    bound_at       timestamptz NOT NULL,
    PRIMARY KEY (entitlement_id, mac)
);
CREATE INDEX entitlement_devices_by_mac ON entitlement_devices (mac, bound_at DESC);

-- What opens an entitlement. `lookup` is a keyed hash of the typed name, so that a voucher's code can be
-- found without standing here in clear; the password is sealed, because CHAP needs it.
CREATE TABLE credentials (
    id              uuid PRIMARY KEY,
    entitlement_id  uuid NOT NULL REFERENCES entitlements (id),
    kind            text NOT NULL CHECK (kind IN ('password', 'voucher', 'one_time')),
    lookup          bytea NOT NULL UNIQUE CHECK (octet_length(lookup) = 16),
    login_sealed    bytea NOT NULL,
    password_sealed bytea NOT NULL,
    mac             macaddr,
    valid_until     timestamptz,
    created_at      timestamptz NOT NULL,
    CHECK (kind <> 'one_time' OR (valid_until IS NOT NULL AND mac IS NOT NULL))
);
CREATE INDEX credentials_by_entitlement ON credentials (entitlement_id);

CREATE TABLE voucher_batches (
    id         uuid PRIMARY KEY,
    package_id uuid NOT NULL REFERENCES packages (id),
    label      text NOT NULL DEFAULT '',
    size       integer NOT NULL CHECK (size BETWEEN 1 AND 100000),
    created_by text NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE vouchers (
    id             uuid PRIMARY KEY,
    batch_id       uuid NOT NULL REFERENCES voucher_batches (id),
    entitlement_id uuid NOT NULL UNIQUE REFERENCES entitlements (id),
    state          text NOT NULL DEFAULT 'printed' CHECK (state IN ('printed', 'sold', 'redeemed', 'void')),
    redeemed_at    timestamptz,
    CHECK ((state = 'redeemed') = (redeemed_at IS NOT NULL))
);
