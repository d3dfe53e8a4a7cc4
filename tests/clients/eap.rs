//! The server seen by `eapol_test` of wpa_supplicant, which plays an access point and a device that want EAP (802.1X).
//! EAP is not offered here: what counts is that the access point is told so at once, in an answer that it believes.

use std::time::{Duration, Instant};

use tests::world::lab::{Lab, LabSettings, NAME, PASSWORD, Port, SECRET};

#[tokio::test]
async fn an_access_point_is_told_at_once_that_there_is_no_eap() {
    let Some(eapol_test) = crate::program("MLANGO_EAPOL_TEST") else { return };
    let lab = Lab::with(LabSettings::default()).await;
    let address = lab.address(Port::Auth);
    for method in ["MD5", "PEAP", "TTLS"] {
        let file = lab.world.config().with_file_name("eap.conf");
        let text = format!(
            "network={{\n  ssid=\"x\"\n  key_mgmt=WPA-EAP\n  eap={method}\n  identity=\"{NAME}\"\n  password=\"{PASSWORD}\"\n}}\n"
        );
        std::fs::write(&file, text).expect("written");
        let (port, secret) = (address.port().to_string(), std::str::from_utf8(SECRET).expect("text"));
        let file = file.display().to_string();
        let asked = Instant::now();
        let arguments = ["-c", &file, "-a", "127.0.0.1", "-p", &port, "-s", secret, "-t", "20"];
        let ran = crate::run(&eapol_test, &arguments, "").await;
        assert!(!ran.succeeded, "{method} is refused: {}", ran.output);
        assert!(ran.output.contains("code=3 (Access-Reject)"), "{method}: {}", ran.output);
        for complaint in
            ["Invalid Message-Authenticator", "Incoming RADIUS packet did not have correct", "EAPOL test timed out"]
        {
            assert!(!ran.output.contains(complaint), "{method}: {complaint}: {}", ran.output);
        }
        assert!(asked.elapsed() < Duration::from_secs(10), "{method}: {:?}", asked.elapsed());
    }
}
