-- Why: usage by the hour must not depend on the order in which reports arrive. For that a session remembers its first
-- report, and where two of its reports lie in different hours the step between them (`session_crossings`); what is
-- between its first and its last report can then be spread over the hours anew when a late one comes.
-- And a session that we closed because its router fell silent is not over for good: `lost` says so.
-- Expand only: `first_at` is null where a program from before wrote the session; the delta columns are written no more
-- and go in a later release.

ALTER TABLE sessions
    ADD COLUMN first_at      timestamptz,
    ADD COLUMN first_seconds bigint NOT NULL DEFAULT 0 CHECK (first_seconds >= 0),
    ADD COLUMN first_input   bigint NOT NULL DEFAULT 0 CHECK (first_input >= 0),
    ADD COLUMN first_output  bigint NOT NULL DEFAULT 0 CHECK (first_output >= 0),
    ADD COLUMN lost          boolean NOT NULL DEFAULT false;
ALTER TABLE sessions_ended
    ADD COLUMN first_at      timestamptz,
    ADD COLUMN first_seconds bigint NOT NULL DEFAULT 0 CHECK (first_seconds >= 0),
    ADD COLUMN first_input   bigint NOT NULL DEFAULT 0 CHECK (first_input >= 0),
    ADD COLUMN first_output  bigint NOT NULL DEFAULT 0 CHECK (first_output >= 0),
    ADD COLUMN lost          boolean NOT NULL DEFAULT false;

-- The steps of a session between the hours in which it was reported; most sessions have none or one.
CREATE TABLE session_crossings (
    opened_on    date NOT NULL,
    session_id   uuid NOT NULL,
    from_at      timestamptz NOT NULL,
    from_seconds bigint NOT NULL,
    from_input   bigint NOT NULL,
    from_output  bigint NOT NULL,
    to_at        timestamptz NOT NULL CHECK (to_at > from_at),
    to_seconds   bigint NOT NULL CHECK (to_seconds >= from_seconds),
    to_input     bigint NOT NULL CHECK (to_input >= from_input),
    to_output    bigint NOT NULL CHECK (to_output >= from_output),
    PRIMARY KEY (opened_on, session_id, to_at)
) PARTITION BY RANGE (opened_on);
CREATE TABLE session_crossings_other PARTITION OF session_crossings DEFAULT;

-- The hours grow for ever: they go by months too.
ALTER TABLE usage_hourly RENAME TO usage_hourly_unparted;
ALTER TABLE usage_hourly_unparted RENAME CONSTRAINT usage_hourly_pkey TO usage_hourly_unparted_pkey;
CREATE TABLE usage_hourly (
    hour           timestamptz NOT NULL CHECK (hour = date_trunc('hour', hour, 'UTC')),
    nas_id         uuid NOT NULL,
    entitlement_id uuid NOT NULL,
    input_octets   bigint NOT NULL DEFAULT 0 CHECK (input_octets >= 0),
    output_octets  bigint NOT NULL DEFAULT 0 CHECK (output_octets >= 0),
    seconds        bigint NOT NULL DEFAULT 0 CHECK (seconds >= 0),
    PRIMARY KEY (hour, nas_id, entitlement_id)
) PARTITION BY RANGE (hour);
CREATE TABLE usage_hourly_other PARTITION OF usage_hourly DEFAULT;

-- Makes the partition of one month of one of these tables, if it is not there.
CREATE FUNCTION make_month_partition(parent text, month date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name  text := parent || '_' || to_char(month, 'YYYY_MM');
    until date := (month + interval '1 month')::date;
    -- Days are days; hours begin in UTC, wherever the database thinks it is.
    zone  text := CASE parent WHEN 'usage_hourly' THEN ' 00:00:00+00' ELSE '' END;
BEGIN
    IF to_regclass(name) IS NULL THEN
        BEGIN
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', name, parent, month || zone, until || zone);
        EXCEPTION
            -- Rows of that month already stand in the default partition: they stay there.
            WHEN check_violation THEN RAISE NOTICE '% of % stays in the default partition', month, parent;
            WHEN duplicate_table THEN NULL;
        END;
    END IF;
END $$;

-- Makes the partitions from last month to `ahead` months from the given day; safe to call at any time.
CREATE OR REPLACE FUNCTION make_session_partitions(today date, ahead integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    month date := date_trunc('month', today)::date - interval '1 month';
BEGIN
    WHILE month <= date_trunc('month', today)::date + ahead * interval '1 month' LOOP
        PERFORM make_month_partition('sessions_ended', month);
        PERFORM make_month_partition('session_crossings', month);
        PERFORM make_month_partition('usage_hourly', month);
        month := (month + interval '1 month')::date;
    END LOOP;
END $$;

-- What is there keeps its place in time.
SELECT make_month_partition('usage_hourly', month::date)
FROM (SELECT DISTINCT date_trunc('month', hour, 'UTC') AT TIME ZONE 'UTC' AS month FROM usage_hourly_unparted) AS months;
SELECT make_session_partitions(current_date, 3);
INSERT INTO usage_hourly SELECT hour, nas_id, entitlement_id, input_octets, output_octets, seconds FROM usage_hourly_unparted;
DROP TABLE usage_hourly_unparted;

-- Takes the partitions of months that ended before the given day out of their tables. They are dropped, or left as
-- tables of their own with `_archived` behind their name. Returns their names. The steps between hours only serve late reports:
-- they are dropped after the month that follows theirs.
CREATE FUNCTION retire_session_partitions(today date, before date, archive boolean) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    part record;
BEGIN
    FOR part IN
        SELECT c.relname AS name, p.relname AS parent,
               to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month' AS ended
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
        WHERE p.oid IN ('sessions_ended'::regclass, 'session_crossings'::regclass, 'usage_hourly'::regclass)
          AND c.relname ~ '_[0-9]{4}_[0-9]{2}$'
        ORDER BY c.relname
    LOOP
        CONTINUE WHEN part.ended > CASE part.parent WHEN 'session_crossings'
            THEN date_trunc('month', today)::date - interval '1 month' ELSE coalesce(before, '-infinity') END;
        EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', part.parent, part.name);
        IF archive AND part.parent <> 'session_crossings' THEN
            EXECUTE format('ALTER TABLE %I RENAME TO %I', part.name, part.name || '_archived');
        ELSE
            EXECUTE format('DROP TABLE %I', part.name);
        END IF;
        RETURN NEXT part.name;
    END LOOP;
END $$;

-- That a router says it has started (Accounting-On). RouterOS has been seen to say so while its sessions went on, so
-- they are closed when something confirms it.
CREATE TABLE router_restarts (
    nas_id  uuid NOT NULL,
    -- Of one router of several that share an entry; null: of the router.
    address inet,
    at      timestamptz NOT NULL,
    UNIQUE NULLS NOT DISTINCT (nas_id, address, at)
);
