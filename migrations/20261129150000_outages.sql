-- Why: power cuts and line cuts eat the time that customers paid for. When a router falls silent that had customers online,
-- that is written down with who they were, so that the operator can give them the lost time back, once and provably.

CREATE TABLE outages (
    id            uuid PRIMARY KEY,
    nas_id        uuid NOT NULL,
    -- When the router was last heard, and when it was heard again.
    started_at    timestamptz NOT NULL,
    ended_at      timestamptz,
    noticed_at    timestamptz NOT NULL,
    given_back_at timestamptz,
    given_back_by text,
    CHECK (ended_at > started_at),
    CHECK ((given_back_at IS NULL) = (given_back_by IS NULL)),
    CHECK (given_back_at IS NULL OR ended_at IS NOT NULL)
);
CREATE UNIQUE INDEX outages_open ON outages (nas_id) WHERE ended_at IS NULL;
CREATE INDEX outages_by_time ON outages (started_at DESC, id);

-- What was in use there when it began, by so many sessions, and what was given back of it: nothing yet, or nothing since its
-- time did not run.
CREATE TABLE outage_entitlements (
    outage_id      uuid NOT NULL REFERENCES outages (id),
    entitlement_id uuid NOT NULL REFERENCES entitlements (id),
    sessions       integer NOT NULL CHECK (sessions > 0),
    seconds        bigint CHECK (seconds >= 0),
    PRIMARY KEY (outage_id, entitlement_id)
);
