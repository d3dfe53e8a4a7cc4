//! `/admin/discounts`: what lowers prices, how often each was used and what it has given away. One is made or changed in [`edit`], whose
//! form [`rule`] reads.

pub(super) mod edit;
pub(super) mod rule;

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use shared::discount::{Code, Conditions, Discount, Offer};
use shared::hours::Hours;
use shared::money::Money;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::Refusal;
use super::audit::audit;
use super::form::{Fields, Form, confirmation};
use super::page::{After, Page, Tab, answer, style};
use super::words::{self, Said, Tone, said};
use crate::App;
use crate::session::Staff;
use crate::session::csrf::Posted;

#[derive(Debug, Template)]
#[template(path = "admin/discounts.html")]
pub(super) struct Discounts {
    page: Page,
    style: String,
    discounts: Vec<Row>,
    done: &'static str,
}

#[derive(Debug)]
struct Row {
    id: Uuid,
    name: String,
    code: String,
    off: String,
    conditions: String,
    window: String,
    uses: String,
    given: String,
    state: Said,
    is_over: bool,
}

/// What packages and sites are called, by their identity.
type Names = BTreeMap<Uuid, String>;

/// `GET /admin/discounts`.
pub(super) async fn list(
    State(app): State<App>,
    staff: Staff,
    Query(after): Query<After>,
) -> Result<Response, Refusal> {
    let now = app.clock.now();
    let offers = store::discount::list(&app.db, now).await?;
    let (given, names) = (store::discount::given(&app.db).await?, names(&app).await?);
    let page = Discounts {
        page: Page::new(&app, &staff, Tab::Packages),
        style: style(),
        discounts: offers.iter().map(|offer| row(offer, &given, &names, now)).collect(),
        done: match after.done.as_str() {
            "saved" => "The discount is saved. Orders that were made before keep their price.",
            "ended" => "The discount is over. Orders that were made with it keep their price.",
            _ => "",
        },
    };
    answer(StatusCode::OK, &page)
}

/// `POST /admin/discounts/{id}/end`.
pub(super) async fn end(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    let discount = store::discount::get(&app.db, id).await?;
    if !posted.form.is_confirmed() {
        let form = Form::new("sure", format!("/admin/discounts/{id}/end"), "Yes, end it").danger();
        let lines = vec![format!("{} takes {} off. From now on it does not.", discount.name, discount.kind)];
        let page = Page::new(&app, &posted.staff, Tab::Packages);
        let back = ("/admin/discounts", "Back, and change nothing");
        let page = confirmation(page, "End this discount?", back, lines, form, &posted.form);
        return answer(StatusCode::OK, &page);
    }
    store::discount::end(&app.db, id, app.clock.now()).await?;
    audit(&app, &posted.staff, "discount.end", called(&discount)).await?;
    Ok(Redirect::to("/admin/discounts?done=ended").into_response())
}

/// What a discount is known by.
fn called(discount: &Discount) -> &str {
    discount.trigger.code().map_or(discount.name.as_str(), Code::as_str)
}

async fn names(app: &App) -> Result<Names, Refusal> {
    let packages = store::package::all(&app.db).await?.into_iter().map(|package| (package.id, package.name));
    Ok(packages.chain(store::site::all(&app.db).await?).collect())
}

fn row(offer: &Offer, given: &[(Uuid, Money)], names: &Names, now: OffsetDateTime) -> Row {
    let Offer { discount, used, .. } = offer;
    let conditions = &discount.conditions;
    let state = state(conditions, now);
    Row {
        id: discount.id,
        name: discount.name.clone(),
        code: discount.trigger.code().map(Code::to_string).unwrap_or_default(),
        off: discount.kind.to_string(),
        conditions: in_words(discount, names),
        window: window(conditions, now),
        uses: conditions.uses_max.map_or_else(|| used.to_string(), |most| format!("{used} of {most}")),
        given: words::sum(given.iter().filter(|(id, _)| *id == discount.id).map(|(_, sum)| *sum)),
        is_over: state.tone == Tone::Plain,
        state,
    }
}

