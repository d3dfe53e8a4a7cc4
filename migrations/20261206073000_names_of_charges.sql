-- Why: a line of Stripe's statement may name a payment by its charge alone. What a person has written down from such a line is found again
-- when Stripe tells of the payment late, and a line that comes late finds its payment: the same money is booked once.

ALTER TABLE payments ADD COLUMN charge text;
CREATE INDEX payments_by_charge ON payments (charge) WHERE charge IS NOT NULL;
