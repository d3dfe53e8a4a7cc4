//! A world for one test: a private database, a private Redis prefix, a configuration, and the real programs as
//! processes of their own, on free ports.
//!
//! [`World::new`] makes the database and the configuration; [`World::start_radiusd`] and [`World::start_portal`]
//! start programs, which can be killed and started again; [`World::router`] gives a simulated router that is
//! registered; [`World::daraja`] a simulated M-Pesa. [`Tap`] stands between a program and a server and can be cut.
//! [`lab`] adds what a test of single RADIUS packets needs.
//! Everything ends with the world: processes are killed, the folder is removed.
//!
//! It waits for conditions with [`eventually`] and never for a time.

mod axe;
mod browser;
mod cluster;
mod database;
mod doctor;
pub mod lab;
mod pair;
mod program;
mod schema;
mod staff;
mod tap;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use shared::seal::SealKey;
use shared::time::{Clock, OffsetDateTime};
use sqlx::postgres::{PgConnectOptions, PgPool};
use store::Db;
use store::accounting::{Event, Report, SessionKey};

pub use axe::{Axe, Violation};
pub use browser::Browser;
pub use cluster::Cluster;
pub use doctor::Verdicts;
pub use program::{Program, binary};
pub use schema::released;
pub use tap::Tap;

use crate::daraja::{Daraja, DarajaConfig};
use crate::nas::{Nas, NasConfig};
use crate::sms::{SmsSim, SmsSimConfig};
use crate::stripe::{Stripe, StripeConfig};

/// Longest wait for a condition; far more than any needs on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `condition` gives a value, and says what it waited for if it never does.
///
/// # Panics
/// If the condition does not hold within [`PATIENCE`].
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, condition: impl FnMut() -> F) -> T {
    eventually_within(PATIENCE, what, condition).await
}

/// The same for what takes its time by itself.
///
/// # Panics
/// If the condition does not hold within `patience`.
pub async fn eventually_within<T, F: Future<Output = Option<T>>>(
    patience: Duration,
    what: &str,
    mut condition: impl FnMut() -> F,
) -> T {
    let started = std::time::Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(started.elapsed() < patience, "waited {patience:?} in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// One test's world.
pub struct World {
    /// Straight into the database, for looking and for arranging.
    pub pool: PgPool,
    /// The store, as the programs use it.
    pub db: Db,
    /// The real clock.
    pub clock: Clock,
    /// The running RADIUS server.
    pub radiusd: Option<Program>,
    /// The running portal.
    pub portal: Option<Program>,
    /// Stands between the programs and PostgreSQL.
    pub postgres: Tap,
    /// Stands between the programs and Redis.
    pub redis: Tap,
    daraja: Option<Arc<Daraja>>,
    sms: Option<Arc<SmsSim>>,
    stripe: Option<Arc<Stripe>>,
    directory: Directory,
    settings: Settings,
}

/// What a test may want otherwise.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `radius.interim_seconds`.
    pub interim_seconds: u32,
    /// `radius.reject_delay_ms`; short, so that tests are.
    pub reject_delay_ms: u64,
    /// `radius.lock_after`.
    pub lock_after: u32,
    /// `accounting.queue`.
    pub accounting_queue: u32,
    /// More lines for `[accounting]`. Without any, what was acknowledged is in the database.
    pub accounting: String,
    /// Whether radiusd has a spool.
    pub has_spool: bool,
    /// Another PostgreSQL than all tests share.
    pub server: Option<String>,
    /// The last migration of the schema; `None`: all are applied.
    pub schema: Option<i64>,
    /// Where the spool lies; `None`: in the world's folder.
    pub spool: Option<PathBuf>,
    /// `radius.auth_listen`.
    pub auth_listen: Vec<String>,
    /// `radius.acct_listen`.
    pub acct_listen: Vec<String>,
    /// `mpesa.query_after_seconds`.
    pub query_after_seconds: Vec<u32>,
    /// From the prompt to the customer's answer.
    pub mpesa_delay: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            interim_seconds: 10,
            reject_delay_ms: 20,
            lock_after: 10,
            accounting_queue: 8192,
            accounting: "commit = \"database\"\n".to_owned(),
            server: None,
            schema: None,
            spool: None,
            has_spool: true,
            auth_listen: vec!["127.0.0.1:0".to_owned()],
            acct_listen: vec!["127.0.0.1:0".to_owned()],
            query_after_seconds: vec![1, 2, 3],
            mpesa_delay: Duration::from_millis(300),
        }
    }
}

