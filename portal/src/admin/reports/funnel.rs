//! How far guests come on the way from the portal's first page to being online, where they are lost, what that costs, and what most likely stopped
//! them.
//!
//! ```text
//!  seen ──► chosen ──► asked to pay ──► paid ──► online
//!   they looked   the provider      what the     what radiusd
//!   and left      was not reached   provider said   refused
//! ```
//!
//! What was lost is the number who did not go on, at the mean price of what was sold there. That is what it would have brought had all of them
//! bought what others buy: an upper end, and no forecast. Devices are counted by what routers tell, which proves nothing; payments and orders
//! are what was booked.

use shared::denial::Denial;
use shared::money::Money;
use shared::staff::Permission;
use store::report::funnel::{self, HourOfDay, Place, Steps, Stopped};
use uuid::Uuid;

use super::chart::Shape;
use super::report::{About, Answer, Figure, Heeds, Question, Section, Told};
use super::usage::{
    change, chart, charted, count, figure, middle, noted, percent, percent_in_words, section, series, share, span,
    span_before, to_float,
};
use crate::admin::listing::Cell;
use crate::payments::reason::Reason;

pub(super) const ABOUT: About = About {
    slug: "funnel",
    title: "Portal funnel",
    question: "Where do buyers drop on the way to being online, what does it cost, and why?",
    needs: Permission::SeeMoney,
    heeds: Heeds { period: true, comparison: true, package: false, provider: false },
};

/// The steps, in the words of their row and of the file.
const STEPS: [(&str, &str); 5] = [
    ("saw the portal", "seen"),
    ("chose a package", "chosen"),
    ("were asked to pay", "paying"),
    ("paid", "paid"),
    ("were online afterwards", "online"),
];
/// Within how many seconds a payment was confirmed that is counted in each part but the last.
const SECONDS: [f64; 8] = [2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0];

/// What stopped guests, as it was counted.
struct Stops {
    payments: Vec<Stopped>,
    refusals: Vec<Stopped>,
}

pub(super) async fn answer(question: &mut Question<'_>) -> Told {
    let (db, common) = (&question.app.db, &question.common);
    let (asked, sites) = (span(common), &common.sites);
    let new = Denial::UnknownDevice.label();
    let places = funnel::places(db, &asked, sites).await?;
    let hours = funnel::hours(db, &asked, sites).await?;
    let by_site = Stops {
        payments: funnel::payments_by_site(db, &asked, sites).await?,
        refusals: funnel::refusals_by_site(db, &asked, sites, new).await?,
    };
    let by_hour = Stops {
        payments: funnel::payments_by_hour(db, &asked, sites).await?,
        refusals: funnel::refusals_by_hour(db, &asked, sites, new).await?,
    };
    let within = funnel::confirmed_within(db, &asked, sites).await?;
    let before = match span_before(common) {
        Some(before) => Some(together(&funnel::places(db, &before, sites).await?)),
        None => None,
    };
    let all = together(&places);
    Ok(Answer {
        figures: figures(all, before, &within),
        notes: vec![
            "From seeing to choosing and from being paid to being online no time is kept: the time between is known of payments alone.".into(),
        ],
        sections: vec![
            whole_way(all, &places, &by_site),
            at_sites(&places, &by_site),
            by_hours(&hours, mean_price(&places), &by_hour),
        ],
        extra: Vec::new(),
    })
}

/// How many reached each step.
fn numbers(steps: Steps) -> [i64; 5] {
    [steps.seen, steps.chosen, steps.paying, steps.paid, steps.online]
}

/// How many of a step did not reach the next one. Where more came than were seen (a payment from a menu has no page), nobody was lost.
fn lost(steps: Steps) -> [i64; 4] {
    let [seen, chosen, paying, paid, online] = numbers(steps);
    [seen - chosen, chosen - paying, paying - paid, paid - online].map(|lost| lost.max(0))
}

fn together(places: &[Place]) -> Steps {
    places.iter().fold(Steps::default(), |sum, place| Steps {
        seen: sum.seen + place.steps.seen,
        chosen: sum.chosen + place.steps.chosen,
        paying: sum.paying + place.steps.paying,
        paid: sum.paid + place.steps.paid,
        online: sum.online + place.steps.online,
    })
}

/// What one purchase brought in the mean, in the currency of most purchases.
fn mean_price(places: &[Place]) -> Option<Money> {
    let most = places.iter().max_by_key(|place| place.purchases)?.gross.currency;
    let same = || places.iter().filter(move |place| place.gross.currency == most);
    let purchases: i64 = same().map(|place| place.purchases).sum();
    let gross: i64 = same().map(|place| place.gross.minor).sum();
    (purchases > 0).then(|| Money { minor: gross / purchases, currency: most })
}

