//! What happened, in words: a sentence an event, a colour, and what a person rarely needs folded below it.
//!
//! Phone numbers are shown as the reader's role allows. What was typed as a name is shown by its beginning, as it is kept.

use shared::denial::Denial;
use shared::language::Language;
use shared::mac::Mac;
use shared::notice::Notice;
use shared::staff::{Permission, Role};
use shared::time::{OffsetDateTime, Zone, rfc3339};
use store::order::{OrderState, Wish};
use store::returned::To;
use store::support::Kind;
use store::timeline::{
    Access, Change, Command, Event, Help, Line, Message, Order, Outage, Payment, Place, Received, Refund, Refusal,
    Report, Security, Standing, Stay, Visit,
};
use store::visit::Step;

use crate::admin::words::{self, Tone};
use crate::admin::{messages, security};
use crate::payments::reason::Reason;

/// What a line is about, for who wants to see only that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Topic {
    Money,
    Access,
    Sessions,
    Refusals,
    Messages,
    Portal,
    Desk,
}

impl Topic {
    pub(super) const ALL: [Topic; 7] =
        [Topic::Money, Topic::Access, Topic::Sessions, Topic::Refusals, Topic::Messages, Topic::Portal, Topic::Desk];

    /// Its word in addresses.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Topic::Money => "money",
            Topic::Access => "access",
            Topic::Sessions => "sessions",
            Topic::Refusals => "refusals",
            Topic::Messages => "messages",
            Topic::Portal => "portal",
            Topic::Desk => "desk",
        }
    }

    /// Reads that word.
    pub(super) fn parse(text: &str) -> Option<Topic> {
        Topic::ALL.into_iter().find(|topic| topic.as_str() == text)
    }

    /// Its word for people.
    pub(super) fn label(self) -> &'static str {
        match self {
            Topic::Money => "Money",
            Topic::Access => "Packages and devices",
            Topic::Sessions => "Sessions and routers",
            Topic::Refusals => "Refused logins",
            Topic::Messages => "Messages",
            Topic::Portal => "At the portal",
            Topic::Desk => "The desk",
        }
    }

    /// Whether a role may read such lines.
    pub(super) fn is_for(self, role: Role) -> bool {
        self != Topic::Money || role.may(Permission::SeeMoney)
    }
}

/// A line in words.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) topic: Topic,
    pub(super) tone: Tone,
    pub(super) text: String,
    /// What a person rarely needs.
    pub(super) details: Vec<(&'static str, String)>,
}

fn told(topic: Topic, tone: Tone, text: impl Into<String>) -> Told {
    Told { topic, tone, text: text.into(), details: Vec::new() }
}

impl Told {
    /// The same with a detail, if there is one.
    fn with(mut self, label: &'static str, value: impl Into<String>) -> Told {
        let value = value.into();
        if !value.is_empty() {
            self.details.push((label, value));
        }
        self
    }
}

