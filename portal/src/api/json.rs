//! The JSON spelling of things, for the REST interface and for `--json` on the command line.
//!
//! Times are RFC 3339 in UTC, durations seconds, data octets, money minor units with a currency. What is not
//! known or not limited is `null`. Secrets have no field here.

use serde::Serialize;
use shared::sale::{AtSite, Texts};
use shared::time::rfc3339;

use super::id::{Kind, spell};

/// An amount of money.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Money {
    /// Minor units.
    pub amount: i64,
    /// ISO 4217.
    pub currency: String,
}

impl From<shared::money::Money> for Money {
    fn from(money: shared::money::Money) -> Money {
        Money { amount: money.minor, currency: money.currency.as_str().to_owned() }
    }
}

/// A package on sale.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Package {
    /// `pkg_…`
    pub id: String,
    /// Short name.
    pub slug: String,
    /// Name for customers.
    pub name: String,
    /// Price.
    pub price: Money,
    /// `purchase` or `first_login`.
    pub starts: &'static str,
    /// How long access lasts.
    pub duration_seconds: Option<u64>,
    /// Data, up and down together.
    pub quota_bytes: Option<u64>,
    /// Time that may be spent online, on all devices together.
    pub quota_seconds: Option<u64>,
    /// When in the week it may be used, in words.
    pub hours: Option<String>,
    /// Speed from the customer, bit/s.
    pub up_bits_per_second: Option<u64>,
    /// Speed to the customer, bit/s.
    pub down_bits_per_second: Option<u64>,
    /// Devices that may share it.
    pub device_limit: u32,
    /// Idle time after which a session ends.
    pub idle_timeout_seconds: Option<u64>,
    /// `day` or `week`: it lasts until the end of it, in the time of the place.
    pub until: Option<&'static str>,
    /// Data from the customer.
    pub quota_up_bytes: Option<u64>,
    /// Data to the customer.
    pub quota_down_bytes: Option<u64>,
    /// How the speed may be exceeded, in the order of RouterOS.
    pub burst: Option<String>,
    /// Other speeds after so much data, such as `5GB 1M/2M`.
    pub fair_use: Option<String>,
    /// Another speed at certain hours, in words.
    pub happy_hours: Option<String>,
    /// `strict`, `replace` or `ask`.
    pub device_policy: &'static str,
    /// How often one person may buy it.
    pub purchases_per_person: Option<u32>,
    /// How often on one day.
    pub purchases_per_day: Option<u32>,
    /// Whether it is sold at all.
    pub active: bool,
    /// Its place in the list that customers see, low first.
    pub position: i32,
    /// Which of its versions this is; 0: none that is kept.
    pub version: u32,
    /// From when on it is offered.
    pub offered_from: Option<String>,
    /// Until when.
    pub offered_until: Option<String>,
    /// At which hours of the week it is offered, in words.
    pub offered_hours: Option<String>,
    /// Where it costs something else than usual, or is not sold.
    pub site_prices: Vec<SitePrice>,
    /// Its words in the customers' languages.
    pub texts: Texts,
}

/// What a package costs at a site.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SitePrice {
    /// The site.
    pub site: uuid::Uuid,
    /// The price there; `null`: it is not sold there.
    pub price: Option<Money>,
}

impl From<&store::package::Package> for Package {
    fn from(package: &store::package::Package) -> Package {
        Package {
            id: spell(Kind::Package, package.id),
            slug: package.slug.clone(),
            name: package.name.clone(),
            price: package.price.into(),
            starts: package.starts.as_str(),
            duration_seconds: package.rules.duration.map(|d| d.as_secs()),
            quota_bytes: package.rules.quota_octets,
            quota_seconds: package.rules.quota_time.map(|time| time.as_secs()),
            hours: package.rules.hours.as_ref().map(ToString::to_string),
            up_bits_per_second: package.rules.rate.map(|rate| rate.up_bps),
            down_bits_per_second: package.rules.rate.map(|rate| rate.down_bps),
            device_limit: package.rules.device_limit,
            idle_timeout_seconds: package.rules.idle_timeout.map(|d| d.as_secs()),
            until: package.rules.until.map(shared::rules::Until::as_str),
            quota_up_bytes: package.rules.quota_up,
            quota_down_bytes: package.rules.quota_down,
            burst: package.rules.burst.map(|burst| burst.to_string()),
            fair_use: (!package.rules.fair_use.stages().is_empty()).then(|| package.rules.fair_use.to_string()),
            happy_hours: package.rules.happy_hours.as_ref().map(ToString::to_string),
            device_policy: package.rules.devices.as_str(),
            purchases_per_person: package.purchases.ever,
            purchases_per_day: package.purchases.a_day,
            active: package.active,
            position: package.position,
            version: package.version,
            offered_from: package.sale.from.map(rfc3339),
            offered_until: package.sale.until.map(rfc3339),
            offered_hours: package.sale.hours.as_ref().map(ToString::to_string),
            site_prices: site_prices(package),
            texts: package.sale.texts.clone(),
        }
    }
}

fn site_prices(package: &store::package::Package) -> Vec<SitePrice> {
    let price = |at: AtSite| match at {
        AtSite::Costs(minor) => Some(Money { amount: minor, currency: package.price.currency.as_str().to_owned() }),
        AtSite::NotSold => None,
    };
    package.sale.sites.iter().map(|(site, at)| SitePrice { site: *site, price: price(*at) }).collect()
}

