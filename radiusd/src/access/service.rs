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

#[cfg(test)]
mod tests {
    use radius_proto::{Builder, Code, MAX_PACKET, Secret};

    use super::*;

    fn service(fill: impl FnOnce(&mut Builder<'_>)) -> Service {
        let mut buffer = [0; MAX_PACKET];
        let mut request = Builder::new(&mut buffer, Code::AccessRequest, 1);
        fill(&mut request);
        let octets = request.finish_access_request(&Secret::new(b"s").expect("not empty"), [7; 16]);
        Service::of(&Packet::parse(octets).expect("our own packet"))
    }

    /// Port type, service type, whether the hotspot's own attribute is there, session id.
    type Marks = (Option<u32>, Option<u32>, bool, Option<&'static str>);

    fn marked((port_type, kind, host_ip, session): Marks) -> Service {
        service(|request| {
            if let Some(port_type) = port_type {
                request.put(rfc2865::NAS_PORT_TYPE, port_type).expect("fits");
            }
            if let Some(kind) = kind {
                request.put(rfc2865::SERVICE_TYPE, kind).expect("fits");
            }
            if host_ip {
                request.put(mikrotik::HOST_IP, [10, 5, 50, 7].into()).expect("fits");
            }
            if let Some(session) = session {
                request.put(rfc2866::ACCT_SESSION_ID, session.as_bytes()).expect("fits");
            }
        })
    }

    #[test]
    fn the_set_of_attributes_tells_the_service() {
        let cases: [(Marks, Service); 9] = [
            ((Some(19), Some(1), true, Some("80100014")), Service::Hotspot),
            ((Some(15), Some(2), false, Some("8160003e")), Service::Pppoe),
            ((Some(5), Some(2), false, None), Service::Vpn),
            ((Some(15), None, false, None), Service::Dhcp),
            ((Some(19), None, false, Some("82300701")), Service::Wireless),
            ((None, None, false, Some("82300701")), Service::Wireless),
            ((None, Some(1), false, None), Service::Login),
            ((None, None, false, None), Service::Other),
            ((Some(19), Some(1), false, None), Service::Other),
        ];
        for (marks, expected) in cases {
            assert_eq!(marked(marks), expected, "{marks:?}");
        }
    }

    #[test]
    fn no_attribute_that_a_guest_adds_turns_the_hotspot_into_anything_else() {
        for kind in [1, 2, 6, 7, 10] {
            for port_type in [0, 5, 15, 19] {
                let marks = (Some(port_type), Some(kind), true, Some("84000001"));
                assert_eq!(marked(marks), Service::Hotspot, "{marks:?}");
            }
        }
    }

    #[test]
    fn a_sign_in_to_the_router_has_no_device() {
        let with = |fill: fn(&mut Builder<'_>)| {
            service(|request| {
                request.put(rfc2865::SERVICE_TYPE, service_type::LOGIN_USER).expect("fits");
                fill(request);
            })
        };
        assert_eq!(with(|_| {}), Service::Login);
        let devices: [fn(&mut Builder<'_>); 3] = [
            |request| assert!(request.put(rfc2865::NAS_PORT, 7).is_ok()),
            |request| assert!(request.put(rfc2865::FRAMED_IP_ADDRESS, [10, 0, 0, 9].into()).is_ok()),
            |request| assert!(request.put(rfc2869::NAS_PORT_ID, b"bridge").is_ok()),
        ];
        for device in devices {
            assert_eq!(with(device), Service::Other);
        }
    }
}
