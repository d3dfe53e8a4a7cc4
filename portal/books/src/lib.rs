//! The operator's bookkeeping elsewhere: what is told to an accountant's program, and how each of them wants to hear it.
//!
//! ```text
//!  tax         what of a price is value added tax
//!  number      the names of documents, the same whenever they are made
//!  posting     a document as every program understands it            ─┐
//!  connector   what all programs have in common, as one trait         ├─► quickbooks, xero, zoho: a file a program
//!  grant       how the operator lets us in, and how that is kept up   │
//!  http        one request, one answer, within bounds                ─┘
//!  statement   what a provider or a bank says that it did
//!  etims       what the Kenya Revenue Authority wants to know of a sale
//! ```
//!
//! No database, no clock, no randomness: what is decided here is decided from what is handed in. What is to be told, when, and what became
//! of it is the business of the portal and of `store::books`.

pub mod connector;
pub mod etims;
pub mod grant;
mod http;
pub mod number;
pub mod posting;
pub mod quickbooks;
pub mod statement;
pub mod tax;
pub mod xero;
pub mod zoho;
