-- Why: a router that may still leave Message-Authenticator out can at least be kept from being used against itself.
-- The attack of CVE-2024-3596 needs Proxy-State in an unsigned Access-Request; a router never sends it, only a proxy does.
-- So the default refuses it, and a proxy in front of old routers is told so by its operator.

ALTER TABLE nas ADD COLUMN limit_proxy_state boolean NOT NULL DEFAULT true;

-- What radiusd must hear of. What one server has learnt of a router (that it signs) the others must know too, or the
-- router could be impersonated at them by unsigned requests.
DROP TRIGGER nas_changed ON nas;
CREATE TRIGGER nas_changed AFTER INSERT OR DELETE OR UPDATE OF name, address, identifier, secret_sealed,
        old_secret_sealed, old_secret_until, coa_port, require_message_authenticator, sends_message_authenticator,
        limit_proxy_state ON nas
    FOR EACH STATEMENT EXECUTE FUNCTION directory_after_nas();
