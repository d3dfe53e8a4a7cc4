//! Discounts: what lowers a price, for whom and when, and what is paid in the end.
//!
//! A [`Discount`] is what an operator wrote down; [`price`] decides by it. `store` reads the discounts that may count, how often
//! each was used ([`Offer`]) and who buys ([`Buyer`]), and writes the order with what [`price`] said, in one transaction. The page
//! shows what the same function says of the same facts, so what is shown is what is asked for. The rules:
//!
//! * A discount counts where its [`Conditions`] hold. One with a [`Code`] counts if the customer typed that code, and where it
//!   does not, the customer is told why ([`CodeProblem`]). The others count by themselves, or silently not.
//! * One discount lowers the price alone, or all that are `stackable` lower it together: percentages first, then amounts, the
//!   older one first, each of what the one before has left.
//! * What is left is rounded down to what can be charged, after each of them: every saving is a sum that people can pay.
//! * The customer gets the lowest of these prices. Of equal ones that with fewer discounts is taken, then that with the older one;
//!   the order of the list decides nothing. Ids are made in the order of time, so the older discount has the smaller id.
//! * A discount that goes by the number of a purchase (the first one, every tenth) is on one order at a time. Else two orders
//!   that wait for their payment at once would both be the first.
//!
//! Refused here: I/O, a clock, floats, and any price that was computed elsewhere.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use uuid::Uuid;

use crate::hours::Hours;
use crate::money::Money;
use crate::time::OffsetDateTime;

/// The step of prices that M-Pesa can charge, minor units: it takes whole shillings only.
pub const WHOLE_UNIT: i64 = 100;

/// How many characters a code has: one that is shorter is found by trying, one that is longer nobody types.
const CODE_LENGTH: RangeInclusive<usize> = 3..=20;

/// A discount.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Discount {
    /// Its identity; the older discount has the smaller one.
    pub id: Uuid,
    /// Its name for customers.
    pub name: String,
    /// By how much it lowers a price.
    pub kind: Kind,
    /// What makes it count.
    pub trigger: Trigger,
    /// Whose code it is: a friend's, which counts for a first purchase only, and not for its owner.
    pub owner: Option<Uuid>,
    /// Where, when and for whom it counts.
    pub conditions: Conditions,
    /// Whether it counts together with others that do so too.
    pub stackable: bool,
}

/// By how much a price is lowered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// So much of every hundred, 1 to 100.
    Percent(u8),
    /// So much, of prices in the same currency.
    Amount(Money),
}

/// What makes a discount count.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trigger {
    /// It counts by itself.
    Automatic,
    /// The customer types this.
    Code(Code),
}

impl Trigger {
    /// The code, if there is one.
    pub fn code(&self) -> Option<&Code> {
        match self {
            Trigger::Automatic => None,
            Trigger::Code(code) => Some(code),
        }
    }
}

/// Where, when and for whom a discount counts. What is not said does not limit it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Conditions {
    /// From then on.
    pub valid_from: Option<OffsetDateTime>,
    /// Until then, which does not belong to it.
    pub valid_until: Option<OffsetDateTime>,
    /// At these hours of the week, in the time of the place.
    pub hours: Option<Hours>,
    /// For the first purchase of a person, on a device on which nobody has bought.
    pub first_purchase: bool,
    /// For the Nth purchase of a person, and the 2Nth, and so on; at least 2.
    pub every_nth: Option<u32>,
    /// For these packages; empty is all.
    pub packages: Vec<Uuid>,
    /// At these sites; empty is all.
    pub sites: Vec<Uuid>,
    /// So often in all.
    pub uses_max: Option<u32>,
    /// So often for one person, or one device.
    pub uses_per_person: Option<u32>,
}

impl Discount {
    /// Whether it can be kept: `store` asks before it writes, and the database has the same rules as CHECKs.
    pub fn check(&self) -> Result<(), NotADiscount> {
        let Conditions { valid_from, valid_until, every_nth, uses_max, uses_per_person, .. } = &self.conditions;
        let lowers = match self.kind {
            Kind::Percent(percent) => (1..=100).contains(&percent),
            Kind::Amount(amount) => amount.minor > 0,
        };
        if self.name.trim().is_empty() {
            return Err(NotADiscount::Name);
        }
        if !lowers {
            return Err(NotADiscount::Kind);
        }
        if valid_from.zip(*valid_until).is_some_and(|(from, until)| from > until) {
            return Err(NotADiscount::Window);
        }
        if every_nth.is_some_and(|nth| nth < 2 || self.is_for_newcomers()) {
            return Err(NotADiscount::Turn);
        }
        if *uses_max == Some(0) || *uses_per_person == Some(0) {
            return Err(NotADiscount::Uses);
        }
        if self.owner.is_some() && self.trigger == Trigger::Automatic {
            return Err(NotADiscount::Owner);
        }
        Ok(())
    }

