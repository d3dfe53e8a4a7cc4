//! Keeps a report as it came, before anyone looks at it: the part that all of M-Pesa's addresses share.
//!
//! A report that cannot be kept is not acknowledged: a provider that repeats will repeat it, and one that does not is asked.

use std::net::IpAddr;

use axum::http::{HeaderMap, StatusCode};
use store::payment::{self, RawEvent};
use uuid::Uuid;

use super::source::{self, Standing};
use super::{STORE_WITHIN, kept};
use crate::App;

/// What becomes of a report from an address that is refused, in the store.
const BAD_SOURCE: &str = "bad_source";

/// A report at an address that we gave out.
pub(super) struct Report<'a> {
    /// Who reports, and what, in the store and in the metrics.
    pub(super) provider: &'a str,
    /// The payment whose address it is.
    pub(super) payment: Option<Uuid>,
    /// The request whose address it is.
    pub(super) request: Option<Uuid>,
    /// Whether somebody is to work on it.
    pub(super) is_work: bool,
    /// From where it comes.
    pub(super) source: IpAddr,
    /// Its headers.
    pub(super) headers: &'a HeaderMap,
    /// Its body.
    pub(super) body: &'a [u8],
}

/// Keeps a report and has it worked on. Returns its identity, or what to answer instead of thanks.
pub(super) async fn keep(app: &App, report: Report<'_>) -> Result<Uuid, StatusCode> {
    let provider = report.provider;
    let count = |result| app.metrics.callbacks.with_label_values(&[provider, result]).inc();
    let is_refused = source::look(app, provider, report.source) == Standing::Refused;
    let headers = kept(report.headers);
    let event = RawEvent {
        provider,
        payment: report.payment,
        // M-Pesa gives its reports no names: one that comes twice is stored twice, and found out when it is worked on.
        external_id: None,
        request: report.request,
        is_work: report.is_work && !is_refused,
        source: Some(report.source),
        headers: &headers,
        body: report.body,
    };
    let now = app.clock.now();
    let storing = async {
        let id = payment::store_event(&app.db, &event, now).await?;
        if let (true, Some(id)) = (is_refused, id) {
            payment::finish_event(&app.db, id, BAD_SOURCE, now).await?;
        }
        Ok::<_, store::StoreError>(id)
    };
    match tokio::time::timeout(STORE_WITHIN, storing).await {
        Ok(Ok(_)) if is_refused => Err(StatusCode::FORBIDDEN),
        // Without a name, none was stored before.
        Ok(Ok(None)) => Err(StatusCode::SERVICE_UNAVAILABLE),
        Ok(Ok(Some(id))) => {
            count("accepted");
            tracing::info!(provider, event = %id, payment = ?report.payment, "a payment report came");
            if report.is_work {
                app.events_wait.notify_one();
            }
            Ok(id)
        }
        Ok(Err(error)) => {
            count("not_stored");
            tracing::error!(provider, payment = ?report.payment, %error, "a payment report could not be stored");
            Err(StatusCode::SERVICE_UNAVAILABLE)
        }
        Err(_) => {
            count("not_stored");
            tracing::error!(provider, payment = ?report.payment, "a payment report could not be stored in time");
            Err(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

/// Says that somebody reports to an address that we did not give out.
pub(super) fn bad_token(app: &App, provider: &str, source: IpAddr, octets: usize) -> StatusCode {
    app.metrics.callbacks.with_label_values(&[provider, "bad_token"]).inc();
    tracing::warn!(%source, provider, octets, "a payment report came to an address that we did not give out");
    StatusCode::NOT_FOUND
}
