-- Why: what somebody should look at who minds the place: logins that were locked after too many wrong tries, codes that are being
-- guessed at a router, a device that is online in two places at once.

CREATE TABLE security_events (
    id        uuid PRIMARY KEY,
    at        timestamptz NOT NULL,
    kind      text NOT NULL CHECK (kind IN ('device_locked', 'login_locked', 'router_guessing', 'mac_cloned')),
    -- No foreign key: the event outlives the router.
    nas_id    uuid,
    mac       macaddr,
    -- Only its beginning: what was typed may be somebody's code.
    user_name text,
    detail    text NOT NULL DEFAULT ''
);
CREATE INDEX security_events_by_time ON security_events (at DESC, id);
CREATE INDEX security_events_by_device ON security_events (mac, at DESC) WHERE mac IS NOT NULL;

-- Once in a while all open sessions are looked at for devices that are in two places.
CREATE INDEX sessions_by_device ON sessions (mac) WHERE mac IS NOT NULL;
