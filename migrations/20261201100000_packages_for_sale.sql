-- Why: a package is not sold everywhere, always and at one price, nor under one name: it has a time at which it is offered, prices of its own
-- at some sites, and names in the languages of its customers. And whoever asks in a year what was sold for that money gets an answer: each
-- change of a package is a version, with who made it and when, and an order says which one it bought.
--
-- Expand only, but upgrade all portals before using any of it: one from before sells at the usual price, everywhere and always, and changes a
-- package without writing a version.

ALTER TABLE packages
    -- When it is offered.
    ADD COLUMN offered_from timestamptz,
    ADD COLUMN offered_until timestamptz,
    -- Minutes of the week from Monday at midnight, in the time of the place.
    ADD COLUMN offered_hours int4multirange
        CHECK (offered_hours <@ '{[0,10080)}'::int4multirange AND NOT isempty(offered_hours) AND offered_hours <> '{[0,10080)}'::int4multirange),
    -- By the identity of a site: the price there, in minor units of the package's currency, or null where it is not sold. Not a table of
    -- pairs: what is offered, at what price, is read and written as one row, and its versions are whole.
    ADD COLUMN site_prices jsonb NOT NULL DEFAULT '{}'
        CHECK (jsonb_typeof(site_prices) = 'object'
               AND NOT jsonb_path_exists(site_prices, '$.* ? (@.type() != "null" && (@.type() != "number" || @ < 0))')),
    -- By language, such as {"sw": {"name": "Saa moja", "description": null}}.
    ADD COLUMN texts jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(texts) = 'object'),
    -- The version that stands here; 0: it was written by a program from before, and has none yet.
    ADD COLUMN version integer NOT NULL DEFAULT 0 CHECK (version >= 0),
    ADD CONSTRAINT packages_offered_check CHECK (offered_from < offered_until);

-- What a package was, whole.
CREATE TABLE package_versions (
    package_id uuid NOT NULL REFERENCES packages (id),
    number     integer NOT NULL CHECK (number > 0),
    what       jsonb NOT NULL,
    -- Empty: a program from before versions.
    changed_by text NOT NULL,
    at         timestamptz NOT NULL,
    PRIMARY KEY (package_id, number)
);
CREATE TRIGGER package_versions_append_only BEFORE UPDATE OR DELETE ON package_versions
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- The version that was bought; NULL: of a package that had none.
ALTER TABLE orders
    ADD COLUMN package_version integer,
    ADD CONSTRAINT orders_package_version_fkey FOREIGN KEY (package_id, package_version) REFERENCES package_versions (package_id, number);
