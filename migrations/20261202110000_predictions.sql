-- Why: every prediction is stored when it is made and scored when the truth arrives, so that the desk can say how far it may be trusted. What
-- the operator knows and no series can (holidays, events, outages that were planned) is kept here too, and campaigns with those who were held
-- out of them, by which alone it is known what a message did.
--
-- Expand only.

-- Public holidays and expected events: those hours are not like others of their weekday, and are not learnt from.
CREATE TABLE calendar_days (
    id         uuid PRIMARY KEY,
    -- The nil identity: at every site.
    site_id    uuid NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('holiday', 'event', 'closed')),
    name       text NOT NULL CHECK (name <> ''),
    from_at    timestamptz NOT NULL,
    until_at   timestamptz NOT NULL CHECK (until_at > from_at),
    -- How much of the usual is expected then; null: like a Sunday.
    factor     double precision CHECK (factor >= 0),
    created_by text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX calendar_days_by_time ON calendar_days (from_at);

-- A forecast of one series: purchases, revenue, peak sessions or octets (download) of a site, purchases of a package.
CREATE TABLE forecasts (
    id         uuid PRIMARY KEY,
    measure    text NOT NULL CHECK (measure IN ('purchases', 'revenue', 'sessions', 'octets')),
    site_id    uuid NOT NULL,
    -- The nil identity: all packages.
    package_id uuid NOT NULL,
    -- Its first hour.
    origin     timestamptz NOT NULL,
    made_at    timestamptz NOT NULL,
    -- How it was made, in words, and from whose past.
    rule       text NOT NULL,
    basis      text NOT NULL CHECK (basis IN ('own', 'borrowed', 'short')),
    -- How well that rule did within the past that it was chosen on, beside "as last week"; null: too short a past.
    mase       double precision,
    naive_mase double precision,
    is_shown   boolean NOT NULL DEFAULT true,
    -- An expected value and its bands for each hour from the origin on; arrays of the same length.
    expected   double precision[] NOT NULL,
    typical    double precision[] NOT NULL,
    low80      double precision[] NOT NULL,
    high80     double precision[] NOT NULL,
    low95      double precision[] NOT NULL,
    high95     double precision[] NOT NULL,
    naive      double precision[] NOT NULL,
    UNIQUE (measure, site_id, package_id, origin)
);
CREATE INDEX forecasts_by_origin ON forecasts (origin);

-- What became of a forecast, once its week is over.
CREATE TABLE forecast_scores (
    forecast_id uuid PRIMARY KEY REFERENCES forecasts (id) ON DELETE CASCADE,
    measure     text NOT NULL,
    site_id     uuid NOT NULL,
    package_id  uuid NOT NULL,
    origin      timestamptz NOT NULL,
    scored_at   timestamptz NOT NULL,
    hours       integer NOT NULL CHECK (hours >= 0),
    mase        double precision,
    naive_mase  double precision,
    wape        double precision,
    covered80   double precision,
    covered95   double precision,
    forecast_total double precision NOT NULL,
    actual_total   double precision NOT NULL
);
CREATE INDEX forecast_scores_by_origin ON forecast_scores (origin, measure);

-- Which predictions have switched themselves off, and on again, and why.
CREATE TABLE prediction_states (
    kind       text NOT NULL,
    site_id    uuid NOT NULL,
    is_on      boolean NOT NULL,
    why        text NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (kind, site_id)
);

-- The models of who will buy: one a window (7 or 30 days) and night.
CREATE TABLE purchase_models (
    id             uuid PRIMARY KEY,
    window_days    smallint NOT NULL CHECK (window_days IN (7, 30)),
    made_at        timestamptz NOT NULL,
    -- The end of the past that it learnt from.
    cut            timestamptz NOT NULL,
    weights        double precision[] NOT NULL,
    -- The chance of those who bought in the period before, and of those who did not: what is said where the model is not used.
    baseline_yes   double precision NOT NULL CHECK (baseline_yes BETWEEN 0 AND 1),
    baseline_no    double precision NOT NULL CHECK (baseline_no BETWEEN 0 AND 1),
    -- On the last closed window, beside "as in the last period".
    auc            double precision,
    brier          double precision,
    baseline_auc   double precision,
    baseline_brier double precision,
    is_used        boolean NOT NULL,
    -- When the window was over, how many were said to buy in each tenth of probability, how many did, and how many were in it: ten each.
    scored_at      timestamptz,
    scored_auc     double precision,
    scored_brier   double precision,
    said           double precision[],
    did            double precision[],
    people         bigint[]
);
CREATE INDEX purchase_models_by_time ON purchase_models (window_days, made_at DESC);
CREATE INDEX purchase_models_unscored ON purchase_models (cut) WHERE scored_at IS NULL;

-- The night's work on them, and how far it has come: first the models, then the customers in the order of their identities.
CREATE TABLE purchase_runs (
    -- By the clock of the home time zone.
    night       date PRIMARY KEY,
    cut         timestamptz NOT NULL,
    model_7     uuid REFERENCES purchase_models (id),
    model_30    uuid REFERENCES purchase_models (id),
    place       uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    lease_until timestamptz,
    ended_at    timestamptz,
    CHECK ((model_7 IS NULL) = (model_30 IS NULL))
);

