//! What the operator knows and no series can: public holidays, expected events, closures, of one site or of all.

use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use super::NOWHERE;
use crate::admin::Author;
use crate::{Db, Result, StoreError};

/// Entries that are listed.
const LISTED: i64 = 500;

/// What kind of day it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A public holiday.
    Holiday,
    /// Something that brings more people than usual, or fewer.
    Event,
    /// The place is closed.
    Closed,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 3] = [Kind::Holiday, Kind::Event, Kind::Closed];

    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Holiday => "holiday",
            Kind::Event => "event",
            Kind::Closed => "closed",
        }
    }

    /// Reads that word.
    pub fn parse(text: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A time that is not like others.
#[derive(Clone, PartialEq, Debug)]
pub struct Span {
    /// Where; `None`: at every site.
    pub site: Option<Uuid>,
    /// What it is.
    pub kind: Kind,
    /// What it is called.
    pub name: String,
    /// From then on.
    pub from: OffsetDateTime,
    /// Until before that.
    pub until: OffsetDateTime,
    /// How much of the usual is expected then; `None`: nobody said.
    pub factor: Option<f64>,
}

/// One that is written down.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// Identity.
    pub id: Uuid,
    /// When and what.
    pub span: Span,
    /// The name of its site, if it is one's.
    pub site_name: Option<String>,
    /// Who wrote it down.
    pub created_by: String,
}

struct Row {
    id: Uuid,
    site_id: Uuid,
    site_name: Option<String>,
    kind: String,
    name: String,
    from_at: OffsetDateTime,
    until_at: OffsetDateTime,
    factor: Option<f64>,
    created_by: String,
}

impl Row {
    fn entry(self) -> Result<Entry> {
        let kind = Kind::parse(&self.kind);
        let kind = kind.ok_or_else(|| StoreError::corrupt("calendar_days", self.id, "unknown kind"))?;
        let site = Some(self.site_id).filter(|site| *site != NOWHERE);
        let span = Span { site, kind, name: self.name, from: self.from_at, until: self.until_at, factor: self.factor };
        Ok(Entry { id: self.id, span, site_name: self.site_name, created_by: self.created_by })
    }
}

/// What is not over at that moment, at the sites that somebody is not kept from and at all of them; the next first.
pub async fn list(db: &Db, sites: &SiteScope, since: OffsetDateTime) -> Result<Vec<Entry>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT c.id, c.site_id, s.name AS "site_name?", c.kind, c.name, c.from_at, c.until_at, c.factor, c.created_by
           FROM calendar_days c LEFT JOIN sites s ON s.id = c.site_id
           WHERE c.until_at > $1 AND ($2::uuid[] IS NULL OR c.site_id = ANY ($2) OR c.site_id = $3)
           ORDER BY c.from_at, c.id LIMIT $4"#,
        since,
        sites.filter() as Option<&[Uuid]>,
        NOWHERE,
        LISTED
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter().map(Row::entry).collect()
}

/// Those of all sites that are not over at that moment, and that were written down before that one; the newest first.
pub async fn page(db: &Db, since: OffsetDateTime, before: Uuid, rows: u32) -> Result<Vec<Entry>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT c.id, c.site_id, s.name AS "site_name?", c.kind, c.name, c.from_at, c.until_at, c.factor, c.created_by
           FROM calendar_days c LEFT JOIN sites s ON s.id = c.site_id
           WHERE c.until_at > $1 AND c.id < $2 ORDER BY c.id DESC LIMIT $3"#,
        since,
        before,
        i64::from(rows)
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter().map(Row::entry).collect()
}

/// The one with that identity.
pub async fn get(db: &Db, id: Uuid) -> Result<Entry> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT c.id, c.site_id, s.name AS "site_name?", c.kind, c.name, c.from_at, c.until_at, c.factor, c.created_by
           FROM calendar_days c LEFT JOIN sites s ON s.id = c.site_id WHERE c.id = $1"#,
        id
    )
    .fetch_optional(&db.pool)
    .await?;
    row.ok_or_else(|| StoreError::missing("day of the calendar", id))?.entry()
}

