//! What each answer of Stripe means, by table, and the client against a small server made here. Signatures are tested
//! beside [`super::webhook`].

use serde_json::{Value, json};

use super::*;

const PAYMENT: Uuid = Uuid::from_u128(7);

fn answer(status: u16, json: Value) -> Answer {
    Answer { status, json: Some(json), request: String::new() }
}

fn unexpected(status: u16, code: &str) -> Unheard {
    Unheard::Unexpected { status, code: code.into() }
}

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).expect("in range")
}

/// An open session as Stripe writes it, as far as it matters.
fn open_session() -> Value {
    json!({
        "id": "cs_test_1", "object": "checkout.session", "status": "open", "payment_status": "unpaid",
        "url": "https://checkout.stripe.com/c/pay/cs_test_1#fid", "expires_at": 1_795_525_500, "amount_total": 7000,
        "currency": "kes", "payment_intent": null,
    })
}

/// The same with other fields.
fn session(fields: Value) -> Value {
    let mut session = open_session();
    let (whole, other) = (session.as_object_mut().expect("an object"), fields.as_object().expect("an object"));
    whole.extend(other.clone());
    session
}

#[test]
fn a_session_is_one_with_a_name_an_address_and_an_end() {
    let expected = Session {
        id: "cs_test_1".into(),
        url: Url::parse("https://checkout.stripe.com/c/pay/cs_test_1#fid").expect("an address"),
        expires_at: at(1_795_525_500),
    };
    assert_eq!(read_session(&answer(200, open_session())), Some(expected));
    for fields in [
        json!({ "url": null }),
        json!({ "url": "javascript:alert(1)" }),
        json!({ "url": "/c/pay" }),
        json!({ "id": "cs/../1" }),
        json!({ "expires_at": "soon" }),
    ] {
        assert_eq!(read_session(&answer(200, session(fields.clone()))), None, "{fields}");
    }
}

#[test]
fn every_answer_about_a_session_is_one_of_four_things() {
    let paid = json!({ "status": "complete", "payment_status": "paid", "payment_intent": "pi_1" });
    let with = |field: &str, value: Value| {
        let mut fields = paid.clone();
        fields[field] = value;
        session(fields)
    };
    let paid_by = |charge: Option<&str>| Query::Paid {
        receipt: Some("pi_1".into()),
        amount: Some(Money::kes(7000)),
        charge: charge.map(str::to_owned),
    };
    let ended = |code: &str, text: &str| Query::Ended { code: code.into(), text: text.into() };
    let message = "Your card has insufficient funds.";
    let error = json!({ "code": "card_declined", "decline_code": "insufficient_funds", "message": message });
    let declined = json!({ "id": "pi_1", "last_payment_error": error });
    for (answer, expected) in [
        (answer(200, with("payment_intent", json!({ "id": "pi_1", "status": "succeeded" }))), paid_by(None)),
        (answer(200, with("payment_intent", json!({ "id": "pi_1", "latest_charge": "ch_1" }))), paid_by(Some("ch_1"))),
        (answer(200, session(paid.clone())), paid_by(None)),
        (answer(200, open_session()), Query::Pending),
        (answer(200, session(json!({ "status": "complete" }))), Query::Pending),
        (answer(200, session(json!({ "status": "expired" }))), ended(SESSION_EXPIRED, "the time to pay passed")),
        (
            answer(200, session(json!({ "status": "expired", "payment_intent": declined }))),
            ended(CARD_DECLINED, "insufficient_funds: Your card has insufficient funds."),
        ),
        (answer(200, with("payment_intent", Value::Null)), Query::Unknown(unexpected(200, ""))),
        (answer(200, with("amount_total", Value::Null)), Query::Unknown(unexpected(200, ""))),
        (answer(200, with("payment_status", json!("no_payment_required"))), Query::Unknown(unexpected(200, ""))),
        (answer(200, json!([])), Query::Unknown(unexpected(200, ""))),
        (
            answer(404, json!({ "error": { "type": "invalid_request_error", "code": "resource_missing" } })),
            Query::Unknown(unexpected(404, "resource_missing")),
        ),
        (Answer { status: 502, json: None, request: String::new() }, Query::Unknown(Unheard::NotJson(502))),
    ] {
        assert_eq!(read_query(&answer), expected, "{answer:?}");
    }
}

#[test]
fn a_refund_says_whether_the_money_is_on_its_way() {
    let refund = |status: &str| {
        answer(
            200,
            json!({ "id": "re_1", "amount": 2000, "currency": "kes", "status": status,
                            "failure_reason": "expired_or_canceled_card" }),
        )
    };
    let (id, amount) = (|| "re_1".to_owned(), Money::kes(2000));
    for (status, expected) in [
        ("succeeded", Some(Refunded::Done { id: id(), amount })),
        ("pending", Some(Refunded::Pending { id: id(), amount })),
        ("requires_action", Some(Refunded::Pending { id: id(), amount })),
        ("failed", Some(Refunded::Failed { id: id(), reason: "expired_or_canceled_card".into() })),
        ("canceled", Some(Refunded::Failed { id: id(), reason: "expired_or_canceled_card".into() })),
        ("new", None),
    ] {
        assert_eq!(read_refund(&refund(status)), expected, "{status}");
    }
}

