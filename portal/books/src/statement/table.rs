//! A file of cells: its letters, what separates them, where the table begins; and what stands in a cell, read exactly.
//!
//! People save such files with whatever their spreadsheet likes: with a byte order mark or in UTF-16, with commas, semicolons or tabs, with
//! lines of an address above the table. All that is told from the file itself. Refused here: guessing at an amount. `1,23` is no thousand,
//! and what could be read in two ways is not read.

use csv::StringRecord;
use time::{Date, Month, PrimitiveDateTime, Time};

use super::{LINES_MAX, OCTETS_MAX, Problem, TEXT_MAX};

/// The table begins within so many rows.
const HEAD_ROWS_MAX: usize = 60;
/// What separates cells, the usual first.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// A table, and what stands above it.
#[derive(Debug)]
pub(super) struct Table {
    /// The rows above the table.
    pub(super) above: Vec<StringRecord>,
    /// The columns' names, as they stand there.
    pub(super) columns: Vec<String>,
    /// The rows in which something stands.
    pub(super) rows: Vec<Row>,
}

/// A row of a table.
#[derive(Debug)]
pub(super) struct Row {
    /// Its number in the file, the first being 1.
    pub(super) number: u64,
    cells: StringRecord,
}

impl Row {
    /// What stands in a column, without blanks around it.
    pub(super) fn cell(&self, column: Option<usize>) -> &str {
        column.and_then(|column| self.cells.get(column)).map(plain).unwrap_or_default()
    }
}

/// A column that was found: its place, and its name in the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Column {
    pub(super) place: usize,
    pub(super) name: String,
}

impl Table {
    /// The first column that has one of these names, the first name before the others. Names are compared by [`key`].
    pub(super) fn column(&self, names: &[&str]) -> Option<Column> {
        names.iter().find_map(|name| {
            let place = self.columns.iter().position(|column| key(column) == *name)?;
            Some(Column { place, name: self.columns[place].clone() })
        })
    }
}

/// A problem with a cell.
pub(super) fn wrong(row: &Row, column: &Column, wrong: impl Into<String>) -> Problem {
    Problem::Cell { row: row.number, column: column.name.clone(), wrong: wrong.into() }
}

/// A name without what people write differently: `Receipt No.` is `receiptno`.
pub(super) fn key(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The text of a file, its lines ended as here: UTF-8 or UTF-16, with or without its mark; what is neither is read letter by letter.
pub(super) fn text(octets: &[u8]) -> String {
    letters(octets).replace("\r\n", "\n").replace('\r', "\n")
}

fn letters(octets: &[u8]) -> String {
    let wide = |of: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = octets[2..].as_chunks::<2>().0.iter().map(|pair| of(*pair)).collect();
        String::from_utf16_lossy(&units)
    };
    match octets {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        _ => match std::str::from_utf8(octets) {
            Ok(text) => text.trim_start_matches('\u{feff}').to_owned(),
            Err(_) => octets.iter().map(|octet| char::from(*octet)).collect(),
        },
    }
}

/// The table whose first row is one: `None`, where no row within the first ones is.
///
/// # Errors
/// The file is too large, or has too many lines.
pub(super) fn read(text: &str, is_head: impl Fn(&[String]) -> bool) -> Result<Option<Table>, Problem> {
    if text.len() > OCTETS_MAX {
        return Err(Problem::TooLarge);
    }
    for separator in SEPARATORS {
        let mut records = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(separator)
            .from_reader(text.as_bytes())
            .into_records();
        let mut above = Vec::new();
        let mut columns = None;
        for record in records.by_ref().take(HEAD_ROWS_MAX).flatten() {
            let names: Vec<String> = record.iter().map(|cell| plain(cell).to_owned()).collect();
            if is_head(&names) {
                columns = Some(names);
                break;
            }
            above.push(record);
        }
        let Some(columns) = columns else { continue };
        let mut rows = Vec::new();
        let mut counted = (0, 1);
        for record in records.flatten() {
            let number = count(text, &record, &mut counted);
            if record.iter().all(|cell| plain(cell).is_empty()) {
                continue;
            }
            if rows.len() == LINES_MAX {
                return Err(Problem::TooManyLines);
            }
            rows.push(Row { number, cells: record });
        }
        return Ok(Some(Table { above, columns, rows }));
    }
    Ok(None)
}