    /// Whether it is for a first purchase: by its conditions, or as a friend's code.
    fn is_for_newcomers(&self) -> bool {
        self.conditions.first_purchase || self.owner.is_some()
    }

    /// Whether it goes by the number of a purchase.
    fn goes_by_turn(&self) -> bool {
        self.is_for_newcomers() || self.conditions.every_nth.is_some()
    }
}

/// Why a discount cannot be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotADiscount {
    /// Nothing names it.
    #[error("a discount needs a name")]
    Name,
    /// It lowers nothing, or below nothing.
    #[error("a discount is one to a hundred percent, or an amount above nothing")]
    Kind,
    /// It ends before it begins.
    #[error("a discount ends after it begins")]
    Window,
    /// Its turn never comes, or always.
    #[error("a discount for every Nth purchase counts from two on, and is not one for a first purchase too")]
    Turn,
    /// It may not be used at all.
    #[error("a discount can be used once at least")]
    Uses,
    /// It is a friend's, but has no code to give on.
    #[error("a discount that belongs to a customer needs a code")]
    Owner,
}

/// A code in its one spelling: capitals and digits, without spaces and dashes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Code(String);

/// Not a code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a code has three to twenty letters and digits, such as KARIBU24")]
pub struct NotACode;

impl Code {
    /// Its spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Reads a code as people type it.
impl FromStr for Code {
    type Err = NotACode;
    fn from_str(typed: &str) -> Result<Code, NotACode> {
        // Phones make a dash longer when they please.
        let belongs = |letter: &char| !letter.is_whitespace() && !matches!(letter, '-' | '‐' | '–' | '—');
        let spelling: String = typed.chars().filter(belongs).map(|letter| letter.to_ascii_uppercase()).collect();
        let is_fine = |octet: u8| octet.is_ascii_uppercase() || octet.is_ascii_digit();
        if CODE_LENGTH.contains(&spelling.len()) && spelling.bytes().all(is_fine) {
            Ok(Code(spelling))
        } else {
            Err(NotACode)
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `20 %` or `KSh 5`.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Percent(percent) => write!(f, "{percent} %"),
            Kind::Amount(amount) => write!(f, "{amount}"),
        }
    }
}

impl Kind {
    /// What it leaves of a price, minor units.
    fn left_of(self, minor: i64) -> i64 {
        let minor = minor.max(0);
        match self {
            Kind::Percent(percent) => {
                let kept = i128::from(minor) * i128::from(100 - percent.min(100)) / 100;
                i64::try_from(kept).unwrap_or(minor)
            }
            Kind::Amount(amount) => minor.saturating_sub(amount.minor.max(0)).max(0),
        }
    }
}

/// A discount that may count, and how often it was used. A use is an order that took it and did not fail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer {
    /// The discount.
    pub discount: Discount,
    /// How often it was used in all.
    pub used: u64,
    /// How often this person, or this device, has used it.
    pub used_by_buyer: u64,
}

/// Who buys.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Buyer {
    /// The customer; `None` is somebody new.
    pub id: Option<Uuid>,
    /// Purchases that this person has paid. Packages that cost nothing are none.
    pub purchases: u64,
    /// Whether somebody has bought on this device, whoever paid.
    pub device_has_bought: bool,
    /// Whether an order of this person, or this device, waits for its payment with a discount that goes by the number of a
    /// purchase.
    pub turn_is_taken: bool,
}

/// What is to be bought, by whom, where and when.
#[derive(Clone, Copy, Debug)]
pub struct Purchase<'a> {
    /// The price of the package.
    pub price: Money,
    /// The package.
    pub package: Uuid,
    /// The site, if the router has one.
    pub site: Option<Uuid>,
    /// Who buys; `None`: nobody has said. Then nothing is promised that another person would not get.
    pub buyer: Option<Buyer>,
    /// The code as it was typed; blank is none.
    pub code: Option<&'a str>,
    /// The moment.
    pub now: OffsetDateTime,
    /// The minute of the week that it is at the place, from Monday at midnight on.
    pub minute: u16,
}

/// What is paid.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Priced {
    /// The price of the package.
    pub full: Money,
    /// What is asked for.
    pub pays: Money,
    /// What lowers it, in the order in which it does.
    pub applied: Vec<Applied>,
    /// Whether a code was typed that counts, and the price is as low without it: its use is kept for another time.
    pub code_is_idle: bool,
}

