//! MAC authentication as RouterOS does it: the device's address as the name, in any of seven spellings
//! (`radius-mac-format`), with an empty password or the same spelling again (`mac-auth-mode`), by PAP or by CHAP. A CHAP
//! over the empty string is a login like any other.

use std::time::{Duration, Instant};

use radius_proto::Code;
use tests::world::lab::{Lab, LabSettings, MAC, Port};

/// One device in the seven spellings, and in small letters.
fn spellings(device: [u8; 6]) -> Vec<String> {
    let [a, b, c, d, e, f] = device.map(|octet| format!("{octet:02X}"));
    vec![
        format!("{a}:{b}:{c}:{d}:{e}:{f}"),
        format!("{a}{b}:{c}{d}:{e}{f}"),
        format!("{a}{b}{c}:{d}{e}{f}"),
        format!("{a}-{b}-{c}-{d}-{e}-{f}"),
        format!("{a}{b}{c}-{d}{e}{f}"),
        format!("{a}{b}{c}{d}{e}{f}"),
        format!("{a} {b} {c} {d} {e} {f}"),
        format!("{a}:{b}:{c}:{d}:{e}:{f}").to_lowercase(),
    ]
}

const KNOWN: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
const UNKNOWN: [u8; 6] = [0x4c, 0x5e, 0x0c, 0xab, 0xcd, 0xef];

#[tokio::test]
async fn a_bound_device_gets_in_in_every_spelling_with_every_password_and_method() {
    let lab = Lab::new().await;
    let expected = lab.answered(Port::Auth, &lab.good_login()).await;
    assert!(expected.is_accept(), "the first login binds the device");
    let mut logins = 0;
    for name in spellings(KNOWN) {
        // The router writes both attributes in one format, but the station's may stand in the default one.
        for station in [name.as_str(), MAC] {
            for password in ["", &name] {
                let bare = || lab.knock(&name, station);
                for (method, draft) in
                    [("PAP", bare().pap(password.as_bytes())), ("CHAP", bare().chap(password.as_bytes()))]
                {
                    let answer = lab.answered(Port::Auth, &draft.sign()).await;
                    assert!(answer.is_accept(), "{name} from {station}, {method} over {password:?}");
                    assert_eq!(answer.entitlement(), Some(&lab.entitlement.as_bytes()[..]));
                    logins += 1;
                }
            }
        }
    }
    let counted = lab.radiusd().metric(r#"mlango_radius_auth_method_total{method="mac"}"#).await;
    assert!((counted - f64::from(logins)).abs() < 0.5, "{counted} of {logins}");
}

#[tokio::test]
async fn a_wrong_password_or_another_devices_name_lets_no_device_in() {
    let lab = Lab::new().await;
    assert!(lab.answered(Port::Auth, &lab.good_login()).await.is_accept());
    let (known, unknown) = (&spellings(KNOWN)[0], &spellings(UNKNOWN)[0]);
    for (name, station, password) in [
        (known, known, "secret"),
        (known, known, "02:00:00:00:00:02"),
        (known, known, "02:00:00:00:00:0"),
        // The name of a device that has paid, from a device that has not.
        (known, unknown, ""),
        (known, unknown, known),
        (unknown, known, ""),
        (unknown, unknown, ""),
        (unknown, unknown, unknown),
    ] {
        for method in ["PAP", "CHAP"] {
            let bare = lab.knock(name, station);
            let draft = if method == "PAP" { bare.pap(password.as_bytes()) } else { bare.chap(password.as_bytes()) };
            let answer = lab.answered(Port::Auth, &draft.sign()).await;
            assert_eq!(answer.code(), Code::AccessReject, "{name} from {station}, {method} over {password:?}");
        }
    }
}

#[tokio::test]
async fn a_device_that_nobody_knows_is_sent_to_the_page_at_once() {
    let mut settings = LabSettings::default();
    settings.world.reject_delay_ms = 5000;
    let lab = Lab::with(settings).await;
    for name in spellings(UNKNOWN) {
        let asked = Instant::now();
        let answer = lab.answered(Port::Auth, &lab.knock(&name, &name).chap(b"").sign()).await;
        assert_eq!(answer.code(), Code::AccessReject);
        assert!(asked.elapsed() < Duration::from_secs(2), "its guest waits for the page: {:?}", asked.elapsed());
    }
}
