//! What each answer of M-Pesa means, by table, and the client against a small server made here.

use super::*;

fn answer(status: u16, body: &str) -> Answer {
    Answer { status, json: serde_json::from_str(body).ok() }
}

#[test]
fn every_answer_to_a_push_is_one_of_three_things() {
    let busy = r#"{"requestId":"r","errorCode":"500.001.1001","errorMessage":"Unable to lock subscriber"}"#;
    let spike = r#"{"fault":{"faultstring":"Spike arrest violation","detail":{"errorcode":"policies.ratelimit.SpikeArrestViolation"}}}"#;
    let unheard = |status, code: &str| Push::Unknown(Unheard::Unexpected { status, code: code.into() });
    for (status, body, expected) in [
        (
            200,
            r#"{"MerchantRequestID":"m","CheckoutRequestID":"ws_CO_1","ResponseCode":"0"}"#,
            Push::Prompted { merchant_request_id: "m".into(), checkout_request_id: "ws_CO_1".into() },
        ),
        (
            200,
            r#"{"CheckoutRequestID":"ws_CO_1","ResponseCode":0}"#,
            Push::Prompted { merchant_request_id: String::new(), checkout_request_id: "ws_CO_1".into() },
        ),
        (
            200,
            r#"{"ResponseCode":"1","ResponseDescription":"no"}"#,
            Push::Refused(Refusal::Rejected { code: "1".into(), text: "no".into() }),
        ),
        (200, r#"{"ResponseCode":"0"}"#, unheard(200, "0")),
        (
            400,
            r#"{"errorCode":"400.002.02","errorMessage":"Bad Request - Invalid PhoneNumber"}"#,
            Push::Refused(Refusal::Rejected {
                code: "400.002.02".into(),
                text: "Bad Request - Invalid PhoneNumber".into(),
            }),
        ),
        (500, busy, Push::Refused(Refusal::Busy)),
        (429, spike, Push::Refused(Refusal::Throttled)),
        (500, r#"{"errorCode":"500.003.02"}"#, Push::Refused(Refusal::Throttled)),
        (401, r#"{"errorCode":"401.002.01"}"#, Push::Refused(Refusal::Credentials)),
        (404, r#"{"errorCode":"404.001.03"}"#, Push::Refused(Refusal::Credentials)),
        (500, r#"{"errorCode":"500.002.1001"}"#, unheard(500, "500.002.1001")),
        (503, r#"{"errorCode":"503"}"#, unheard(503, "503")),
        (200, "<html>Incapsula incident</html>", Push::Unknown(Unheard::NotJson(200))),
        (403, "<html>", Push::Unknown(Unheard::NotJson(403))),
        (200, "[]", unheard(200, "")),
    ] {
        assert_eq!(read_push(&answer(status, body)), expected, "{status} {body}");
    }
}

#[test]
fn every_answer_to_a_query_is_one_of_four_things() {
    for (status, body, expected) in [
        (
            200,
            r#"{"ResponseCode":"0","ResultCode":"0","ResultDesc":"ok"}"#,
            Query::Paid { receipt: None, amount: None, charge: None },
        ),
        (200, r#"{"ResponseCode":"0","ResultCode":0}"#, Query::Paid { receipt: None, amount: None, charge: None }),
        (200, r#"{"ResultCode":"4999"}"#, Query::Pending),
        (500, r#"{"errorCode":"500.001.1001","errorMessage":"The transaction is being processed"}"#, Query::Pending),
        (
            200,
            r#"{"ResultCode":"1032","ResultDesc":"Request cancelled by user"}"#,
            Query::Ended { code: "1032".into(), text: "Request cancelled by user".into() },
        ),
        (
            500,
            r#"{"errorCode":"500.002.1001"}"#,
            Query::Unknown(Unheard::Unexpected { status: 500, code: "500.002.1001".into() }),
        ),
        (200, "", Query::Unknown(Unheard::NotJson(200))),
        (200, r#"{"ResponseCode":"0"}"#, Query::Unknown(Unheard::Unexpected { status: 200, code: "0".into() })),
    ] {
        assert_eq!(read_query(&answer(status, body)), expected, "{status} {body}");
    }
}

#[test]
fn time_stamps_are_east_african() {
    let at = OffsetDateTime::from_unix_timestamp(1_795_523_400).expect("in range");
    // 2026-11-24 11:10:00 UTC.
    assert_eq!(timestamp(at), "20261124153000");
}

#[test]
fn references_and_descriptions_fit() {
    assert_eq!(short("Café 1 hour – unlimited!", DESCRIPTION_LIMIT), "Caf 1 hour  u");
    assert_eq!(short("AB12CD34", REFERENCE_LIMIT), "AB12CD34");
}

mod client {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::extract::State;
    use axum::http::{HeaderMap, StatusCode};
    use axum::response::{Html, IntoResponse as _, Response};
    use axum::routing::{get, post};
    use axum::{Json, Router};

    use super::*;

    /// How the server of these tests answers.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Mood {
        Well,
        /// The first token is not accepted by the push.
        FirstTokenRefused,
        /// No token is ever accepted.
        EveryTokenRefused,
        /// A firewall's page instead of an answer.
        Firewall,
        /// Never answers a push.
        Silent,
        /// Gives out no token: an empty 400, as for a wrong key.
        NoToken,
    }

    struct Server {
        mood: Mood,
        tokens: AtomicUsize,
        pushes: AtomicUsize,
    }

    async fn token(State(server): State<Arc<Server>>) -> Response {
        if server.mood == Mood::NoToken {
            return StatusCode::BAD_REQUEST.into_response();
        }
        let number = server.tokens.fetch_add(1, Ordering::SeqCst) + 1;
        Json(json!({ "access_token": format!("t{number}"), "expires_in": "3599" })).into_response()
    }

    async fn push(State(server): State<Arc<Server>>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
        server.pushes.fetch_add(1, Ordering::SeqCst);
        let refused = match server.mood {
            Mood::FirstTokenRefused => headers["authorization"] == "Bearer t1",
            Mood::EveryTokenRefused => true,
            _ => false,
        };
        if refused {
            return (StatusCode::NOT_FOUND, Json(json!({ "errorCode": "404.001.03" }))).into_response();
        }
        match server.mood {
            Mood::Firewall => Html("Incapsula incident").into_response(),
            Mood::Silent => std::future::pending().await,
            _ => {
                assert_eq!(body["Amount"], 20, "a whole number of shillings, as a number");
                assert_eq!((&body["PartyA"], &body["PhoneNumber"]), (&json!("254712345678"), &json!("254712345678")));
                assert_eq!((&body["AccountReference"], &body["PartyB"]), (&json!("AB12CD34"), &json!("174379")));
                let password = STANDARD.decode(body["Password"].as_str().expect("text")).expect("base64");
                let timestamp = body["Timestamp"].as_str().expect("text");
                assert_eq!(password, format!("174379key{timestamp}").into_bytes());
                Json(json!({ "MerchantRequestID": "m", "CheckoutRequestID": "c", "ResponseCode": "0" })).into_response()
            }
        }
    }

    async fn start(mood: Mood) -> (Mpesa, Arc<Server>) {
        let server = Arc::new(Server { mood, tokens: AtomicUsize::new(0), pushes: AtomicUsize::new(0) });
        let routes = Router::new()
            .route("/oauth/v1/generate", get(token))
            .route("/mpesa/stkpush/v1/processrequest", post(push))
            .with_state(Arc::clone(&server));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("bound"));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (mpesa(&base, 2000), server)
    }

    fn mpesa(base: &str, timeout_ms: u64) -> Mpesa {
        let settings = json!({ "base_url": base, "consumer_key": "k", "consumer_secret": "s", "shortcode": "174379",
                               "passkey": "key", "timeout_ms": timeout_ms });
        let settings: config::Mpesa = serde_json::from_value(settings).expect("a valid section");
        Mpesa::new(&settings, Clock::system()).expect("http")
    }

    async fn ask(mpesa: &Mpesa) -> Push {
        let phone: Phone = "0712345678".parse().expect("a phone");
        let prompt = Prompt {
            phone: &phone,
            amount: Money::kes(2000),
            reference: "AB12CD34",
            description: "1 hour",
            callback: "http://127.0.0.1/x",
        };
        mpesa.push(&prompt).await
    }

    fn prompted() -> Push {
        Push::Prompted { merchant_request_id: "m".into(), checkout_request_id: "c".into() }
    }

    #[tokio::test]
    async fn many_at_once_fetch_one_token() {
        let (mpesa, server) = start(Mood::Well).await;
        let all = futures::future::join_all((0..8).map(|_| ask(&mpesa))).await;
        assert!(all.iter().all(|push| *push == prompted()));
        assert_eq!(server.tokens.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_refused_token_is_renewed_once() {
        let (mpesa, server) = start(Mood::FirstTokenRefused).await;
        assert_eq!(ask(&mpesa).await, prompted());
        assert_eq!((server.tokens.load(Ordering::SeqCst), server.pushes.load(Ordering::SeqCst)), (2, 2));
        let (mpesa, server) = start(Mood::EveryTokenRefused).await;
        assert_eq!(ask(&mpesa).await, Push::Refused(Refusal::Credentials));
        assert_eq!((server.tokens.load(Ordering::SeqCst), server.pushes.load(Ordering::SeqCst)), (2, 2));
    }

    #[tokio::test]
    async fn a_firewalls_page_and_silence_are_no_answer_and_are_not_repeated() {
        let (mpesa, server) = start(Mood::Firewall).await;
        assert_eq!(ask(&mpesa).await, Push::Unknown(Unheard::NotJson(200)));
        assert_eq!(server.pushes.load(Ordering::SeqCst), 1);
        let (mut mpesa, server) = start(Mood::Silent).await;
        let base = mpesa.settings.base_url.to_string();
        mpesa = self::mpesa(&base, 200);
        assert_eq!(ask(&mpesa).await, Push::Unknown(Unheard::TimedOut));
        assert_eq!(server.pushes.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn what_fails_before_the_push_asked_no_phone() {
        let (mpesa, server) = start(Mood::NoToken).await;
        assert_eq!(ask(&mpesa).await, Push::Refused(Refusal::Credentials));
        assert_eq!(server.pushes.load(Ordering::SeqCst), 0);
        let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
        assert_eq!(ask(&self::mpesa(&format!("http://{closed}"), 1000)).await, Push::Refused(Refusal::Unreachable));
    }

    #[test]
    fn questions_follow_the_schedule_and_the_last_delay_repeats() {
        let mpesa = mpesa("https://127.0.0.1", 1000);
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).expect("in range");
        let next = |asked, now| mpesa.next_query(at(0), asked, at(now)).unix_timestamp();
        assert_eq!((next(0, 1), next(1, 8), next(6, 301)), (8, 15, 3600));
        assert_eq!(next(7, 3600), 7200);
        assert_eq!(next(0, 100), 101, "never in the past");
    }
}