/// The settings of a router with this one address.
pub fn at(address: impl Into<std::net::IpAddr>) -> store::nas::Settings<'static> {
    store::nas::Settings { address: Some(ipnet::IpNet::from(address.into())), ..store::nas::Settings::default() }
}

/// A folder that is removed with its owner.
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        // A folder that stays behind in the temporary place harms nobody.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

impl World {
    /// A world with the usual settings.
    pub async fn new() -> World {
        World::with(Settings::default()).await
    }

    /// A world with these settings.
    ///
    /// # Panics
    /// If there is no PostgreSQL and Redis for tests: `./mlango test` starts them.
    pub async fn with(settings: Settings) -> World {
        let server = settings.server.clone().unwrap_or_else(|| variable("MLANGO_TEST_DATABASE_URL"));
        let redis_url = variable("MLANGO_TEST_REDIS_URL");
        let name = format!("mlango_test_{:016x}", u64::from_be_bytes(shared::rng::bytes()));
        let options: PgConnectOptions = server.parse().expect("MLANGO_TEST_DATABASE_URL is a PostgreSQL URL");
        let pool = database::create(&options, &name, settings.schema).await;
        let path = std::env::temp_dir().join(&name);
        std::fs::create_dir_all(&path).expect("a folder for this test");
        let directory = Directory(path);
        let postgres = Tap::postgres(&directory.0, &options).await;
        let redis = Tap::redis(&directory.0, &redis_url).await;
        let seal_key = hex::encode(shared::rng::bytes::<32>());
        std::fs::write(directory.0.join("seal.key"), &seal_key).expect("the key is written");
        let database = shared::config::Database {
            write: tapped_url(&directory.0, &options, &name),
            listen: None,
            max_connections: 10,
        };
        let seal = Arc::new(SealKey::from_hex(&seal_key).expect("64 digits"));
        // The test's own store goes straight to the server, so that it can look while the programs are cut off.
        let straight = shared::config::Database { write: direct_url(&options, &name), ..database.clone() };
        let db = Db::open(&straight, seal).expect("a valid URL");
        let mut world = World {
            pool,
            db,
            clock: Clock::system(),
            radiusd: None,
            portal: None,
            postgres,
            redis,
            daraja: None,
            sms: None,
            stripe: None,
            directory,
            settings,
        };
        world.write_configuration(&database.write, &name);
        world
    }

    fn write_configuration(&mut self, database: &str, prefix: &str) {
        let directory = self.directory.0.display();
        let Settings {
            interim_seconds,
            reject_delay_ms,
            lock_after,
            accounting_queue,
            accounting,
            auth_listen,
            acct_listen,
            ..
        } = &self.settings;
        let spool = match self.settings.has_spool {
            true => match &self.settings.spool {
                Some(spool) => format!("spool = \"{}\"\n", spool.display()),
                None => format!("spool = \"{directory}/spool\"\n"),
            },
            false => String::new(),
        };
        let text = format!(
            "[database]\nwrite = \"{database}\"\n\n[redis]\nurl = \"redis+unix://{directory}/redis.sock\"\nprefix = \"{prefix}\"\n\n\
             [secrets]\nseal_key_file = \"{directory}/seal.key\"\n\n[log]\nlevel = \"info,radiusd=debug,portal=debug\"\n\n\
             [radius]\nauth_listen = {auth_listen:?}\nacct_listen = {acct_listen:?}\nadmin_listen = \"127.0.0.1:0\"\n\
             interim_seconds = {interim_seconds}\nreject_delay_ms = {reject_delay_ms}\nlock_after = {lock_after}\n\n\
             [accounting]\nqueue = {accounting_queue}\n{spool}{accounting}\n\
             [portal]\nlisten = \"127.0.0.1:{}\"\nmetrics_listen = \"127.0.0.1:0\"\npublic_url = \"{}\"\n\n{}",
            self.portal_port(),
            self.portal_url(),
            self.mpesa_section(),
        );
        std::fs::write(self.config(), text).expect("the configuration is written");
    }

