//! Silence: what gets no answer is counted under its reason, and logged once in a while.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Arrival, Exchange, Pipeline, Port, Reception};

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

    /// A packet on which we panicked. Its sender may be anybody; the defect is ours, and the panic's own message, on
    /// standard error, says where.
    pub(super) fn survive(&self, source: SocketAddr, port: Port, received: Duration) -> Reception {
        let reason = "defect";
        self.metrics.note_dropped(port, reason);
        if let Some(more) = self.throttle.permit(reason, received) {
            tracing::error!(%source, port = port.label(), reason, more, "no answer: {}", explain(reason));
        }
        what_it_breaks(reason)
    }

    /// So many requests found no room in a socket's buffer.
    pub(crate) fn note_overflow(&self, port: Port, requests: u32, now: Duration) {
        let reason = "buffer_full";
        self.metrics.note_dropped_by(port, reason, requests.into());
        if let Some(more) = self.throttle.permit(reason, now) {
            tracing::warn!(port = port.label(), reason, requests, more, "no answer: {}", explain(reason));
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
        "buffer_full" => {
            "requests come faster than they can be answered: the kernel drops those for which there is no room"
        }
        "stale" => "requests come faster than they can be answered: those that waited too long are shed",
        "queue_full" => "accounting comes faster than it can be made durable; the router will try again",
        "cannot_store" => "accounting cannot be stored, so the router shall try another server",
        "defect" => "this packet met a defect of radiusd: please report the lines before this one",
        "no_session_id" | "no_status_type" | "unknown_status_type" => {
            "this accounting report says too little to be recorded"
        }
        _ => "the packet is malformed",
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::time::Duration;

    use radius_proto::{Builder, Code, MAX_PACKET, Secret};
    use shared::time::OffsetDateTime;
    use store::nas::Nas;

    use super::*;
    use crate::harness::Harness;
    use crate::road::{Road, Sink};

    /// Counts what it gets, and panics on the first.
    #[derive(Default)]
    struct Fragile(usize);

    impl Sink for Fragile {
        fn push(&mut self, _road: &Road, _packet: &[u8]) {
            self.0 += 1;
            assert_ne!(self.0, 1, "a defect");
        }
    }

    #[test]
    fn a_defect_costs_one_packet_its_answer_and_the_next_is_answered() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let _entered = runtime.enter();
        let secret = b"a secret of this test";
        let router = Nas {
            address: Some("127.0.0.1/32".parse().expect("an address")),
            secret: secret.to_vec(),
            ..Nas::default()
        };
        let harness = Harness::new(&[router], Vec::new()).expect("a pipeline");
        let endpoint = &harness.endpoints[0];
        let mut sink = Fragile::default();
        let mut ask = |identifier: u8| {
            let mut buffer = [0; MAX_PACKET];
            let mut request = Builder::new(&mut buffer, Code::StatusServer, identifier);
            request.reserve_message_authenticator().expect("room");
            let octets = request.finish_access_request(&Secret::new(secret).expect("not empty"), [identifier; 16]);
            let peer = SocketAddr::from(([127, 0, 0, 1], 40_000));
            let arrival = Arrival {
                port: endpoint.port,
                listener: endpoint.number,
                road: Road::Udp { endpoint: Arc::clone(endpoint), peer, local: None },
                received: Duration::ZERO,
                now: OffsetDateTime::UNIX_EPOCH,
            };
            (harness.pipeline.take(&mut sink, arrival, octets), sink.0)
        };

        assert_eq!(ask(1), (Reception::Discarded, 1));
        assert_eq!(ask(2), (Reception::Taken, 2));
        let metrics = String::from_utf8(harness.pipeline.metrics.text().expect("metrics")).expect("text");
        assert!(
            metrics.contains(r#"mlango_radius_packets_dropped_total{listener="auth",reason="defect"} 1"#),
            "{metrics}"
        );
    }
}