-- What is said of each customer now.
CREATE TABLE purchase_chances (
    user_id        uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    site_id        uuid NOT NULL,
    made_at        timestamptz NOT NULL,
    chance_7       double precision NOT NULL CHECK (chance_7 BETWEEN 0 AND 1),
    chance_30      double precision NOT NULL CHECK (chance_30 BETWEEN 0 AND 1),
    -- What they will probably spend in the next 30 days, and what they spend in 30 days in which they buy.
    expected_minor bigint NOT NULL,
    worth_minor    bigint NOT NULL,
    currency       char(3) NOT NULL,
    -- The hour of the day, by the site's clock, in which they usually buy.
    likely_hour    smallint CHECK (likely_hour BETWEEN 0 AND 23),
    last_at        timestamptz NOT NULL,
    purchases      integer NOT NULL,
    gap_seconds    bigint,
    is_leaving     boolean NOT NULL,
    -- Why, in words that the desk knows: `often`, `recent`, `late`, `once`, `ran_out` ...
    reasons        text[] NOT NULL
);
CREATE INDEX purchase_chances_by_7 ON purchase_chances (chance_7 DESC, user_id);
CREATE INDEX purchase_chances_by_30 ON purchase_chances (chance_30 DESC, user_id);
CREATE INDEX purchase_chances_leaving ON purchase_chances (worth_minor DESC, user_id) WHERE is_leaving;
CREATE INDEX purchase_chances_by_site ON purchase_chances (site_id, chance_7 DESC);
-- Whoever may be sent an offer: few of all, perhaps.
CREATE INDEX users_who_want_offers ON users (id) WHERE offers;

-- What was said at a cut, of a part of the customers, for being scored when the window is over; then it is deleted.
CREATE TABLE purchase_said (
    model_id uuid NOT NULL REFERENCES purchase_models (id) ON DELETE CASCADE,
    user_id  uuid NOT NULL,
    chance   real NOT NULL,
    PRIMARY KEY (model_id, user_id)
);
CREATE INDEX purchase_said_of_user ON purchase_said (user_id);

-- Messages with a discount to some of those who may be written to; some are held out, by lot.
CREATE TABLE campaigns (
    id          uuid PRIMARY KEY,
    name        text NOT NULL CHECK (name <> ''),
    discount_id uuid,
    -- In English, and in Swahili.
    text        text NOT NULL CHECK (text <> ''),
    text_sw     text NOT NULL CHECK (text_sw <> ''),
    audience    text NOT NULL CHECK (audience IN ('likely', 'leaving')),
    filter      jsonb NOT NULL,
    -- The sites whose customers it is for; empty: all.
    site_ids    uuid[] NOT NULL,
    -- What the lot was drawn with: from this and the identities it can be drawn again.
    seed        text NOT NULL CHECK (seed <> ''),
    held_out_percent smallint NOT NULL CHECK (held_out_percent BETWEEN 5 AND 50),
    -- How many members were drawn to be told and to be held out, and how many have been told. They are counted where they change: whoever looks
    -- on counts nobody. Somebody who was erased since is still one of them.
    to_tell     integer NOT NULL DEFAULT 0 CHECK (to_tell >= 0),
    held_out    integer NOT NULL DEFAULT 0 CHECK (held_out >= 0),
    told        integer NOT NULL DEFAULT 0 CHECK (told BETWEEN 0 AND to_tell),
    state       text NOT NULL DEFAULT 'sending' CHECK (state IN ('sending', 'sent', 'stopped')),
    -- The lot of whoever was told last.
    place       integer NOT NULL DEFAULT 0,
    lease_until timestamptz,
    measured_until timestamptz NOT NULL,
    created_by  text NOT NULL,
    created_at  timestamptz NOT NULL,
    ended_at    timestamptz,
    ended_by    text NOT NULL DEFAULT ''
);
CREATE INDEX campaigns_by_time ON campaigns (created_at DESC);
CREATE TABLE campaign_members (
    campaign_id uuid NOT NULL REFERENCES campaigns (id) ON DELETE CASCADE,
    user_id     uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- The first lots are held out; the others are told in their order, so that whoever stops a campaign has told some by lot too.
    lot         integer NOT NULL CHECK (lot >= 1),
    is_held_out boolean NOT NULL,
    told_at     timestamptz,
    PRIMARY KEY (campaign_id, user_id),
    UNIQUE (campaign_id, lot)
);
CREATE INDEX campaign_members_of_user ON campaign_members (user_id);

-- Reports that are sent by e-mail: which, with which filters, how often, and when next.
CREATE TABLE report_mails (
    id         uuid PRIMARY KEY,
    admin_id   uuid NOT NULL REFERENCES admin_users (id) ON DELETE CASCADE,
    report     text NOT NULL,
    query      text NOT NULL,
    every      text NOT NULL CHECK (every IN ('day', 'week', 'month')),
    -- Moved on in the transaction that takes it in hand.
    next_at    timestamptz NOT NULL,
    last_at    timestamptz,
    problem    text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    UNIQUE (admin_id, report, query, every)
);
CREATE INDEX report_mails_due ON report_mails (next_at);

-- How far the predictions of a night are: one portal at a time makes them, for as long as it holds the row, and whoever takes it up goes on
-- with what is not there yet.
CREATE TABLE prediction_runs (
    name        text PRIMARY KEY,
    -- Of the newest night: the first hour that is predicted.
    origin      timestamptz NOT NULL,
    holder      uuid NOT NULL,
    lease_until timestamptz NOT NULL,
    begun_at    timestamptz NOT NULL,
    -- How many series there are, and how many of them have been looked at.
    series      integer NOT NULL DEFAULT 0 CHECK (series >= 0),
    made        integer NOT NULL DEFAULT 0 CHECK (made >= 0),
    finished_at timestamptz
);

-- What was unusual in the hours up to the newest that was looked at, by the kind of alert that it is for. Looking is work, so it is done once
-- an hour; alerts judge what stands here.
CREATE TABLE prediction_findings (
    kind    text NOT NULL,
    site_id uuid NOT NULL,
    hour    timestamptz NOT NULL,
    detail  jsonb NOT NULL,
    PRIMARY KEY (kind, site_id)
);
