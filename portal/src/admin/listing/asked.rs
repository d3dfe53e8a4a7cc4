//! What somebody asks a list for: each value of the address is read once, which makes the field of the form with it and says there what is
//! wrong. What nobody reads is not part of the filter.

use std::fmt::Display;
use std::time::Duration;

use shared::mac::Mac;
use shared::phone::Phone;
use shared::time::OffsetDateTime;
use store::listing::Sort;
use time::Date;
use time::format_description::well_known::Rfc3339;
use url::form_urlencoded;

use super::{CURSOR, SORT};
use crate::admin::form::{Field, Fields, Filled, Form, Problems};

/// A day in East Africa.
const DAY: Duration = Duration::from_secs(86_400);
/// Years of which days can be asked for.
const YEARS: std::ops::RangeInclusive<i32> = 2000..=2100;
/// Digits of a number that are looked for at least: fewer are in everybody's.
const LEAST_DIGITS: usize = 3;

/// The address of a list, read.
#[derive(Clone, Debug)]
pub(in crate::admin) struct Asked {
    sent: Fields,
    problems: Problems,
    /// What is wrong with the address beside its fields.
    problem: String,
    fields: Vec<Field>,
}

impl Asked {
    pub(in crate::admin) fn new(sent: Fields) -> Asked {
        Asked { sent, problems: Problems::default(), problem: String::new(), fields: Vec::new() }
    }

    /// Whether nothing is wrong.
    pub(in crate::admin) fn is_fine(&self) -> bool {
        self.problems.is_empty() && self.problem.is_empty()
    }

    pub(in crate::admin) fn problem(&self) -> &str {
        &self.problem
    }

