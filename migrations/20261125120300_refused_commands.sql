-- Why: a router that refuses a command for a reason that will not change is not asked again and again: the cut stays on the
-- operator's list, and the router is asked anew when somebody wishes it, or once in a while if it is still heard from.
-- Safe while the program before runs: it goes on asking as it did.

ALTER TABLE nas_commands ADD COLUMN waits_for_router boolean NOT NULL DEFAULT false;
CREATE INDEX nas_commands_refused ON nas_commands (nas_id) WHERE waits_for_router AND state = 'refused';
