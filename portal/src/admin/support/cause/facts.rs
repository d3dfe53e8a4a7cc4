//! What a story tells, sorted by kind, each row once and the newest first: what the causes are looked for in.

use std::time::Duration;

use shared::mac::Mac;
use shared::time::OffsetDateTime;
use store::session::Session;
use store::timeline::{
    Access, Command, Event, Line, Message, Order, Outage, Payment, Received, Refusal, Security, Stay, Visit,
};
use uuid::Uuid;

use super::Fix;

pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);

/// What happened, by kind.
#[derive(Debug)]
pub(in crate::admin::support) struct Facts<'a> {
    pub(in crate::admin::support) now: OffsetDateTime,
    pub(in crate::admin::support) orders: Vec<&'a Order>,
    pub(in crate::admin::support) payments: Vec<&'a Payment>,
    pub(in crate::admin::support) packages: Vec<&'a Access>,
    pub(in crate::admin::support) stays: Vec<&'a Stay>,
    pub(in crate::admin::support) messages: Vec<(OffsetDateTime, &'a Message)>,
    pub(super) refusals: Vec<(OffsetDateTime, &'a Refusal)>,
    pub(super) commands: Vec<&'a Command>,
    pub(super) security: Vec<(OffsetDateTime, &'a Security)>,
    pub(super) money: Vec<&'a Received>,
    pub(super) visits: Vec<(OffsetDateTime, &'a Visit)>,
    pub(super) outages: Vec<&'a Outage>,
}

impl<'a> Facts<'a> {
    pub(in crate::admin::support) fn of(lines: &'a [Line], now: OffsetDateTime) -> Facts<'a> {
        let mut facts = Facts {
            now,
            orders: Vec::new(),
            payments: Vec::new(),
            packages: Vec::new(),
            stays: Vec::new(),
            messages: Vec::new(),
            refusals: Vec::new(),
            commands: Vec::new(),
            security: Vec::new(),
            money: Vec::new(),
            visits: Vec::new(),
            outages: Vec::new(),
        };
        for line in lines.iter().rev() {
            facts.take(line);
        }
        facts.orders.sort_by_key(|order| std::cmp::Reverse(order.created_at));
        facts.packages.sort_by_key(|package| std::cmp::Reverse(package.created_at));
        facts.stays.sort_by_key(|stay| std::cmp::Reverse(stay.session.started_at));
        facts
    }

    fn take(&mut self, line: &'a Line) {
        match &line.event {
            Event::Ordered(order) | Event::Paid(order) => {
                if !self.orders.iter().any(|known| known.id == order.id) {
                    self.orders.push(order);
                }
            }
            Event::PaymentBegan(payment) | Event::PaymentEnded(payment) => {
                if !self.payments.iter().any(|known| known.id == payment.id) {
                    self.payments.push(payment);
                }
            }
            Event::Granted(access) | Event::Started(access) | Event::Ended(access) | Event::Redeemed(access) => {
                if !self.packages.iter().any(|known| known.id == access.id) {
                    self.packages.push(access);
                }
            }
            Event::SessionBegan(stay) | Event::SessionHeard(stay) | Event::SessionEnded(stay) => {
                if !self.stays.iter().any(|known| known.session.id == stay.session.id) {
                    self.stays.push(stay);
                }
            }
            Event::Written(message) => self.messages.push((line.at, message)),
            Event::Refused(refusal) => self.refusals.push((line.at, refusal)),
            Event::Commanded(command) => self.commands.push(command),
            Event::Noticed(event) => self.security.push((line.at, event)),
            Event::MoneyCame(money) => self.money.push(money),
            Event::Visited(visit) => self.visits.push((line.at, visit)),
            Event::OutageBegan(outage) => self.outages.push(outage),
            Event::Reported(_)
            | Event::MoneyWentBack(_)
            | Event::RefundAsked(_)
            | Event::RefundEnded(_)
            | Event::Changed(_)
            | Event::Bound(_)
            | Event::Answered(_)
            | Event::Sent(_)
            | Event::Delivered(_)
            | Event::OutageEnded(_)
            | Event::Helped(_) => {}
        }
    }

    /// The packages that can be used, the newest first.
    pub(in crate::admin::support) fn usable(&self) -> impl Iterator<Item = &'a Access> {
        self.packages.iter().copied().filter(|package| package.is_usable())
    }

    /// The payments of an order.
    pub(super) fn of_order(&self, order: Uuid) -> impl Iterator<Item = &'a Payment> {
        self.payments.iter().copied().filter(move |payment| payment.order == order)
    }

    /// The packages that an order bought by itself.
    pub(super) fn bought(&self, order: Uuid) -> impl Iterator<Item = &'a Access> {
        self.packages.iter().copied().filter(move |package| package.order == Some(order))
    }

    /// The newest session that used a package.
    pub(super) fn last_stay(&self, package: Uuid) -> Option<&'a Session> {
        self.stays.iter().map(|stay| &stay.session).find(|session| session.entitlement == Some(package))
    }

    /// Whether anybody was online with a package.
    pub(super) fn was_used(&self, package: Uuid) -> bool {
        self.last_stay(package).is_some()
    }

    /// Whether a refusal still says something: it is of the last day, and the device did not get in, or get a package, since.
    pub(super) fn matters(&self, at: OffsetDateTime, mac: Option<Mac>) -> bool {
        let came_in = self
            .stays
            .iter()
            .map(|stay| &stay.session)
            .any(|session| (mac.is_none() || session.mac == mac) && session.started_at >= at);
        let has_got = mac
            .is_some_and(|mac| self.usable().any(|package| package.devices.contains(&mac) && package.created_at >= at));
        self.now - at < DAY && !came_in && !has_got
    }

    /// How a package that can be used goes to this device, which has none.
    pub(super) fn to_move(&self, to: Option<Mac>) -> Option<Fix> {
        let to = to?;
        if self.usable().any(|package| package.devices.contains(&to)) {
            return None;
        }
        let package = self.usable().next()?;
        Some(Fix::Move { package: package.id, from: takes_place_of(package), to: Some(to) })
    }

    /// A device of this story that was at the portal after the package was given, or last used, and has no place in it.
    pub(super) fn newcomer(&self, package: &Access) -> Option<Mac> {
        let quiet_since = self.last_stay(package.id).map_or(package.created_at, |session| session.last_heard_at);
        let visit = self.visits.iter().find(|(at, visit)| {
            *at > quiet_since && self.now - *at < DAY && !self.usable().any(|one| one.devices.contains(&visit.mac))
        });
        visit.map(|(_, visit)| visit.mac)
    }
}

/// The device that goes when another one comes: none while there is a free place, else the one that has been there longest.
pub(in crate::admin::support) fn takes_place_of(package: &Access) -> Option<Mac> {
    let taken = u32::try_from(package.devices.len()).unwrap_or(u32::MAX);
    if taken < package.device_limit { None } else { package.devices.first().copied() }
}
