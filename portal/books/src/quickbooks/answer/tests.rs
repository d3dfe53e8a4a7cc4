//! What each answer means for what was asked, and how documents and amounts are read out of answers.

use serde_json::json;
use time::macros::date;

use super::*;

fn answer(status: u16, json: Value) -> Answer {
    Answer { status, json: Some(json), wait: None }
}

fn fault(code: &str, kind: &str) -> Value {
    json!({ "Fault": { "Error": [{ "Message": "Oh", "Detail": "Oh no", "code": code, "element": "" }], "type": kind },
            "time": "2026-11-22T10:00:00.000-08:00" })
}

fn failed(answer: Answer, asked: Asked) -> Failure {
    answer.judge(asked).expect_err("a failure")
}

#[test]
fn a_fault_counts_whatever_the_status_is() {
    let refused = || Failure::Trouble(Trouble::Refused("QuickBooks says: Oh: Oh no (code 2500)".into()));
    for status in [200, 400, 404] {
        for asked in [Asked::Read, Asked::Write] {
            assert_eq!(failed(answer(status, fault("2500", "ValidationFault")), asked), refused());
        }
        for code in ["6140", "006140"] {
            let duplicate = failed(answer(status, fault(code, "ValidationFault")), Asked::Write);
            assert_eq!(duplicate, Failure::Trouble(Trouble::Duplicate));
        }
        assert_eq!(failed(answer(status, fault("5010", "ValidationFault")), Asked::Write), Failure::Stale);
        assert_eq!(failed(answer(status, fault("610", "ValidationFault")), Asked::Read), Failure::Gone);
    }
    let Failure::Trouble(Trouble::Refused(words)) = failed(answer(400, fault("6240", "ValidationFault")), Asked::Write)
    else {
        panic!("a name that is taken is refused")
    };
    assert!(words.contains("names are unique"), "{words}");
}

#[test]
fn who_is_not_let_in_hears_why() {
    // The envelope of a gateway is written in small letters.
    let small = json!({ "warnings": null, "fault": { "error": [{ "message": "message=AuthenticationFailed; errorCode=003200",
        "detail": "Token expired", "code": "3200", "element": null }], "type": "AUTHENTICATION" } });
    assert_eq!(failed(answer(401, small), Asked::Write), Failure::Trouble(Trouble::Expired));
    let nothing = Answer { status: 401, json: None, wait: None };
    assert_eq!(failed(nothing, Asked::Read), Failure::Trouble(Trouble::Expired));
    let forbidden = failed(answer(403, fault("3100", "AuthorizationFault")), Asked::Write);
    assert_eq!(forbidden, Failure::Trouble(Trouble::Reconnect("QuickBooks says: Oh: Oh no (code 3100)".into())));
    let small_refusal = json!({ "fault": { "error": [{ "message": "no", "code": 4001 }] } });
    assert_eq!(
        failed(answer(400, small_refusal), Asked::Write),
        Failure::Trouble(Trouble::Refused("QuickBooks says: no (code 4001)".into()))
    );
}

#[test]
fn too_many_waits_a_minute_or_as_long_as_it_is_said() {
    let too_many = |wait| Failure::Trouble(Trouble::TooMany { wait: Some(wait), is_daily: false });
    for (said, expected) in [(None, 60), (Some(5), 5), (Some(1_000_000), 3600)] {
        let wait = said.map(Duration::from_secs);
        let answer = Answer { status: 429, json: Some(fault("3001", "ThrottlingFault")), wait };
        assert_eq!(failed(answer, Asked::Write), too_many(Duration::from_secs(expected)));
    }
}