#[test]
fn a_description_is_one_line_and_never_empty() {
    assert_eq!(description(" 1 GB\n@ night\u{0} "), "1 GB @ night");
    assert_eq!(description(" \n"), NAMELESS);
    assert_eq!(description(&"é".repeat(500)).chars().count(), DESCRIPTION_LIMIT);
}

mod client {
    use std::collections::HashMap;
    use std::sync::{Arc, Mutex};

    use axum::extract::State;
    use axum::http::{HeaderMap, Method, StatusCode, Uri};
    use axum::response::{IntoResponse as _, Response};
    use axum::{Json, Router};

    use super::*;

    type Fields = HashMap<String, String>;

    /// A request that the server of these tests heard.
    #[derive(Clone, Debug)]
    struct Heard {
        /// Method, path and query.
        line: String,
        headers: HeaderMap,
        fields: Fields,
    }

    /// A server that answers everything in one way, or not at all.
    struct Server {
        answer: Option<(StatusCode, Value)>,
        heard: Mutex<Vec<Heard>>,
    }

    impl Server {
        fn heard(&self) -> Vec<Heard> {
            self.heard.lock().expect("no panic before").clone()
        }
    }

    async fn hear(
        State(server): State<Arc<Server>>,
        method: Method,
        uri: Uri,
        headers: HeaderMap,
        body: String,
    ) -> Response {
        let line = format!("{method} {uri}");
        let fields = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        server.heard.lock().expect("no panic before").push(Heard { line, headers, fields });
        match &server.answer {
            Some((status, body)) => (*status, Json(body.clone())).into_response(),
            None => std::future::pending().await,
        }
    }

