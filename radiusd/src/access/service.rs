//! Which service of a router asks: hotspot, PPPoE, a VPN, DHCP, wireless, or the router's own login.
//!
//! RouterOS does not say it in one attribute; the set of attributes does. A guest of the hotspot can add attributes
//! through the login form but take none away, so the test for the hotspot, which looks for an attribute that the
//! router itself always sends there, comes first: no form turns a guest into an administrator.

use radius_proto::Packet;
use radius_proto::attribute::rfc2865::{self, nas_port_type, service_type};
use radius_proto::attribute::{mikrotik, rfc2866, rfc2869};

/// A service that authenticates by RADIUS.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Service {
    /// `/ip hotspot`.
    Hotspot,
    /// `/interface pppoe-server`.
    Pppoe,
    /// PPTP, L2TP, SSTP or OpenVPN.
    Vpn,
    /// `/ip dhcp-server` with `use-radius`.
    Dhcp,
    /// An access point that asks about a device.
    Wireless,
    /// Somebody signs in to the router itself: WinBox, SSH, the web page or the API.
    Login,
    /// None of these: another vendor's, or a test client.
    Other,
}

impl Service {
    /// All of them.
    pub const ALL: [Service; 7] = [
        Service::Hotspot,
        Service::Pppoe,
        Service::Vpn,
        Service::Dhcp,
        Service::Wireless,
        Service::Login,
        Service::Other,
    ];

    /// A fixed word for logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Service::Hotspot => "hotspot",
            Service::Pppoe => "pppoe",
            Service::Vpn => "vpn",
            Service::Dhcp => "dhcp",
            Service::Wireless => "wireless",
            Service::Login => "login",
            Service::Other => "other",
        }
    }

    /// The service that this request comes from.
    pub fn of(packet: &Packet<'_>) -> Service {
        if packet.get(mikrotik::HOST_IP).is_some() {
            return Service::Hotspot;
        }
        let kind = packet.get(rfc2865::SERVICE_TYPE);
        match (packet.get(rfc2865::NAS_PORT_TYPE), kind) {
            (Some(nas_port_type::VIRTUAL), Some(service_type::FRAMED_USER)) => Service::Vpn,
            (Some(_), Some(service_type::FRAMED_USER)) => Service::Pppoe,
            (Some(nas_port_type::ETHERNET), None) => Service::Dhcp,
            (Some(nas_port_type::WIRELESS_802_11), None) => Service::Wireless,
            (None, Some(service_type::LOGIN_USER)) if is_about_nobodys_device(packet) => Service::Login,
            (None, None) if session_of(packet) == Some(WIRELESS) => Service::Wireless,
            _ => Service::Other,
        }
    }
}

/// First octet of the Acct-Session-Id of a wireless client.
const WIRELESS: u8 = 0x82;

fn session_of(packet: &Packet<'_>) -> Option<u8> {
    let id = packet.get(rfc2866::ACCT_SESSION_ID)?;
    Some(mikrotik::SessionId::parse(id)?.service)
}

/// A sign-in to the router itself has no port, no address to assign and no interface.
fn is_about_nobodys_device(packet: &Packet<'_>) -> bool {
    packet.get(rfc2865::NAS_PORT).is_none()
        && packet.get(rfc2865::FRAMED_IP_ADDRESS).is_none()
        && packet.get(rfc2869::NAS_PORT_ID).is_none()
}
