//! The router's state as JSON, for `/sim/state`.

use std::time::Duration;

use radius_proto::attribute::rfc2866::acct_terminate_cause;
use serde_json::{Value, json};

use super::journal::{Delivery, Entry, ReportKind};
use super::router::Router;
use super::session::Session;

/// Most reports that `/sim/state` lists; the journal of the library has all.
const RECENT: usize = 20;

/// Everything, but only the latest reports.
pub(crate) fn state(router: &Router, identity: &str, now: Duration) -> Value {
    let hosts: Vec<Value> = router
        .hosts()
        .map(|(mac, host)| json!({ "mac": mac, "ip": host.ip, "logged_in": router.session(mac).is_some() }))
        .collect();
    let sessions: Vec<Value> = router.sessions().map(|session| of_session(session, now)).collect();
    let entries = router.journal().entries();
    let recent: Vec<Value> = entries.iter().rev().take(RECENT).map(of_entry).collect();
    let count = |delivery| entries.iter().filter(|entry| entry.delivery == delivery).count();
    json!({
        "identity": identity,
        "uptime_seconds": now.as_secs(),
        "boot": router.boot(),
        "hosts": hosts,
        "sessions": sessions,
        "radius": router.stats(),
        "journal": {
            "reports": entries.len(),
            "pending": count(Delivery::Pending),
            "acknowledged": count(Delivery::Acknowledged),
            "dropped": count(Delivery::Dropped),
            "recent": recent,
        },
    })
}

/// One session.
pub(crate) fn of_session(session: &Session, now: Duration) -> Value {
    let usage = session.usage(now);
    json!({
        "session_id": session.session_id(),
        "user": session.user,
        "mac": session.mac,
        "ip": session.ip,
        "login_by": session.method.word(),
        "uptime_seconds": usage.seconds,
        "time_left_seconds": session.time_left(now).map(|left| left.as_secs()),
        "bytes_up": usage.up,
        "bytes_down": usage.down,
        "bytes_left": session.bytes_left(),
        "terms": session.terms,
        "speeds": session.terms.speeds(),
    })
}

fn of_entry(entry: &Entry) -> Value {
    let (kind, cause) = match entry.kind {
        ReportKind::AccountingOn => ("accounting-on", None),
        ReportKind::Start => ("start", None),
        ReportKind::InterimUpdate => ("interim-update", None),
        ReportKind::Stop(cause) => ("stop", acct_terminate_cause::name(cause)),
    };
    json!({
        "at_seconds": entry.at.as_secs_f64(),
        "kind": kind,
        "cause": cause,
        "session_id": entry.session_id,
        "user": entry.user,
        "bytes_up": entry.usage.up,
        "bytes_down": entry.usage.down,
        "transmissions": entry.transmissions,
        "delivery": entry.delivery,
    })
}
