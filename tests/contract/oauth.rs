//! Getting and renewing what lets us into accountants' programs. oauth2-mock-server gives out tokens as RFC 6749 says it; what it cannot,
//! refresh tokens that are good once and an issuer that lets us in no more, is WireMock's, by the documents of the three.

use books::connector::Trouble;
use books::grant::{Grant, Issuer};
use reqwest::StatusCode;
use serde_json::{Value, json};
use url::Url;

use crate::fake::{self, Fake};

/// The three, as their issuer is at `base`.
fn issuers(base: &str) -> [Issuer; 3] {
    let app = json!({ "client_id": "app", "client_secret": "hunter2", "timeout_ms": 5000 });
    let with = |more: Value| {
        let mut section = app.clone();
        section.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        section
    };
    let at = |path: &str| format!("{base}{path}");
    let urls = json!({ "authorize_url": at("/authorize"), "token_url": at("/token"), "revoke_url": at("/revoke") });
    let quickbooks = serde_json::from_value(with(urls.clone())).expect("a valid section");
    let xero = serde_json::from_value(with(urls)).expect("a valid section");
    let zoho = serde_json::from_value(with(json!({ "accounts_url": base }))).expect("a valid section");
    [
        Issuer::quickbooks(&quickbooks).expect("a client"),
        Issuer::xero(&xero).expect("a client"),
        Issuer::zoho(&zoho).expect("a client"),
    ]
}

fn back() -> Url {
    Url::parse("http://127.0.0.1/admin/books/programs/xero/back").expect("a URL")
}

fn is_token(grant: &Grant) -> bool {
    grant.access.split('.').count() == 3 && grant.access_lasts.as_secs() == 3600
}

#[tokio::test]
async fn a_code_becomes_tokens_and_they_are_renewed() {
    let Some(program) = fake::program("MLANGO_OAUTH2") else { return };
    let fake = Fake::oauth2(&program).await;
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let [quickbooks, xero, _] = issuers(fake.base());
    for issuer in [quickbooks, xero] {
        // The operator says yes.
        let asked = issuer.authorize_url(&back(), "a-state");
        let answer = browser.get(asked).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::FOUND);
        let there = Url::parse(answer.headers()["location"].to_str().expect("plain")).expect("a URL");
        let came: std::collections::BTreeMap<String, String> = there.query_pairs().into_owned().collect();
        assert_eq!(came["state"], "a-state");
        let first = issuer.exchange(&came["code"], &back(), None).await.expect("tokens");
        assert!(is_token(&first), "{first:?}");
        let second = issuer.refresh(first.refresh.as_deref().expect("a refresh token"), None).await.expect("tokens");
        assert!(is_token(&second) && second.refresh != first.refresh, "{second:?}");
        issuer.revoke(second.refresh.as_deref().expect("a refresh token"), None).await.expect("an answer");
    }
}

/// WireMock as an issuer.
struct Stubbed {
    wiremock: Fake,
    http: reqwest::Client,
}

impl Stubbed {
    async fn start(program: &std::ffi::OsStr) -> Stubbed {
        Stubbed { wiremock: Fake::wiremock(program).await, http: reqwest::Client::new() }
    }

    async fn stub(&self, stub: Value) {
        let answer = self.http.post(self.wiremock.at("/__admin/mappings")).json(&stub).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::CREATED, "{stub}");
    }
}

#[tokio::test]
async fn a_refresh_token_that_is_good_once_is_good_once() {
    let Some(program) = fake::program("MLANGO_WIREMOCK") else { return };
    let stubbed = Stubbed::start(&program).await;
    let with = |token: &str| {
        json!({
            "method": "POST", "urlPath": "/token",
            "basicAuthCredentials": { "username": "app", "password": "hunter2" },
            "bodyPatterns": [{ "contains": "grant_type=refresh_token" }, { "contains": format!("refresh_token={token}") }],
        })
    };
    for (token, next, state, then) in [("one", "two", "Started", "used one"), ("two", "three", "used one", "used two")]
    {
        let body = json!({ "token_type": "Bearer", "access_token": format!("access-{next}"), "refresh_token": next, "expires_in": 1800 });
        stubbed
            .stub(json!({
                "scenarioName": "rotation", "requiredScenarioState": state, "newScenarioState": then,
                "request": with(token), "response": { "status": 200, "jsonBody": body },
            }))
            .await;
    }
    let gone = json!({ "status": 400, "jsonBody": { "error": "invalid_grant" } });
    let any = json!({ "method": "POST", "urlPath": "/token" });
    stubbed.stub(json!({ "priority": 10, "request": any, "response": gone })).await;

    let [_, xero, _] = issuers(stubbed.wiremock.base());
    let first = xero.refresh("one", None).await.expect("tokens");
    assert_eq!((first.access.as_str(), first.refresh.as_deref()), ("access-two", Some("two")));
    assert!(matches!(xero.refresh("one", None).await, Err(Trouble::Reconnect(_))), "it is used up");
    let second = xero.refresh("two", None).await.expect("tokens");
    assert_eq!(second.refresh.as_deref(), Some("three"));
}

#[tokio::test]
async fn what_an_issuer_says_decides_and_nothing_else() {
    let Some(program) = fake::program("MLANGO_WIREMOCK") else { return };
    let stubbed = Stubbed::start(&program).await;
    for (token, response) in [
        ("gone", json!({ "status": 200, "jsonBody": { "error": "invalid_code" } })),
        ("app", json!({ "status": 200, "jsonBody": { "error": "invalid_client" } })),
        (
            "often",
            json!({ "status": 400, "jsonBody": { "error": "Access Denied", "error_description": "too many requests" } }),
        ),
        ("page", json!({ "status": 502, "body": "<html>Bad gateway</html>" })),
        ("broken", json!({ "fault": "CONNECTION_RESET_BY_PEER" })),
        (
            "good",
            json!({ "status": 200, "jsonBody": {
                "access_token": "at", "api_domain": "https://www.zohoapis.eu", "token_type": "Bearer", "expires_in": 3600,
            } }),
        ),
    ] {
        let holds = [format!("refresh_token={token}"), "client_id=app".to_owned(), "client_secret=hunter2".to_owned()];
        let patterns: Vec<Value> = holds.iter().map(|text| json!({ "contains": text })).collect();
        let request = json!({ "method": "POST", "urlPath": "/oauth/v2/token", "bodyPatterns": patterns });
        stubbed.stub(json!({ "request": request, "response": response })).await;
    }
    let [_, _, zoho] = issuers(stubbed.wiremock.base());
    assert!(matches!(zoho.refresh("gone", None).await, Err(Trouble::Reconnect(_))), "with HTTP 200, too");
    assert!(matches!(zoho.refresh("app", None).await, Err(Trouble::Away(_))));
    assert_eq!(zoho.refresh("often", None).await, Err(Trouble::TooMany { wait: None, is_daily: false }));
    for unheard in ["page", "broken"] {
        assert!(matches!(zoho.refresh(unheard, None).await, Err(Trouble::Unknown(_))), "{unheard}");
    }
    let good = zoho.refresh("good", None).await.expect("tokens");
    assert_eq!((good.refresh, good.base.map(String::from)), (None, Some("https://www.zohoapis.eu/".to_owned())));
}
