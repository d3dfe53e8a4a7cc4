//! Requests as a hotspot of RouterOS writes them: which attributes, and in which order.
//!
//! The order never differs in packets of real routers from 2014 to 2026, so servers come to rely on it; each
//! vendor's attribute has a Vendor-Specific of its own. Not known from real routers and chosen here: the
//! place of Class (after Mikrotik-Host-IP), of WISPr-Location-Id (before its name), and of attributes that
//! the browser asked for (after NAS-IP-Address).

use radius_proto::attribute::{mikrotik, rfc2865, rfc2866, rfc2869, wispr};
use radius_proto::{BuildError, Builder, Code, MAX_PACKET};

use super::config::NasConfig;
use super::journal::ReportKind;
use super::router::Report;
use super::session::Attempt;

/// How the phone proves who it is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Proof {
    Pap { password: Vec<u8> },
    Chap { challenge: [u8; 16], response: [u8; 17] },
}

/// An attribute that the login form asked for (`radius<id>[-<vendor>][u]`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Injected {
    /// 0 for a standard attribute.
    pub(crate) vendor: u32,
    pub(crate) kind: u8,
    pub(crate) value: Vec<u8>,
}

/// What goes into an Access-Request.
pub(crate) struct Access<'a> {
    pub(crate) config: &'a NasConfig,
    pub(crate) attempt: &'a Attempt,
    pub(crate) proof: &'a Proof,
    pub(crate) injected: &'a [Injected],
    pub(crate) hotspot_url: &'a str,
}

/// Writes an Access-Request.
pub(crate) fn access_request(
    access: &Access<'_>,
    identifier: u8,
    authenticator: [u8; 16],
) -> Result<Vec<u8>, BuildError> {
    let Access { config, attempt, proof, injected, hotspot_url } = access;
    let mut buf = [0; MAX_PACKET];
    let mut packet = Builder::new(&mut buf, Code::AccessRequest, identifier);
    put_identity(&mut packet, config, attempt)?;
    if let Some((id, name)) = &config.location {
        packet.put(wispr::LOCATION_ID, id.as_bytes())?.put(wispr::LOCATION_NAME, name.as_bytes())?;
    }
    match proof {
        Proof::Pap { password } => packet.put_user_password(password, &authenticator, &config.secret)?,
        Proof::Chap { challenge, response } => {
            packet.put(rfc2865::CHAP_CHALLENGE, challenge)?.put(rfc2865::CHAP_PASSWORD, response)?
        }
    };
    packet
        .put(rfc2865::SERVICE_TYPE, rfc2865::service_type::LOGIN_USER)?
        .put(wispr::LOGOFF_URL, format!("{hotspot_url}/logout").as_bytes())?
        .put(rfc2865::NAS_IDENTIFIER, config.identity.as_bytes())?
        .put(rfc2865::NAS_IP_ADDRESS, config.nas_ip())?;
    for Injected { vendor, kind, value } in *injected {
        match vendor {
            0 => packet.put_raw(*kind, value)?,
            vendor => packet.put_vendor_raw(*vendor, *kind, value)?,
        };
    }
    if config.require_message_auth {
        packet.reserve_message_authenticator()?;
    }
    Ok(packet.finish_access_request(&config.secret, authenticator).to_vec())
}

/// Writes an Accounting-Request. `unix_time` is the router's wall clock when it happened.
pub(crate) fn accounting_request(
    config: &NasConfig,
    report: &Report,
    identifier: u8,
    unix_time: u32,
) -> Result<Vec<u8>, BuildError> {
    let mut buf = [0; MAX_PACKET];
    let mut packet = Builder::new(&mut buf, Code::AccountingRequest, identifier);
    packet.put(rfc2866::ACCT_STATUS_TYPE, status_type(report.kind))?;
    if let ReportKind::Stop(cause) = report.kind {
        packet.put(rfc2866::ACCT_TERMINATE_CAUSE, cause)?;
    }
    if let Some(subject) = &report.subject {
        put_identity(&mut packet, config, &subject.attempt)?;
        for class in &subject.class {
            packet.put(rfc2865::CLASS, class.as_slice())?;
        }
        packet.put(rfc2869::EVENT_TIMESTAMP, unix_time)?;
    }
    if matches!(report.kind, ReportKind::InterimUpdate | ReportKind::Stop(_)) {
        put_usage(&mut packet, report)?;
    }
    packet
        .put(rfc2865::NAS_IDENTIFIER, config.identity.as_bytes())?
        .put(rfc2866::ACCT_DELAY_TIME, 0)?
        .put(rfc2865::NAS_IP_ADDRESS, config.nas_ip())?;
    Ok(packet.finish_hashed_request(&config.secret).to_vec())
}

