-- Why: some money that waits is not for the Wi-Fi at all (another business on the same till), and a queue that never empties is not
-- looked at any more. A person says so, and why. The money stays booked as what we owe to somebody, and can be taken up again.
-- Expand only: a program from before shows such money as waiting.

ALTER TABLE received_money
    ADD COLUMN ignored_at timestamptz,
    ADD COLUMN ignored_by text,
    ADD COLUMN ignored_reason text,
    ADD CONSTRAINT received_money_ignored CHECK (num_nonnulls(ignored_at, ignored_by, ignored_reason) IN (0, 3) AND ignored_reason <> '');

-- The newest messages, as the desk lists them.
CREATE INDEX notifications_by_time ON notifications (created_at DESC, id);
