//! Churn: customers who came again and again and seem to stay away, those who were worth most first; and one click from it, an offer to those
//! who want offers.
//!
//! Somebody stays away who has waited three times as long as usual, will buy within 30 days with a chance below a fifth, and has no package
//! that still runs: that one bought a month is no absence.

use std::time::Duration;

use shared::staff::{Permission, Role};
use shared::time::OffsetDateTime;
use store::report::churn::{self, Filter};
use store::report::likely::{self, Buyer};
use url::form_urlencoded;
use uuid::Uuid;

use super::likely::{MOST, customer, gap, offer, percent, reasons, trust, whole};
use super::report::{About, Answer, Figure, Heeds, Question, Section, Told};
use crate::admin::listing::{Asked, Cell};
use crate::admin::words;

/// What it is.
pub(super) const ABOUT: About = About {
    slug: "churn",
    title: "Churn",
    question: "Whom are we losing, and what were they worth?",
    needs: Permission::SeeMoney,
    heeds: Heeds { period: false, comparison: false, package: false, provider: false },
};

/// Segments by how often somebody has bought: the word in addresses, the label, from and until.
const SEGMENTS: [(&str, &str, i32, i32); 3] = [
    ("new", "bought 2 or 3 times", 2, 3),
    ("regular", "bought 4 to 9 times", 4, 9),
    ("faithful", "bought 10 times or more", 10, i32::MAX),
];

/// What it says.
pub(super) async fn answer(question: &mut Question<'_>) -> Told {
    let (db, now, role) = (&question.app.db, question.common.now, question.staff.admin.role);
    let (filter, segment) = read(question.asked, question.common.site);
    let models = likely::models(db).await?;
    let leaving = churn::leaving(db, &filter, &question.common.sites, MOST).await?;
    let mut sections = Vec::new();
    if question.staff.may(Permission::EditOffers) && !leaving.is_empty() {
        sections.push(offer("An offer to those of them who want offers", &campaign(&filter, segment.as_deref())));
    }
    sections.push(customers(&leaving, role, now));
    let figures = if leaving.is_empty() { Vec::new() } else { figures(&leaving) };
    // Only the chances of 30 days decide here.
    let models: Vec<likely::Model> = models.into_iter().filter(|model| model.window_days == 30).collect();
    Ok(Answer { figures, notes: trust(&models, now), sections, ..Answer::default() })
}

/// Reads the report's own filter.
fn read(asked: &mut Asked, site: Option<Uuid>) -> (Filter, Option<String>) {
    let options: Vec<(String, String)> =
        SEGMENTS.iter().map(|(word, label, ..)| ((*word).to_owned(), (*label).to_owned())).collect();
    let chosen = asked.choice("segment", "Customers who", "bought more than once", &options);
    let (purchases_least, purchases_most) = range(chosen.as_deref());
    (Filter { purchases_least, purchases_most, site }, chosen)
}

/// How often those of a segment have bought, at least and at most.
pub(in crate::admin) fn range(segment: Option<&str>) -> (i32, i32) {
    let known = SEGMENTS.iter().find(|(word, ..)| Some(*word) == segment);
    known.map_or((1, i32::MAX), |(_, _, least, most)| (*least, *most))
}

fn campaign(filter: &Filter, segment: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("audience", "leaving");
    if let Some(segment) = segment {
        query.append_pair("segment", segment);
    }
    if let Some(site) = filter.site {
        query.append_pair("site", &site.to_string());
    }
    format!("/admin/campaigns/new?{}", query.finish())
}

fn figures(leaving: &[Buyer]) -> Vec<Figure> {
    let count = u32::try_from(leaving.len()).unwrap_or(u32::MAX);
    let people = if count >= MOST { format!("{MOST} or more") } else { count.to_string() };
    let figure =
        |label: &str, value: String| Figure { label: label.to_owned(), value, beside: String::new(), tone: "" };
    vec![
        figure("customers stay away", people),
        figure("they spent in 30 days", words::sum(leaving.iter().map(|buyer| whole(buyer.worth)))),
    ]
}

fn customers(leaving: &[Buyer], role: Role, now: OffsetDateTime) -> Section {
    let heads = [
        ("Customer", "phone", false),
        ("Last bought", "last_bought", false),
        ("Silent for", "recency_seconds", false),
        ("Usually every", "usual_gap", false),
        ("Silent for so many gaps", "gaps", true),
        ("Within 30 days", "chance_30_percent", true),
        ("Value at risk", "value_at_risk_30_days", true),
        ("Purchases", "purchases", true),
        ("Why", "why", false),
        ("Wants offers", "wants_offers", false),
    ];
    Section {
        id: "customers",
        title: "Who stays away".to_owned(),
        notes: vec!["Value at risk is what they spent in 30 days while they came.".to_owned()],
        chart: None,
        heads: heads.map(|(label, key, is_number)| (label.to_owned(), key.to_owned(), is_number)).into(),
        rows: leaving.iter().map(|buyer| row(buyer, role, now)).collect(),
        nothing: "Nobody like that stays away, as far as can be said.",
    }
}

fn row(buyer: &Buyer, role: Role, now: OffsetDateTime) -> Vec<Cell> {
    let silent = Duration::try_from(now - buyer.last_at).unwrap_or_default();
    let usual = buyer.gap_seconds.and_then(|seconds| u64::try_from(seconds).ok()).filter(|seconds| *seconds > 0);
    let gaps = usual.map(|usual| format!("{:.1}", silent.as_secs_f64() / Duration::from_secs(usual).as_secs_f64()));
    vec![
        customer(buyer, role),
        Cell::moment(Some(buyer.last_at), now),
        Cell::text(words::span(silent)).value(silent.as_secs().to_string()),
        gap(buyer.gap_seconds),
        Cell::text(gaps.unwrap_or_default()),
        percent(buyer.month),
        Cell::money(Some(whole(buyer.worth))),
        Cell::text(buyer.purchases.to_string()),
        reasons(&buyer.reasons),
        Cell::text(if buyer.may_be_told { "yes" } else { "no" }),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::likely::tests::buyer;
    use super::*;
    use crate::admin::form::Fields;

    #[test]
    fn a_row_has_a_cell_for_each_head() {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(10 * 86_400);
        let section = customers(&[buyer()], Role::ReadOnly, now);
        let [row] = &section.rows[..] else { panic!("a row") };
        assert_eq!(row.len(), section.heads.len());
        // Ten days, of three usual ones.
        assert_eq!(
            (row[0].text.as_str(), row[4].text.as_str(), row[6].text.as_str()),
            ("07xx xxx 678", "3.3", "KSh 150")
        );
        assert_eq!(figures(&[buyer(), buyer()])[1].value, "KSh 300");
    }

    #[test]
    fn segments_leave_no_gap_and_the_offer_is_for_those_who_are_asked_for() {
        assert!(SEGMENTS.windows(2).all(|pair| pair[0].3 + 1 == pair[1].2));
        let (filter, segment) = read(&mut Asked::new(Fields::default().with("segment", "regular")), None);
        assert_eq!((filter.purchases_least, filter.purchases_most), (4, 9));
        assert_eq!(campaign(&filter, segment.as_deref()), "/admin/campaigns/new?audience=leaving&segment=regular");
        assert_eq!(range(Some("nobody")), (1, i32::MAX));
    }
}
