//! What is counted. Names and meanings stand in `docs/operations/metrics.md`; labels are bounded: router names,
//! RADIUS codes and reasons of ours, never a user, a MAC or a phone.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{
    Encoder as _, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use radius_proto::Code;

use crate::access::Service;
use crate::client::Client;
use crate::pipeline::Port;

/// What becomes of a retransmission.
const DUPLICATES: [&str; 2] = ["replayed_from_cache", "in_flight"];
/// How a password can be proved.
const METHODS: [&str; 5] = ["pap", "chap", "mac", "mschap", "mschapv2"];
/// Bounds of RADIUS latencies, seconds.
const RADIUS_BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0];
/// Bounds of lags, seconds.
const LAG_BUCKETS: [f64; 8] = [0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0];
/// Bounds of database times, seconds.
const DATABASE_BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0, 10.0];
/// Bounds of batch sizes.
const BATCH_BUCKETS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// All counters of the server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

impl std::ops::Deref for Metrics {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// The counters themselves.
#[derive(Debug)]
pub struct Inner {
    registry: Registry,
    hot: Hot,
    /// Datagrams left without an answer, by listener and reason.
    pub dropped: IntCounterVec,
    /// Answers, by code and router.
    pub responses: IntCounterVec,
    /// Rejected logins, by reason.
    pub rejects: IntCounterVec,
    /// Look-ups in memory that found the name or device.
    pub directory_hits: IntCounter,
    /// Look-ups in memory that did not.
    pub directory_misses: IntCounter,
    /// Entitlements in memory.
    pub directory_entitlements: IntGauge,
    /// 1 while memory is not up to date with PostgreSQL.
    pub degraded: IntGaugeVec,
    /// Records by kind and result.
    pub accounting_records: IntCounterVec,
    /// Records that wait, by queue.
    pub queue_length: IntGaugeVec,
    /// Most records that may wait, by queue.
    pub queue_capacity: IntGaugeVec,
    /// Records in one commit.
    pub batch_size: Histogram,
    /// Statements, by operation and result.
    pub database: HistogramVec,
    /// Connections to PostgreSQL, by state.
    pub pool: IntGaugeVec,
    /// Open sessions, by router.
    pub sessions: IntGaugeVec,
    /// Sessions closed without a Stop, by reason.
    pub stale_closed: IntCounterVec,
    /// Records that wait on disk.
    pub spool_records: IntGauge,
    /// The room that they take there.
    pub spool_octets: IntGauge,
    /// The most room that it may take.
    pub spool_capacity: IntGauge,
    /// How long the first of them has waited, seconds.
    pub spool_oldest_age: IntGauge,
    /// Records that went from the spool to PostgreSQL.
    pub accounting_replayed: IntCounter,
    /// 1 while records can be stored nowhere.
    pub cannot_store: IntGauge,
    /// Commands to routers, by kind and result.
    pub commands: IntCounterVec,
    /// From first transmission to answer, by kind.
    pub command_duration: HistogramVec,
    /// Commands not yet proved.
    pub commands_pending: IntGauge,
    /// Requests to the REST API of routers, by operation and result.
    pub routeros_requests: IntCounterVec,
    /// Sessions that go on although their router was asked to end them.
    pub leaking: IntGauge,
    /// Logins that were locked, by what was locked.
    pub login_locks: IntCounterVec,
    /// Wrong passwords and codes, by router.
    pub login_guesses: IntCounterVec,
    /// Devices that were found to be online in two places.
    pub clones: IntCounter,
    /// Routers that are dark though customers were online there.
    pub outages: IntGauge,
    /// Commands that a router has refused for good, by router.
    pub commands_refused: IntGaugeVec,
    /// From the deadline to the first Disconnect-Request.
    pub cut_lag: Histogram,
    /// Seconds from what changed a session to the router's acknowledgement.
    pub change_lag: Histogram,
    /// 1 for each router that is served.
    pub known: IntGaugeVec,
    /// When a router was last heard, by router.
    pub last_seen: IntGaugeVec,
    /// 1 while a router still uses the secret from before a rotation, by router.
    pub old_secret_in_use: IntGaugeVec,
    /// Logins whose record could not wait for PostgreSQL.
    pub logins_lost: IntCounter,
    /// Refused logins that are not remembered.
    pub refusals_lost: IntCounter,
    /// Open RadSec connections, by router.
    pub radsec_connections: IntGaugeVec,
    /// RadSec connections that were let in or turned away, by result.
    pub radsec_handshakes: IntCounterVec,
    /// RadSec connections that have ended, by reason.
    pub radsec_closed: IntCounterVec,
    /// When the first certificate in each of our files expires.
    pub radsec_not_after: IntGaugeVec,
    /// When the certificate expires that a router came with last, by router.
    pub radsec_router_not_after: IntGaugeVec,
}

impl Metrics {
    /// Registers everything.
    pub fn new() -> prometheus::Result<Metrics> {
        let registry = Registry::new();
        let r = &registry;
        let build = gauges(r, "mlango_build_info", "What runs.", &["version", "component"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION"), "radiusd"]).set(1);
        #[cfg(target_os = "linux")]
        r.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        let received =
            counters(r, "mlango_radius_packets_received_total", "Packets by RADIUS code.", &["listener", "code"])?;
        let services = counters(r, "mlango_radius_access_requests_total", "Logins by service.", &["service"])?;
        let duration = histograms(
            r,
            "mlango_radius_request_duration_seconds",
            "From receipt to answer.",
            &["code"],
            &RADIUS_BUCKETS,
        )?;
        let methods = counters(r, "mlango_radius_auth_method_total", "Logins by method.", &["method"])?;
        let duplicates = counters(r, "mlango_radius_duplicates_total", "Retransmissions.", &["listener", "kind"])?;
        let lookups = counters(r, "mlango_radius_policy_cache_requests_total", "Look-ups in memory.", &["result"])?;
        let inner = Inner {
            dropped: counters(
                r,
                "mlango_radius_packets_dropped_total",
                "Packets without an answer.",
                &["listener", "reason"],
            )?,
            responses: counters(r, "mlango_radius_responses_total", "Answers sent.", &["code", "nas"])?,
            rejects: counters(r, "mlango_radius_access_rejects_total", "Rejected logins.", &["reason"])?,
            directory_hits: lookups.with_label_values(&["hit"]),
            directory_misses: lookups.with_label_values(&["miss"]),
            directory_entitlements: gauge(r, "mlango_directory_entitlements", "Entitlements in memory.")?,
            degraded: gauges(r, "mlango_radius_degraded_mode", "1 while answering from memory alone.", &["component"])?,
            accounting_records: counters(
                r,
                "mlango_acct_records_total",
                "Accounting records.",
                &["status_type", "result"],
            )?,
            queue_length: gauges(r, "mlango_radius_queue_length", "Waiting now.", &["queue"])?,
            queue_capacity: gauges(r, "mlango_radius_queue_capacity", "May wait at most.", &["queue"])?,
            batch_size: histogram(r, "mlango_acct_batch_records", "Records in one commit.", &BATCH_BUCKETS)?,
            database: histograms(
                r,
                "mlango_db_operation_duration_seconds",
                "Database operations.",
                &["store", "operation", "result"],
                &DATABASE_BUCKETS,
            )?,
            pool: gauges(r, "mlango_db_pool_connections", "Database connections.", &["store", "state"])?,
            sessions: gauges(r, "mlango_sessions_active", "Open sessions.", &["nas"])?,
            stale_closed: counters(
                r,
                "mlango_sessions_stale_closed_total",
                "Sessions closed without a Stop.",
                &["reason"],
            )?,
            spool_records: gauge(r, "mlango_acct_spool_records", "Records that wait on disk.")?,
            spool_octets: gauge(r, "mlango_acct_spool_bytes", "Room that the spool takes.")?,
            spool_capacity: gauge(r, "mlango_acct_spool_capacity_bytes", "Most room that the spool may take.")?,
            spool_oldest_age: gauge(r, "mlango_acct_spool_oldest_age_seconds", "Age of the oldest spooled record.")?,
            accounting_replayed: counter(r, "mlango_acct_replayed_total", "Records from the spool to PostgreSQL.")?,
            cannot_store: gauge(r, "mlango_acct_cannot_store", "1 while records can be stored nowhere.")?,
            commands: counters(r, "mlango_coa_requests_total", "Commands to routers.", &["kind", "result"])?,
            command_duration: histograms(
                r,
                "mlango_coa_duration_seconds",
                "First send to answer.",
                &["kind"],
                &RADIUS_BUCKETS,
            )?,
            commands_pending: gauge(r, "mlango_coa_pending", "Commands not yet proved.")?,
            routeros_requests: counters(
                r,
                "mlango_routeros_requests_total",
                "Requests to the REST API of routers.",
                &["operation", "result"],
            )?,
            login_locks: counters(r, "mlango_login_locks_total", "Locked after wrong guesses.", &["kind"])?,
            login_guesses: counters(r, "mlango_login_guesses_total", "Wrong passwords and codes.", &["nas"])?,
            clones: counter(r, "mlango_devices_cloned_total", "Devices found online at two routers at once.")?,
            outages: gauge(r, "mlango_outages_open", "Routers that went dark while customers were online.")?,
            leaking: gauge(r, "mlango_sessions_leaking", "Sessions that go on half a minute after they should end.")?,
            commands_refused: gauges(r, "mlango_coa_refused", "Commands refused for good.", &["nas"])?,
            change_lag: histogram(
                r,
                "mlango_change_lag_seconds",
                "From what changed a session to the router's CoA-ACK.",
                &LAG_BUCKETS,
            )?,
            cut_lag: histogram(r, "mlango_expiry_lag_seconds", "From deadline to Disconnect-Request.", &LAG_BUCKETS)?,
            known: gauges(r, "mlango_nas_known", "Routers served.", &["nas"])?,
            last_seen: gauges(r, "mlango_nas_last_seen_timestamp_seconds", "Last valid packet.", &["nas"])?,
            old_secret_in_use: gauges(
                r,
                "mlango_nas_old_secret_in_use",
                "1 while the router uses the secret before.",
                &["nas"],
            )?,
            logins_lost: counter(r, "mlango_login_records_lost_total", "Logins that could not be recorded.")?,
            refusals_lost: counter(r, "mlango_refusal_records_lost_total", "Refused logins that are not remembered.")?,
            hot: Hot::new(&received, &duplicates, &services, &methods, &duration),
            radsec_connections: gauges(r, "mlango_radsec_connections", "Open RadSec connections.", &["nas"])?,
            radsec_handshakes: counters(
                r,
                "mlango_radsec_handshakes_total",
                "RadSec connections let in or turned away.",
                &["result"],
            )?,
            radsec_closed: counters(
                r,
                "mlango_radsec_connections_closed_total",
                "RadSec connections that ended.",
                &["reason"],
            )?,
            radsec_not_after: gauges(
                r,
                "mlango_radsec_certificate_not_after_timestamp_seconds",
                "When our certificates expire.",
                &["file"],
            )?,
            radsec_router_not_after: gauges(
                r,
                "mlango_radsec_router_certificate_not_after_timestamp_seconds",
                "When routers' certificates expire.",
                &["nas"],
            )?,
            registry,
        };
        Ok(Metrics(Arc::new(inner)))
    }

    /// A packet came that parsed and whose sender is known.
    pub(crate) fn note_received(&self, port: Port, code: Code) {
        self.hot.received[port as usize].get(&code).inc();
    }

    /// A retransmission came: answered again, or met with silence.
    pub(crate) fn note_duplicate(&self, port: Port, kind: &'static str) {
        self.hot.duplicates[port as usize].get(&kind).inc();
    }

    /// A packet got no answer.
    pub(crate) fn note_dropped(&self, port: Port, reason: &'static str) {
        self.note_dropped_by(port, reason, 1);
    }

    /// Packets were left without an answer.
    pub(crate) fn note_dropped_by(&self, port: Port, reason: &'static str, packets: u64) {
        self.dropped.with_label_values(&[port.label(), reason]).inc_by(packets);
    }

    /// A login came from this service.
    pub(crate) fn note_service(&self, service: Service) {
        self.hot.services.get(&service).inc();
    }

    /// A login was accepted that was proved by this method.
    pub(crate) fn note_method(&self, method: &'static str) {
        self.hot.methods.get(&method).inc();
    }

    /// An answer was given, so long after its request came.
    pub(crate) fn note_answer(&self, code: Code, client: &Client, took: Duration) {
        client.figures().answered(code, took);
        self.responses.with_label_values(&[code.name(), &client.name]).inc();
        self.hot.duration.get(&code).observe(took.as_secs_f64());
    }

    /// The text that Prometheus reads.
    pub fn text(&self) -> prometheus::Result<Vec<u8>> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

/// What every packet counts, found once: a look-up by label costs a hash and a lock.
#[derive(Debug)]
struct Hot {
    /// By port.
    received: [Known<Code, IntCounter>; Port::ALL.len()],
    /// By port.
    duplicates: [Known<&'static str, IntCounter>; Port::ALL.len()],
    services: Known<Service, IntCounter>,
    methods: Known<&'static str, IntCounter>,
    duration: Known<Code, Histogram>,
}

/// A few labels and their metrics. The last one stands for every other label.
#[derive(Debug)]
struct Known<L, M>(Vec<(L, M)>);

impl<L: PartialEq + Copy, M> Known<L, M> {
    fn new(labels: &[L], metric: impl Fn(L) -> M) -> Known<L, M> {
        Known(labels.iter().map(|label| (*label, metric(*label))).collect())
    }

    fn get(&self, label: &L) -> &M {
        let found = self.0.iter().find(|(known, _)| known == label).or(self.0.last());
        &found.expect("there is at least one label").1
    }
}

impl Hot {
    fn new(
        received: &IntCounterVec,
        duplicates: &IntCounterVec,
        services: &IntCounterVec,
        methods: &IntCounterVec,
        duration: &HistogramVec,
    ) -> Hot {
        let requests = [Code::AccessRequest, Code::AccountingRequest, Code::StatusServer];
        let answers = [Code::AccessAccept, Code::AccountingResponse, Code::AccessReject];
        let by_code = |port: Port| {
            // The other codes belong on no port of ours and are rare: they share a label.
            let label = |code: Code| if requests.contains(&code) { code.name() } else { "other" };
            let codes = [requests[0], requests[1], requests[2], Code::DisconnectRequest];
            Known::new(&codes, |code| received.with_label_values(&[port.label(), label(code)]))
        };
        Hot {
            received: Port::ALL.map(by_code),
            duplicates: Port::ALL
                .map(|port| Known::new(&DUPLICATES, |kind| duplicates.with_label_values(&[port.label(), kind]))),
            services: Known::new(&Service::ALL, |service| services.with_label_values(&[service.label()])),
            methods: Known::new(&METHODS, |method| methods.with_label_values(&[method])),
            duration: Known::new(&answers, |code| duration.with_label_values(&[code.name()])),
        }
    }
}

fn counter(registry: &Registry, name: &str, help: &str) -> prometheus::Result<IntCounter> {
    let metric = IntCounter::new(name, help)?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
    let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> prometheus::Result<IntGauge> {
    let metric = IntGauge::new(name, help)?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn gauges(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
    let metric = IntGaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn histogram(registry: &Registry, name: &str, help: &str, buckets: &[f64]) -> prometheus::Result<Histogram> {
    let metric = Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn histograms(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
    buckets: &[f64],
) -> prometheus::Result<HistogramVec> {
    let metric = HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels)?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_registers_once_and_prints() {
        let metrics = Metrics::new().expect("no name is used twice");
        metrics.note_received(Port::Auth, Code::AccessRequest);
        let text = String::from_utf8(metrics.text().expect("encodes")).expect("text");
        assert!(
            text.contains(r#"mlango_radius_packets_received_total{code="Access-Request",listener="auth"} 1"#),
            "{text}"
        );
    }
}
