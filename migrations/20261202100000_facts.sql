-- Why: reports, heat maps and predictions read what happened by the hour and never the sessions, orders and payments themselves, so that a year
-- of thirty million sessions costs a report no more than a year of hours. Three tables of that kind are there (`sales_hourly`, `traffic_hourly`,
-- `ledger_hourly`); these are the rest: one fact an hour and router, an hour and way of paying, and the sums by day and month of what reports
-- ask about customers.
--
-- Every router and site has a row for every hour since it is there, also where nothing happened: nothing is a zero. An hour in which we did not
-- see what happened (the router's line was cut, nothing of ours ran) is not `observed`: it is missing, and no zero.
--
-- The nil identity stands for no site (vouchers are sold at none): a part of a key is not null. No foreign keys: facts outlive what they count.
-- Expand only.

-- An hour at a router.
CREATE TABLE nas_hourly (
    hour            timestamptz NOT NULL CHECK (hour = date_trunc('hour', hour, 'UTC')),
    nas_id          uuid NOT NULL,
    site_id         uuid NOT NULL,
    observed        boolean NOT NULL DEFAULT true,
    -- Minutes in which sessions were counted, and the most that were open in one of them.
    minutes_seen    smallint NOT NULL DEFAULT 0 CHECK (minutes_seen BETWEEN 0 AND 60),
    peak_sessions   integer NOT NULL DEFAULT 0 CHECK (peak_sessions >= 0),
    logins          bigint NOT NULL DEFAULT 0 CHECK (logins >= 0),
    failed_logins   bigint NOT NULL DEFAULT 0 CHECK (failed_logins >= 0),
    sessions_begun  bigint NOT NULL DEFAULT 0 CHECK (sessions_begun >= 0),
    sessions_ended  bigint NOT NULL DEFAULT 0 CHECK (sessions_ended >= 0),
    input_octets    bigint NOT NULL DEFAULT 0 CHECK (input_octets >= 0),
    output_octets   bigint NOT NULL DEFAULT 0 CHECK (output_octets >= 0),
    session_seconds bigint NOT NULL DEFAULT 0 CHECK (session_seconds >= 0),
    -- Devices that opened the portal there, and how far they came; each counts in every step that it reached.
    seen            bigint NOT NULL DEFAULT 0 CHECK (seen >= 0),
    chosen          bigint NOT NULL DEFAULT 0 CHECK (chosen >= 0),
    paying          bigint NOT NULL DEFAULT 0 CHECK (paying >= 0),
    PRIMARY KEY (nas_id, hour)
);
CREATE INDEX nas_hourly_by_hour ON nas_hourly (hour, site_id);

-- The same of all routers of a site, with what was sold there: what heat maps, forecasts and the day's band read. Money is in the currency
-- of most packages that are offered there; other currencies are in sales_hourly.
CREATE TABLE site_hourly (
    hour            timestamptz NOT NULL CHECK (hour = date_trunc('hour', hour, 'UTC')),
    site_id         uuid NOT NULL,
    observed        boolean NOT NULL DEFAULT true,
    -- Orders and vouchers that stand, as in sales_hourly: what was given back later is none.
    purchases       bigint NOT NULL DEFAULT 0 CHECK (purchases >= 0),
    -- What was sold, given back later or not; what was taken out of the sales in that hour, whenever it was sold; what discounts spared.
    currency        char(3) NOT NULL DEFAULT 'KES',
    gross_minor     bigint NOT NULL DEFAULT 0,
    refunded_minor  bigint NOT NULL DEFAULT 0,
    discount_minor  bigint NOT NULL DEFAULT 0,
    payment_attempts bigint NOT NULL DEFAULT 0 CHECK (payment_attempts >= 0),
    payment_failures bigint NOT NULL DEFAULT 0 CHECK (payment_failures >= 0),
    peak_sessions   integer NOT NULL DEFAULT 0 CHECK (peak_sessions >= 0),
    logins          bigint NOT NULL DEFAULT 0 CHECK (logins >= 0),
    failed_logins   bigint NOT NULL DEFAULT 0 CHECK (failed_logins >= 0),
    sessions_begun  bigint NOT NULL DEFAULT 0 CHECK (sessions_begun >= 0),
    input_octets    bigint NOT NULL DEFAULT 0 CHECK (input_octets >= 0),
    output_octets   bigint NOT NULL DEFAULT 0 CHECK (output_octets >= 0),
    session_seconds bigint NOT NULL DEFAULT 0 CHECK (session_seconds >= 0),
    seen            bigint NOT NULL DEFAULT 0 CHECK (seen >= 0),
    chosen          bigint NOT NULL DEFAULT 0 CHECK (chosen >= 0),
    paying          bigint NOT NULL DEFAULT 0 CHECK (paying >= 0),
    -- Orders that were paid, and those of them whose device was online afterwards.
    paid            bigint NOT NULL DEFAULT 0 CHECK (paid >= 0),
    online          bigint NOT NULL DEFAULT 0 CHECK (online >= 0),
    PRIMARY KEY (site_id, hour)
);
CREATE INDEX site_hourly_by_hour ON site_hourly (hour);

-- Both by the day (UTC), for reports over months and years: sums, and the most that there was in an hour. The nil router stands for all of a
-- site together, which is not the sum of its routers' peaks.
CREATE TABLE use_daily (
    day            date NOT NULL,
    site_id        uuid NOT NULL,
    nas_id         uuid NOT NULL,
    -- Hours that were not observed.
    missing        smallint NOT NULL CHECK (missing >= 0),
    peak_sessions  integer NOT NULL CHECK (peak_sessions >= 0),
    logins         bigint NOT NULL CHECK (logins >= 0),
    input_octets   bigint NOT NULL CHECK (input_octets >= 0),
    output_octets  bigint NOT NULL CHECK (output_octets >= 0),
    -- To customers in the busiest hour.
    busiest_octets bigint NOT NULL CHECK (busiest_octets >= 0),
    PRIMARY KEY (nas_id, day, site_id)
);

-- Refused logins by their reason (the words of `shared::denial`).
CREATE TABLE refusals_hourly (
    hour    timestamptz NOT NULL CHECK (hour = date_trunc('hour', hour, 'UTC')),
    nas_id  uuid NOT NULL,
    site_id uuid NOT NULL,
    reason  text NOT NULL,
    times   bigint NOT NULL CHECK (times > 0),
    devices bigint NOT NULL CHECK (devices >= 0),
    PRIMARY KEY (hour, nas_id, reason)
);

-- Attempts to collect money, in the hour in which they were begun, by what became of them.
CREATE TABLE payments_hourly (
    hour            timestamptz NOT NULL CHECK (hour = date_trunc('hour', hour, 'UTC')),
    site_id         uuid NOT NULL,
    provider        text NOT NULL,
    currency        char(3) NOT NULL,
    attempts        bigint NOT NULL CHECK (attempts > 0),
    succeeded       bigint NOT NULL CHECK (succeeded >= 0),
    failed          bigint NOT NULL CHECK (failed >= 0),
    -- Not settled: unknown, or asked and without an answer.
    stuck           bigint NOT NULL CHECK (stuck >= 0),
    amount_minor    bigint NOT NULL CHECK (amount_minor >= 0),
    fee_minor       bigint NOT NULL DEFAULT 0,
    -- How many were confirmed within 2, 5, 10, 20, 30, 60, 120, 300 seconds, and later: nine numbers, each payment in one of them.
    confirmed_within bigint[] NOT NULL CHECK (cardinality(confirmed_within) = 9),
    PRIMARY KEY (hour, site_id, provider, currency)
);
-- Why they failed: the code of the provider, which the portal has words for, or else what the provider said.
CREATE TABLE payment_results_hourly (
    hour     timestamptz NOT NULL CHECK (hour = date_trunc('hour', hour, 'UTC')),
    site_id  uuid NOT NULL,
    provider text NOT NULL,
    result   text NOT NULL,
    times    bigint NOT NULL CHECK (times > 0),
    PRIMARY KEY (hour, site_id, provider, result)
);

-- How sessions ended, by the day (UTC) of their end: how many lasted up to 1, 5, 15, 30, 60, 120, 240, 480, 1440 minutes, and longer: ten
-- numbers, each session in one of them.
CREATE TABLE endings_daily (
    day          date NOT NULL,
    nas_id       uuid NOT NULL,
    site_id      uuid NOT NULL,
    cause        text NOT NULL,
    -- The hours of the day, by UTC, in which they ended: 24 numbers.
    by_hour      bigint[] NOT NULL CHECK (cardinality(by_hour) = 24),
    lasted_until bigint[] NOT NULL CHECK (cardinality(lasted_until) = 10),
    sessions     bigint NOT NULL CHECK (sessions > 0),
    seconds      bigint NOT NULL CHECK (seconds >= 0),
    PRIMARY KEY (day, nas_id, cause)
);

-- What a customer bought and used in a month (by the clock of the home time zone) at a site.
CREATE TABLE customer_monthly (
    month         date NOT NULL CHECK (month = date_trunc('month', month)),
    site_id       uuid NOT NULL,
    user_id       uuid NOT NULL,
    purchases     integer NOT NULL DEFAULT 0 CHECK (purchases >= 0),
    currency      char(3) NOT NULL DEFAULT 'KES',
    amount_minor  bigint NOT NULL DEFAULT 0,
    input_octets  bigint NOT NULL DEFAULT 0 CHECK (input_octets >= 0),
    output_octets bigint NOT NULL DEFAULT 0 CHECK (output_octets >= 0),
    session_seconds bigint NOT NULL DEFAULT 0 CHECK (session_seconds >= 0),
    PRIMARY KEY (month, site_id, user_id)
);
CREATE INDEX customer_monthly_heavy ON customer_monthly (month, site_id, (input_octets + output_octets) DESC);
CREATE INDEX customer_monthly_of_user ON customer_monthly (user_id, month);

-- Of those who bought first in a month (and at that site): how many bought in each month after it, and for how much.
CREATE TABLE cohorts_monthly (
    first_month  date NOT NULL,
    site_id      uuid NOT NULL,
    month        date NOT NULL CHECK (month >= first_month),
    currency     char(3) NOT NULL,
    buyers       bigint NOT NULL CHECK (buyers >= 0),
    purchases    bigint NOT NULL CHECK (purchases >= 0),
    amount_minor bigint NOT NULL,
    PRIMARY KEY (first_month, site_id, month, currency)
);

-- Of a package, by the day (UTC) of its sale: how often it was bought by whom who had bought before, and what was used of what it allowed by
-- those entitlements that have ended.
CREATE TABLE package_daily (
    day           date NOT NULL,
    site_id       uuid NOT NULL,
    package_id    uuid NOT NULL,
    currency      char(3) NOT NULL,
    purchases     bigint NOT NULL CHECK (purchases >= 0),
    "returning"   bigint NOT NULL CHECK ("returning" >= 0),
    gross_minor   bigint NOT NULL,
    refunded_minor bigint NOT NULL DEFAULT 0,
    seconds_used  bigint NOT NULL DEFAULT 0,
    seconds_allowed bigint NOT NULL DEFAULT 0,
    octets_used   bigint NOT NULL DEFAULT 0,
    octets_allowed bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (day, site_id, package_id, currency)
);

-- Hours whose facts are to be summed anew, since something of them came late or was corrected. An hour may stand here several times: nobody
-- waits for whoever has written it down as well.
CREATE TABLE facts_dirty (
    id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hour timestamptz NOT NULL CHECK (hour = date_trunc('hour', hour, 'UTC'))
);
CREATE INDEX facts_dirty_by_hour ON facts_dirty (hour);

-- Until when the facts are made, each table for itself, so that a long past can be made up for in small rounds.
CREATE TABLE facts_mark (
    name    text PRIMARY KEY,
    through timestamptz NOT NULL
);

-- Sessions by their end. They are written in that order, so that the smallest index does: a few pages for each month. A row
-- that was put elsewhere, since it was changed later, does not spoil it.
CREATE INDEX sessions_ended_by_end ON sessions_ended USING brin (ended_at timestamptz_minmax_multi_ops)
    WITH (pages_per_range = 32, autosummarize = on);
-- Outages of a span of time, however many there were before.
CREATE INDEX outages_by_end ON outages (ended_at);

-- What each round sums anyway is the last two days: an order given back, a payment that was decided and a voucher made worth nothing after
-- that say which hour is another than it was (the column with its moment is named). The clock is the program's, as in the rows.
CREATE FUNCTION facts_corrected() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO facts_dirty (hour) VALUES (date_trunc('hour', (to_jsonb(OLD)->>TG_ARGV[0])::timestamptz, 'UTC'));
    RETURN NULL;
END $$;
CREATE TRIGGER facts_after_order AFTER UPDATE OF state ON orders FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND OLD.paid_at IS NOT NULL AND NEW.updated_at - OLD.paid_at > interval '47 hours')
    EXECUTE FUNCTION facts_corrected('paid_at');
