//! Counters, gauges and histograms of the portal, in Prometheus' text format.
//!
//! Names are `mlango_*`, in base units, with bounded labels: a route's pattern, a state, a provider, a site's name;
//! never a phone number, a device or an order. Gauges of the pool are read when somebody asks.

mod backups;

use prometheus::{
    Encoder as _, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};
use shared::alert::Severity;
use store::PoolState;
use store::alert::{Alert, State};

/// HTTP durations in seconds, as OpenTelemetry's conventions have them.
const HTTP_SECONDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// From the prompt to the final state, in seconds.
const PAYMENT_SECONDS: [f64; 10] = [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0];
/// Sizes of answers in octets: the first page's bar is 40 kB raw, 12 kB compressed.
const RESPONSE_OCTETS: [f64; 8] = [512.0, 2048.0, 4096.0, 8192.0, 12288.0, 20480.0, 40960.0, 131_072.0];

/// All metrics of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// `mlango_http_request_duration_seconds{method,route,status}`.
    pub(crate) http_duration: HistogramVec,
    /// `mlango_http_requests_in_flight`.
    pub(crate) http_in_flight: IntGauge,
    /// `mlango_http_response_size_bytes{route}`.
    pub(crate) http_size: HistogramVec,
    /// `mlango_portal_funnel_total{step,site}`.
    pub(crate) funnel: IntCounterVec,
    /// `mlango_payments_total{provider,state}`.
    pub(crate) payments: IntCounterVec,
    /// `mlango_payment_duration_seconds{provider,outcome}`.
    pub(crate) payment_duration: HistogramVec,
    /// `mlango_payment_callbacks_total{provider,result}`.
    pub(crate) callbacks: IntCounterVec,
    /// `mlango_revenue_minor_units_total{currency,channel}`.
    pub(crate) revenue: IntCounterVec,
    /// `mlango_mpesa_requests_total{operation,result}`.
    pub(crate) mpesa_requests: IntCounterVec,
    /// `mlango_stripe_requests_total{operation,result}`.
    pub(crate) stripe_requests: IntCounterVec,
    /// `mlango_card_graces_total{result}`.
    pub(crate) graces: IntCounterVec,
    /// `mlango_provider_trouble{provider}`.
    pub(crate) trouble: IntGaugeVec,
    /// `mlango_payments_unmatched{provider}`.
    pub(crate) unmatched: IntGaugeVec,
    /// `mlango_sms_total{kind,result}`.
    pub(crate) sms: IntCounterVec,
    /// `mlango_email_total{kind,result}`.
    pub(crate) email: IntCounterVec,
    /// `mlango_outbox_pending{kind}`.
    pub(crate) outbox_pending: IntGaugeVec,
    /// `mlango_outbox_oldest_age_seconds{kind}`.
    pub(crate) outbox_age: IntGaugeVec,
    /// `mlango_outbox_deliveries_total{kind,result}`.
    pub(crate) outbox_deliveries: IntCounterVec,
    /// `mlango_forms_throttled_total{form}`.
    pub(crate) throttled: IntCounterVec,
    /// `mlango_visit_records_lost_total{reason}`.
    pub(crate) visits_lost: IntCounterVec,
    /// `mlango_job_last_success_timestamp_seconds{job}`.
    pub(crate) job_success: IntGaugeVec,
    /// `mlango_alerts_open{severity}`.
    alerts_open: IntGaugeVec,
    /// `mlango_alerts_raised_total{kind}`.
    pub(crate) alerts_raised: IntCounterVec,
    /// `mlango_backup_…` and `mlango_restore_drill_…`.
    pub(crate) backups: backups::Backups,
    /// `mlango_retention_rows_total{rule}`.
    pub(crate) let_go: IntCounterVec,
    /// `mlango_etims_invoices{state}`.
    pub(crate) etims_invoices: IntGaugeVec,
    /// `mlango_forecasts_total{kind}`.
    pub(crate) forecasts: IntCounterVec,
    /// `mlango_books_postings{state}`.
    pub(crate) books_postings: IntGaugeVec,
    /// `mlango_books_requests_total{provider,operation,result}`.
    pub(crate) books_requests: IntCounterVec,
    pool: IntGaugeVec,
}