/// A discount that lowers a price.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Applied {
    /// The discount.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// What it saves.
    pub saving: Money,
}

impl Priced {
    /// What is saved in all.
    pub fn saving(&self) -> Money {
        Money { minor: self.full.minor - self.pays.minor, ..self.full }
    }

    /// The lower, the better for the customer; no two are equal unless nothing lowers them.
    fn rank(&self) -> (i64, usize, Option<Uuid>) {
        (self.pays.minor, self.applied.len(), self.applied.iter().map(|applied| applied.id).min())
    }
}

/// Why a code does not count, as a sentence for the customer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CodeProblem {
    /// No discount has it.
    #[error("We do not know this code. Please check it.")]
    Unknown,
    /// Its time has not come.
    #[error("This code cannot be used yet.")]
    NotYet,
    /// Its time is over.
    #[error("The time of this code is over.")]
    Over,
    /// Others have used it as often as it may be.
    #[error("This code has been used up.")]
    UsedUp,
    /// It is for other sites.
    #[error("This code is for another place.")]
    OtherPlace,
    /// It is for other packages, or for prices in another currency.
    #[error("This code is not for this package.")]
    OtherPackage,
    /// It is for these hours.
    #[error("This code can be used at these hours only: {0}.")]
    OtherHours(Hours),
    /// It depends on who pays, and nobody has said.
    #[error("Please type the number that pays as well: this code depends on it.")]
    WhoPays,
    /// It is the customer's own, to be given to friends.
    #[error("This is your own code. It is for your friends.")]
    OwnCode,
    /// An order that waits for its payment has the customer's turn.
    #[error("You have an order with such a discount that waits for its payment. Please finish it first.")]
    TurnIsTaken,
    /// This person, or this device, has used it as often as it may be.
    #[error("You have used this code already.")]
    UsedByYou,
    /// It is for a first purchase.
    #[error("This code is for a first purchase only.")]
    FirstPurchaseOnly,
    /// It is for one purchase in so many, and this one is not it.
    #[error("This code is for one purchase in {0}, and its turn has not come.")]
    OtherTurn(u32),
}

impl Offer {
    /// Whether it counts for this purchase, its trigger left aside.
    fn check(&self, purchase: &Purchase<'_>) -> Result<(), CodeProblem> {
        let Discount { kind, conditions, .. } = &self.discount;
        let now = purchase.now;
        let other_currency = matches!(kind, Kind::Amount(amount) if amount.currency != purchase.price.currency);
        if conditions.valid_from.is_some_and(|from| now < from) {
            return Err(CodeProblem::NotYet);
        }
        if conditions.valid_until.is_some_and(|until| now >= until) {
            return Err(CodeProblem::Over);
        }
        if conditions.uses_max.is_some_and(|most| self.used >= u64::from(most)) {
            return Err(CodeProblem::UsedUp);
        }
        if !is_among(&conditions.sites, purchase.site) {
            return Err(CodeProblem::OtherPlace);
        }
        if other_currency || !is_among(&conditions.packages, Some(purchase.package)) {
            return Err(CodeProblem::OtherPackage);
        }
        if let Some(hours) = &conditions.hours
            && hours.open_for(purchase.minute).is_none()
        {
            return Err(CodeProblem::OtherHours(hours.clone()));
        }
        self.check_buyer(purchase.buyer)
    }

    /// Whether it counts for this person.
    fn check_buyer(&self, buyer: Option<Buyer>) -> Result<(), CodeProblem> {
        let discount = &self.discount;
        let Conditions { every_nth, uses_per_person, .. } = &discount.conditions;
        if !discount.goes_by_turn() && uses_per_person.is_none() {
            return Ok(());
        }
        let buyer = buyer.ok_or(CodeProblem::WhoPays)?;
        if discount.owner.is_some() && discount.owner == buyer.id {
            return Err(CodeProblem::OwnCode);
        }
        if discount.goes_by_turn() && buyer.turn_is_taken {
            return Err(CodeProblem::TurnIsTaken);
        }
        if uses_per_person.is_some_and(|most| self.used_by_buyer >= u64::from(most)) {
            return Err(CodeProblem::UsedByYou);
        }
        if discount.is_for_newcomers() && (buyer.purchases > 0 || buyer.device_has_bought) {
            return Err(CodeProblem::FirstPurchaseOnly);
        }
        match *every_nth {
            Some(nth) if !buyer.purchases.saturating_add(1).is_multiple_of(u64::from(nth)) => {
                Err(CodeProblem::OtherTurn(nth))
            }
            _ => Ok(()),
        }
    }
}

