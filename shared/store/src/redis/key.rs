//! Every key in Redis and its lifetime, in one place, so that nothing is kept by accident.

/// A web session of the desk: `<prefix>:web-session:{<id>}`, lives as long as the session's own expiry.
pub(crate) fn web_session(prefix: &str, id: &str) -> String {
    format!("{prefix}:web-session:{{{id}}}")
}

/// Wrong guesses of one who guesses: `<prefix>:guesses:{<digest>}`, lives as long as guesses are added up.
pub(crate) fn guesses(prefix: &str, digest: &str) -> String {
    format!("{prefix}:guesses:{{{digest}}}")
}

/// What is locked, a sorted set by the end of it: `<prefix>:locks`. Its members go when they are over.
pub(crate) fn locks(prefix: &str) -> String {
    format!("{prefix}:locks")
}
