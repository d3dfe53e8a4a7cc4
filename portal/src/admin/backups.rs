//! `/admin/backups`: are there backups, does WAL leave the machine, and was one ever restored? What is late comes with what to do, and
//! below stand the last runs.
//!
//! Nothing can be started here: the portal has no way to the repository, so that whoever gets into the desk cannot touch the
//! backups.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use shared::time::OffsetDateTime;
use store::backup::{Kind, Run};

use super::Refusal;
use super::page::{Page, Tab, answer, style};
use super::words::{self, Said, Tone, said};
use crate::App;
use crate::backups::{self, Answer};
use crate::session::Staff;

/// How many are shown: a month of backups and drills.
const SHOWN: u32 = 40;
/// Seconds after which the page loads itself again.
const REFRESH: u32 = 60;

#[derive(Debug, Template)]
#[template(path = "admin/backups.html")]
pub(super) struct Backups {
    page: Page,
    style: String,
    answers: Vec<Answer>,
    runs: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    what: &'static str,
    began: String,
    took: String,
    size: String,
    /// Of a drill: how much would have been lost.
    lost: String,
    outcome: Said,
    detail: String,
}

/// `GET /admin/backups`.
pub(super) async fn show(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    let now = app.clock.now();
    let page = Backups {
        page: Page::new(&app, &staff, Tab::Backups).refreshed(REFRESH),
        style: style(),
        answers: backups::ask(&app.db, now).await?,
        runs: store::backup::list(&app.db, SHOWN).await?.iter().map(|run| row(run, now)).collect(),
    };
    answer(StatusCode::OK, &page)
}

fn row(run: &Run, now: OffsetDateTime) -> Row {
    Row {
        what: match run.kind {
            Kind::Full => "Full backup",
            Kind::Diff => "Backup of what changed since the last full one",
            Kind::Incr => "Backup of what changed since the last one",
            Kind::Drill => "Restore drill",
        },
        began: words::moment(run.started_at, now),
        took: words::span(run.took()),
        size: run.size.map(words::data).unwrap_or_default(),
        lost: run.would_have_lost().map(words::span).unwrap_or_default(),
        outcome: match run.ok {
            true => said(Tone::Good, "went well"),
            false => said(Tone::Bad, "failed"),
        },
        detail: run.detail.clone(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use store::backup::{Archive, Newest};

    use super::*;
    use crate::admin::page::tests::HOSTILE;

    pub(in crate::admin) fn sample(page: Page) -> Backups {
        let at = |seconds| OffsetDateTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let run = |kind, ok: bool| Run {
            kind,
            started_at: at(600),
            ended_at: at(608),
            ok,
            size: (kind != Kind::Drill).then_some(4_163_520),
            recovery_point: ok.then(|| at(543)),
            detail: HOSTILE.into(),
        };
        let runs = [run(Kind::Full, true), run(Kind::Diff, false), run(Kind::Incr, true), run(Kind::Drill, true)];
        let newest = Newest::of(vec![run(Kind::Full, true), run(Kind::Drill, false)]);
        let now = at(900);
        Backups {
            page,
            style: style(),
            answers: backups::judge(&newest, Archive::default(), now),
            runs: runs.iter().map(|run| row(run, now)).collect(),
        }
    }

    #[test]
    fn what_failed_says_why_and_what_to_do() {
        let html = sample(crate::admin::page::tests::page()).render().expect("renders");
        assert_eq!(html.matches("state bad").count(), 3, "no WAL, a drill, a run: {html}");
        assert!(html.contains("A backup that cannot be restored is none"), "{html}");
        assert!(html.contains("4.2 MB") && html.contains("57 seconds"), "{html}");
    }
}
