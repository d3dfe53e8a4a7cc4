//! Attributes of RFC 2869 §5: extensions to authentication and accounting. The section numbers are those of
//! that RFC.

attributes! {
    "dictionary.rfc2869", vendor 0;
    ACCT_INPUT_GIGAWORDS: Integer = 52, "Acct-Input-Gigawords", "§5.1. Times that Acct-Input-Octets passed 2^32.";
    ACCT_OUTPUT_GIGAWORDS: Integer = 53, "Acct-Output-Gigawords", "§5.2. Times that Acct-Output-Octets passed 2^32.";
    EVENT_TIMESTAMP: Date = 55, "Event-Timestamp", "§5.3. When it happened, by the sender's clock.";
    ARAP_PASSWORD: Octets = 70, "ARAP-Password", "§5.4. Sixteen octets.";
    ARAP_FEATURES: Octets = 71, "ARAP-Features", "§5.5. Fourteen octets.";
    ARAP_ZONE_ACCESS: Integer = 72, "ARAP-Zone-Access", "§5.6. See [`arap_zone_access`].";
    ARAP_SECURITY: Integer = 73, "ARAP-Security", "§5.7.";
    ARAP_SECURITY_DATA: Text = 74, "ARAP-Security-Data", "§5.8.";
    PASSWORD_RETRY: Integer = 75, "Password-Retry", "§5.9. Tries before disconnection.";
    PROMPT: Integer = 76, "Prompt", "§5.10. See [`prompt`].";
    CONNECT_INFO: Text = 77, "Connect-Info", "§5.11. Kind of the user's connection.";
    CONFIGURATION_TOKEN: Text = 78, "Configuration-Token", "§5.12. Between proxies.";
    EAP_MESSAGE: Octets = 79, "EAP-Message", "§5.13. Pieces of one EAP packet, in order.";
    MESSAGE_AUTHENTICATOR: Octets = 80, "Message-Authenticator", "§5.14. See [`crate::message_authenticator`].";
    ARAP_CHALLENGE_RESPONSE: Octets = 84, "ARAP-Challenge-Response", "§5.15. Eight octets.";
    ACCT_INTERIM_INTERVAL: Integer = 85, "Acct-Interim-Interval", "§5.16. Seconds between Interim-Updates, at least 60.";
    NAS_PORT_ID: Text = 87, "NAS-Port-Id", "§5.17. RouterOS: name of the interface.";
    FRAMED_POOL: Text = 88, "Framed-Pool", "§5.18. Name of an address pool on the NAS.";

    @arap_zone_access, "ARAP-Zone-Access" {
        DEFAULT_ZONE = 1, "Default-Zone";
        ZONE_FILTER_INCLUSIVE = 2, "Zone-Filter-Inclusive";
        ZONE_FILTER_EXCLUSIVE = 4, "Zone-Filter-Exclusive";
    }
    @prompt, "Prompt" {
        NO_ECHO = 0, "No-Echo";
        ECHO = 1, "Echo";
    }
}
