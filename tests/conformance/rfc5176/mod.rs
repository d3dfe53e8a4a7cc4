//! RFC 5176, and the timers of RFC 5080. The packet and the transaction alone: `transactions`. The running server
//! against a router that the test plays ([`router`]): what it sends (`requests`), how often and for how long
//! (`patience`), what it believes (`replies`), and what it makes of a refusal for good (`permanent`).

mod patience;
mod permanent;
mod replies;
mod requests;
mod router;
mod transactions;
