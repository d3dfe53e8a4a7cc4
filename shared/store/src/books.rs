//! Days that are closed, and what is told to accountants' programs.
//!
//! A closed day is never changed: what comes later goes to the next open day, and what was wrong is reversed there. Whatever is told to a
//! program is a row first, and what became of it is known or looked for before it is told again.
//!
//! ```text
//!  cash        vouchers sold, used and undone, and cash handed over ─► the ledger
//!  day         when a day is closed, in which order, and which are    ─┐
//!  closing     what it takes of the ledger, and what it makes of it    ├─► document, which others read; line, all lines of a time
//!  tax         what of it is value added tax                          ─┘
//!  connection  a company in an accountant's program, and what lets us in
//!  mapping     what the operator chose there for something of ours
//!  posting     a document on its way there; call: how often it was asked
//!  comparison  both sides, held against each other
//!  statement   what providers and banks say that they did
//!  etims       what the tax authority signs; receipt: what a customer has in hand
//! ```

pub mod call;
pub mod cash;
mod closing;
pub mod comparison;
pub mod connection;
pub mod day;
pub mod document;
pub mod etims;
pub mod line;
pub mod mapping;
pub mod posting;
pub mod receipt;
pub mod statement;
pub mod tax;
