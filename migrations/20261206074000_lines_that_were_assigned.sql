-- Why: Stripe's late report of a payment looks for what a person has written down from a line that names it. By itself, since whoever brings a
-- statement locks its lines before it looks at payments.

CREATE INDEX statement_lines_assigned ON statement_lines (related) WHERE account = 'stripe' AND resolution = 'assign';