CREATE TRIGGER facts_after_payment AFTER UPDATE OF state ON payments FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND NEW.updated_at - OLD.created_at > interval '47 hours')
    EXECUTE FUNCTION facts_corrected('created_at');
CREATE TRIGGER facts_after_voucher AFTER UPDATE OF state ON vouchers FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND NEW.state = 'void' AND NEW.voided_at - OLD.sold_at > interval '47 hours')
    EXECUTE FUNCTION facts_corrected('sold_at');
-- How many sessions a site can carry at once, as the operator knows it (its line, its access points): what its use is measured against.
ALTER TABLE sites ADD COLUMN session_limit integer CONSTRAINT sites_session_limit CHECK (session_limit > 0);

-- What reports of money ask beside the facts: money that came without an order and what became of it, payments of which another amount was
-- told, and vouchers. Each index has only what is not as it usually is.
CREATE INDEX received_money_waited ON received_money (received_at) WHERE state <> 'matched';
CREATE INDEX received_money_assigned ON received_money (decided_at) WHERE state = 'assigned';
CREATE INDEX payments_told_otherwise ON payments (created_at) WHERE told_minor IS NOT NULL;
-- Vouchers that are not sold and used both: how many of a batch there are of the rest follows from its size.
CREATE INDEX vouchers_at_large ON vouchers (batch_id, state, sold_at) WHERE state <> 'redeemed' OR sold_at IS NULL;
CREATE INDEX vouchers_by_use ON vouchers (redeemed_at) INCLUDE (batch_id) WHERE redeemed_at IS NOT NULL;

-- What was bought for somebody else had counted twice in the sums of sales, as an order and as a voucher: they are made anew from the beginning.
DELETE FROM rollup_mark;
