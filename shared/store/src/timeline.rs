//! What happened to a customer, in one order: at the portal, with the money, at the routers, by message, and at the desk.
//!
//! [`find()`] looks up what somebody pasted ([`guesses`]) and says whom it is about, a [`Subject`]. [`story`] gathers what belongs to that
//! subject ([`scope`]: customers, devices, orders, packages) at the sites that the reader may see ([`reach`]), asks each source for it by an
//! index, newest first and no more than [`MOST`], and merges the answers into one order. What is older is asked for with the moment at which
//! the last story began.
//!
//! Rows say how they stand now; an [`Event`] is one moment of a row. So the newest story alone says what is wrong, and nothing else has
//! to be looked up for that.
//!
//! Refused here: secrets. Codes of vouchers, passwords and what providers sent word for word are not read.

mod access;
mod event;
mod find;
mod money;
mod news;
mod pasted;
mod reach;
mod scope;

use std::time::Duration;

use shared::mac::Mac;
use shared::phone::Phone;
use shared::staff::SiteScope;
use shared::time::{OffsetDateTime, Zone};
use uuid::Uuid;

pub use self::event::{
    Access, Change, Command, Event, Help, Message, Order, Outage, Payment, Place, Received, Refund, Refusal, Report,
    Security, Standing, Stay, Visit,
};
pub use self::find::{Match, Named, find, order_of, voucher_of};
pub use self::pasted::{Guess, MAX_PASTED, guesses};
pub use self::reach::{addressee_of, order_of_payment, reaches};
use crate::accounting::SessionKey;
use crate::{Db, Result};

/// How far a story goes back.
pub const LOOKS_BACK: Duration = Duration::from_secs(30 * 24 * 3600);
/// Most lines of a story, and most rows that are read of each source.
pub const MOST: usize = 300;

/// How far the clocks of several servers may differ.
const AHEAD: Duration = Duration::from_secs(60);

/// Whom or what a story is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Subject {
    /// A customer, with all that they bought and all their devices.
    Customer(Uuid),
    /// A device, whoever holds it.
    Device(Mac),
    /// An order, with what it bought and its device.
    Order(Uuid),
    /// A payment by its receipt, with the order that it pays for, if it does.
    Receipt(String),
    /// A package that waits for its first login, or had it: a voucher's.
    Voucher(Uuid),
    /// A session, with what it uses and its device.
    Session(SessionKey),
}

/// A customer that a story is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Person {
    /// Their identity.
    pub id: Uuid,
    /// Their number.
    pub phone: Phone,
    /// Their name, if one was given.
    pub name: String,
}

/// What happened.
#[derive(Clone, Debug)]
pub struct Story {
    /// The customers that it is about.
    pub people: Vec<Person>,
    /// The devices.
    pub devices: Vec<Mac>,
    /// The router where it happened last.
    pub router: Option<Uuid>,
    /// The clock of its site.
    pub zone: Zone,
    /// What happened, the oldest first.
    pub lines: Vec<Line>,
    /// Where what is older begins; `None`: there is nothing older within [`LOOKS_BACK`].
    pub older: Option<OffsetDateTime>,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Line {
    /// When.
    pub at: OffsetDateTime,
    /// What.
    pub event: Event,
}

/// The time that a story covers.
#[derive(Clone, Copy, Debug)]
struct Window {
    since: OffsetDateTime,
    before: OffsetDateTime,
    /// The moment as of which rows are judged.
    now: OffsetDateTime,
}

impl Window {
    /// All that a story looks back at, before a moment if one is named.
    fn until(before: Option<OffsetDateTime>, now: OffsetDateTime) -> Window {
        // What other servers' clocks call a moment ahead has happened.
        Window { since: now - LOOKS_BACK, before: before.unwrap_or(now + AHEAD), now }
    }
}

/// What was found so far.
#[derive(Default, Debug)]
struct Found {
    lines: Vec<Line>,
    /// Routers where something happened, and when.
    routers: Vec<(OffsetDateTime, Uuid)>,
}

impl Found {
    fn tell(&mut self, at: OffsetDateTime, event: Event) {
        self.lines.push(Line { at, event });
    }