fn times(price: Option<Money>, number: i64) -> Option<Money> {
    price.map(|price| Money { minor: price.minor.saturating_mul(number), ..price })
}

/// The most frequent of those that the filter wants.
fn most(stopped: &[Stopped], wanted: impl Fn(&Stopped) -> bool) -> Option<String> {
    let mut sums: Vec<(&str, i64)> = Vec::new();
    for one in stopped.iter().filter(|stopped| wanted(stopped)) {
        match sums.iter_mut().find(|(why, _)| *why == one.why) {
            Some((_, times)) => *times += one.times,
            None => sums.push((one.why.as_str(), one.times)),
        }
    }
    sums.into_iter().max_by_key(|(why, times)| (*times, std::cmp::Reverse(*why))).map(|(why, _)| why.to_owned())
}

impl Stops {
    /// What most likely stopped those who were lost behind a step.
    fn reason(&self, step: usize, wanted: impl Fn(&Stopped) -> bool) -> String {
        match step {
            0 => "they looked and left: no reason is known".into(),
            1 => most(&self.payments, |stopped| wanted(stopped) && is_before_asking(&stopped.why))
                .map_or_else(|| "they left before they were asked".into(), |why| in_words(&why)),
            2 => most(&self.payments, |stopped| wanted(stopped) && !is_before_asking(&stopped.why))
                .map_or_else(|| "no answer came".into(), |why| in_words(&why)),
            _ => most(&self.refusals, wanted)
                .map_or_else(|| "their device never tried to log in".into(), |why| why.replace('_', " ")),
        }
    }
}

/// Whether it is why somebody was never asked to pay.
fn is_before_asking(code: &str) -> bool {
    matches!(
        Reason::of(code),
        Reason::Unreachable | Reason::Credentials | Reason::Throttled | Reason::Rejected | Reason::Misconfigured
    )
}

/// What a provider's code means.
fn in_words(code: &str) -> String {
    let words = match Reason::of(code) {
        Reason::NoFunds => "there was not enough money",
        Reason::RuleLimited => "M-Pesa's rules, or a second charge too soon",
        Reason::SystemBusy => "M-Pesa was overloaded",
        Reason::LineBusy => "the line was busy",
        Reason::Expired => "the time for the PIN passed",
        Reason::PushError => "the prompt could not be sent",
        Reason::Cancelled => "it was cancelled on the phone",
        Reason::NoAnswer => "nobody answered on the phone",
        Reason::WrongPin => "a wrong PIN was typed",
        Reason::OverLimit => "it was above a limit",
        Reason::Misconfigured => "our shortcode is set up wrongly",
        Reason::Unreachable => "the provider could not be reached",
        Reason::Credentials => "the provider does not accept our key",
        Reason::Throttled => "the provider took no more requests",
        Reason::Rejected => "the provider refused the request",
        Reason::NoNews => "it was never learnt what became of it",
        Reason::Declined => "the bank declined the card",
        Reason::PageClosed => "the page was closed",
        Reason::Unlisted => return format!("the provider said {code}"),
    };
    words.into()
}

fn figures(all: Steps, before: Option<Steps>, within: &[i64]) -> Vec<Figure> {
    let whole = |number: f64| format!("{number:.0}");
    let counted = |label: &str, of: fn(Steps) -> i64| {
        let was = before.map(|before| to_float(of(before)));
        figure(label, of(all).to_string(), change(to_float(of(all)), was, whole))
    };
    let of_all = |steps: Steps| percent(steps.online, steps.seen).map(percent_in_words);
    let was = before.and_then(of_all).map(|was| format!("{was} before")).unwrap_or_default();
    let middle = middle(within, &SECONDS).map(|seconds| format!("{seconds:.0} seconds"));
    vec![
        counted("saw the portal", |steps| steps.seen),
        counted("paid", |steps| steps.paid),
        figure("of those who saw it were online", of_all(all).unwrap_or_else(|| "not known".into()), was),
        figure("half of the payments confirmed within", middle.unwrap_or_else(|| "not known".into()), String::new()),
    ]
}