/// The row of the file in which a record begins. What was counted goes on: the octets, and the row that they led to. (The reader's own
/// number is that of the first empty row before it.)
fn count(text: &str, record: &StringRecord, counted: &mut (usize, u64)) -> u64 {
    let octets = text.as_bytes();
    let begins = record.position().map_or(0, csv::Position::byte);
    let mut begins = usize::try_from(begins).unwrap_or(octets.len()).min(octets.len());
    while octets.get(begins) == Some(&b'\n') {
        begins += 1;
    }
    let (before, row) = *counted;
    let ends = octets.get(before..begins).unwrap_or_default().iter().filter(|octet| **octet == b'\n').count();
    *counted = (begins.max(before), row + u64::try_from(ends).unwrap_or(u64::MAX));
    counted.1
}

/// A cell without blanks, and without the apostrophe by which spreadsheets keep a text a text.
fn plain(cell: &str) -> &str {
    let cell = cell.trim_matches(|letter: char| letter.is_whitespace() || letter == '\u{feff}');
    cell.strip_prefix('\'').unwrap_or(cell)
}

/// As much of a text as is kept.
pub(super) fn kept(text: &str) -> String {
    cut(text, TEXT_MAX)
}

/// A text of at most so many characters, its blanks as one each and nothing in it that is no letter to be seen.
pub(super) fn cut(text: &str, most: usize) -> String {
    let words: Vec<&str> = text
        .split(|letter: char| letter.is_whitespace() || letter.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    let text: String = words.join(" ").chars().take(most).collect();
    text.trim().to_owned()
}

/// How a file writes amounts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Style {
    /// `1,234.50`
    Point,
    /// `1.234,50`
    Comma,
}

/// An amount in minor units; nothing at all is none.
///
/// # Errors
/// What is wrong with it, for people.
pub(super) fn minor(text: &str, style: Style) -> Result<i64, String> {
    let wrong = || format!("{text:?} is not an amount of money");
    let mut rest = text.trim().replace('\u{2212}', "-");
    let mut is_below = false;
    if let Some(inner) = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        (rest, is_below) = (inner.to_owned(), true);
    }
    // Letters before or behind: the currency, or which side it is.
    let upper = rest.to_uppercase();
    if upper.ends_with("DR") {
        is_below = !is_below;
    }
    let rest = rest.trim_matches(|letter: char| letter.is_alphabetic() || letter.is_whitespace() || letter == '$');
    let (rest, minus) = match (rest.strip_prefix('-'), rest.strip_suffix('-')) {
        (Some(rest), _) | (None, Some(rest)) => (rest, true),
        _ => (rest.strip_prefix('+').unwrap_or(rest), false),
    };
    let rest = rest.trim_matches(|letter: char| letter.is_alphabetic() || letter.is_whitespace() || letter == '$');
    if rest.is_empty() {
        // A dash is how some write that there is none.
        return if matches!(text.trim(), "" | "-" | "\u{2212}") { Ok(0) } else { Err(wrong()) };
    }
    let (group, point) = match style {
        Style::Point => (',', '.'),
        Style::Comma => ('.', ','),
    };
    let (whole, cents) = rest.split_once(point).unwrap_or((rest, ""));
    let whole = digits(whole, group).ok_or_else(wrong)?;
    let cents = cents_of(cents).ok_or_else(wrong)?;
    let amount = whole.checked_mul(100).and_then(|whole| whole.checked_add(cents)).ok_or_else(wrong)?;
    Ok(if is_below != minus { -amount } else { amount })
}

/// A whole number; groups of three digits may be separated, all in the same way.
fn digits(text: &str, group: char) -> Option<i64> {
    let is_group = |letter: char| letter == group || matches!(letter, ' ' | '\u{a0}' | '\u{202f}' | '\'');
    let parts: Vec<&str> = text.split(is_group).collect();
    let are_groups =
        parts.len() == 1 || (matches!(parts[0].len(), 1..=3) && parts[1..].iter().all(|part| part.len() == 3));
    let number: String = parts.concat();
    // A fraction without its zero, as in `.50`.
    let number = if text.is_empty() { "0" } else { number.as_str() };
    let is_number = number.len() <= 15 && number.bytes().all(|octet| octet.is_ascii_digit());
    (are_groups && is_number).then(|| number.parse().ok()).flatten()
}

/// At most two decimals; more only where they say nothing. Three could be a thousand in another country.
fn cents_of(text: &str) -> Option<i64> {
    if !text.bytes().all(|octet| octet.is_ascii_digit()) || text.len() == 3 || text.len() > 12 {
        return None;
    }
    let (cents, rest) = text.split_at(text.len().min(2));
    if rest.bytes().any(|octet| octet != b'0') {
        return None;
    }
    match cents.len() {
        0 => Some(0),
        1 => cents.parse::<i64>().ok().map(|tenths| tenths * 10),
        _ => cents.parse().ok(),
    }
}

