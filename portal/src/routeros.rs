//! How a router fares, by its own word: three questions to the REST API of RouterOS 7, asked when somebody looks at its page.
//!
//! | question | answer |
//! |---|---|
//! | `GET /rest/system/resource` | an object: version, board-name, uptime, cpu-load, free-memory, total-memory |
//! | `GET /rest/system/clock` | an object: date, time, gmt-offset |
//! | `GET /rest/system/health` | an array of objects: name, value, type; empty where the board measures nothing |
//!
//! All values are strings. What is left out is not known, and what is no such answer is said to be none. The three are asked together
//! and waited for a few seconds: the page does not hang on a router. As in radiusd, the password goes to the registered address alone:
//! no redirect is followed and no proxy is asked.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use reqwest::{Certificate, Client, StatusCode, redirect};
use serde::de::DeserializeOwned;
use shared::time::OffsetDateTime;
use store::nas::Rest;

use crate::onboarding;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// Longest wait for an answer, the connection included.
const ANSWER: Duration = Duration::from_secs(3);
/// Largest answer that is read, octets.
const ANSWER_LIMIT: usize = 64 * 1024;
/// Most readings of a board that are shown.
const READINGS: usize = 20;

/// An object as RouterOS writes it.
type Fields = BTreeMap<String, String>;

/// Why nothing is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// No answer in time, or no way there.
    #[error("it does not answer")]
    Silent,
    /// The user or the password is wrong, or that user may not read.
    #[error("it refuses our user and password")]
    Refused,
    /// What answers there is not what is expected.
    #[error("what answers there is no REST API of RouterOS 7")]
    Unreadable,
    /// No client could be made.
    #[error("the authorities of radius.routeros_ca_file cannot be read")]
    Setup,
}

/// What a router says. What it leaves out is empty.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Health {
    pub(crate) version: String,
    pub(crate) board: String,
    pub(crate) uptime: String,
    /// Percent.
    pub(crate) cpu_load: Option<u32>,
    /// Octets: free, and in all.
    pub(crate) memory: Option<(u64, u64)>,
    /// Seconds that its clock is ahead of ours.
    pub(crate) clock_ahead_seconds: Option<i64>,
    /// What the board measures, with its unit.
    pub(crate) readings: Vec<(String, String)>,
}

/// Asks a router.
pub(crate) async fn health(rest: &Rest, ca_file: Option<&Path>, now: OffsetDateTime) -> Result<Health, Failure> {
    let client = client(ca_file).map_err(|_| Failure::Setup)?;
    let (resource, clock, health) = tokio::join!(
        ask::<Fields>(&client, rest, "system/resource"),
        ask::<Fields>(&client, rest, "system/clock"),
        ask::<Vec<Fields>>(&client, rest, "system/health"),
    );
    // A board that measures nothing may have no such menu, and a clock alone is no reason to say nothing.
    Ok(read(&resource?, &clock.unwrap_or_default(), &health.unwrap_or_default(), now))
}

fn client(ca_file: Option<&Path>) -> anyhow::Result<Client> {
    let builder =
        || Client::builder().connect_timeout(CONNECT).timeout(ANSWER).redirect(redirect::Policy::none()).no_proxy();
    if let Some(path) = ca_file {
        let authorities = Certificate::from_pem_bundle(&std::fs::read(path)?)?;
        return Ok(builder().tls_certs_only(authorities).build()?);
    }
    // A machine that trusts no authorities can still ask in the tunnel, which is http.
    Ok(builder().build().or_else(|_| builder().tls_certs_only([]).build())?)
}

async fn ask<T: DeserializeOwned>(client: &Client, rest: &Rest, what: &str) -> Result<T, Failure> {
    let request = client
        .get(format!("{}/rest/{what}", rest.url))
        .basic_auth(&rest.user, Some(rest.password.as_str()))
        .send()
        .await;
    let response = request.map_err(|_| Failure::Silent)?;
    match response.status() {
        status if status.is_success() => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(Failure::Refused),
        _ => return Err(Failure::Unreadable),
    }
    let body = outgoing::body(response, ANSWER_LIMIT).await.map_err(|_| Failure::Silent)?;
    serde_json::from_slice(&body).map_err(|_| Failure::Unreadable)
}

fn read(resource: &Fields, clock: &Fields, health: &[Fields], now: OffsetDateTime) -> Health {
    let text = |name: &str| resource.get(name).cloned().unwrap_or_default();
    let number = |name: &str| resource.get(name).and_then(|text| text.parse::<u64>().ok());
    let moment = match (clock.get("date"), clock.get("time"), clock.get("gmt-offset")) {
        (Some(date), Some(time), Some(offset)) => onboarding::moment(date, time, offset),
        _ => None,
    };
    let reading = |fields: &Fields| {
        let unit = fields.get("type").map(String::as_str).unwrap_or_default();
        Some((fields.get("name")?.clone(), format!("{} {unit}", fields.get("value")?).trim().to_owned()))
    };
    Health {
        version: text("version"),
        board: text("board-name"),
        uptime: text("uptime"),
        cpu_load: number("cpu-load").and_then(|load| u32::try_from(load).ok()),
        memory: number("free-memory").zip(number("total-memory")),
        clock_ahead_seconds: moment.map(|moment| (moment - now).whole_seconds()),
        readings: health.iter().filter_map(reading).take(READINGS).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: &str) -> Fields {
        serde_json::from_str(json).expect("strings alone")
    }

    #[test]
    fn what_a_router_says_is_read_from_its_strings() {
        let resource = r#"{"version":"7.15.3 (stable)","board-name":"hEX lite","uptime":"1w2d3h4m5s","cpu-load":"7","free-memory":"20971520","total-memory":"67108864"}"#;
        let clock =
            r#"{"date":"1970-01-01","time":"03:01:00","gmt-offset":"+03:00","time-zone-name":"Africa/Nairobi"}"#;
        let health =
            [fields(r#"{".id":"*D","name":"temperature","type":"C","value":"45"}"#), fields(r#"{"name":"x"}"#)];
        let read = read(&fields(resource), &fields(clock), &health, OffsetDateTime::UNIX_EPOCH);
        assert_eq!((read.cpu_load, read.memory), (Some(7), Some((20_971_520, 67_108_864))));
        assert_eq!((read.clock_ahead_seconds, read.uptime.as_str()), (Some(60), "1w2d3h4m5s"));
        assert_eq!(read.readings, [("temperature".to_owned(), "45 C".to_owned())]);
    }

    #[test]
    fn what_is_left_out_is_not_known_and_a_number_is_no_string() {
        let nothing = read(&Fields::new(), &Fields::new(), &[], OffsetDateTime::UNIX_EPOCH);
        assert_eq!(nothing, Health::default());
        assert!(serde_json::from_str::<Fields>(r#"{"cpu-load":7}"#).is_err());
    }
}
