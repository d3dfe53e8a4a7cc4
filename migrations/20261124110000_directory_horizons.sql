-- Why: directory_changes must be forgotten by when a change could be read, which is when its transaction ended, not by
-- when it was made: a transaction that was open for two hours would commit rows that look old enough to delete before
-- any server has seen them. A mark a minute says which transactions had all ended by then (`xid` is the oldest that
-- had not); changes below the mark of an hour ago have been readable for an hour.

CREATE TABLE directory_horizons (
    at  timestamptz PRIMARY KEY,
    xid xid8 NOT NULL
);