    fn read<T, E: Display>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        self.problems.optional(&self.sent, name, read)
    }

    fn show(&mut self, field: impl FnOnce(Filled<'_>) -> Field) {
        let field = field(Filled { sent: &self.sent, problems: &self.problems });
        self.fields.push(field);
    }

    /// A text of at most so many characters.
    pub(in crate::admin) fn text(&mut self, name: &str, label: &str, most: usize) -> Option<String> {
        let read = self.read(name, |text| {
            let fits = text.chars().count() <= most;
            if fits { Ok(text.to_owned()) } else { Err(format!("write at most {most} characters")) }
        });
        self.show(|filled| filled.text(name, label));
        read
    }

    /// One of these: each has a value and a label. An empty value, which comes first, is any.
    pub(in crate::admin) fn choice(
        &mut self,
        name: &str,
        label: &str,
        any: &str,
        options: &[(String, String)],
    ) -> Option<String> {
        let read = self.read(name, |text| {
            let known = options.iter().any(|(value, _)| value == text);
            if known { Ok(text.to_owned()) } else { Err("choose one of these") }
        });
        let all: Vec<(String, String)> =
            std::iter::once((String::new(), any.to_owned())).chain(options.iter().cloned()).collect();
        self.show(|filled| filled.choice(name, label, &all));
        read
    }

    /// One of these, of which the first is meant where nothing was sent.
    pub(in crate::admin) fn one_of(&mut self, name: &str, label: &str, options: &[(String, String)]) -> Option<String> {
        let read = self.read(name, |text| {
            let known = options.iter().any(|(value, _)| value == text);
            if known { Ok(text.to_owned()) } else { Err("choose one of these") }
        });
        self.show(|filled| filled.choice(name, label, options));
        read
    }

    /// A day of the calendar, whatever the clock.
    pub(in crate::admin) fn date(&mut self, name: &str, label: &str) -> Option<Date> {
        let read = self.read(name, |text| {
            let begins = OffsetDateTime::parse(&format!("{text}T00:00:00Z"), &Rfc3339).map(OffsetDateTime::date);
            begins.ok().filter(|day| YEARS.contains(&day.year())).ok_or("write a day such as 2026-11-29")
        });
        self.show(|filled| filled.day(name, label));
        read
    }

    /// A month of the calendar: its first day.
    pub(in crate::admin) fn month(&mut self, name: &str, label: &str) -> Option<Date> {
        let read = self.read(name, |text| {
            let begins = OffsetDateTime::parse(&format!("{text}-01T00:00:00Z"), &Rfc3339).map(OffsetDateTime::date);
            begins.ok().filter(|day| YEARS.contains(&day.year())).ok_or("write a month such as 2026-11")
        });
        self.show(|filled| filled.month(name, label));
        read
    }

    /// A device's address.
    pub(in crate::admin) fn mac(&mut self, name: &str, label: &str) -> Option<Mac> {
        let read = self.read(name, str::parse::<Mac>);
        self.show(|filled| filled.text(name, label).hint("Such as 4C:5E:0C:12:34:56"));
        read
    }

    /// A whole phone number, in E.164.
    pub(in crate::admin) fn phone(&mut self, name: &str, label: &str) -> Option<String> {
        let read = self.read(name, whole_number);
        self.show(|filled| filled.phone(name, label));
        read
    }

    /// The beginning of phone numbers, in E.164.
    pub(in crate::admin) fn phone_begin(&mut self, name: &str, label: &str) -> Option<String> {
        let read = self.read(name, beginning_of_number);
        self.show(|filled| filled.phone(name, label));
        read
    }

    /// The last digits of phone numbers.
    pub(in crate::admin) fn phone_end(&mut self, name: &str, label: &str) -> Option<String> {
        let read = self.read(name, |text| digits(text).filter(|digits| digits.len() >= LEAST_DIGITS).ok_or(FEW));
        self.show(|filled| filled.phone(name, label));
        read
    }

    /// A day: the moment at which it begins in East Africa, or at which it is over.
    pub(in crate::admin) fn day(&mut self, name: &str, label: &str, is_end: bool) -> Option<OffsetDateTime> {
        let read = self.read(name, |text| {
            let begins = OffsetDateTime::parse(&format!("{text}T00:00:00+03:00"), &Rfc3339);
            let begins = begins.map_err(|_| "write a day such as 2026-11-29")?;
            Ok::<_, &str>(if is_end { begins + DAY } else { begins })
        });
        self.show(|filled| filled.day(name, label));
        read
    }

    /// Days from and until: the time between them.
    pub(in crate::admin) fn days(&mut self) -> (Option<OffsetDateTime>, Option<OffsetDateTime>) {
        let from = self.day("from", "From the day", false);
        let until = self.day("until", "Until the day", true);
        if let (Some(from), Some(until)) = (from, until)
            && from >= until
        {
            self.wrong("until", "choose a day that is not before the first");
        }
        (from, until)
    }

    /// Notes what is wrong with a field that has been read.
    pub(in crate::admin) fn wrong(&mut self, name: &str, problem: &str) {
        self.problems.note(name, problem);
        for field in self.fields.iter_mut().filter(|field| field.name == name) {
            field.problem = crate::admin::form::sentence(problem);
        }
    }

    /// Whether a value was sent.
    pub(in crate::admin) fn has(&self, name: &str) -> bool {
        self.sent.is_on(name)
    }

    /// Says that the address asks for what this member of staff may not do.
    pub(in crate::admin) fn refuse(&mut self, sentence: String) {
        self.problem = sentence;
    }

    /// The order that is asked for, and whether the greatest comes first.
    pub(super) fn sort(&mut self, sorts: &'static [Sort]) -> (Sort, bool) {
        let usual = *sorts.first().expect("a list has an order");
        let word = self.sent.text(SORT);
        if word.is_empty() {
            return (usual, usual.descending);
        }
        let (name, descending) = match word.strip_prefix('-') {
            Some(name) => (name, true),
            None => (word, false),
        };
        match sorts.iter().find(|sort| sort.name == name) {
            Some(sort) => (*sort, descending),
            None => {
                self.problem = format!("This list cannot be sorted by {name}.");
                (usual, usual.descending)
            }
        }
    }

    pub(super) fn cursor(&self) -> Option<String> {
        Some(self.sent.text(CURSOR)).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// The cursor opens nothing.
    pub(super) fn is_lost(&mut self) {
        self.problem = "This address is not one of this list any more: begin it again.".into();
    }

    /// The filter as it stands in addresses; empty: there is none.
    pub(in crate::admin) fn query(&self) -> String {
        self.query_without(&[])
    }

    /// The same without these fields.
    pub(in crate::admin) fn query_without(&self, names: &[&str]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let others = self.fields.iter().filter(|field| !names.contains(&field.name.as_str()));
        for field in others.filter(|field| !field.value.is_empty()) {
            query.append_pair(&field.name, &field.value);
        }
        query.finish()
    }

    /// A path with the filter as the audit log may keep it for good: without what tells who was looked for.
    pub(in crate::admin) fn told(&self, path: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for field in self.fields.iter().filter(|field| !field.value.is_empty()) {
            let value = if PEOPLE.contains(&field.name.as_str()) { "*" } else { field.value.as_str() };
            query.append_pair(&field.name, value);
        }
        match query.finish() {
            query if query.is_empty() => path.to_owned(),
            query => format!("{path}?{query}"),
        }
    }

    /// What was chosen, in the words of the form, but for these fields: `Site: Market`.
    pub(in crate::admin) fn chosen(&self, left_out: &[&str]) -> Vec<String> {
        let chosen = self.fields.iter().filter(|field| !left_out.contains(&field.name.as_str()));
        let chosen = chosen.filter(|field| !field.value.is_empty() && !field.is_hidden());
        chosen.map(|field| format!("{}: {}", field.label, field.words())).collect()
    }

    /// A path with the filter, and with these parameters.
    pub(in crate::admin) fn address(&self, path: &str, more: &[(&str, String)]) -> String {
        let mut query = form_urlencoded::Serializer::new(self.query());
        query.extend_pairs(more);
        match query.finish() {
            query if query.is_empty() => path.to_owned(),
            query => format!("{path}?{query}"),
        }
    }

    /// The form with all fields.
    pub(in crate::admin) fn form(&self, path: &str, sort: Option<String>) -> Form {
        let mut form = Form::new("filter", path, "Show");
        if let Some(sort) = sort {
            form = form.field(Field::hidden(SORT, &sort));
        }
        form.fields.extend(self.fields.iter().cloned());
        form
    }
}

/// Fields of filters that tell who was looked for.
const PEOPLE: [&str; 4] = ["phone", "end", "name", "mac"];
const FEW: &str = "write three digits or more";
const NO_NUMBER: &str = "write a number such as 0712 345 678";

fn digits(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')' | '\u{a0}')).collect();
    (!digits.is_empty() && digits.len() <= 15 && digits.bytes().all(|octet| octet.is_ascii_digit())).then_some(digits)
}

