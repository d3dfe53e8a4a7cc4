//! The last day of vouchers: a day of the calendar to people, the moment after it to the store. Days are those of East Africa.

use std::time::Duration;

use shared::time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::views::time::EAST_AFRICA;

/// The moment after a day that is written as `2026-12-31`.
pub(crate) fn end_of(text: &str) -> Result<OffsetDateTime, &'static str> {
    let begins = OffsetDateTime::parse(&format!("{text}T00:00:00+03:00"), &Rfc3339);
    let ends = begins.ok().and_then(|begins| begins.checked_add(time::Duration::DAY));
    ends.ok_or("write a day such as 2026-12-31")
}

/// The last day before such a moment, as paper shows it: `31 Dec 2026`.
pub(crate) fn last_before(end: OffsetDateTime) -> String {
    let day = (end - Duration::from_secs(1)).to_offset(EAST_AFRICA);
    let month: String = day.month().to_string().chars().take(3).collect();
    format!("{} {month} {}", day.day(), day.year())
}

/// The same as it is typed: `2026-12-31`.
pub(crate) fn typed(end: OffsetDateTime) -> String {
    let day = (end - Duration::from_secs(1)).to_offset(EAST_AFRICA);
    format!("{:04}-{:02}-{:02}", day.year(), u8::from(day.month()), day.day())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_at_midnight_in_east_africa() {
        let end = end_of("2026-12-31").expect("a day");
        assert_eq!(shared::time::rfc3339(end.to_offset(time::UtcOffset::UTC)), "2026-12-31T21:00:00Z");
        assert_eq!((last_before(end).as_str(), typed(end).as_str()), ("31 Dec 2026", "2026-12-31"));
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in ["", "31.12.2026", "2026-13-01", "2026-12-31T10:00:00", "tomorrow", "9999-12-31"] {
            assert!(end_of(text).is_err(), "{text}");
        }
    }
}
