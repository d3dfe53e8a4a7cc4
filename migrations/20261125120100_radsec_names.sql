-- Why: a router that comes by RadSec is known by the name in its client certificate, and may stand behind any address,
-- which is why it comes by RadSec. A router must be known by one of the two, or nobody could tell it from a stranger.
-- Expand only: a program from before reads the list of routers as long as each has an address; routers without one are
-- to be added when all servers run this version.

ALTER TABLE nas
    ALTER COLUMN address DROP NOT NULL,
    -- In lower case: DNS names are compared so (RFC 4343).
    ADD COLUMN radsec_name text UNIQUE CHECK (radsec_name <> '' AND radsec_name = lower(radsec_name)),
    ADD CONSTRAINT nas_is_recognisable CHECK (address IS NOT NULL OR radsec_name IS NOT NULL);

DROP TRIGGER nas_changed ON nas;
CREATE TRIGGER nas_changed AFTER INSERT OR DELETE OR UPDATE OF name, address, radsec_name, identifier, secret_sealed,
        old_secret_sealed, old_secret_until, coa_port, require_message_authenticator, sends_message_authenticator,
        limit_proxy_state ON nas
    FOR EACH STATEMENT EXECUTE FUNCTION directory_after_nas();
