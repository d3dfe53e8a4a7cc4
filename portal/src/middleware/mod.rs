//! What every answer has, whoever made it: a request id, a duration and a size in the metrics, headers that keep
//! browsers strict ([`headers`]), a language ([`language`]), and a page instead of a bare status where a handler gave up ([`problem`]).
//!
//! Nothing here reads a body or decides who may do what.

pub(crate) mod client;
pub(crate) mod headers;
pub(crate) mod language;
pub(crate) mod observe;
pub(crate) mod problem;
