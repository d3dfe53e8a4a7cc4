//! What becomes of a package when its owner buys more: the same one again makes it longer, another one takes its place and
//! what is left of the old one makes the new one longer. Nothing that was paid for is lost, and nothing is given twice.
//!
//! Pure functions of what is had and what was bought; `store` applies them in the transaction that settles the payment.

use std::time::Duration;

use crate::entitlement::Used;
use crate::rules::Rules;
use crate::time::OffsetDateTime;

/// Nothing lasts longer, as the database holds it too: ten years.
const LONGEST: Duration = Duration::from_secs(315_360_000);

/// What is had.
#[derive(Clone, Debug)]
pub struct Had {
    /// Its rules.
    pub rules: Rules,
    /// When its clock started, if it has.
    pub starts_at: Option<OffsetDateTime>,
    /// When it ends, if it has begun and time limits it.
    pub expires_at: Option<OffsetDateTime>,
    /// What was used in all.
    pub used: Used,
    /// What of that was used before it became what it is.
    pub before: Used,
    /// What was paid for it, minor units.
    pub paid: i64,
}

/// What it becomes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Becomes {
    /// Its rules.
    pub rules: Rules,
    /// When its clock started.
    pub starts_at: Option<OffsetDateTime>,
    /// When it ends.
    pub expires_at: Option<OffsetDateTime>,
    /// What had been used when it became this.
    pub before: Used,
    /// What has been paid for what it is now, minor units.
    pub paid: i64,
}

/// What is not used yet is worth so much, minor units: the price, by whichever of its limits is nearest to its end.
pub fn unused(had: &Had, now: OffsetDateTime) -> i64 {
    let Had { rules, used, before, .. } = had;
    let mut worth = i128::from(had.paid.max(0));
    let mut at_most = |left: i128, of: i128| {
        if of > 0 {
            worth = worth.min(i128::from(had.paid.max(0)) * left.clamp(0, of) / of);
        }
    };
    if let (Some(start), Some(end)) = (had.starts_at, had.expires_at) {
        at_most((end - now).whole_seconds().into(), (end - start).whole_seconds().into());
    }
    let data = [
        (rules.quota_octets, used.octets(), before.octets()),
        (rules.quota_up, used.up, before.up),
        (rules.quota_down, used.down, before.down),
        (rules.quota_time.map(|time| time.as_secs()), used.seconds, before.seconds),
    ];
    for (quota, used, before) in data {
        if let Some(quota) = quota {
            at_most(quota.saturating_sub(used).into(), quota.saturating_sub(before).into());
        }
    }
    i64::try_from(worth).unwrap_or(0)
}

/// The same package once more: its time, its data and its time online are added. `None`: what was bought is limited in
/// other ways than what is had, so that the two do not add up.
pub fn extended(had: &Had, bought: &Rules, price: i64) -> Option<Becomes> {
    let same_kinds = |rules: &Rules| {
        let quotas = [rules.quota_octets, rules.quota_up, rules.quota_down].map(|quota| quota.is_some());
        (rules.duration.is_some(), rules.until, quotas, rules.quota_time.is_some())
    };
    let waits = had.starts_at.is_none();
    // Two days from the first login on are not the end of the second day.
    if same_kinds(&had.rules) != same_kinds(bought) || waits && bought.until.is_some() {
        return None;
    }
    let plus = |had: Option<u64>, more: Option<u64>| Some(had?.saturating_add(more?));
    let longer = |had: Option<Duration>, more: Option<Duration>| Some(had?.saturating_add(more?).min(LONGEST));
    let rules = Rules {
        duration: longer(had.rules.duration, bought.duration),
        quota_octets: plus(had.rules.quota_octets, bought.quota_octets),
        quota_up: plus(had.rules.quota_up, bought.quota_up),
        quota_down: plus(had.rules.quota_down, bought.quota_down),
        quota_time: longer(had.rules.quota_time, bought.quota_time),
        ..had.rules.clone()
    };
    let more = bought.duration.or(bought.until.map(crate::rules::Until::length)).unwrap_or_default();
    let expires_at = had.expires_at.map(|end| end + more);
    let (starts_at, before) = (had.starts_at, had.before);
    Some(Becomes { rules, starts_at, expires_at, before, paid: had.paid.saturating_add(price) })
}

