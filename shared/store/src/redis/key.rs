//! Every key in Redis and its lifetime, in one place, so that nothing is kept by accident.

/// A web session of the desk: `<prefix>:web-session:{<id>}`, lives as long as the session's own expiry.
pub(crate) fn web_session(prefix: &str, id: &str) -> String {
    format!("{prefix}:web-session:{{{id}}}")
}