fn whole_number(text: &str) -> Result<String, &'static str> {
    match text.parse::<Phone>() {
        Ok(phone) => Ok(phone.as_str().to_owned()),
        // Numbers of other countries, in E.164.
        Err(_) => text.strip_prefix('+').and_then(digits).map(|digits| format!("+{digits}")).ok_or(NO_NUMBER),
    }
}

/// `0712` and `712` are Kenyan, `254712` and `+254712` are as they stand.
fn beginning_of_number(text: &str) -> Result<String, &'static str> {
    let plain = text.trim();
    let is_whole = plain.starts_with('+');
    let digits = digits(plain.strip_prefix('+').unwrap_or(plain)).ok_or(FEW)?;
    if digits.len() < LEAST_DIGITS {
        return Err(FEW);
    }
    Ok(match digits.strip_prefix('0') {
        _ if is_whole => format!("+{digits}"),
        Some(national) => format!("+254{national}"),
        None if digits.starts_with(['7', '1']) => format!("+254{digits}"),
        None => format!("+{digits}"),
    })
}

#[cfg(test)]
mod tests {
    use store::listing::customers;

    use super::*;

    fn asked(pairs: &[(&str, &str)]) -> Asked {
        Asked::new(pairs.iter().fold(Fields::default(), |fields, (name, value)| fields.with(name, *value)))
    }

