//! The outside of RadSec: an operator who makes certificates ([`Authority`]), puts them where radiusd finds them
//! ([`Files`]), and a router that connects with one ([`Peer`]).
//!
//! The router knows packets and nothing of hotspots: a test says what it sends, octet for octet if it must, and sees
//! what comes back and when the server hangs up.

mod certificates;
mod files;
mod peer;

pub use certificates::{Authority, Identity, Wish};
pub use files::Files;
pub use peer::{Peer, access_request, accounting_request, disconnect_answer, is_answer, status_server};

/// The secret of RadSec, which RouterOS fixes (RFC 6614 §2.3).
pub const SECRET: &[u8] = b"radsec";
