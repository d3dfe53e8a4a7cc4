//! Moments as guests read them: the time of day in East Africa, whatever the router's or the server's clock says.
//!
//! The zone is fixed at UTC+3: all of East Africa has it, without daylight saving time.

use shared::time::OffsetDateTime;
use time::UtcOffset;

/// East Africa Time.
const EAST_AFRICA: UtcOffset = match UtcOffset::from_hms(3, 0, 0) {
    Ok(offset) => offset,
    Err(_) => UtcOffset::UTC,
};

/// `21:40`, or `21:40 on 3 December` if that is not today.
pub fn clock(at: OffsetDateTime, now: OffsetDateTime) -> String {
    let (at, now) = (at.to_offset(EAST_AFRICA), now.to_offset(EAST_AFRICA));
    let time = format!("{:02}:{:02}", at.hour(), at.minute());
    if at.date() == now.date() { time } else { format!("{time} on {} {}", at.day(), at.month()) }
}

/// `29 November 2026, 21:40`
pub fn stamp(at: OffsetDateTime) -> String {
    let at = at.to_offset(EAST_AFRICA);
    format!("{} {} {}, {:02}:{:02}", at.day(), at.month(), at.year(), at.hour(), at.minute())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_is_named_only_when_it_is_another() {
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).expect("in range");
        // 1970-01-01 00:00 UTC is 03:00 in Nairobi.
        assert_eq!(clock(at(0), at(3600)), "03:00");
        // 21:30 UTC is past midnight there.
        assert_eq!(clock(at(77_400), at(3600)), "00:30 on 2 January");
        assert_eq!(stamp(at(77_400)), "2 January 1970, 00:30");
    }
}
