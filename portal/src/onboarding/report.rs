//! What a router sends when its script is done: a line each of `name=value`, of which we take what we know. A router may word things as
//! its version does, so what cannot be read is not known, and never an error.

use shared::time::OffsetDateTime;
use store::nas::Report;
use time::{Date, Month, PrimitiveDateTime, Time, UtcOffset};

use super::Step;

/// Most letters of a value that are kept.
const VALUE_MAX: usize = 100;
/// Letters of a key of WireGuard: 32 octets in base64.
const KEY_LENGTH: usize = 44;
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Reads a report that came at `now`.
pub(crate) fn read(body: &str, now: OffsetDateTime) -> Report {
    let value = |name: &str| -> Option<String> {
        let line = body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        let text: String = line.trim().chars().filter(|c| !c.is_control()).take(VALUE_MAX).collect();
        (!text.is_empty()).then_some(text)
    };
    let clock = match (value("date"), value("time"), value("gmt-offset")) {
        (Some(date), Some(time), Some(offset)) => moment(&date, &time, &offset),
        _ => None,
    };
    Report {
        version: value("version"),
        model: value("model"),
        serial: value("serial"),
        device_mode: value("device-mode").and_then(|text| truth(&text)),
        clock_ahead_seconds: clock.map(|clock| (clock - now).whole_seconds()),
        fasttrack: value("fasttrack").and_then(|text| text.parse().ok()),
        public_key: value("public-key").filter(|key| is_key(key)),
        not_done: not_done(&value("not-done").unwrap_or_default()),
    }
}

/// The steps of ours among these words, in the order of the script.
fn not_done(words: &str) -> String {
    let named: Vec<&str> = words.split_whitespace().collect();
    let steps: Vec<&str> = Step::ALL.iter().map(|step| step.word()).filter(|word| named.contains(word)).collect();
    steps.join(" ")
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "yes" => Some(true),
        "false" | "no" => Some(false),
        _ => None,
    }
}

/// Whether this is a key of WireGuard: 32 octets in base64.
fn is_key(text: &str) -> bool {
    let is_letter = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/');
    text.len() == KEY_LENGTH && text.strip_suffix('=').is_some_and(|body| body.bytes().all(is_letter))
}

/// A moment as RouterOS tells it, in three parts: `2026-11-29` or, before 7.10, `nov/29/2026`; `12:18:00`; `+03:00` or seconds.
pub(crate) fn moment(date: &str, time: &str, gmt_offset: &str) -> Option<OffsetDateTime> {
    let offset = UtcOffset::from_whole_seconds(seconds_of_offset(gmt_offset)?).ok()?;
    Some(PrimitiveDateTime::new(day(date)?, time_of_day(time)?).assume_offset(offset))
}

fn day(text: &str) -> Option<Date> {
    let (year, month, day) = if let Some((month, rest)) = text.split_once('/') {
        let (day, year) = rest.split_once('/')?;
        let month = (1_u8..).zip(MONTHS).find(|(_, name)| month.eq_ignore_ascii_case(name))?.0;
        (year, month, day)
    } else {
        let (year, rest) = text.split_once('-')?;
        let (month, day) = rest.split_once('-')?;
        (year, month.parse().ok()?, day)
    };
    Date::from_calendar_date(year.parse().ok()?, Month::try_from(month).ok()?, day.parse().ok()?).ok()
}

fn time_of_day(text: &str) -> Option<Time> {
    let mut parts = text.splitn(3, ':').map(str::parse::<u8>);
    let mut next = || parts.next()?.ok();
    Time::from_hms(next()?, next()?, next()?).ok()
}

/// `+03:00`, `10800`, or what is before Greenwich as an unsigned number of 32 bits.
fn seconds_of_offset(text: &str) -> Option<i32> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if let Some((hours, minutes)) = rest.split_once(':') {
        let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
        return hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?.checked_mul(sign);
    }
    let number: i64 = rest.parse().ok()?;
    let wrapped = if number > i64::from(i32::MAX) { number - (1 << 32) } else { number };
    i32::try_from(wrapped).ok()?.checked_mul(sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> OffsetDateTime {
        let form = &time::format_description::well_known::Rfc3339;
        OffsetDateTime::parse(text, form).expect("a moment")
    }

    #[test]
    fn a_report_is_read_as_far_as_it_is_known() {
        let now = at("2026-11-29T09:18:00Z");
        let body = "version=7.15.3 (stable)\nnot-done=pages clock  rm\nmodel=hEX lite\ndate=2026-11-29\ntime=12:20:00\n\
                    gmt-offset=10800\nfasttrack=1\nserial=HG409\ndevice-mode=false\n\
                    public-key=xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=\nnonsense\n";
        let report = read(body, now);
        assert_eq!(report.version.as_deref(), Some("7.15.3 (stable)"));
        assert_eq!((report.device_mode, report.fasttrack), (Some(false), Some(1)));
        assert_eq!((report.clock_ahead_seconds, report.not_done.as_str()), (Some(120), "clock pages"));
        assert_eq!(report.public_key.as_deref(), Some("xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="));
        assert_eq!(read("", now), Report::default());
        let odd = read("date=tomorrow\ntime=12\ngmt-offset=x\npublic-key=short=\nfasttrack=many\ndevice-mode=?", now);
        assert_eq!(odd, Report::default());
    }

    #[test]
    fn clocks_are_read_as_each_version_tells_them() {
        let expected = Some(at("2026-11-29T12:18:05+03:00"));
        for (date, offset) in [("2026-11-29", "+03:00"), ("nov/29/2026", "10800"), ("Nov/29/2026", "03:00")] {
            assert_eq!(moment(date, "12:18:05", offset), expected, "{date} {offset}");
        }
        assert_eq!(moment("2026-11-29", "04:18:05", "-05:00"), moment("2026-11-29", "04:18:05", "4294949296"));
        assert_eq!(moment("1970-01-02", "00:00:00", "0").map(OffsetDateTime::unix_timestamp), Some(86_400));
        for (date, time, offset) in [
            ("", "12:18:05", "0"),
            ("2026-13-01", "12:18:05", "0"),
            ("2026-11-29", "12:18", "0"),
            ("2026-11-29", "12:18:05", "9999999999999"),
        ] {
            assert_eq!(moment(date, time, offset), None, "{date} {time} {offset}");
        }
    }
}
