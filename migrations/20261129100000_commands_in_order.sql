-- Why: a wave of deadlines makes commands by the hundred thousand, and whoever looks for the next ones several times a
-- second must not read those that wait for another time. One index has them in the order in which they come up, also those that
-- were acknowledged and whose Stop is overdue. The index that went knew only when they were due at first.

CREATE INDEX nas_commands_next ON nas_commands (greatest(due_at, lease_until))
    WHERE state IN ('pending', 'refused', 'unanswered', 'acknowledged');
DROP INDEX nas_commands_due;
