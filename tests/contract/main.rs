//! Our clients of other people's services, held against fakes and models that somebody else wrote, so that what both
//! ends of a test believe is not the same mistake twice.
//!
//! * [`stripe`]: requests against Stripe's own OpenAPI document (steady), reports signed by emulate and by localstripe,
//!   refunds and refusals by localstripe;
//! * [`twilio`]: requests against Twilio's own OpenAPI document (steady), sending and signed reports by emulate;
//! * [`daraja`]: our JSON against the models of mpesakit, its examples at our addresses, and WireMock as an M-Pesa that
//!   answers, calls back, or breaks the connection;
//! * [`xero`]: requests against Xero's own OpenAPI document (steady), and localstack-xero, which keeps what it is told;
//! * [`quickbooks`]: our bodies against the types of quickbooks-node-promise (the TypeScript compiler), and WireMock as a
//!   QuickBooks that takes, refuses, or breaks the connection;
//! * [`etims`]: invoices against a fake of the Kenya Revenue Authority that takes no number twice and none after a gap, and that breaks as
//!   it is told;
//! * [`routeros`]: the scripts that set routers up, by the syntax and the commands of RouterOS (routeros-lsp);
//! * [`oauth`]: renewing the entry to accountants' programs by oauth2-mock-server, and by WireMock what it cannot: tokens that are good once,
//!   and a program that does not let us in any more; [`zoho`]: Zoho Books' flows by WireMock;
//! * [`schemathesis`]: our REST interface against its own description, and [`webhooks`] that we send against the reference
//!   implementation of Standard Webhooks.
//!
//! [`fake`] starts them as processes of their own, [`relay`] stands in between and writes down what passes, [`oracle`]
//! asks mpesakit. `./mlango test` installs them once, below `.mlango/contract`; a test whose fake is not there says so
//! and passes. What each of them proves, and what it cannot, stands in `docs/contract-tests.md`.

mod daraja;
mod etims;
mod fake;
#[path = "../flows/guest.rs"]
#[expect(dead_code, clippy::unwrap_used, reason = "the guest of the flows, who can do more than is needed here")]
mod guest;
mod oauth;
mod oracle;
mod quickbooks;
mod relay;
mod routeros;
mod schemathesis;
mod stripe;
mod twilio;
mod webhooks;
mod xero;
mod zoho;

use std::io::Write as _;

use tests::world::World;

/// Adds sections to the configuration of a world whose portal is not started yet.
fn configure(world: &World, sections: &str) {
    let file = std::fs::OpenOptions::new().append(true).open(world.config());
    file.and_then(|mut file| file.write_all(sections.as_bytes())).expect("the configuration is written");
}
