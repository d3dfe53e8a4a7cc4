//! `/admin/audit`: who did what, and when: the audit log, page by page, for one person, one kind of thing or some days.
//!
//! That nothing was changed in it or taken out of it is proved on the server, by `portal audit verify`.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use shared::time::{OffsetDateTime, rfc3339};
use store::audit::{Filter, Line};
use time::format_description::well_known::Rfc3339;
use url::form_urlencoded;

use super::page::{Page, Tab, answer, style};
use super::{Refusal, words};
use crate::App;
use crate::session::Staff;

/// Rows of a page.
const SHOWN: u32 = 100;

#[derive(Debug, Template)]
#[template(path = "admin/audit.html")]
pub(super) struct AuditLog {
    page: Page,
    style: String,
    wish: Wish,
    rows: Vec<Row>,
    /// The address of the next page; empty: there is none.
    older: String,
    problem: &'static str,
}

#[derive(Debug)]
struct Row {
    id: i64,
    /// The moment to the second, for who points at it.
    exact: String,
    when: String,
    actor: String,
    action: String,
    object: String,
    detail: String,
    address: String,
}

/// What is asked for, as it was typed.
#[derive(Clone, Default, Debug, Deserialize)]
#[serde(default)]
pub(super) struct Wish {
    actor: String,
    action: String,
    /// The first day, and the last.
    from: String,
    until: String,
    before: Option<i64>,
}

/// `GET /admin/audit`.
pub(super) async fn list(State(app): State<App>, staff: Staff, Query(wish): Query<Wish>) -> Result<Response, Refusal> {
    let now = app.clock.now();
    let page = |wish: Wish| AuditLog {
        page: Page::new(&app, &staff, Tab::Security),
        style: style(),
        wish,
        rows: Vec::new(),
        older: String::new(),
        problem: "",
    };
    let Ok(filter) = wish.filter() else {
        let problem = "Write the days as 2026-12-31.";
        return answer(StatusCode::UNPROCESSABLE_ENTITY, &AuditLog { problem, ..page(wish) });
    };
    let lines = store::audit::list(&app.db, &filter, SHOWN).await?;
    let older = match lines.last() {
        Some(last) if lines.len() as u64 >= u64::from(SHOWN) => wish.address(last.id),
        _ => String::new(),
    };
    let rows = lines.into_iter().map(|line| row(line, now)).collect();
    answer(StatusCode::OK, &AuditLog { rows, older, ..page(wish) })
}

fn row(line: Line, now: OffsetDateTime) -> Row {
    let is_empty = line.detail.as_object().is_some_and(serde_json::Map::is_empty);
    Row {
        id: line.id,
        exact: rfc3339(line.at),
        when: words::moment(line.at, now),
        actor: line.actor,
        action: line.action,
        object: line.object,
        detail: if is_empty { String::new() } else { line.detail.to_string() },
        address: line.address.unwrap_or_default(),
    }
}

impl Wish {
    fn filter(&self) -> Result<Filter, time::error::Parse> {
        let typed = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let day = |text: &str| typed(text).map(|day| begin_of(&day)).transpose();
        Ok(Filter {
            // Addresses are kept in small letters, names of tokens as they were given.
            actor: typed(&self.actor).map(|actor| if actor.contains('@') { actor.to_lowercase() } else { actor }),
            action: typed(&self.action),
            from: day(&self.from)?,
            until: day(&self.until)?.map(|day| day + time::Duration::DAY),
            before: self.before,
        })
    }

    /// The address of the page before a row.
    fn address(&self, before: i64) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in
            [("actor", &self.actor), ("action", &self.action), ("from", &self.from), ("until", &self.until)]
        {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        query.append_pair("before", &before.to_string());
        format!("/admin/audit?{}", query.finish())
    }
}

/// The moment at which a day begins in East Africa.
fn begin_of(day: &str) -> Result<OffsetDateTime, time::error::Parse> {
    OffsetDateTime::parse(&format!("{day}T00:00:00+03:00"), &Rfc3339)
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;
    use crate::admin::page::tests::HOSTILE;

    fn line(detail: serde_json::Value) -> Line {
        Line {
            id: 7,
            at: OffsetDateTime::UNIX_EPOCH,
            actor: HOSTILE.into(),
            action: HOSTILE.into(),
            object: HOSTILE.into(),
            detail,
            address: Some("192.0.2.7".into()),
        }
    }

    pub(in crate::admin) fn sample(page: Page) -> AuditLog {
        let now = OffsetDateTime::UNIX_EPOCH;
        let wish = Wish { actor: HOSTILE.into(), action: HOSTILE.into(), ..Wish::default() };
        let older = wish.address(7);
        let rows = vec![row(line(json!({ "before": HOSTILE })), now), row(line(json!({})), now)];
        AuditLog { page, style: style(), wish, rows, older, problem: "Write the days as 2026-12-31." }
    }

    #[test]
    fn what_is_asked_for_is_read() {
        let wish = Wish {
            actor: " Me@Example.org ".into(),
            from: "2026-12-01".into(),
            until: "2026-12-01".into(),
            ..Wish::default()
        };
        let filter = wish.filter().expect("days");
        assert_eq!((filter.actor.as_deref(), filter.action), (Some("me@example.org"), None));
        assert_eq!(filter.until.zip(filter.from).map(|(until, from)| until - from), Some(time::Duration::DAY));
        assert_eq!(filter.from.map(|from| from.unix_timestamp() % 86_400), Some(21 * 3600), "in East Africa");
        assert!(Wish { from: "yesterday".into(), ..Wish::default() }.filter().is_err());
    }

    #[test]
    fn the_next_page_asks_for_the_same() {
        let wish = Wish { actor: "a&b".into(), before: Some(90), ..Wish::default() };
        assert_eq!(wish.address(41), "/admin/audit?actor=a%26b&before=41");
    }

    #[test]
    fn nothing_more_is_said_where_there_is_no_more() {
        let now = OffsetDateTime::UNIX_EPOCH;
        assert_eq!(row(line(json!({})), now).detail, "");
        assert_eq!(row(line(json!({ "a": 1 })), now).detail, "{\"a\":1}");
    }
}
