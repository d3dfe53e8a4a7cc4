-- Why: what goes wrong at night is found by customers unless somebody is told. An alert is one row for one cause, however often it is
-- seen: it is raised, acknowledged by a person, and over by itself when its cause is; who is told of it stands in an outbox beside it.
-- Rules have defaults in the program; what an operator changes of them stands here.

CREATE TABLE alerts (
    id              uuid PRIMARY KEY,
    -- Which rule, in the program's words.
    kind            text NOT NULL CHECK (kind ~ '^[a-z_]{1,40}$'),
    -- What it is about, within the kind: a site, a provider, a file system. One cause is one open row.
    subject         text NOT NULL CHECK (length(subject) BETWEEN 1 AND 200),
    -- No foreign key: the alert outlives the site.
    site_id         uuid,
    title           text NOT NULL CHECK (title <> ''),
    detail          jsonb NOT NULL DEFAULT '{}',
    severity        text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    state           text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'acknowledged', 'resolved')),
    -- How often it was raised: more than once where it came back soon after it was over.
    count           integer NOT NULL DEFAULT 1 CHECK (count > 0),
    first_seen_at   timestamptz NOT NULL,
    last_seen_at    timestamptz NOT NULL,
    -- When it was raised last, from which escalation is counted, and when people were told of that.
    opened_at       timestamptz NOT NULL,
    told_at         timestamptz,
    -- Since when its cause is gone; it is over when that has lasted.
    clear_since     timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by text,
    note            text NOT NULL DEFAULT '',
    escalated_at    timestamptz,
    resolved_at     timestamptz,
    CHECK ((state = 'resolved') = (resolved_at IS NOT NULL)),
    CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL)),
    CHECK (state <> 'acknowledged' OR acknowledged_at IS NOT NULL),
    CHECK (state <> 'open' OR acknowledged_at IS NULL)
);
CREATE UNIQUE INDEX alerts_once ON alerts (kind, subject) WHERE state <> 'resolved';
CREATE INDEX alerts_by_state ON alerts (state, last_seen_at DESC, id);
CREATE INDEX alerts_by_begin ON alerts (first_seen_at DESC, id);
CREATE INDEX alerts_by_end ON alerts (resolved_at) WHERE state = 'resolved';

-- What an operator wants otherwise than the program's defaults.
CREATE TABLE alert_rules (
    kind             text PRIMARY KEY,
    is_on            boolean NOT NULL,
    threshold        integer NOT NULL CHECK (threshold >= 0),
    window_minutes   integer NOT NULL CHECK (window_minutes >= 0),
    severity         text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    by_sms           boolean NOT NULL,
    by_email         boolean NOT NULL,
    -- Minutes without an acknowledgement after which the owners are told; NULL: never.
    escalate_minutes integer CHECK (escalate_minutes > 0),
    -- Whether people are told in the hours in which they sleep.
    wakes            boolean NOT NULL,
    updated_at       timestamptz NOT NULL,
    updated_by       text NOT NULL
);
-- Kinds of which nobody is told for a while.
CREATE TABLE alert_mutes (
    kind     text PRIMARY KEY,
    until    timestamptz NOT NULL,
    muted_by text NOT NULL
);

-- Who is told: by whom is said where, and from which severity on. NULL: nobody has said it yet.
ALTER TABLE admin_users
    ADD COLUMN alert_phone text CONSTRAINT admin_users_alert_phone CHECK (alert_phone ~ '^\+[1-9][0-9]{6,14}$'),
    ADD COLUMN alert_min_severity text
        CONSTRAINT admin_users_alert_min_severity CHECK (alert_min_severity IN ('none', 'info', 'warning', 'critical'));

-- Staff are no customers, so they have an outbox of their own. One message for a person, a way and an opening of an alert.
CREATE TABLE alert_messages (
    id              uuid PRIMARY KEY,
    alert_id        uuid NOT NULL REFERENCES alerts (id) ON DELETE CASCADE,
    -- The alert's count when it was written.
    opening         integer NOT NULL,
    admin_id        uuid NOT NULL REFERENCES admin_users (id) ON DELETE CASCADE,
    channel         text NOT NULL CHECK (channel IN ('sms', 'email')),
    what            text NOT NULL CHECK (what IN ('raised', 'escalated', 'resolved')),
    state           text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'failed', 'expired', 'skipped')),
    attempts        integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    next_attempt_at timestamptz NOT NULL,
    lease_until     timestamptz,
    expires_at      timestamptz NOT NULL,
    created_at      timestamptz NOT NULL,
    sent_at         timestamptz,
    provider        text,
    -- The provider's name for the message: the same for all that went in one.
    reference       text,
    -- Why it was not sent.
    detail          text NOT NULL DEFAULT '',
    UNIQUE (alert_id, opening, what, admin_id, channel)
);
CREATE INDEX alert_messages_due ON alert_messages (next_attempt_at) WHERE state = 'pending';
CREATE INDEX alert_messages_by_person ON alert_messages (admin_id, channel, sent_at DESC);
CREATE INDEX alert_messages_by_time ON alert_messages (created_at DESC);

-- One portal at a time looks; what it must remember until the next look goes with the turn.
CREATE TABLE alert_watch (
    is_the_only_one boolean PRIMARY KEY DEFAULT true CHECK (is_the_only_one),
    holder          uuid,
    lease_until     timestamptz NOT NULL DEFAULT 'epoch',
    memory          jsonb NOT NULL DEFAULT '{}'
);
INSERT INTO alert_watch DEFAULT VALUES;

-- How often something happened at a place, in parts of an hour: what is usual there.
CREATE TABLE alert_samples (
    kind    text NOT NULL,
    subject text NOT NULL,
    at      timestamptz NOT NULL,
    value   bigint NOT NULL CHECK (value >= 0),
    PRIMARY KEY (kind, subject, at)
);

-- Sign-ins that failed lately.
CREATE INDEX admin_logs_failed ON admin_logs (at) WHERE action IN ('sign-in.failed', 'sign-in.code_failed');
