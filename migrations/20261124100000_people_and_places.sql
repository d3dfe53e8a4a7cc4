-- Why: who uses the system and where. Customers are known by their phone number, routers by the address
-- their packets come from; both must be unique, or money and secrets would go astray.

CREATE TABLE sites (
    id         uuid PRIMARY KEY,
    name       text NOT NULL UNIQUE CHECK (name <> ''),
    latitude   double precision CHECK (latitude BETWEEN -90 AND 90),
    longitude  double precision CHECK (longitude BETWEEN -180 AND 180),
    time_zone  text NOT NULL DEFAULT 'Africa/Nairobi',
    created_at timestamptz NOT NULL
);

-- A network access server: one router, or one network of routers that share a secret.
CREATE TABLE nas (
    id              uuid PRIMARY KEY,
    name            text NOT NULL UNIQUE CHECK (name <> ''),
    site_id         uuid REFERENCES sites (id),
    address         cidr NOT NULL UNIQUE,
    identifier      text UNIQUE,
    secret_sealed   bytea NOT NULL,
    -- The secret before a rotation, honoured until the given moment.
    old_secret_sealed bytea,
    old_secret_until  timestamptz,
    coa_port        integer NOT NULL DEFAULT 3799 CHECK (coa_port BETWEEN 1 AND 65535),
    require_message_authenticator text NOT NULL DEFAULT 'auto'
                    CHECK (require_message_authenticator IN ('auto', 'yes', 'no')),
    -- Learnt: this router has sent a valid Message-Authenticator, so it must go on doing so.
    sends_message_authenticator boolean NOT NULL DEFAULT false,
    -- Where its login page may send a guest back to: host or host:port.
    hotspot_hosts   text[] NOT NULL DEFAULT '{}',
    last_seen_at    timestamptz,
    created_at      timestamptz NOT NULL,
    CHECK ((old_secret_sealed IS NULL) = (old_secret_until IS NULL))
);

CREATE TABLE users (
    id              uuid PRIMARY KEY,
    phone           text NOT NULL UNIQUE CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
    name            text NOT NULL DEFAULT '',
    status          text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
    otp_verified_at timestamptz,
    locale          text NOT NULL DEFAULT 'en',
    created_at      timestamptz NOT NULL
);

CREATE TABLE devices (
    id        uuid PRIMARY KEY,
    user_id   uuid NOT NULL REFERENCES users (id),
    mac       macaddr NOT NULL,
    label     text NOT NULL DEFAULT '',
    bound_at  timestamptz NOT NULL,
    UNIQUE (user_id, mac)
);
CREATE INDEX devices_by_mac ON devices (mac);

CREATE TABLE admin_users (
    id            uuid PRIMARY KEY,
    email         text NOT NULL UNIQUE CHECK (email = lower(email) AND email LIKE '%_@_%'),
    password_hash text NOT NULL CHECK (password_hash LIKE '$argon2id$%'),
    role          text NOT NULL DEFAULT 'owner'
                  CHECK (role IN ('owner', 'manager', 'cashier', 'support', 'accountant', 'read_only')),
    failed_logins integer NOT NULL DEFAULT 0 CHECK (failed_logins >= 0),
    locked_until  timestamptz,
    created_at    timestamptz NOT NULL
);

CREATE TABLE api_tokens (
    id           uuid PRIMARY KEY,
    name         text NOT NULL UNIQUE,
    token_hash   bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    created_at   timestamptz NOT NULL,
    last_used_at timestamptz,
    expires_at   timestamptz
);

-- The audit log: append-only, each row carrying the hash of the one before, so that a row taken out or
-- changed shows. The chain is made here, in the database, under one lock: no writer can skip it.
CREATE TABLE admin_logs (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL,
    actor     text NOT NULL,
    action    text NOT NULL,
    object    text NOT NULL DEFAULT '',
    detail    jsonb NOT NULL DEFAULT '{}',
    address   inet,
    hash      bytea NOT NULL
);

CREATE FUNCTION admin_logs_chain() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE previous bytea;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('admin_logs'), hashtext(current_schema()));
    SELECT hash INTO previous FROM admin_logs ORDER BY id DESC LIMIT 1;
    NEW.hash := sha256(coalesce(previous, ''::bytea) || convert_to(
        concat_ws(E'\x1f', NEW.id, extract(epoch FROM NEW.at), NEW.actor, NEW.action, NEW.object, NEW.detail, NEW.address),
        'UTF8'));
    RETURN NEW;
END $$;
CREATE TRIGGER admin_logs_chain BEFORE INSERT ON admin_logs FOR EACH ROW EXECUTE FUNCTION admin_logs_chain();

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER admin_logs_append_only BEFORE UPDATE OR DELETE ON admin_logs
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