/// Another package instead, at once. What the old one is still worth buys more of the new one, at the price at which that is sold,
/// whatever was paid for it. `ends_at`: when the new one would end if it began now; `begins`: whether its clock starts at the
/// purchase.
pub fn upgraded(
    had: &Had,
    bought: &Rules,
    (price, paid): (i64, i64),
    begins: bool,
    ends_at: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Becomes {
    let credit = unused(had, now);
    let stretch = |amount: u64| match u128::try_from(price) {
        Ok(price @ 1..) => {
            let with_credit = price.saturating_add(u128::from(credit.unsigned_abs()));
            u64::try_from(u128::from(amount).saturating_mul(with_credit) / price).unwrap_or(u64::MAX)
        }
        _ => amount,
    };
    let longer = |time: Duration| Duration::from_secs(stretch(time.as_secs())).min(LONGEST);
    let used = had.used;
    // What was used stays counted; the new limits begin where it stands.
    let after = |quota: Option<u64>, used: u64| quota.map(|quota| used.saturating_add(stretch(quota)));
    let rules = Rules {
        duration: bought.duration.map(longer),
        quota_octets: after(bought.quota_octets, used.octets()),
        quota_up: after(bought.quota_up, used.up),
        quota_down: after(bought.quota_down, used.down),
        quota_time: bought.quota_time.map(|time| longer(time).saturating_add(Duration::from_secs(used.seconds))),
        fair_use: bought.fair_use.beginning_at(used.octets()),
        ..bought.clone()
    };
    let running = had.starts_at.is_some() || begins;
    let expires_at = match bought.until {
        Some(_) => ends_at,
        None => rules.duration.map(|duration| now + duration),
    };
    Becomes {
        starts_at: running.then_some(now),
        expires_at: expires_at.filter(|_| running),
        before: used,
        paid: paid.saturating_add(credit),
        rules,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Until;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(seconds: u64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn hour() -> Rules {
        Rules { duration: Some(HOUR), ..Rules::default() }
    }

    fn running(rules: Rules, used: Used) -> Had {
        let expires_at = rules.duration.map(|duration| at(0) + duration);
        Had { rules, starts_at: Some(at(0)), expires_at, used, before: Used::default(), paid: 2000 }
    }

    fn octets(down: u64) -> Used {
        Used { up: 0, down, seconds: 0 }
    }

    #[test]
    fn what_is_left_is_worth_its_share_of_the_price() {
        let data = Rules { quota_octets: Some(1000), ..hour() };
        let online = Rules { quota_time: Some(HOUR), ..Rules::default() };
        let table = [
            (running(hour(), octets(0)), 0, 2000),
            (running(hour(), octets(0)), 900, 1500),
            (running(hour(), octets(0)), 3600, 0),
            (running(hour(), octets(0)), 9999, 0),
            (running(data.clone(), octets(250)), 900, 1500),
            (running(data.clone(), octets(900)), 900, 200),
            (running(data, octets(5000)), 900, 0),
            (running(online, Used { seconds: 1800, ..Used::default() }), 99_999, 1000),
            (Had { starts_at: None, expires_at: None, ..running(hour(), octets(0)) }, 99_999, 2000),
        ];
        for (had, after, worth) in table {
            assert_eq!(unused(&had, at(after)), worth, "{had:?} after {after} s");
        }
    }

    #[test]
    fn the_same_again_adds_time_and_data() {
        let rules = Rules { quota_octets: Some(1000), ..hour() };
        let becomes = extended(&running(rules.clone(), octets(900)), &rules, 2000).expect("adds up");
        assert_eq!((becomes.starts_at, becomes.expires_at, becomes.paid), (Some(at(0)), Some(at(7200)), 4000));
        assert_eq!((becomes.rules.quota_octets, becomes.rules.duration), (Some(2000), Some(2 * HOUR)));
        let waiting = Had { starts_at: None, expires_at: None, ..running(rules.clone(), octets(0)) };
        let becomes = extended(&waiting, &rules, 2000).expect("adds up");
        assert_eq!((becomes.starts_at, becomes.expires_at, becomes.rules.duration), (None, None, Some(2 * HOUR)));
        let day = Rules { until: Some(Until::EndOfDay), ..Rules::default() };
        let today = Had { expires_at: Some(at(50_000)), ..running(day.clone(), octets(0)) };
        let becomes = extended(&today, &day, 2000).expect("adds up");
        assert_eq!(becomes.expires_at, Some(at(50_000 + 86_400)), "the end of tomorrow");
    }

    #[test]
    fn what_does_not_add_up_is_not_added() {
        let had = running(hour(), octets(0));
        for other in [
            Rules { quota_octets: Some(1), ..hour() },
            Rules { quota_time: Some(HOUR), ..hour() },
            Rules { until: Some(Until::EndOfDay), ..Rules::default() },
        ] {
            assert_eq!(extended(&had, &other, 2000), None, "{other:?}");
        }
        let day = Rules { until: Some(Until::EndOfDay), ..Rules::default() };
        let waiting = Had { starts_at: None, expires_at: None, ..running(day.clone(), octets(0)) };
        assert_eq!(extended(&waiting, &day, 2000), None);
    }

    #[test]
    fn another_one_takes_over_what_the_first_is_worth() {
        // Half an hour of KSh 20 is left: KSh 10, an eighth of the day's KSh 80.
        let day = Rules { duration: Some(24 * HOUR), quota_octets: Some(8000), ..Rules::default() };
        let becomes = upgraded(&running(hour(), octets(500)), &day, (8000, 8000), false, None, at(1800));
        assert_eq!(becomes.starts_at, Some(at(1800)));
        assert_eq!(becomes.expires_at, Some(at(1800) + 27 * HOUR));
        assert_eq!(becomes.rules.quota_octets, Some(500 + 9000), "what was used stays counted");
        assert_eq!(becomes.paid, 9000);
        // And again: nothing is given twice.
        let had = Had {
            rules: becomes.rules,
            starts_at: becomes.starts_at,
            expires_at: becomes.expires_at,
            used: octets(500),
            before: becomes.before,
            paid: becomes.paid,
        };
        assert_eq!(unused(&had, at(1800)), 9000);
    }

    #[test]
    fn what_is_left_buys_at_the_usual_price_whatever_was_paid() {
        let day = Rules { duration: Some(Duration::from_secs(86_400)), quota_octets: None, ..hour() };
        let had = running(hour(), octets(500));
        let full = upgraded(&had, &day, (8000, 8000), false, None, at(1800));
        let free = upgraded(&had, &day, (8000, 0), false, None, at(1800));
        assert_eq!((full.rules, full.expires_at), (free.rules, free.expires_at));
        assert_eq!(full.paid - free.paid, 8000);
    }

    #[test]
    fn fair_use_and_time_online_begin_where_the_usage_stands() {
        let bought =
            Rules { quota_time: Some(HOUR), fair_use: "1GB 1M/1M".parse().expect("stages"), ..Rules::default() };
        let had = Had { paid: 0, ..running(hour(), Used { up: 0, down: 2_000_000_000, seconds: 60 }) };
        let becomes = upgraded(&had, &bought, (1000, 1000), false, None, at(60));
        assert_eq!(becomes.rules.quota_time, Some(HOUR + Duration::from_secs(60)));
        assert_eq!(becomes.rules.fair_use.stage(2_500_000_000), None);
        assert_eq!(becomes.rules.fair_use.stage(3_000_000_000), Some(0));
    }

    #[test]
    fn what_waits_goes_on_waiting_unless_the_new_one_begins_with_its_purchase() {
        let waiting = Had { starts_at: None, expires_at: None, ..running(hour(), octets(0)) };
        let becomes = upgraded(&waiting, &hour(), (2000, 2000), false, None, at(9));
        assert_eq!((becomes.starts_at, becomes.expires_at), (None, None));
        assert_eq!(becomes.rules.duration, Some(2 * HOUR), "all of it was left");
        let day = Rules { until: Some(Until::EndOfDay), ..Rules::default() };
        let becomes = upgraded(&waiting, &day, (2000, 2000), true, Some(at(77)), at(9));
        assert_eq!((becomes.starts_at, becomes.expires_at), (Some(at(9)), Some(at(77))));
    }
}