/// A router.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Nas {
    /// `nas_…`
    pub id: String,
    /// Short name.
    pub name: String,
    /// Site.
    pub site: Option<String>,
    /// Where its packets come from, CIDR; not told: by RadSec, from anywhere.
    pub address: Option<String>,
    /// The name in its client certificate, if it comes by RadSec.
    pub radsec_name: Option<String>,
    /// NAS-Identifier.
    pub identifier: Option<String>,
    /// Where it takes Disconnect-Requests.
    pub coa_port: u16,
    /// `auto`, `yes` or `no`: what the operator asks of its Access-Requests.
    pub require_message_authenticator: &'static str,
    /// Whether an unsigned Access-Request of this router gets no answer now.
    pub signing_required: bool,
    /// Whether an unsigned Access-Request with Proxy-State gets no answer.
    pub limit_proxy_state: bool,
    /// Whether an answer to a command that has no Message-Authenticator is ignored.
    pub require_signed_answers: bool,
    /// Where its REST API is asked; not told: nowhere.
    pub rest_url: Option<String>,
    /// As whom.
    pub rest_user: Option<String>,
    /// Seconds that its clock is ahead of ours, 0 within a minute; null if it never said.
    pub clock_offset_seconds: Option<i32>,
    /// Until when the secret before a rotation counts.
    pub old_secret_until: Option<String>,
    /// Which secret the router last proved to have: `present`, or `old` while a rotation is not complete.
    pub secret_in_use: Option<&'static str>,
    /// Hosts that its login page names.
    pub hotspot_hosts: Vec<String>,
    /// When a valid packet last came.
    pub last_seen_at: Option<String>,
}

impl From<&store::nas::Nas> for Nas {
    fn from(nas: &store::nas::Nas) -> Nas {
        Nas {
            id: spell(Kind::Nas, nas.id),
            name: nas.name.clone(),
            site: nas.site.clone(),
            address: nas.address.map(|address| address.to_string()),
            radsec_name: nas.radsec_name.clone(),
            identifier: nas.identifier.clone(),
            coa_port: nas.coa_port,
            require_message_authenticator: nas.require_message_authenticator.requirement().as_str(),
            signing_required: nas.require_message_authenticator.is_required(),
            limit_proxy_state: nas.limit_proxy_state,
            require_signed_answers: nas.require_signed_answers,
            rest_url: nas.rest.as_ref().map(|rest| rest.url.to_string()),
            rest_user: nas.rest.as_ref().map(|rest| rest.user.clone()),
            clock_offset_seconds: nas.clock_offset_seconds,
            old_secret_until: nas.old_secret.as_ref().map(|old| rfc3339(old.until)),
            secret_in_use: nas.proved_generation.map(|proved| match proved == nas.secret_generation {
                true => "present",
                false => "old",
            }),
            hotspot_hosts: nas.hotspot_hosts.clone(),
            last_seen_at: nas.last_seen_at.map(rfc3339),
        }
    }
}

/// A session, open or ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Session {
    /// `ses_…`
    pub id: String,
    /// The router's name.
    pub nas: String,
    /// The customer's number.
    pub phone: Option<String>,
    /// The package's name.
    pub package: Option<String>,
    /// The name that logged in.
    pub user_name: String,
    /// The device.
    pub mac: Option<String>,
    /// Its address.
    pub ip: Option<String>,
    /// The router's name for the session.
    pub acct_session_id: String,
    /// When it began.
    pub started_at: String,
    /// When the router last spoke of it.
    pub last_heard_at: String,
    /// From the customer.
    pub input_bytes: u64,
    /// To the customer.
    pub output_bytes: u64,
    /// When access must end.
    pub cutoff_at: Option<String>,
    /// How far a cut has come: `pending`, `acknowledged`, `refused`, `unanswered`, `abandoned` or `proved`.
    pub cut: Option<String>,
    /// When it ended.
    pub ended_at: Option<String>,
    /// Acct-Terminate-Cause.
    pub terminate_cause: Option<String>,
}

impl From<&store::session::Session> for Session {
    fn from(session: &store::session::Session) -> Session {
        Session {
            id: spell(Kind::Session, session.id),
            nas: session.nas.clone(),
            phone: session.phone.as_ref().map(ToString::to_string),
            package: session.package.clone(),
            user_name: session.user_name.clone(),
            mac: session.mac.map(|mac| mac.to_string()),
            ip: session.framed_ip.map(|ip| ip.to_string()),
            acct_session_id: session.acct_session_id.clone(),
            started_at: rfc3339(session.started_at),
            last_heard_at: rfc3339(session.last_heard_at),
            input_bytes: session.input_octets,
            output_bytes: session.output_octets,
            cutoff_at: session.cutoff_at.map(rfc3339),
            cut: session.cut.clone(),
            ended_at: session.ended_at.map(rfc3339),
            terminate_cause: session.terminate_cause.clone(),
        }
    }
}

/// A payment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Payment {
    /// `pay_…`
    pub id: String,
    /// The order's code.
    pub order: String,
    /// The order's state.
    pub order_state: String,
    /// Who pays.
    pub phone: Option<String>,
    /// The package's name.
    pub package: String,
    /// How much.
    pub amount: Money,
    /// `created`, `prompted`, `unknown`, `confirming`, `succeeded` or `failed`.
    pub state: String,
    /// The provider's receipt.
    pub receipt: Option<String>,
    /// The provider's words, if it failed.
    pub result: Option<String>,
    /// When it was made.
    pub created_at: String,
}

impl From<&store::payment::Listed> for Payment {
    fn from(payment: &store::payment::Listed) -> Payment {
        Payment {
            id: spell(Kind::Payment, payment.id),
            order: payment.order_code.clone(),
            order_state: payment.order_state.clone(),
            phone: payment.phone.as_ref().map(ToString::to_string),
            package: payment.package.clone(),
            amount: payment.amount.into(),
            state: payment.state.clone(),
            receipt: payment.receipt.clone(),
            result: payment.result.clone(),
            created_at: rfc3339(payment.created_at),
        }
    }
}
