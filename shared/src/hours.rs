//! The hours of the week in which a package may be used, in the time of the place where it is used.
//!
//! Hours are kept as minutes of the week that begins on Monday at midnight, in sorted ranges that do not touch. A night
//! is one range, also over the end of the week: what ends on Sunday at midnight and begins on Monday at midnight is open
//! throughout.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Minutes of a day and of a week.
const DAY: u16 = 1440;
const WEEK: u16 = 7 * DAY;
const NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Hours of the week. In JSON they are spelt as PostgreSQL spells them.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hours(Box<[(u16, u16)]>);

/// What is wrong with hours that somebody wrote.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "\"{0}\" are no hours: write days and times, such as \"mon-fri 08:00-17:00, sat 09:00-13:00\" or \"daily 22:00-06:00\""
)]
pub struct NotHours(String);

impl Hours {
    /// From ranges of minutes, half open. `None` if nothing of a week is left, or all of it.
    fn of(ranges: impl IntoIterator<Item = (u16, u16)>) -> Option<Hours> {
        let mut sorted: Vec<(u16, u16)> = ranges.into_iter().filter(|(from, to)| from < to && *to <= WEEK).collect();
        sorted.sort_unstable();
        let mut merged: Vec<(u16, u16)> = Vec::new();
        for (from, to) in sorted {
            match merged.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        (!merged.is_empty() && merged != [(0, WEEK)]).then(|| Hours(merged.into()))
    }

    /// How many minutes from this minute of the week on it stays open, this one included; `None`: it is closed.
    pub fn open_for(&self, minute: u16) -> Option<u16> {
        let (_, to) = self.0.iter().find(|(from, to)| (*from..*to).contains(&minute))?;
        let first = self.0.first().filter(|(from, _)| *to == WEEK && *from == 0);
        Some(to - minute + first.map_or(0, |(_, to)| *to))
    }

    /// As PostgreSQL writes an `int4multirange`.
    pub fn to_multirange(&self) -> String {
        let ranges: Vec<String> = self.0.iter().map(|(from, to)| format!("[{from},{to})")).collect();
        format!("{{{}}}", ranges.join(","))
    }

    /// Reads what PostgreSQL wrote.
    pub fn from_multirange(text: &str) -> Option<Hours> {
        let inner = text.strip_prefix('{')?.strip_suffix('}')?;
        let range = |part: &str| {
            let (from, to) = part.strip_prefix('[')?.split_once(',')?;
            Some((from.parse().ok()?, to.parse().ok()?))
        };
        let ranges: Option<Vec<(u16, u16)>> = inner.strip_suffix(')')?.split("),").map(range).collect();
        Hours::of(ranges?)
    }

    /// As people write it, so that it can be read again; [`fmt::Display`] is shorter, and only for reading.
    pub fn typed(&self) -> String {
        let said = self.to_string().replace('–', "-");
        if said.parse::<Hours>().as_ref() == Ok(self) {
            return said;
        }
        let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        let mut parts = Vec::new();
        for &(from, to) in &*self.0 {
            for day in from / DAY..to.div_ceil(DAY) {
                let (midnight, next) = (day * DAY, (day + 1) * DAY);
                let (from, to) = (time(from.max(midnight) - midnight), time(to.min(next) - midnight));
                parts.push(format!("{} {from}-{to}", NAMES[usize::from(day)]));
            }
        }
        parts.join(", ")
    }

    /// The ranges, each from its beginning on, also over the end of the week.
    fn stretches(&self) -> Vec<(u16, u16)> {
        let mut ranges = self.0.to_vec();
        if let (Some(&(0, early)), Some(&(late, WEEK))) = (ranges.first(), ranges.last()) {
            ranges.remove(0);
            ranges.pop();
            ranges.push((late, WEEK + early));
        }
        ranges
    }
}

impl TryFrom<String> for Hours {
    type Error = NotHours;

    fn try_from(text: String) -> Result<Hours, NotHours> {
        Hours::from_multirange(&text).ok_or(NotHours(text))
    }
}

impl From<Hours> for String {
    fn from(hours: Hours) -> String {
        hours.to_multirange()
    }
}

impl FromStr for Hours {
    type Err = NotHours;

