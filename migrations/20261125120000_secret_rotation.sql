-- Why: a router's secret must be changeable without cutting the router off. The old one counts for a while, and it must be
-- known which of the two the router was last heard to use: only then is the change complete, and only so does a second
-- change keep the secret that the router really has.

ALTER TABLE nas
    -- Counts the secrets that this router has had; the present one has this number.
    ADD COLUMN secret_generation integer NOT NULL DEFAULT 1 CHECK (secret_generation > 0),
    -- The number of the secret before a rotation.
    ADD COLUMN old_secret_generation integer CHECK (old_secret_generation >= 0),
    -- The number of the secret that the router last proved to know; NULL before it has proved one.
    ADD COLUMN proved_generation integer;
UPDATE nas SET old_secret_generation = 0 WHERE old_secret_sealed IS NOT NULL;
ALTER TABLE nas ADD CHECK ((old_secret_sealed IS NULL) = (old_secret_generation IS NULL)),
    ADD CHECK (old_secret_generation < secret_generation);
