//! Who may ask: the registry of routers, with their secrets. A router is chosen by its source address alone (RFC 2865
//! §5.4), or over TLS by the name that its certificate proves (RFC 6614 §2.3); never by what a packet says.
//!
//! The registry is a snapshot that is swapped whole when the list of routers changes. What is learnt about a
//! router between two snapshots (when it was last heard, that it signs its requests, which secret it has) is carried
//! over.

pub(crate) mod figures;
mod keys;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use ipnet::IpNet;
use radius_proto::Secret;
use shared::time::{Clock, OffsetDateTime, Zone};
use store::Db;
use store::nas::{Heard, MessageAuthenticatorPolicy, Nas, Rest};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::figures::Figures;
use self::keys::Keys;
use crate::metrics::Metrics;

/// How often "last heard" is written down.
const FLUSH_EVERY: Duration = Duration::from_secs(5);

/// A router that may ask.
#[derive(Debug)]
pub struct Client {
    /// Its identity.
    pub id: Uuid,
    /// Its name, for logs and metrics.
    pub name: String,
    /// Where its packets come from; `None`: by RadSec, from anywhere.
    pub address: Option<IpNet>,
    /// Where it takes CoA and Disconnect.
    pub coa_port: u16,
    zone: Zone,
    keys: Keys,
    policy: MessageAuthenticatorPolicy,
    limits_proxy_state: bool,
    requires_signed_answers: bool,
    keeps_on_refused_change: bool,
    identifier: Option<String>,
    rest: Option<Rest>,
    signs: AtomicBool,
    /// Unix seconds; 0 before the first packet.
    heard: AtomicI64,
    heard_written: AtomicI64,
    acknowledges: AtomicBool,
    /// Seconds that its clock is ahead of ours; [`NEVER_SAID`] before it said what time it has.
    clock: AtomicI64,
    /// Kept from one snapshot to the next.
    figures: Arc<Figures>,
}

/// The zone of a router's site. One that we do not know is said, and taken for ours.
fn zone(nas: &Nas) -> Zone {
    let Some(name) = &nas.time_zone else { return Zone::default() };
    Zone::named(name).unwrap_or_else(|| {
        tracing::warn!(nas = %nas.name, time_zone = name, "the site's time zone is not known; East African time is taken");
        Zone::default()
    })
}

/// See [`Client::clock`].
const NEVER_SAID: i64 = i64::MIN;

impl Client {
    fn new(nas: &Nas) -> Option<Client> {
        Some(Client {
            id: nas.id,
            name: nas.name.clone(),
            address: nas.address,
            coa_port: nas.coa_port,
            zone: zone(nas),
            keys: Keys::new(nas)?,
            policy: nas.require_message_authenticator,
            limits_proxy_state: nas.limit_proxy_state,
            requires_signed_answers: nas.require_signed_answers,
            keeps_on_refused_change: nas.keep_on_refused_change,
            identifier: nas.identifier.clone(),
            // One router cannot tell who is online at the others of its network.
            rest: nas.rest.clone().filter(|_| nas.address.is_none_or(|net| net.prefix_len() == net.max_prefix_len())),
            signs: AtomicBool::new(
                nas.require_message_authenticator == MessageAuthenticatorPolicy::Auto { seen: true },
            ),
            heard: AtomicI64::new(0),
            heard_written: AtomicI64::new(0),
            acknowledges: AtomicBool::new(false),
            clock: AtomicI64::new(nas.clock_offset_seconds.map_or(NEVER_SAID, i64::from)),
            figures: Arc::default(),
        })
    }

    /// A moment as the clocks show it where the router is.
    pub fn here(&self, now: OffsetDateTime) -> OffsetDateTime {
        self.zone.at(now)
    }

    /// The secrets that count at `now`: the present one, and during a rotation the one before.
    pub fn secrets(&self, now: OffsetDateTime) -> impl Iterator<Item = &Arc<Secret>> {
        self.keys.at(now)
    }

    /// Notes that a packet proved that the router has `secret`, one of those that [`Client::secrets`] gave.
    pub fn proved_with(&self, secret: &Arc<Secret>, now: OffsetDateTime) {
        self.keys.prove(secret, now);
    }

