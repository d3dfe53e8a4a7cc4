-- Why: some routers acknowledge a Disconnect-Request and do nothing, refuse every one, or are not set to take any. Where the operator
-- gives radiusd access to such a router's REST API, it looks there who is online, and takes off who should not be. The password is sealed
-- to the row, apart from the RADIUS secret. radiusd hears of a change as of any other setting of a router.

ALTER TABLE nas
    ADD COLUMN rest_url text CHECK (rest_url ~ '^https?://[^/?#@[:space:]]+$' AND length(rest_url) <= 300),
    ADD COLUMN rest_user text CHECK (rest_user <> '' AND rest_user !~ '[:[:cntrl:]]'),
    ADD COLUMN rest_password_sealed bytea,
    ADD CONSTRAINT nas_rest_is_whole CHECK (num_nonnulls(rest_url, rest_user, rest_password_sealed) IN (0, 3)),
    -- What one router does not list may well be online at another one that is registered with it.
    ADD CONSTRAINT nas_rest_is_one_router CHECK (
        rest_url IS NULL OR address IS NULL OR masklen(address) = CASE family(address) WHEN 4 THEN 32 ELSE 128 END);
DROP TRIGGER nas_changed ON nas;
CREATE TRIGGER nas_changed AFTER INSERT OR DELETE OR UPDATE OF name, address, radsec_name, identifier, secret_sealed,
        old_secret_sealed, old_secret_until, coa_port, require_message_authenticator, sends_message_authenticator,
        limit_proxy_state, require_signed_answers, keep_on_refused_change, rest_url, rest_user, rest_password_sealed, site_id ON nas
    FOR EACH STATEMENT EXECUTE FUNCTION directory_after_nas();
