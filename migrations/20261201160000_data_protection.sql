-- Why: an older program that is started again in the middle of an upgrade, or after one that is taken back, must know whether it may:
-- a migration that only adds harms it nothing.
-- A program may run on a schema that is newer than its own as long as its own has this migration. One that takes away what older programs
-- read raises it to the last migration of the release since which nothing reads that.
CREATE TABLE schema_floor (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    version  bigint NOT NULL
);
INSERT INTO schema_floor (version) VALUES (20261201160000);
