//! The attributes of Microsoft (enterprise 311, RFC 2548) that a PPP server meets. The section numbers are
//! those of that RFC.

/// IANA enterprise number.
pub const VENDOR: u32 = 311;

attributes! {
    "dictionary.microsoft", vendor VENDOR;
    MS_CHAP_RESPONSE: Octets = 1, "MS-CHAP-Response", "§2.1.3. Fifty octets.";
    MS_CHAP_ERROR: Text = 2, "MS-CHAP-Error", "§2.1.5. An identifier octet, then text.";
    MS_MPPE_ENCRYPTION_POLICY: Integer = 7, "MS-MPPE-Encryption-Policy", "§2.4.4. See [`ms_mppe_encryption_policy`].";
    MS_MPPE_ENCRYPTION_TYPES: Integer = 8, "MS-MPPE-Encryption-Types", "§2.4.5. Bits, see [`ms_mppe_encryption_types`].";
    MS_CHAP_DOMAIN: Text = 10, "MS-CHAP-Domain", "§2.1.4. An identifier octet, then text.";
    MS_CHAP_CHALLENGE: Octets = 11, "MS-CHAP-Challenge", "§2.1.2.";
    MS_CHAP_MPPE_KEYS: Octets = 12, "MS-CHAP-MPPE-Keys", "§2.4.1. Hidden as User-Password is.";
    MS_MPPE_SEND_KEY: Octets = 16, "MS-MPPE-Send-Key", "§2.4.2. Hidden with a salt.";
    MS_MPPE_RECV_KEY: Octets = 17, "MS-MPPE-Recv-Key", "§2.4.3. Hidden with a salt.";
    MS_CHAP2_RESPONSE: Octets = 25, "MS-CHAP2-Response", "§2.3.2. Fifty octets.";
    MS_CHAP2_SUCCESS: Octets = 26, "MS-CHAP2-Success", "§2.3.3. An identifier octet, then 42 of text.";
    MS_PRIMARY_DNS_SERVER: Ipv4 = 28, "MS-Primary-DNS-Server", "§2.7.1.";
    MS_SECONDARY_DNS_SERVER: Ipv4 = 29, "MS-Secondary-DNS-Server", "§2.7.2.";
    MS_PRIMARY_NBNS_SERVER: Ipv4 = 30, "MS-Primary-NBNS-Server", "§2.7.3.";
    MS_SECONDARY_NBNS_SERVER: Ipv4 = 31, "MS-Secondary-NBNS-Server", "§2.7.4.";

    @ms_mppe_encryption_policy, "MS-MPPE-Encryption-Policy" {
        ALLOWED = 1, "Encryption-Allowed";
        REQUIRED = 2, "Encryption-Required";
    }
    @ms_mppe_encryption_types, "MS-MPPE-Encryption-Types" {
        RC4_40 = 2, "RC4-40bit-Allowed";
        RC4_128 = 4, "RC4-128bit-Allowed";
        RC4_40_OR_128 = 6, "RC4-40or128-bit-Allowed";
    }
}
