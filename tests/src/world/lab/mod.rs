//! A laboratory for one test of the RADIUS server: a [`World`] with the real radiusd, one registered router, which is
//! this test itself on 127.0.0.1, and one customer.
//!
//! [`Draft`] makes requests that may break any rule, [`Wire`] sends them and hears the answers, and [`Lab`] knows what
//! to expect: [`Lab::answered`] wants an answer that proves itself, [`Lab::silent`] wants none. Silence is shown without
//! waiting for it: a Status-Server behind the packet is answered, the packet is counted once under its reason, and a
//! line in the log says so, at most one in ten seconds.

mod draft;
mod wire;

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::Instant;

use radius_proto::Code;
use radius_proto::attribute::{mikrotik, rfc2865, rfc2866, rfc2869, wispr};
use uuid::Uuid;

pub use draft::{Draft, hmac_md5, md5};
pub use wire::{Answer, Datagram, Wire};

use super::{Program, Settings, World, at, eventually};

/// The secret between the test and radiusd.
pub const SECRET: &[u8] = b"between-us-two";
/// The customer's login.
pub const NAME: &str = "amina";
/// The customer's password.
pub const PASSWORD: &str = "siri ya amina";
/// The customer's device.
pub const MAC: &str = "02:00:00:00:00:01";
/// The name under which the test is registered as a router.
pub const ROUTER: &str = "lab";

/// One silent line a reason in so many seconds is the promise.
const LOG_PERIOD_SECONDS: u64 = 10;

/// Which of the two ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Port {
    /// Authentication.
    Auth,
    /// Accounting.
    Acct,
}

impl Port {
    /// Both.
    pub const BOTH: [Port; 2] = [Port::Auth, Port::Acct];

    /// Its name in the metrics.
    pub fn label(self) -> &'static str {
        match self {
            Port::Auth => "auth",
            Port::Acct => "acct",
        }
    }
}

/// What a test may want otherwise.
#[derive(Clone, Debug)]
pub struct LabSettings {
    /// The world's settings; rejects are not held back, so that their order says something.
    pub world: Settings,
    /// What else the router is registered with; its address is 127.0.0.1.
    pub router: store::nas::Settings<'static>,
}

impl Default for LabSettings {
    fn default() -> LabSettings {
        LabSettings { world: Settings { reject_delay_ms: 0, ..Settings::default() }, router: at(Ipv4Addr::LOCALHOST) }
    }
}

/// The laboratory.
pub struct Lab {
    /// The world around it.
    pub world: World,
    /// The router's socket.
    pub wire: Wire,
    /// The router.
    pub router: Uuid,
    /// What the customer has: an hour, a gibibyte, 2M/5M, on up to a hundred devices.
    pub package: store::package::Package,
    /// The customer's entitlement.
    pub entitlement: Uuid,
    /// When a reason for silence was first met.
    met: Mutex<HashMap<String, Instant>>,
}

impl Lab {
    /// The usual laboratory.
    pub async fn new() -> Lab {
        Lab::with(LabSettings::default()).await
    }

    /// A laboratory with these settings.
    pub async fn with(settings: LabSettings) -> Lab {
        let mut lab = Lab::prepare(settings).await;
        lab.start().await;
        lab
    }

    /// All of it but radiusd, so that a test can arrange what radiusd shall find at its start.
    pub async fn prepare(settings: LabSettings) -> Lab {
        let world = World::with(settings.world).await;
        let package = world
            .package("an-hour", |package| {
                package.rules.quota_octets = Some(1 << 30);
                package.rules.device_limit = 100;
            })
            .await;
        let entitlement = world.grant(&package, NAME, PASSWORD).await;
        let wire = Wire::at(Ipv4Addr::LOCALHOST).await;
        let router = world.register(ROUTER, SECRET, settings.router).await;
        Lab { world, wire, router, package, entitlement, met: Mutex::new(HashMap::new()) }
    }

    /// Registers another router under the same secret, and returns its socket. radiusd must not run yet.
    ///
    /// # Panics
    /// If it cannot be registered.
    pub async fn another_router(&self, name: &str, settings: store::nas::Settings<'_>) -> Wire {
        let address = settings.address.expect("a router has an address").addr();
        self.world.register(name, SECRET, settings).await;
        Wire::at(address).await
    }

    /// Starts radiusd, or starts it again.
    pub async fn start(&mut self) {
        self.world.start_radiusd().await;
        self.met = Mutex::new(HashMap::new());
    }

    /// The running radiusd.
    ///
    /// # Panics
    /// If it was not started.
    pub fn radiusd(&self) -> &Program {
        self.world.radiusd.as_ref().expect("radiusd runs")
    }