/// In which order a date is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// `2026-11-22`
    Year,
    /// `22/11/2026`
    Day,
    /// `11/22/2026`
    Month,
}

impl Order {
    /// All of them.
    pub const ALL: [Order; 3] = [Order::Year, Order::Day, Order::Month];

    /// Its word in forms.
    pub fn as_str(self) -> &'static str {
        match self {
            Order::Year => "year",
            Order::Day => "day",
            Order::Month => "month",
        }
    }

    /// The order of this word.
    pub fn named(word: &str) -> Option<Order> {
        Order::ALL.into_iter().find(|order| order.as_str() == word)
    }
}

/// A date in this order. A month that is written as a word needs none. What has a colon is a time of day: `08:11:26` is no 8 November.
pub(super) fn date(text: &str, order: Order) -> Option<Date> {
    if text.contains(':') {
        return None;
    }
    let parts: Vec<&str> =
        text.split(|letter: char| !letter.is_alphanumeric()).filter(|part| !part.is_empty()).collect();
    let [one, two, three] = parts[..] else { return None };
    let (year, month, day) = if let Some(month) = month_named(two) {
        if one.len() == 4 { (one, month, three) } else { (three, month, one) }
    } else if let Some(month) = month_named(one) {
        (three, month, two)
    } else {
        let (year, month, day) = match order {
            Order::Year => (one, two, three),
            Order::Day => (three, two, one),
            Order::Month => (three, one, two),
        };
        if order == Order::Year && year.len() != 4 {
            return None;
        }
        (year, Month::try_from(small(month)?).ok()?, day)
    };
    let year: i32 = match year.len() {
        2 => 2000 + year.parse::<i32>().ok()?,
        4 => year.parse().ok()?,
        _ => return None,
    };
    if !(2000..2200).contains(&year) {
        return None;
    }
    Date::from_calendar_date(year, month, small(day)?).ok()
}

