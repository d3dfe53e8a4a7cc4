-- Why: money of M-Pesa that an order was sold for, or that buys nothing, could be given back by no button and no command. From now on it
-- stands in `refunds` as that of cards does. M-Pesa's reversal has no key that could be repeated, so one of which nothing is known is asked
-- about by a question of its own, and a person can say that the money went back by hand.
-- Expand only: a program from before takes none of these up, since their next_attempt_at stays empty. It notes what M-Pesa answers to a
-- reversal without booking it; a newer one books it when it looks again.

ALTER TABLE refunds
    -- How it goes back: by the provider of cards, by a reversal at M-Pesa, or by a person.
    ADD COLUMN way text NOT NULL DEFAULT 'card' CHECK (way IN ('card', 'reversal', 'hand')),
    -- What proves that a person gave it back.
    ADD COLUMN proof text CHECK (proof <> ''),
    -- When M-Pesa is asked (again), to do it or whether it was done; NULL: it is over, or a person must look.
    ADD COLUMN mpesa_next_at timestamptz,
    ADD CONSTRAINT refunds_of_mpesa CHECK (way = 'card' OR next_attempt_at IS NULL),
    ADD CONSTRAINT refunds_by_hand CHECK ((way = 'hand') = (proof IS NOT NULL)),
    ADD CONSTRAINT refunds_asked_of_mpesa CHECK (way = 'reversal' OR mpesa_next_at IS NULL);
CREATE INDEX refunds_due_at_mpesa ON refunds (mpesa_next_at) WHERE mpesa_next_at IS NOT NULL;

ALTER TABLE mpesa_requests
    -- The refund that it does, or asks about.
    ADD COLUMN refund_id uuid REFERENCES refunds (id),
    DROP CONSTRAINT mpesa_requests_kind_check,
    -- returned: whether a payment has gone back.
    ADD CONSTRAINT mpesa_requests_kind_check CHECK (kind IN ('status', 'reversal', 'returned'));
CREATE INDEX mpesa_requests_by_refund ON mpesa_requests (refund_id) WHERE refund_id IS NOT NULL;
