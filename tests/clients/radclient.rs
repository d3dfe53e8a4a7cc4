//! The server seen by `radclient` of FreeRADIUS: every method of a login, reports, Status-Server, and silence.

use radius_proto::Code;
use store::nas::{Requirement, Settings};
use tests::world::at;
use tests::world::lab::{Lab, LabSettings, PASSWORD, Port, SECRET};

/// The secret as an argument.
fn secret() -> &'static str {
    std::str::from_utf8(SECRET).expect("text")
}

/// Runs radclient with one try, or says that it is not there. Returns its output.
async fn radclient(lab: &Lab, port: Port, kind: &str, secret: &str, attributes: &[&str]) -> Option<String> {
    let program = crate::program("MLANGO_RADCLIENT")?;
    let server = lab.address(port).to_string();
    let arguments = ["-x", "-r", "1", "-t", "2", &server, kind, secret];
    Some(crate::run(&program, &arguments, &(attributes.join("\n") + "\n")).await.output)
}

/// Asks for a login with these attributes besides the usual ones.
async fn login(lab: &Lab, attributes: &[&str]) -> Option<String> {
    let usual = ["User-Name = amina", "Calling-Station-Id = \"02:00:00:00:00:01\"", "NAS-Identifier = cafe"];
    radclient(lab, Port::Auth, "auth", secret(), &[&usual, attributes].concat()).await
}

#[track_caller]
fn says(output: &str, words: &[&str]) {
    for word in words {
        assert!(output.contains(word), "{word:?} is not in {output}");
    }
}

#[tokio::test]
async fn every_method_of_a_login_is_accepted_with_the_right_password_and_refused_with_another() {
    let lab = Lab::new().await;
    for method in ["User-Password", "CHAP-Password", "MS-CHAP-Password"] {
        let right = format!("{method} = \"{PASSWORD}\"");
        let Some(accepted) = login(&lab, &[&right]).await else { return };
        says(&accepted, &["Received Access-Accept", "Session-Timeout = ", "Message-Authenticator = 0x"]);
        says(&accepted, &["Mikrotik-Rate-Limit = \"2M/5M\"", "Class = 0x"]);
        let wrong = format!("{method} = \"not the password\"");
        let refused = login(&lab, &[&wrong]).await.expect("it is there");
        says(&refused, &["Received Access-Reject", "The password is not right. Please try again."]);
        if method == "MS-CHAP-Password" {
            says(&accepted, &["MS-CHAP-MPPE-Keys = 0x", "MS-MPPE-Encryption-Policy = "]);
            says(&refused, &["MS-CHAP-Error = ", "E=691"]);
        }
    }
}

#[tokio::test]
async fn a_signed_login_is_accepted_and_an_unsigned_one_is_not_where_signing_is_asked_for() {
    let strict =
        Settings { require_message_authenticator: Some(Requirement::Yes), ..at(std::net::Ipv4Addr::LOCALHOST) };
    let lab = Lab::with(LabSettings { router: strict, ..LabSettings::default() }).await;
    let right = format!("User-Password = \"{PASSWORD}\"");
    let Some(signed) = login(&lab, &[&right, "Message-Authenticator = 0x00", "Proxy-State = 0x0102"]).await else {
        return;
    };
    says(&signed, &["Received Access-Accept", "Proxy-State = 0x0102"]);
    let unsigned = login(&lab, &[&right]).await.expect("it is there");
    // A radclient that signs by itself, as new ones do, is answered; an old one is not.
    let signs = unsigned.matches("Message-Authenticator = 0x").count() > 0;
    says(&unsigned, if signs { &["Received Access-Accept"] } else { &["No reply from server"] });
}

#[tokio::test]
async fn a_session_is_recorded_from_start_to_stop_without_our_ticket() {
    let lab = Lab::new().await;
    let about = [
        "Acct-Session-Id = 80100001",
        "User-Name = amina",
        "Calling-Station-Id = \"02:00:00:00:00:01\"",
        "Framed-IP-Address = 10.5.50.9",
    ];
    let counters = ["Acct-Session-Time = 5", "Acct-Input-Octets = 7", "Acct-Output-Octets = 9"];
    for (status, counters) in
        [("Accounting-On", &[][..]), ("Start", &[]), ("Interim-Update", &counters), ("Stop", &counters)]
    {
        let status = format!("Acct-Status-Type = {status}");
        let attributes = [&[status.as_str()], &about[..], counters].concat();
        let Some(recorded) = radclient(&lab, Port::Acct, "acct", secret(), &attributes).await else { return };
        says(&recorded, &["Received Accounting-Response"]);
    }
    assert_eq!((lab.sessions().await, lab.usage().await), ((0, 1), (5, 7, 9)), "they find each other");
}

#[tokio::test]
async fn status_server_is_answered_on_both_ports() {
    let lab = Lab::new().await;
    for (port, words) in [(Port::Auth, "Received Access-Accept"), (Port::Acct, "Received Accounting-Response")] {
        let Some(alive) = radclient(&lab, port, "status", secret(), &["Message-Authenticator = 0x00"]).await else {
            return;
        };
        says(&alive, &[words]);
    }
}

#[tokio::test]
async fn a_wrong_secret_is_met_with_silence_and_explained_once_in_the_log() {
    let lab = Lab::new().await;
    let right = format!("User-Password = \"{PASSWORD}\"");
    let login = ["User-Name = amina", &right];
    let report = ["Acct-Status-Type = Start", "Acct-Session-Id = 80100001", "User-Name = amina"];
    let mut reasons = 0;
    for (port, kind, attributes) in [(Port::Auth, "auth", &login[..]), (Port::Acct, "acct", &report)] {
        let Some(silence) = radclient(&lab, port, kind, "not-the-secret", attributes).await else { return };
        says(&silence, &["No reply from server"]);
        reasons += 1;
        let explained = lab.radiusd().log().matches("the router's secret is not the one we have").count();
        assert_eq!(explained, reasons, "one line a reason: {}", lab.radiusd().log());
    }
    // What the client would have been told, had it the secret.
    assert_eq!(lab.answered(Port::Auth, &lab.good_login()).await.code(), Code::AccessAccept);
}