/// Whether its time has come.
fn state(conditions: &Conditions, now: OffsetDateTime) -> Said {
    if conditions.valid_until.is_some_and(|until| now >= until) {
        said(Tone::Plain, "over")
    } else if conditions.valid_from.is_some_and(|from| now < from) {
        said(Tone::Busy, "later")
    } else {
        said(Tone::Good, "counts now")
    }
}

/// From when until when.
fn window(conditions: &Conditions, now: OffsetDateTime) -> String {
    let from = conditions.valid_from.map(|from| format!("from {}", words::moment(from, now)));
    let until = conditions.valid_until.map(|until| format!("until {}", words::moment(until, now)));
    [from, until].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// For whom, when and where it counts.
fn in_words(discount: &Discount, names: &Names) -> String {
    let Conditions { hours, first_purchase, every_nth, packages, sites, uses_per_person, .. } = &discount.conditions;
    let list = |ids: &[Uuid]| -> Option<String> {
        let known = |id: &Uuid| names.get(id).map_or("(removed)", String::as_str);
        (!ids.is_empty()).then(|| format!("only {}", ids.iter().map(known).collect::<Vec<_>>().join(" or ")))
    };
    let words = [
        hours.as_ref().map(Hours::to_string),
        first_purchase.then(|| "first purchase".to_owned()),
        discount.owner.map(|_| "a friend’s first purchase".to_owned()),
        every_nth.map(|nth| format!("one purchase in {nth}")),
        uses_per_person.map(|most| format!("{most} a person")),
        list(packages),
        list(sites),
        discount.stackable.then(|| "with others".to_owned()),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use shared::discount::{Kind, Trigger};

    use super::*;
    use crate::admin::page::tests::HOSTILE;

    /// A discount with all that it can have.
    pub(in crate::admin) fn full() -> Discount {
        let at = |seconds| OffsetDateTime::UNIX_EPOCH + Duration::from_secs(seconds);
        Discount {
            id: Uuid::from_u128(1),
            name: HOSTILE.into(),
            kind: Kind::Percent(20),
            trigger: Trigger::Code("karibu".parse().expect("a code")),
            owner: None,
            conditions: Conditions {
                valid_from: Some(at(0)),
                valid_until: Some(at(3600)),
                hours: Some("mon-fri 14:00-17:00".parse().expect("hours")),
                first_purchase: false,
                every_nth: Some(10),
                packages: vec![Uuid::from_u128(2)],
                sites: vec![Uuid::from_u128(3)],
                uses_max: Some(10),
                uses_per_person: Some(1),
            },
            stackable: true,
        }
    }

    pub(in crate::admin) fn sample(page: Page) -> Discounts {
        let offer = Offer { discount: full(), used: 3, used_by_buyer: 0 };
        let given = [(Uuid::from_u128(1), Money::kes(1_200)), (Uuid::from_u128(9), Money::kes(5))];
        let names = BTreeMap::from([(Uuid::from_u128(2), HOSTILE.to_owned())]);
        let rows =
            [0, 7200].map(|later| row(&offer, &given, &names, OffsetDateTime::UNIX_EPOCH + Duration::from_secs(later)));
        Discounts { page, style: style(), discounts: rows.into(), done: "The discount is over." }
    }

    #[test]
    fn a_line_says_for_whom_when_and_where_and_what_it_gave() {
        let page = sample(crate::admin::page::tests::page());
        let [now, over] = &page.discounts[..] else { panic!("two rows") };
        assert_eq!((now.uses.as_str(), now.given.as_str(), now.off.as_str()), ("3 of 10", "KSh 12", "20 %"));
        assert_eq!(
            now.conditions,
            format!("Mon–Fri 14:00–17:00, one purchase in 10, 1 a person, only {HOSTILE}, only (removed), with others")
        );
        assert_eq!(now.window, "from 03:00 until 04:00");
        assert!(!now.is_over && over.is_over);
    }
}
