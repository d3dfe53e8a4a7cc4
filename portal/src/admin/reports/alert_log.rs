//! The alerts of a time: how soon people were told, who minded them and how soon, how long they lasted, and how many were real.
//!
//! Whether one was real is known to whoever looked: an acknowledgement whose note begins with one of [`FALSE`] says that it was not. What was never
//! acknowledged counts in neither. Everybody sees the alerts that the list of alerts would show them, and no others.

use std::time::Duration;

use shared::alert::Kind;
use shared::staff::Permission;
use shared::time::OffsetDateTime;
use store::report::alert_log::{self, Entry, MOST};

use super::chart::Shape;
use super::report::{About, Answer, Figure, Heeds, Question, Section, Told};
use super::usage::{chart, charted, figure, percent, percent_in_words, section, series, span, to_float};
use crate::admin::alerts::LIST;
use crate::admin::form::sentence;
use crate::admin::listing::Cell;
use crate::admin::words::{self, Said, Tone, said};
use crate::session::Staff;

pub(super) const ABOUT: About = About {
    slug: "alert-log",
    title: "Alert log",
    question: "What was wrong, how soon did somebody mind it, and how many alerts were real?",
    needs: Permission::See,
    heeds: Heeds { period: true, comparison: false, package: false, provider: false },
};

/// How a note begins that says that nothing was wrong.
const FALSE: [&str; 3] = ["false", "not real", "nothing wrong"];

/// Whether an alert was real, by the word of whoever acknowledged it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    /// Nobody has acknowledged it, or they wrote nothing.
    Unknown,
    Real,
    False,
}

pub(super) async fn answer(question: &mut Question<'_>) -> Told {
    let theirs = kinds(question.staff);
    let options: Vec<(String, String)> =
        theirs.iter().map(|kind| (kind.as_str().to_owned(), kind.label().to_owned())).collect();
    let chosen = question.asked.choice("kind", "Kind", "All", &options).and_then(|word| Kind::parse(&word));
    let kinds = chosen.map_or(theirs, |kind| vec![kind]);
    let common = &question.common;
    let entries = alert_log::raised(&question.app.db, &span(common), &kinds, &common.sites).await?;
    let mut notes = vec![
        "An alert that came back counts once, from when it was raised last. It was not real if the note of its acknowledgement begins with “false”."
            .to_owned(),
    ];
    if i64::try_from(entries.len()).unwrap_or(MOST) >= MOST {
        notes.push(format!("These are the newest {MOST}: ask for less."));
    }
    Ok(Answer {
        figures: figures(&entries),
        notes,
        sections: vec![by_kind(&entries), log(&entries, common.now)],
        extra: Vec::new(),
    })
}

/// The kinds that somebody may know of, as at the list of alerts.
fn kinds(staff: &Staff) -> Vec<Kind> {
    Kind::ALL.into_iter().filter(|kind| staff.may(kind.needs())).collect()
}

fn verdict(entry: &Entry) -> Verdict {
    let note = entry.note.trim().to_lowercase();
    match entry.acknowledged {
        Some(_) if FALSE.iter().any(|begin| note.starts_with(begin)) => Verdict::False,
        Some(_) if !note.is_empty() => Verdict::Real,
        _ => Verdict::Unknown,
    }
}

/// Seconds from when it was raised; `None`: that has not happened.
fn after(entry: &Entry, at: Option<OffsetDateTime>) -> Option<u64> {
    at.map(|at| u64::try_from((at - entry.opened_at).whole_seconds()).unwrap_or(0))
}

fn acknowledged_after(entry: &Entry) -> Option<u64> {
    after(entry, entry.acknowledged.as_ref().map(|(_, at)| *at))
}

