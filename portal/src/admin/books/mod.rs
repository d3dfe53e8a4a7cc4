//! `/admin/books`: what an accountant reads and does. The store closes days and keeps what came of it; here it is shown, taken away as files, and
//! done by hand.
//!
//! ```text
//!  /admin/books                        days     by month and site: what is closed, and what is over and still open; Close now
//!  /admin/books/documents/{number}     document one document: its lines by kind and its entries; .csv and .pdf
//!  /admin/books/lines.csv              lines    the lines of all documents of some days
//!  /admin/books/balance                balance  the trial balance up to a day; .csv
//!  /admin/books/cash                   cash     what agents sold, handed over and owe; .csv, and a page an agent
//!  /admin/books/taxes                  taxes    the rates, and which package has which
//!  /admin/books/programs               programs the accountants' programs: connecting a company, and ending it
//!  /admin/books/programs/{id}/mapping, /documents, /drift    mapping, told, drift (company: what the three share)
//!  /admin/books/statements             statements what providers and the bank say, held against the ledger
//!  /admin/books/etims                  etims    what the tax authority has signed, and what waits and why
//! ```
//!
//! Every table is a [`sheet::Sheet`], which a page shows with its sums, paper has as well, and a file has without them.
//!
//! Refused here: changing what is closed. There is no form for it; what was wrong is put right on a later day.

pub(in crate::admin) mod balance;
pub(in crate::admin) mod cash;
pub(in crate::admin) mod days;
pub(in crate::admin) mod document;
pub(in crate::admin) mod drift;
pub(in crate::admin) mod etims;
pub(in crate::admin) mod lines;
pub(in crate::admin) mod mapping;
pub(in crate::admin) mod programs;
pub(in crate::admin) mod statements;
pub(in crate::admin) mod taxes;
pub(in crate::admin) mod told;

mod company;
mod sheet;

use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use shared::time::{OffsetDateTime, Zone};
use store::books::document::Kind;
use time::Date;
use time::format_description::well_known::Rfc3339;

use crate::admin::listing::MEDIA;

/// Where the books begin.
pub(in crate::admin) const HOME: &str = "/admin/books";
const NO_DAY: &str = "write a day such as 2026-11-29";
/// Of what belongs to no site.
const NO_PLACE: &str = "No place";

/// Where the page of a document is.
fn address(number: &str) -> String {
    format!("{HOME}/documents/{number}")
}

fn place(name: Option<&str>) -> String {
    name.unwrap_or(NO_PLACE).to_owned()
}

/// `22 November 2026`.
fn in_words(day: Date) -> String {
    format!("{} {} {}", day.day(), day.month(), day.year())
}

/// A day as it is typed.
fn read_day(text: &str) -> Result<Date, &'static str> {
    let begins = OffsetDateTime::parse(&format!("{text}T00:00:00Z"), &Rfc3339).map(OffsetDateTime::date);
    begins.ok().filter(|day| (2000..=2100).contains(&day.year())).ok_or(NO_DAY)
}

/// A moment by the clock of a place: `29 November 2026 21:40`.
fn moment(time_zone: &str, at: OffsetDateTime) -> String {
    let here = Zone::named(time_zone).unwrap_or_default().at(at);
    format!("{} {:02}:{:02}", in_words(here.date()), here.hour(), here.minute())
}

/// Who closed a day. The job that closes them (`jobs::closing`) calls itself so.
fn closer(by: &str) -> &str {
    if by == "closing" { "itself" } else { by }
}

/// A rate in hundredths of a percent: `16 %`, `8.5 %`.
fn percent(rate: i32) -> String {
    let (whole, rest) = (rate / 100, rate % 100);
    let digits = format!("{whole}.{rest:02}");
    format!("{} %", digits.trim_end_matches('0').trim_end_matches('.'))
}

/// What a line is: its word in files, and for people.
fn kind(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Sale => ("sale", "Sold"),
        Kind::VoucherSold => ("voucher_sold", "Vouchers sold"),
        Kind::VoucherUsed => ("voucher_used", "Vouchers used"),
        Kind::VoucherUndone => ("voucher_undone", "Voucher sales undone"),
        Kind::Refund => ("refund", "Given back"),
        Kind::Fee => ("fee", "Provider's fees"),
        Kind::Other => ("other", "Other"),
    }
}

/// A file of comma-separated values.
fn csv_file(name: &str, octets: Vec<u8>) -> Response {
    let name = format!("attachment; filename=\"{name}.csv\"");
    ([(header::CONTENT_TYPE, MEDIA.to_owned()), (header::CONTENT_DISPOSITION, name)], octets).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_days_and_moments_read_as_people_write_them() {
        for (rate, said) in [(1600, "16 %"), (850, "8.5 %"), (825, "8.25 %"), (0, "0 %"), (10_000, "100 %")] {
            assert_eq!(percent(rate), said);
        }
        let day = read_day("2026-11-22").expect("a day");
        assert_eq!((in_words(day).as_str(), day.to_string().as_str()), ("22 November 2026", "2026-11-22"));
        for text in ["", "2026-02-30", "22.11.2026", "1999-12-31", "9999-12-31"] {
            assert_eq!(read_day(text), Err(NO_DAY), "{text}");
        }
        assert_eq!(moment("Africa/Nairobi", OffsetDateTime::UNIX_EPOCH), "1 January 1970 03:00");
    }
}