    fn was_at(&mut self, nas: Option<Uuid>, at: OffsetDateTime) {
        self.routers.extend(nas.map(|nas| (at, nas)));
    }
}

/// The rows that are read of a source: one more than is shown tells that there are older ones.
fn rows() -> i64 {
    i64::try_from(MOST + 1).unwrap_or(i64::MAX)
}

/// The story of a subject, as far as it is of these sites: the newest part of it, or what was before a moment.
pub async fn story(
    db: &Db,
    subject: &Subject,
    sites: &SiteScope,
    before: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Result<Story> {
    let window = Window::until(before, now);
    let scope = scope::of(db, subject, sites, window).await?;
    let mut found = Found::default();
    money::orders(db, &scope, window, &mut found).await?;
    money::payments(db, &scope, window, &mut found).await?;
    money::received(db, &scope, window, &mut found).await?;
    access::packages(db, &scope, window, &mut found).await?;
    access::places(db, &scope, window, &mut found).await?;
    access::sessions(db, &scope, window, &mut found).await?;
    access::refusals(db, &scope, window, &mut found).await?;
    news::visits(db, &scope, window, &mut found).await?;
    news::messages(db, &scope, window, &mut found).await?;
    news::security(db, &scope, window, &mut found).await?;
    news::outages(db, &scope, window, &mut found).await?;
    news::help(db, &scope, window, &mut found).await?;
    let router = found.routers.iter().max_by_key(|(at, _)| *at).map(|(_, nas)| *nas);
    let zone = zone(db, router).await?;
    let people = scope::people(db, &scope.owners).await?;
    let (lines, older) = newest(found.lines, window);
    Ok(Story { people, devices: scope.macs, router, zone, lines, older })
}

/// The newest lines before the end of the window, the oldest first, and where what is older begins. Those of one moment stay together.
fn newest(mut lines: Vec<Line>, window: Window) -> (Vec<Line>, Option<OffsetDateTime>) {
    lines.retain(|line| line.at < window.before);
    // A stable sort: of one moment, what the sources told first comes first.
    lines.sort_by_key(|line| line.at);
    let Some(first) = lines.len().checked_sub(MOST).filter(|first| *first > 0) else { return (lines, None) };
    let cut = lines.get(first).map_or(window.since, |line| line.at);
    lines.retain(|line| line.at >= cut);
    (lines, Some(cut))
}

/// The clock of a router's site.
async fn zone(db: &Db, router: Option<Uuid>) -> Result<Zone> {
    let name =
        sqlx::query_scalar!("SELECT s.time_zone FROM nas n JOIN sites s ON s.id = n.site_id WHERE n.id = $1", router)
            .fetch_optional(&db.pool)
            .await?;
    Ok(name.as_deref().and_then(Zone::named).unwrap_or_default())
}

/// Addresses as statements take them.
fn spelt(macs: &[Mac]) -> Vec<String> {
    macs.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn lines(moments: impl IntoIterator<Item = u64>) -> Vec<Line> {
        let outage = Outage { nas: "cafe".into(), ended_at: None, is_given_back: false };
        moments.into_iter().map(|second| Line { at: at(second), event: Event::OutageBegan(outage.clone()) }).collect()
    }

    #[test]
    fn a_story_has_the_newest_lines_in_order_and_says_where_the_older_ones_are() {
        let window = Window { since: at(0), before: at(100_000), now: at(100_000) };
        let (few, older) = newest(lines([30, 10, 20, 100_000]), window);
        assert_eq!(few.iter().map(|line| line.at).collect::<Vec<_>>(), [at(10), at(20), at(30)]);
        assert_eq!(older, None);
        let many = MOST as u64 + 50;
        let (shown, older) = newest(lines((0..many).rev()), window);
        assert_eq!((shown.len(), older), (MOST, Some(at(50))));
        let (rest, older) = newest(lines(0..many), Window { before: at(50), ..window });
        assert_eq!((rest.len(), older), (50, None), "nothing is told twice, nothing is left out");
    }

    #[test]
    fn what_happened_at_one_moment_stays_together() {
        let window = Window { since: at(0), before: at(100_000), now: at(100_000) };
        let moments = (0..MOST as u64 + 50).map(|number| if (40..60).contains(&number) { 40 } else { number });
        let (shown, older) = newest(lines(moments), window);
        assert_eq!((shown.len(), older), (MOST + 10, Some(at(40))));
    }
}
