//! States and numbers of the desk, in words for people: in English, as all of the desk.

use std::time::Duration;

use shared::language::Language;
use shared::money::Money;
use shared::phone::Phone;
use shared::staff::{Permission, Role};
use shared::time::OffsetDateTime;
use shared::voucher;
use time::UtcOffset;

use crate::payments::{MPESA, STRIPE};
use crate::views::amount::{self, Base};
use crate::views::time::clock;

/// East Africa, where the day begins three hours before UTC's.
pub(super) const EAST_AFRICA: UtcOffset = match UtcOffset::from_hms(3, 0, 0) {
    Ok(offset) => offset,
    Err(_) => UtcOffset::UTC,
};

/// How a state is coloured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tone {
    /// As it should be.
    Good,
    /// Under way.
    Busy,
    /// Somebody should look.
    Bad,
    /// Nothing to say.
    Plain,
}

impl Tone {
    /// Its class in the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Tone::Good => "good",
            Tone::Busy => "busy",
            Tone::Bad => "bad",
            Tone::Plain => "plain",
        }
    }
}

/// A state in words, with its colour.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Said {
    /// The words; empty: nothing.
    pub(super) text: &'static str,
    /// The colour.
    pub(super) tone: Tone,
}

/// A state in these words.
pub(super) const fn said(tone: Tone, text: &'static str) -> Said {
    Said { text, tone }
}

/// How far the cut of an open session has come. `overdue`: its deadline has passed.
pub(super) fn cut_of_open(cut: Option<&str>, overdue: bool) -> Said {
    match cut {
        Some("pending") => said(Tone::Busy, "asked: the router has not answered yet"),
        Some("acknowledged") => said(Tone::Busy, "acknowledged: waiting for the router's final report"),
        Some("proved") => said(Tone::Good, "proved"),
        Some("refused") => said(Tone::Bad, "not confirmed by the router: it refused"),
        Some("unanswered") => said(Tone::Bad, "not confirmed by the router: it does not answer"),
        _ if overdue => said(Tone::Busy, "due now"),
        _ => said(Tone::Plain, ""),
    }
}

/// What is known of the cut of an ended session.
pub(super) fn cut_of_ended(cut: Option<&str>) -> Said {
    match cut {
        Some("proved") => said(Tone::Good, "cut by us, proved"),
        Some("acknowledged") => said(Tone::Busy, "cut by us, acknowledged"),
        Some("refused" | "unanswered" | "pending") => said(Tone::Bad, "cut asked, not confirmed by the router"),
        _ => said(Tone::Plain, "not cut by us"),
    }
}

/// Whether the operator can ask for a cut: not while one is under way. One that was refused or not answered can be asked
/// for again, and is then tried at once.
pub(super) fn can_ask(cut: Option<&str>) -> bool {
    !matches!(cut, Some("pending" | "acknowledged"))
}

/// Acct-Terminate-Cause for people: `Session-Timeout` as it is, what has no cause as "not told".
pub(super) fn cause(cause: Option<&str>) -> String {
    match cause {
        None | Some("") => "not told".into(),
        Some(text) => text.replace('-', " ").to_lowercase(),
    }
}

/// Where a payment and its order stand.
pub(super) fn payment(provider: &str, state: &str, order_state: &str) -> Said {
    match (state, order_state) {
        ("succeeded", "refund_due") => said(Tone::Bad, "paid, a refund is due"),
        ("succeeded", _) => said(Tone::Good, "paid"),
        ("created", _) => said(Tone::Busy, "begun"),
        ("prompted", _) if provider == STRIPE => said(Tone::Busy, "the card page is open"),
        ("prompted", _) => said(Tone::Busy, "waiting for the customer's PIN"),
        ("unknown", _) => said(Tone::Busy, "not known yet: we are asking"),
        ("confirming", _) => said(Tone::Busy, "said to be paid: we are checking"),
        ("failed", _) => said(Tone::Plain, "not paid"),
        _ => said(Tone::Plain, "unknown state"),
    }
}

/// What the receipt of a provider is called.
pub(super) fn method(provider: &str) -> &'static str {
    match provider {
        MPESA => "M-Pesa",
        STRIPE => "Card",
        _ => "",
    }
}

/// `3 minutes ago`, for what happened not long since.
pub(super) fn ago(at: OffsetDateTime, now: OffsetDateTime) -> String {
    let passed = Duration::try_from(now - at).unwrap_or_default();
    if passed < Duration::from_secs(10) { "just now".into() } else { format!("{} ago", span(passed)) }
}

/// What is wrong with a router's clock that is so many seconds ahead of ours.
pub(super) fn clock_fault(ahead_seconds: i32) -> Option<String> {
    let apart = span(Duration::from_secs(ahead_seconds.unsigned_abs().into()));
    match ahead_seconds {
        0 => None,
        1.. => Some(format!("its clock is {apart} ahead")),
        _ => Some(format!("its clock is {apart} behind")),
    }
}

