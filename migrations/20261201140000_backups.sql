-- Why: a backup that nobody looks at stops one day, and one that was never restored is a hope. Each run is written down here, the
-- drill that restores one too, so that the desk and the metrics tell of them from the database that they are about.

CREATE TABLE backup_runs (
    id             uuid PRIMARY KEY,
    -- What was made, or drill: what was restored into a scratch cluster and examined.
    kind           text NOT NULL CHECK (kind IN ('full', 'diff', 'incr', 'drill')),
    started_at     timestamptz NOT NULL,
    ended_at       timestamptz NOT NULL,
    ok             boolean NOT NULL,
    -- What it takes in the repository.
    size_bytes     bigint CHECK (size_bytes >= 0),
    -- Of a drill: how new the newest thing was that came back.
    recovery_point timestamptz,
    -- What was made or found, or why it failed.
    detail         text NOT NULL DEFAULT '',
    CHECK (ended_at >= started_at)
);
CREATE INDEX backup_runs_by_time ON backup_runs (started_at DESC, id);
CREATE INDEX backup_runs_by_kind ON backup_runs (kind, ok, started_at DESC);

-- One row, written anew every minute: so there is WAL to archive on the quietest day, and what a restored database has of it
-- says how much was lost, whether or not customers did something.
CREATE TABLE backup_pulse (
    is_the_only_one boolean PRIMARY KEY DEFAULT true CHECK (is_the_only_one),
    at              timestamptz NOT NULL
);
INSERT INTO backup_pulse (at) VALUES (now());