    /// Where that port is.
    ///
    /// # Panics
    /// If radiusd does not run.
    pub fn address(&self, port: Port) -> SocketAddr {
        self.radiusd().address(port.label()).parse().expect("an address")
    }

    /// A login as RouterOS' hotspot writes it, from the customer's device, without credential and signature.
    pub fn knock(&self, name: &str, mac: &str) -> Draft {
        Draft::new(Code::AccessRequest, SECRET)
            .put(rfc2865::NAS_PORT_TYPE, rfc2865::nas_port_type::WIRELESS_802_11)
            .put(rfc2865::CALLING_STATION_ID, mac.as_bytes())
            .put(rfc2865::CALLED_STATION_ID, b"hotspot1")
            .put(rfc2869::NAS_PORT_ID, b"bridge")
            .put(rfc2865::USER_NAME, name.as_bytes())
            .put(rfc2865::NAS_PORT, 0x8010_0014)
            .put(rfc2866::ACCT_SESSION_ID, b"80100014")
            .put(rfc2865::FRAMED_IP_ADDRESS, Ipv4Addr::new(10, 5, 50, 9))
            .put(mikrotik::HOST_IP, Ipv4Addr::new(10, 5, 50, 9))
            .put(rfc2865::SERVICE_TYPE, rfc2865::service_type::LOGIN_USER)
            .put(wispr::LOGOFF_URL, b"http://10.5.50.1/logout")
            .put(rfc2865::NAS_IDENTIFIER, ROUTER.as_bytes())
            .put(rfc2865::NAS_IP_ADDRESS, Ipv4Addr::LOCALHOST)
    }

    /// A login with PAP, signed at the end, as RouterOS signs.
    pub fn login(&self, name: &str, password: &str) -> Draft {
        self.knock(name, MAC).pap(password.as_bytes()).sign()
    }

    /// The customer's login, which is right in every way.
    pub fn good_login(&self) -> Draft {
        self.login(NAME, PASSWORD)
    }

    /// A report about the customer's session of that name, without Class.
    pub fn report(&self, status: u32, session: &str) -> Draft {
        Draft::new(Code::AccountingRequest, SECRET)
            .put(rfc2866::ACCT_STATUS_TYPE, status)
            .put(rfc2865::CALLING_STATION_ID, MAC.as_bytes())
            .put(rfc2865::USER_NAME, NAME.as_bytes())
            .put(rfc2866::ACCT_SESSION_ID, session.as_bytes())
            .put(rfc2865::FRAMED_IP_ADDRESS, Ipv4Addr::new(10, 5, 50, 9))
            .put(rfc2865::NAS_IDENTIFIER, ROUTER.as_bytes())
    }

    /// A Status-Server, signed.
    pub fn status(&self) -> Draft {
        Draft::new(Code::StatusServer, SECRET).sign()
    }

    /// Sends a request from the router's socket and returns its answer, which has proved itself.
    pub async fn answered(&self, port: Port, request: &Draft) -> Answer {
        self.wire.ask(self.address(port), &request.finish(), SECRET).await
    }

    /// Logs the customer in and returns the ticket that the router must send back (Class).
    ///
    /// # Panics
    /// If the login is refused.
    pub async fn ticket(&self) -> Vec<u8> {
        let answer = self.answered(Port::Auth, &self.good_login()).await;
        assert!(answer.is_accept(), "{:?}", answer.packet());
        answer.get(rfc2865::CLASS).expect("a ticket").to_vec()
    }

    /// Sends a datagram from the router's socket, and shows that it gets no answer.
    pub async fn silent(&self, port: Port, datagram: &[u8], reason: &str) {
        let before = self.drops().await;
        self.wire.send(self.address(port), datagram).await;
        self.shows_silence(port, reason, &before, 1).await;
    }

    /// The same from another socket.
    ///
    /// # Panics
    /// If an answer comes.
    pub async fn silent_from(&self, wire: &Wire, to: SocketAddr, port: Port, datagram: &[u8], reason: &str) {
        let before = self.drops().await;
        wire.send(to, datagram).await;
        self.shows_silence(port, reason, &before, 1).await;
        assert_eq!(wire.waiting(), None, "{reason}: no datagram back");
    }

