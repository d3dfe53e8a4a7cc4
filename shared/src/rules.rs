//! The rules of a package: what a customer may use, how fast, and on which devices. They are data: `store` keeps them,
//! `radiusd` decides by them, `portal` sells and shows them, and none of the three adds one of its own.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::entitlement::Used;
use crate::hours::{Hours, NotHours};
use crate::rate::{Burst, Rate};

/// Most stages of fair use.
const MAX_STAGES: usize = 8;

/// What a package allows.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// How long access lasts from the start.
    pub duration: Option<Duration>,
    /// It lasts until then instead, in the time of the place.
    pub until: Option<Until>,
    /// Octets allowed, up and down together.
    pub quota_octets: Option<u64>,
    /// Octets allowed from the customer.
    pub quota_up: Option<u64>,
    /// Octets allowed to the customer.
    pub quota_down: Option<u64>,
    /// Time that may be spent online, on all devices together; it counts only while somebody is online.
    pub quota_time: Option<Duration>,
    /// When in the week it may be used, in the time of the place; `None` is always.
    pub hours: Option<Hours>,
    /// Speed limit.
    pub rate: Option<Rate>,
    /// How the speed may be exceeded for a while.
    pub burst: Option<Burst>,
    /// Other speeds after so much data.
    pub fair_use: FairUse,
    /// Another speed at certain hours, however much was used.
    pub happy_hours: Option<HappyHours>,
    /// Devices that may share it.
    pub device_limit: u32,
    /// What becomes of a device beyond those.
    pub devices: DevicePolicy,
    /// Idle time after which the router ends a session.
    pub idle_timeout: Option<Duration>,
}

impl Default for Rules {
    /// No limit but one device.
    fn default() -> Rules {
        Rules {
            duration: None,
            until: None,
            quota_octets: None,
            quota_up: None,
            quota_down: None,
            quota_time: None,
            hours: None,
            rate: None,
            burst: None,
            fair_use: FairUse::default(),
            happy_hours: None,
            device_limit: 1,
            devices: DevicePolicy::Strict,
            idle_timeout: None,
        }
    }
}

impl Rules {
    /// What is left of its data; `None` where it is used up.
    pub fn data_left(&self, used: Used) -> Option<DataLeft> {
        let left = |quota: Option<u64>, used: u64| match quota {
            Some(quota) if used >= quota => None,
            Some(quota) => Some(Some(quota - used)),
            None => Some(None),
        };
        Some(DataLeft {
            total: left(self.quota_octets, used.octets())?,
            up: left(self.quota_up, used.up)?,
            down: left(self.quota_down, used.down)?,
        })
    }

    /// What is left of its time online, if that is limited.
    pub fn time_left(&self, used: Used) -> Option<Duration> {
        self.quota_time.map(|quota| quota.saturating_sub(Duration::from_secs(used.seconds)))
    }

    /// Whether its data or its time online is used up.
    pub fn is_used_up(&self, used: Used) -> bool {
        self.data_left(used).is_none() || self.time_left(used) == Some(Duration::ZERO)
    }

    /// Whether it has an end of any kind. A package without one would be sold once and used for ever.
    pub fn is_limited(&self) -> bool {
        let octets = [self.quota_octets, self.quota_up, self.quota_down];
        self.duration.is_some()
            || self.until.is_some()
            || self.quota_time.is_some()
            || octets.iter().any(Option::is_some)
    }
}

/// What is left of each kind of data; `None` is without limit.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct DataLeft {
    /// Octets, up and down together.
    pub total: Option<u64>,
    /// Octets from the customer.
    pub up: Option<u64>,
    /// Octets to the customer.
    pub down: Option<u64>,
}

/// An end by the calendar.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// Midnight.
    EndOfDay,
    /// Midnight from Sunday to Monday.
    EndOfWeek,
}

impl Until {
    const ALL: [Until; 2] = [Until::EndOfDay, Until::EndOfWeek];