impl Metrics {
    /// All metrics, at zero.
    pub(crate) fn new() -> Metrics {
        let registry = Registry::new();
        let http_in_flight = of_the_process(&registry);
        Metrics {
            http_duration: histograms(
                &registry,
                "mlango_http_request_duration_seconds",
                "Time from a request's head to its answer's head.",
                &["method", "route", "status"],
                &HTTP_SECONDS,
            ),
            http_in_flight,
            http_size: histograms(
                &registry,
                "mlango_http_response_size_bytes",
                "Body of an answer before compression, where its size is known.",
                &["route"],
                &RESPONSE_OCTETS,
            ),
            funnel: counters(
                &registry,
                "mlango_portal_funnel_total",
                "How far guests come: shown, package_chosen, pay_started, paid.",
                &["step", "site"],
            ),
            payments: counters(
                &registry,
                "mlango_payments_total",
                "Payments that reached a state: initiated, paid, failed, unknown, refund_due, disputed.",
                &["provider", "state"],
            ),
            payment_duration: histograms(
                &registry,
                "mlango_payment_duration_seconds",
                "From the beginning of a payment to its final state.",
                &["provider", "outcome"],
                &PAYMENT_SECONDS,
            ),
            callbacks: counters(
                &registry,
                "mlango_payment_callbacks_total",
                "Reports by providers: accepted, duplicate, unmatched, queued, unreadable, bad_token, bad_source, bad_signature, stale, refused, refuted, not_stored.",
                &["provider", "result"],
            ),
            revenue: counters(
                &registry,
                "mlango_revenue_minor_units_total",
                "Money that became access, in minor units; refunds are not subtracted.",
                &["currency", "channel"],
            ),
            mpesa_requests: counters(
                &registry,
                "mlango_mpesa_requests_total",
                "Requests to M-Pesa and how they ended.",
                &["operation", "result"],
            ),
            stripe_requests: counters(
                &registry,
                "mlango_stripe_requests_total",
                "Requests to Stripe and how they ended.",
                &["operation", "result"],
            ),
            graces: counters(
                &registry,
                "mlango_card_graces_total",
                "Guests who pay by card and were let out before: given, or not_given since they had enough already.",
                &["result"],
            ),
            trouble: gauges(
                &registry,
                "mlango_provider_trouble",
                "1 while a provider of payments fails for most customers.",
                &["provider"],
            ),
            unmatched: gauges(
                &registry,
                "mlango_payments_unmatched",
                "Payments that came and wait for a person to say what they are for.",
                &["provider"],
            ),
            sms: counters(
                &registry,
                "mlango_sms_total",
                "Messages by SMS and how their sending ended: accepted, refused, unknown.",
                &["kind", "result"],
            ),
            email: counters(
                &registry,
                "mlango_email_total",
                "E-mails and how their sending ended: accepted, refused, unknown.",
                &["kind", "result"],
            ),
            etims_invoices: gauges(
                &registry,
                "mlango_etims_invoices",
                "Invoices for the Kenya Revenue Authority that are not signed, or whose signature was lost.",
                &["state"],
            ),
            outbox_pending: gauges(&registry, "mlango_outbox_pending", "What waits to be sent.", &["kind"]),
            outbox_age: gauges(
                &registry,
                "mlango_outbox_oldest_age_seconds",
                "How long ago the oldest that waits was due.",
                &["kind"],
            ),
            outbox_deliveries: counters(
                &registry,
                "mlango_outbox_deliveries_total",
                "Tries to tell other programs of something: delivered, failed.",
                &["kind", "result"],
            ),
            throttled: counters(
                &registry,
                "mlango_forms_throttled_total",
                "Public forms that were refused because they were sent too often, by what was counted.",
                &["form"],
            ),
            visits_lost: counters(
                &registry,
                "mlango_visit_records_lost_total",
                "Visits of guests that are not remembered: busy, failed.",
                &["reason"],
            ),
            job_success: gauges(
                &registry,
                "mlango_job_last_success_timestamp_seconds",
                "When a background job last went through.",
                &["job"],
            ),
            alerts_open: gauges(
                &registry,
                "mlango_alerts_open",
                "Alerts that are not over, acknowledged ones included.",
                &["severity"],
            ),
            alerts_raised: counters(
                &registry,
                "mlango_alerts_raised_total",
                "Alerts that this portal has raised, or raised again.",
                &["kind"],
            ),
            backups: backups::Backups::new(&registry),
            let_go: counters(
                &registry,
                "mlango_retention_rows_total",
                "Rows that were deleted, or lost what told who it was, since they were kept long enough.",
                &["rule"],
            ),
            forecasts: counters(
                &registry,
                "mlango_forecasts_total",
                "Forecasts that this portal has made and stored.",
                &["kind"],
            ),
            books_postings: gauges(
                &registry,
                "mlango_books_postings",
                "Documents that accountants' programs do not have yet.",
                &["state"],
            ),
            books_requests: counters(
                &registry,
                "mlango_books_requests_total",
                "Requests to accountants' programs and how they ended.",
                &["provider", "operation", "result"],
            ),
            pool: gauges(&registry, "mlango_db_pool_connections", "Connections to the database.", &["store", "state"]),
            registry,
        }
    }

