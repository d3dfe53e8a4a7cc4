//! Why a customer is not online, in words, and what helps: a function of what happened and of the time.
//!
//! Rows say how they stand now, so nothing is looked up here. What is certain comes first; what only may be so says "perhaps". Each
//! [`Cause`] has its sentence, what to tell the customer or to do, and at most one [`Fix`] that is safe to press.

pub(super) mod facts;
mod logins;
mod payment;
#[cfg(test)]
mod tests;

use shared::mac::Mac;
use shared::notice::Notice;
use shared::time::OffsetDateTime;
use store::support::can_be_resent;
use store::timeline::{Access, Command, Line, Standing};
use uuid::Uuid;

use self::facts::{DAY, Facts, HOUR};
use self::logins::{locked, refused};
pub(super) use self::payment::{can_go_back, goes_back_on_its_page};
use self::payment::{money, order};
use crate::admin::words::{self, Tone};
use crate::payments::reason::Reason;

/// What is the matter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cause {
    Online,
    CutRefused,
    ChangeRefused,
    MoneyWaits,
    MoneyGoesBack,
    WaitsForPin,
    NoNews,
    NotPaid(Reason),
    RefundDue,
    PaidTwice,
    LateReport,
    DeviceLimit,
    VoucherElsewhere,
    Swaps,
    NewAddress,
    MaybeNewAddress,
    NothingBought,
    Expired,
    UsedUp,
    TakenBack,
    OutsideHours,
    NeverUsed,
    WrongCode,
    WrongPassword,
    StalePage,
    Locked,
    CannotCheck,
    BadRequest,
    RouterSilent,
    Outage,
    NotUsedYet,
    WentOffline,
    MessageFailed,
    NothingKnown,
}

/// What the desk can do about it with one form.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Fix {
    /// Give what this order bought again.
    Grant(Uuid),
    /// Move this package to another device, in another one's place.
    Move { package: Uuid, from: Option<Mac>, to: Option<Mac> },
    /// Ask the router of this session to end it.
    Disconnect(Uuid),
    /// Send this message again.
    Resend(Uuid),
    /// Give this payment by card back.
    Refund(Uuid),
    /// Give this payment back on its own page: by M-Pesa, or by hand.
    Payment(Uuid),
    /// Say what the money of this receipt is for.
    Money(String),
}

/// What is the matter, in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Finding {
    pub(super) cause: Cause,
    pub(super) tone: Tone,
    /// What happened.
    pub(super) words: String,
    /// What to do, or to tell the customer.
    pub(super) advice: &'static str,
    pub(super) fix: Option<Fix>,
}

fn finding(cause: Cause, tone: Tone, words: impl Into<String>, advice: &'static str, fix: Option<Fix>) -> Finding {
    Finding { cause, tone, words: words.into(), advice, fix }
}

/// What is the matter, the most certain first. It is never empty.
pub(super) fn cause(lines: &[Line], now: OffsetDateTime) -> Vec<Finding> {
    let facts = Facts::of(lines, now);
    let online = online(&facts);
    let mut found: Vec<Finding> = Vec::new();
    let is_online = online.is_some();
    found.extend(online);
    found.extend(cuts(&facts));
    found.extend(money(&facts));
    if !is_online {
        found.extend(order(&facts));
    }
    found.extend(refused(&facts));
    if !is_online {
        found.extend(locked(&facts));
        found.extend(routers(&facts));
        let can_use = facts.usable().next().is_some();
        let has_reason = found.iter().any(|one| explains_a_login(one.cause, can_use));
        found.extend(package(&facts, has_reason));
    }
    found.extend(messages(&facts));
    let mut seen = Vec::new();
    found.retain(|one| {
        let is_new = !seen.contains(&one.cause);
        seen.push(one.cause);
        is_new
    });
    if found.is_empty() {
        found.push(nothing(&facts));
    }
    found
}

/// Whether it says already why nobody gets in. An order that came to nothing does not, where there is something else to use.
fn explains_a_login(cause: Cause, can_use: bool) -> bool {
    match cause {
        Cause::CutRefused | Cause::ChangeRefused | Cause::PaidTwice | Cause::LateReport => false,
        Cause::MoneyWaits | Cause::MoneyGoesBack => false,
        Cause::NotPaid(_) | Cause::WaitsForPin | Cause::NoNews | Cause::RefundDue => !can_use,
        _ => true,
    }
}