    /// Shows that `packets` packets, sent since `before` was read, got no answer: each was counted under the reason and
    /// nowhere else, the log says so once, and only the Status-Server behind them was answered.
    ///
    /// # Panics
    /// If any of that is not so.
    pub async fn shows_silence(&self, port: Port, reason: &str, before: &Series, packets: u32) {
        let series = format!(r#"listener="{}",reason="{reason}""#, port.label());
        let expected = before.get(&series).copied().unwrap_or(0.0) + f64::from(packets);
        let started = Instant::now();
        let after = loop {
            let now = self.drops().await;
            let others = |drops: &Series| {
                drops.iter().filter(|(key, _)| **key != series).map(|(k, v)| (k.clone(), *v)).collect::<Series>()
            };
            assert_eq!(others(&now), others(before), "counted under another reason than {reason}");
            let counted = now.get(&series).copied().unwrap_or(0.0);
            assert!(counted <= expected, "{reason} was counted more than {packets} times");
            if counted >= expected {
                break now;
            }
            assert!(
                started.elapsed() < super::PATIENCE,
                "{reason} was not counted: {}",
                self.radiusd().metrics().await
            );
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        };
        // Were an answer on its way, it would be here before the one to this.
        let status = self.status().finish();
        self.wire.send(self.address(port), &status).await;
        let heard = Answer::check(self.wire.receive().await, &status, SECRET);
        assert!(
            matches!(heard.code(), Code::AccessAccept | Code::AccountingResponse),
            "{reason}: {:?}",
            heard.packet()
        );
        assert_eq!(self.wire.waiting(), None, "{reason}: only the Status-Server is answered");
        assert_eq!(self.drops().await, after, "{reason}: counted once");
        self.logged_seldom(reason).await;
    }

    /// One line for a reason when it is first met, and no more than one in ten seconds after that.
    async fn logged_seldom(&self, reason: &str) {
        let met = *self.met.lock().expect("no other holder").entry(reason.to_owned()).or_insert_with(Instant::now);
        let word = format!("reason=\"{reason}\"");
        let lines = || self.radiusd().log().lines().filter(|l| l.contains("no answer:") && l.contains(&word)).count();
        eventually("the log says why there was no answer", || async { (lines() >= 1).then_some(()) }).await;
        let most = 1 + met.elapsed().as_secs().div_ceil(LOG_PERIOD_SECONDS);
        assert!(lines() as u64 <= most, "{} lines about {reason} in {:?}", lines(), met.elapsed());
    }

    /// Every counter of packets without an answer, by its labels.
    pub async fn drops(&self) -> Series {
        self.family("mlango_radius_packets_dropped_total").await
    }

    /// Every series of a metric, by its labels as they are printed.
    pub async fn family(&self, name: &str) -> Series {
        let text = self.radiusd().metrics().await;
        let start = format!("{name}{{");
        text.lines()
            .filter_map(|line| {
                let (labels, value) = line.strip_prefix(&start)?.rsplit_once("} ")?;
                Some((labels.to_owned(), value.parse().ok()?))
            })
            .collect()
    }

    /// The sum of all series of a metric.
    pub async fn total(&self, name: &str) -> f64 {
        self.family(name).await.values().sum()
    }

    /// How many sessions there are, open and ended.
    ///
    /// # Panics
    /// If PostgreSQL does not answer.
    pub async fn sessions(&self) -> (i64, i64) {
        sqlx::query_as("SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM sessions_ended)")
            .fetch_one(&self.world.pool)
            .await
            .expect("PostgreSQL answers")
    }

    /// What the customer has used: seconds, octets up, octets down.
    ///
    /// # Panics
    /// If PostgreSQL does not answer.
    pub async fn usage(&self) -> (i64, i64, i64) {
        sqlx::query_as("SELECT seconds, input_octets, output_octets FROM entitlement_usage WHERE entitlement_id = $1")
            .bind(self.entitlement)
            .fetch_one(&self.world.pool)
            .await
            .expect("PostgreSQL answers")
    }
}

/// Series of a metric: labels and value.
pub type Series = BTreeMap<String, f64>;

/// A port of this address that is free now, and that the kernel gives to nobody who did not ask for it: a server can be
/// killed and find it free again. Another each time.
///
/// # Panics
/// If no port of this address can be had.
pub fn free_port(address: impl Into<IpAddr>) -> u16 {
    /// Below what Linux gives out by itself.
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(u16::from_le_bytes(shared::rng::bytes())));
    let address = address.into();
    let candidates = std::iter::repeat_with(|| FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT);
    let is_free = |port: &u16| {
        let place = SocketAddr::new(address, *port);
        std::net::UdpSocket::bind(place).is_ok() && std::net::TcpListener::bind(place).is_ok()
    };
    candidates.take(COUNT.into()).find(is_free).unwrap_or_else(|| panic!("{address} has no free port"))
}