/// The middle one.
fn median(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

fn in_words(seconds: Option<u64>) -> String {
    seconds.map(|seconds| words::span(Duration::from_secs(seconds))).unwrap_or_default()
}

fn cell(seconds: Option<u64>) -> Cell {
    Cell::text(in_words(seconds)).value(seconds.map(|seconds| seconds.to_string()).unwrap_or_default())
}

fn count_of(entries: &[&Entry], wanted: Verdict) -> usize {
    entries.iter().filter(|entry| verdict(entry) == wanted).count()
}

fn figures(entries: &[Entry]) -> Vec<Figure> {
    let all: Vec<&Entry> = entries.iter().collect();
    let (real, not_real) = (count_of(&all, Verdict::Real), count_of(&all, Verdict::False));
    let minded = median(entries.iter().filter_map(acknowledged_after).collect());
    let nobody = entries.iter().filter(|entry| entry.acknowledged.is_none()).count();
    let judged = to_count(real + not_real);
    let share = percent(to_count(real), judged).map(percent_in_words);
    let or_unknown = |text: String| if text.is_empty() { "not known".to_owned() } else { text };
    vec![
        figure("alerts", entries.len().to_string(), format!("{nobody} of them minded by nobody")),
        figure("half of them acknowledged within", or_unknown(in_words(minded)), String::new()),
        figure(
            "were real",
            or_unknown(share.unwrap_or_default()),
            format!("of {judged} on which somebody wrote a note"),
        ),
    ]
}

fn to_count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn by_kind(entries: &[Entry]) -> Section {
    let mut kinds: Vec<(Kind, Vec<&Entry>)> = Vec::new();
    for entry in entries {
        match kinds.iter_mut().find(|(kind, _)| *kind == entry.kind) {
            Some((_, of_kind)) => of_kind.push(entry),
            None => kinds.push((entry.kind, vec![entry])),
        }
    }
    kinds.sort_by_key(|(kind, of_kind)| (std::cmp::Reverse(of_kind.len()), kind.as_str()));
    let number = |number: usize| Cell::text(number.to_string());
    let rows = kinds.iter().map(|(kind, of_kind)| {
        let over = of_kind.iter().filter_map(|entry| after(entry, entry.resolved_at)).collect();
        vec![
            Cell::text(kind.label()).value(kind.as_str()),
            number(of_kind.len()),
            number(of_kind.iter().filter(|entry| entry.acknowledged.is_some()).count()),
            number(count_of(of_kind, Verdict::Real)),
            number(count_of(of_kind, Verdict::False)),
            cell(median(of_kind.iter().filter_map(|entry| acknowledged_after(entry)).collect())),
            cell(median(over)),
        ]
    });
    let heads = [
        ("Kind", "kind", false),
        ("Alerts", "alerts", true),
        ("Acknowledged", "acknowledged", true),
        ("Real", "real", true),
        ("Not real", "not_real", true),
        ("Half acknowledged within", "median_seconds_to_acknowledge", true),
        ("Half over within", "median_seconds_to_end", true),
    ];
    let section = section("kinds", "By kind", &heads, rows.collect(), "There was no alert in this time.");
    let bars = |name: &str, of: fn(&[&Entry]) -> usize| {
        series(name, kinds.iter().map(|(_, of_kind)| Some(to_float(to_count(of(of_kind))))))
    };
    let lines = vec![
        bars("real", |entries| count_of(entries, Verdict::Real)),
        bars("not real", |entries| count_of(entries, Verdict::False)),
        bars("nobody said", |entries| count_of(entries, Verdict::Unknown)),
    ];
    let names = kinds.iter().map(|(kind, _)| kind.label().to_owned()).collect();
    charted(section, chart(Shape::Stacked, "alerts", names, lines))
}

fn log(entries: &[Entry], now: OffsetDateTime) -> Section {
    let rows = entries.iter().map(|entry| {
        let (by, note) = match &entry.acknowledged {
            Some((by, _)) => (by.clone(), entry.note.clone()),
            None => (String::new(), String::new()),
        };
        let often = if entry.count > 1 { format!("raised {} times", entry.count) } else { String::new() };
        vec![
            Cell::moment(Some(entry.opened_at), now).link(format!("{LIST}/{}", entry.id)).small(often),
            Cell::text(entry.site.clone().unwrap_or_default()),
            Cell::text(entry.kind.label()).small(entry.severity.as_str()).value(entry.kind.as_str()),
            Cell::text(sentence(&entry.title)),
            Cell::text(entry.lines.join("; ")),
            cell(after(entry, entry.told_at)),
            cell(acknowledged_after(entry)).small(by.clone()),
            Cell::text(by),
            Cell::text(note),
            cell(after(entry, entry.resolved_at)),
            Cell::state(&in_a_word(verdict(entry))),
        ]
    });
    let heads = [
        ("Raised", "raised", false),
        ("Site", "site", false),
        ("Kind", "kind", false),
        ("What", "what", false),
        ("Seen, and usual", "detail", false),
        ("Told after", "told_after_seconds", true),
        ("Acknowledged after", "acknowledged_after_seconds", true),
        ("By", "acknowledged_by", false),
        ("Note", "note", false),
        ("Over after", "over_after_seconds", true),
        ("Was it real?", "real", false),
    ];
    section("log", "Each of them", &heads, rows.collect(), "There was no alert in this time.")
}

fn in_a_word(verdict: Verdict) -> Said {
    match verdict {
        Verdict::Unknown => said(Tone::Plain, ""),
        Verdict::Real => said(Tone::Bad, "yes"),
        Verdict::False => said(Tone::Good, "no"),
    }
}

#[cfg(test)]
mod tests {
    use shared::alert::Severity;
    use uuid::Uuid;

    use super::*;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).expect("in range")
    }

    fn entry(kind: Kind, acknowledged: Option<i64>, note: &str) -> Entry {
        Entry {
            id: Uuid::from_u128(7),
            kind,
            site: Some("Market".into()),
            title: "27 wrong guesses at Market".into(),
            lines: vec!["usual is 2.0".into()],
            severity: Severity::Warning,
            count: 1,
            opened_at: at(1000),
            told_at: Some(at(1020)),
            acknowledged: acknowledged.map(|seconds| ("asha@example.org".into(), at(seconds))),
            note: note.into(),
            resolved_at: Some(at(4600)),
        }
    }

    #[test]
    fn what_was_real_is_known_to_whoever_wrote_so() {
        for (acknowledged, note, expected) in [
            (None, "false", Verdict::Unknown),
            (Some(1100), "", Verdict::Unknown),
            (Some(1100), "False alarm: a school class", Verdict::False),
            (Some(1100), " nothing wrong here", Verdict::False),
            (Some(1100), "the line was cut", Verdict::Real),
        ] {
            assert_eq!(verdict(&entry(Kind::RouterSilent, acknowledged, note)), expected, "{note:?}");
        }
    }

    #[test]
    fn times_are_counted_from_when_it_was_raised() {
        let entries = [
            entry(Kind::RouterSilent, Some(1060), "cut"),
            entry(Kind::RouterSilent, Some(1600), "false"),
            entry(Kind::RouterSilent, None, ""),
            entry(Kind::DiskSpace, Some(1000), "full"),
        ];
        let section = by_kind(&entries);
        let row: Vec<&str> = section.rows[0].iter().map(|cell| cell.text.as_str()).collect();
        assert_eq!(row, [Kind::RouterSilent.label(), "3", "2", "1", "1", "10 minutes", "1 hour"]);
        assert_eq!(section.heads.len(), row.len());
        let told = log(&entries, at(9000));
        assert_eq!((told.rows[0][5].value.as_str(), told.rows[0][6].text.as_str()), ("20", "1 minute"));
        assert_eq!((told.rows[2][6].text.as_str(), told.heads.len()), ("", told.rows[0].len()));
        let figures = figures(&entries);
        assert_eq!((figures[0].value.as_str(), figures[0].beside.as_str()), ("4", "1 of them minded by nobody"));
        assert_eq!(figures[2].value, "66.7 %");
    }
}