/// A line in words.
pub(super) fn tell(line: &Line, role: Role) -> Told {
    match &line.event {
        Event::Visited(visit) => visited(visit),
        Event::Ordered(order) => ordered(order, role),
        Event::Paid(order) => paid(order),
        Event::PaymentBegan(payment) => payment_began(payment),
        Event::PaymentEnded(payment) => payment_ended(payment),
        Event::Reported(report) => reported(report),
        Event::MoneyCame(money) => money_came(money),
        Event::MoneyWentBack(money) => {
            let text = format!("{} of receipt {} had gone back to its payer.", money.amount, money.receipt);
            told(Topic::Money, Tone::Good, text)
        }
        Event::RefundAsked(refund) => {
            let to = to(refund.to);
            let text = format!("{} of order {} was to go back to {to}.", refund.amount, refund.order_code);
            told(Topic::Money, Tone::Busy, text).with("Asked by", &refund.by)
        }
        Event::RefundEnded(refund) => refund_ended(refund),
        Event::Granted(access) => granted(access),
        Event::Started(access) => told(Topic::Access, Tone::Plain, format!("The time of {} began.", access.package))
            .with("Ends", ends(access)),
        Event::Ended(access) => told(Topic::Access, Tone::Plain, format!("The time of {} was over.", access.package)),
        Event::Changed(change) => changed(change),
        Event::Bound(place) => bound(place),
        Event::Redeemed(access) => told(Topic::Access, Tone::Good, format!("{} had its first login.", voucher(access))),
        Event::SessionBegan(stay) => session_began(stay),
        Event::SessionHeard(stay) => session_heard(stay),
        Event::SessionEnded(stay) => session_ended(stay),
        Event::Refused(refusal) => refused(refusal),
        Event::Commanded(command) => commanded(command),
        Event::Answered(command) => answered(command),
        Event::Written(message) => written(message, role),
        Event::Sent(message) => {
            let by =
                message.channel.as_deref().map_or("message", |channel| if channel == "sms" { "SMS" } else { "e-mail" });
            told(Topic::Messages, Tone::Good, format!("The {by} was sent: {}.", news(message)))
                .with("Taken by", message.provider.clone().unwrap_or_default())
        }
        Event::Delivered(message) => {
            told(Topic::Messages, Tone::Good, format!("It is on the phone: {}.", news(message)))
        }
        Event::Noticed(event) => noticed(event),
        Event::OutageBegan(outage) => outage_began(outage),
        Event::OutageEnded(outage) => {
            told(Topic::Sessions, Tone::Good, format!("The router {} was heard again.", outage.nas))
        }
        Event::Helped(help) => helped(help),
    }
}

fn device(mac: Option<Mac>) -> String {
    mac.map_or_else(|| "A device".to_owned(), |mac| mac.to_string())
}

fn visited(visit: &Visit) -> Told {
    let place = visit.site.as_ref().map_or_else(|| visit.nas.clone(), |site| format!("{} ({site})", visit.nas));
    let what = match visit.step {
        Step::Shown => "opened the portal",
        Step::Chosen => "was at the portal and chose a package",
        Step::Paying => "was at the portal and was asked to pay",
    };
    let text = format!("{} {what} behind {place}.", visit.mac);
    let made_up = if visit.mac.is_random() { "yes: phones do that to hide" } else { "no" };
    told(Topic::Portal, Tone::Plain, text)
        .with("The router said", &visit.said)
        .with("Times within the hour", visit.times.to_string())
        .with("Address is made up", made_up)
}

fn ordered(order: &Order, role: Role) -> Told {
    let who = order.phone.as_ref().map(|phone| words::phone(role, phone)).unwrap_or_default();
    let wish = match order.wish {
        Wish::New => "",
        Wish::Extend(_) => ", to make it longer",
        Wish::Upgrade(_) => ", in place of another package",
        Wish::Queue => ", for afterwards",
        Wish::Another => ", for another phone",
    };
    let text = format!("Order {}: {who} wanted {} for {}{wish}.", order.code, order.package, order.amount);
    told(Topic::Money, Tone::Plain, text)
        .with("Stands now at", state(order.state))
        .with("Device", order.mac.map(|mac| mac.to_string()).unwrap_or_default())
        .with("Router", order.nas.clone().unwrap_or_default())
}

fn state(state: OrderState) -> &'static str {
    match state {
        OrderState::Created => "made; the provider has not answered",
        OrderState::Prompted => "waiting for the PIN",
        OrderState::Unknown => "not known; the provider is asked",
        OrderState::Confirming => "said to be paid; checked",
        OrderState::Paid => "paid",
        OrderState::Failed => "not paid",
        OrderState::RefundDue => "paid, and a refund is due",
    }
}

fn paid(order: &Order) -> Told {
    match order.state {
        OrderState::RefundDue => {
            let text = format!("The money of order {} came, and is owed to the customer.", order.code);
            told(Topic::Money, Tone::Bad, text)
        }
        _ => told(Topic::Money, Tone::Good, format!("Order {} was paid.", order.code)),
    }
}

/// Who is asked for money.
fn provider(name: &str) -> &str {
    match name {
        "mpesa" => "M-Pesa",
        "stripe" => "Stripe",
        // No other cash is a payment of an order.
        "cash" => "The bank",
        other => other,
    }
}