    /// The spelling in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Until::EndOfDay => "day",
            Until::EndOfWeek => "week",
        }
    }

    /// Reads the database's spelling.
    pub fn parse(text: &str) -> Option<Until> {
        Until::ALL.into_iter().find(|until| until.as_str() == text)
    }

    /// The longest that it can be away: what one more purchase adds.
    pub fn length(self) -> Duration {
        const DAY: Duration = Duration::from_secs(86_400);
        match self {
            Until::EndOfDay => DAY,
            Until::EndOfWeek => DAY.saturating_mul(7),
        }
    }
}

/// What becomes of a device that comes when all places are taken. However it gets in, it does so by a login, and
/// changes of devices are limited ([`Swaps`]).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DevicePolicy {
    /// It is refused. A phone that has made itself a new random address takes the place of its old one: of devices with
    /// random addresses, the one that came first.
    #[default]
    Strict,
    /// It takes the place of the device that came first.
    Replace,
    /// It is refused, and the customer's page offers to remove one.
    Ask,
}

impl DevicePolicy {
    const ALL: [DevicePolicy; 3] = [DevicePolicy::Strict, DevicePolicy::Replace, DevicePolicy::Ask];

    /// The spelling in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            DevicePolicy::Strict => "strict",
            DevicePolicy::Replace => "replace",
            DevicePolicy::Ask => "ask",
        }
    }

    /// Reads the database's spelling.
    pub fn parse(text: &str) -> Option<DevicePolicy> {
        DevicePolicy::ALL.into_iter().find(|policy| policy.as_str() == text)
    }
}

/// How often devices may be changed: three at once, and another one each eight hours, so that a family changes its phones
/// and a school class does not share one package.
#[derive(Clone, Copy, Debug)]
pub struct Swaps;

impl Swaps {
    /// Changes that may follow each other at once.
    pub const AT_ONCE: u32 = 3;
    /// Time after which one more may be made.
    pub const EVERY: Duration = Duration::from_secs(8 * 3600);

    /// How far the moment from which none would count may lie ahead for one more change to be allowed.
    pub const AHEAD: Duration = Duration::from_secs(8 * 3600 * (Swaps::AT_ONCE as u64 - 1));
}

/// Another speed once so much has been used.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Stage {
    /// Octets, up and down together.
    pub after: u64,
    /// The speed from then on.
    pub rate: Rate,
}

/// The stages of fair use, by how much was used.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug, Serialize, Deserialize)]
#[serde(try_from = "Vec<Stage>", into = "Vec<Stage>")]
pub struct FairUse(Box<[Stage]>);

/// Why stages are none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotFairUse {
    /// Not the grammar.
    #[error("write data and a speed, such as \"5GB 1M/2M, 10GB 512k/1M\"")]
    Grammar,
    /// Not in order.
    #[error("each stage must come after more data than the one before, at most eight of them")]
    Order,
}

impl FairUse {
    /// The stages, in order.
    pub fn stages(&self) -> &[Stage] {
        &self.0
    }

    /// The number of the stage that has been reached; `None`: the package's own speed.
    pub fn stage(&self, used: u64) -> Option<usize> {
        self.0.iter().rposition(|stage| stage.after <= used)
    }

    /// As the database keeps it: three numbers a stage, octets and the two speeds.
    pub fn to_numbers(&self) -> Vec<i64> {
        let number = |value| i64::try_from(value).unwrap_or(i64::MAX);
        self.0.iter().flat_map(|stage| [stage.after, stage.rate.up_bps, stage.rate.down_bps].map(number)).collect()
    }

    /// Reads the database's numbers.
    pub fn from_numbers(numbers: &[i64]) -> Option<FairUse> {
        let read = |numbers: &[i64]| match *numbers {
            [after, up, down] => {
                let [after, up_bps, down_bps] = [after, up, down].map(u64::try_from);
                Some(Stage { after: after.ok()?, rate: Rate { up_bps: up_bps.ok()?, down_bps: down_bps.ok()? } })
            }
            _ => None,
        };
        let stages: Vec<Stage> = numbers.chunks(3).map(read).collect::<Option<_>>()?;
        FairUse::try_from(stages).ok()
    }