    /// The secret for a command to the router, which is the one it proved last; and during a rotation the other one, for
    /// the case that there is no answer.
    pub fn command_secrets(&self, now: OffsetDateTime) -> (Arc<Secret>, Option<Arc<Secret>>) {
        self.keys.likeliest(now)
    }

    /// Whether the router still uses a secret from before a rotation.
    pub fn is_old_secret_in_use(&self, now: OffsetDateTime) -> bool {
        self.keys.is_old_in_use(self.is_network(), now)
    }

    /// Whether several routers may share this entry.
    pub fn is_network(&self) -> bool {
        self.address.is_none_or(|net| net.prefix_len() < net.max_prefix_len())
    }

    /// Whether it may come from there. Over TLS this is asked of a router whose certificate was recognised.
    pub fn may_come_from(&self, source: IpAddr) -> bool {
        self.address.is_none_or(|net| net.contains(&source.to_canonical()))
    }

    /// Whether an Access-Request without Message-Authenticator is refused (Blast-RADIUS). A router that has
    /// once sent a valid one must go on doing so.
    pub fn requires_message_authenticator(&self) -> bool {
        match self.policy {
            MessageAuthenticatorPolicy::Yes => true,
            MessageAuthenticatorPolicy::No => false,
            MessageAuthenticatorPolicy::Auto { .. } => self.signs.load(Ordering::Relaxed),
        }
    }

    /// Whether an Access-Request that carries Proxy-State and no Message-Authenticator is left unanswered: the shape that
    /// the attack on RADIUS needs (CVE-2024-3596). Asked only where an unsigned request is taken at all; a proxy is
    /// registered without it.
    pub fn limits_proxy_state(&self) -> bool {
        self.limits_proxy_state
    }

    /// Whether a device stays as it is when this router refuses to change its session.
    pub fn keeps_on_refused_change(&self) -> bool {
        self.keeps_on_refused_change
    }

    /// How its REST API is reached, where it may be asked.
    pub fn rest(&self) -> Option<&Rest> {
        self.rest.as_ref()
    }

    /// What it calls itself (NAS-Identifier, on RouterOS `/system identity`), if that was told. It proves nothing.
    pub fn identifier(&self) -> Option<&str> {
        self.identifier.as_deref()
    }

    /// Whether an answer to a command must carry a Message-Authenticator. Over TLS the connection proves it already.
    pub fn requires_signed_answers(&self) -> bool {
        self.requires_signed_answers
    }

    /// Notes how far the router's clock is ahead of ours. `true` when it has just turned out to be wrong.
    pub fn note_clock(&self, ahead_seconds: i64) -> bool {
        let wrong = |seconds: i64| seconds != NEVER_SAID && seconds.abs() > store::nas::CLOCK_TOLERANCE_SECONDS;
        let noted = if wrong(ahead_seconds) { ahead_seconds } else { 0 };
        let before = self.clock.swap(noted, Ordering::Relaxed);
        wrong(noted) && !wrong(before)
    }

    /// What [`Client::note_clock`] noted last.
    pub(crate) fn clock_offset_seconds(&self) -> Option<i32> {
        let noted = self.clock.load(Ordering::Relaxed);
        (noted != NEVER_SAID).then(|| i32::try_from(noted).unwrap_or(if noted < 0 { i32::MIN } else { i32::MAX }))
    }

    /// Notes a valid Message-Authenticator. `true` the first time, so that it can be written down.
    pub fn learn_that_it_signs(&self) -> bool {
        matches!(self.policy, MessageAuthenticatorPolicy::Auto { .. }) && !self.signs.swap(true, Ordering::Relaxed)
    }

    /// Notes that a valid packet came.
    pub fn hear(&self, now: OffsetDateTime) {
        keys::set(&self.heard, now.unix_timestamp());
    }

    /// What is counted of it.
    pub(crate) fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Whether this router has acknowledged a command since we started; `set` notes that it did.
    pub fn acknowledges(&self, set: bool) -> bool {
        if set {
            self.acknowledges.store(true, Ordering::Relaxed);
        }
        self.acknowledges.load(Ordering::Relaxed)
    }

