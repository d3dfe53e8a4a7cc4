-- Why: what a request causes is done later and elsewhere, by a job of the portal or by radiusd. Who looks for it in the logs wants one
-- name for all of it, so what is to be done is stored with the name of the request that wanted it.

-- The request that this transaction works for, where the program has told (`SET LOCAL mlango.trace`). As a default it is written
-- whoever makes the row: a statement, a function, a trigger.
CREATE FUNCTION current_trace() RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT nullif(current_setting('mlango.trace', true), '')::uuid
$$;

ALTER TABLE nas_commands ADD COLUMN trace uuid DEFAULT current_trace();
ALTER TABLE notifications ADD COLUMN trace uuid DEFAULT current_trace();
ALTER TABLE payments ADD COLUMN trace uuid DEFAULT current_trace();
ALTER TABLE refunds ADD COLUMN trace uuid DEFAULT current_trace();
ALTER TABLE mpesa_requests ADD COLUMN trace uuid DEFAULT current_trace();
-- The request that brought it; `request_id` is what we had asked M-Pesa for.
ALTER TABLE payment_events ADD COLUMN trace uuid DEFAULT current_trace();
-- From a line of the audit log to the lines of the programs. It is no part of what the line proves.
ALTER TABLE admin_logs ADD COLUMN trace uuid DEFAULT current_trace();

-- As before; a change that is wished for anew has the name of the newest request that wished for it.
CREATE OR REPLACE FUNCTION ask_for_change(ids uuid[], at timestamptz) RETURNS void LANGUAGE sql AS $$
    INSERT INTO nas_commands (id, kind, nas_id, session_id, user_name, framed_ip, acct_session_id, reason, due_at, created_at)
    SELECT gen_random_uuid(), 'coa', s.nas_id, s.id, s.user_name, s.framed_ip, s.acct_session_id, 'change', at, at
    FROM sessions s WHERE s.entitlement_id = ANY (ids) AND s.ended_at IS NULL ORDER BY s.id
    ON CONFLICT (session_id, kind) WHERE state NOT IN ('proved', 'abandoned') DO UPDATE SET
        generation = nas_commands.generation + 1, due_at = EXCLUDED.due_at, error_cause = NULL, waits_for_router = false, attempts = 0,
        lease_until = CASE WHEN nas_commands.state = 'pending' THEN nas_commands.lease_until END, state = 'pending',
        trace = coalesce(EXCLUDED.trace, nas_commands.trace)
$$;