    /// The same stages after what was used already.
    #[must_use]
    pub fn beginning_at(&self, used: u64) -> FairUse {
        FairUse(self.0.iter().map(|stage| Stage { after: stage.after.saturating_add(used), ..*stage }).collect())
    }
}

impl TryFrom<Vec<Stage>> for FairUse {
    type Error = NotFairUse;
    fn try_from(stages: Vec<Stage>) -> Result<FairUse, NotFairUse> {
        let in_order = stages.is_sorted_by(|one, next| one.after < next.after);
        if in_order && stages.len() <= MAX_STAGES && stages.first().is_none_or(|first| first.after > 0) {
            Ok(FairUse(stages.into()))
        } else {
            Err(NotFairUse::Order)
        }
    }
}

impl From<FairUse> for Vec<Stage> {
    fn from(stages: FairUse) -> Vec<Stage> {
        stages.0.into_vec()
    }
}

/// `5GB 1M/2M, 10GB 512k/1M`: data in decimal units, speeds from and to the customer.
impl FromStr for FairUse {
    type Err = NotFairUse;
    fn from_str(text: &str) -> Result<FairUse, NotFairUse> {
        let stage = |part: &str| {
            let (after, rate) = part.trim().split_once(' ')?;
            let split = after.find(|c: char| !c.is_ascii_digit())?;
            let (digits, unit) = after.split_at(split);
            let unit = match unit {
                "MB" => 1_000_000,
                "GB" => 1_000_000_000,
                _ => return None,
            };
            let after = digits.parse::<u64>().ok()?.checked_mul(unit).filter(|&after| i64::try_from(after).is_ok())?;
            Some(Stage { after, rate: rate.trim().parse().ok()? })
        };
        let stages: Option<Vec<Stage>> = text.split(',').map(stage).collect();
        FairUse::try_from(stages.ok_or(NotFairUse::Grammar)?)
    }
}

impl fmt::Display for FairUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, stage) in self.0.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            match stage.after {
                after if after % 1_000_000_000 == 0 => write!(f, "{comma}{}GB {}", after / 1_000_000_000, stage.rate)?,
                after => write!(f, "{comma}{}MB {}", after / 1_000_000, stage.rate)?,
            }
        }
        Ok(())
    }
}

/// Another speed at certain hours of the week, in the time of the place.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct HappyHours {
    /// When.
    pub hours: Hours,
    /// The speed then.
    pub rate: Rate,
}

/// Why happy hours are none.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotHappyHours {
    /// Not the grammar.
    #[error("write hours and a speed, such as \"daily 22:00-06:00 at 4M/8M\"")]
    Grammar,
    /// The hours are none.
    #[error(transparent)]
    Hours(#[from] NotHours),
}

/// `daily 22:00-06:00 at 4M/8M`: hours, and the speed from and to the customer.
impl FromStr for HappyHours {
    type Err = NotHappyHours;
    fn from_str(text: &str) -> Result<HappyHours, NotHappyHours> {
        let (hours, rate) = text.rsplit_once(" at ").ok_or(NotHappyHours::Grammar)?;
        let rate = rate.trim().parse().map_err(|_| NotHappyHours::Grammar)?;
        Ok(HappyHours { hours: hours.parse()?, rate })
    }
}

