//! Likely buyers: of whom it is said that they will probably buy, when, for how much and why; and one click from it, an offer to those who
//! want offers.
//!
//! How far that may be trusted stands above it: how the model did on the last days that are over, beside "as in the days before". What was
//! said earlier and has turned out since is a chart of its own. Numbers are masked for whoever sees none.

use std::time::Duration;

use shared::money::Money;
use shared::staff::{Permission, Role};
use shared::time::OffsetDateTime;
use store::report::likely::{self, Buyer, Filter, Model, Turned};
use url::form_urlencoded;

use super::chart::{Chart, Series, Shape};
use super::report::{About, Answer, Heeds, Question, Section, Told};
use crate::admin::listing::{Asked, Cell, phone};
use crate::admin::words;
use crate::api::id::{self, Kind};

/// What it is.
pub(super) const ABOUT: About = About {
    slug: "likely-buyers",
    title: "Likely buyers",
    question: "Who will probably buy in the next days, at which hour, and for how much?",
    needs: Permission::SeeMoney,
    heeds: Heeds { period: false, comparison: false, package: false, provider: false },
};

/// Customers that are told at most, in a file too: nobody reads more, and a campaign takes all of them.
pub(super) const MOST: u32 = 10_000;
/// A month in the words of the desk.
const MONTH: &str = "30";

/// What it says.
pub(super) async fn answer(question: &mut Question<'_>) -> Told {
    let (db, now, role) = (&question.app.db, question.common.now, question.staff.admin.role);
    let filter = read(question.asked, question.common.site);
    let models = likely::models(db).await?;
    let buyers = likely::likely(db, &filter, &question.common.sites, MOST).await?;
    let turned = likely::turned(db, filter.window_days.into()).await?;
    let mut sections = Vec::new();
    if question.staff.may(Permission::EditOffers) && !buyers.is_empty() {
        sections.push(offer("An offer to those of them who want offers", &campaign(&filter)));
    }
    sections.push(customers(&buyers, role, now));
    if let Some(turned) = turned {
        sections.push(calibration(&turned, filter.window_days, now));
    }
    Ok(Answer { notes: trust(&models, now), sections, ..Answer::default() })
}

/// Reads the report's own filters.
fn read(asked: &mut Asked, site: Option<uuid::Uuid>) -> Filter {
    let window = asked.choice("window", "Chance to buy within", "7 days", &[(MONTH.to_owned(), "30 days".to_owned())]);
    let steps: Vec<(String, String)> = (1..=9).map(|n| (format!("{n}0"), format!("{n}0 %"))).collect();
    let least = asked.choice("least", "From a chance of", "any", &steps);
    let most = asked.choice("most", "Up to a chance of", "any", &steps);
    let share = |percent: Option<&String>, usual: f64| {
        percent.and_then(|percent| percent.parse::<u8>().ok()).map_or(usual, |percent| f64::from(percent) / 100.0)
    };
    let (from, until) = (share(least.as_ref(), 0.0), share(most.as_ref(), 1.0));
    if from > until {
        asked.wrong("most", "choose a chance that is not below the first");
    }
    let words = [("yes".to_owned(), "they want offers".to_owned()), ("no".to_owned(), "they do not".to_owned())];
    let may = asked.choice("offers", "Offers", "all customers", &words);
    Filter {
        window_days: if window.is_some() { 30 } else { 7 },
        least: from,
        most: until,
        may_be_told: may.map(|word| word == "yes"),
        site,
    }
}

/// Where the offer to those who are asked for is written.
fn campaign(filter: &Filter) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("audience", "likely").append_pair("window", &filter.window_days.to_string());
    query.append_pair("least", &share(filter.least)).append_pair("most", &share(filter.most));
    if let Some(site) = filter.site {
        query.append_pair("site", &site.to_string());
    }
    format!("/admin/campaigns/new?{}", query.finish())
}

