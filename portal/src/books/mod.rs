//! The operator's books in accountants' programs: who is asked, and what lets us in.
//!
//! ```text
//!  configuration ──► programs: the three, each with who gives out its tokens
//!                        │
//!  a connection ──► access: an entry ──► Connector (package `books`): tells, looks, undoes
//! ```
//!
//! What is told there and when is not decided here.

pub(crate) mod access;
pub(crate) mod programs;
