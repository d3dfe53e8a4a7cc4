//! Keeps the name of a request on what is done for it, in the log ([`tracing`]'s spans) and in what is written down for later
//! ([`store::trace`]): beside the answer, after it, and by jobs.
//!
//! A task that is spawned knows nothing of the one that has spawned it, so whoever spawns one for a request wraps it in [`carried`].

use shared::request::RequestId;
use tracing::Instrument as _;

/// Work that goes on beside the request that it is for, or after its answer.
pub(crate) fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    store::trace::scope(store::trace::current(), work).in_current_span()
}

/// Work of a job on what that request has left behind; `None`: on what no request has.
pub(crate) fn followed<F: Future>(
    job: &'static str,
    request: Option<RequestId>,
    work: F,
) -> impl Future<Output = F::Output> {
    let span = tracing::info_span!("job", job, request = request.map(tracing::field::display));
    store::trace::scope(request, work).instrument(span)
}