    fn from_str(text: &str) -> Result<Hours, NotHours> {
        let ranges: Option<Vec<Vec<(u16, u16)>>> =
            text.split(',').map(|part| entry(&part.trim().to_lowercase())).collect();
        ranges.and_then(|ranges| Hours::of(ranges.into_iter().flatten())).ok_or_else(|| NotHours(text.to_owned()))
    }
}

/// `mon-fri 08:00-17:00`, as ranges.
fn entry(text: &str) -> Option<Vec<(u16, u16)>> {
    let (days, times) = text.split_once(' ')?;
    let (from, to) = times.trim().split_once('-')?;
    let (from, to) = (minute(from)?, minute(to)?);
    // A night belongs to the day on which it begins.
    let to = if to > from { to } else { to + DAY };
    let ranges = days_of(days)?.into_iter().flat_map(|day| {
        let (from, to) = (day * DAY + from, day * DAY + to);
        [(from, to.min(WEEK)), (0, to.saturating_sub(WEEK))]
    });
    Some(ranges.collect())
}

/// `daily`, `sat` or `mon-fri`; `fri-mon` goes over the end of the week.
fn days_of(text: &str) -> Option<Vec<u16>> {
    let number =
        |name: &str| NAMES.iter().zip(0..).find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, day)| day);
    match text.split_once('-') {
        None if text == "daily" => Some((0..7).collect()),
        None => Some(vec![number(text)?]),
        Some((first, last)) => {
            let (first, last) = (number(first)?, number(last)?);
            Some((0..=(last + 7 - first) % 7).map(|later| (first + later) % 7).collect())
        }
    }
}

/// `08:00`, up to `24:00`.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    if !(1..=2).contains(&hours.len()) || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    (minutes < 60 && hours * 60 + minutes <= DAY).then_some(hours * 60 + minutes)
}

/// `Mon–Fri 08:00–17:00, Sat 09:00–13:00`; a stretch of more than a day as `Sat 00:00–Mon 00:00`.
impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.in_words(&NAMES, "daily"))
    }
}

impl Hours {
    /// The same with other words for the days, from Monday on, and for all of them.
    pub fn in_words(&self, names: &[impl AsRef<str>; 7], daily: &str) -> String {
        let time = |minute: u16| format!("{:02}:{:02}", minute % DAY / 60, minute % 60);
        let name = |day: u16| names[usize::from(day)].as_ref();
        let mut words = String::new();
        // Stretches of a day that begin and end at the same times belong together, in the order in which they begin.
        let mut groups: Vec<((u16, u16), Vec<u16>)> = Vec::new();
        for (from, to) in self.stretches() {
            let key = (from % DAY, to - from);
            match groups.iter_mut().find(|(known, _)| *known == key && key.1 <= DAY) {
                Some((_, days)) => days.push(from / DAY),
                None => groups.push((key, vec![from / DAY])),
            }
        }
        for (position, ((from, length), days)) in groups.iter().enumerate() {
            if position > 0 {
                words.push_str(", ");
            }
            let to = from + length;
            if *length > DAY {
                let last = name((days[0] + to / DAY) % 7);
                words.push_str(&format!("{} {}–{last} ", name(days[0]), time(*from)));
            } else {
                words.push_str(&format!("{} {}–", days_in_words(days, &name, daily), time(*from)));
            }
            words.push_str(&if to == DAY { "24:00".to_owned() } else { time(to) });
        }
        words
    }
}