/// A chance as whole hundredths, as addresses have it.
fn share(chance: f64) -> String {
    format!("{:.0}", chance * 100.0)
}

/// One line that leads to a campaign.
pub(super) fn offer(title: &str, address: &str) -> Section {
    Section {
        id: "offer",
        title: title.to_owned(),
        notes: vec![
            "A part of them is held out by lot: only beside those can be seen what the message did. Nobody gets it who has not said yes to \
             offers."
                .to_owned(),
        ],
        chart: None,
        heads: vec![("What".to_owned(), "what".to_owned(), false)],
        rows: vec![vec![Cell::text("Write an offer").link(address)]],
        nothing: "",
    }
}

fn customers(buyers: &[Buyer], role: Role, now: OffsetDateTime) -> Section {
    let heads = [
        ("Customer", "phone", false),
        ("Last bought", "last_bought", false),
        ("Usually every", "usual_gap", false),
        ("Within 7 days", "chance_7_percent", true),
        ("Within 30 days", "chance_30_percent", true),
        ("Likely hour", "likely_hour", false),
        ("Will probably spend", "expected_spend_30_days", true),
        ("Why", "why", false),
        ("Wants offers", "wants_offers", false),
    ];
    Section {
        id: "customers",
        title: "Who will probably buy".to_owned(),
        notes: vec![
            "The hour is by the clock of the site; what they will probably spend is that of the next 30 days, with the chance that it is nothing."
                .to_owned(),
        ],
        chart: None,
        heads: heads.map(|(label, key, is_number)| (label.to_owned(), key.to_owned(), is_number)).into(),
        rows: buyers.iter().map(|buyer| row(buyer, role, now)).collect(),
        nothing: "Nothing is said of anybody like that.",
    }
}

fn row(buyer: &Buyer, role: Role, now: OffsetDateTime) -> Vec<Cell> {
    vec![
        customer(buyer, role),
        Cell::moment(Some(buyer.last_at), now),
        gap(buyer.gap_seconds),
        percent(buyer.week),
        percent(buyer.month),
        hour(buyer.likely_hour),
        Cell::money(Some(whole(buyer.expected))),
        reasons(&buyer.reasons),
        Cell::text(if buyer.may_be_told { "yes" } else { "no" }),
    ]
}

/// The number of a customer as that role may see it, leading to the customer.
pub(super) fn customer(buyer: &Buyer, role: Role) -> Cell {
    let address = format!("/admin/customers/{}", id::spell(Kind::Customer, buyer.user));
    Cell::text(phone(role, &buyer.phone)).small(buyer.site.clone().unwrap_or_default()).link(address)
}

/// How long they usually wait.
pub(super) fn gap(seconds: Option<i64>) -> Cell {
    match seconds.and_then(|seconds| u64::try_from(seconds).ok()) {
        None => Cell::text("bought once").value(""),
        Some(seconds) => Cell::text(words::span(Duration::from_secs(seconds))).value(seconds.to_string()),
    }
}

/// `83 %`; in a file `83.4`.
pub(super) fn percent(chance: f64) -> Cell {
    Cell::text(format!("{:.0} %", chance * 100.0)).value(format!("{:.1}", chance * 100.0))
}

/// An expectation in whole units: cents would say that it is known better than it is.
pub(super) fn whole(amount: Money) -> Money {
    Money { minor: amount.minor.saturating_add(50).div_euclid(100) * 100, ..amount }
}

/// `18:00–19:00`.
fn hour(hour: Option<i16>) -> Cell {
    match hour {
        None => Cell::text(""),
        Some(hour) => Cell::text(format!("{hour:02}:00–{:02}:00", (hour + 1) % 24)).value(hour.to_string()),
    }
}

/// Why, in words; in a file as the store has them.
pub(super) fn reasons(reasons: &[String]) -> Cell {
    let words: Vec<&str> = reasons.iter().map(|reason| in_words(reason)).collect();
    Cell::text(words.join(", ")).value(reasons.join(" "))
}

