-- Why: customers sign in with a code by SMS, or by a payment from their phone. What looks like theft of such a sign-in goes into the
-- security log; and what a customer owns and has paid is looked up by the customer.

ALTER TABLE security_events DROP CONSTRAINT security_events_kind_check,
    ADD CONSTRAINT security_events_kind_check CHECK (kind IN ('device_locked', 'login_locked', 'router_guessing', 'mac_cloned',
        'session_stolen', 'code_guessing'));
CREATE INDEX orders_paid_by_user ON orders (user_id, paid_at DESC) WHERE paid_at IS NOT NULL;
-- A device asks for its own state by its address.
CREATE INDEX sessions_by_framed_ip ON sessions (nas_id, framed_ip) WHERE framed_ip IS NOT NULL;
