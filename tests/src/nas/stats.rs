//! Counters of the router, as `/radius monitor` and `/radius incoming monitor` of RouterOS show them.

use serde::Serialize;

/// Counters since the simulator started.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Stats {
    /// Access-Requests, retransmissions not counted.
    pub requests: u64,
    /// Access-Accepts.
    pub accepts: u64,
    /// Access-Rejects.
    pub rejects: u64,
    /// Retransmissions of any request.
    pub resends: u64,
    /// Access-Requests that no one answered.
    pub timeouts: u64,
    /// Datagrams that were no valid answer: wrong secret, identifier, code, or no Message-Authenticator
    /// where one is required.
    pub bad_replies: u64,
    /// Answers thrown away because a test asked for it.
    pub lost_replies: u64,
    /// Logins that the router turned away itself.
    pub refusals: u64,
    /// From the first transmission to the answer of the last request, in microseconds.
    pub last_request_rtt_us: u64,
    /// Accounting-Requests, retransmissions not counted.
    pub acct_requests: u64,
    /// Accounting-Requests that were acknowledged.
    pub acct_acknowledged: u64,
    /// Accounting-Requests that were given up after three transmissions.
    pub acct_dropped: u64,
    /// Disconnect- and CoA-Requests with a right authenticator.
    pub coa_requests: u64,
    /// Datagrams on the CoA port that were dropped: malformed, or not from who knows the secret.
    pub coa_bad_requests: u64,
    /// Disconnect- and CoA-ACKs.
    pub coa_acks: u64,
    /// Disconnect- and CoA-NAKs.
    pub coa_naks: u64,
    /// Requests to the REST API.
    pub rest_requests: u64,
    /// Sessions that were taken off by it.
    pub rest_removed: u64,
}
