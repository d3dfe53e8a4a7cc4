//! Telling other programs of what happens: Standard Webhooks 1.0, signed, tried again until it is taken.
//!
//! `store` has what is to be told, written in the transaction in which it happened; [`work`] tells one endpoint of one event and says
//! what that came to. Only 2xx means that it was taken. A receiver that answers 410 does not want to be told any more; one that takes
//! nothing for three days is told no more until somebody says otherwise. Where a request may go decides [`target`].
//!
//! Refused here: following a redirect, and keeping what a receiver answers.

pub(crate) mod target;

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use shared::rng;
use shared::time::rfc3339;
use store::StoreError;
use store::admin::Audit;
use store::webhook::{self, Due, Outcome};

use crate::App;
use crate::api::id::{Kind, spell};

/// Seconds from a try that failed to the next one. After the last it is given up.
const LADDER: [u64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

/// A secret as receivers want it.
pub(crate) fn spelled(secret: &[u8]) -> String {
    format!("whsec_{}", STANDARD.encode(secret))
}

/// Tells one endpoint of one event.
pub(crate) async fn work(app: &App, due: &Due) -> Result<(), StoreError> {
    let tried = attempt(app, due).await;
    let (now, result) = (app.clock.now(), tried.as_ref().map_or("failed", |_| "delivered"));
    app.metrics.outbox_deliveries.with_label_values(&["webhooks", result]).inc();
    let failure = match tried {
        Ok(status) => return webhook::delivered(&app.db, due.id, status, now).await,
        Err(failure) => failure,
    };
    let outcome = Outcome { status: failure.status, detail: &failure.detail };
    let next = LADDER.get(due.attempts as usize).filter(|_| failure.status != Some(410));
    if let Some(seconds) = next {
        let [dice] = rng::bytes::<1>();
        return webhook::again(&app.db, due.id, &outcome, now + pause(*seconds, dice), now).await;
    }
    let why = match failure.status {
        Some(410) => "the receiver answered 410: it does not want to be told any more",
        _ => "the receiver took nothing for three days",
    };
    webhook::failed(&app.db, due, &outcome, why, now).await?;
    let endpoint = spell(Kind::Endpoint, due.endpoint);
    tracing::error!(%endpoint, why, "a webhook endpoint is told of nothing more");
    let line = Audit { actor: "webhooks", action: "webhook.disable", object: &endpoint, address: None };
    store::admin::audit(&app.db, &line, now).await
}

/// So long, give or take a tenth, so that not all come back in one moment.
fn pause(seconds: u64, dice: u8) -> Duration {
    Duration::from_millis(seconds * (900 + u64::from(dice) * 200 / 255))
}

/// Why something is not delivered.
#[derive(Debug)]
struct Failure {
    status: Option<u16>,
    detail: String,
}

impl Failure {
    fn silent(detail: impl Into<String>) -> Failure {
        Failure { status: None, detail: detail.into() }
    }
}

/// One request. Returns the status with which it was taken.
async fn attempt(app: &App, due: &Due) -> Result<u16, Failure> {
    let api = &app.config.api;
    let url = target::read(&due.url, &api.webhook_networks).map_err(|refused| Failure::silent(refused.to_string()))?;
    let client = target::client(&url, &api.webhook_networks, api.webhook_timeout()).await;
    let client = client.map_err(|refused| Failure::silent(refused.to_string()))?;
    let body = body(due).to_string();
    let (id, now) = (spell(Kind::Event, due.event), app.clock.now().unix_timestamp());
    let request = client
        .post(url)
        .header("content-type", "application/json")
        .header("user-agent", concat!("Mlango/", env!("CARGO_PKG_VERSION")))
        .header("webhook-id", &id)
        .header("webhook-timestamp", now.to_string())
        .header("webhook-signature", signatures(&due.secrets, &id, now, &body))
        .body(body);
    match request.send().await {
        Ok(answer) if answer.status().is_success() => Ok(answer.status().as_u16()),
        Ok(answer) => {
            let status = answer.status().as_u16();
            Err(Failure { status: Some(status), detail: format!("the receiver answered {status}") })
        }
        // The address is the operator's own and holds no secret of ours, but a log is read by others.
        Err(error) => Err(Failure::silent(error.without_url().to_string())),
    }
}

/// What is told.
fn body(due: &Due) -> serde_json::Value {
    json!({ "type": due.kind, "timestamp": rfc3339(due.at), "data": due.data })
}

/// A signature by each secret, the present one first (Standard Webhooks 1.0, "Signature scheme").
fn signatures(secrets: &[Vec<u8>], id: &str, now: i64, body: &str) -> String {
    let text = format!("{id}.{now}.{body}");
    let sign = |secret: &Vec<u8>| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        format!("v1,{}", STANDARD.encode(hmac::sign(&key, text.as_bytes())))
    };
    secrets.iter().map(sign).collect::<Vec<String>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_is_what_the_standard_says() {
        // The example of the Standard Webhooks specification.
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64");
        let signed = signatures(
            std::slice::from_ref(&secret),
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            "{\"test\": 2432232314}",
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(spelled(&secret), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let both = signatures(&[vec![1; 32], secret], "msg_1", 1, "{}");
        assert_eq!((both.split(' ').count(), both.matches("v1,").count()), (2, 2));
    }

    #[test]
    fn the_ladder_goes_on_for_three_days_and_is_not_climbed_in_step() {
        let all: u64 = LADDER.iter().sum();
        assert!((72 * 3600..80 * 3600).contains(&all), "{all}");
        assert_eq!((pause(1000, 0), pause(1000, 255)), (Duration::from_secs(900), Duration::from_secs(1100)));
    }
}
