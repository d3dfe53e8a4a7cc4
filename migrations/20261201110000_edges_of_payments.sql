-- Why: what a card payment costs, what a bank takes back, and what a provider tells twice and otherwise each have to be booked and seen.
-- And a batch of vouchers may have a last day, after which paper that nobody used is worth nothing.
-- Expand only: a program from before asks for no fees, books no disputes, takes money that is kept unbooked here for booked, and refuses
-- a voucher after its last day also to whoever uses it.

-- What the provider keeps of a payment is asked for after it came, and again after money of it went back.
ALTER TABLE payments
    -- Since when everything that is kept is booked.
    ADD COLUMN fees_known_at timestamptz,
    -- When the provider is asked (again); NULL: now; infinity: it has been asked often enough.
    ADD COLUMN fees_next_at timestamptz,
    ADD COLUMN fees_attempts integer NOT NULL DEFAULT 0 CHECK (fees_attempts >= 0),
    -- Another amount than is booked, which a report told after a question of ours had settled the payment. Of the payment's currency.
    ADD COLUMN told_minor bigint CHECK (told_minor >= 0);
CREATE INDEX payments_without_fees ON payments (fees_next_at NULLS FIRST)
    WHERE provider = 'stripe' AND state = 'succeeded' AND fees_known_at IS NULL;

INSERT INTO ledger_accounts (id, code, name, kind) VALUES
    ('01930000-0000-7000-8000-000000000011', 'disputes', 'Payments that banks took back', 'expense');

-- A payment by card whose owner says to the bank that it is not theirs. The bank takes the money until it is decided who is right.
CREATE TABLE disputes (
    id             uuid PRIMARY KEY,
    payment_id     uuid NOT NULL REFERENCES payments (id),
    -- The provider's name of it.
    reference      text NOT NULL UNIQUE CHECK (reference <> ''),
    amount_minor   bigint NOT NULL CHECK (amount_minor > 0),
    currency       char(3) NOT NULL,
    -- What the owner of the card says, in the provider's word.
    reason         text NOT NULL DEFAULT '',
    -- inquiry: the bank asks, and has taken nothing.
    state          text NOT NULL CHECK (state IN ('inquiry', 'open', 'won', 'lost')),
    -- What became of what was bought; NULL: nothing was done to it. kept: it is one with what other orders bought.
    access         text CHECK (access IN ('ended', 'kept')),
    -- When the money was booked as taken, and from what we owed to the customer already in place of a loss.
    withdrawn_at   timestamptz,
    was_owed       boolean NOT NULL DEFAULT false,
    -- When it was booked as given back to us.
    reinstated_at  timestamptz,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    CHECK (reinstated_at IS NULL OR withdrawn_at IS NOT NULL)
);
CREATE INDEX disputes_by_payment ON disputes (payment_id);
CREATE INDEX disputes_by_time ON disputes (created_at DESC, id);

-- Which refund a report of one speaks of.
CREATE INDEX refunds_by_reference ON refunds (reference) WHERE reference IS NOT NULL;

-- A second receipt that is told for a prompt, where nobody could say whether it is true: it waits for a person, and is booked when the
-- person decides, or the provider says the same.
ALTER TABLE received_money
    ADD COLUMN is_booked boolean NOT NULL DEFAULT true,
    ADD CONSTRAINT received_money_booked CHECK (is_booked OR state = 'unmatched');

-- The moment from which a voucher that nobody has used is worth nothing.
ALTER TABLE voucher_batches ADD COLUMN redeem_before timestamptz CHECK (redeem_before > created_at);

-- The kinds stand in the program, which reads them: a list here as well would have to be renewed with each.
ALTER TABLE security_events DROP CONSTRAINT security_events_kind_check,
    ADD CONSTRAINT security_events_kind_check CHECK (kind ~ '^[a-z]+(_[a-z]+)*$');
