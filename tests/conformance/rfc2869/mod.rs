//! RFC 2869. The packet alone: Message-Authenticator (`signatures`). The running server: counters of 64 bits, interim
//! reports, and when it happened (`counters`).

mod counters;
mod signatures;
