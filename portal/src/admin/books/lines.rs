//! `/admin/books/lines.csv?since=…&until=…&site=…`: every line of every document of some days, with the number of its document. It is what stands
//! behind the sums that accountants' programs are told, and is read and sent a day at a time.
//!
//! Refused here: more than [`MOST`] days, and a day that cannot be read. A file that silently has other days than were asked for adds up wrongly.

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use shared::staff::SiteScope;
use shared::time::Zone;
use store::StoreError;
use store::books::line::{self, Line};
use time::{Date, Duration};
use uuid::Uuid;

use super::{place, read_day};
use crate::App;
use crate::admin::Refusal;
use crate::admin::form::Fields;
use crate::admin::listing::{MARK, MEDIA, lines};
use crate::admin::reports::amounts::decimal;
use crate::session::Staff;

/// Days of one file at most: three years.
const MOST: i64 = 1_100;
/// Of what belongs to no site.
const PLACELESS: &str = "none";

const HEADS: [&str; 20] = [
    "day", "place", "document", "method", "currency", "position", "kind", "account", "package", "what", "agent",
    "quantity", "list", "discount", "gross", "tax", "rate", "vat", "net", "site",
];

/// What is still to be written.
struct Rest {
    app: App,
    scope: SiteScope,
    is_placeless: bool,
    next: Date,
    last: Date,
}

/// `GET /admin/books/lines.csv`.
pub(in crate::admin) async fn file(
    State(app): State<App>,
    staff: Staff,
    Query(sent): Query<Fields>,
) -> Result<Response, Refusal> {
    let today = Zone::default().at(app.clock.now()).date();
    let (first, last) = match days(sent.text("since"), sent.text("until"), today) {
        Ok(days) => days,
        Err(problem) => return Ok((StatusCode::UNPROCESSABLE_ENTITY, problem).into_response()),
    };
    let (scope, is_placeless) = places(sent.text("site"), staff.sites()).ok_or(Refusal::NotFound)?;
    let rest = Rest { app, scope, is_placeless, next: first, last };
    let head = stream::once(async { Ok::<_, StoreError>(head()) });
    let days = stream::try_unfold(rest, |rest| async move {
        next(rest).await.inspect_err(|error| tracing::error!(%error, "a file of the books ends before its end"))
    });
    let body = Body::from_stream(futures::StreamExt::chain(head, days));
    let name = format!("attachment; filename=\"lines-{first}-{last}.csv\"");
    Ok(([(header::CONTENT_TYPE, MEDIA.to_owned()), (header::CONTENT_DISPOSITION, name)], body).into_response())
}

/// The first day and the last; without a word the present month as far as it has come.
fn days(since: &str, until: &str, today: Date) -> Result<(Date, Date), String> {
    let read = |text: &str, usual: Date| if text.is_empty() { Ok(usual) } else { read_day(text) };
    let last = read(until, today).map_err(|problem| format!("until: {problem}\n"))?;
    let first = read(since, last.replace_day(1).unwrap_or(last)).map_err(|problem| format!("since: {problem}\n"))?;
    match (last - first).whole_days() {
        ..0 => Err("until: choose a day that is not before the first\n".into()),
        MOST.. => Err(format!("since: choose at most {MOST} days\n")),
        _ => Ok((first, last)),
    }
}

/// The sites that are asked for, and whether it is what belongs to none. `None`: they are not for whoever asks.
fn places(text: &str, sites: &SiteScope) -> Option<(SiteScope, bool)> {
    match text {
        "" => Some((sites.clone(), false)),
        PLACELESS => (*sites == SiteScope::All).then_some((SiteScope::All, true)),
        id => {
            let site = Uuid::try_parse(id).ok().filter(|site| sites.covers(Some(*site)))?;
            Some((SiteScope::Only(vec![site]), false))
        }
    }
}

