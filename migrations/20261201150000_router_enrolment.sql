-- Why: a router is set up by one line that its operator pastes. The line fetches a script, once and for a day, and the router reports
-- back what it is. What the script is made of is kept, so that it can be looked at, and fetched anew when something stood in the way;
-- the secrets in it are those of the router's own row, and the token of the line is kept as its SHA-256 alone.

CREATE TABLE router_enrolments (
    nas_id         uuid PRIMARY KEY REFERENCES nas (id) ON DELETE CASCADE,
    plan           jsonb NOT NULL,
    token_hash     bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    token_until    timestamptz NOT NULL,
    -- Who fetched it first: nobody else does.
    fetched_at     timestamptz,
    fetched_from   inet,
    -- The router has reported that all was done: the token is worth nothing from then on.
    finished_at    timestamptz,
    -- WireGuard: the address that we gave, the key that the router made.
    tunnel_address inet UNIQUE CHECK (family(tunnel_address) = 4),
    public_key     text UNIQUE CHECK (length(public_key) = 44),
    -- What the router says of itself.
    reported_at    timestamptz,
    version        text,
    model          text,
    serial         text,
    device_mode    boolean,
    clock_ahead_seconds bigint,
    fasttrack      integer,
    -- The steps that were not done, in words of ours.
    not_done       text NOT NULL DEFAULT '',
    created_at     timestamptz NOT NULL,
    created_by     text NOT NULL,
    CHECK ((fetched_at IS NULL) = (fetched_from IS NULL)),
    CHECK (finished_at IS NULL OR (fetched_at IS NOT NULL AND not_done = ''))
);

-- How often a router has done lately what it was told.
CREATE INDEX nas_commands_by_time ON nas_commands (created_at, nas_id);