fn in_words(reason: &str) -> &str {
    match reason {
        "often" => "buys often",
        "recent" => "bought in the last week",
        "late" => "later than usual",
        "once" => "bought once",
        "regular" => "buys regularly",
        "long_ago" => "has not come for long",
        "has_access" => "the package still runs",
        "ran_out" => "the package has just ended",
        other => other,
    }
}

/// How far what is said may be trusted.
pub(super) fn trust(models: &[Model], now: OffsetDateTime) -> Vec<String> {
    if models.is_empty() {
        return vec![
            "Nothing is said yet: it takes a month of sales to learn from, and a night. Vouchers do not count, since nobody knows who bought them."
                .to_owned(),
        ];
    }
    models.iter().map(|model| in_sentences(model, now)).collect()
}

fn in_sentences(model: &Model, now: OffsetDateTime) -> String {
    let days = model.window_days;
    let made = format!("Chances for {days} days were made at {}.", words::moment(model.made_at, now));
    let last = if days == 7 { "no better than last week" } else { "no better than last month" };
    let Some(((auc, brier), (habit_auc, habit_brier))) = model.score.zip(model.baseline) else {
        return format!(
            "{made} The past is too short to check a model: what is shown is how many of those who had bought in {days} days bought again."
        );
    };
    let checked = format!(
        "On the last {days} days that are over, of two customers, one who bought and one who did not, the model gave the buyer the higher \
         chance {auc} times in a hundred, and “as in the {days} days before” {habit_auc} times; its error (Brier score, less is better) was \
         {brier:.3} beside {habit_brier:.3}.",
        auc = share(auc),
        habit_auc = share(habit_auc),
    );
    if model.is_used {
        format!("{made} {checked}")
    } else {
        format!("{made} {checked} The model is {last}, so what is shown is the {days} days before.")
    }
}