    #[test]
    fn numbers_are_looked_for_as_people_write_them() {
        for (text, expected) in [
            ("0712", Ok("+254712")),
            ("712 34", Ok("+25471234")),
            ("254712", Ok("+254712")),
            ("+254 712", Ok("+254712")),
            ("+999000", Ok("+999000")),
            ("07", Err(FEW)),
            ("asha", Err(FEW)),
            ("0712%", Err(FEW)),
        ] {
            assert_eq!(beginning_of_number(text), expected.map(str::to_owned), "{text}");
        }
        for (text, expected) in
            [("0712 345 678", Ok("+254712345678")), ("+9990000007", Ok("+9990000007")), ("0712", Err(NO_NUMBER))]
        {
            assert_eq!(whole_number(text), expected.map(str::to_owned), "{text}");
        }
        let mut one = asked(&[("end", "678"), ("short", "78")]);
        assert_eq!((one.phone_end("end", ""), one.phone_end("short", "")), (Some("678".into()), None));
        assert!(!one.is_fine());
    }

    #[test]
    fn what_cannot_be_read_is_said_at_its_field_and_nothing_else_is_asked() {
        let options = [("paid".to_owned(), "paid".to_owned())];
        let mut asked =
            asked(&[("state", "lost"), ("mac", "x"), ("from", "2026-02-30"), ("until", "2026-01-01"), ("other", "y")]);
        assert_eq!(asked.choice("state", "State", "Any", &options), None);
        assert_eq!(asked.mac("mac", "Device"), None);
        assert_eq!(asked.days().0, None);
        for name in ["state", "mac", "from"] {
            let field = asked.fields.iter().find(|field| field.name == name).expect("a field");
            assert!(!field.problem.is_empty(), "{name}");
        }
        assert!(!asked.is_fine() && !asked.query().contains("other"));
    }

    #[test]
    fn a_day_is_a_day_in_east_africa() {
        let mut asked = asked(&[("from", "2026-11-29"), ("until", "2026-11-29")]);
        let (from, until) = asked.days();
        let (from, until) = (from.expect("a day"), until.expect("a day"));
        assert_eq!((until - from).whole_hours(), 24);
        assert_eq!(from.to_offset(time::UtcOffset::UTC).hour(), 21);
        assert!(asked.is_fine());
        let mut turned = super::tests::asked(&[("from", "2026-11-30"), ("until", "2026-11-29")]);
        turned.days();
        assert!(!turned.is_fine());
    }

    #[test]
    fn a_month_is_its_first_day() {
        let month = |text: &str| {
            let mut asked = asked(&[("month", text)]);
            let first = asked.month("month", "Month").map(|day| day.to_string());
            (first, asked.is_fine())
        };
        assert_eq!(month("2026-11"), (Some("2026-11-01".into()), true));
        assert_eq!(month(""), (None, true));
        for text in ["2026-13", "2026-1", "1999-12", "November", "2026-11-29"] {
            assert_eq!(month(text), (None, false), "{text}");
        }
    }

    #[test]
    fn an_order_is_one_of_the_lists() {
        let [since, phone] = customers::SORTS;
        for (word, expected, fine) in [
            ("", (since, true), true),
            ("since", (since, false), true),
            ("-phone", (phone, true), true),
            ("name", (since, true), false),
        ] {
            let mut asked = asked(&[("sort", word)]);
            assert_eq!(asked.sort(&customers::SORTS), expected, "{word}");
            assert_eq!(asked.is_fine(), fine, "{word}");
        }
    }

    #[test]
    fn addresses_keep_the_filter() {
        let mut asked = asked(&[("name", "a & b"), ("mac", "")]);
        asked.text("name", "Name", 20);
        asked.mac("mac", "Device");
        assert_eq!(asked.address("/x", &[]), "/x?name=a+%26+b");
        assert_eq!(asked.address("/x", &[("sort", "-since".into())]), "/x?name=a+%26+b&sort=-since");
        assert_eq!(super::tests::asked(&[]).address("/x", &[]), "/x");
    }

    #[test]
    fn what_is_kept_for_good_does_not_tell_who_was_looked_for() {
        let mut asked = asked(&[("phone", "0712 345 678"), ("order", "ABCD2345")]);
        asked.phone("phone", "Number");
        asked.text("order", "Order", 20);
        assert_eq!(asked.told("/x"), "/x?phone=*&order=ABCD2345");
        assert_eq!(super::tests::asked(&[]).told("/x"), "/x");
    }
}