fn payment_began(payment: &Payment) -> Told {
    let what = match payment.provider.as_str() {
        "mpesa" => "M-Pesa was asked to prompt the phone",
        "stripe" => "a page for the card was made",
        _ => "the money was asked for",
    };
    told(Topic::Money, Tone::Plain, format!("For order {} {what}: {}.", payment.order_code, payment.amount))
        .with("Times it was asked about", payment.checks.to_string())
}

fn payment_ended(payment: &Payment) -> Told {
    let (order, who) = (&payment.order_code, provider(&payment.provider));
    if payment.state == "succeeded" {
        let text = format!("{who} has the money of order {order}.");
        return told(Topic::Money, Tone::Good, text).with("Receipt", payment.receipt.clone().unwrap_or_default());
    }
    let why = match Reason::of(&payment.code) {
        Reason::Cancelled => "it was cancelled on the phone",
        Reason::WrongPin => "a wrong PIN was typed",
        Reason::NoFunds => "there was not enough money",
        Reason::NoAnswer | Reason::Expired => "nobody answered on the phone",
        Reason::LineBusy => "the line was busy",
        Reason::Declined => "the bank declined the card",
        Reason::PageClosed => "the page was closed",
        Reason::NoNews => "it was never learnt what became of it",
        _ => "it could not be done",
    };
    told(Topic::Money, Tone::Bad, format!("The payment of order {order} by {who} failed: {why}."))
        .with("Code", &payment.code)
        .with("In the provider’s words", &payment.text)
}

fn reported(report: &Report) -> Told {
    let (who, order) = (provider(&report.provider), &report.order_code);
    match &report.outcome {
        Some(outcome) => told(Topic::Money, Tone::Plain, format!("{who} reported about the payment of order {order}."))
            .with("What became of the report", outcome)
            .with("Times it was taken up", report.attempts.to_string()),
        None => {
            let text = format!("{who} reported about the payment of order {order}; the report waits to be worked on.");
            told(Topic::Money, Tone::Busy, text).with("Times it was taken up", report.attempts.to_string())
        }
    }
}

fn money_came(money: &Received) -> Told {
    let perhaps = if money.is_certain { "" } else { " (perhaps this customer’s)" };
    let (tone, what) = match (money.state.as_str(), &money.order_code) {
        ("matched" | "assigned", Some(order)) => (Tone::Good, format!("it pays for order {order}")),
        ("refunded", _) => (Tone::Busy, "it goes back".to_owned()),
        _ => (Tone::Bad, "nobody knows what it is for".to_owned()),
    };
    told(Topic::Money, tone, format!("{} came with receipt {}{perhaps}: {what}.", money.amount, money.receipt))
        .with("Payer", &money.payer)
        .with("Typed as account number", &money.typed)
}

/// Where money goes back to.
fn to(to: To) -> &'static str {
    match to {
        To::Card => "the card",
        To::Phone => "the phone by M-Pesa",
        To::Hand => "the customer by hand",
    }
}

fn refund_ended(refund: &Refund) -> Told {
    let (amount, order, to) = (refund.amount, &refund.order_code, to(refund.to));
    match refund.state.as_str() {
        "done" => told(Topic::Money, Tone::Good, format!("{amount} of order {order} went back to {to}."))
            .with("Proved by", &refund.proof),
        _ => told(Topic::Money, Tone::Bad, format!("{amount} of order {order} could not go back to {to}."))
            .with("Why", &refund.reason),
    }
}

/// What a voucher is called.
fn voucher(access: &Access) -> String {
    match &access.voucher {
        Some((batch, serial, _)) => format!("Voucher {}", shared::voucher::paper_number(*batch, *serial)),
        None => access.package.clone(),
    }
}

fn ends(access: &Access) -> String {
    access.expires_at.map(rfc3339).unwrap_or_default()
}