fn whole_way(all: Steps, places: &[Place], stops: &Stops) -> Section {
    let (numbers, lost, price) = (numbers(all), lost(all), mean_price(places));
    let rows = STEPS.iter().zip(numbers).enumerate().map(|(step, ((label, _), reached))| {
        let mut row = vec![Cell::text(*label), count(reached), share(reached, all.seen)];
        match lost.get(step) {
            Some(lost) => row.extend([
                count(*lost),
                share(*lost, reached),
                Cell::money(times(price, *lost)),
                Cell::text(if *lost > 0 { stops.reason(step, |_| true) } else { String::new() }),
            ]),
            None => row.resize(7, Cell::default()),
        }
        row
    });
    let heads = [
        ("Guests who", "step", false),
        ("How many", "reached", true),
        ("Of those who saw it", "share_percent", true),
        ("Lost behind it", "lost", true),
        ("Of them", "lost_percent", true),
        ("Money lost", "lost_amount", true),
        ("Most likely", "reason", false),
    ];
    let rows: Vec<Vec<Cell>> = if all == Steps::default() { Vec::new() } else { rows.collect() };
    let x = if rows.is_empty() { Vec::new() } else { STEPS.map(|(label, _)| label.to_owned()).to_vec() };
    let section = section("steps", "The whole way", &heads, rows, "Nobody was at the portal in this time.");
    let line = series("guests", numbers.iter().map(|number| Some(to_float(*number))));
    let told = match price {
        Some(price) => format!(
            "Money lost is those lost × {price}, the mean price of what was sold: at most so much, had all of them bought."
        ),
        None => "Nothing was sold in this time, so no price is known of what was lost.".to_owned(),
    };
    noted(charted(section, chart(Shape::Funnel, "guests", x, vec![line])), told)
}

fn at_sites(places: &[Place], stops: &Stops) -> Section {
    let mut sites: Vec<(Uuid, Vec<&Place>)> = Vec::new();
    for place in places {
        match sites.iter_mut().find(|(site, _)| *site == place.site) {
            Some((_, same)) => same.push(place),
            None => sites.push((place.site, vec![place])),
        }
    }
    let rows = sites.iter().map(|(site, same)| {
        let same: Vec<Place> = same.iter().map(|place| (*place).clone()).collect();
        let name = same.first().map(|place| place.name.clone()).unwrap_or_default();
        row(Cell::text(name), together(&same), mean_price(&same), |step| {
            stops.reason(step, |stopped| stopped.site == Some(*site))
        })
    });
    section("sites", "By site", &heads(("Site", "site")), rows.collect(), "Nobody was at the portal in this time.")
}

fn by_hours(hours: &[HourOfDay], price: Option<Money>, stops: &Stops) -> Section {
    let name = |hour: &HourOfDay| format!("{:02}:00", hour.hour);
    let rows = hours.iter().map(|hour| {
        row(Cell::text(name(hour)), hour.steps, price, |step| {
            stops.reason(step, |stopped| stopped.hour == Some(hour.hour))
        })
    });
    let nothing = "Nobody was at the portal in this time.";
    let section = section("hours", "By the hour of the day", &heads(("Hour", "hour")), rows.collect(), nothing);
    let line =
        |label: &str, of: fn(Steps) -> i64| series(label, hours.iter().map(|hour| Some(to_float(of(hour.steps)))));
    let lines = vec![
        line("saw the portal", |steps| steps.seen),
        line("chose", |steps| steps.chosen),
        line("were asked to pay", |steps| steps.paying),
        line("paid", |steps| steps.paid),
        line("online", |steps| steps.online),
    ];
    charted(section, chart(Shape::Line, "guests", hours.iter().map(name).collect(), lines))
}

fn heads<'a>((label, key): (&'a str, &'a str)) -> [(&'a str, &'a str, bool); 10] {
    [
        (label, key, false),
        ("Seen", "seen", true),
        ("Chosen", "chosen", true),
        ("Asked to pay", "paying", true),
        ("Paid", "paid", true),
        ("Online", "online", true),
        ("Of those who saw it", "online_percent", true),
        ("Money lost", "lost_amount", true),
        ("Most are lost behind", "worst_step", false),
        ("Most likely", "reason", false),
    ]
}

