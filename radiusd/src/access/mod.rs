//! Access-Request: who asks, with what proof, and what memory says to it.
//!
//! [`login`] reads what a login is made of, [`service`] which part of the router asks; [`judge()`] says what memory makes
//! of it. None of them waits.

mod eap;
mod judge;
mod login;
mod ms_chap;
mod service;
#[cfg(test)]
mod tests;

pub(crate) use eap::put_failure as put_eap_failure;
pub use judge::{Granted, Memory, Verdict, judge};
pub(crate) use judge::{MAX_LOOKUPS, is_known, look_up};
pub use login::{Login, Scratch, Unreadable};
pub(crate) use ms_chap::put_refusal;
pub use service::Service;
