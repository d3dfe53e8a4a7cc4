//! Sections 2.6.3 and 3.3 against the running server: the access point is refused at once, since nobody has guessed a
//! password, and the EAP-Failure that its device understands is in the answer.

use std::time::{Duration, Instant};

use radius_proto::Code;
use radius_proto::attribute::rfc2869;
use tests::world::lab::{Lab, LabSettings, MAC, NAME, Port};

#[tokio::test]
async fn c5_an_eap_request_is_refused_promptly_and_with_eap_failure() {
    let mut settings = LabSettings::default();
    settings.world.reject_delay_ms = 5000;
    let lab = Lab::with(settings).await;
    for identifier in [0, 1, 255] {
        let response = [&[2, identifier, 0, 10, 1][..], NAME.as_bytes()].concat();
        let asked = Instant::now();
        let request = lab.knock(NAME, MAC).put(rfc2869::EAP_MESSAGE, &response).sign();
        let answer = lab.answered(Port::Auth, &request).await;
        assert_eq!(answer.code(), Code::AccessReject);
        assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
        // RFC 3748 §4.2: Code 4, the Identifier of the Response, Length 4.
        assert_eq!(answer.get(rfc2869::EAP_MESSAGE), Some(&[4, identifier, 0, 4][..]));
    }
}