    async fn start(answer: Option<(StatusCode, Value)>) -> (Stripe, Arc<Server>) {
        let server = Arc::new(Server { answer, heard: Mutex::new(Vec::new()) });
        let routes = Router::new().fallback(hear).with_state(Arc::clone(&server));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("bound"));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (stripe(&base, 500), server)
    }

    async fn answering(status: StatusCode, answer: Value) -> (Stripe, Arc<Server>) {
        start(Some((status, answer))).await
    }

    fn stripe(base: &str, timeout_ms: u64) -> Stripe {
        let settings = json!({ "secret_key": "sk_test_hunter2", "webhook_secret": "whsec_1", "base_url": base,
                               "timeout_ms": timeout_ms });
        let settings: config::Stripe = serde_json::from_value(settings).expect("a valid section");
        Stripe::new(&settings).expect("http")
    }

    fn wish() -> Checkout<'static> {
        Checkout {
            order: "AB12CD34",
            payment: PAYMENT,
            begun_at: at(1_795_523_400),
            amount: Money::kes(7000),
            description: "1 hour",
            success_url: "https://wifi.example/o/token",
            cancel_url: "https://wifi.example/o/token",
            email: None,
        }
    }

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[tokio::test]
    async fn a_checkout_says_what_is_bought_and_carries_its_key() {
        let (stripe, server) = answering(StatusCode::OK, open_session()).await;
        let Created::Session(session) = stripe.checkout(&wish()).await else { panic!("there is a session") };
        assert_eq!(session.id, "cs_test_1");
        let heard = server.heard();
        assert_eq!((heard.len(), heard[0].line.as_str()), (1, "POST /v1/checkout/sessions"));
        let payment = PAYMENT.to_string();
        for (header, value) in [
            ("authorization", "Bearer sk_test_hunter2"),
            ("idempotency-key", payment.as_str()),
            ("stripe-version", wire::VERSION),
            ("content-type", "application/x-www-form-urlencoded"),
        ] {
            assert_eq!(heard[0].headers[header], value);
        }
        let expected = fields(&[
            ("mode", "payment"),
            ("payment_method_types[0]", "card"),
            ("client_reference_id", &payment),
            ("metadata[order]", "AB12CD34"),
            ("metadata[payment]", &payment),
            ("payment_intent_data[metadata][order]", "AB12CD34"),
            ("payment_intent_data[metadata][payment]", &payment),
            ("line_items[0][quantity]", "1"),
            ("line_items[0][price_data][currency]", "kes"),
            ("line_items[0][price_data][unit_amount]", "7000"),
            ("line_items[0][price_data][product_data][name]", "1 hour"),
            ("success_url", "https://wifi.example/o/token"),
            ("cancel_url", "https://wifi.example/o/token"),
            // 35 minutes after the payment was begun.
            ("expires_at", "1795525500"),
        ]);
        assert_eq!(heard[0].fields, expected);
    }

    #[tokio::test]
    async fn a_repeated_checkout_is_the_same_to_the_last_letter() {
        let (stripe, server) = answering(StatusCode::INTERNAL_SERVER_ERROR, json!({ "error": {} })).await;
        for _ in 0..2 {
            assert_eq!(stripe.checkout(&wish()).await, Created::Unknown(unexpected(500, "")));
        }
        let heard = server.heard();
        assert_eq!(heard[0].fields, heard[1].fields);
        assert_eq!(heard[0].headers["idempotency-key"], heard[1].headers["idempotency-key"]);
    }

    #[tokio::test]
    async fn an_amount_that_cannot_be_charged_is_not_asked_for() {
        let (stripe, server) = answering(StatusCode::OK, open_session()).await;
        let half_a_franc = Money { minor: 50, currency: "RWF".parse().expect("a currency") };
        let created = stripe.checkout(&Checkout { amount: half_a_franc, ..wish() }).await;
        assert_eq!(created, Created::Refused(Refusal::NotChargeable));
        assert_eq!(stripe.refund("pi_1", half_a_franc, "key").await, Refunded::Refused(Refusal::NotChargeable));
        assert!(server.heard().is_empty());
    }

    #[tokio::test]
    async fn a_session_is_asked_about_closed_and_refunded() {
        let paid = json!({ "status": "complete", "payment_status": "paid", "payment_intent": { "id": "pi_1" } });
        let (stripe, server) = answering(StatusCode::OK, session(paid)).await;
        let expected = Query::Paid { receipt: Some("pi_1".into()), amount: Some(Money::kes(7000)), charge: None };
        assert_eq!(stripe.session("cs_test_1").await, expected);
        assert_eq!(server.heard()[0].line, "GET /v1/checkout/sessions/cs_test_1?expand%5B%5D=payment_intent");

        let (stripe, server) = answering(StatusCode::OK, session(json!({ "status": "expired" }))).await;
        assert_eq!(stripe.expire("cs_test_1").await, Expired::Done);
        assert_eq!(server.heard()[0].line, "POST /v1/checkout/sessions/cs_test_1/expire");

        let refund = json!({ "id": "re_1", "amount": 2000, "currency": "kes", "status": "succeeded" });
        let (stripe, server) = answering(StatusCode::OK, refund).await;
        let done = Refunded::Done { id: "re_1".into(), amount: Money::kes(2000) };
        assert_eq!(stripe.refund("pi_1", Money::kes(2000), "refund-1").await, done);
        let heard = server.heard();
        assert_eq!(heard[0].line, "POST /v1/refunds");
        assert_eq!(heard[0].headers["idempotency-key"], "refund-1");
        let expected = fields(&[
            ("payment_intent", "pi_1"),
            ("amount", "2000"),
            ("reason", "requested_by_customer"),
            ("metadata[refund]", "refund-1"),
        ]);
        assert_eq!(heard[0].fields, expected);
    }

    #[tokio::test]
    async fn a_refusal_has_stripes_code() {
        let error = json!({ "type": "invalid_request_error", "code": "amount_too_small", "message": "Too small." });
        let error = json!({ "error": error });
        let (stripe, _) = answering(StatusCode::BAD_REQUEST, error).await;
        let refusal = Refusal::Rejected { code: "amount_too_small".into(), text: "Too small.".into() };
        assert_eq!(stripe.checkout(&wish()).await, Created::Refused(refusal.clone()));
        assert_eq!(stripe.expire("cs_test_1").await, Expired::Refused(refusal.clone()));
        assert_eq!(stripe.refund("pi_1", Money::kes(1), "k").await, Refunded::Refused(refusal));
    }

    #[tokio::test]
    async fn silence_ends_in_time_and_is_not_repeated() {
        let (stripe, server) = start(None).await;
        assert_eq!(stripe.longest(), Duration::from_millis(500));
        assert_eq!(stripe.checkout(&wish()).await, Created::Unknown(Unheard::TimedOut));
        assert_eq!(stripe.session("cs_test_1").await, Query::Unknown(Unheard::TimedOut));
        assert_eq!(server.heard().len(), 2);
    }

    #[tokio::test]
    async fn what_was_not_sent_made_nothing() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
        let stripe = stripe(&format!("http://{closed}"), 1000);
        assert_eq!(stripe.checkout(&wish()).await, Created::Refused(Refusal::Unreachable));
        assert_eq!(stripe.refund("pi_1", Money::kes(1), "k").await, Refunded::Refused(Refusal::Unreachable));
        assert_eq!(stripe.session("cs_test_1").await, Query::Unknown(Unheard::Broken));
    }

    #[test]
    fn a_base_that_is_not_http_is_refused_and_printing_shows_no_key() {
        let settings = json!({ "secret_key": "sk_test_hunter2", "webhook_secret": "whsec_1", "base_url": "ftp://h" });
        let settings: config::Stripe = serde_json::from_value(settings).expect("a valid section");
        assert!(matches!(Stripe::new(&settings), Err(SetupError::NotHttp)));
        assert!(!format!("{:?}", stripe("https://127.0.0.1", 1000)).contains("hunter2"));
    }
}