impl fmt::Display for HappyHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.hours, self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_read_as_they_are_printed_and_kept() {
        let text = "500MB 2M/4M, 5GB 1M/2M, 10GB 512k/1M";
        let stages: FairUse = text.parse().expect("stages");
        assert_eq!(stages.to_string(), text);
        assert_eq!(FairUse::from_numbers(&stages.to_numbers()), Some(stages.clone()));
        assert_eq!(serde_json::from_value::<FairUse>(serde_json::to_value(&stages).expect("JSON")).ok(), Some(stages));
        assert_eq!(FairUse::from_numbers(&[]), Some(FairUse::default()));
        for numbers in [&[1][..], &[5, 1, 1, 5, 1, 1], &[-1, 1, 1], &[0, 1, 1]] {
            assert_eq!(FairUse::from_numbers(numbers), None, "{numbers:?}");
        }
    }

    #[test]
    fn what_is_no_fair_use_is_refused() {
        for text in ["", "5GB", "5 GB 1M/2M", "5GB 1M", "5TB 1M/1M", "5GB 1M/2M,", "99999999999999999GB 1M/1M"] {
            assert_eq!(text.parse::<FairUse>(), Err(NotFairUse::Grammar), "{text}");
        }
        assert_eq!("5GB 1M/2M, 5GB 1M/1M".parse::<FairUse>(), Err(NotFairUse::Order));
        assert_eq!("0MB 1M/2M".parse::<FairUse>(), Err(NotFairUse::Order));
    }

    #[test]
    fn a_stage_counts_from_its_octet_on() {
        let stages: FairUse = "5GB 1M/2M, 10GB 512k/1M".parse().expect("stages");
        let stage = |used| stages.stage(used);
        assert_eq!([stage(0), stage(4_999_999_999)], [None, None]);
        assert_eq!([stage(5_000_000_000), stage(9_999_999_999), stage(u64::MAX)], [Some(0), Some(0), Some(1)]);
        assert_eq!(stages.beginning_at(1).stage(5_000_000_000), None);
    }

    #[test]
    fn happy_hours_are_read_as_people_write_them() {
        let night: HappyHours = "daily 22:00-06:00 at 4M/8M".parse().expect("happy hours");
        assert_eq!(night.rate, Rate { up_bps: 4_000_000, down_bps: 8_000_000 });
        assert_eq!(night.to_string(), "daily 22:00–06:00 at 4M/8M");
        for text in ["", "daily 22:00-06:00", "daily 22:00-06:00 at night", "at 4M/8M"] {
            assert_eq!(text.parse::<HappyHours>(), Err(NotHappyHours::Grammar), "{text}");
        }
        assert!(matches!("at noon at 4M/8M".parse::<HappyHours>(), Err(NotHappyHours::Hours(_))));
    }

    #[test]
    fn each_kind_of_data_has_its_own_end() {
        let rules = Rules {
            quota_octets: Some(100),
            quota_up: Some(10),
            quota_time: Some(Duration::from_secs(60)),
            ..Rules::default()
        };
        let used = |up, down, seconds| Used { up, down, seconds };
        let left = DataLeft { total: Some(95), up: Some(9), down: None };
        assert_eq!(rules.data_left(used(1, 4, 0)), Some(left));
        assert_eq!(rules.data_left(used(10, 0, 0)), None, "up is used up");
        assert_eq!(rules.data_left(used(1, 99, 0)), None, "all is used up");
        assert!(
            !rules.is_used_up(used(9, 9, 59)) && rules.is_used_up(used(0, 0, 60)) && rules.is_used_up(used(10, 0, 0))
        );
        assert!(rules.is_limited() && !Rules::default().is_limited());
    }

    #[test]
    fn rules_of_before_are_read_without_what_has_come_since() {
        let old = r#"{"duration":{"secs":3600,"nanos":0},"quota_octets":null,"rate":{"up_bps":1,"down_bps":2},"device_limit":2,"idle_timeout":null}"#;
        let rules: Rules = serde_json::from_str(old).expect("rules");
        let hour = Some(Duration::from_secs(3600));
        assert_eq!((rules.duration, rules.device_limit, rules.devices), (hour, 2, DevicePolicy::Strict));
        assert_eq!(rules.fair_use, FairUse::default());
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        assert!(Until::ALL.iter().all(|until| Until::parse(until.as_str()) == Some(*until)));
        assert!(DevicePolicy::ALL.iter().all(|policy| DevicePolicy::parse(policy.as_str()) == Some(*policy)));
    }
}