/// What there is at a site, or at all sites, within that time. `None`: what is at every site alone.
pub async fn spans(db: &Db, site: Option<Uuid>, from: OffsetDateTime, until: OffsetDateTime) -> Result<Vec<Span>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, site_id, NULL::text AS "site_name?", kind, name, from_at, until_at, factor, created_by
           FROM calendar_days WHERE site_id IN ($1, $2) AND from_at < $4 AND until_at > $3 ORDER BY from_at, id"#,
        site.unwrap_or(NOWHERE),
        NOWHERE,
        from,
        until
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter().map(|row| Ok(row.entry()?.span)).collect()
}

/// The same of all sites, each with its own.
pub async fn all_spans(db: &Db, from: OffsetDateTime, until: OffsetDateTime) -> Result<Vec<Span>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, site_id, NULL::text AS "site_name?", kind, name, from_at, until_at, factor, created_by
           FROM calendar_days WHERE from_at < $2 AND until_at > $1 ORDER BY from_at, id"#,
        from,
        until
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter().map(|row| Ok(row.entry()?.span)).collect()
}

/// Writes one down; a line of the audit log has its name. `false`: the same is there already.
pub async fn add(db: &Db, id: Uuid, span: &Span, by: impl Into<Author<'_>>, now: OffsetDateTime) -> Result<bool> {
    let by: Author<'_> = by.into();
    let mut tx = db.begin().await?;
    let is_new = insert(&mut tx, id, span, by.name, now).await?;
    if is_new {
        by.note_of(&mut tx, &span.name, now).await?;
        tx.commit().await?;
    }
    Ok(is_new)
}

/// Writes several down as one. What is there already stays. Returns how many were not.
pub async fn add_all(db: &Db, spans: &[(Uuid, Span)], by: impl Into<Author<'_>>, now: OffsetDateTime) -> Result<u32> {
    let by: Author<'_> = by.into();
    let mut tx = db.begin().await?;
    let mut added = 0;
    for (id, span) in spans {
        added += u32::from(insert(&mut tx, *id, span, by.name, now).await?);
    }
    by.note(&mut tx, now).await?;
    tx.commit().await?;
    Ok(added)
}

async fn insert(tx: &mut PgConnection, id: Uuid, span: &Span, by: &str, now: OffsetDateTime) -> Result<bool> {
    let added = sqlx::query!(
        "INSERT INTO calendar_days (id, site_id, kind, name, from_at, until_at, factor, created_by, created_at)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9
         WHERE NOT EXISTS (SELECT FROM calendar_days
                           WHERE site_id = $2 AND kind = $3 AND name = $4 AND from_at = $5 AND until_at = $6)",
        id,
        span.site.unwrap_or(NOWHERE),
        span.kind.as_str(),
        span.name,
        span.from,
        span.until,
        span.factor,
        by,
        now
    )
    .execute(tx)
    .await?
    .rows_affected();
    Ok(added == 1)
}

/// Takes one out again; a line of the audit log has its name. Whoever is limited to sites takes out those of these alone.
pub async fn remove(
    db: &Db,
    sites: &SiteScope,
    id: Uuid,
    by: impl Into<Author<'_>>,
    now: OffsetDateTime,
) -> Result<()> {
    let by: Author<'_> = by.into();
    let mut tx = db.begin().await?;
    let name = sqlx::query_scalar!(
        "DELETE FROM calendar_days WHERE id = $1 AND ($2::uuid[] IS NULL OR site_id = ANY ($2)) RETURNING name",
        id,
        sites.filter() as Option<&[Uuid]>
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(|| StoreError::missing("day of the calendar", id))?;
    by.note_of(&mut tx, &name, now).await?;
    tx.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_as_they_are_written() {
        assert!(Kind::ALL.into_iter().all(|kind| Kind::parse(kind.as_str()) == Some(kind)));
        assert_eq!(Kind::parse("birthday"), None);
    }
}