#[test]
fn what_says_nothing_of_what_was_asked_leaves_it_open() {
    for answered in [
        || answer(500, fault("10000", "SystemFault")),
        || answer(503, json!({})),
        || answer(200, fault("10000", "SystemFault")),
        || Answer { status: 200, json: None, wait: None },
        || Answer { status: 404, json: None, wait: None },
        || answer(403, json!({ "blocked": true })),
        || answer(302, json!({})),
    ] {
        let read = failed(answered(), Asked::Read);
        assert!(matches!(&read, Failure::Trouble(Trouble::Away(_))), "{read:?}");
        let written = failed(answered(), Asked::Write);
        assert!(matches!(&written, Failure::Trouble(Trouble::Unknown(_))), "{written:?}");
    }
    use outgoing::Silence::{Broken, NotSent, TimedOut};
    for heard in [NotSent, TimedOut, Broken] {
        assert!(matches!(silence(heard, Asked::Read), Failure::Trouble(Trouble::Away(_))));
        let written = silence(heard, Asked::Write);
        let is_as_expected = match heard {
            NotSent => matches!(written, Failure::Trouble(Trouble::Away(_))),
            TimedOut | Broken => matches!(written, Failure::Trouble(Trouble::Unknown(_))),
        };
        assert!(is_as_expected, "{heard:?}");
    }
}

#[test]
fn a_document_is_read_with_what_is_needed_to_change_it() {
    let told = json!({
        "Id": "145", "SyncToken": "2", "DocNumber": "20261122-NBO1-M", "TxnDate": "2026-11-22", "TotalAmt": 1500.5,
        "CurrencyRef": { "value": "KES", "name": "Kenyan Shilling" }, "Balance": 0, "domain": "QBO", "sparse": false,
    });
    let found = Found::read(Entity::SalesReceipt, &told, "").expect("readable");
    let expected = Theirs {
        id: "145".into(),
        version: "2".into(),
        number: "20261122-NBO1-M".into(),
        part: Part::Sale,
        day: date!(2026 - 11 - 22),
        total: 150_050,
        currency: "KES".into(),
        is_void: false,
    };
    assert_eq!((&found.theirs, found.balance), (&expected, 0));
    assert_eq!(entity_of(&found.theirs), (Entity::SalesReceipt, "145"));

    let mut invoice = told.clone();
    invoice["Balance"] = json!(100.25);
    invoice["LinkedTxn"] = json!([{ "TxnId": "131", "TxnType": "Payment" }, { "TxnId": "9", "TxnType": "Estimate" }]);
    invoice["TxnDate"] = json!("2026-11-22-08:00");
    let found = Found::read(Entity::Invoice, &invoice, "").expect("readable");
    assert_eq!((found.balance, found.payments.as_slice()), (10_025, &["131".to_owned()][..]));
    assert_eq!((found.theirs.id.as_str(), entity_of(&found.theirs)), ("invoice/145", (Entity::Invoice, "145")));

    let mut void = told.clone();
    void["TotalAmt"] = json!(0);
    assert!(Found::read(Entity::SalesReceipt, &void, "").is_some_and(|found| found.theirs.is_void));
    let mut one_currency = told.clone();
    one_currency.as_object_mut().expect("an object").remove("CurrencyRef");
    assert_eq!(
        Found::read(Entity::Purchase, &one_currency, "KES").map(|found| found.theirs.currency),
        Some("KES".into())
    );
    for (field, value) in [
        ("Id", json!("../1")),
        ("Id", json!(145)),
        ("TotalAmt", json!("much")),
        ("TotalAmt", json!(1.005)),
        ("TxnDate", json!("soon")),
    ] {
        let mut wrong = told.clone();
        wrong[field] = value;
        assert_eq!(Found::read(Entity::SalesReceipt, &wrong, ""), None, "{field}");
    }
}

#[test]
fn amounts_are_read_by_their_digits() {
    for (json, minor_units) in [
        (json!(1500), Some(150_000)),
        (json!(1500.0), Some(150_000)),
        (json!(0.07), Some(7)),
        (json!(1301.3), Some(130_130)),
        (json!(-12.5), Some(-1_250)),
        (json!("16.50000"), Some(1_650)),
        (json!(0), Some(0)),
        (json!(1.001), None),
        (json!(1e300), None),
        (json!("1e3"), None),
        (json!("-"), None),
        (json!(""), None),
        (json!(null), None),
        (json!("99999999999999999999"), None),
    ] {
        assert_eq!(minor(&json), minor_units, "{json}");
    }
}
