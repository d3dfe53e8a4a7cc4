//! The alerts of a span, as they were raised, told, acknowledged and over.

use shared::alert::{Kind, Severity};
use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::rollup::Span;
use crate::{Db, Result, StoreError, alert};

/// Most alerts of a report.
pub const MOST: i64 = 1_000;

/// An alert.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its identity.
    pub id: Uuid,
    /// Which rule.
    pub kind: Kind,
    /// The name of its site, if it is about one.
    pub site: Option<String>,
    /// In a sentence.
    pub title: String,
    /// What was seen, and what is usual, a line each.
    pub lines: Vec<String>,
    /// How grave.
    pub severity: Severity,
    /// How often it was raised.
    pub count: i32,
    /// When it was raised last.
    pub opened_at: OffsetDateTime,
    /// When people were told of that.
    pub told_at: Option<OffsetDateTime>,
    /// Who minded it, and since when.
    pub acknowledged: Option<(String, OffsetDateTime)>,
    /// What they wrote.
    pub note: String,
    /// When it was over.
    pub resolved_at: Option<OffsetDateTime>,
}

/// The alerts of these kinds that were raised in a span, the newest first. What is of no place is about all of them; what happened at a router
/// of no site is not for who is limited to some.
pub async fn raised(db: &Db, span: &Span, kinds: &[Kind], sites: &SiteScope) -> Result<Vec<Entry>> {
    let word = |kind: &Kind| kind.as_str().to_owned();
    let placed: Vec<String> = kinds.iter().filter(|kind| kind.is_of_a_place()).map(word).collect();
    let kinds: Vec<String> = kinds.iter().map(word).collect();
    let rows = sqlx::query!(
        r#"SELECT a.id AS "id!", a.kind AS "kind!", s.name AS "site?", a.title AS "title!", a.detail AS "detail!", a.severity AS "severity!",
                  a.count AS "count!", a.opened_at AS "opened_at!", a.told_at AS "told_at?", a.acknowledged_at AS "acknowledged_at?",
                  a.acknowledged_by AS "acknowledged_by?", a.note AS "note!", a.resolved_at AS "resolved_at?"
           FROM alerts a LEFT JOIN sites s ON s.id = a.site_id
           WHERE a.opened_at >= $1 AND a.opened_at < $2 AND a.kind = ANY ($3) AND ($4::uuid IS NULL OR a.site_id = $4)
             AND ($5::uuid[] IS NULL OR a.site_id = ANY ($5) OR (a.site_id IS NULL AND NOT a.kind = ANY ($7)))
           ORDER BY a.opened_at DESC, a.id LIMIT $6"#,
        span.from,
        span.until,
        &kinds,
        span.site,
        sites.filter() as Option<&[Uuid]>,
        MOST,
        &placed
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?;
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        let corrupt = |problem: &str| StoreError::corrupt("alerts", row.id, problem);
        entries.push(Entry {
            id: row.id,
            kind: Kind::parse(&row.kind).ok_or_else(|| corrupt("a kind that nobody asked for"))?,
            severity: Severity::parse(&row.severity).ok_or_else(|| corrupt("unknown severity"))?,
            site: row.site,
            title: row.title,
            lines: alert::lines(&row.detail),
            count: row.count,
            opened_at: row.opened_at,
            told_at: row.told_at,
            acknowledged: row.acknowledged_by.zip(row.acknowledged_at),
            note: row.note,
            resolved_at: row.resolved_at,
        });
    }
    Ok(entries)
}
