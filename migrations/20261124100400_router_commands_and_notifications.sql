-- Why: outboxes. What must be told to a router or a customer is written in the transaction that decided it,
-- and sent afterwards by whoever claims it: a crash between the two loses nothing.

CREATE TABLE nas_commands (
    id              uuid PRIMARY KEY,
    kind            text NOT NULL CHECK (kind IN ('disconnect', 'coa')),
    nas_id          uuid NOT NULL,
    session_id      uuid NOT NULL,
    user_name       text NOT NULL,
    framed_ip       inet,
    acct_session_id text NOT NULL,
    -- Why access ends, in a word: expired, quota, operator, revoked.
    reason          text NOT NULL,
    state           text NOT NULL DEFAULT 'pending'
                    -- pending → acknowledged → proved is the good way; refused and unanswered are tried again.
                    CHECK (state IN ('pending', 'acknowledged', 'proved', 'refused', 'unanswered', 'abandoned')),
    error_cause     integer,
    attempts        integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    due_at          timestamptz NOT NULL,
    lease_until     timestamptz,
    sent_at         timestamptz,
    answered_at     timestamptz,
    proved_at       timestamptz,
    created_at      timestamptz NOT NULL
);
-- One open command of a kind for a session: two servers that find the same deadline make one cut.
CREATE UNIQUE INDEX nas_commands_once ON nas_commands (session_id, kind) WHERE state NOT IN ('proved', 'abandoned');
CREATE INDEX nas_commands_due ON nas_commands (due_at) WHERE state IN ('pending', 'refused', 'unanswered');
CREATE INDEX nas_commands_by_session ON nas_commands (session_id);

CREATE TABLE notifications (
    id              uuid PRIMARY KEY,
    user_id         uuid NOT NULL REFERENCES users (id),
    template        text NOT NULL,
    payload         jsonb NOT NULL DEFAULT '{}',
    state           text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'failed', 'expired')),
    attempts        integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz,
    -- News is worth nothing after a while: what was not sent by then never is.
    expires_at      timestamptz NOT NULL,
    created_at      timestamptz NOT NULL,
    sent_at         timestamptz
);
CREATE INDEX notifications_due ON notifications (next_attempt_at) WHERE state = 'pending';

CREATE FUNCTION tell_commands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('mlango_commands', '');
    RETURN NULL;
END $$;
CREATE TRIGGER nas_commands_told AFTER INSERT OR UPDATE OF due_at ON nas_commands FOR EACH STATEMENT EXECUTE FUNCTION tell_commands();