async fn next(mut rest: Rest) -> Result<Option<(Vec<u8>, Rest)>, StoreError> {
    while rest.next <= rest.last {
        let mut found = line::of_day(&rest.app.db, &rest.scope, rest.next).await?;
        found.retain(|line| !rest.is_placeless || line.site.is_none());
        rest.next = rest.next.saturating_add(Duration::DAY);
        if !found.is_empty() {
            return Ok(Some((lines(found.iter().map(values)), rest)));
        }
    }
    Ok(None)
}

fn head() -> Vec<u8> {
    let mut octets = MARK.as_bytes().to_vec();
    octets.extend(lines(std::iter::once(HEADS.map(str::to_owned).to_vec())));
    octets
}

fn values(line: &Line) -> Vec<String> {
    let rate = line.tax_rate.map(|rate| decimal(rate.into())).unwrap_or_default();
    vec![
        line.day.to_string(),
        place(line.site_name.as_deref()),
        line.number.clone(),
        line.method.clone(),
        line.currency.clone(),
        line.position.to_string(),
        line.kind.clone(),
        line.account.clone(),
        line.package.clone().unwrap_or_default(),
        line.description.clone(),
        line.agent.clone().unwrap_or_default(),
        line.quantity.to_string(),
        decimal(line.list),
        decimal(line.discount),
        decimal(line.gross),
        line.tax_letter.clone().unwrap_or_default(),
        rate,
        decimal(line.tax),
        decimal(line.gross.saturating_sub(line.tax)),
        line.site.map(|site| site.to_string()).unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Date {
        read_day(text).expect("a day")
    }

    #[test]
    fn days_that_cannot_be_read_are_said_and_none_are_guessed() {
        let today = date("2026-11-29");
        assert_eq!(days("", "", today), Ok((date("2026-11-01"), today)));
        assert_eq!(days("2026-10-05", "2026-10-05", today), Ok((date("2026-10-05"), date("2026-10-05"))));
        assert_eq!(days("", "2026-10-31", today), Ok((date("2026-10-01"), date("2026-10-31"))));
        assert!(days("2023-12-01", "2026-11-29", today).is_ok());
        for (since, until) in
            [("yesterday", ""), ("", "2026-02-30"), ("2026-11-02", "2026-11-01"), ("2020-01-01", "2026-11-29")]
        {
            assert!(days(since, until, today).is_err(), "{since} {until}");
        }
    }

    #[test]
    fn somebody_limited_asks_for_their_sites_alone() {
        let (here, there) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let limited = SiteScope::Only(vec![here]);
        assert_eq!(places("", &limited), Some((limited.clone(), false)));
        assert_eq!(places(&here.to_string(), &limited), Some((SiteScope::Only(vec![here]), false)));
        assert_eq!(places(&there.to_string(), &limited), None);
        assert_eq!(places("none", &limited), None);
        assert_eq!(places("none", &SiteScope::All), Some((SiteScope::All, true)));
        assert_eq!(places("x", &SiteScope::All), None);
    }

    #[test]
    fn a_line_has_a_value_a_column() {
        let line = Line {
            day: date("2026-11-22"),
            site: None,
            site_name: None,
            number: "20261122-OTHER-M".into(),
            method: "mpesa".into(),
            currency: "KES".into(),
            position: 1,
            kind: "sale".into(),
            account: "sales".into(),
            package: Some("one-hour".into()),
            description: "=1 hour".into(),
            quantity: 2,
            list: 4_000,
            discount: 0,
            gross: 4_000,
            tax_letter: Some("B".into()),
            tax_rate: Some(1600),
            tax: 552,
            agent: None,
        };
        let values = values(&line);
        assert_eq!(values.len(), HEADS.len());
        let of = |name: &str| HEADS.iter().position(|head| *head == name).map(|at| values[at].as_str());
        assert_eq!(
            (of("gross"), of("vat"), of("net"), of("rate")),
            (Some("40.00"), Some("5.52"), Some("34.48"), Some("16.00"))
        );
        let file = String::from_utf8(lines(std::iter::once(values.clone()))).expect("UTF-8");
        assert!(file.contains(",'=1 hour,"), "no formula: {file}");
    }
}
