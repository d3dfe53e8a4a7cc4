//! Attributes of RFC 2866 §5: accounting. The section numbers are those of that RFC.
//!
//! "Input" is what the NAS received from the user (upload), "Output" what it sent to the user (download).
//! Octets count modulo 2^32; the upper half is in [`super::rfc2869::ACCT_INPUT_GIGAWORDS`] and its sibling.

attributes! {
    "dictionary.rfc2866", vendor 0;
    ACCT_STATUS_TYPE: Integer = 40, "Acct-Status-Type", "§5.1. See [`acct_status_type`].";
    ACCT_DELAY_TIME: Integer = 41, "Acct-Delay-Time", "§5.2. Seconds that the NAS has been trying to send this record.";
    ACCT_INPUT_OCTETS: Integer = 42, "Acct-Input-Octets", "§5.3. Octets from the user.";
    ACCT_OUTPUT_OCTETS: Integer = 43, "Acct-Output-Octets", "§5.4. Octets to the user.";
    ACCT_SESSION_ID: Text = 44, "Acct-Session-Id", "§5.5. The NAS's name for the session; not unique over time.";
    ACCT_AUTHENTIC: Integer = 45, "Acct-Authentic", "§5.6. See [`acct_authentic`].";
    ACCT_SESSION_TIME: Integer = 46, "Acct-Session-Time", "§5.7. Seconds of service.";
    ACCT_INPUT_PACKETS: Integer = 47, "Acct-Input-Packets", "§5.8. Packets from the user.";
    ACCT_OUTPUT_PACKETS: Integer = 48, "Acct-Output-Packets", "§5.9. Packets to the user.";
    ACCT_TERMINATE_CAUSE: Integer = 49, "Acct-Terminate-Cause", "§5.10. See [`acct_terminate_cause`].";
    ACCT_MULTI_SESSION_ID: Text = 50, "Acct-Multi-Session-Id", "§5.11. Ties the links of a multilink session.";
    ACCT_LINK_COUNT: Integer = 51, "Acct-Link-Count", "§5.12. Links known in a multilink session.";

    @acct_status_type, "Acct-Status-Type" {
        START = 1, "Start";
        STOP = 2, "Stop";
        INTERIM_UPDATE = 3, "Interim-Update";
        ACCOUNTING_ON = 7, "Accounting-On";
        ACCOUNTING_OFF = 8, "Accounting-Off";
        FAILED = 15, "Failed";
    }
    @acct_authentic, "Acct-Authentic" {
        RADIUS = 1, "RADIUS";
        LOCAL = 2, "Local";
        REMOTE = 3, "Remote";
    }
    @acct_terminate_cause, "Acct-Terminate-Cause" {
        USER_REQUEST = 1, "User-Request";
        LOST_CARRIER = 2, "Lost-Carrier";
        LOST_SERVICE = 3, "Lost-Service";
        IDLE_TIMEOUT = 4, "Idle-Timeout";
        SESSION_TIMEOUT = 5, "Session-Timeout";
        ADMIN_RESET = 6, "Admin-Reset";
        ADMIN_REBOOT = 7, "Admin-Reboot";
        PORT_ERROR = 8, "Port-Error";
        NAS_ERROR = 9, "NAS-Error";
        NAS_REQUEST = 10, "NAS-Request";
        NAS_REBOOT = 11, "NAS-Reboot";
        PORT_UNNEEDED = 12, "Port-Unneeded";
        PORT_PREEMPTED = 13, "Port-Preempted";
        PORT_SUSPENDED = 14, "Port-Suspended";
        SERVICE_UNAVAILABLE = 15, "Service-Unavailable";
        CALLBACK = 16, "Callback";
        USER_ERROR = 17, "User-Error";
        HOST_REQUEST = 18, "Host-Request";
    }
}