/// Whether a list that is empty for "all" holds this one.
fn is_among(list: &[Uuid], one: Option<Uuid>) -> bool {
    list.is_empty() || one.is_some_and(|one| list.contains(&one))
}

/// What is paid for a purchase. `offers` holds each discount once, in any order, with the one that has the typed code, whether
/// it counts or not. `step`: what can be charged is a multiple of so many minor units ([`WHOLE_UNIT`]); a price that nothing
/// lowers stays as it is.
///
/// # Errors
/// A code was typed that does not count. Without it there would be a price, but not the one that the customer expects.
pub fn price(offers: &[Offer], purchase: &Purchase<'_>, step: i64) -> Result<Priced, CodeProblem> {
    let typed = typed(offers, purchase)?;
    let by_itself = |offer: &&Offer| offer.discount.trigger == Trigger::Automatic && offer.check(purchase).is_ok();
    let mut counting: Vec<&Discount> =
        offers.iter().filter(by_itself).chain(typed).map(|offer| &offer.discount).collect();
    counting.sort_by_key(|discount| discount.id);
    let (together, alone): (Vec<&Discount>, Vec<&Discount>) =
        counting.into_iter().partition(|discount| discount.stackable);
    // All that may be combined are never worse than some of them: each leaves less, and less of less is less.
    let mut best = lowered(purchase.price, &together, step);
    for discount in alone {
        let other = lowered(purchase.price, &[discount], step);
        if other.rank() < best.rank() {
            best = other;
        }
    }
    let is_applied = |offer: &Offer| best.applied.iter().any(|applied| applied.id == offer.discount.id);
    best.code_is_idle = typed.is_some_and(|offer| !is_applied(offer));
    Ok(best)
}

/// The offer whose code was typed, if one was.
fn typed<'o>(offers: &'o [Offer], purchase: &Purchase<'_>) -> Result<Option<&'o Offer>, CodeProblem> {
    let Some(text) = purchase.code.filter(|text| !text.trim().is_empty()) else { return Ok(None) };
    let code: Code = text.parse().map_err(|_| CodeProblem::Unknown)?;
    let has_it = |offer: &&Offer| offer.discount.trigger.code() == Some(&code);
    let offer = offers.iter().filter(has_it).min_by_key(|offer| offer.discount.id).ok_or(CodeProblem::Unknown)?;
    offer.check(purchase)?;
    Ok(Some(offer))
}

/// A price, lowered by all of these, which are in the order of their age. What saves nothing any more is not used.
fn lowered(full: Money, discounts: &[&Discount], step: i64) -> Priced {
    let (percentages, amounts): (Vec<&Discount>, Vec<&Discount>) =
        discounts.iter().copied().partition(|discount| matches!(discount.kind, Kind::Percent(_)));
    let mut left = full.minor;
    let mut applied = Vec::new();
    for discount in percentages.into_iter().chain(amounts) {
        let lower = rounded_down(discount.kind.left_of(left), step);
        if lower < left {
            let saving = Money { minor: left - lower, ..full };
            applied.push(Applied { id: discount.id, name: discount.name.clone(), saving });
            left = lower;
        }
    }
    Priced { full, pays: Money { minor: left, ..full }, applied, code_is_idle: false }
}