/// `daily`, `Mon–Fri`, or `Mon, Wed` as `Mon+Wed`.
fn days_in_words<'a>(days: &[u16], name: &impl Fn(u16) -> &'a str, daily: &str) -> String {
    let mut sorted = days.to_vec();
    sorted.sort_unstable();
    match sorted.as_slice() {
        [_, _, _, _, _, _, _] => daily.to_owned(),
        [first, .., last] if usize::from(last - first) + 1 == sorted.len() && sorted.len() > 2 => {
            format!("{}–{}", name(*first), name(*last))
        }
        some => some.iter().map(|day| name(*day)).collect::<Vec<_>>().join("+"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hours(text: &str) -> Hours {
        text.parse().expect("hours")
    }

    #[test]
    fn hours_are_read_and_said_as_people_do() {
        let table = [
            ("mon-fri 08:00-17:00, sat 09:00-13:00", "Mon–Fri 08:00–17:00, Sat 09:00–13:00"),
            ("daily 22:00-06:00", "daily 22:00–06:00"),
            ("Sun 8:00-24:00", "Sun 08:00–24:00"),
            ("fri-sun 18:00-23:30", "Fri–Sun 18:00–23:30"),
            ("sat-sun 00:00-24:00", "Sat 00:00–Mon 00:00"),
            ("sun 20:00-02:00", "Sun 20:00–02:00"),
            ("mon 08:00-12:00, mon 11:00-14:00", "Mon 08:00–14:00"),
            ("mon 08:00-09:00, wed 08:00-09:00", "Mon+Wed 08:00–09:00"),
        ];
        for (written, said) in table {
            assert_eq!(hours(written).to_string(), said, "{written}");
        }
        let names = ["Jumatatu", "Jumanne", "Jumatano", "Alhamisi", "Ijumaa", "Jumamosi", "Jumapili"];
        let swahili = |text: &str| hours(text).in_words(&names, "kila siku");
        assert_eq!(swahili("mon-fri 08:00-17:00"), "Jumatatu–Ijumaa 08:00–17:00");
        assert_eq!(swahili("daily 22:00-06:00"), "kila siku 22:00–06:00");
    }

    #[test]
    fn what_is_no_hours_is_refused_in_words() {
        for text in
            ["", "mon", "mon 8-17", "mon 25:00-26:00", "noday 08:00-09:00", "mon 08:00-08:60", "daily 00:00-24:00"]
        {
            let error = text.parse::<Hours>().expect_err(text);
            assert!(error.to_string().contains("mon-fri 08:00-17:00"), "{error}");
        }
    }

    #[test]
    fn a_night_goes_over_midnight_and_over_the_end_of_the_week() {
        let night = hours("daily 22:00-06:00");
        assert_eq!(night.open_for(22 * 60), Some(8 * 60));
        assert_eq!(night.open_for(DAY + 5 * 60 + 59), Some(1));
        assert_eq!(night.open_for(6 * 60), None);
        assert_eq!(night.open_for(WEEK - 60), Some(7 * 60), "Sunday, an hour before midnight");
        assert_eq!(night.open_for(0), Some(6 * 60));
    }

    proptest! {
        #[test]
        fn postgresql_gives_back_what_it_was_given(ranges in proptest::collection::vec((0..WEEK, 1..3000_u16), 1..9)) {
            let ranges = ranges.into_iter().map(|(from, length)| (from, (from + length).min(WEEK)));
            if let Some(hours) = Hours::of(ranges) {
                prop_assert_eq!(Hours::from_multirange(&hours.to_multirange()), Some(hours));
            }
        }

        #[test]
        fn what_is_written_for_people_to_change_is_read_again(ranges in proptest::collection::vec((0..WEEK, 1..3000_u16), 1..9)) {
            let ranges = ranges.into_iter().map(|(from, length)| (from, (from + length).min(WEEK)));
            if let Some(hours) = Hours::of(ranges) {
                prop_assert_eq!(hours.typed().parse(), Ok(hours));
            }
        }

        #[test]
        fn open_minutes_end_where_a_closed_one_follows(from in 0..WEEK, length in 1..5000_u16, minute in 0..WEEK) {
            let to = from + length;
            let Some(hours) = Hours::of([(from, to.min(WEEK)), (0, to.saturating_sub(WEEK))]) else { return Ok(()) };
            match hours.open_for(minute) {
                Some(left) => {
                    prop_assert!((0..left).all(|later| hours.open_for((minute + later) % WEEK).is_some()));
                    prop_assert_eq!(hours.open_for((minute + left) % WEEK), None);
                }
                None => prop_assert!(!(from..to).contains(&minute) && !(from..to).contains(&(minute + WEEK))),
            }
        }
    }
}