fn row(name: Cell, steps: Steps, price: Option<Money>, reason: impl Fn(usize) -> String) -> Vec<Cell> {
    let lost = lost(steps);
    let mut row = vec![name];
    row.extend(numbers(steps).map(count));
    row.push(share(steps.online, steps.seen));
    row.push(Cell::money(times(price, lost.iter().sum())));
    // Looking and leaving is what most guests do everywhere: what comes after it is what can be put right.
    let worst = lost.iter().enumerate().skip(1).max_by_key(|(step, lost)| (**lost, std::cmp::Reverse(*step)));
    match worst.filter(|(_, lost)| **lost > 0) {
        Some((step, lost)) => {
            let label = STEPS.get(step).map(|(label, _)| *label).unwrap_or_default();
            row.push(
                Cell::text(label).small(format!("{lost} lost")).value(STEPS.get(step).map_or("", |(_, key)| *key)),
            );
            row.push(Cell::text(reason(step)));
        }
        None => row.resize(10, Cell::default()),
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS_OF_A_DAY: Steps = Steps { seen: 100, chosen: 60, paying: 50, paid: 30, online: 29 };

    fn place(site: u128, purchases: i64, minor: i64) -> Place {
        Place {
            site: Uuid::from_u128(site),
            name: format!("site {site}"),
            steps: STEPS_OF_A_DAY,
            purchases,
            gross: Money::kes(minor),
        }
    }

    fn stopped(site: u128, why: &str, times: i64) -> Stopped {
        Stopped { site: Some(Uuid::from_u128(site)), hour: None, why: why.into(), times }
    }

    fn stops() -> Stops {
        Stops {
            payments: vec![
                stopped(1, "1032", 9),
                stopped(1, "unreachable", 4),
                stopped(2, "1", 20),
                stopped(1, "1", 2),
            ],
            refusals: vec![stopped(1, "bad_password", 3)],
        }
    }

    #[test]
    fn who_is_lost_costs_the_mean_price() {
        assert_eq!(lost(STEPS_OF_A_DAY), [40, 10, 20, 1]);
        assert_eq!(
            lost(Steps { seen: 1, chosen: 0, paying: 0, paid: 5, online: 5 }),
            [1, 0, 0, 0],
            "paid without a page"
        );
        assert_eq!(mean_price(&[place(1, 3, 6000), place(2, 1, 6000)]), Some(Money::kes(3000)));
        assert_eq!(mean_price(&[place(1, 0, 0)]), None);
        let dollars = Money { minor: 900, currency: "USD".parse().expect("a currency") };
        let mixed = [place(1, 3, 6000), Place { gross: dollars, ..place(2, 1, 0) }];
        assert_eq!(mean_price(&mixed), Some(Money::kes(2000)), "amounts of different currencies have no sum");
    }

    #[test]
    fn each_step_has_what_most_likely_stopped_them() {
        let section = whole_way(STEPS_OF_A_DAY, &[place(1, 2, 4000)], &stops());
        let row = |at: usize| section.rows[at].iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>();
        assert_eq!(
            row(1),
            ["chose a package", "60", "60.0 %", "10", "16.7 %", "KSh 200", "the provider could not be reached"]
        );
        assert_eq!(row(2)[3..], ["20", "40.0 %", "KSh 400", "there was not enough money"]);
        assert_eq!(row(3)[6], "bad password");
        assert_eq!((row(4)[1], row(4)[3], row(4).len()), ("29", "", section.heads.len()));
        let chart = section.chart.expect("a chart");
        assert_eq!((chart.shape, chart.x.len(), chart.series[0].values[4]), (Shape::Funnel, 5, Some(29.0)));
        let nobody = whole_way(Steps::default(), &[], &stops());
        assert!(nobody.rows.is_empty() && nobody.chart.is_none());
    }

    #[test]
    fn a_site_has_its_own_price_and_its_own_reason() {
        let section = at_sites(&[place(1, 2, 4000), place(2, 1, 5000)], &stops());
        let row = |at: usize| section.rows[at].iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>();
        assert_eq!(
            row(0),
            [
                "site 1",
                "100",
                "60",
                "50",
                "30",
                "29",
                "29.0 %",
                "KSh 1420",
                "were asked to pay",
                "it was cancelled on the phone"
            ]
        );
        assert_eq!(row(1)[7..], ["KSh 3550", "were asked to pay", "there was not enough money"]);
        assert_eq!(section.rows[0][8].small, "20 lost");
        assert_eq!(section.heads.len(), row(0).len());
    }

    #[test]
    fn half_of_the_payments_are_confirmed_within_a_time() {
        let told = figures(STEPS_OF_A_DAY, Some(STEPS_OF_A_DAY), &[0, 0, 4, 0, 0, 0, 0, 0, 0]);
        assert_eq!(told[3].value, "8 seconds", "between 5 and 10");
        assert_eq!((told[0].beside.as_str(), told[2].beside.as_str()), ("as before: 100", "29.0 % before"));
        assert_eq!(figures(STEPS_OF_A_DAY, None, &[])[3].value, "not known");
    }
}
