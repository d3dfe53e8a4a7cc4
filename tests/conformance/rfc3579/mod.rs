//! RFC 3579 sections 3.1 to 3.3 against the running server: Message-Authenticator where it is there, and EAP, which is
//! not offered here and is refused in a packet that proves itself.

mod prompt;

use std::net::Ipv4Addr;

use radius_proto::Code;
use radius_proto::attribute::{rfc2865, rfc2869};
use store::nas::{Requirement, Settings};
use tests::world::at;
use tests::world::lab::{Draft, Lab, LabSettings, MAC, NAME, PASSWORD, Port, SECRET};

/// A router that need not sign.
fn lax(address: Ipv4Addr) -> Settings<'static> {
    Settings { require_message_authenticator: Some(Requirement::No), ..at(address) }
}

/// An EAP-Response/Identity (RFC 3748 §5.1), as an access point sends it first.
fn identity() -> Vec<u8> {
    let length = u8::try_from(5 + NAME.len()).expect("short");
    [&[2, 1, 0, length, 1][..], NAME.as_bytes()].concat()
}

#[tokio::test]
async fn c5_eap_without_a_signature_or_beside_a_password_is_met_with_silence() {
    // A router that need not sign, so that it is not for the want of a signature alone.
    let lab = Lab::with(LabSettings { router: lax(Ipv4Addr::LOCALHOST), ..LabSettings::default() }).await;
    let eap = || lab.knock(NAME, MAC).put(rfc2869::EAP_MESSAGE, &identity());
    let password = PASSWORD.as_bytes();
    let reason = "eap_unsigned_or_with_password";
    let drafts = [
        eap(),
        eap().pap(password),
        eap().pap(password).sign(),
        eap().chap(password).sign(),
        lab.knock(NAME, MAC).pap(password).put(rfc2869::EAP_MESSAGE, &identity()).sign(),
        // An empty one is the Start of an access point (RFC 3579 §2.1), and an EAP-Message all the same.
        lab.knock(NAME, MAC).raw(79, b""),
        lab.knock(NAME, MAC).raw(79, b"").pap(password).sign(),
    ];
    for draft in drafts {
        lab.silent(Port::Auth, &draft.finish(), reason).await;
    }
    let wrongly_signed = eap().raw(80, &[0; 16]);
    lab.silent(Port::Auth, &wrongly_signed.finish(), "bad_message_authenticator").await;
}

#[tokio::test]
async fn c5_a_signed_eap_request_is_refused_in_a_well_formed_answer() {
    let lab = Lab::new().await;
    let in_pieces = lab.knock(NAME, MAC).raw(79, &identity()[..4]).raw(79, &identity()[4..]).raw(33, b"back").sign();
    for draft in [lab.knock(NAME, MAC).put(rfc2869::EAP_MESSAGE, &identity()).sign(), in_pieces] {
        let answer = lab.answered(Port::Auth, &draft).await;
        assert_eq!(answer.code(), Code::AccessReject);
        assert_eq!(answer.get(rfc2865::STATE), None, "nothing was begun");
    }
    assert!(
        (lab.radiusd().metric(r#"mlango_radius_access_rejects_total{reason="eap_not_offered"}"#).await - 2.0).abs()
            < 0.5
    );
}

#[tokio::test]
async fn c6_a_message_authenticator_that_is_wrong_repeated_or_of_another_length_is_met_with_silence() {
    let mut lab = Lab::prepare(LabSettings::default()).await;
    let no_need = lab.another_router("lax", lax(Ipv4Addr::new(127, 0, 0, 11))).await;
    let must = Settings { require_message_authenticator: Some(Requirement::Yes), ..at(Ipv4Addr::new(127, 0, 0, 12)) };
    let strict = lab.another_router("strict", must).await;
    lab.start().await;
    let bare = || lab.knock(NAME, MAC).pap(PASSWORD.as_bytes());
    let mut one_bit = lab.good_login().finish();
    *one_bit.last_mut().expect("not empty") ^= 1;
    let mut other_name = lab.good_login().finish();
    let at = other_name.windows(NAME.len()).position(|part| part == NAME.as_bytes()).expect("its name");
    other_name[at] ^= 0x20;
    let under_another_secret = Draft::new(Code::AccessRequest, b"another").put(rfc2865::USER_NAME, NAME.as_bytes());
    let (wrong, repeated) = ("bad_message_authenticator", "repeated_message_authenticator");
    let forged = [
        (one_bit, wrong),
        (other_name, wrong),
        (bare().raw(80, &[0; 16]).finish(), wrong),
        (bare().raw(80, b"").finish(), wrong),
        (bare().raw(80, &[0; 15]).finish(), wrong),
        (bare().raw(80, &[0; 17]).finish(), wrong),
        (bare().raw(80, &[0; 32]).finish(), wrong),
        (under_another_secret.pap(PASSWORD.as_bytes()).sign().finish(), wrong),
        (bare().sign().raw(80, &[0; 16]).finish(), repeated),
        (bare().raw(80, &[0; 16]).sign().finish(), repeated),
        (bare().sign().raw(80, b"").finish(), repeated),
    ];
    let to = lab.address(Port::Auth);
    for (octets, reason) in forged {
        // Also where the router need not sign: what is there must be right.
        for wire in [&lab.wire, &no_need, &strict] {
            lab.silent_from(wire, to, Port::Auth, &octets, reason).await;
        }
    }
    for wire in [&lab.wire, &no_need, &strict] {
        assert!(wire.ask(to, &lab.good_login().finish(), SECRET).await.is_accept());
    }
}

#[tokio::test]
async fn c6_a_report_whose_message_authenticator_is_wrong_is_met_with_silence_though_its_authenticator_is_right() {
    let lab = Lab::new().await;
    let report = || lab.report(1, "80100001");
    for draft in [report().raw(80, &[0; 16]), report().raw(80, &[1; 15]), report().sign().raw(80, &[0; 16])] {
        lab.silent(Port::Acct, &draft.finish(), "bad_authenticator").await;
    }
    assert_eq!(lab.sessions().await, (0, 0));
    let answer = lab.answered(Port::Acct, &report().sign()).await;
    assert_eq!(answer.code(), Code::AccountingResponse);
}
