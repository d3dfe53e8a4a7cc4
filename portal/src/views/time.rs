//! Moments as guests read them: the time of day in East Africa, whatever the router's or the server's clock says.
//!
//! The zone is fixed at UTC+3: all of East Africa has it, without daylight saving time. Hours are counted as clocks and phones show
//! them, in Swahili too; its word "saa" before a time belongs to the sentence around it.

use shared::language::Language;
use shared::time::OffsetDateTime;
use time::UtcOffset;

use super::text::say;

/// East Africa Time.
pub(crate) const EAST_AFRICA: UtcOffset = match UtcOffset::from_hms(3, 0, 0) {
    Ok(offset) => offset,
    Err(_) => UtcOffset::UTC,
};

/// `21:40`, or `21:40 on 3 December` if that is not today.
pub fn clock(language: Language, at: OffsetDateTime, now: OffsetDateTime) -> String {
    let (at, now) = (at.to_offset(EAST_AFRICA), now.to_offset(EAST_AFRICA));
    if at.date() == now.date() {
        return time_of_day(at);
    }
    say(language, "time-on-day")
        .with("time", time_of_day(at))
        .with("day", at.day())
        .with("month", month(language, at))
        .to_string()
}

/// `29 November 2026, 21:40`
pub fn stamp(language: Language, at: OffsetDateTime) -> String {
    let at = at.to_offset(EAST_AFRICA);
    say(language, "time-stamp")
        .with("day", at.day())
        .with("month", month(language, at))
        .with("year", at.year())
        .with("time", time_of_day(at))
        .to_string()
}

fn time_of_day(at: OffsetDateTime) -> String {
    format!("{:02}:{:02}", at.hour(), at.minute())
}

fn month(language: Language, at: OffsetDateTime) -> String {
    say(language, "time-month").count("month", u8::from(at.month()).into()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_is_named_only_when_it_is_another() {
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).expect("in range");
        let english = Language::English;
        // 1970-01-01 00:00 UTC is 03:00 in Nairobi.
        assert_eq!(clock(english, at(0), at(3600)), "03:00");
        // 21:30 UTC is past midnight there.
        assert_eq!(clock(english, at(77_400), at(3600)), "00:30 on 2 January");
        assert_eq!(clock(Language::Swahili, at(77_400), at(3600)), "00:30 tarehe 2 Januari");
        assert_eq!(stamp(english, at(77_400)), "2 January 1970, 00:30");
        assert_eq!(stamp(Language::Swahili, at(77_400)), "2 Januari 1970, saa 00:30");
    }

    #[test]
    fn every_month_has_its_name() {
        let first = |month: u8| {
            let month = time::Month::try_from(month).expect("a month");
            time::Date::from_calendar_date(2026, month, 1).expect("a day").midnight().assume_utc()
        };
        for number in 1..=12 {
            assert_eq!(month(Language::English, first(number)), first(number).month().to_string());
        }
        let names: std::collections::HashSet<String> =
            (1..=12).map(|number| month(Language::Swahili, first(number))).collect();
        assert_eq!(names.len(), 12);
    }
}