fn status_type(kind: ReportKind) -> u32 {
    match kind {
        ReportKind::AccountingOn => rfc2866::acct_status_type::ACCOUNTING_ON,
        ReportKind::Start => rfc2866::acct_status_type::START,
        ReportKind::InterimUpdate => rfc2866::acct_status_type::INTERIM_UPDATE,
        ReportKind::Stop(_) => rfc2866::acct_status_type::STOP,
    }
}

/// The attributes that say which phone it is, the same in Access- and Accounting-Requests.
fn put_identity(packet: &mut Builder<'_>, config: &NasConfig, attempt: &Attempt) -> Result<(), BuildError> {
    packet
        .put(rfc2865::NAS_PORT_TYPE, rfc2865::nas_port_type::WIRELESS_802_11)?
        .put(rfc2865::CALLING_STATION_ID, attempt.mac.to_string().as_bytes())?
        .put(rfc2865::CALLED_STATION_ID, config.server_name.as_bytes())?
        .put(rfc2869::NAS_PORT_ID, config.interface.as_bytes())?
        .put(rfc2865::USER_NAME, attempt.user.as_bytes())?
        .put(rfc2865::NAS_PORT, attempt.number)?
        .put(rfc2866::ACCT_SESSION_ID, attempt.session_id().as_bytes())?
        .put(rfc2865::FRAMED_IP_ADDRESS, attempt.ip)?
        .put(mikrotik::HOST_IP, attempt.ip)?;
    Ok(())
}

/// Counters; gigawords are always there, 0 or not.
fn put_usage(packet: &mut Builder<'_>, report: &Report) -> Result<(), BuildError> {
    let usage = report.usage;
    packet
        .put(rfc2866::ACCT_INPUT_OCTETS, low(usage.up))?
        .put(rfc2866::ACCT_OUTPUT_OCTETS, low(usage.down))?
        .put(rfc2869::ACCT_INPUT_GIGAWORDS, low(usage.up >> 32))?
        .put(rfc2869::ACCT_OUTPUT_GIGAWORDS, low(usage.down >> 32))?
        .put(rfc2866::ACCT_INPUT_PACKETS, low(usage.up_packets))?
        .put(rfc2866::ACCT_OUTPUT_PACKETS, low(usage.down_packets))?
        .put(rfc2866::ACCT_SESSION_TIME, usage.seconds)?;
    Ok(())
}