fn granted(access: &Access) -> Told {
    let name = &access.package;
    let text = match (&access.order_code, &access.voucher) {
        _ if access.is_again => format!("{name} was given again by the desk."),
        (Some(order), _) => format!("{name} was given for order {order}."),
        (None, Some(_)) => format!("{} was made: {name}.", voucher(access)),
        (None, None) => format!("{name} was given."),
    };
    let (tone, stands) = match access.standing {
        Standing::Waiting => (Tone::Good, "can be used; its time begins at the first login"),
        Standing::Usable => (Tone::Good, "can be used"),
        Standing::UsedUp => (Tone::Plain, "all its data, or time online, is used"),
        Standing::Over => (Tone::Plain, "its time is over"),
        Standing::TakenBack => (Tone::Bad, "taken back"),
    };
    let devices = access.devices.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    told(Topic::Access, tone, text)
        .with("Stands now at", stands)
        .with("Devices at most", access.device_limit.to_string())
        .with("Devices", devices)
        .with("Voucher stands at", access.voucher.as_ref().map(|(.., state)| state.clone()).unwrap_or_default())
        .with("Hours", if access.has_hours { "at certain hours of the week only" } else { "" })
        .with("Ends", ends(access))
}

fn changed(change: &Change) -> Told {
    let text = match change.is_longer {
        true => format!("Order {} made {} longer.", change.order_code, change.package),
        false => format!("Order {} made another package of it: {}.", change.order_code, change.package),
    };
    told(Topic::Access, Tone::Good, text)
}

fn bound(place: &Place) -> Told {
    told(Topic::Access, Tone::Plain, format!("{} got a place in {}.", place.mac, place.package))
}

fn session_began(stay: &Stay) -> Told {
    let session = &stay.session;
    told(Topic::Sessions, Tone::Good, format!("{} went online at {}.", device(session.mac), session.nas))
        .with("Address", session.framed_ip.map(|ip| ip.to_string()).unwrap_or_default())
        .with("The router calls it", &session.acct_session_id)
        .with("Package", session.package.clone().unwrap_or_default())
}

fn used(stay: &Stay) -> String {
    format!("{} down, {} up", words::data(stay.session.output_octets), words::data(stay.session.input_octets))
}

fn session_heard(stay: &Stay) -> Told {
    let session = &stay.session;
    let text = format!("{} last reported {} so far: {}.", session.nas, device(session.mac), used(stay));
    told(Topic::Sessions, Tone::Plain, text).with("Must end", session.cutoff_at.map(rfc3339).unwrap_or_default())
}

fn session_ended(stay: &Stay) -> Told {
    let session = &stay.session;
    let how = match stay.is_lost {
        true => "no Stop came, so it was closed at its last report".to_owned(),
        false => words::cause(session.terminate_cause.as_deref()),
    };
    told(Topic::Sessions, Tone::Plain, format!("{} went offline at {}: {how}.", device(session.mac), session.nas))
        .with("Used", used(stay))
}

fn refused(refusal: &Refusal) -> Told {
    let denial = Denial::ALL.into_iter().find(|denial| denial.label() == refusal.reason);
    let why = denial.map_or("for a reason that this desk does not know", |denial| denial.sentence(Language::English));
    let times = if refusal.times > 1 { format!(" {} times within the hour", refusal.times) } else { String::new() };
    let text = format!("{} was refused at {}{times}: “{why}”", device(refusal.mac), refusal.nas);
    // A new guest's device is refused before its guest has seen the page: that is the usual way.
    let tone = if denial == Some(Denial::UnknownDevice) { Tone::Plain } else { Tone::Bad };
    let typed = if refusal.name == "…" { "" } else { &refusal.name };
    told(Topic::Refusals, tone, text)
        .with("Name began with", typed)
        .with("Name opens a package of this story", if refusal.is_of_package { "yes" } else { "" })
        .with("First", rfc3339(refusal.first_at))
        .with("Reason", &refusal.reason)
}

fn commanded(command: &Command) -> Told {
    let what = if command.asked.kind == "coa" { "what the package allows now" } else { "to end the session" };
    let verb = if command.asked.kind == "coa" { "told" } else { "asked" };
    told(Topic::Sessions, Tone::Plain, format!("The router {} was to be {verb} {what}.", command.nas))
        .with("Why", &command.asked.reason)
        .with("Stands now at", &command.asked.state)
}

