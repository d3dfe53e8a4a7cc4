//! Silence: what gets no answer is counted under its reason, and logged once in a while.

use super::{Arrival, Exchange, Pipeline, Reception};

impl Pipeline {
    /// A packet that proved nothing, or does not belong here.
    pub(crate) fn drop_packet(&self, arrival: &Arrival, reason: &'static str) -> Reception {
        self.metrics.note_dropped(arrival.port, reason);
        if let Some(more) = self.throttle.permit(reason, arrival.received) {
            let (source, port) = (arrival.road.peer(), arrival.port.label());
            tracing::warn!(%source, port, reason, more, "no answer: {}", explain(reason));
        }
        what_it_breaks(reason)
    }

    /// A request that was authentic and cannot be answered; its retransmission is processed afresh.
    pub(super) fn give_up(&self, exchange: &Exchange, reason: &'static str) {
        self.duplicates.forget(exchange);
        self.metrics.note_dropped(exchange.port, reason);
        if let Some(more) = self.throttle.permit(reason, exchange.received) {
            let (source, port) = (exchange.key.source, exchange.port.label());
            tracing::warn!(%source, port, nas = %exchange.client.name, reason, more, "no answer: {}", explain(reason));
        }
    }

    /// A request that waited in the socket's buffer until nobody waits for its answer any more. It is not looked at:
    /// under overload the work goes to those who still wait.
    pub(crate) fn shed(&self, arrival: &Arrival) {
        self.drop_packet(arrival, "stale");
    }
}

/// RFC 6613 §2.6.4 lists what ends a stream: lengths that do not add up, and authenticators that are present and wrong.
/// The rest of what is met with silence is left out of that: a guest can add attributes to a login, and must not be able
/// to cut off the router.
fn what_it_breaks(reason: &str) -> Reception {
    match reason {
        "too_short"
        | "bad_length"
        | "truncated"
        | "attribute_too_short"
        | "attribute_overflows"
        | "unknown_client"
        | "bad_authenticator"
        | "bad_message_authenticator" => Reception::Broken,
        _ => Reception::Discarded,
    }
}

/// What a person should make of a reason.
fn explain(reason: &str) -> &'static str {
    match reason {
        "unknown_client" => "this address is not a registered router (portal nas add)",
        "bad_authenticator" | "bad_message_authenticator" | "bad_secret" => {
            "the router's secret is not the one we have"
        }
        "no_message_authenticator" => "the request is not signed, and this router must sign (require-message-auth)",
        "unsigned_proxy_state" => {
            "an unsigned request with Proxy-State may be an attack (CVE-2024-3596); let the proxy sign"
        }
        "wrong_port" => "this kind of packet does not belong on this port",
        "stale" => "requests come faster than they can be answered: those that waited too long are shed",
        "queue_full" => "accounting comes faster than it can be made durable; the router will try again",
        "cannot_store" => "accounting cannot be stored, so the router shall try another server",
        "no_session_id" | "no_status_type" | "unknown_status_type" => {
            "this accounting report says too little to be recorded"
        }
        _ => "the packet is malformed",
    }
}
