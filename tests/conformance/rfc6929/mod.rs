//! RFC 6929 section 2.8: an "invalid attribute", whose value cannot be one of its type, is as if it were not there, and
//! the packet is answered all the same.

use radius_proto::Code;
use radius_proto::attribute::rfc2866;
use tests::world::lab::{Lab, MAC, NAME, PASSWORD, Port};

/// Values that no type of fixed width takes, and Vendor-Specifics whose inner lengths do not add up.
const WRONG: [(u8, &[u8]); 24] = [
    (4, b""),
    (4, &[10, 0, 0]),
    (4, &[10, 0, 0, 1, 1]),
    (5, &[1, 2, 3]),
    (6, &[1]),
    (6, &[0, 0, 0, 1, 0]),
    (7, b""),
    (8, &[10, 5, 50]),
    (8, &[10, 5, 50, 9, 9]),
    (12, b"x"),
    (25, b""),
    (27, &[0, 0, 9]),
    (61, &[19]),
    (95, &[1, 2, 3]),
    (97, &[0]),
    (97, &[0, 129, 1]),
    (26, b""),
    (26, &[0, 0, 1]),
    (26, &[0, 0, 58, 140]),
    (26, &[0, 0, 58, 140, 8]),
    (26, &[0, 0, 58, 140, 8, 0]),
    (26, &[0, 0, 58, 140, 8, 1, 7]),
    (26, &[0, 0, 58, 140, 8, 9, b'1', b'M']),
    (26, &[0, 0, 58, 140, 8, 4, b'1', b'M', 10]),
];

#[tokio::test]
async fn p8_a_login_with_an_invalid_attribute_is_answered_as_if_it_were_not_there() {
    let lab = Lab::new().await;
    let expected = lab.answered(Port::Auth, &lab.good_login()).await;
    for (kind, value) in WRONG {
        let before = lab.knock(NAME, MAC).raw(kind, value).pap(PASSWORD.as_bytes()).sign();
        let answer = lab.answered(Port::Auth, &before).await;
        assert!(answer.is_accept(), "{kind} {value:?}");
        assert_eq!(answer.terms(), expected.terms(), "{kind} {value:?}");
    }
    let all = WRONG.iter().fold(lab.knock(NAME, MAC), |draft, (kind, value)| draft.raw(*kind, value));
    let answer = lab.answered(Port::Auth, &all.pap(PASSWORD.as_bytes()).sign()).await;
    assert_eq!(answer.terms(), expected.terms());
    let wrong = WRONG.iter().fold(lab.knock(NAME, MAC), |draft, (kind, value)| draft.raw(*kind, value));
    let refused = lab.answered(Port::Auth, &wrong.pap(b"not the password").sign()).await;
    assert_eq!(refused.code(), Code::AccessReject);
}

#[tokio::test]
async fn p8_a_report_with_an_invalid_attribute_is_recorded_and_answered() {
    let lab = Lab::new().await;
    let counters = |kind: u8, value: &[u8]| {
        lab.report(rfc2866::acct_status_type::INTERIM_UPDATE, "80100001")
            .raw(kind, value)
            .put(rfc2866::ACCT_INPUT_OCTETS, 700)
            .put(rfc2866::ACCT_OUTPUT_OCTETS, 900)
            .put(rfc2866::ACCT_SESSION_TIME, 60)
    };
    for (kind, value) in
        [(41, &[1, 2][..]), (42, &[1]), (43, b""), (46, &[0; 8]), (49, &[1]), (52, &[9]), (55, &[1, 2, 3])]
    {
        let answer = lab.answered(Port::Acct, &counters(kind, value)).await;
        assert_eq!(answer.code(), Code::AccountingResponse, "{kind} {value:?}");
        assert_eq!(lab.usage().await, (60, 700, 900), "{kind} {value:?}: the valid one counts");
    }
    for (kind, value) in WRONG {
        let answer = lab.answered(Port::Acct, &counters(kind, value)).await;
        assert_eq!(answer.code(), Code::AccountingResponse, "{kind} {value:?}");
    }
    assert_eq!(lab.sessions().await, (1, 0));
}