    fn carry_over(&self, from: &Client) {
        let copy = |to: &AtomicI64, from: &AtomicI64| to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
        copy(&self.heard, &from.heard);
        copy(&self.heard_written, &from.heard_written);
        copy(&self.clock, &from.clock);
        self.keys.carry_over(&from.keys);
        self.acknowledges.store(from.acknowledges.load(Ordering::Relaxed), Ordering::Relaxed);
        if from.signs.load(Ordering::Relaxed) {
            self.signs.store(true, Ordering::Relaxed);
        }
    }
}

/// All routers.
#[derive(Debug, Default)]
pub struct Registry {
    hosts: HashMap<IpAddr, Arc<Client>>,
    /// Longest prefix first.
    networks: Vec<(IpNet, Arc<Client>)>,
    /// By the name in their certificates, in lower case.
    radsec: HashMap<String, Arc<Client>>,
    by_id: HashMap<Uuid, Arc<Client>>,
}

impl Registry {
    /// Makes the registry from the list of routers, keeping what `before` has learnt.
    pub fn new(list: &[Nas], before: &Registry) -> Registry {
        let mut registry = Registry::default();
        for nas in list {
            let Some(mut client) = Client::new(nas) else {
                tracing::error!(nas = %nas.name, "this router has an empty secret and is not served");
                continue;
            };
            if let Some(known) = before.by_id.get(&client.id) {
                client.carry_over(known);
                client.figures = Arc::clone(&known.figures);
            }
            let client = Arc::new(client);
            match client.address {
                Some(net) if client.is_network() => registry.networks.push((net, Arc::clone(&client))),
                Some(host) => drop(registry.hosts.insert(host.addr(), Arc::clone(&client))),
                None => {}
            }
            if let Some(name) = &nas.radsec_name {
                registry.radsec.insert(store::nas::radsec_name(name), Arc::clone(&client));
            }
            registry.by_id.insert(client.id, client);
        }
        registry.networks.sort_by_key(|(net, _)| std::cmp::Reverse(net.prefix_len()));
        registry
    }

    /// The router that `source` belongs to. An IPv4 address that arrives on an IPv6 socket is found as IPv4.
    pub fn find(&self, source: IpAddr) -> Option<&Arc<Client>> {
        let source = source.to_canonical();
        let network = || self.networks.iter().find(|(net, _)| net.contains(&source)).map(|(_, client)| client);
        self.hosts.get(&source).or_else(network)
    }

    /// The router whose certificate bears this name: a DNS name or address of its SubjectAltName, or its common name.
    /// Whoever asks has checked the certificate, and checks [`Client::may_come_from`].
    pub fn by_radsec_name(&self, name: &str) -> Option<&Arc<Client>> {
        self.radsec.get(&store::nas::radsec_name(name))
    }

    /// The router with that identity.
    pub fn by_id(&self, id: Uuid) -> Option<&Arc<Client>> {
        self.by_id.get(&id)
    }

    /// Every router.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Client>> {
        self.by_id.values()
    }
}

/// Writes down now and then, and at the end, when routers were heard and with which secret; forgets secrets whose
/// overlap is over.
pub(crate) async fn flush_last_seen(
    db: Db,
    clock: Clock,
    clients: Arc<ArcSwap<Registry>>,
    metrics: Metrics,
    stop: CancellationToken,
) {
    loop {
        let last = tokio::time::timeout(FLUSH_EVERY, stop.cancelled()).await.is_ok();
        let (now, registry) = (clock.now(), clients.load_full());
        registry.all().for_each(|client| client.figures.tick(clock.monotonic()));
        let heard = heard_since(&registry, &metrics, now);
        if !heard.is_empty()
            && let Err(error) = store::nas::seen(&db, &heard).await
        {
            tracing::debug!(%error, "when routers were last heard could not be written down");
        }
        if registry.all().any(|client| client.keys.is_over(now)) {
            match store::nas::forget_old_secrets(&db, now).await {
                Ok(count) => tracing::info!(count, "secrets from before a rotation are forgotten"),
                Err(error) => tracing::debug!(%error, "old secrets could not be forgotten; they count no more"),
            }
        }
        if last {
            return;
        }
    }
}

