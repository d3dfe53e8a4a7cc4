//! Scripts of many settings: each holds together, has what was chosen, and shows no secret to whoever only looks. Whether RouterOS knows
//! what is in them is for `tests/contract/routeros.rs`.

use super::*;

const SECRET: &str = "the-secret-of-radius_1";
const PASSWORD: &str = "the-password-of-rest_2";
const TOKEN: &str = "the-token-of-the-line_3";

/// A router with all that there is.
fn full(version: Version) -> Settings {
    let network = "10.99.0.0/16".parse().expect("a network");
    let tunnel = Tunnel {
        address: Ipv4Addr::new(10, 99, 0, 7),
        network,
        ours: Ipv4Addr::new(10, 99, 0, 1),
        public_key: "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=".into(),
        endpoint: "vpn.example.net".into(),
        port: 51_820,
    };
    let behind_tunnel = version == Version::V7;
    Settings {
        plan: Plan {
            version,
            interface: "bridge hs".into(),
            dns_name: "login.example.net".into(),
            guests: Some("10.5.50.0/24".parse().expect("a network")),
            sections: Section::ALL.into(),
            behind_tunnel,
            check_certificate: true,
        },
        identity: "Café \"1\"; $x".into(),
        secret: SECRET.into(),
        rest_password: behind_tunnel.then(|| PASSWORD.into()),
        radius: vec!["10.99.0.1".into(), "radius.example.net".into()],
        auth_port: 1812,
        acct_port: 1813,
        coa_port: 3799,
        tunnel: behind_tunnel.then_some(tunnel),
        ntp: vec!["time.cloudflare.com".into(), "pool.ntp.org".into()],
        time_zone: "Africa/Nairobi".into(),
        garden: vec!["wifi.example.net".into(), "*.stripe.com".into(), "192.0.2.1".into()],
        portal: "https://wifi.example.net".into(),
        capport: Some("https://wifi.example.net/capport/caf%C3%A9".into()),
        report: format!("https://wifi.example.net/r/{TOKEN}/report"),
    }
}

#[test]
fn every_choice_holds_together() {
    for version in [Version::V7, Version::V6] {
        for chosen in 0..(1_u32 << Section::ALL.len()) {
            let sections = (0..).zip(Section::ALL).filter(|(bit, _)| chosen & (1 << bit) != 0);
            let sections = sections.map(|(_, section)| section).collect();
            let settings = full(version);
            let settings = Settings { plan: Plan { sections, ..settings.plan.clone() }, ..settings };
            let script = render(&settings).unwrap_or_else(|fault| panic!("{:?}: {fault}", settings.plan));
            assert!(script.text.contains("/radius add comment=\"mlango primary\""), "{:?}", settings.plan);
        }
    }
}

#[test]
fn whatever_somebody_types_stays_in_its_string() {
    for text in ["\"; /system reset-configuration", "$[/system reboot]", "a\nb", "\\", "\"}", "é ☕", "[:error x]"] {
        let settings = full(Version::V7);
        let plan = Plan { interface: text.into(), dns_name: text.into(), ..settings.plan.clone() };
        let settings =
            Settings { plan, identity: text.into(), secret: text.into(), time_zone: text.into(), ..settings };
        let script = render(&settings).expect("it holds together").text;
        assert!(script.contains(&format!("/system identity set name={}", quote(text))), "{text}");
    }
}

#[test]
fn a_script_has_what_was_chosen_in_both_menus_and_for_its_version() {
    let seven = render(&full(Version::V7)).expect("it holds together").text;
    for part in [
        "/interface wireguard add name=\"mlango\"",
        "comment=\"mlango backup\"",
        "src-address=10.99.0.7",
        "/radius incoming set accept=yes port=3799",
        "/ip hotspot walled-garden add comment=\"mlango\" dst-host=\"wifi.example.net\" action=allow",
        "/ip hotspot walled-garden ip add comment=\"mlango\" dst-host=\"wifi.example.net\" action=accept",
        "/ip hotspot walled-garden ip add comment=\"mlango\" dst-address=\"192.0.2.1\" action=accept",
        "code=114 value=\"'https://wifi.example.net/capport/caf%C3%A9'\"",
        "url=\"https://wifi.example.net/hotspot/login.html\"",
        "ranges=\"10.5.50.10-10.5.50.254\"",
        "hotspot-address=10.5.50.1",
        "check-certificate=yes-without-crl",
        "password=\"the-password-of-rest_2\"",
    ] {
        assert!(seven.contains(part), "{part}\n{seven}");
    }
    let six = render(&full(Version::V6)).expect("it holds together").text;
    for part in ["wireguard", "device-mode", "yes-without-crl", "rest-api", "require-message-auth"] {
        assert!(!six.contains(part), "{part}\n{six}");
    }
    assert!(six.contains("server-dns-names=") && six.contains("check-certificate=yes"), "{six}");
}

#[test]
fn pasted_twice_nothing_is_added_twice() {
    let script = render(&full(Version::V7)).expect("it holds together").text;
    for line in script.lines().filter(|line| line.contains(" add ")) {
        assert!(line.contains(":if ([:len ["), "added without a look: {line}");
    }
}

#[test]
fn a_preview_shows_no_secret_and_the_router_prints_none() {
    let settings = full(Version::V7);
    assert!(!format!("{settings:?}").contains("the-"), "{settings:?}");
    let script = render(&settings).expect("it holds together").text;
    for secret in [SECRET, PASSWORD, TOKEN] {
        assert!(script.contains(secret));
        for line in script.lines().filter(|line| line.contains(secret)) {
            assert!(!line.contains(":put") && !line.contains(":log"), "{line}");
        }
    }
    let preview = render(&settings.blanked()).expect("it holds together").text;
    for secret in [SECRET, PASSWORD, TOKEN] {
        assert!(!preview.contains(secret), "{secret}");
    }
    assert_eq!(preview.matches("secret=\"NOT-SHOWN-HERE\"").count(), 4, "added or changed, primary and backup");
}

#[test]
fn the_line_is_one_line() {
    let plan = full(Version::V6).plan;
    let line = line("https://wifi.example.net", TOKEN, &plan);
    assert!(
        line.starts_with("/tool fetch url=\"https://wifi.example.net/r/the-token-of-the-line_3\" dst-path=mlango.rsc")
    );
    assert!(!line.contains('\n') && check(&line).is_ok(), "{line}");
}