    /// The text that a scrape reads.
    ///
    /// # Errors
    /// When a metric cannot be encoded, which would be a mistake of ours.
    pub(crate) fn text(&self, pool: PoolState) -> Result<String, prometheus::Error> {
        for (state, number) in [("idle", pool.idle), ("used", pool.used), ("max", pool.max)] {
            self.pool.with_label_values(&["postgresql", state]).set(i64::from(number));
        }
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        String::from_utf8(text).map_err(|error| prometheus::Error::Msg(error.to_string()))
    }

    /// Tells how many alerts are not over, by how grave they are.
    pub(crate) fn show_alerts(&self, present: &[Alert]) {
        for severity in Severity::ALL {
            let is_such = |alert: &&Alert| alert.severity == severity && alert.state != State::Resolved;
            let count = present.iter().filter(is_such).count();
            self.alerts_open.with_label_values(&[severity.as_str()]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// Counts one step of the way from the first page to being online.
    pub(crate) fn step(&self, step: &str, site: Option<&str>) {
        self.funnel.with_label_values(&[step, site.unwrap_or("")]).inc();
    }
}

/// What runs, what it uses, and how many requests it answers just now.
fn of_the_process(registry: &Registry) -> IntGauge {
    let build = gauges(registry, "mlango_build_info", "What runs.", &["version", "component"]);
    build.with_label_values(&[env!("CARGO_PKG_VERSION"), "portal"]).set(1);
    let in_flight = IntGauge::new("mlango_http_requests_in_flight", "Requests being answered.");
    let http_in_flight = in_flight.expect("a valid metric name");
    register(registry, &http_in_flight);
    #[cfg(target_os = "linux")]
    registry
        .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
        .expect("every metric is registered once");
    http_in_flight
}

fn register<C: prometheus::core::Collector + Clone + 'static>(registry: &Registry, collector: &C) {
    registry.register(Box::new(collector.clone())).expect("every metric is registered once");
}

fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    let metric = IntCounterVec::new(Opts::new(name, help), labels).expect("a valid metric name");
    register(registry, &metric);
    metric
}

fn gauges(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    let metric = IntGaugeVec::new(Opts::new(name, help), labels).expect("a valid metric name");
    register(registry, &metric);
    metric
}

fn histograms(registry: &Registry, name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
    let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    let metric = HistogramVec::new(options, labels).expect("a valid metric name");
    register(registry, &metric);
    metric
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_ours_and_in_base_units() {
        let metrics = Metrics::new();
        metrics.step("shown", Some("Market"));
        let text = metrics.text(PoolState { idle: 1, used: 2, max: 10 }).expect("encodes");
        assert!(text.contains(r#"mlango_portal_funnel_total{site="Market",step="shown"} 1"#), "{text}");
        assert!(text.contains(r#"mlango_db_pool_connections{state="used",store="postgresql"} 2"#), "{text}");
        for line in text.lines().filter(|line| line.starts_with("# TYPE ")) {
            let name = line.split(' ').nth(2).unwrap_or_default();
            assert!(name.starts_with("mlango_") || name.starts_with("process_"), "{line}");
        }
    }
}