fn small(text: &str) -> Option<u8> {
    (text.len() <= 2 && text.bytes().all(|octet| octet.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn month_named(text: &str) -> Option<Month> {
    const NAMES: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let begins: String = text.to_lowercase().chars().take(3).collect();
    let place = NAMES.iter().position(|name| *name == begins)?;
    u8::try_from(place + 1).ok().and_then(|number| Month::try_from(number).ok())
}

/// A date and a time of day, as `22-11-2026 09:15:02`, `2026-11-22T09:15:02Z` or `2026-11-22 09:15`. Without a time: `None` for that.
pub(super) fn moment(text: &str, order: Order) -> Option<(Date, Option<Time>)> {
    let text = text.trim();
    let text = text.strip_suffix("UTC").or_else(|| text.strip_suffix('Z')).unwrap_or(text).trim_end();
    if let Some(date) = date(text, order) {
        return Some((date, None));
    }
    // The time begins behind the last blank or T before the first colon.
    let colon = text.find(':')?;
    let split = text[..colon].rfind([' ', 'T', '\u{a0}'])?;
    let (before, after) = text.split_at(split);
    let after = after.trim_start_matches([' ', 'T', '\u{a0}']);
    Some((date(before, order)?, Some(clock(after)?)))
}

fn clock(text: &str) -> Option<Time> {
    let upper = text.trim().to_uppercase();
    let (text, noon) = match (upper.strip_suffix("AM"), upper.strip_suffix("PM")) {
        (Some(text), _) => (text.trim_end(), Some(0)),
        (_, Some(text)) => (text.trim_end(), Some(12)),
        _ => (upper.as_str(), None),
    };
    // Parts of a second say nothing here.
    let text = text.split_once('.').map_or(text, |(text, _)| text);
    let mut parts = text.split(':').map(small);
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    let hour = match noon {
        None => hour,
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some(noon) => hour % 12 + noon,
    };
    if parts.next().is_some() {
        return None;
    }
    Time::from_hms(hour, minute, second).ok()
}

/// The same as one.
pub(super) fn at((date, time): (Date, Option<Time>)) -> PrimitiveDateTime {
    PrimitiveDateTime::new(date, time.unwrap_or(Time::MIDNIGHT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_to_the_cent_or_not_at_all() {
        for (text, style, expected) in [
            ("1,234.50", Style::Point, Some(123_450)),
            ("-22779.95", Style::Point, Some(-2_277_995)),
            ("(1,000.00)", Style::Point, Some(-100_000)),
            ("KES 1 234.5", Style::Point, Some(123_450)),
            ("250.00 CR", Style::Point, Some(25_000)),
            ("250.00 DR", Style::Point, Some(-25_000)),
            ("\u{2212}50", Style::Point, Some(-5000)),
            ("50-", Style::Point, Some(-5000)),
            (".50", Style::Point, Some(50)),
            ("12.5000", Style::Point, Some(1250)),
            ("", Style::Point, Some(0)),
            ("-", Style::Point, Some(0)),
            ("1.234,50", Style::Comma, Some(123_450)),
            ("1.000", Style::Comma, Some(100_000)),
            ("1,23", Style::Point, None),
            ("1.000", Style::Point, None),
            ("0.125", Style::Point, None),
            ("0.1251", Style::Point, None),
            ("12,34,567.00", Style::Point, None),
            ("1.2.3", Style::Point, None),
            ("none", Style::Point, None),
            ("99999999999999999999", Style::Point, None),
        ] {
            assert_eq!(minor(text, style).ok(), expected, "{text:?} {style:?}");
        }
    }

    #[test]
    fn dates_are_read_in_the_order_that_was_said() {
        let expected = time::macros::date!(2026 - 02 - 03);
        for (text, order) in [
            ("2026-02-03", Order::Year),
            ("03-02-2026", Order::Day),
            ("3/2/26", Order::Day),
            ("02/03/2026", Order::Month),
            ("03-Feb-2026", Order::Month),
            ("Feb 3, 2026", Order::Day),
            ("2026 February 3", Order::Day),
        ] {
            assert_eq!(date(text, order), Some(expected), "{text} {order:?}");
        }
        for (text, order) in [
            ("03-02-2026", Order::Year),
            ("31-02-2026", Order::Day),
            ("1999-01-01", Order::Year),
            ("08:11:26", Order::Day),
            ("", Order::Day),
        ] {
            assert_eq!(date(text, order), None, "{text} {order:?}");
        }
    }

    #[test]
    fn moments_have_a_time_where_they_say_one() {
        let day = time::macros::date!(2026 - 11 - 22);
        for (text, time) in [
            ("22-11-2026 09:15:02", Some((9, 15, 2))),
            ("22/11/2026 9:15", Some((9, 15, 0))),
            ("22/11/2026 09:15:02 PM", Some((21, 15, 2))),
            ("22/11/2026 12:00 am", Some((0, 0, 0))),
            ("22/11/2026", None),
        ] {
            let time = time.and_then(|(hour, minute, second)| Time::from_hms(hour, minute, second).ok());
            assert_eq!(moment(text, Order::Day), Some((day, time)), "{text}");
        }
        let time = Time::from_hms(9, 15, 2).ok();
        for text in ["2026-11-22T09:15:02Z", "2026-11-22 09:15:02.123", "2026-11-22 09:15:02 UTC"] {
            assert_eq!(moment(text, Order::Year), Some((day, time)), "{text}");
        }
        for text in ["22-11-2026 25:00", "09:15", ":", "22-11-2026 1:2:3:4", "22-11-2026 13:00 PM"] {
            assert_eq!(moment(text, Order::Day), None, "{text}");
        }
    }

    #[test]
    fn the_table_is_found_below_whatever_stands_above_it() {
        let is_head = |names: &[String]| names.iter().any(|name| key(name) == "receiptno");
        for separator in [",", ";", "\t"] {
            let file = format!(
                "\u{feff}Somebody{separator}Ltd\r\n\r\nReceipt No.{separator}Paid In\r\nA{separator}\"1\"\r\n\r\n"
            );
            let table = read(&text(file.as_bytes()), is_head).unwrap().expect("a table");
            assert_eq!(table.columns, ["Receipt No.", "Paid In"]);
            assert_eq!((table.above.len(), table.rows.len(), table.rows[0].number), (1, 1, 4));
            assert_eq!(table.rows[0].cell(Some(1)), "1");
        }
        assert!(read("a,b\n1,2\n", is_head).unwrap().is_none());
        let mut wide = vec![0xff, 0xfe];
        wide.extend("Receipt No.\tx\n".encode_utf16().flat_map(u16::to_le_bytes));
        assert!(read(&text(&wide), is_head).unwrap().is_some());
        assert_eq!(text(b"caf\xe9"), "caf\u{e9}");
    }
}