fn low(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).expect("the upper half is masked off")
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use radius_proto::message_authenticator::{Check, check_request};
    use radius_proto::{Packet, authenticator};

    use super::*;
    use crate::nas::mac::Mac;
    use crate::nas::router::Subject;
    use crate::nas::session::{LoginMethod, Usage};

    fn config() -> NasConfig {
        let nowhere = ([127, 0, 0, 1], 9).into();
        NasConfig::new(nowhere, nowhere, b"secret").expect("a secret")
    }

    fn attempt() -> Attempt {
        Attempt {
            number: 0x8010_0014,
            user: "ann".into(),
            mac: Mac::phone(1),
            ip: Ipv4Addr::new(10, 5, 50, 2),
            method: LoginMethod::HttpPap,
        }
    }

    fn kinds(bytes: &[u8]) -> Vec<u8> {
        Packet::parse(bytes).expect("well formed").attributes().map(|attribute| attribute.kind).collect()
    }

    #[test]
    fn an_access_request_has_the_order_of_the_wire() {
        let config = config();
        let proof = Proof::Chap { challenge: [7; 16], response: [9; 17] };
        let injected = [Injected { vendor: 0, kind: 77, value: b"x".to_vec() }];
        let access = Access {
            config: &config,
            attempt: &attempt(),
            proof: &proof,
            injected: &injected,
            hotspot_url: "http://10.5.50.1",
        };
        let bytes = access_request(&access, 3, [5; 16]).expect("fits");
        assert_eq!(kinds(&bytes), [61, 31, 30, 87, 1, 5, 44, 8, 26, 60, 3, 6, 26, 32, 4, 77, 80]);
        let packet = Packet::parse(&bytes).expect("well formed");
        assert_eq!(check_request(&packet, &config.secret), Check::Valid);
        assert_eq!(packet.get(rfc2866::ACCT_SESSION_ID), Some(&b"80100014"[..]));
        assert_eq!(packet.get(rfc2865::NAS_PORT), Some(0x8010_0014));
        assert_eq!(packet.get(wispr::LOGOFF_URL), Some(&b"http://10.5.50.1/logout"[..]));
    }

    #[test]
    fn an_old_router_signs_nothing_and_sends_pap() {
        let mut config = config();
        config.require_message_auth = false;
        config.location = Some(("isocc=ke".into(), "Town".into()));
        let proof = Proof::Pap { password: b"pass".to_vec() };
        let access =
            Access { config: &config, attempt: &attempt(), proof: &proof, injected: &[], hotspot_url: "http://h" };
        let bytes = access_request(&access, 3, [5; 16]).expect("fits");
        assert_eq!(kinds(&bytes), [61, 31, 30, 87, 1, 5, 44, 8, 26, 26, 26, 2, 6, 26, 32, 4]);
        let packet = Packet::parse(&bytes).expect("well formed");
        let hidden = packet.get(rfc2865::USER_PASSWORD).expect("a password");
        let mut out = [0; 128];
        let revealed = radius_proto::password::pap::reveal(hidden, &[5; 16], &config.secret, &mut out);
        assert_eq!(revealed, Some(&b"pass"[..]));
    }

    #[test]
    fn a_stop_has_cause_class_and_both_halves_of_its_counters() {
        let config = config();
        let usage = Usage { up: (1 << 32) + 5, down: 3 << 32, up_packets: 1, down_packets: 2, seconds: 61 };
        let subject = Some(Subject { attempt: attempt(), class: vec![b"ticket".to_vec()] });
        let report = Report { journal_index: None, kind: ReportKind::Stop(1), at: Duration::ZERO, subject, usage };
        let bytes = accounting_request(&config, &report, 9, 1_700_000_000).expect("fits");
        let order = [40, 49, 61, 31, 30, 87, 1, 5, 44, 8, 26, 25, 55, 42, 43, 52, 53, 47, 48, 46, 32, 41, 4];
        assert_eq!(kinds(&bytes), order);
        let packet = Packet::parse(&bytes).expect("well formed");
        assert!(authenticator::verify_request(&packet, &config.secret));
        assert_eq!(packet.get(rfc2866::ACCT_INPUT_OCTETS), Some(5));
        assert_eq!(packet.get(rfc2869::ACCT_INPUT_GIGAWORDS), Some(1));
        assert_eq!(packet.get(rfc2869::ACCT_OUTPUT_GIGAWORDS), Some(3));
        assert_eq!(packet.get(rfc2865::CLASS), Some(&b"ticket"[..]));
    }

    #[test]
    fn a_start_counts_nothing_and_accounting_on_names_no_one() {
        let config = config();
        let subject = Some(Subject { attempt: attempt(), class: vec![] });
        let start = Report {
            journal_index: None,
            kind: ReportKind::Start,
            at: Duration::ZERO,
            subject,
            usage: Usage::default(),
        };
        let bytes = accounting_request(&config, &start, 9, 1).expect("fits");
        assert_eq!(kinds(&bytes), [40, 61, 31, 30, 87, 1, 5, 44, 8, 26, 55, 32, 41, 4]);
        let on = Report { kind: ReportKind::AccountingOn, subject: None, ..start };
        assert_eq!(kinds(&accounting_request(&config, &on, 10, 1).expect("fits")), [40, 32, 41, 4]);
    }
}
