//! The operator's books elsewhere: who is asked and what lets us in, what is told and what became of it, what the tax authority signs, and what
//! a customer has in hand.
//!
//! ```text
//!  configuration ──► programs: the three, each with who gives out its tokens
//!                        │
//!  a connection ──► access: an entry ──► Connector (package `books`): tells, looks, undoes
//!                                           ▲
//!  store::books::posting ──► translate ──► deliver       asking: counted, paced, renewed once
//!  store::books::comparison ─────────────► compare
//!                   translate ───────────► dry           the same, and nothing is told
//!
//!  store::books::etims ──► etims ──► the tax authority        receipt: the operator, the tax and the signature, for a customer
//! ```

pub(crate) mod access;
pub(crate) mod asking;
pub(crate) mod compare;
pub(crate) mod deliver;
pub(crate) mod dry;
pub(crate) mod etims;
pub(crate) mod programs;
pub(crate) mod receipt;
pub(crate) mod translate;