/// The customer keeps what cannot be charged.
fn rounded_down(minor: i64, step: i64) -> i64 {
    minor - minor.rem_euclid(step.max(1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::Currency;

    const OWNER: u128 = 77;

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).expect("in range")
    }

    fn shillings(units: i64) -> Kind {
        Kind::Amount(Money::kes(units * 100))
    }

    /// An automatic discount that counts alone and everywhere.
    fn offer(number: u128, kind: Kind) -> Offer {
        let discount = Discount {
            id: id(number),
            name: format!("discount {number}"),
            kind,
            trigger: Trigger::Automatic,
            owner: None,
            conditions: Conditions::default(),
            stackable: false,
        };
        Offer { discount, used: 0, used_by_buyer: 0 }
    }

    fn stackable(number: u128, kind: Kind) -> Offer {
        let Offer { discount, .. } = offer(number, kind);
        Offer { discount: Discount { stackable: true, ..discount }, used: 0, used_by_buyer: 0 }
    }

    fn with_code(number: u128, kind: Kind, code: &str) -> Offer {
        let Offer { discount, .. } = offer(number, kind);
        let trigger = Trigger::Code(code.parse().expect("a code"));
        Offer { discount: Discount { trigger, ..discount }, used: 0, used_by_buyer: 0 }
    }

    /// Somebody new buys package 1 at site 2, on Monday at ten in the morning.
    fn purchase(units: i64) -> Purchase<'static> {
        Purchase {
            price: Money::kes(units * 100),
            package: id(1),
            site: Some(id(2)),
            buyer: Some(Buyer::default()),
            code: None,
            now: at(1000),
            minute: 600,
        }
    }

    /// What is paid in shillings, and by which discounts.
    fn paid(offers: &[Offer], purchase: &Purchase<'_>) -> (i64, Vec<u128>) {
        let priced = price(offers, purchase, WHOLE_UNIT).expect("no code, or one that counts");
        let ids = priced.applied.iter().map(|applied| applied.id.as_u128()).collect();
        (priced.pays.whole_units().expect("whole shillings"), ids)
    }

    #[test]
    fn a_price_is_lowered_to_what_can_be_charged_and_never_below_nothing() {
        let table = [
            (Kind::Percent(20), 5000, 100, 4000),
            (Kind::Percent(15), 5000, 100, 4200),
            (Kind::Percent(15), 5000, 1, 4250),
            (Kind::Percent(15), 5001, 1, 4250),
            (Kind::Percent(10), 5000, 0, 4500),
            (Kind::Percent(100), 5000, 100, 0),
            (Kind::Percent(1), 100, 100, 0),
            (Kind::Percent(50), 0, 100, 0),
            (shillings(5), 2000, 100, 1500),
            (Kind::Amount(Money::kes(550)), 2000, 100, 1400),
            (Kind::Amount(Money::kes(50)), 2050, 100, 2000),
            (shillings(50), 2000, 100, 0),
            (shillings(5), 0, 100, 0),
        ];
        for (kind, full, step, pays) in table {
            let purchase = Purchase { price: Money::kes(full), ..purchase(0) };
            let priced = price(&[offer(1, kind)], &purchase, step).expect("no code");
            assert_eq!(priced.pays, Money::kes(pays), "{kind} of {full} in steps of {step}");
            assert_eq!((priced.full, priced.saving()), (Money::kes(full), Money::kes(full - pays)));
            let savings: Vec<Money> = priced.applied.iter().map(|applied| applied.saving).collect();
            assert_eq!(savings, if pays < full { vec![priced.saving()] } else { vec![] });
        }
    }

    #[test]
    fn a_price_that_nothing_lowers_stays_as_it_is() {
        let purchase = Purchase { price: Money::kes(2050), ..purchase(0) };
        let priced = price(&[], &purchase, WHOLE_UNIT).expect("no code");
        assert_eq!(
            priced,
            Priced { full: Money::kes(2050), pays: Money::kes(2050), applied: vec![], code_is_idle: false }
        );
    }

    #[test]
    fn percentages_come_before_amounts_and_each_takes_of_what_is_left() {
        let table = [
            (vec![stackable(1, shillings(10)), stackable(2, Kind::Percent(10))], 100, 80, vec![2, 1]),
            (vec![stackable(1, Kind::Percent(10)), stackable(2, Kind::Percent(20))], 100, 72, vec![1, 2]),
            (vec![stackable(2, Kind::Percent(15)), stackable(1, Kind::Percent(10))], 50, 38, vec![1, 2]),
            // The second has nothing left to lower: it is not used.
            (vec![stackable(1, shillings(10)), stackable(2, Kind::Percent(100))], 100, 0, vec![2]),
            (
                vec![stackable(1, shillings(60)), stackable(2, shillings(60)), stackable(3, shillings(1))],
                100,
                0,
                vec![1, 2],
            ),
        ];
        for (offers, full, pays, by) in table {
            assert_eq!(paid(&offers, &purchase(full)), (pays, by), "{offers:?}");
        }
        let both = [stackable(1, shillings(60)), stackable(2, shillings(60))];
        let priced = price(&both, &purchase(100), WHOLE_UNIT).expect("no code");
        let savings: Vec<(&str, Money)> =
            priced.applied.iter().map(|applied| (applied.name.as_str(), applied.saving)).collect();
        assert_eq!(savings, [("discount 1", Money::kes(6000)), ("discount 2", Money::kes(4000))]);
    }

    #[test]
    fn the_lowest_price_counts_then_the_fewest_discounts_then_the_oldest() {
        let pair = || vec![stackable(3, Kind::Percent(10)), stackable(4, shillings(10))];
        let table = [
            // The pair alone leaves 80 of 100.
            (pair(), None, 80, vec![3, 4]),
            (pair(), Some(offer(5, Kind::Percent(30))), 70, vec![5]),
            (pair(), Some(offer(5, Kind::Percent(15))), 80, vec![3, 4]),
            (pair(), Some(offer(5, shillings(20))), 80, vec![5]),
            (vec![offer(4, Kind::Percent(20))], Some(offer(5, shillings(20))), 80, vec![4]),
            (vec![offer(6, Kind::Percent(20))], Some(offer(5, shillings(20))), 80, vec![5]),
            (vec![stackable(4, Kind::Percent(20))], Some(offer(5, shillings(20))), 80, vec![4]),
            (vec![stackable(6, Kind::Percent(20))], Some(offer(5, shillings(20))), 80, vec![5]),
            (vec![offer(4, Kind::Percent(20)), offer(3, Kind::Percent(10))], None, 80, vec![4]),
        ];
        for (mut offers, other, pays, by) in table {
            offers.extend(other);
            assert_eq!(paid(&offers, &purchase(100)), (pays, by.clone()), "{offers:?}");
            offers.reverse();
            assert_eq!(paid(&offers, &purchase(100)), (pays, by), "the order of the list decides nothing");
        }
    }

    /// Makes a discount, or a purchase, that do not fit each other.
    type Change = fn(&mut Offer, &mut Purchase<'static>);

    #[test]
    fn a_code_that_does_not_count_says_why_and_an_automatic_discount_is_left_out() {
        let evening = || "daily 18:00-22:00".parse::<Hours>().expect("hours");
        let table: &[(Change, CodeProblem)] = &[
            (|offer, _| offer.discount.conditions.valid_from = Some(at(1001)), CodeProblem::NotYet),
            (|offer, _| offer.discount.conditions.valid_until = Some(at(1000)), CodeProblem::Over),
            (
                |offer, _| {
                    offer.discount.conditions.uses_max = Some(3);
                    offer.used = 3;
                },
                CodeProblem::UsedUp,
            ),
            (|offer, _| offer.discount.conditions.sites = vec![id(8), id(9)], CodeProblem::OtherPlace),
            (
                |offer, purchase| {
                    offer.discount.conditions.sites = vec![id(2)];
                    purchase.site = None;
                },
                CodeProblem::OtherPlace,
            ),
            (|offer, _| offer.discount.conditions.packages = vec![id(9)], CodeProblem::OtherPackage),
            (
                |offer, _| {
                    let currency: Currency = "UGX".parse().expect("a currency");
                    offer.discount.kind = Kind::Amount(Money { minor: 500, currency });
                },
                CodeProblem::OtherPackage,
            ),
            (
                |offer, _| offer.discount.conditions.hours = Some("daily 18:00-22:00".parse().expect("hours")),
                CodeProblem::OtherHours(evening()),
            ),
            (
                |offer, purchase| {
                    offer.discount.conditions.uses_per_person = Some(2);
                    purchase.buyer = None;
                },
                CodeProblem::WhoPays,
            ),
            (
                |offer, purchase| {
                    offer.discount.owner = Some(id(OWNER));
                    purchase.buyer = Some(Buyer { id: Some(id(OWNER)), ..Buyer::default() });
                },
                CodeProblem::OwnCode,
            ),
            (
                |offer, purchase| {
                    offer.discount.conditions.first_purchase = true;
                    purchase.buyer = Some(Buyer { turn_is_taken: true, ..Buyer::default() });
                },
                CodeProblem::TurnIsTaken,
            ),
            (
                |offer, _| {
                    offer.discount.conditions.uses_per_person = Some(1);
                    offer.used_by_buyer = 1;
                },
                CodeProblem::UsedByYou,
            ),
            (
                |offer, purchase| {
                    offer.discount.conditions.first_purchase = true;
                    purchase.buyer = Some(Buyer { purchases: 1, ..Buyer::default() });
                },
                CodeProblem::FirstPurchaseOnly,
            ),
            (
                |offer, purchase| {
                    offer.discount.owner = Some(id(OWNER));
                    purchase.buyer = Some(Buyer { device_has_bought: true, ..Buyer::default() });
                },
                CodeProblem::FirstPurchaseOnly,
            ),
            (|offer, _| offer.discount.conditions.every_nth = Some(5), CodeProblem::OtherTurn(5)),
        ];
        for (change, problem) in table {
            let (mut coded, mut wanted) = (with_code(1, shillings(5), "KARIBU"), purchase(20));
            wanted.code = Some("karibu");
            change(&mut coded, &mut wanted);
            assert_eq!(price(std::slice::from_ref(&coded), &wanted, WHOLE_UNIT), Err(problem.clone()));
            coded.discount.trigger = Trigger::Automatic;
            wanted.code = None;
            assert_eq!(paid(&[coded], &wanted), (20, vec![]), "{problem:?}");
        }
    }

    #[test]
    fn conditions_that_hold_let_it_count() {
        let table: &[Change] = &[
            |_, _| {},
            |offer, _| offer.discount.conditions.valid_from = Some(at(1000)),
            |offer, _| offer.discount.conditions.valid_until = Some(at(1001)),
            |offer, _| {
                offer.discount.conditions.uses_max = Some(3);
                offer.used = 2;
            },
            |offer, _| offer.discount.conditions.sites = vec![id(9), id(2)],
            |offer, _| offer.discount.conditions.packages = vec![id(9), id(1)],
            |offer, _| offer.discount.conditions.hours = Some("mon 10:00-11:00".parse().expect("hours")),
            |offer, _| {
                offer.discount.conditions.uses_per_person = Some(2);
                offer.used_by_buyer = 1;
            },
            |offer, _| offer.discount.conditions.first_purchase = true,
            |offer, _| offer.discount.owner = Some(id(OWNER)),
            // What waits for its payment has the turn, and this one asks for no turn.
            |_, purchase| purchase.buyer = Some(Buyer { turn_is_taken: true, ..Buyer::default() }),
            |_, purchase| purchase.buyer = None,
        ];
        for (number, change) in table.iter().enumerate() {
            let (mut coded, mut wanted) = (with_code(1, shillings(5), "KARIBU"), purchase(20));
            wanted.code = Some(" kari-bu ");
            change(&mut coded, &mut wanted);
            assert_eq!(paid(&[coded], &wanted), (15, vec![1]), "change {number}");
        }
    }

    #[test]
    fn loyalty_comes_at_every_nth_purchase() {
        let mut third = offer(1, Kind::Percent(100));
        third.discount.conditions.every_nth = Some(3);
        let free: Vec<u64> = (0..10)
            .filter(|&purchases| {
                let buyer = Some(Buyer { purchases, ..Buyer::default() });
                paid(std::slice::from_ref(&third), &Purchase { buyer, ..purchase(20) }).0 == 0
            })
            .collect();
        assert_eq!(free, [2, 5, 8], "the third, the sixth and the ninth");
    }

    #[test]
    fn a_code_must_be_typed_to_count_and_be_known() {
        let offers = [with_code(1, shillings(5), "KARIBU"), with_code(2, shillings(9), "WEEKEND")];
        let typed = |code| price(&offers, &Purchase { code, ..purchase(20) }, WHOLE_UNIT);
        let pays = |code| typed(code).map(|priced| priced.pays.minor / 100);
        assert_eq!(pays(None), Ok(20));
        assert_eq!(pays(Some("  ")), Ok(20), "an empty field is no code");
        assert_eq!(pays(Some("Karibu")), Ok(15));
        assert_eq!(pays(Some("WEEK END")), Ok(11));
        assert_eq!(pays(Some("KARIBU1")), Err(CodeProblem::Unknown));
        assert_eq!(pays(Some("ü")), Err(CodeProblem::Unknown));
    }

    #[test]
    fn a_code_that_lowers_nothing_more_is_kept_for_another_time() {
        let offers = [offer(1, Kind::Percent(50)), with_code(2, Kind::Percent(10), "KARIBU")];
        let typed = Purchase { code: Some("karibu"), ..purchase(20) };
        let priced = price(&offers, &typed, WHOLE_UNIT).expect("the code counts");
        assert_eq!((priced.pays, priced.code_is_idle), (Money::kes(1000), true));
        let priced = price(&offers[1..], &typed, WHOLE_UNIT).expect("the code counts");
        assert_eq!((priced.pays, priced.code_is_idle), (Money::kes(1800), false));
        let priced = price(&offers, &purchase(20), WHOLE_UNIT).expect("no code");
        assert!(!priced.code_is_idle);
    }

    #[test]
    fn codes_have_one_spelling() {
        for typed in ["KARIBU24", "karibu24", " Karibu 24 ", "kari-bu–24", "k a r i b u 2 4"] {
            assert_eq!(typed.parse::<Code>().map(|code| code.to_string()), Ok("KARIBU24".into()), "{typed}");
        }
        for typed in ["", "  ", "AB", "A-B", "KARIBU!", "ÄÖÜ", "ABCDEFGHIJKLMNOPQRSTU"] {
            assert_eq!(typed.parse::<Code>(), Err(NotACode), "{typed}");
        }
        assert_eq!("ABCDEFGHIJKLMNOPQRST".parse::<Code>().expect("twenty").as_str().len(), 20);
    }

    #[test]
    fn what_makes_no_sense_is_not_kept() {
        type Spoil = fn(&mut Discount);
        let table: &[(Spoil, NotADiscount)] = &[
            (|discount| discount.name = " ".into(), NotADiscount::Name),
            (|discount| discount.kind = Kind::Percent(0), NotADiscount::Kind),
            (|discount| discount.kind = Kind::Percent(101), NotADiscount::Kind),
            (|discount| discount.kind = shillings(0), NotADiscount::Kind),
            (
                |discount| {
                    discount.conditions.valid_from = Some(at(2));
                    discount.conditions.valid_until = Some(at(1));
                },
                NotADiscount::Window,
            ),
            (|discount| discount.conditions.every_nth = Some(1), NotADiscount::Turn),
            (
                |discount| {
                    discount.conditions.every_nth = Some(2);
                    discount.conditions.first_purchase = true;
                },
                NotADiscount::Turn,
            ),
            (|discount| discount.conditions.uses_max = Some(0), NotADiscount::Uses),
            (|discount| discount.conditions.uses_per_person = Some(0), NotADiscount::Uses),
            (|discount| discount.owner = Some(id(OWNER)), NotADiscount::Owner),
        ];
        for (change, problem) in table {
            let mut discount = offer(1, Kind::Percent(20)).discount;
            assert_eq!(discount.check(), Ok(()));
            change(&mut discount);
            assert_eq!(discount.check(), Err(*problem));
        }
        let mut referral = with_code(1, shillings(5), "AMINA").discount;
        referral.owner = Some(id(OWNER));
        assert_eq!(referral.check(), Ok(()));
    }

    #[test]
    fn discounts_and_problems_read_as_people_write_them() {
        assert_eq!((Kind::Percent(20).to_string(), shillings(5).to_string()), ("20 %".into(), "KSh 5".into()));
        let hours = "fri-sun 18:00-23:30".parse().expect("hours");
        assert_eq!(
            CodeProblem::OtherHours(hours).to_string(),
            "This code can be used at these hours only: Fri–Sun 18:00–23:30."
        );
    }

    fn any_offers() -> impl Strategy<Value = Vec<Offer>> {
        let kind = prop_oneof![
            (1..=100_u8).prop_map(Kind::Percent),
            (1..60_000_i64).prop_map(|minor| Kind::Amount(Money::kes(minor))),
        ];
        let facts = (kind, any::<bool>(), any::<bool>(), any::<bool>(), proptest::option::of(2..4_u32), 0..2_u64);
        proptest::collection::vec(facts, 0..7).prop_map(|all| {
            let made = (1..).zip(all).map(|(number, (kind, stackable, coded, first_purchase, every_nth, used))| {
                let mut offer = if coded { with_code(number, kind, "KARIBU") } else { offer(number, kind) };
                offer.discount.stackable = stackable;
                let uses_per_person = Some(1);
                offer.discount.conditions =
                    Conditions { first_purchase, every_nth, uses_per_person, ..Conditions::default() };
                Offer { used_by_buyer: used, ..offer }
            });
            made.collect::<Vec<Offer>>()
        })
    }

    proptest! {
        #[test]
        fn a_price_is_between_nothing_and_full_and_the_order_of_the_list_decides_nothing(
            (offers, shuffled) in any_offers().prop_flat_map(|offers| (Just(offers.clone()), Just(offers).prop_shuffle())),
            minor in 0..100_000_i64,
            step in prop_oneof![Just(1_i64), Just(WHOLE_UNIT)],
            purchases in 0..4_u64,
            coded in any::<bool>(),
        ) {
            let buyer = Some(Buyer { purchases, ..Buyer::default() });
            let code = coded.then_some("karibu");
            let purchase = Purchase { price: Money::kes(minor), buyer, code, ..purchase(0) };
            let priced = price(&offers, &purchase, step);
            let again = price(&shuffled, &purchase, step);
            prop_assert_eq!(&priced, &again);
            if let Ok(Priced { full, pays, applied, code_is_idle }) = priced {
                prop_assert!(0 <= pays.minor && pays.minor <= full.minor && full == purchase.price);
                prop_assert!(applied.iter().all(|applied| applied.saving.minor > 0));
                prop_assert_eq!(applied.iter().map(|applied| applied.saving.minor).sum::<i64>(), full.minor - pays.minor);
                prop_assert!(applied.is_empty() || pays.minor % step == 0);
                prop_assert!(coded || !code_is_idle);
            }
        }
    }
}
