-- Why: two things about a router that were not known. Whether its answers to commands must be signed: an answer without
-- Message-Authenticator rests on MD5 alone, which CVE-2024-3596 has shown to be forgeable, but not every router signs them.
-- And how far its clock is off: time is taken from our clock, so nothing else depends on it, but logs of the two cannot be
-- laid side by side. Null: it never said what time it has.

ALTER TABLE nas
    ADD COLUMN require_signed_answers boolean NOT NULL DEFAULT false,
    ADD COLUMN clock_offset_seconds integer;

DROP TRIGGER nas_changed ON nas;
CREATE TRIGGER nas_changed AFTER INSERT OR DELETE OR UPDATE OF name, address, radsec_name, identifier, secret_sealed,
        old_secret_sealed, old_secret_until, coa_port, require_message_authenticator, sends_message_authenticator,
        limit_proxy_state, require_signed_answers ON nas
    FOR EACH STATEMENT EXECUTE FUNCTION directory_after_nas();