/// What is to be written down, and shown in the metrics.
fn heard_since(registry: &Registry, metrics: &Metrics, now: OffsetDateTime) -> Vec<Heard> {
    let mut heard = Vec::new();
    metrics.old_secret_in_use.reset();
    for client in registry.all() {
        let at = client.heard.load(Ordering::Relaxed);
        metrics.last_seen.with_label_values(&[&client.name]).set(at);
        let old_in_use = i64::from(client.is_old_secret_in_use(now));
        metrics.old_secret_in_use.with_label_values(&[&client.name]).set(old_in_use);
        if at > client.heard_written.load(Ordering::Relaxed)
            && let Ok(time) = OffsetDateTime::from_unix_timestamp(at)
        {
            client.heard_written.store(at, Ordering::Relaxed);
            let proved_generation = client.keys.take_proof();
            let clock_offset_seconds = client.clock_offset_seconds();
            heard.push(Heard { nas: client.id, at: time.min(now), proved_generation, clock_offset_seconds });
        }
    }
    heard
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn nas(name: &str, address: &str) -> Nas {
        Nas {
            id: Uuid::from_u128(name.bytes().map(u128::from).sum()),
            name: name.into(),
            address: Some(address.parse().expect("a network")),
            secret: b"testing123".to_vec(),
            secret_generation: 1,
            limit_proxy_state: true,
            ..Nas::default()
        }
    }

    #[test]
    fn the_longest_prefix_wins_and_strangers_are_nobody() {
        let list = [nas("net", "10.0.0.0/8"), nas("site", "10.1.0.0/16"), nas("host", "10.1.2.3/32")];
        let registry = Registry::new(&list, &Registry::default());
        let name = |ip: &str| registry.find(ip.parse().expect("an address")).map(|c| c.name.clone());
        assert_eq!(name("10.9.9.9").as_deref(), Some("net"));
        assert_eq!(name("10.1.9.9").as_deref(), Some("site"));
        assert_eq!(name("10.1.2.3").as_deref(), Some("host"));
        assert_eq!(name("::ffff:10.1.2.3").as_deref(), Some("host"));
        assert_eq!(name("192.0.2.1"), None);
    }

    #[test]
    fn a_router_that_signs_once_must_go_on_even_after_a_reload() {
        let list = [nas("host", "10.1.2.3/32")];
        let registry = Registry::new(&list, &Registry::default());
        let client = registry.find("10.1.2.3".parse().expect("an address")).expect("known");
        assert!(!client.requires_message_authenticator());
        assert!(client.learn_that_it_signs());
        assert!(!client.learn_that_it_signs(), "told once");
        let again = Registry::new(&list, &registry);
        assert!(again.find("10.1.2.3".parse().expect("an address")).expect("known").requires_message_authenticator());
    }

    #[test]
    fn a_router_that_comes_by_tls_is_known_by_its_certificate() {
        let anywhere = Nas { address: None, radsec_name: Some("cafe.example".into()), ..nas("cafe", "10.0.0.0/8") };
        let there = Nas { radsec_name: Some("10.20.0.2".into()), ..nas("shop", "10.20.0.2/32") };
        let registry = Registry::new(&[anywhere, there], &Registry::default());
        let by_name = |name: &str| registry.by_radsec_name(name).map(|client| client.name.as_str());
        assert_eq!(by_name("Cafe.Example"), Some("cafe"));
        assert_eq!(by_name("10.20.0.2"), Some("shop"));
        assert_eq!(by_name("shop"), None, "our own name for a router proves nothing");
        let may = |name: &str, ip: &str| {
            registry.by_radsec_name(name).expect("known").may_come_from(ip.parse().expect("an address"))
        };
        assert!(may("cafe.example", "192.0.2.9") && may("cafe.example", "2001:db8::9"));
        assert!(may("10.20.0.2", "::ffff:10.20.0.2") && !may("10.20.0.2", "10.20.0.3"));
        assert!(registry.find("192.0.2.9".parse().expect("an address")).is_none(), "not over UDP");
    }
}
