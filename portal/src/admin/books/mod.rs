//! `/admin/books`: what an accountant reads and does.
//!
//! * [`programs`] – the accountants' programs: connecting a company, and ending it.

pub(in crate::admin) mod programs;
