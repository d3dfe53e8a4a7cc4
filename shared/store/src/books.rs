//! Days that are closed, and what is told to accountants' programs.
//!
//! A closed day is never changed: what comes later goes to the next open day, and what was wrong is reversed there. Whatever is told to a
//! program is a row first, and what became of it is known or looked for before it is told again.
//!
//! ```text
//!  cash      vouchers sold, used and undone, and cash handed over ─► the ledger
//!  day       when a day is closed, in which order, and which are    ─┐
//!  closing   what it takes of the ledger, and what it makes of it    ├─► document, which others read
//!  tax       what of it is value added tax                          ─┘
//! ```

pub mod cash;
mod closing;
pub mod connection;
pub mod day;
pub mod document;
pub mod line;
pub mod tax;

pub mod call;
pub mod comparison;
pub mod mapping;
pub mod posting;

pub mod statement;
pub mod etims;
pub mod line;
pub mod receipt;