fn online(facts: &Facts<'_>) -> Option<Finding> {
    let session = &facts.stays.iter().find(|stay| stay.session.ended_at.is_none())?.session;
    let who = session.mac.map_or_else(|| words::login(&session.user_name), |mac| mac.to_string());
    let (since, heard) = (words::ago(session.started_at, facts.now), words::ago(session.last_heard_at, facts.now));
    let words = format!("{who} is online at {}: it logged in {since}, and was last reported {heard}.", session.nas);
    let advice = "If nothing loads, let the customer turn Wi-Fi off and on; disconnecting lets the device log in anew.";
    Some(finding(Cause::Online, Tone::Good, words, advice, Some(Fix::Disconnect(session.id))))
}

/// Routers that refuse what they are asked about sessions that go on.
fn cuts(facts: &Facts<'_>) -> Vec<Finding> {
    let is_refused =
        |command: &&Command| command.is_open && matches!(command.asked.state.as_str(), "refused" | "unanswered");
    let said = |command: &Command| match (command.asked.state.as_str(), command.asked.error_cause) {
        ("refused", Some(code)) => format!("refused (Error-Cause {code})"),
        ("refused", None) => "refused".to_owned(),
        _ => "does not answer".to_owned(),
    };
    let mut found = Vec::new();
    if let Some(command) = facts.commands.iter().copied().filter(is_refused).find(|one| one.asked.kind != "coa") {
        let words = format!("The router {} was asked to end a session and {}.", command.nas, said(command));
        let advice = "Ask it once more; if that does not help, look at the router: its CoA port, its address, whether it is reached.";
        found.push(finding(Cause::CutRefused, Tone::Bad, words, advice, Some(Fix::Disconnect(command.session))));
    }
    if let Some(command) = facts.commands.iter().copied().filter(is_refused).find(|one| one.asked.kind == "coa") {
        let words = format!("The router {} was told what the package allows now and {}.", command.nas, said(command));
        let advice = "Until the device logs in anew it has the speed and time of before: disconnect it, and it comes back with the new ones.";
        found.push(finding(Cause::ChangeRefused, Tone::Bad, words, advice, Some(Fix::Disconnect(command.session))));
    }
    found
}

/// Routers that are dark, or were not heard since the customer paid.
fn routers(facts: &Facts<'_>) -> Option<Finding> {
    if let Some(outage) = facts.outages.iter().find(|outage| outage.ended_at.is_none()) {
        let words = format!("The router {} is dark: nothing is heard of it.", outage.nas);
        let advice = "Is there power, and a line? Paid time can be given back under Outages when it is over.";
        return Some(finding(Cause::Outage, Tone::Bad, words, advice, None));
    }
    let said = facts.visits.iter().find(|(at, visit)| {
        facts.now - *at < HOUR * 2 && visit.said.to_lowercase().contains("radius server is not responding")
    });
    if let Some((_, visit)) = said {
        let words = format!("The router {} says that our RADIUS server does not answer.", visit.nas);
        let advice = "Look at the router under Routers: its address, its secret, its line to us.";
        return Some(finding(Cause::RouterSilent, Tone::Bad, words, advice, None));
    }
    let order = facts.orders.first()?;
    let paid_at = order.paid_at.filter(|at| facts.now - *at > HOUR / 30)?;
    let is_unused = facts.bought(order.id).any(|package| package.is_usable() && !facts.was_used(package.id));
    let (nas, heard_at) = (order.nas.as_ref()?, order.nas_heard_at);
    if !is_unused || heard_at.is_some_and(|at| at > paid_at) {
        return None;
    }
    let words = format!("Order {} is paid, and the router {nas} was not heard since.", order.code);
    let advice =
        "The package waits and its time does not run. Look at the router: its power, its line, its tunnel to us.";
    Some(finding(Cause::RouterSilent, Tone::Bad, words, advice, None))
}

/// How the packages stand. `has_reason`: it is known why logins fail.
fn package(facts: &Facts<'_>, has_reason: bool) -> Option<Finding> {
    match facts.usable().next() {
        Some(package) if has_reason => {
            // Something else is the matter with what can be used.
            facts.newcomer(package).filter(|_| facts.refusals.is_empty()).map(|mac| new_address(package, mac))
        }
        Some(package) => Some(unused(facts, package)),
        None if has_reason => None,
        None => over(facts),
    }
}

fn new_address(package: &Access, mac: Mac) -> Finding {
    let words = format!("{mac} was at the portal, and {} is on another address.", package.package);
    let advice = "Phones make themselves new addresses: if it is the customer’s, move the package to it.";
    let fix = Fix::Move { package: package.id, from: facts::takes_place_of(package), to: Some(mac) };
    finding(Cause::NewAddress, Tone::Bad, words, advice, Some(fix))
}

