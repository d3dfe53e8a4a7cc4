//! Every key in Redis and its lifetime, in one place, so that nothing is kept by accident.

/// A session of the desk: `<prefix>:staff-session:{<digest>}`, lives as long as it may rest, and no longer than it may last.
pub(crate) fn staff_session(prefix: &str, digest: &str) -> String {
    format!("{prefix}:staff-session:{{{digest}}}")
}

/// The digests of the sessions of a member of staff: `<prefix>:staff-sessions:{<admin>}`, lives longer than any of them.
pub(crate) fn staff_sessions(prefix: &str, admin: uuid::Uuid) -> String {
    format!("{prefix}:staff-sessions:{{{admin}}}")
}

/// Wrong guesses of one who guesses: `<prefix>:guesses:{<digest>}`, lives as long as guesses are added up.
pub(crate) fn guesses(prefix: &str, digest: &str) -> String {
    format!("{prefix}:guesses:{{{digest}}}")
}

/// What is locked, a sorted set by the end of it: `<prefix>:locks`. Its members go when they are over.
pub(crate) fn locks(prefix: &str) -> String {
    format!("{prefix}:locks")
}

/// A code that waits to be typed: `<prefix>:code:{<request>}`, lives as long as it may be typed.
pub(crate) fn code(prefix: &str, request: &str) -> String {
    format!("{prefix}:code:{{{request}}}")
}

/// A screen that shows a code: `<prefix>:screen:{<digest of the code>}`, lives as long as the code may be typed.
pub(crate) fn screen(prefix: &str, digest: &str) -> String {
    format!("{prefix}:screen:{{{digest}}}")
}

/// What was begun at an accountant's program: `<prefix>:grant:{<digest>}`, lives as long as one may come back with it.
pub(crate) fn grant(prefix: &str, digest: &str) -> String {
    format!("{prefix}:grant:{{{digest}}}")
}

/// Tries of one name: `<prefix>:tries:{<name>}`, lives as long as they are added up.
pub(crate) fn tries(prefix: &str, name: &str) -> String {
    format!("{prefix}:tries:{{{name}}}")
}

/// A customer's session: `<prefix>:customer-session:{<digest>}`, lives as long as it may rest.
pub(crate) fn customer_session(prefix: &str, digest: &str) -> String {
    format!("{prefix}:customer-session:{{{digest}}}")
}

/// The digests of a customer's sessions: `<prefix>:customer-sessions:{<user>}`, lives as long as the one that began last may rest.
pub(crate) fn customer_sessions(prefix: &str, user: uuid::Uuid) -> String {
    format!("{prefix}:customer-sessions:{{{user}}}")
}
