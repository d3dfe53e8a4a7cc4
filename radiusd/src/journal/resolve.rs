//! The identity of sessions that a router reports without our ticket: one that is known already, or a new one.
//!
//! All records of such a session go to one writer, one after the other, so a session that is not found is new.

use std::time::Duration;

use shared::rng;
use store::accounting::{self, Report, START_WINDOW_SECONDS, SessionKey};
use store::{Db, StoreError};

use super::Job;

/// Gives every record of the batch its session's key.
pub(super) async fn identities(db: &Db, batch: &mut [Job]) -> Result<(), StoreError> {
    let mut found: Vec<(Report, SessionKey)> = Vec::new();
    for job in batch.iter_mut().filter(|job| !job.ticket && job.report.session.id.is_nil()) {
        let report = &mut job.report;
        let known = found.iter().find(|(other, _)| is_same_session(other, report)).map(|(_, key)| *key);
        let key = match known {
            Some(key) => key,
            None => accounting::find_session(db, report).await?.unwrap_or_else(|| new_key(report)),
        };
        if known.is_none() {
            found.push((report.clone(), key));
        }
        report.session = key;
    }
    Ok(())
}

fn new_key(report: &Report) -> SessionKey {
    let started = report.at - Duration::from_secs(report.seconds);
    SessionKey { id: rng::id(started), opened_on: started.date() }
}

/// The rule of [`accounting::find_session`], for two records of one batch.
fn is_same_session(one: &Report, other: &Report) -> bool {
    let started = |report: &Report| report.at - Duration::from_secs(report.seconds);
    let apart = (started(one) - started(other)).as_seconds_f64().abs();
    one.nas == other.nas
        && one.acct_session_id == other.acct_session_id
        && one.user_name == other.user_name
        && one.mac == other.mac
        && apart < START_WINDOW_SECONDS
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::time::OffsetDateTime;
    use store::accounting::Event;
    use uuid::Uuid;

    fn report(at: i64, seconds: u64) -> Report {
        Report {
            session: SessionKey { id: Uuid::nil(), opened_on: OffsetDateTime::UNIX_EPOCH.date() },
            nas: Uuid::from_u128(1),
            nas_address: None,
            entitlement: None,
            user_name: "u".into(),
            mac: None,
            framed_ip: None,
            acct_session_id: "80100001".into(),
            event: Event::Interim,
            seconds,
            input_octets: 0,
            output_octets: 0,
            terminate_cause: None,
            at: OffsetDateTime::from_unix_timestamp(at).expect("in range"),
        }
    }

    #[test]
    fn a_session_id_that_is_used_again_is_another_session() {
        assert!(is_same_session(&report(1000, 0), &report(1600, 599)));
        assert!(!is_same_session(&report(1000, 0), &report(5000, 0)));
    }
}
