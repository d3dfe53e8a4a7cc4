//! Which request it is that something is done for.
//!
//! The portal runs a request, and a job on what a request has left behind, in a [`scope`]. A transaction that is begun meanwhile tells
//! the database the request's name (`SET LOCAL`, which also a pooler lets through and which ends with the transaction), and the database
//! writes it beside what is to be done later: a column `trace` has it by default, in whatever statement, function or trigger the row is
//! made. Whoever takes such a row up opens a scope of its name, so that it goes on to what follows.
//!
//! It is for the logs alone: nothing is decided by it.

use shared::request::RequestId;
use uuid::Uuid;

tokio::task_local! {
    static TRACE: Option<RequestId>;
}

/// Does this work for that request, or for none. A task that it starts knows nothing of it.
pub fn scope<F: Future>(request: Option<RequestId>, work: F) -> impl Future<Output = F::Output> {
    TRACE.scope(request, work)
}

/// For which request it is that this task works.
pub fn current() -> Option<RequestId> {
    TRACE.try_with(|request| *request).ok().flatten()
}

/// The same as it stands in a column.
pub(crate) fn column() -> Option<Uuid> {
    current().map(RequestId::uuid)
}

/// What begins a transaction after the word BEGIN, so that the rows which it makes have that name.
pub(crate) fn setting(request: RequestId) -> String {
    // The name is hexadecimal digits: there is nothing in it to quote.
    format!("SET LOCAL mlango.trace = '{request}'")
}

#[cfg(test)]
mod tests {
    use shared::time::OffsetDateTime;

    use super::*;

    #[tokio::test]
    async fn a_scope_is_known_within_it_and_not_beside_it() {
        let request = RequestId::new(OffsetDateTime::UNIX_EPOCH);
        assert_eq!(current(), None);
        let (within, deeper) =
            scope(Some(request), async { (current(), scope(None, async { current() }).await) }).await;
        assert_eq!((within, deeper), (Some(request), None));
        assert_eq!(current(), None);
        assert_eq!(setting(request), format!("SET LOCAL mlango.trace = '{request}'"));
    }
}