/// What was said and what became of it.
fn calibration(turned: &Turned, window_days: u8, now: OffsetDateTime) -> Section {
    let made = words::moment(turned.made_at, now);
    let tenths: Vec<&(f64, f64, u64)> = turned.tenths.iter().filter(|(_, _, people)| *people > 0).collect();
    let hundredths = |share: f64| (share * 1_000.0).round() / 10.0;
    let (mut x, mut said, mut did, mut counts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (chance, share, people) in tenths.iter().copied() {
        x.push(format!("{:.1}", chance * 100.0));
        said.push(Some(hundredths(*chance)));
        did.push(Some(hundredths(*share)));
        counts.push(u32::try_from(*people).unwrap_or(u32::MAX));
    }
    let series = |name: &str, values, counts| Series { name: name.to_owned(), values, counts };
    let chart = Chart {
        shape: Shape::Calibration,
        unit: "%".to_owned(),
        x,
        series: vec![series("said", said, Vec::new()), series("bought", did, counts)],
        cap: None,
    };
    let row = |(chance, share, people): &&(f64, f64, u64)| {
        vec![percent(*chance), percent(*share), Cell::text(people.to_string())]
    };
    let heads = [("Said", "said_percent", true), ("Bought", "bought_percent", true), ("Customers", "customers", true)];
    let score = turned.score.map(|(auc, brier)| {
        format!("The buyer had the higher chance {} times in a hundred; the Brier score was {brier:.3}.", share(auc))
    });
    let about = format!(
        "Of what was said for {window_days} days at {made}, by tenths of the customers from the unlikeliest to the likeliest: where it was right, \
         the points lie on the diagonal."
    );
    Section {
        id: "turned-out",
        title: "What was said, and what became of it".to_owned(),
        notes: std::iter::once(about).chain(score).collect(),
        chart: Some(chart),
        heads: heads.map(|(label, key, is_number)| (label.to_owned(), key.to_owned(), is_number)).into(),
        rows: tenths.iter().map(row).collect(),
        nothing: "",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::admin::form::Fields;

    pub(in crate::admin::reports) fn buyer() -> Buyer {
        Buyer {
            user: Uuid::from_u128(7),
            phone: "+254712345678".into(),
            site: Some("Market".into()),
            last_at: OffsetDateTime::UNIX_EPOCH,
            purchases: 5,
            gap_seconds: Some(259_200),
            week: 0.834,
            month: 0.951,
            expected: Money::kes(11_960),
            worth: Money::kes(15_000),
            likely_hour: Some(23),
            reasons: vec!["often".into(), "recent".into()],
            may_be_told: false,
        }
    }

    fn model(is_used: bool, score: Option<(f64, f64)>) -> Model {
        Model { window_days: 30, made_at: OffsetDateTime::UNIX_EPOCH, score, baseline: Some((0.627, 0.0592)), is_used }
    }

    #[test]
    fn a_row_has_a_cell_for_each_head_and_hides_the_number_from_some() {
        for (role, number) in [(Role::Owner, "+254712345678"), (Role::ReadOnly, "07xx xxx 678")] {
            let section = customers(&[buyer()], role, OffsetDateTime::UNIX_EPOCH);
            let [row] = &section.rows[..] else { panic!("a row") };
            assert_eq!(row.len(), section.heads.len());
            assert_eq!(row[0].value, number, "{role}");
            let texts: Vec<&str> = row.iter().map(|cell| cell.text.as_str()).collect();
            assert_eq!(&texts[3..7], ["83 %", "95 %", "23:00–00:00", "KSh 120"]);
            assert_eq!((texts[7], row[3].value.as_str()), ("buys often, bought in the last week", "83.4"));
        }
    }

    #[test]
    fn it_is_said_how_far_it_may_be_trusted() {
        let said = |model: Model| trust(&[model], OffsetDateTime::UNIX_EPOCH).join(" ");
        let good = said(model(true, Some((0.817, 0.0532))));
        assert!(good.contains("82 times in a hundred") && good.contains("0.053 beside 0.059"), "{good}");
        assert!(!good.contains("no better"), "{good}");
        let poor = said(model(false, Some((0.6, 0.07))));
        assert!(poor.contains("no better than last month") && poor.contains("the 30 days before."), "{poor}");
        assert!(said(model(false, None)).contains("too short"));
        assert!(trust(&[], OffsetDateTime::UNIX_EPOCH).join(" ").contains("Nothing is said yet"));
    }

    #[test]
    fn what_is_asked_for_is_what_the_offer_is_for() {
        let sent = Fields::default().with("window", MONTH).with("least", "20").with("most", "80");
        let filter = read(&mut Asked::new(sent), Some(Uuid::from_u128(1)));
        assert_eq!((filter.window_days, filter.least, filter.most), (30, 0.2, 0.8));
        assert_eq!(
            campaign(&filter),
            format!("/admin/campaigns/new?audience=likely&window=30&least=20&most=80&site={}", Uuid::from_u128(1))
        );
        let mut asked = Asked::new(Fields::default().with("least", "80").with("most", "20"));
        read(&mut asked, None);
        assert!(!asked.is_fine());
    }

    #[test]
    fn a_tenth_without_people_is_no_point() {
        let turned = Turned {
            made_at: OffsetDateTime::UNIX_EPOCH,
            score: Some((0.8, 0.1)),
            tenths: vec![(0.1, 0.12, 40), (0.0, 0.0, 0)],
        };
        let section = calibration(&turned, 7, OffsetDateTime::UNIX_EPOCH);
        let chart = section.chart.expect("a chart");
        assert_eq!(
            (chart.series[0].values.as_slice(), chart.series[1].values.as_slice()),
            (&[Some(10.0)][..], &[Some(12.0)][..])
        );
        assert_eq!((section.rows.len(), chart.series[1].counts.as_slice()), (1, &[40][..]));
    }
}
