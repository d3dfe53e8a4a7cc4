//! Attributes of MikroTik (enterprise 14988), from the RADIUS page of the RouterOS manual.
//!
//! Octet limits are 32 bits with a companion in gigawords: a limit of 5 GiB is `TOTAL_LIMIT` 2^30 and
//! `TOTAL_LIMIT_GIGAWORDS` 1. "Recv" is what the router receives from the client, "Xmit" what it sends.
//! `RATE_LIMIT` is text, `rx[/tx] [burst …]`, seen from the router: the client's upload comes first.

/// IANA enterprise number.
pub const VENDOR: u32 = 14988;

attributes! {
    "dictionary.mikrotik", vendor VENDOR;
    RECV_LIMIT: Integer = 1, "Mikrotik-Recv-Limit", "Octets that the client may send.";
    XMIT_LIMIT: Integer = 2, "Mikrotik-Xmit-Limit", "Octets that the client may receive.";
    GROUP: Text = 3, "Mikrotik-Group", "Hotspot user profile, PPP profile, or group of a router's login.";
    WIRELESS_FORWARD: Integer = 4, "Mikrotik-Wireless-Forward", "0: no traffic between wireless clients.";
    WIRELESS_SKIP_DOT1X: Integer = 5, "Mikrotik-Wireless-Skip-Dot1x", "1: no 802.1X for this client.";
    WIRELESS_ENC_ALGO: Integer = 6, "Mikrotik-Wireless-Enc-Algo", "See [`wireless_enc_algo`].";
    WIRELESS_ENC_KEY: Text = 7, "Mikrotik-Wireless-Enc-Key", "Key of a wireless client; a secret.";
    RATE_LIMIT: Text = 8, "Mikrotik-Rate-Limit", "Speeds; becomes a dynamic queue.";
    REALM: Text = 9, "Mikrotik-Realm", "Realm set in the router's RADIUS entry.";
    HOST_IP: Ipv4 = 10, "Mikrotik-Host-IP", "Address of the hotspot client before one-to-one NAT.";
    MARK_ID: Text = 11, "Mikrotik-Mark-Id", "Firewall mangle chain.";
    ADVERTISE_URL: Text = 12, "Mikrotik-Advertise-URL", "Page shown to a hotspot user now and then.";
    ADVERTISE_INTERVAL: Integer = 13, "Mikrotik-Advertise-Interval", "Seconds between two such pages.";
    RECV_LIMIT_GIGAWORDS: Integer = 14, "Mikrotik-Recv-Limit-Gigawords", "Upper 32 bits of Mikrotik-Recv-Limit.";
    XMIT_LIMIT_GIGAWORDS: Integer = 15, "Mikrotik-Xmit-Limit-Gigawords", "Upper 32 bits of Mikrotik-Xmit-Limit.";
    WIRELESS_PSK: Text = 16, "Mikrotik-Wireless-PSK", "Pre-shared key of a wireless client; a secret.";
    TOTAL_LIMIT: Integer = 17, "Mikrotik-Total-Limit", "Octets in both directions together.";
    TOTAL_LIMIT_GIGAWORDS: Integer = 18, "Mikrotik-Total-Limit-Gigawords", "Upper 32 bits of Mikrotik-Total-Limit.";
    ADDRESS_LIST: Text = 19, "Mikrotik-Address-List", "Firewall address list that the client joins.";
    WIRELESS_MPKEY: Text = 20, "Mikrotik-Wireless-MPKey", "Management protection key; a secret.";
    WIRELESS_COMMENT: Text = 21, "Mikrotik-Wireless-Comment", "Comment on a wireless client.";
    DELEGATED_IPV6_POOL: Text = 22, "Mikrotik-Delegated-IPv6-Pool", "Pool for DHCPv6 prefix delegation.";
    DHCP_OPTION_SET: Text = 23, "Mikrotik-DHCP-Option-Set", "Set of DHCP options for a lease.";
    DHCP_OPTION_PARAM_STR1: Text = 24, "Mikrotik-DHCP-Option-Param-STR1", "Parameter of a DHCP option.";
    DHCP_OPTION_PARAM_STR2: Text = 25, "Mikrotik-DHCP-Option-Param-STR2", "Parameter of a DHCP option.";
    WIRELESS_VLANID: Integer = 26, "Mikrotik-Wireless-VLANID", "VLAN of a wireless client.";
    WIRELESS_VLANID_TYPE: Integer = 27, "Mikrotik-Wireless-VLANID-Type", "See [`wireless_vlanid_type`].";
    WIRELESS_MINSIGNAL: Text = 28, "Mikrotik-Wireless-Minsignal", "Weakest signal of a wireless client.";
    WIRELESS_MAXSIGNAL: Text = 29, "Mikrotik-Wireless-Maxsignal", "Strongest signal of a wireless client.";
    SWITCHING_FILTER: Text = 30, "Mikrotik-Switching-Filter", "Rule for a switch port under 802.1X.";

    @wireless_enc_algo, "Mikrotik-Wireless-Enc-Algo" {
        NONE = 0, "No-encryption";
        WEP_40 = 1, "40-bit-WEP";
        WEP_104 = 2, "104-bit-WEP";
        AES_CCM = 3, "AES-CCM";
        TKIP = 4, "TKIP";
    }
    @wireless_vlanid_type, "Mikrotik-Wireless-VLANID-Type" {
        DOT1Q = 0, "802.1q";
        DOT1AD = 1, "802.1ad";
    }
}

/// Acct-Session-Id as RouterOS makes it: eight hexadecimal digits.
///
/// ```text
/// | service (8 bits) | boot (4 bits) | session (20 bits) |
/// ```
///
/// The boot field wraps after sixteen starts and all routers count alike, so an id is unique neither over
/// routers nor over time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SessionId {
    /// Which part of the router made it: 0x80 hotspot, 0x81 PPP, 0x82 wireless, 0x83 DHCP, 0x86 802.1X.
    pub service: u8,
    /// Grows by one at each start of the router, modulo 16.
    pub boot: u8,
    /// Grows by one at each session.
    pub counter: u32,
}

impl SessionId {
    /// Reads an Acct-Session-Id; `None` if it is not of this form.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<SessionId> {
        let text = core::str::from_utf8(text).ok()?;
        if text.len() != 8 || !text.bytes().all(|octet| octet.is_ascii_hexdigit()) {
            return None;
        }
        let number = u32::from_str_radix(text, 16).ok()?;
        let [service, rest, ..] = number.to_be_bytes();
        Some(SessionId { service, boot: rest >> 4, counter: number & 0x000f_ffff })
    }
}

#[cfg(test)]
mod tests {
    use super::SessionId;

    #[test]
    fn session_ids_split_into_service_boot_and_counter() {
        let parsed = SessionId::parse(b"81a0012f").expect("eight hexadecimal digits");
        assert_eq!(parsed, SessionId { service: 0x81, boot: 10, counter: 0x12f });
        for other in [&b"81a0012"[..], b"81a0012ff", b"+1a0012f", b"81a0012g", b"\xff1a0012f"] {
            assert_eq!(SessionId::parse(other), None, "{other:?}");
        }
    }
}