fn answered(command: &Command) -> Told {
    let tries = match command.asked.attempts {
        0 | 1 => String::new(),
        many => format!(", asked {many} times"),
    };
    let (tone, text) = match command.asked.state.as_str() {
        "acknowledged" | "proved" => (Tone::Good, "said yes"),
        "refused" => (Tone::Bad, "said no"),
        "unanswered" => (Tone::Bad, "did not answer"),
        _ => (Tone::Plain, "answered"),
    };
    let cause = command.asked.error_cause.map(|cause| cause.to_string()).unwrap_or_default();
    told(Topic::Sessions, tone, format!("The router {} {text}{tries}.", command.nas)).with("Error-Cause", cause)
}

/// What kind of news it is.
fn news(message: &Message) -> &'static str {
    Notice::parse(&message.kind).map_or("another kind of news", messages::name)
}

fn written(message: &Message, role: Role) -> Told {
    let to = message.phone.as_ref().map(|phone| words::phone(role, phone)).unwrap_or_default();
    let said = messages::state(&message.state);
    let text = format!("News for {to}: {} ({}).", news(message), said.text);
    told(Topic::Messages, said.tone, text).with("More", &message.detail)
}

fn noticed(event: &Security) -> Told {
    let place = event.nas.as_ref().map(|nas| format!(" at {nas}")).unwrap_or_default();
    told(Topic::Refusals, Tone::Bad, format!("{}{place}.", security::what(event.kind)))
        .with("Device", event.mac.map(|mac| mac.to_string()).unwrap_or_default())
        .with("More", &event.detail)
}

fn outage_began(outage: &Outage) -> Told {
    let tone = if outage.ended_at.is_none() { Tone::Bad } else { Tone::Plain };
    told(Topic::Sessions, tone, format!("The router {} went dark.", outage.nas))
        .with("Lost time was given back", if outage.is_given_back { "yes" } else { "no" })
}

fn helped(help: &Help) -> Told {
    let what = match help.kind {
        Kind::Grant => "gave again",
        Kind::Move => "moved",
        Kind::Disconnect => "disconnected",
        Kind::Resend => "sent again",
        Kind::Refund => "gave back",
    };
    told(Topic::Desk, Tone::Busy, format!("{} {what}: {}.", help.by, help.object)).with("Why", &help.reason)
}

/// A moment by the clock of a place: `14:03:21`, with the day if it is another.
pub(super) fn clock(zone: &Zone, at: OffsetDateTime, now: OffsetDateTime) -> String {
    let (at, now) = (zone.at(at), zone.at(now));
    let time = format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second());
    if at.date() == now.date() {
        return time;
    }
    let month = at.month().to_string();
    format!("{} {} {time}", at.day(), month.get(..3).unwrap_or(&month))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn moments_are_those_of_the_place() {
        let at = |seconds| OffsetDateTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let nairobi = Zone::default();
        assert_eq!(clock(&nairobi, at(61), at(3600)), "03:01:01");
        assert_eq!(clock(&nairobi, at(61), at(200_000)), "1 Jan 03:01:01");
        let berlin = Zone::named("Europe/Berlin").expect("a zone");
        assert_eq!(clock(&berlin, at(61), at(3600)), "01:01:01");
    }

    #[test]
    fn words_of_topics_are_read_as_they_are_written_and_money_is_for_who_may_see_it() {
        assert!(Topic::ALL.into_iter().all(|topic| Topic::parse(topic.as_str()) == Some(topic)));
        assert_eq!(Topic::parse("weather"), None);
        assert!(Topic::ALL.into_iter().all(|topic| topic.is_for(Role::Support)));
        let hidden: Vec<Topic> = Topic::ALL.into_iter().filter(|topic| !topic.is_for(Role::Cashier)).collect();
        assert_eq!(hidden, [Topic::Money]);
    }

    #[test]
    fn a_number_is_shown_as_the_role_allows() {
        let message = Message {
            id: uuid::Uuid::nil(),
            kind: "given".into(),
            phone: "0712345678".parse().ok(),
            state: "failed".into(),
            detail: String::new(),
            channel: None,
            provider: None,
        };
        let line = Line { at: OffsetDateTime::UNIX_EPOCH, event: Event::Written(message) };
        assert!(tell(&line, Role::Support).text.contains("+254712345678"));
        assert!(!tell(&line, Role::Cashier).text.contains("712345678"));
    }
}
