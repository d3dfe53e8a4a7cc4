-- Why: people who administer a router can sign in to it by RADIUS (RouterOS service `login`). They are no customers:
-- their names stand in a table of their own, so that no guest's credential can open a router and no administrator's
-- the Wi-Fi. Safe while the program before runs: it reads neither the table nor the new rows' effects.

CREATE TABLE router_logins (
    id              uuid PRIMARY KEY,
    name            text NOT NULL UNIQUE CHECK (name <> '' AND octet_length(name) <= 253),
    password_sealed bytea NOT NULL,
    -- The group of the router whose rights the person gets (Mikrotik-Group).
    mikrotik_group  text NOT NULL CHECK (mikrotik_group <> '' AND octet_length(mikrotik_group) <= 247),
    -- The only router that it opens; NULL: every router.
    nas_id          uuid REFERENCES nas (id) ON DELETE CASCADE,
    created_at      timestamptz NOT NULL
);
CREATE INDEX router_logins_by_nas ON router_logins (nas_id);

-- radiusd reads them with the list of routers.
CREATE TRIGGER router_logins_changed AFTER INSERT OR UPDATE OR DELETE ON router_logins
    FOR EACH STATEMENT EXECUTE FUNCTION directory_after_nas();
