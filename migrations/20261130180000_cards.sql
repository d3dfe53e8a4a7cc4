-- Why: cards are paid on Stripe's pages. A payment has an address to which its guest's browser is sent, also after the page
-- was closed; Stripe names its reports, so that the same report is stored once; its money stands on an account of its own,
-- and its fees are an expense.

-- The provider is who is asked about a payment. A card is a way to pay, and more than one provider takes them: 'card'
-- was never written and is left for a later migration to take out.
ALTER TABLE payments DROP CONSTRAINT payments_provider_check,
    ADD CONSTRAINT payments_provider_check CHECK (provider IN ('mpesa', 'stripe', 'card', 'voucher', 'cash')),
    -- Where the payment can be made, and until when.
    ADD COLUMN pay_url text CHECK (pay_url ~ '^https?://'),
    ADD COLUMN pay_until timestamptz,
    ADD CONSTRAINT payments_page CHECK ((pay_url IS NULL) = (pay_until IS NULL));

-- The provider's own name of an event. No row has one yet, so the index is made at once.
ALTER TABLE payment_events ADD COLUMN external_id text CHECK (external_id <> '');
CREATE UNIQUE INDEX payment_events_once ON payment_events (provider, external_id) WHERE external_id IS NOT NULL;

INSERT INTO ledger_accounts (id, code, name, kind) VALUES
    ('01930000-0000-7000-8000-000000000004', 'stripe', 'Stripe account', 'asset'),
    ('01930000-0000-7000-8000-000000000005', 'fees', 'Fees of payment providers', 'expense');
