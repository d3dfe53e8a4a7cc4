-- Why: a router that is registered as a network can be told to end a session only at the address which that session is
-- reported from, so each session remembers it. It is where the packets come from, not what they say.
-- Safe while the program before runs: it writes and reads neither column.

ALTER TABLE sessions ADD COLUMN nas_address inet;
ALTER TABLE sessions_ended ADD COLUMN nas_address inet;