    fn mpesa_section(&self) -> String {
        match &self.daraja {
            None => String::new(),
            Some(daraja) => format!(
                "[mpesa]\nbase_url = \"{}\"\nconsumer_key = \"key\"\nconsumer_secret = \"secret\"\nshortcode = \"174379\"\n\
                 passkey = \"passkey\"\nquery_after_seconds = {:?}\ntimeout_ms = 2000\n",
                daraja.base_url(),
                self.settings.query_after_seconds,
            ),
        }
    }

    /// The configuration file of this world.
    pub fn config(&self) -> PathBuf {
        self.directory.0.join("mlango.toml")
    }

    /// Where the portal is reached; the port is chosen once, so that a page survives the portal's restart.
    pub fn portal_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.portal_port())
    }

    fn portal_port(&self) -> u16 {
        self.redis.spare_port()
    }

    /// From now on radiusd listens on these addresses.
    pub fn fix_radius_ports(&self, auth: &str, acct: &str) {
        let text = std::fs::read_to_string(self.config()).expect("the configuration is there");
        let text = text
            .replace("auth_listen = [\"127.0.0.1:0\"]", &format!("auth_listen = [\"{auth}\"]"))
            .replace("acct_listen = [\"127.0.0.1:0\"]", &format!("acct_listen = [\"{acct}\"]"));
        std::fs::write(self.config(), text).expect("the configuration is written");
    }

    /// Starts radiusd and waits until it answers.
    pub async fn start_radiusd(&mut self) -> &Program {
        let program = Program::start("radiusd", &self.config(), &self.directory.0).await;
        self.radiusd.insert(program)
    }

    /// Starts another radiusd beside the first one, with ports and a spool of its own.
    pub async fn another_radiusd(&self) -> Program {
        let text = std::fs::read_to_string(self.config()).expect("the configuration is there");
        let folder = self.directory.0.join("another");
        std::fs::create_dir_all(&folder).expect("a folder for it");
        let config = folder.join("mlango.toml");
        let (spool, other) = (self.directory.0.join("spool"), folder.join("spool"));
        let text = text.replace(&spool.display().to_string(), &other.display().to_string());
        std::fs::write(&config, text).expect("the configuration is written");
        Program::start("radiusd", &config, &folder).await
    }

    /// After the server was killed: waits until the test's own connections work again.
    pub async fn reconnect(&self) {
        eventually("the test reaches its database again", || async {
            sqlx::query("SELECT 1").execute(&self.pool).await.ok()
        })
        .await;
    }

    /// Starts the portal and waits until it answers.
    pub async fn start_portal(&mut self) -> &Program {
        if let Some(radiusd) = &self.radiusd {
            // The desk asks radiusd how it is: at the port that it was given.
            let text = std::fs::read_to_string(self.config()).expect("the configuration is there");
            let address = format!("admin_listen = \"{}\"", radiusd.address("admin"));
            let text = text.replace("admin_listen = \"127.0.0.1:0\"", &address);
            std::fs::write(self.config(), text).expect("the configuration is written");
        }
        let program = Program::start("portal", &self.config(), &self.directory.0).await;
        self.portal.insert(program)
    }

    /// Starts a simulated M-Pesa and names it in the configuration; call it before the portal is started.
    pub async fn daraja(&mut self) -> Arc<Daraja> {
        let config = DarajaConfig { delay: self.settings.mpesa_delay, ..DarajaConfig::new("key", "secret", "passkey") };
        let daraja = Arc::new(Daraja::start(config).await.expect("the simulated M-Pesa starts"));
        self.daraja = Some(Arc::clone(&daraja));
        let text = std::fs::read_to_string(self.config()).expect("the configuration is there");
        std::fs::write(self.config(), text + &self.mpesa_section()).expect("the configuration is written");
        daraja
    }

    /// Names an initiator for the simulated M-Pesa, who can look payments up and give them back; call it after [`World::daraja`] and
    /// before the portal is started.
    ///
    /// # Panics
    /// If no certificate can be made.
    pub fn initiator(&self) {
        let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).expect("a key");
        let certificate = rcgen::CertificateParams::default().self_signed(&key).expect("a certificate").pem();
        let file = self.directory.0.join("mpesa.pem");
        std::fs::write(&file, certificate).expect("the certificate is written");
        let text = std::fs::read_to_string(self.config()).expect("the configuration is there");
        let section = format!(
            "\n[mpesa.initiator]\nname = \"api\"\npassword = \"secret\"\ncertificate = \"{}\"\n",
            file.display()
        );
        std::fs::write(self.config(), text + &section).expect("the configuration is written");
    }

    /// Starts the simulated providers of SMS and names them in the configuration; call it before the portal is started.
    pub async fn sms(&mut self) -> Arc<SmsSim> {
        let account = format!("AC{}", "5a".repeat(16));
        let sms =
            Arc::new(SmsSim::start(SmsSimConfig::new("mlango", "key", &account, "token")).await.expect("it starts"));
        let url = sms.base_url();
        let text = std::fs::read_to_string(self.config()).expect("the configuration is there");
        let section = format!(
            "\n[sms]\ntimeout_ms = 2000\n[sms.africastalking]\nusername = \"mlango\"\napi_key = \"key\"\nbase_url = \"{url}\"\n\
             [sms.twilio]\naccount_sid = \"{account}\"\nauth_token = \"token\"\nfrom = \"+254700000000\"\nbase_url = \"{url}\"\n"
        );
        std::fs::write(self.config(), text + &section).expect("the configuration is written");
        self.sms = Some(Arc::clone(&sms));
        sms
    }

    /// Starts a simulated Stripe and names it in the configuration; call it before the portal is started. Cards are taken from
    /// KSh 1 on. Its key is `sk_test_x`, and it signs with `whsec_x`.
    pub async fn stripe(&mut self) -> Arc<Stripe> {
        let config = StripeConfig {
            webhook_url: Some(format!("{}/webhooks/stripe", self.portal_url())),
            delay: Duration::from_millis(100),
            ..StripeConfig::new("sk_test_x", "whsec_x")
        };
        let stripe = Arc::new(Stripe::start(config).await.expect("the simulated Stripe starts"));
        let text = std::fs::read_to_string(self.config()).expect("the configuration is there");
        let section = format!(
            "\n[stripe]\nbase_url = \"{}\"\nsecret_key = \"sk_test_x\"\nwebhook_secret = \"whsec_x\"\nminimum = {{ kes = 100 }}\n\
             timeout_ms = 2000\n",
            stripe.base_url()
        );
        std::fs::write(self.config(), text + &section).expect("the configuration is written");
        self.stripe = Some(Arc::clone(&stripe));
        stripe
    }

    /// Lets radiusd check its configuration. Returns whether it is good, and what radiusd says of it.
    pub async fn check_radiusd(&self) -> (bool, String) {
        program::outcome("radiusd", &self.config(), &["--check-config"]).await
    }

    /// Runs a command of the portal and returns what it printed.
    ///
    /// # Panics
    /// If the command fails.
    pub async fn portal_command(&self, arguments: &[&str], input: &str) -> String {
        let ran = program::command("portal", &self.config(), arguments, input).await;
        ran.unwrap_or_else(|errors| panic!("portal {arguments:?}: {errors}"))
    }

    /// Runs a command of the portal that must fail, and returns its complaint.
    ///
    /// # Panics
    /// If the command succeeds.
    pub async fn portal_refuses(&self, arguments: &[&str], input: &str) -> String {
        let ran = program::command("portal", &self.config(), arguments, input).await;
        ran.expect_err("the command must fail")
    }

    /// Prints a voucher with this code.
    ///
    /// # Panics
    /// If it cannot be printed.
    pub async fn voucher(&self, package: &store::package::Package, code: &str) {
        let code = shared::voucher::normalise(code).expect("a code");
        let paper = store::voucher::Paper::default();
        let printed = store::voucher::print_batch(&self.db, package, &paper, &[code], "test", self.clock.now()).await;
        printed.expect("a voucher");
    }

    /// Registers a router and returns its identity. A running radiusd learns of it by itself.
    ///
    /// # Panics
    /// If it cannot be registered.
    pub async fn register(&self, name: &str, secret: &[u8], settings: store::nas::Settings<'_>) -> uuid::Uuid {
        let now = self.clock.now();
        let new = store::nas::NewNas { id: shared::rng::id(now), name, secret, settings };
        store::nas::save(&self.db, &new, now).await.expect("the router is registered");
        new.id
    }

    /// A simulated router whose RADIUS server is the running radiusd, registered under its name.
    pub async fn router(&self, name: &str, change: impl FnOnce(&mut NasConfig)) -> Nas {
        let ready = self.radiusd.as_ref().expect("radiusd runs").ready.clone();
        let address =
            |key: &str| -> SocketAddr { ready[key].as_str().expect("an address").parse().expect("an address") };
        let secret = shared::rng::secret();
        let mut config = NasConfig::new(address("auth"), address("acct"), secret.as_bytes()).expect("a secret");
        config.identity = name.to_owned();
        config.portal_url = self.portal_url();
        config.interim_floor = Duration::from_secs(1);
        change(&mut config);
        let (bind, rest) = (config.bind, config.rest.clone());
        let nas = Nas::start(config).await.expect("the router starts");
        let site = store::site::ensure(&self.db, shared::rng::id(self.clock.now()), "Test site", self.clock.now())
            .await
            .expect("a site");
        let rest_url: shared::routeros::RestUrl =
            format!("http://{}", nas.http_addr()).parse().expect("an address of this machine");
        let settings = store::nas::Settings {
            site_id: Some(site),
            identifier: Some(name),
            rest: rest.as_ref().map(|(user, password)| store::nas::RestChange::Set { url: &rest_url, user, password }),
            coa_port: Some(nas.coa_addr().port()),
            hotspot_hosts: Some(&[nas.http_addr().to_string()]),
            ..at(bind)
        };
        self.register(name, secret.as_bytes(), settings).await;
        self.radiusd_knows(name).await;
        nas
    }

    /// Waits until radiusd has learnt of a router.
    ///
    /// # Panics
    /// If radiusd does not run, or does not learn of it.
    pub async fn radiusd_knows(&self, name: &str) {
        let url = format!(
            "http://{}/metrics",
            self.radiusd.as_ref().expect("radiusd runs").ready["admin"].as_str().expect("an address")
        );
        eventually("radiusd reads the new router", || async {
            let text = reqwest::get(&url).await.ok()?.text().await.ok()?;
            text.contains(&format!("mlango_nas_known{{nas=\"{name}\"}} 1")).then_some(())
        })
        .await;
    }

    /// Puts a package on sale.
    pub async fn package(
        &self,
        slug: &str,
        change: impl FnOnce(&mut store::package::Package),
    ) -> store::package::Package {
        let mut package = store::package::Package {
            id: shared::rng::id(self.clock.now()),
            slug: slug.to_owned(),
            name: slug.replace('-', " "),
            price: shared::money::Money::kes(2_000),
            starts: store::package::Starts::FirstLogin,
            rules: shared::rules::Rules {
                duration: Some(Duration::from_secs(3600)),
                rate: Some(shared::rate::Rate { up_bps: 2_000_000, down_bps: 5_000_000 }),
                ..shared::rules::Rules::default()
            },
            purchases: store::package::Purchases::default(),
            active: true,
            position: 0,
            sale: shared::sale::Sale::default(),
            version: 0,
        };
        change(&mut package);
        store::package::save(&self.db, &package, "test", self.clock.now()).await.expect("the package is saved")
    }

    /// Gives a login a package, outside of a sale. radiusd learns of it by itself.
    pub async fn grant(&self, package: &store::package::Package, login: &str, password: &str) -> uuid::Uuid {
        store::entitlement::grant(&self.db, None, package, login.as_bytes(), password.as_bytes(), self.clock.now())
            .await
            .expect("the login is free")
    }
}

/// The first report of a session at that router, with a ticket and without an entitlement; change what matters.
pub fn first_report(nas: uuid::Uuid, now: OffsetDateTime) -> Report {
    Report {
        session: SessionKey { id: shared::rng::id(now), opened_on: now.date() },
        nas,
        nas_address: None,
        entitlement: None,
        user_name: "amina".into(),
        mac: None,
        framed_ip: None,
        acct_session_id: "80100001".into(),
        event: Event::Start,
        seconds: 0,
        input_octets: 0,
        output_octets: 0,
        terminate_cause: None,
        at: now,
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run the tests with ./mlango test, which starts PostgreSQL and Redis")
    })
}

/// How the programs reach PostgreSQL: through the tap's socket.
fn tapped_url(directory: &std::path::Path, options: &PgConnectOptions, database: &str) -> String {
    format!("postgres:///{database}?host={}&user={}", directory.display(), options.get_username())
}

fn direct_url(options: &PgConnectOptions, database: &str) -> String {
    match options.get_socket() {
        Some(socket) => format!("postgres:///{database}?host={}&user={}", socket.display(), options.get_username()),
        None => {
            format!("postgres://{}@{}:{}/{database}", options.get_username(), options.get_host(), options.get_port())
        }
    }
}
