//! What every handler can reach: configuration, store, clock, metrics, payment providers. One value, made once,
//! cheap to clone; nothing in it changes while the program runs except counters.

use std::ops::Deref;
use std::sync::Arc;

use ::books::etims::Etims;
use shared::config::Config;
use shared::time::Clock;
use store::Db;
use store::redis::Redis;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::alerts::Alerts;
use crate::books::programs::Programs;
use crate::jobs::closing::Closing;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::notify::email::Email;
use crate::notify::sms::Sms;
use crate::pages::privacy::Texts;
use crate::payments::mpesa::Mpesa;
use crate::payments::stripe::Stripe;
use crate::payments::trouble::Trouble;
use crate::predictions::Predictions;
use crate::throttle::Throttle;
use crate::views::assets;
use crate::views::brand::Brand;

/// The application.
#[derive(Clone, Debug)]
pub struct App(Arc<Inner>);

/// What [`App`] points to.
#[derive(Debug)]
#[non_exhaustive]
pub struct Inner {
    /// The checked configuration.
    pub config: Config,
    /// PostgreSQL.
    pub db: Db,
    /// Redis: sessions of the desk, nothing that may not be lost.
    pub redis: Redis,
    /// The clock.
    pub clock: Clock,
    /// Counters and histograms.
    pub metrics: Metrics,
    /// M-Pesa, where it is configured.
    pub mpesa: Option<Mpesa>,
    /// The customers' sheet, with what the operator has made of it.
    pub(crate) brand: Brand,
    /// SMS, where it is configured.
    pub(crate) sms: Option<Sms>,
    /// E-mail, where it is configured.
    pub(crate) email: Option<Email>,
    /// What the operator says about people's data.
    pub(crate) privacy: Texts,
    /// How often forms were sent.
    pub(crate) throttle: Throttle,
    /// What open pages are told at once.
    pub(crate) live: Live,
    /// Cancelled when this process ends: pages that stay open must not hold it up.
    pub(crate) stopping: CancellationToken,
    /// Whether M-Pesa fails for everybody just now.
    pub(crate) trouble: Trouble,
    /// What pages of the desk show of alerts, and who is told when PostgreSQL is away.
    pub(crate) alerts: Alerts,
    /// How far this process is with the night's forecasts.
    pub(crate) predictions: Predictions,
    /// When this process last looked at vouchers of a server of an older version.
    pub(crate) closing: Closing,
    /// Stripe, where it is configured.
    pub stripe: Option<Stripe>,
    /// The accountants' programs that are configured.
    pub(crate) books: Programs,
    /// The Kenya Revenue Authority's signatures, where they are configured.
    pub(crate) etims: Option<Etims>,
    /// Rung when this process has stored a provider's report, so that it is worked on at once.
    pub(crate) events_wait: Notify,
    /// The same for Stripe's reports.
    pub(crate) card_events_wait: Notify,
    /// Work that outlives the request that began it (a prompt under way); shutdown waits for it.
    pub(crate) background: TaskTracker,
}

impl App {
    /// Opens everything that `config` names. Connections are made when first used.
    ///
    /// # Errors
    /// When a URL or the seal key cannot be read.
    pub fn open(config: Config) -> anyhow::Result<App> {
        App::open_with_clock(config, Clock::system())
    }

    /// The same with a clock of the caller's.
    ///
    /// # Errors
    /// As [`App::open`].
    pub fn open_with_clock(config: Config, clock: Clock) -> anyhow::Result<App> {
        let seal = Arc::new(config.secrets.seal()?);
        let db = Db::open(&config.database, seal)?;
        let redis = Redis::open(&config.redis)?;
        let mpesa = config.mpesa.as_ref().map(|section| Mpesa::new(section, clock.clone())).transpose()?;
        let reports = crate::urls::twilio_reports(&config.portal.public_url);
        // Twilio reports to addresses that the world reaches, and refuses others.
        let reports = (config.portal.public_url.scheme() == "https").then_some(&reports);
        let sms = config.sms.as_ref().map(|settings| Sms::new(settings, reports)).transpose()?;
        let stripe = config.stripe.as_ref().map(Stripe::new).transpose()?;
        let books = Programs::open(&config)?;
        let etims = config.etims.as_ref().map(|one| Etims::new(one.base_url.clone(), one.timeout())).transpose()?;
        let portal = &config.portal;
        let sheet = assets::get("portal.css").expect("the sheet is in the program").content;
        let (accent, accent_dark) = (portal.accent.as_deref(), portal.accent_dark.as_deref());
        let brand = Brand::open(&sheet, accent, accent_dark, portal.logo.as_deref())?;
        let email =
            config.email.as_ref().map(|settings| Email::new(settings, &config.portal.public_url)).transpose()?;
        let privacy = Texts::open(&config.privacy)?;
        Ok(App(Arc::new(Inner {
            brand,
            sms,
            email,
            privacy,
            throttle: Throttle::default(),
            live: Live::default(),
            trouble: Trouble::default(),
            alerts: Alerts::default(),
            predictions: Predictions::default(),
            closing: Closing::default(),
            stopping: CancellationToken::new(),
            db,
            redis,
            metrics: Metrics::new(),
            mpesa,
            stripe,
            books,
            etims,
            events_wait: Notify::new(),
            card_events_wait: Notify::new(),
            background: TaskTracker::new(),
            clock,
            config,
        })))
    }
}

impl Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}
