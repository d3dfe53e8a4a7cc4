-- Why: accounting. Open sessions live in a small hot table; an ended one moves to a table partitioned by the
-- month it was opened in. The partition key is part of the session's identity, so a late or repeated report
-- finds its session in one partition, however old. The delta columns hold what the last merge added: that is
-- how one statement can merge counters by maximum and report exactly what was new.
-- No foreign keys here: a report about a router or an entitlement that is gone must still be recorded.

CREATE TABLE sessions (
    id              uuid NOT NULL,
    opened_on       date NOT NULL,
    nas_id          uuid NOT NULL,
    entitlement_id  uuid,
    user_name       text NOT NULL,
    mac             macaddr,
    framed_ip       inet,
    acct_session_id text NOT NULL,
    started_at      timestamptz NOT NULL,
    last_heard_at   timestamptz NOT NULL,
    session_seconds bigint NOT NULL DEFAULT 0 CHECK (session_seconds >= 0),
    input_octets    bigint NOT NULL DEFAULT 0 CHECK (input_octets >= 0),
    output_octets   bigint NOT NULL DEFAULT 0 CHECK (output_octets >= 0),
    delta_seconds   bigint NOT NULL DEFAULT 0 CHECK (delta_seconds >= 0),
    delta_input     bigint NOT NULL DEFAULT 0 CHECK (delta_input >= 0),
    delta_output    bigint NOT NULL DEFAULT 0 CHECK (delta_output >= 0),
    -- When access must end, and when the router was asked to end it.
    cutoff_at        timestamptz,
    cut_requested_at timestamptz,
    ended_at        timestamptz,
    terminate_cause text,
    PRIMARY KEY (id)
) WITH (fillfactor = 70);
CREATE INDEX sessions_due ON sessions (cutoff_at) WHERE cutoff_at IS NOT NULL AND cut_requested_at IS NULL;
CREATE INDEX sessions_by_entitlement ON sessions (entitlement_id);
CREATE INDEX sessions_by_router_id ON sessions (nas_id, acct_session_id);
CREATE INDEX sessions_by_start ON sessions (started_at DESC, id);

CREATE TABLE sessions_ended (LIKE sessions INCLUDING DEFAULTS INCLUDING CONSTRAINTS, PRIMARY KEY (opened_on, id))
    PARTITION BY RANGE (opened_on);
CREATE INDEX sessions_ended_by_entitlement ON sessions_ended (entitlement_id);
CREATE INDEX sessions_ended_by_router_id ON sessions_ended (nas_id, acct_session_id);
CREATE INDEX sessions_ended_by_start ON sessions_ended (started_at DESC, id);
-- Catches what no month was made for, so that a record is never refused.
CREATE TABLE sessions_ended_other PARTITION OF sessions_ended DEFAULT;

-- Makes the partitions from last month to `ahead` months from the given day; safe to call at any time.
CREATE FUNCTION make_session_partitions(today date, ahead integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    month date := date_trunc('month', today)::date - interval '1 month';
    name  text;
BEGIN
    WHILE month <= date_trunc('month', today)::date + ahead * interval '1 month' LOOP
        name := 'sessions_ended_' || to_char(month, 'YYYY_MM');
        IF to_regclass(name) IS NULL THEN
            BEGIN
                EXECUTE format('CREATE TABLE %I PARTITION OF sessions_ended FOR VALUES FROM (%L) TO (%L)',
                               name, month, (month + interval '1 month')::date);
            EXCEPTION
                -- Rows of that month already stand in the default partition: they stay there.
                WHEN check_violation THEN RAISE NOTICE '% stays in the default partition', month;
                WHEN duplicate_table THEN NULL;
            END;
        END IF;
        month := (month + interval '1 month')::date;
    END LOOP;
END $$;
SELECT make_session_partitions(current_date, 3);

-- Octets and seconds per hour; corrections add to the hour in which they arrive.
CREATE TABLE usage_hourly (
    hour           timestamptz NOT NULL CHECK (hour = date_trunc('hour', hour, 'UTC')),
    nas_id         uuid NOT NULL,
    entitlement_id uuid NOT NULL,
    input_octets   bigint NOT NULL DEFAULT 0 CHECK (input_octets >= 0),
    output_octets  bigint NOT NULL DEFAULT 0 CHECK (output_octets >= 0),
    seconds        bigint NOT NULL DEFAULT 0 CHECK (seconds >= 0),
    PRIMARY KEY (hour, nas_id, entitlement_id)
);
