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
//!                                           ▲
//!  store::books::posting ──► translate ──► deliver       asking: counted, paced, renewed once
//!  store::books::comparison ─────────────► compare
//!                   translate ───────────► dry           the same, and nothing is told
//! ```

pub(crate) mod asking;
pub(crate) mod compare;
pub(crate) mod deliver;
pub(crate) mod dry;
pub(crate) mod translate;
//! The operator's books elsewhere: what is told to the tax authority ([`etims`]), and what a customer has in hand ([`receipt`]).

pub(crate) mod etims;
pub(crate) mod receipt;