/// Amounts put together, each currency by itself.
pub(super) fn sum(amounts: impl Iterator<Item = Money>) -> String {
    let mut sums: Vec<Money> = Vec::new();
    for amount in amounts {
        match sums.iter_mut().find(|sum| sum.currency == amount.currency) {
            Some(sum) => sum.minor = sum.minor.saturating_add(amount.minor),
            None => sums.push(amount),
        }
    }
    sums.iter().map(ToString::to_string).collect::<Vec<_>>().join(" + ")
}

/// A customer's number as that role may see it.
pub(super) fn phone(role: Role, phone: &Phone) -> String {
    if role.may(Permission::SeePeople) { phone.to_string() } else { phone.masked() }
}

/// The name of a login. Of a voucher's code, which is as good as money, only how it begins.
pub(super) fn login(name: &str) -> String {
    match voucher::normalise(name) {
        Ok(code) => code.chars().take(4).chain(['…']).collect(),
        Err(_) => name.to_owned(),
    }
}

/// A span of time for people. The desk speaks English.
pub(super) fn span(duration: Duration) -> String {
    amount::span(Language::English, duration)
}

/// Data for people, decimal.
pub(super) fn data(octets: u64) -> String {
    amount::data(octets, Base::of(None))
}

/// The moment at which the present day began in East Africa.
pub(super) fn start_of_day(now: OffsetDateTime) -> OffsetDateTime {
    now.to_offset(EAST_AFRICA).replace_time(time::Time::MIDNIGHT).to_offset(UtcOffset::UTC)
}

/// A moment in East African time, with the day if it is another.
pub(super) fn moment(at: OffsetDateTime, now: OffsetDateTime) -> String {
    clock(Language::English, at, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_that_nobody_proved_stands_out() {
        for state in ["refused", "unanswered"] {
            let said = cut_of_open(Some(state), false);
            assert_eq!(said.tone, Tone::Bad);
            assert!(said.text.starts_with("not confirmed by the router"), "{}", said.text);
            assert_eq!(cut_of_ended(Some(state)).tone, Tone::Bad);
        }
        assert_eq!(cut_of_ended(Some("proved")).tone, Tone::Good);
        assert_eq!(cut_of_open(None, false).text, "");
        assert_eq!(cut_of_open(None, true).text, "due now");
        assert_eq!(cut_of_open(Some("abandoned"), false).text, "");
    }

    #[test]
    fn only_who_may_see_people_sees_a_whole_number() {
        let number = "0712345678".parse().expect("a number");
        assert_eq!(phone(Role::Support, &number), "+254712345678");
        for role in [Role::Cashier, Role::ReadOnly] {
            assert_eq!(phone(role, &number), "07xx xxx 678", "{role}");
        }
    }

    #[test]
    fn one_cut_at_a_time() {
        assert!(can_ask(None) && can_ask(Some("proved")) && can_ask(Some("abandoned")));
        assert!(!can_ask(Some("pending")) && !can_ask(Some("acknowledged")));
        assert!(can_ask(Some("refused")) && can_ask(Some("unanswered")), "asking again is asking now");
    }

    #[test]
    fn money_that_buys_nothing_stands_out() {
        assert_eq!(payment(MPESA, "succeeded", "paid").tone, Tone::Good);
        assert_eq!(payment(MPESA, "succeeded", "refund_due").tone, Tone::Bad);
        assert!(payment(MPESA, "prompted", "prompted").text.contains("PIN"));
        assert!(!payment(STRIPE, "prompted", "prompted").text.contains("PIN"), "a card has none here");
        for state in ["created", "prompted", "unknown", "confirming"] {
            assert_eq!(payment(STRIPE, state, state).tone, Tone::Busy, "{state}");
        }
    }

    #[test]
    fn the_day_begins_at_nine_in_the_evening_utc() {
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).expect("in range");
        // 1970-01-01 22:00 UTC is 01:00 of the 2nd in Nairobi; that day began at 21:00 UTC.
        assert_eq!(start_of_day(at(79_200)), at(75_600));
        assert_eq!(start_of_day(at(75_600)), at(75_600));
    }

    #[test]
    fn a_login_by_a_voucher_shows_no_code() {
        let code = voucher::new_code();
        for spelt in [code.to_string(), voucher::printed(&code), code.to_lowercase()] {
            assert_eq!(login(&spelt), format!("{}…", code.split_at(4).0));
        }
        for name in ["amina", "guest-1", "02:00:00:00:00:01", ""] {
            assert_eq!(login(name), name);
        }
    }

    #[test]
    fn moments_and_causes_read_as_people_say_them() {
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).expect("in range");
        assert_eq!(ago(at(0), at(5)), "just now");
        assert_eq!(ago(at(0), at(180)), "3 minutes ago");
        assert_eq!(ago(at(60), at(0)), "just now", "a router's clock may be ahead");
        assert_eq!(cause(Some("Session-Timeout")), "session timeout");
        assert_eq!(cause(None), "not told");
    }
}