/// A package can be used, nobody is online with it, and no login was refused.
fn unused(facts: &Facts<'_>, package: &Access) -> Finding {
    if let Some(mac) = facts.newcomer(package) {
        return new_address(package, mac);
    }
    let name = &package.package;
    if let Some(session) = facts.last_stay(package.id) {
        let ended = session.ended_at.unwrap_or(session.last_heard_at);
        let why = words::cause(session.terminate_cause.as_deref());
        let words = format!("{name} can be used. Its last session ended {} ({why}).", words::ago(ended, facts.now));
        let advice =
            "Let the customer open any page on the Wi-Fi. If the phone has a new address, move the package to it.";
        return finding(Cause::WentOffline, Tone::Busy, words, advice, None);
    }
    let is_random = !package.devices.is_empty() && package.devices.iter().all(|mac| mac.is_random());
    if is_random {
        let words = format!("{name} is paid and was never used; it is on an address that a phone has made up.");
        let advice = "Perhaps the phone has another address by now: read it from the phone’s Wi-Fi settings, and move the package to it.";
        let fix = Fix::Move { package: package.id, from: facts::takes_place_of(package), to: None };
        return finding(Cause::MaybeNewAddress, Tone::Busy, words, advice, Some(fix));
    }
    let words = format!("{name} is paid and was never used: perhaps the page was closed, or the Wi-Fi dropped.");
    let advice = "Let the customer join the Wi-Fi and open any page: it goes online by itself, or with one button.";
    finding(Cause::NotUsedYet, Tone::Busy, words, advice, None)
}

/// Nothing can be used any more.
fn over(facts: &Facts<'_>) -> Option<Finding> {
    let package = facts.packages.first()?;
    let name = &package.package;
    if package.standing == Standing::Over && !facts.was_used(package.id) && package.order.is_some() {
        let words = format!("{name} was paid, and its time ran out without a session.");
        let advice = "If that was our fault, give it again.";
        return Some(finding(Cause::NeverUsed, Tone::Bad, words, advice, package.order.map(Fix::Grant)));
    }
    let (cause, what, advice) = match package.standing {
        Standing::UsedUp => (Cause::UsedUp, "all its data, or time online, is used", "The customer can buy again."),
        Standing::TakenBack => (Cause::TakenBack, "it was taken back", "Ask whoever took it back."),
        _ => (Cause::Expired, "its time is over", "The customer can buy again."),
    };
    let ended = package.expires_at.filter(|end| *end <= facts.now).map(|end| words::ago(end, facts.now));
    let when = ended.map(|ago| format!(", {ago}")).unwrap_or_default();
    Some(finding(cause, Tone::Bad, format!("{name} cannot be used any more: {what}{when}."), advice, None))
}

/// A message that did not arrive.
fn messages(facts: &Facts<'_>) -> Option<Finding> {
    let is_lost = |state: &str| matches!(state, "failed" | "undelivered" | "expired");
    let (_, message) =
        facts.messages.iter().find(|(at, message)| facts.now - *at < DAY * 7 && is_lost(message.state.as_str()))?;
    // The same news may have gone again since, or by e-mail.
    let is_made_good = facts.messages.iter().take_while(|(_, other)| other.id != message.id).any(|(_, other)| {
        other.kind == message.kind && matches!(other.state.as_str(), "pending" | "sent" | "delivered")
    });
    if is_made_good {
        return None;
    }
    let why = if message.detail.is_empty() { String::new() } else { format!(" ({})", message.detail) };
    let words = format!("A message to the customer did not arrive{why}.");
    let fix = Notice::parse(&message.kind).filter(|notice| can_be_resent(*notice)).map(|_| Fix::Resend(message.id));
    let advice = match fix {
        Some(_) => "Send it again once the phone is on.",
        None => "What it said is not so any more: tell the customer yourself.",
    };
    Some(finding(Cause::MessageFailed, Tone::Busy, words, advice, fix))
}

fn nothing(facts: &Facts<'_>) -> Finding {
    if facts.orders.is_empty() && facts.packages.is_empty() {
        let words = "Nothing was bought within the time that is looked at.";
        let advice = "Ask for the number that paid, or for the receipt in M-Pesa’s message.";
        return finding(Cause::NothingBought, Tone::Plain, words, advice, None);
    }
    let words = "Nothing is known to be wrong.";
    finding(Cause::NothingKnown, Tone::Plain, words, "Read what happened below.", None)
}
